package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// kind is what a value is.
type kind int

const (
	anything kind = iota
	text
	integer
	boolean
	null
	list
	object
)

func (k kind) String() string {
	return [...]string{"any", "string", "int", "bool", "null", "array", "object"}[k]
}

// typ is the type of an expression, a parameter or a property.
type typ struct {
	kind     kind
	literals []string // text: the only values that are known; nil for any
	elem     *typ     // list; nil for any
	props    map[string]prop
	extra    *typ // object: of properties that are not named; nil where there are none
	untyped  bool // object: nothing is known of its properties
	nullable bool
	least    *int // of a text's or list's length, or an integer's value
	most     *int
	pattern  string
	loop     bool // a resource or module that is declared in a loop
}

type prop struct {
	typ       *typ
	required  bool
	readOnly  bool
	sometimes bool // only some of the objects that it may be have it
}

var (
	anyType  = &typ{kind: anything}
	textType = &typ{kind: text}
	intType  = &typ{kind: integer}
	boolType = &typ{kind: boolean}
	nullType = &typ{kind: null}
	anyList  = &typ{kind: list}
	anyObj   = &typ{kind: object, untyped: true}
)

func literalOf(values ...string) *typ { return &typ{kind: text, literals: values} }
func listOf(elem *typ) *typ           { return &typ{kind: list, elem: elem} }

func (t *typ) element() *typ {
	if t == nil || t.elem == nil {
		return anyType
	}
	return t.elem
}

// join is a type that holds the values of both.
func join(a, b *typ) *typ {
	switch {
	case a == nil || a == b:
		return b
	case b == nil:
		return a
	case a.kind == null || b.kind == null:
		out := *a
		if a.kind == null {
			out = *b
		}
		out.nullable = true
		return &out
	case a.kind != b.kind:
		return anyType
	case a.kind == text && a.literals != nil && b.literals != nil:
		return literalOf(slices.Concat(a.literals, b.literals)...)
	case a.kind == list:
		if a.elem == nil || b.elem == nil {
			return anyList
		}
		return listOf(join(a.elem, b.elem))
	case a.kind == object && !a.untyped && !b.untyped:
		return joinObjects(a, b)
	case a.kind == object || a.kind == text:
		return &typ{kind: a.kind, untyped: a.kind == object}
	}
	return a
}

// joinObjects notes which properties only some of the objects have: they can be passed on, but not asked for.
func joinObjects(a, b *typ) *typ {
	out := &typ{kind: object, props: maps.Clone(a.props)}
	for name, p := range out.props {
		_, both := b.props[name]
		p.sometimes = p.sometimes || !both
		out.props[name] = p
	}
	for name, p := range b.props {
		if q, both := a.props[name]; both {
			p = prop{typ: join(q.typ, p.typ), sometimes: p.sometimes || q.sometimes}
		} else {
			p.sometimes = true
		}
		out.props[name] = p
	}
	return out
}

// mismatch tells why a value of type got does not fit want; empty: it does.
func mismatch(got, want *typ) string {
	switch {
	case got == nil || want == nil || got.kind == anything || want.kind == anything || got.kind == null:
		return ""
	case got.kind != want.kind:
		return fmt.Sprintf("expected %s, got %s", want.kind, got.kind)
	case want.kind == text && want.literals != nil:
		for _, v := range got.literals {
			if !slices.Contains(want.literals, v) {
				return fmt.Sprintf("%q is not one of %s", v, strings.Join(want.literals, ", "))
			}
		}
	case want.kind == list:
		if why := mismatch(got.elem, want.elem); why != "" {
			return "of its elements: " + why
		}
	case want.kind == object && !got.untyped && !want.untyped:
		for _, name := range slices.Sorted(maps.Keys(got.props)) {
			p, ok := want.props[name]
			if !ok && want.extra == nil {
				return fmt.Sprintf("there is no %q", name)
			}
			if ok {
				if why := mismatch(got.props[name].typ, p.typ); why != "" {
					return fmt.Sprintf("%s: %s", name, why)
				}
			}
		}
	}
	if want.kind == text {
		for _, v := range got.literals {
			if why := outOfBounds(len(v), want, "characters"); why != "" {
				return fmt.Sprintf("%q %s", v, why)
			}
		}
	}
	return ""
}

func outOfBounds(n int, want *typ, unit string) string {
	switch {
	case want.least != nil && n < *want.least:
		return fmt.Sprintf("is below the least, %d %s", *want.least, unit)
	case want.most != nil && n > *want.most:
		return fmt.Sprintf("is above the most, %d %s", *want.most, unit)
	}
	return ""
}
