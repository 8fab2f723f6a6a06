package router

import (
	"net/url"
	"slices"
	"strings"
)

// Route leads from a path and a method to a function.
type Route struct {
	Function string
	Template Template
	Methods  []string // upper case; none means all
}

func (r Route) allows(method string) bool {
	return len(r.Methods) == 0 || slices.Contains(r.Methods, method)
}

// Router holds routes in the order in which they are tried.
type Router struct{ routes []Route }

// New makes a Router.
func New(routes []Route) Router {
	ordered := slices.Clone(routes)
	slices.SortStableFunc(ordered, func(a, b Route) int { return strings.Compare(a.Function, b.Function) })
	return Router{ordered}
}

// Match is the route of a request.
type Match struct {
	Route  Route
	Values map[string]string // of its parameters; those that are optional and not given are absent
}

// Find returns the first route that matches the path and the method. If only the method differs, ok
// is false and the match is of the first route for the path; if no route has the path, the match
// has no function.
func (r Router) Find(method, escapedPath string) (m Match, ok bool) {
	parts, readable := Split(escapedPath)
	if !readable {
		return Match{}, false
	}
	for _, route := range r.routes {
		values, matches := route.Template.match(parts)
		if !matches {
			continue
		}
		if route.allows(method) {
			return Match{route, values}, true
		}
		if m.Route.Function == "" {
			m = Match{route, values}
		}
	}
	return m, false
}

// Split cuts a path before it unescapes its parts: an escaped slash belongs to its part.
func Split(escaped string) ([]string, bool) {
	trimmed := strings.TrimSuffix(strings.TrimPrefix(escaped, "/"), "/")
	if trimmed == "" {
		return nil, true
	}
	parts := strings.Split(trimmed, "/")
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if err != nil {
			return nil, false
		}
		parts[i] = plain
	}
	return parts, true
}
