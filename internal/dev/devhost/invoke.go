package devhost

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// hostVersion is what the handler reads in X-Azure-Functions-HostVersion.
const hostVersion = "4.1054.250"

// Invocation is the outcome of one run: of the last try, where a retry policy
// made several.
type Invocation struct {
	ID          string                     `json:"id"`
	Function    string                     `json:"function"`
	Reason      string                     `json:"reason"` // schedule, pastDue, startup, manual or http
	Started     time.Time                  `json:"started"`
	Finished    time.Time                  `json:"finished"`
	Succeeded   bool                       `json:"succeeded"`
	Cause       string                     `json:"cause,omitempty"` // why it failed
	Attempts    int                        `json:"attempts"`
	Logs        []string                   `json:"logs,omitempty"`
	Outputs     map[string]json.RawMessage `json:"outputs,omitempty"`
	ReturnValue json.RawMessage            `json:"returnValue,omitempty"`
}

func newGUID() string { return uuid.NewString() }

// newEnvelopeClient never uses a proxy from the environment, and shows
// redirects to the judge instead of following them.
func newEnvelopeClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// call posts one envelope and judges the answer.
func (h *Host) call(ctx context.Context, inv *Invocation, body []byte) {
	inv.ID, inv.Started = newGUID(), h.opts.Clock.Now()
	inv.Attempts++
	h.log.host(levelInformation, "Executing %s (Reason=%s, Id=%s)", inv.Function, inv.Reason, inv.ID)
	v := h.exchange(ctx, inv.Function, inv.ID, body)
	inv.Finished = h.opts.Clock.Now()
	inv.Succeeded, inv.Cause = v.succeeded, v.cause
	inv.Logs, inv.Outputs, inv.ReturnValue = v.logs, v.outputs, v.returnValue
	for _, line := range v.logs {
		h.log.host(levelInformation, "%s [%s] %s", inv.Function, inv.ID, line)
	}
	took := inv.Finished.Sub(inv.Started).Milliseconds()
	if v.succeeded {
		h.log.host(levelInformation, "Executed %s (Succeeded, Id=%s, Duration=%dms)", inv.Function, inv.ID, took)
		return
	}
	h.log.host(levelError, "Executed %s (Failed, Id=%s, Duration=%dms): %s", inv.Function, inv.ID, took, v.cause)
}

// exchange sends the request when the handler is ready and waits for the whole
// answer, or for the process to be killed at functionTimeout.
func (h *Host) exchange(ctx context.Context, name, id string, body []byte) verdict {
	p, err := h.super.await(ctx)
	if err != nil {
		h.giveUp(err)
		return failed("%v", err)
	}
	ctx, expire := context.WithCancelCause(ctx)
	defer expire(nil)
	release := h.limit(p, name, id, func() { expire(errTimeout) }, func() {})
	defer release()
	resp, answer, err := h.post(ctx, name, id, body)
	if err != nil {
		return failed("%s", h.explain(ctx, p, err))
	}
	v := judge(resp.StatusCode, resp.Header, answer)
	if v.hangs && h.opts.HangOnEmpty {
		h.log.host(levelWarning, "%s [%s] %s; hanging as the real host does", name, id, v.cause)
		select {
		case <-p.exited:
			v.cause += "; " + p.obituary()
		case <-ctx.Done():
			v.cause += "; " + context.Cause(ctx).Error()
		}
	}
	return v
}

func (h *Host) post(ctx context.Context, name, id string, body []byte) (*http.Response, []byte, error) {
	// The plain reader hides its length, so that the body goes out chunked.
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.super.address()+"/"+name,
		io.NopCloser(bytes.NewReader(body)))
	if err != nil {
		return nil, nil, err
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", "Azure-Functions-Host/"+hostVersion)
	req.Header.Set("X-Azure-Functions-HostVersion", hostVersion)
	req.Header.Set("X-Azure-Functions-InvocationId", id)
	resp, err := h.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

// killGrace is between the end of an invocation that takes too long and the end of the process.
const killGrace = 2 * time.Second

var errTimeout = errors.New("it exceeded functionTimeout")

// limit ends an invocation that takes longer than functionTimeout, and soon after it the process
// with all that runs in it. expired is called at the first moment, ending just before the second.
// What was released in time is left alone.
func (h *Host) limit(p *process, name, id string, expired, ending func()) (release func()) {
	if h.app.timeout <= 0 {
		return func() {}
	}
	fires, stop := h.opts.Clock.After(h.app.timeout)
	done := make(chan struct{})
	go func() {
		select {
		case <-done:
			return
		case <-fires:
		}
		h.log.host(levelError, "%s [%s] exceeded functionTimeout %v: the handler is killed in %v, and all its running "+
			"invocations fail", name, id, h.app.timeout, killGrace)
		expired()
		grace, stop := h.opts.Clock.After(killGrace)
		defer stop()
		select {
		case <-grace:
		case <-p.exited:
		case <-h.life.Done():
		}
		ending()
		p.kill(whyTimeout)
	}()
	return func() { stop(); close(done) }
}

// explain adds the process's end to a transport error, which alone says only "EOF".
func (h *Host) explain(ctx context.Context, p *process, err error) string {
	if ctx.Err() != nil {
		return fmt.Sprintf("%v: %v", context.Cause(ctx), err)
	}
	text := fmt.Sprintf("no answer from the handler (%v)", err)
	// The broken connection is seen a moment before the exit.
	patience := time.NewTimer(500 * time.Millisecond)
	defer patience.Stop()
	select {
	case <-p.exited:
		return text + "; " + p.obituary()
	case <-patience.C:
		return text
	}
}

// giveUp stops the host where an invocation waited for readiness in vain.
func (h *Host) giveUp(err error) {
	if errors.Is(err, errNeverReady) {
		h.stop(err)
	}
}
