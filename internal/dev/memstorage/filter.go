package memstorage

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// filter decides whether a row is meant.
type filter func(*row) bool

// parseFilter reads a $filter of the table service. An empty text means every row.
func parseFilter(text string) (filter, error) {
	if strings.TrimSpace(text) == "" {
		return func(*row) bool { return true }, nil
	}
	p := &filterParser{rest: text}
	p.next()
	f, err := p.or()
	if err == nil && p.err == nil && p.token != "" {
		err = fmt.Errorf("read filter %q: %q was not expected", text, p.token)
	}
	if p.err != nil {
		err = p.err
	}
	return f, err
}

// filterParser reads by recursive descent: or, and, not, comparison.
type filterParser struct {
	rest  string
	token string // empty at the end
	err   error
}

var tokens = regexp.MustCompile(`^(?:\(|\)|(?:datetime|guid|X|binary)?'(?:[^']|'')*'` +
	`|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?L?|[\pL_][\pL\pN_]*)`)

func (p *filterParser) next() {
	p.rest = strings.TrimLeft(p.rest, " ")
	p.token = tokens.FindString(p.rest)
	if p.token == "" && p.rest != "" && p.err == nil {
		p.err = fmt.Errorf("read filter: %q is not understood", p.rest)
	}
	p.rest = p.rest[len(p.token):]
}

func (p *filterParser) or() (filter, error) {
	left, err := p.and()
	for err == nil && p.token == "or" {
		p.next()
		a := left
		var b filter
		b, err = p.and()
		left = func(r *row) bool { return a(r) || b(r) }
	}
	return left, err
}

func (p *filterParser) and() (filter, error) {
	left, err := p.not()
	for err == nil && p.token == "and" {
		p.next()
		a := left
		var b filter
		b, err = p.not()
		left = func(r *row) bool { return a(r) && b(r) }
	}
	return left, err
}

func (p *filterParser) not() (filter, error) {
	switch p.token {
	case "not":
		p.next()
		f, err := p.not()
		return func(r *row) bool { return !f(r) }, err
	case "(":
		p.next()
		f, err := p.or()
		if err == nil && p.token != ")" {
			return nil, fmt.Errorf("read filter: a parenthesis is not closed before %q", p.rest)
		}
		p.next()
		return f, err
	}
	return p.comparison()
}

func (p *filterParser) comparison() (filter, error) {
	name := p.token
	if !propertyName.MatchString(name) {
		return nil, fmt.Errorf("read filter: %q is no property", name)
	}
	p.next()
	operator := p.token
	if name == "true" || name == "false" {
		return nil, fmt.Errorf("read filter: %s is no property", name)
	}
	p.next()
	want, err := parseLiteral(p.token)
	if err != nil {
		return nil, err
	}
	p.next()
	holds, ok := operators[operator]
	if !ok {
		return nil, fmt.Errorf("read filter: %q is no operator", operator)
	}
	return func(r *row) bool {
		got, ok := r.get(name)
		if !ok {
			return false
		}
		c, ok := compare(got, want)
		return ok && holds(c)
	}, nil
}

var operators = map[string]func(int) bool{
	"eq": func(c int) bool { return c == 0 },
	"ne": func(c int) bool { return c != 0 },
	"gt": func(c int) bool { return c > 0 },
	"ge": func(c int) bool { return c >= 0 },
	"lt": func(c int) bool { return c < 0 },
	"le": func(c int) bool { return c <= 0 },
}

// guid is a GUID literal; it is compared with a property's text.
type guid string

func parseLiteral(token string) (any, error) {
	prefix, quoted, isQuoted := strings.Cut(token, "'")
	if isQuoted {
		text := strings.ReplaceAll(strings.TrimSuffix(quoted, "'"), "''", "'")
		switch prefix {
		case "":
			return text, nil
		case "datetime":
			return time.Parse(time.RFC3339Nano, text)
		case "guid":
			return guid(strings.ToLower(text)), nil
		}
		b, err := hex.DecodeString(text)
		return binary(b), err
	}
	switch {
	case token == "true" || token == "false":
		return token == "true", nil
	case strings.ContainsAny(token, ".eE"):
		return strconv.ParseFloat(token, 64)
	}
	n, err := strconv.ParseInt(strings.TrimSuffix(token, "L"), 10, 64)
	return n, err
}

// get is the value of a property of the row.
func (r *row) get(name string) (any, bool) {
	switch name {
	case "PartitionKey":
		return r.partition, true
	case "RowKey":
		return r.key, true
	case "Timestamp":
		return r.stamp, true
	}
	for _, p := range r.properties {
		if p.name == name {
			v, err := p.value()
			if text, ok := v.(string); ok && p.edm == "Edm.Guid" {
				v = guid(strings.ToLower(text))
			}
			return v, err == nil
		}
	}
	return nil, false
}

// compare reports whether two values are of kinds that can be compared, and how they are ordered.
func compare(got, want any) (int, bool) {
	switch g := got.(type) {
	case string:
		w, ok := want.(string)
		return strings.Compare(g, w), ok
	case guid:
		w, ok := want.(guid)
		return strings.Compare(string(g), string(w)), ok
	case binary:
		w, ok := want.(binary)
		return strings.Compare(string(g), string(w)), ok
	case time.Time:
		w, ok := want.(time.Time)
		return g.Compare(w), ok
	case bool:
		w, ok := want.(bool)
		return order(number(g), number(w)), ok
	}
	a, okA := asFloat(got)
	b, okB := asFloat(want)
	if x, ok := got.(int64); ok {
		if y, ok := want.(int64); ok {
			return order(x, y), true
		}
	}
	return order(a, b), okA && okB
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}

func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case int64:
		return float64(n), true
	case float64:
		return n, true
	}
	return 0, false
}

func order[T int | int64 | float64](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
