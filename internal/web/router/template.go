// Package router finds the function of a request as the Azure Functions host does: routes are tried
// in the order of the functions' names, and not by how specific they are.
package router

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Template is a route, cut at its slashes.
type Template []Segment

// Segment is one part of a route, between slashes.
type Segment struct {
	Literal  string // lower case; empty for a parameter
	Name     string
	Optional bool
	Rest     bool // matches the rest of the path

	constraint string // as it is written
	accepts    func(string) bool
}

var parameter = regexp.MustCompile(`^\{(\*{0,2})([A-Za-z_][A-Za-z0-9_]*)(?::([a-z]+(?:\(.+\))?))?(\?)?\}$`)

// Parse reads a route such as `v1/users/{id:guid}/{part?}` or `{*rest}`.
func Parse(route string) (Template, error) {
	route = strings.Trim(route, "/")
	if route == "" {
		return nil, nil
	}
	parts := strings.Split(route, "/")
	t := make(Template, 0, len(parts))
	for i, part := range parts {
		s, err := parseSegment(part)
		if err != nil {
			return nil, fmt.Errorf("read route %q: %w", route, err)
		}
		// What follows an optional part has to be optional, too, as in ASP.NET's routes.
		if i > 0 && (t[i-1].Rest || t[i-1].Optional && !s.Optional) {
			return nil, fmt.Errorf("read route %q: %s must come last", route, parts[i-1])
		}
		t = append(t, s)
	}
	return t, nil
}

func parseSegment(part string) (Segment, error) {
	if !strings.ContainsAny(part, "{}") {
		if part == "" {
			return Segment{}, fmt.Errorf("it has an empty part; remove one slash")
		}
		return Segment{Literal: lower(part)}, nil
	}
	m := parameter.FindStringSubmatch(part)
	if m == nil {
		return Segment{}, fmt.Errorf("part %q is not understood; write {name}, {name:int}, {name?} or {*rest}", part)
	}
	s := Segment{Name: m[2], constraint: m[3], Optional: m[4] != "", Rest: m[1] != ""}
	if s.constraint == "" {
		return s, nil
	}
	if s.accepts = constraint(s.constraint); s.accepts == nil {
		return Segment{}, fmt.Errorf("constraint %q is unknown here; use int, long, bool, alpha or guid", s.constraint)
	}
	return s, nil
}

var (
	integers = regexp.MustCompile(`^[+-]?\d+$`)
	letters  = regexp.MustCompile(`^[A-Za-z]+$`)
	guid     = regexp.MustCompile(`^\{?[0-9A-Fa-f]{8}(-?[0-9A-Fa-f]{4}){3}-?[0-9A-Fa-f]{12}\}?$`)
)

// constraint is what a constraint of ASP.NET accepts; nil for one that is not known here.
func constraint(text string) func(string) bool {
	name, argument, _ := strings.Cut(strings.TrimSuffix(text, ")"), "(")
	switch name {
	case "int":
		return isInteger(32)
	case "long":
		return isInteger(64)
	case "bool":
		return func(value string) bool { return SameLiteral(value, "true") || SameLiteral(value, "false") }
	case "alpha":
		return letters.MatchString
	case "guid":
		return guid.MatchString
	case "length":
		if n, err := strconv.Atoi(argument); err == nil {
			return func(value string) bool { return len(value) == n }
		}
	case "regex":
		if pattern, err := regexp.Compile(argument); err == nil {
			return pattern.MatchString
		}
	}
	return nil
}

func isInteger(bits int) func(string) bool {
	return func(value string) bool {
		_, err := strconv.ParseInt(value, 10, bits)
		return err == nil && integers.MatchString(value)
	}
}

// SameLiteral compares two parts of a path, code unit by code unit but for the case of ASCII
// letters. Unicode's folding would take U+017F for an s, which the host does not.
func SameLiteral(a, b string) bool { return lower(a) == lower(b) }

func lower(text string) string {
	out := []byte(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}

// match tests the parts of a path, and gives the values of the parameters. Literal text is compared
// without the case of ASCII letters.
func (t Template) match(parts []string) (map[string]string, bool) {
	values := make(map[string]string)
	for i, s := range t {
		if s.Rest {
			values[s.Name] = strings.Join(parts[min(i, len(parts)):], "/")
			return values, true
		}
		if i >= len(parts) {
			return values, s.Optional
		}
		if !s.takes(parts[i]) {
			return nil, false
		}
		if s.Literal == "" {
			values[s.Name] = parts[i]
		}
	}
	return values, len(parts) <= len(t)
}

func (s Segment) takes(value string) bool {
	if s.Literal != "" {
		return SameLiteral(s.Literal, value)
	}
	return value != "" && (s.accepts == nil || s.accepts(value))
}

// Shape is equal for templates that accept the same paths.
func (t Template) Shape() string {
	var b strings.Builder
	for _, s := range t {
		fmt.Fprintf(&b, "/%s:%s:%t:%t", s.Literal, s.constraint, s.Optional, s.Rest)
	}
	return b.String()
}
