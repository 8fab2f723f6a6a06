package devhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"time"
)

const (
	// quietLimit is the platform's: a response without bytes for 230 s is cut off.
	quietLimit   = 230 * time.Second
	mostAttempts = 10
	firstRetry   = 50 * time.Millisecond
	slowestRetry = 250 * time.Millisecond
	// sendsPerAttempt is how often .NET's HTTP client sends a request without a body.
	sendsPerAttempt = 4
	headerVersion   = "X-Azure-Functions-HostVersion"
	headerID        = "X-Azure-Functions-InvocationId"
)

var errQuiet = errors.New("no bytes for 230 s")

// passing is one request on its way to the handler, and its answer on the way back.
type passing struct {
	host     *Host
	r        *http.Request
	path     string // as the handler gets it
	inv      Invocation
	out      *recorder
	process  *process // nil until the handler is ready
	sent     atomic.Pointer[http.Request]
	failure  string
	complete bool // the answer is whole, or a failure says why it is not
}

// serveFunction streams a request to the handler and its answer back.
func (h *Host) serveFunction(w http.ResponseWriter, r *http.Request, f *function, path string) {
	x := &passing{host: h, r: r, path: path, inv: Invocation{ID: newGUID(), Function: f.name, Reason: "http",
		Started: h.opts.Clock.Now(), Attempts: 1}}
	h.outcomes.begin(f.name)
	h.busy.Add(1)
	defer h.busy.Add(-1)
	h.log.host(levelInformation, "Executing %s (Reason=http, Id=%s)", f.name, x.inv.ID)
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	defer context.AfterFunc(h.gone, func() { cancel(context.Cause(h.gone)) })()
	watch := newWatch(h.opts.Clock, quietLimit, func() { cancel(errQuiet) })
	defer watch.stop()
	x.out = &recorder{ResponseWriter: w, touch: watch.touch}
	// Deferred, because an answer that breaks off ends in a panic that net/http expects.
	defer func() { x.end(ctx) }()
	err := takeBody(w, r)
	if err == nil {
		x.process, err = h.super.await(ctx)
	}
	if err != nil {
		h.giveUp(err)
		x.failure, x.complete = err.Error(), true
		x.out.WriteHeader(http.StatusInternalServerError)
		return
	}
	defer h.limit(x.process, f.name, x.inv.ID, func() {}, func() { x.expire(cancel) })()
	x.proxy(ctx).ServeHTTP(x.out, r.WithContext(ctx))
	x.complete = true
}

// end records how it ended. A caller that goes away is no failure.
func (x *passing) end(ctx context.Context) {
	switch {
	case x.process != nil && x.r.Context().Err() != nil && x.host.life.Err() == nil:
		x.host.log.host(levelInformation, "%s [%s] the caller went away", x.inv.Function, x.inv.ID)
		x.failure = ""
	case !x.complete && x.failure == "":
		x.failure = x.host.explain(ctx, x.process, errors.New("the answer broke off"))
	}
	x.host.recordHTTP(x.inv, x.r, int(x.out.status.Load()), x.failure)
}

// expire ends what took longer than functionTimeout. What has no answer yet is sent once more.
func (x *passing) expire(cancel context.CancelCauseFunc) {
	if req := x.sent.Load(); req != nil && x.out.status.Load() == 0 && !hasBody(req) {
		x.host.again(x.process, req)
	}
	cancel(errTimeout)
}

func (x *passing) proxy(ctx context.Context) *httputil.ReverseProxy {
	transport := &retrying{next: x.host.transport}
	return &httputil.ReverseProxy{
		Rewrite: func(pr *httputil.ProxyRequest) {
			x.host.rewrite(pr, x.path, x.inv.ID, x.out.touch)
			x.sent.Store(pr.Out)
		},
		Transport: transport,
		ModifyResponse: func(resp *http.Response) error {
			for _, name := range transport.trailers {
				resp.Header.Add("Trailer", name)
			}
			return nil
		},
		FlushInterval: -1,
		ErrorLog:      log.New(io.Discard, "", 0), // recordHTTP says it, with the invocation
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			status := http.StatusInternalServerError
			if errors.Is(context.Cause(ctx), errQuiet) {
				status = http.StatusGatewayTimeout
			}
			x.failure = x.host.explain(ctx, x.process, err)
			w.WriteHeader(status)
		},
	}
}

