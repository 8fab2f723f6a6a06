package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web/router"
)

// serveRoute answers a request for an HTTP function.
func (h *Host) serveRoute(w http.ResponseWriter, r *http.Request) {
	verb := r.Method
	path, posted := cutQuery(r.URL.EscapedPath())
	if verb == http.MethodHead || verb == http.MethodPost && posted {
		verb = http.MethodGet
	}
	m, ok := h.find(verb, path, r, posted)
	f := h.functions[m.Route.Function]
	if f == nil || !f.serves(m.Values) {
		h.fail(w, r, m.Route.Function, &entra.Error{Code: entra.CodeNotFound, Doing: "find " + r.URL.Path,
			Why: "there is no such function"})
		return
	}
	sentBy(r).path = m.Values
	o, methods := f.find(verb, m.Values)
	switch {
	case posted && r.Method != http.MethodPost:
		o, methods, ok = nil, []string{http.MethodPost}, false
	case len(methods) == 0:
		methods = f.binding.Methods
	}
	if !ok || o == nil && !slices.Contains(methods, verb) {
		w.Header().Set("Allow", strings.Join(methods, ", "))
		h.fail(w, r, f.Name, &entra.Error{Code: entra.CodeNotAllowed, Doing: "answer " + r.Method + " " + r.URL.Path,
			Why: "this function takes " + strings.Join(methods, ", ")})
		return
	}
	var who caller
	var err error
	if !f.Public {
		who, err = h.authorize(r, f.roleOf(o, verb))
	}
	if err != nil {
		h.fail(w, r, f.Name, err)
		return
	}
	if o == nil {
		h.fail(w, r, f.Name, f.unknown(m.Values))
		return
	}
	request := Request{http: r, path: m.Values, base: BaseURL(r, h.base), caller: who,
		links: &links{of: f.Name + "?" + valuesOf(m.Values)}, keeper: h.questions}
	if posted {
		request.http, err = h.posted(w, r, path)
	}
	if err != nil {
		h.fail(w, request.http, f.Name, err)
		return
	}
	h.serveOperation(w, request, f.Name, o)
}

// find finds the route of a request. A POST to $query is the GET of the path before it, if the host
// lets it through to the same function: with the key that the function asks for.
func (h *Host) find(verb, path string, r *http.Request, posted bool) (router.Match, bool) {
	m, ok := h.routes.Find(verb, path)
	if !posted {
		return m, ok
	}
	through, let := h.routes.Find(http.MethodPost, r.URL.EscapedPath())
	if _, twice := cutQuery(path); twice || !let || through.Route.Function != m.Route.Function {
		return router.Match{}, false
	}
	return m, ok
}

// valuesOf are the values of a route's parameters as one text.
func valuesOf(path map[string]string) string {
	out := url.Values{}
	for name, value := range path {
		out.Set(name, value)
	}
	return out.Encode()
}

// roleOf is the role that a request needs. A path that names nothing is asked for as what the
// function has.
func (s *served) roleOf(o *Operation, verb string) Role {
	if o != nil {
		return o.Role
	}
	i := slices.IndexFunc(s.Operations, func(o Operation) bool { return o.Verb() == verb })
	return s.Operations[max(0, i)].Role
}

// unknown is the error of a path that the function does not know.
func (s *served) unknown(values map[string]string) error {
	of, _, _ := strings.Cut(s.binding.Route, "/{")
	if values[lastParameter] != "" {
		return &entra.Error{Code: entra.CodeNotFound, Doing: "find an address of " + of,
			Why:    "there is no such function: it has too many parts",
			Remedy: "an id with a slash can't be part of an address: ask the collection with $filter=id eq '...'"}
	}
	word := s.given(values)
	var known []string
	for _, word := range s.words() {
		known = append(known, of+"/"+word)
	}
	return &entra.Error{Code: entra.CodeNotFound, Doing: "find " + of + "/" + word, Why: "there is no such view",
		Remedy: "there is " + strings.Join(known, ", ")}
}

// fail writes an error and logs it, once. What the caller can mend is logged with its code alone:
// the caller has the words, and they may name somebody. Of other errors the words are logged, but
// for what the caller sent.
func (h *Host) fail(w http.ResponseWriter, r *http.Request, function string, err error) {
	if h.hungUp(r, err) {
		Error(w, r, &entra.Error{Code: entra.CodeUnavailable, Doing: "answer the request", Why: "the caller hung up",
			Remedy: "ask again"})
		h.logHangUp(r, function)
		return
	}
	err = told(r, err)
	status := Error(w, r, err)
	attributes := []any{"function", function, "method", r.Method, "status", status, "code", entra.CodeOf(err)}
	switch {
	case status < http.StatusInternalServerError:
		h.log.InfoContext(r.Context(), "request refused", attributes...)
	case status == http.StatusInternalServerError:
		h.log.ErrorContext(r.Context(), "request failed", append(attributes, "error", loggable(r, err))...)
	default:
		h.log.WarnContext(r.Context(), "request failed", append(attributes, "error", loggable(r, err))...)
	}
}

// hungUp tells whether a request failed for nothing but that its caller went away. The requests
// that the end of the process cuts off fail for that.
func (h *Host) hungUp(r *http.Request, err error) bool {
	return r.Context().Err() != nil && h.stopping.Err() == nil && isCancelled(err)
}

// logHangUp notes what is no failure.
func (h *Host) logHangUp(r *http.Request, function string) {
	h.log.InfoContext(r.Context(), "the caller hung up", "function", function, "method", r.Method)
}

// logSlow notes an answer that was cut off for its caller's pace.
func (h *Host) logSlow(r *http.Request, function string) {
	h.log.WarnContext(r.Context(), "the caller took its answer too slowly while others waited, and was cut off",
		"function", function, "method", r.Method)
}

// isCancelled tells whether an error is, in all its parts, what came of the end of a context.
func isCancelled(err error) bool {
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(part error) bool { return !isCancelled(part) })
	case interface{ Unwrap() error }:
		if inner := e.Unwrap(); inner != nil {
			return isCancelled(inner)
		}
	}
	return errors.Is(err, context.Canceled)
}
