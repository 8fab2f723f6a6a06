package devhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"
)

const (
	// quietLimit is the platform's: a response without bytes for 230 s is cut off.
	quietLimit    = 230 * time.Second
	mostRetries   = 10
	firstRetry    = 50 * time.Millisecond
	slowestRetry  = 250 * time.Millisecond
	headerVersion = "X-Azure-Functions-HostVersion"
	headerID      = "X-Azure-Functions-InvocationId"
)

var errQuiet = errors.New("no bytes for 230 s")

// serveFunction streams a request to the handler and its answer back.
func (h *Host) serveFunction(w http.ResponseWriter, r *http.Request, f *function) {
	inv := Invocation{ID: newGUID(), Function: f.name, Reason: "http", Started: h.opts.Clock.Now(), Attempts: 1}
	h.outcomes.begin(f.name)
	h.log.host(levelInformation, "Executing %s (Reason=http, Id=%s)", f.name, inv.ID)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	watch := newWatch(h.opts.Clock, quietLimit, func() { cancel(errQuiet) })
	defer watch.stop()
	out := &recorder{ResponseWriter: w, touch: watch.touch}
	var failure string
	var complete bool
	p, err := h.super.await(ctx)
	// Deferred, because an answer that breaks off ends in a panic that net/http expects.
	defer func() {
		if !complete && failure == "" {
			failure = h.explain(ctx, p, errors.New("the answer broke off"))
		}
		h.recordHTTP(inv, r, out.status, failure)
	}()
	if err != nil {
		h.giveUp(err)
		failure = err.Error()
		out.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer h.limit(p, f.name, inv.ID)()
	proxy := httputil.ReverseProxy{
		Rewrite:       func(pr *httputil.ProxyRequest) { h.rewrite(pr, inv.ID, watch.touch) },
		Transport:     retrying{next: h.transport},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // recordHTTP says it, with the invocation
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			status := http.StatusInternalServerError
			if errors.Is(context.Cause(ctx), errQuiet) {
				status = http.StatusGatewayTimeout
			}
			failure = h.explain(ctx, p, err)
			w.WriteHeader(status)
		},
	}
	proxy.ServeHTTP(out, r.WithContext(ctx))
	complete = true
}

// rewrite keeps path and query byte for byte and sets the headers the host sets.
func (h *Host) rewrite(pr *httputil.ProxyRequest, id string, touch func()) {
	pr.Out.URL.Scheme, pr.Out.URL.Host = "http", h.super.address()
	pr.Out.URL.RawQuery = pr.In.URL.RawQuery
	pr.Out.Host = h.super.address()
	pr.SetXForwarded()
	pr.Out.Header.Set(headerVersion, hostVersion)
	pr.Out.Header.Set(headerID, id)
	pr.Out.Header.Set("x-ms-invocation-id", id)
	if pr.Out.Body != nil && pr.Out.Body != http.NoBody {
		pr.Out.Body = touchingBody{pr.Out.Body, touch}
	}
}

// recordHTTP logs the path only: the query may hold a key.
func (h *Host) recordHTTP(inv Invocation, r *http.Request, status int, failure string) {
	inv.Finished = h.opts.Clock.Now()
	inv.Succeeded, inv.Cause = failure == "", failure
	h.outcomes.end(inv)
	took := inv.Finished.Sub(inv.Started).Milliseconds()
	if failure == "" {
		h.log.host(levelInformation, "Executed %s (%s %s -> %d, Id=%s, Duration=%dms)", inv.Function, r.Method,
			r.URL.EscapedPath(), status, inv.ID, took)
		return
	}
	h.log.host(levelError, "Executed %s (%s %s -> %d, Id=%s, Duration=%dms): %s", inv.Function, r.Method,
		r.URL.EscapedPath(), status, inv.ID, took, failure)
}

// retrying repeats a request whose connection failed, as the host does: ten
// times, 50 to 250 ms apart. A body that may have been read can't be sent again.
type retrying struct{ next http.RoundTripper }

func (t retrying) RoundTrip(req *http.Request) (*http.Response, error) {
	body := req.Body
	if body != nil {
		defer body.Close()
	}
	delay := firstRetry
	for attempt := 1; ; attempt++ {
		try := req.Clone(req.Context())
		if body != nil && body != http.NoBody {
			try.Body = io.NopCloser(body)
		}
		resp, err := t.next.RoundTrip(try)
		if err == nil {
			return resp, nil
		}
		replayable := isDialError(err) || body == nil || body == http.NoBody
		if attempt > mostRetries || !replayable || req.Context().Err() != nil {
			return nil, fmt.Errorf("after %d tries: %w", attempt, err)
		}
		wait := time.NewTimer(delay)
		select {
		case <-wait.C:
		case <-req.Context().Done():
			wait.Stop()
			return nil, req.Context().Err()
		}
		delay = min(2*delay, slowestRetry)
	}
}

// watch calls cut when nothing touched it for the limit.
type watch struct {
	clock Clock
	last  atomic.Int64 // of the last byte, ns since 1970
	done  chan struct{}
}

func newWatch(clock Clock, limit time.Duration, cut func()) *watch {
	w := &watch{clock: clock, done: make(chan struct{})}
	w.touch()
	fires, stop := clock.After(limit)
	go func() {
		for {
			select {
			case <-w.done:
				stop()
				return
			case <-fires:
			}
			left := limit - clock.Now().Sub(time.Unix(0, w.last.Load()))
			if left <= 0 {
				cut()
				return
			}
			fires, stop = clock.After(left)
		}
	}()
	return w
}

func (w *watch) touch() { w.last.Store(w.clock.Now().UnixNano()) }
func (w *watch) stop()  { close(w.done) }

// recorder records the status and every byte that passes.
type recorder struct {
	http.ResponseWriter
	touch  func()
	status int
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) WriteHeader(status int) {
	r.touch()
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.touch()
	return r.ResponseWriter.Write(p)
}

type touchingBody struct {
	io.ReadCloser
	touch func()
}

func (b touchingBody) Read(p []byte) (int, error) {
	b.touch()
	return b.ReadCloser.Read(p)
}
