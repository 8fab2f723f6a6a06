package odata

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Check refuses properties that records of a shape do not have, operators that a property does not
// take and values that are no value of it, and readies the tree for evaluation.
func Check(n Node, s *Shape) error { return checker{vars: map[string]*Shape{}}.check(n, s) }

// checker knows the variables of the lambdas around.
type checker struct {
	vars   map[string]*Shape
	around string // the variable of the nearest one; empty: there is none
}

func (c checker) check(n Node, s *Shape) error {
	switch n := n.(type) {
	case *Logical:
		if err := c.check(n.L, s); err != nil {
			return err
		}
		return c.check(n.R, s)
	case *Not:
		return c.check(n.Of, s)
	case *Compare:
		return c.compare(n, s)
	case *In:
		for i := range n.Values {
			one := &Compare{Path: n.Path, Op: "eq", Value: n.Values[i], At: n.Values[i].At}
			if err := c.compare(one, s); err != nil {
				return err
			}
			n.Path, n.Values[i] = one.Path, one.Value
		}
		return nil
	case *Call:
		found, err := c.resolve(&n.Path, s)
		if err != nil {
			return err
		}
		if found.Kind != KindText && found.Kind != KindOpen {
			return problem(n.At, fmt.Sprintf("%s takes a text, which %s is not", n.Func, n.Path), operatorsOf(found))
		}
		return nil
	case *Lambda:
		return c.lambda(n, s)
	}
	return fmt.Errorf("check a filter: unknown node %T", n)
}

func (c checker) lambda(n *Lambda, s *Shape) error {
	found, err := c.resolve(&n.Path, s)
	if err != nil {
		return err
	}
	elem := found.Elem
	switch {
	// Otherwise each one nested walks all of a list again for each element of the one around it: some
	// hundred characters would take for ever on a single record.
	case c.around != n.Path.Var:
		return problem(n.Path.At, fmt.Sprintf("within the list of %s another one is walked that is not part of its "+
			"elements", c.around), fmt.Sprintf("write both side by side, with and or or between them, or begin "+
			"with %s/", c.around))
	case found.Kind == KindOpen:
		elem = found
	case found.Kind != KindList:
		return problem(n.Path.At, fmt.Sprintf("%s is no list", n.Path), operatorsOf(found))
	}
	if n.Of == nil {
		return nil
	}
	if _, taken := c.vars[n.Var]; taken {
		return problem(n.Path.At, fmt.Sprintf("the variable %s stands for something already", n.Var),
			"take another name")
	}
	c.vars[n.Var] = elem
	defer delete(c.vars, n.Var)
	c.around = n.Var
	return c.check(n.Of, s)
}

// resolve finds what a path leads to. A path that begins with a lambda's variable leads from its
// element.
func (c checker) resolve(p *Path, s *Shape) (*Shape, error) {
	if elem, ok := c.vars[firstOf(p.Names)]; ok && p.Var == "" {
		p.Var, p.Names = p.Names[0], p.Names[1:]
		s = elem
	} else if p.Var != "" {
		s = c.vars[p.Var]
	}
	found, err := s.find(p.Names, p.At)
	if err != nil {
		return nil, err
	}
	p.kind, p.fold = found.Kind, found.fold
	if p.Fold != "" && found.Kind != KindText && found.Kind != KindOpen {
		return nil, problem(p.At, fmt.Sprintf("%s takes a text, which %s is not", p.Fold, p), operatorsOf(found))
	}
	return found, nil
}

func firstOf(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func operatorsOf(s *Shape) string {
	switch s.Kind {
	case KindNumber, KindTime:
		return s.Name + " takes eq, ne, gt, ge, lt, le, in"
	case KindBool:
		return s.Name + " takes eq, ne with true, false"
	case KindObject:
		return s.Name + " has properties: " + strings.Join(s.Names(), ", ")
	case KindList:
		return s.Name + " takes any(x: ...), all(x: ...)"
	}
	return s.Name + " takes eq, ne, in, startswith, endswith, contains"
}

// values are the kinds of literals that a value of a kind is compared with, beside null.
var values = map[Kind][]ValueKind{KindText: {Text, GUID}, KindNumber: {Number}, KindBool: {Boolean}, KindTime: {Time}}

func (c checker) compare(n *Compare, s *Shape) error {
	found, err := c.resolve(&n.Path, s)
	if err != nil {
		return err
	}
	ordered := n.Op != "eq" && n.Op != "ne"
	switch {
	case found.Kind == KindOpen:
		return nil
	case ordered && found.Kind != KindNumber && found.Kind != KindTime:
		return problem(n.At, fmt.Sprintf("%s can't be compared with %s", n.Path, n.Op), operatorsOf(found))
	case n.Value.Kind == Null && !ordered:
		return nil
	case found.Kind == KindList || found.Kind == KindObject:
		return problem(n.At, fmt.Sprintf("%s can't be compared with a value", n.Path), operatorsOf(found))
	}
	if found.Kind == KindTime && n.Value.Kind == Text { // a time in quotes
		if t, err := parseTime(n.Value.Text); err == nil {
			n.Value.Kind, n.Value.Time = Time, t
		}
	}
	if !slices.Contains(values[found.Kind], n.Value.Kind) {
		return problem(n.Value.At, fmt.Sprintf("%s is compared with %q", n.Path, clip(n.Value.Text)),
			"accepted is "+example(found.Kind))
	}
	return nil
}

func example(k Kind) string {
	return map[Kind]string{KindText: "a text in single quotes", KindNumber: "a number", KindBool: "true or false",
		KindTime: "a time such as 2026-11-21T14:05:10Z"}[k]
}

// parseTime reads a time of a filter: a date is its first moment, and a time without a zone is UTC.
func parseTime(text string) (time.Time, error) {
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return entra.ParseTime(text)
}
