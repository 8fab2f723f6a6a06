// Package web is the app's one way over HTTP. It speaks the Azure Functions host's custom-handler protocol with
// enableProxyingHttpRequest (timers come as a JSON envelope on POST /<function>, HTTP functions as plain HTTP on /api/),
// reads requests, and writes answers in the shape of Microsoft Graph.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Timer is the work of a timer function; an error fails the invocation. ctx ends when the process is
// to end: whether the run is handed over then, or has failed, the function says.
type Timer func(ctx context.Context) (Result, error)

// maxEnvelope bounds an invocation's body; a timer's is below 1 KB.
const maxEnvelope = 1 << 20

// maxURL bounds a request's address; nothing that is asked for needs as much.
const maxURL = 256 << 10

// Host routes what the Functions host sends. It is an http.Handler.
type Host struct {
	log    *slog.Logger
	timers map[string]Timer
	routes *http.ServeMux
	verbs  map[string][]string // by pattern

	requireRoles  bool // of callers
	authenticated bool // App Service has verified who calls

	stopping context.Context // ends with Stop
	stop     context.CancelFunc
}

// New makes a Host without functions.
func New(log *slog.Logger) *Host {
	h := &Host{log: log, timers: make(map[string]Timer), routes: http.NewServeMux(), verbs: make(map[string][]string)}
	h.stopping, h.stop = context.WithCancel(context.Background())
	return h
}

// Stop cancels the runs of timers, those under way and those to come. HTTP functions answer on.
func (h *Host) Stop() { h.stop() }

// Timer adds a timer function under its folder's name.
func (h *Host) Timer(function string, run Timer) { h.timers[function] = run }

// HTTP adds an HTTP function: pattern is a path of net/http's ServeMux, /api included, without a method.
func (h *Host) HTTP(pattern string, handler http.Handler, methods ...string) {
	h.verbs[pattern] = methods
	h.routes.Handle(pattern, handler)
}

// ServeHTTP answers the host. It never panics, and every answer has a JSON body: an empty 2xx would hang the
// invocation until functionTimeout.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Azure-Functions-InvocationId")
	r = r.WithContext(WithInvocation(r.Context(), id))
	defer func() {
		if cause := recover(); cause != nil {
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			h.log.ErrorContext(r.Context(), "panic", "path", r.URL.Path, "cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
			Error(w, r, &entra.Error{Code: entra.CodeInternal, Doing: "answer the request", Why: "the program has a fault here"})
		}
	}()
	switch {
	case len(r.RequestURI) > maxURL:
		Error(w, r, &entra.Error{Code: entra.CodeTooLarge, Doing: "read the request", Why: fmt.Sprintf("its address has %d characters", len(r.RequestURI)),
			Remedy: fmt.Sprintf("at most are %d", maxURL)})
	case r.URL.Path == "/":
		JSON(w, http.StatusOK, map[string]string{"status": "ready"})
	case strings.HasPrefix(r.URL.Path, "/api/"):
		h.serveRoute(w, r)
	default:
		h.serveInvocation(w, r, strings.TrimPrefix(r.URL.Path, "/"))
	}
}

func (h *Host) serveRoute(w http.ResponseWriter, r *http.Request) {
	_, pattern := h.routes.Handler(r)
	methods, ok := h.verbs[pattern]
	if !ok {
		Error(w, r, &entra.Error{Code: entra.CodeNotFound, Doing: "find " + r.URL.Path, Why: "there is no such function"})
		return
	}
	verb := r.Method
	if verb == http.MethodHead {
		verb = http.MethodGet
	}
	if !slices.Contains(methods, verb) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		Error(w, r, &entra.Error{Code: entra.CodeNotAllowed, Doing: "answer " + r.Method + " " + r.URL.Path,
			Why: "this function takes " + strings.Join(methods, ", ")})
		return
	}
	if err := h.authorize(r); err != nil {
		Error(w, r, err)
		return
	}
	h.routes.ServeHTTP(w, r)
}

func (h *Host) serveInvocation(w http.ResponseWriter, r *http.Request, function string) {
	run, ok := h.timers[function]
	if !ok {
		h.refuse(w, r, function, &entra.Error{Code: entra.CodeNotFound, Doing: "invoke " + function, Why: "there is no such function"})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.refuse(w, r, function, &entra.Error{Code: entra.CodeNotAllowed, Doing: "invoke " + function, Why: "a timer is invoked with POST"})
		return
	}
	envelope, err := readEnvelope(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err != nil {
		h.refuse(w, r, function, &entra.Error{Code: entra.CodeBadRequest, Doing: "invoke " + function, Err: err})
		return
	}
	start := time.Now()
	h.log.InfoContext(r.Context(), "invocation begins", "function", function, "pastDue", envelope.pastDue(), "retry", envelope.retry())
	ctx, end := context.WithCancel(r.Context())
	defer end()
	defer context.AfterFunc(h.stopping, end)()
	result, err := run(ctx)
	took := time.Since(start).Round(time.Millisecond).String()
	if err != nil {
		// The host ignores the body of a failed invocation: the log is where the reason is read.
		h.log.ErrorContext(r.Context(), "invocation failed", "function", function, "took", took, "code", entra.CodeOf(err),
			"error", err.Error(), "stopped", ctx.Err() != nil)
		Error(w, r, err)
		return
	}
	line, message := result.Summary, "invocation done"
	if result.HandedOver {
		line, message = "stopped, because this process ends; the next run goes on from there: "+line, "invocation handed over"
	}
	h.log.InfoContext(r.Context(), message, "function", function, "took", took, "summary", line)
	JSON(w, http.StatusOK, invocationResult{Outputs: map[string]any{}, Logs: []string{line}})
}

func (h *Host) refuse(w http.ResponseWriter, r *http.Request, function string, err error) {
	h.log.ErrorContext(r.Context(), "invocation refused", "function", function, "error", err.Error())
	Error(w, r, err)
}

// invocationResult is the answer to an envelope; ReturnValue stays null.
type invocationResult struct {
	Outputs     map[string]any
	Logs        []string
	ReturnValue json.RawMessage
}
