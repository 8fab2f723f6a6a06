package odata

import (
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// Matches evaluates a checked filter on a record, which must be valid JSON. What a record does not
// have is null: equal to null, different from every value, and neither smaller nor greater.
func Matches(n Node, record []byte) bool {
	return eval(n, scope{doc: gjson.Parse(unsafe.String(unsafe.SliceData(record), len(record)))})
}

// scope is a record and what the variables around it are bound to.
type scope struct {
	doc   gjson.Result
	name  string
	elem  gjson.Result
	outer *scope
}

func (s *scope) lookUp(p Path) gjson.Result {
	from := s.doc
	if p.Var != "" {
		for s.name != p.Var {
			s = s.outer
		}
		from = s.elem
	}
	for _, name := range p.Names {
		if !from.IsObject() {
			return gjson.Result{}
		}
		from = member(from, name)
	}
	return from
}

// member is the first member of a name. gjson.Get would read points and stars in a name as its own
// language.
func member(object gjson.Result, name string) (found gjson.Result) {
	object.ForEach(func(key, value gjson.Result) bool {
		if key.Str == name {
			found = value
			return false
		}
		return true
	})
	return found
}

func eval(n Node, s scope) bool {
	switch n := n.(type) {
	case *Logical:
		if n.Or {
			return eval(n.L, s) || eval(n.R, s)
		}
		return eval(n.L, s) && eval(n.R, s)
	case *Not:
		return !eval(n.Of, s)
	case *Compare:
		return compare(s.lookUp(n.Path), n.Path, n.Op, n.Value)
	case *In:
		got := s.lookUp(n.Path)
		for _, v := range n.Values {
			if compare(got, n.Path, "eq", v) {
				return true
			}
		}
		return false
	case *Call:
		got := s.lookUp(n.Path)
		if got.Type != gjson.String {
			return false
		}
		has := map[string]func(string, string) bool{"startswith": strings.HasPrefix, "endswith": strings.HasSuffix,
			"contains": strings.Contains}[n.Func]
		return has(folded(got.Str, n.Path), folded(n.Text, Path{fold: n.Path.fold}))
	case *Lambda:
		return evalLambda(n, s)
	}
	return false
}

func evalLambda(n *Lambda, s scope) bool {
	list := s.lookUp(n.Path)
	result := n.All
	if !list.IsArray() {
		return result
	}
	list.ForEach(func(_, elem gjson.Result) bool {
		if n.Of == nil {
			result = true
			return false
		}
		inner := scope{doc: s.doc, name: n.Var, elem: elem, outer: &s}
		if eval(n.Of, inner) != n.All {
			result = !n.All
			return false
		}
		return true
	})
	return result
}

// folded is a text as it is compared.
func folded(text string, p Path) string {
	switch {
	case p.Fold == "toupper":
		return strings.ToUpper(text)
	case p.Fold == "tolower", p.fold:
		return strings.ToLower(text)
	}
	return text
}

func compare(got gjson.Result, p Path, op string, want Value) bool {
	missing := !got.Exists() || got.Type == gjson.Null
	if want.Kind == Null {
		return missing == (op == "eq")
	}
	c, comparable := order(got, p, want)
	if missing || !comparable {
		return op == "ne"
	}
	switch op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "gt":
		return c > 0
	case "ge":
		return c >= 0
	case "lt":
		return c < 0
	}
	return c <= 0
}

// order compares what a record has with a literal, and reports whether the two can be compared.
func order(got gjson.Result, p Path, want Value) (c int, comparable bool) {
	switch want.Kind {
	case Text:
		return strings.Compare(folded(got.Str, p), folded(want.Text, Path{fold: p.fold})), got.Type == gjson.String
	case GUID:
		return strings.Compare(strings.ToLower(got.Str), want.Text), got.Type == gjson.String
	case Number:
		switch {
		case got.Num < want.Num:
			c = -1
		case got.Num > want.Num:
			c = 1
		}
		return c, got.Type == gjson.Number
	case Boolean:
		if got.Bool() != want.Bool {
			c = 1
		}
		return c, got.IsBool()
	case Time:
		at, err := entra.ParseTime(got.Str)
		return at.Compare(want.Time), err == nil && got.Type == gjson.String
	}
	return 0, false
}
