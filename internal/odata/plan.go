package odata

import (
	"math"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Plan is what a store can be asked for: no record that the filter lets through is left out by it, and each that comes is
// still to be evaluated.
type Plan struct {
	From, To   time.Time // [From, To); zero: no bound
	EventTypes []string  // of signInEventTypes/any(t: t eq '...') that all have to hold
	Columns    [][]OneOf // each has to have one that holds
	Empty      bool      // nothing can match: the bounds exclude each other
}

// OneOf is a column that equals a value: a text or a number of 32 bits.
type OneOf struct {
	Column string
	Text   string
	Int    int32
	IsInt  bool
}

// PlanFor takes a checked filter apart. columns are the names of the columns that hold copies, by path.
func PlanFor(n Node, timeProperty string, columns map[string]string) Plan {
	p := &planner{timeProperty: timeProperty, columns: columns}
	p.take(n)
	if !p.From.IsZero() && !p.To.IsZero() && !p.From.Before(p.To) {
		p.Empty = true
	}
	return p.Plan
}

type planner struct {
	Plan
	timeProperty string
	columns      map[string]string
}

// take takes what stands in a chain of ands.
func (p *planner) take(n Node) {
	switch n := n.(type) {
	case *Logical:
		if !n.Or {
			p.take(n.L)
			p.take(n.R)
			return
		}
	case *Compare:
		if n.Path.Var == "" && n.Path.String() == p.timeProperty && n.Value.Kind == Time {
			p.bound(n.Op, n.Value.Time)
			return
		}
	case *Lambda:
		if c, ok := n.Of.(*Compare); ok && !n.All && n.Path.String() == "signInEventTypes" && c.Path.Var == n.Var && len(c.Path.Names) == 0 &&
			c.Op == "eq" && c.Value.Kind == Text {
			p.EventTypes = append(p.EventTypes, c.Value.Text)
			return
		}
	}
	if any, ok := p.column(n); ok {
		p.Columns = append(p.Columns, any)
	}
}

func (p *planner) bound(op string, at time.Time) {
	from, to := time.Time{}, time.Time{}
	switch op {
	case "eq":
		from, to = at, at.Add(entra.Tick)
	case "ge":
		from = at
	case "gt":
		from = at.Add(1)
	case "lt":
		to = at
	case "le":
		to = at.Add(entra.Tick)
	}
	if from.After(p.From) {
		p.From = from
	}
	if !to.IsZero() && (p.To.IsZero() || to.Before(p.To)) {
		p.To = to
	}
}

// column turns a part into conditions on columns of which one has to hold, if it is nothing but that.
func (p *planner) column(n Node) ([]OneOf, bool) {
	switch n := n.(type) {
	case *Logical:
		if !n.Or {
			// One side is enough: what it excludes, both exclude.
			if l, ok := p.column(n.L); ok {
				return l, true
			}
			return p.column(n.R)
		}
		l, left := p.column(n.L)
		r, right := p.column(n.R)
		return slices.Concat(l, r), left && right
	case *Compare:
		if n.Op != "eq" {
			return nil, false
		}
		one, ok := p.equals(n.Path, n.Value)
		return []OneOf{one}, ok
	case *In:
		var all []OneOf
		for _, v := range n.Values {
			one, ok := p.equals(n.Path, v)
			if !ok {
				return nil, false
			}
			all = append(all, one)
		}
		return all, true
	}
	return nil, false
}

// equals is the condition of a column, where the column tells as much as the record: not for texts that a column holds
// shortened, nor for an empty text, which has no column.
func (p *planner) equals(path Path, v Value) (OneOf, bool) {
	name, ok := p.columns[path.String()]
	if !ok || path.Var != "" || path.Fold != "" || path.fold {
		return OneOf{}, false
	}
	switch {
	case v.Kind == Text && v.Text != "" && len(v.Text) < entra.MaxColumnBytes:
		return OneOf{Column: name, Text: v.Text}, true
	case v.Kind == Number && v.Num == math.Trunc(v.Num) && math.Abs(v.Num) <= math.MaxInt32:
		return OneOf{Column: name, Int: int32(v.Num), IsInt: true}, true
	}
	return OneOf{}, false
}
