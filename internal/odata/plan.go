package odata

import (
	"math"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Plan is what a store can be asked for: no record that the filter lets through is left out by it,
// and each that comes is still to be evaluated.
type Plan struct {
	From, To   time.Time        // [From, To); zero: no bound
	EventTypes []string         // of signInEventTypes/any(t: t eq '...') that all have to hold
	Columns    [][]entra.Column // each has to have one that equals
	IDs        []string         // the record's id is one of these; nil: any
	Empty      bool             // nothing can match: the bounds exclude each other
	Rest       Node             // what is to be asked of each record: all but EventTypes; nil: nothing
	// TimeOnly says that Rest asks for nothing but a time, which From and To say, too.
	TimeOnly bool
}

// PlanFor takes a checked filter apart. columns are those that hold copies, by path. A type of
// events elsewhere than in a chain of ands at the top is an error: each type is a log
// of its own.
func PlanFor(n Node, timeProperty string, columns map[string]logs.Column) (Plan, error) {
	p := &planner{timeProperty: timeProperty, columns: columns}
	p.TimeOnly = true
	p.collect(n)
	if !p.From.IsZero() && !p.To.IsZero() && !p.From.Before(p.To) {
		p.Empty = true
	}
	if at, found := findEventTypes(p.Rest); found {
		return p.Plan, problem(at, "signInEventTypes is joined with other conditions by or, not, ne or all",
			"ask for one type, as signInEventTypes/any(t: t eq 'servicePrincipal'), joined with the rest by and")
	}
	return p.Plan, nil
}

// findEventTypes finds the property in a tree.
func findEventTypes(n Node) (at int, found bool) {
	switch n := n.(type) {
	case *Logical:
		if at, found := findEventTypes(n.L); found {
			return at, true
		}
		return findEventTypes(n.R)
	case *Not:
		return findEventTypes(n.Of)
	case *Lambda:
		return n.Path.At, n.Path.String() == eventTypes
	}
	return 0, false
}

const eventTypes = "signInEventTypes"

// and joins what is left to be asked.
func (p *planner) and(n Node) {
	if p.Rest == nil {
		p.Rest = n
		return
	}
	p.Rest = &Logical{L: p.Rest, R: n}
}

type planner struct {
	Plan
	timeProperty string
	columns      map[string]logs.Column
}

// collect gathers the conditions of a chain of ands.
func (p *planner) collect(n Node) {
	switch n := n.(type) {
	case *Logical:
		if !n.Or {
			p.collect(n.L)
			p.collect(n.R)
			return
		}
	case *Compare:
		if n.Path.Var == "" && n.Path.String() == p.timeProperty && n.Value.Kind == Time {
			p.bound(n.Op, n.Value.Time)
			p.TimeOnly = p.TimeOnly && n.Op != "ne"
			p.and(n)
			return
		}
	case *Lambda:
		c, ok := n.Of.(*Compare)
		if ok && !n.All && n.Path.String() == eventTypes && c.Path.Var == n.Var && len(c.Path.Names) == 0 &&
			c.Op == "eq" && c.Value.Kind == Text {
			p.EventTypes = append(p.EventTypes, c.Value.Text)
			return
		}
	}
	if n != nil {
		p.and(n)
		p.TimeOnly = false
	}
	if p.IDs == nil {
		p.IDs = idsOf(n)
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

// idsOf are the ids of which a record must have one, if a part says so.
func idsOf(n Node) []string {
	values := []Value{}
	switch n := n.(type) {
	case *Compare:
		if n.Op == "eq" && n.Path.Fold == "" && n.Path.String() == "id" {
			values = append(values, n.Value)
		}
	case *In:
		if n.Path.Fold == "" && n.Path.String() == "id" {
			values = n.Values
		}
	}
	var ids []string
	for _, v := range values {
		if v.Kind != Text {
			return nil
		}
		ids = append(ids, v.Text)
	}
	return ids
}

// column turns a part into conditions on columns of which one has to hold, if it is nothing but
// that.
func (p *planner) column(n Node) ([]entra.Column, bool) {
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
		return []entra.Column{one}, ok
	case *In:
		var all []entra.Column
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

// equals is the condition of a column, where the column tells as much as the record: not for texts
// that a column holds shortened, nor for an empty text or a usual one, which have no column.
func (p *planner) equals(path Path, v Value) (entra.Column, bool) {
	column, ok := p.columns[path.String()]
	if !ok || path.Var != "" || path.Fold != "" || path.fold {
		return entra.Column{}, false
	}
	switch {
	case v.Kind == Text && v.Text != "" && len(v.Text) < entra.MaxColumnBytes && !slices.Contains(column.Usual, v.Text):
		return entra.Column{Name: column.Name, Text: v.Text}, true
	case v.Kind == Number && v.Num == math.Trunc(v.Num) && math.Abs(v.Num) <= math.MaxInt32:
		return entra.Column{Name: column.Name, Int: int32(v.Num), IsInt: true}, true
	}
	return entra.Column{}, false
}