// takeBody reads a body with a length as a whole, as the host does before the handler sees anything
// of the request. A chunked one streams.
func takeBody(w http.ResponseWriter, r *http.Request) error {
	switch {
	case r.ContentLength > mostBody:
		return fmt.Errorf("the request's body has %d bytes, and the host takes %d", r.ContentLength, mostBody)
	case r.ContentLength < 0:
		r.Body = http.MaxBytesReader(w, r.Body, mostBody)
	case r.ContentLength > 0:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return fmt.Errorf("read the request's body: %w", err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return nil
}

// again sends a request to the next process, too, as the HTTP client of the host does where the one
// that had it was killed. Nobody waits for the answer any more.
func (h *Host) again(p *process, req *http.Request) {
	h.background(func() {
		select {
		case <-p.exited:
		case <-h.life.Done():
			return
		}
		if _, err := h.super.await(h.life); err != nil {
			return
		}
		resp, err := (&retrying{next: h.transport}).RoundTrip(req.Clone(h.life))
		if err != nil {
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(io.Discard, resp.Body) // it breaks off where the process ends
	})
}

// rewrite sets path, query and headers as the host does.
func (h *Host) rewrite(pr *httputil.ProxyRequest, path, id string, touch func()) {
	pr.Out.URL.Scheme, pr.Out.URL.Host = "http", h.super.address()
	if plain, err := url.PathUnescape(path); err == nil {
		pr.Out.URL.Path, pr.Out.URL.RawPath = plain, path
	}
	pr.Out.URL.RawQuery = hostQuery(pr.In.URL.RawQuery)
	pr.Out.Host = h.super.address()
	pr.Out.Header.Del("Te")
	pr.SetXForwarded()
	pr.Out.Header.Set(headerVersion, hostVersion)
	pr.Out.Header.Set(headerID, id)
	pr.Out.Header.Set("x-ms-invocation-id", id)
	if hasBody(pr.Out) {
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

// retrying repeats a request whose connection failed, as the host does: ten attempts, 50 to 250 ms
// apart. A body that may have been read can't be sent again.
type retrying struct {
	next     http.RoundTripper
	trailers []string // that the answer announces
}

// RoundTrip leaves the body open where there is an answer: the transport may still look for its end,
// and would close the connection under the answer. Who asks closes it when the answer is at its end.
func (t *retrying) RoundTrip(req *http.Request) (_ *http.Response, failed error) {
	defer func() {
		if failed != nil && req.Body != nil {
			req.Body.Close()
		}
	}()
	delay := firstRetry
	for attempt := 1; ; attempt++ {
		resp, err := t.attempt(req)
		if err == nil {
			return t.withoutTrailers(resp), nil
		}
		replayable := isDialError(err) || !hasBody(req)
		if attempt == mostAttempts || !replayable || req.Context().Err() != nil {
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

// attempt is what the host's HTTP client does by itself: where there is no body, it sends a request
// whose connection breaks four times.
func (t *retrying) attempt(req *http.Request) (*http.Response, error) {
	for sent := 1; ; sent++ {
		try := req.Clone(req.Context())
		if hasBody(req) {
			try.Body = io.NopCloser(req.Body)
		}
		resp, err := t.next.RoundTrip(try)
		if err == nil || sent == sendsPerAttempt || isDialError(err) || hasBody(req) || req.Context().Err() != nil {
			return resp, err
		}
	}
}

func hasBody(req *http.Request) bool { return req.Body != nil && req.Body != http.NoBody }

// withoutTrailers leaves trailers out, which the host announces and does not send in HTTP/1.1. What
// is read from the body fills the trailers of the response, not those of its copy.
func (t *retrying) withoutTrailers(resp *http.Response) *http.Response {
	for name := range resp.Trailer {
		t.trailers = append(t.trailers, name)
	}
	short := *resp
	short.Trailer = nil
	return &short
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
	status atomic.Int32 // 0 until the answer has begun
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader leaves early hints out, which the host does not pass on.
func (r *recorder) WriteHeader(status int) {
	r.touch()
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		return
	}
	if _, typed := r.Header()["Content-Type"]; !typed {
		r.Header()["Content-Type"] = nil // net/http would guess one
	}
	r.status.Store(int32(status))
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
