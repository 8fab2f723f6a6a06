package derive

import (
	"context"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// Vouched is what the ledger vouches for of a period.
type Vouched struct {
	Revision Revision
	Spans    []ledger.Span // the hours that the view is made of, neighbours joined
}

// verdict is what an hour means for the period that it lies in.
type verdict int

const (
	takes  verdict = iota // the period is made of it
	leaves                // the period is made without it
	blocks                // the period can't be made
)

// of tells what an hour with a row in the ledger means.
func (w When) of(c *ledger.Coverage) verdict {
	if w == Settled {
		if c.State != ledger.WindowSealed && c.State != ledger.WindowLost || c.Doubt {
			return blocks
		}
		return takes
	}
	switch {
	case c.State == ledger.WindowPurged:
		return blocks
	case c.Seals == 0:
		return leaves
	case c.Doubt || !c.Sealed():
		return blocks // it is sealed again soon, and has another revision then
	}
	return takes
}

// vouching gathers the hours of a period.
type vouching struct {
	Vouched
	hours   int
	blocked bool
}

func (v *vouching) take(c *ledger.Coverage) {
	v.hours++
	v.Revision.Seals += c.Seals
	if c.Seals > 0 {
		v.Revision.LastSeal = max(v.Revision.LastSeal, c.LastSeal)
	}
	if n := len(v.Spans) - 1; n >= 0 && v.Spans[n].To.Equal(c.Start) {
		v.Spans[n].To = c.End()
		return
	}
	v.Spans = append(v.Spans, ledger.Span{From: c.Start, To: c.End()})
}

// VouchedFor are the periods of [from, to), whole ones, that a view can be made of, by their start.
// A period of which anything was purged is none.
func VouchedFor(ctx context.Context, l ledger.Reader, v View, s entra.Stream, from,
	to time.Time) (map[time.Time]Vouched, error) {
	all := make(map[time.Time]*vouching)
	for cov, err := range l.Windows(ctx, s, from, to) {
		if err != nil {
			return nil, err
		}
		start := v.Unit.Start(cov.Start)
		if all[start] == nil {
			all[start] = &vouching{}
		}
		switch v.When.of(&cov) {
		case takes:
			all[start].take(&cov)
		case blocks:
			all[start].blocked = true
		}
	}
	out := make(map[time.Time]Vouched)
	for start, p := range all {
		whole := p.hours == entra.HoursBetween(start, v.Unit.End(start))
		if !p.blocked && p.hours > 0 && (whole || v.When == Read) {
			out[start] = p.Vouched
		}
	}
	return out, nil
}

// Compute computes the rows of a period from what the ledger vouches for.
func Compute(ctx context.Context, from Source, v View, p Period, spans []ledger.Span) ([]Row, error) {
	var failed error
	contents := iter.Seq[Content](func(yield func(Content) bool) {
		for _, span := range spans {
			for c, err := range from.ReadContents(ctx, p.Stream, span.From, span.To, v.Needs) {
				if err != nil {
					failed = err
					return
				}
				if !yield(c) {
					return
				}
			}
		}
	})
	made, err := v.Of(p, contents)
	if failed != nil {
		return nil, failed
	}
	return made, err
}

// Believed reads the rows of the periods of [from, to), whole ones, that can be believed, by their
// start: those whose stamp names the present revision and version, and whose rows are all there as
// they were written. A period that is not among them is to be computed, or done without.
func Believed(ctx context.Context, store Store, v View, s entra.Stream, from,
	to time.Time) (map[time.Time][]Row, error) {
	// The ledger first: what is made after it names a revision that is not older.
	now, err := VouchedFor(ctx, store, v, s, from, to)
	if err != nil {
		return nil, err
	}
	keeper := store.Kept(v)
	stamps, err := keeper.Stamps(ctx, s, from, to)
	if err != nil {
		return nil, err
	}
	out := make(map[time.Time][]Row)
	for start, is := range now {
		stamp := stamps[start]
		if !stamp.Names(is.Revision, v.Version) {
			continue
		}
		stored, together, err := keeper.Rows(ctx, v.Period(s, start), stamp.Edition)
		if err != nil {
			return nil, err
		}
		if together == stamp.Together {
			out[start] = stored
		}
	}
	return out, nil
}
