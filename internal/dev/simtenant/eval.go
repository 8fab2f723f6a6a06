package simtenant

import (
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// plan is a parsed filter: what selects the stream and the time, and what is evaluated on each
// record.
type plan struct {
	from, to time.Time // both included
	types    []string  // of signInEventTypes
	rest     []node
}

var (
	minTime = time.Unix(0, 0).UTC()
	maxTime = time.Unix(1<<33, 0).UTC()
)

// planFilter splits the chain of ands at the top of a filter.
func planFilter(l *logs.Log, n node) plan {
	p := plan{from: minTime, to: maxTime}
	p.take(l.TimeProperty, n)
	return p
}

func (p *plan) take(timeProperty string, n node) {
	switch n := n.(type) {
	case nil:
		return
	case logical:
		if n.op == "and" {
			p.take(timeProperty, n.l)
			p.take(timeProperty, n.r)
			return
		}
	case comparison:
		if n.path == timeProperty && !n.value.time.IsZero() && p.bound(n.op, n.value.time) {
			return
		}
	case anyOf:
		if c, ok := n.of.(comparison); ok && n.path == "signInEventTypes" && c.op == "eq" && c.path == n.variable {
			p.types = append(p.types, c.value.text)
			return
		}
	}
	p.rest = append(p.rest, n)
}

func (p *plan) bound(op string, at time.Time) bool {
	later := func(t time.Time) {
		if t.After(p.from) {
			p.from = t
		}
	}
	earlier := func(t time.Time) {
		if t.Before(p.to) {
			p.to = t
		}
	}
	switch op {
	case "ge":
		later(at)
	case "gt":
		later(at.Add(1))
	case "le":
		earlier(at)
	case "lt":
		earlier(at.Add(-1))
	case "eq":
		later(at)
		earlier(at)
	default:
		return false
	}
	return true
}

// matches asks the rest of the filter of a record.
func (p *plan) matches(raw []byte) bool {
	if len(p.rest) == 0 {
		return true
	}
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
	for _, n := range p.rest {
		if !eval(n, doc, nil) {
			return false
		}
	}
	return true
}

// scope is an element of a list and the variable that names it.
type scope struct {
	variable string
	element  gjson.Result
}

func eval(n node, doc gjson.Result, in *scope) bool {
	switch n := n.(type) {
	case logical:
		if n.op == "and" {
			return eval(n.l, doc, in) && eval(n.r, doc, in)
		}
		return eval(n.l, doc, in) || eval(n.r, doc, in)
	case negation:
		return !eval(n.of, doc, in)
	case comparison:
		return compare(lookUp(doc, n.path, in), n.op, n.value)
	case call:
		text, found := lookUp(doc, n.path, in).String(), strings.HasPrefix
		switch n.name {
		case "contains":
			found = strings.Contains
		case "endswith":
			found = strings.HasSuffix
		}
		return found(text, n.text)
	case anyOf:
		for _, element := range lookUp(doc, n.path, in).Array() {
			if eval(n.of, doc, &scope{n.variable, element}) {
				return true
			}
		}
	}
	return false
}

func lookUp(doc gjson.Result, path string, in *scope) gjson.Result {
	if in != nil {
		if path == in.variable {
			return in.element
		}
		if rest, ok := strings.CutPrefix(path, in.variable+"/"); ok {
			doc, path = in.element, rest
		}
	}
	return doc.Get(strings.ReplaceAll(path, "/", "."))
}

func compare(got gjson.Result, op string, want value) bool {
	if want.text == "null" && !want.quoted {
		isNull := !got.Exists() || got.Type == gjson.Null
		return isNull == (op == "eq")
	}
	c := strings.Compare(got.String(), want.text)
	if !want.time.IsZero() {
		at, err := entra.ParseTime(got.String())
		if err != nil {
			return false
		}
		c = at.Compare(want.time)
	} else if got.Type == gjson.Number {
		c = 0
		if n := gjson.Parse(want.text).Num; got.Num < n {
			c = -1
		} else if got.Num > n {
			c = 1
		}
	}
	switch op {
	case "eq":
		return c == 0
	case "ne":
		return c != 0
	case "ge":
		return c >= 0
	case "le":
		return c <= 0
	case "gt":
		return c > 0
	}
	return c < 0
}
