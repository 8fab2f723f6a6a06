package devhost

import (
	"cmp"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// segment is one part of a route template, between slashes.
type segment struct {
	literal    string // lower case; empty for a parameter
	name       string
	constraint string
	optional   bool
	rest       bool
}

// weight orders segments as ASP.NET does: literal text first, then constrained
// parameters, free ones, and what swallows the rest last.
func (s segment) weight() int {
	switch {
	case s.literal != "":
		return 0
	case s.rest:
		return 3
	case s.constraint != "":
		return 1
	}
	return 2
}

type template []segment

// parseTemplate reads a route such as `v1/users/{id:guid}/{part?}` or `{*rest}`.
func parseTemplate(route string) (template, error) {
	route = strings.Trim(route, "/")
	if route == "" {
		return nil, nil
	}
	parts := strings.Split(route, "/")
	t := make(template, 0, len(parts))
	for i, part := range parts {
		s, err := parseSegment(part)
		if err != nil {
			return nil, fmt.Errorf("read route %q: %w", route, err)
		}
		if (s.rest || s.optional) && i != len(parts)-1 {
			return nil, fmt.Errorf("read route %q: %s must come last", route, part)
		}
		t = append(t, s)
	}
	return t, nil
}

func parseSegment(part string) (segment, error) {
	if !strings.ContainsAny(part, "{}") {
		if part == "" {
			return segment{}, fmt.Errorf("it has an empty part; remove one slash")
		}
		return segment{literal: strings.ToLower(part)}, nil
	}
	m := regexp.MustCompile(`^\{(\*{0,2})([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+))?(\?)?\}$`).FindStringSubmatch(part)
	if m == nil {
		return segment{}, fmt.Errorf("part %q is not understood; write {name}, {name:int}, {name?} or {*rest}", part)
	}
	s := segment{name: m[2], constraint: m[3], optional: m[4] != "", rest: m[1] != ""}
	if s.constraint != "" && constraintPattern(s.constraint) == nil {
		return segment{}, fmt.Errorf("constraint %q is unknown here; use int, long, bool, alpha or guid", s.constraint)
	}
	return s, nil
}

func constraintPattern(name string) *regexp.Regexp {
	switch name {
	case "int", "long":
		return regexp.MustCompile(`^[+-]?\d+$`)
	case "bool":
		return regexp.MustCompile(`^(?i:true|false)$`)
	case "alpha":
		return regexp.MustCompile(`^[A-Za-z]+$`)
	case "guid":
		return regexp.MustCompile(`^\{?[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}\}?$`)
	}
	return nil
}

// match tests the parts of a path. Literal text is compared without case.
func (t template) match(parts []string) bool {
	for i, s := range t {
		if s.rest {
			return true
		}
		if i >= len(parts) {
			return s.optional
		}
		if !s.accepts(parts[i]) {
			return false
		}
	}
	return len(parts) <= len(t)
}

func (s segment) accepts(value string) bool {
	if s.literal != "" {
		return strings.EqualFold(s.literal, value)
	}
	if value == "" {
		return false
	}
	if s.constraint == "" {
		return true
	}
	if !constraintPattern(s.constraint).MatchString(value) {
		return false
	}
	bits := map[string]int{"int": 32, "long": 64}[s.constraint]
	if bits == 0 {
		return true
	}
	_, err := strconv.ParseInt(value, 10, bits)
	return err == nil
}

// shape is equal for templates that accept the same paths.
func (t template) shape() string {
	var b strings.Builder
	for _, s := range t {
		fmt.Fprintf(&b, "/%s:%s:%t:%t", s.literal, s.constraint, s.optional, s.rest)
	}
	return b.String()
}

// route leads from a path and a method to a function.
type route struct {
	template template
	methods  []string // upper case; empty means all
	function *function
}

func (r route) allows(method string) bool {
	return len(r.methods) == 0 || slices.Contains(r.methods, method)
}

// router holds the routes, most specific first.
type router []route

func newRouter(functions []*function) router {
	var r router
	for _, f := range functions {
		if f.http != nil && !f.disabled {
			r = append(r, route{template: f.http.template, methods: f.http.methods, function: f})
		}
	}
	slices.SortStableFunc(r, func(a, b route) int {
		return slices.CompareFunc(a.template, b.template, func(x, y segment) int { return cmp.Compare(x.weight(), y.weight()) })
	})
	return r
}

// find returns nil for an unknown path and for a method that is not listed:
// the host answers 404 to both.
func (r router) find(method, escapedPath string) *function {
	parts, ok := splitPath(escapedPath)
	if !ok {
		return nil
	}
	for _, candidate := range r {
		if candidate.allows(method) && candidate.template.match(parts) {
			return candidate.function
		}
	}
	return nil
}

// splitPath cuts before it unescapes: an escaped slash belongs to its part.
func splitPath(escaped string) ([]string, bool) {
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
