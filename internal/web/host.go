// Package web is the app's one way over HTTP. It speaks the Azure Functions host's custom-handler
// protocol with enableProxyingHttpRequest (timers come as a JSON envelope on POST /<function>, HTTP
// functions as plain HTTP on /api/), reads requests, and writes answers in the shape of Microsoft
// Graph.
package web

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/web/router"
)

// maxEnvelope bounds an invocation's body; a timer's is below 1 KB.
const maxEnvelope = 1 << 20

// The bounds of a request's address, in bytes. The host takes a line of 8,192 with the method, the
// version and the line's end: of 9 KB it answers 414, without a body. So a longer address comes from
// elsewhere, or grew when the host encoded it. Source: KestrelServerLimits.MaxRequestLineSize,
// learn.microsoft.com/dotnet/api. A path has an id, and leaves room for the rest of a link.
const (
	maxURL  = 8192 - len("GET  HTTP/1.1\r\n")
	maxPath = 4 << 10
)

// Host routes what the Functions host sends. It is an http.Handler.
type Host struct {
	log       *slog.Logger
	base      string // of links; empty: as forwarded
	timers    map[string]Timer
	functions map[string]*served
	routes    router.Router

	requireRoles  bool // of callers
	authenticated bool // App Service has verified who calls
	attributes    bool // a key alone opens audits of custom security attributes

	questions *questions.Questions // nil: none are kept

	stopping context.Context // ends with Stop
	stop     context.CancelFunc
}

// Serve makes a Host of functions. base is the public address for links, without a slash at the
// end; empty: as the host forwarded it.
func Serve(log *slog.Logger, base string, functions ...Function) (*Host, error) {
	h := &Host{log: log, base: base, timers: make(map[string]Timer), functions: make(map[string]*served)}
	h.stopping, h.stop = context.WithCancel(context.Background())
	var routes []router.Route
	for _, f := range functions {
		b, err := f.Binding()
		if err != nil {
			return nil, err
		}
		if !b.HTTP {
			h.timers[f.Name] = f.Timer
			continue
		}
		template, err := router.Parse(prefix + b.Route)
		if err != nil {
			return nil, fmt.Errorf("serve %s: %w", f.Name, err)
		}
		h.functions[f.Name] = &served{Function: f, binding: b, optional: b.optional()}
		routes = append(routes, router.Route{Function: f.Name, Template: template, Methods: b.Methods})
	}
	h.routes = router.New(routes)
	return h, nil
}

// KeepQuestions shortens links that would be too long for the host. It is called before the first
// request.
func (h *Host) KeepQuestions(in *questions.Questions) { h.questions = in }

// Stop cancels the runs of timers, those in progress and those to come. HTTP functions answer on.
func (h *Host) Stop() { h.stop() }

// ServeHTTP answers the host. It never panics, and every answer has a JSON body: an empty 2xx would
// hang the invocation until functionTimeout.
func (h *Host) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("X-Azure-Functions-InvocationId")
	r = r.WithContext(withSent(WithInvocation(r.Context(), id)))
	defer func() {
		if cause := recover(); cause != nil {
			if cause == http.ErrAbortHandler {
				panic(cause)
			}
			h.log.ErrorContext(r.Context(), "panic", "path", withheld(r, r.URL.Path), "cause",
				withheld(r, fmt.Sprint(cause)),
				"stack", string(debug.Stack()))
			Error(w, r, &entra.Error{Code: entra.CodeInternal, Doing: "answer the request",
				Why: "the program has a fault here"})
		}
	}()
	switch {
	case len(r.RequestURI) > maxURL:
		h.fail(w, r, "", &entra.Error{Code: entra.CodeTooLarge, Doing: "read the request",
			Why: fmt.Sprintf("its address has %d characters, and at most are %d", len(r.RequestURI), maxURL),
			Remedy: "ask with POST .../$query: the same path with /$query behind it, Content-Type: text/plain, and as " +
				"the body what follows the question mark"})
	case len(r.URL.EscapedPath()) > maxPath:
		h.fail(w, r, "", &entra.Error{Code: entra.CodeTooLarge, Doing: "read the request",
			Why:    fmt.Sprintf("its path has %d characters, and at most are %d", len(r.URL.EscapedPath()), maxPath),
			Remedy: "no id is as long; ask the collection with $filter=id eq '...'"})
	case r.URL.Path == "/":
		JSON(w, http.StatusOK, map[string]string{"status": "ready"})
	case isRoute(r.URL.Path):
		h.serveRoute(w, r)
	default:
		h.serveInvocation(w, r, strings.TrimPrefix(r.URL.Path, "/"))
	}
}

// isRoute tells an HTTP function's path from an invocation of a timer. As all literals of a route
// it is compared without the case of ASCII letters.
func isRoute(path string) bool {
	return len(path) > len(prefix) && router.SameLiteral(path[:len(prefix)+1], "/"+prefix)
}

func (h *Host) serveInvocation(w http.ResponseWriter, r *http.Request, function string) {
	run, ok := h.timers[function]
	if f := h.functions[function]; f != nil && r.Method == http.MethodPost {
		if _, err := readEnvelope(http.MaxBytesReader(w, r.Body, maxEnvelope)); err == nil {
			h.answerOldHost(w, r, f)
			return
		}
	}
	if !ok {
		h.refuse(w, r, function, &entra.Error{Code: entra.CodeNotFound, Doing: "invoke " + function,
			Why: "there is no such function"})
		return
	}
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		h.refuse(w, r, function, &entra.Error{Code: entra.CodeNotAllowed, Doing: "invoke " + function,
			Why: "a timer is invoked with POST"})
		return
	}
	envelope, err := readEnvelope(http.MaxBytesReader(w, r.Body, maxEnvelope))
	if err != nil {
		h.refuse(w, r, function, &entra.Error{Code: entra.CodeBadRequest, Doing: "invoke " + function, Err: err})
		return
	}
	start := time.Now()
	h.log.InfoContext(r.Context(), "invocation begins", "function", function, "pastDue", envelope.pastDue(),
		"retry", envelope.retry())
	ctx, end := context.WithCancel(r.Context())
	defer end()
	defer context.AfterFunc(h.stopping, end)()
	result, err := run(ctx)
	took := time.Since(start).Round(time.Millisecond).String()
	if err != nil {
		// The host ignores the body of a failed invocation: the log is where the reason is read.
		h.log.ErrorContext(r.Context(), "invocation failed", "function", function, "took", took, "code",
			entra.CodeOf(err),
			"error", err.Error(), "stopped", ctx.Err() != nil)
		Error(w, r, told(r, err))
		return
	}
	line, message := result.Summary, "invocation done"
	if result.HandedOver {
		line, message = "stopped, because this process ends; the next run goes on from there: "+line,
			"invocation handed over"
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
