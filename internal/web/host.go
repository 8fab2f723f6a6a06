// Package web is the app's one way over HTTP. It speaks the Azure Functions host's custom-handler
// protocol with enableProxyingHttpRequest (timers come as a JSON envelope on POST /<function>, HTTP
// functions as plain HTTP on /api/), reads requests, and writes answers in the shape of Microsoft
// Graph.
package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/turns"
	"github.com/entraledger/entraledger/internal/web/router"
)

// maxEnvelope bounds an invocation's body; a timer's is below 1 KB.
const maxEnvelope = 1 << 20

// longestEnvelope is about what the host makes of the longest body that it takes, in bytes.
const longestEnvelope = 150 << 20

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
	timers    map[string]Function
	functions map[string]*served
	routes    router.Router

	requireRoles  bool // of callers
	authenticated bool // App Service has verified who calls
	attributes    bool // a key alone opens audits of custom security attributes

	questions *questions.Questions // nil: none are kept
	limits    Limits
	places    [Large + 1]*places
	timing    *places // of timers
	turns     turns.Turns

	stopping context.Context // ends with Stop
	stop     context.CancelFunc
}

// Serve makes a Host of functions. base is the public address for links, without a slash at the
// end; empty: as the host forwarded it.
func Serve(log *slog.Logger, base string, functions ...Function) (*Host, error) {
	h := &Host{log: log, base: base, timers: make(map[string]Function), functions: make(map[string]*served)}
	h.Limit(DefaultLimits())
	h.stopping, h.stop = context.WithCancel(context.Background())
	var routes []router.Route
	for _, f := range functions {
		b, err := f.Binding()
		if err != nil {
			return nil, err
		}
		if !b.HTTP {
			h.timers[f.Name] = f
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

// Limit sets what an instance has for answers, before the first request.
func (h *Host) Limit(l Limits) {
	h.limits, h.timing = l, newPlaces(l.Timers)
	for class, limit := range l.Classes {
		h.places[class] = newPlaces(limit)
	}
}

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
			Error(w, r, h.panicked(r, cause))
		}
	}()
	defer limitBody(w, r, h.limits.Stall)()
	switch {
	case headerBytes(r.Header) > maxHeaders:
		h.fail(w, r, "", &entra.Error{Code: entra.CodeHeadersTooLarge, Doing: "read the request",
			Why:    fmt.Sprintf("its headers have %d bytes", headerBytes(r.Header)),
			Remedy: fmt.Sprintf("at most are %d", maxHeaders)})
	case len(r.RequestURI) > maxURL:
		h.fail(w, r, "", &entra.Error{Code: entra.CodeTooLarge, Doing: "read the request",
			Why: fmt.Sprintf("its address has %d characters, and at most are %d", len(r.RequestURI), maxURL),
			Remedy: "ask with POST .../$query: the same path with /$query behind it, Content-Type: " +
				"text/plain, and as " +
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

// panicked logs a fault of the program, and is the error that tells of it.
func (h *Host) panicked(r *http.Request, cause any) error {
	h.log.ErrorContext(r.Context(), "panic", "path", withheld(r, r.URL.Path), "cause",
		withheld(r, fmt.Sprint(cause)), "stack", string(debug.Stack()))
	return &entra.Error{Code: entra.CodeInternal, Doing: "answer the request", Why: "the program has a fault here"}
}

// maxHeaders bounds a request's headers: the host takes 32 KB, and adds some of its own.
const maxHeaders = 32<<10 + 768

// headerBytes is how long headers are, as they are sent.
func headerBytes(h http.Header) int {
	n := 0
	for name, values := range h {
		for _, value := range values {
			n += len(name) + len(value) + len(": \r\n")
		}
	}
	return n
}

// isRoute tells an HTTP function's path from an invocation of a timer. As all literals of a route
// it is compared without the case of ASCII letters.
func isRoute(path string) bool {
	return len(path) > len(prefix) && router.SameLiteral(path[:len(prefix)+1], "/"+prefix)
}

func (h *Host) serveInvocation(w http.ResponseWriter, r *http.Request, function string) {
	if f := h.functions[function]; f != nil && r.Method == http.MethodPost {
		_, err := readEnvelope(http.MaxBytesReader(w, r.Body, maxEnvelope))
		_, long := errors.AsType[*http.MaxBytesError](err) // it may hold a delivery
		if long {
			_, _ = io.CopyN(io.Discard, r.Body, longestEnvelope) // the host reads no answer before it has sent all
		}
		if err == nil || long {
			h.answerOldHost(w, r, f)
			return
		}
	}
	f, ok := h.timers[function]
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
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{}) // net/http reads on while the run goes on
	release, err := h.timing.take(r.Context(), function, nil)
	if err != nil {
		w.Header().Set("Retry-After", seconds(h.timing.After))
		h.refuse(w, r, function, err)
		return
	}
	h.invoke(w, r, f, envelope, release)
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
