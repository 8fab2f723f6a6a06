package derive

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
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
		if c.OnlyArrived() && c.Sealed() && !c.Doubt { // nothing else comes but what has it sealed again
			return takes
		}
		if c.OnlyArrived() {
			return blocks
		}
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
	arrived bool      // it has hours that were never read
	read    time.Time // the first one that was; zero: none
}

// whole reports whether nothing of a period is missing. Of the time before a stream was read only
// those hours have a row in which something arrived.
func (v *vouching) whole(start, end time.Time) bool {
	from := start
	if v.arrived {
		if from = v.read; from.IsZero() {
			from = end
		}
	}
	return v.hours >= entra.HoursBetween(from, end)
}

func (v *vouching) take(c *ledger.Coverage) {
	switch {
	case c.OnlyArrived() && v.read.IsZero():
		v.arrived = true
	case v.read.IsZero():
		v.read, v.hours = c.Start, 1
	default:
		v.hours++
	}
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
		some := p.hours > 0 || p.arrived
		if !p.blocked && some && (p.whole(start, v.Unit.End(start)) || v.When == Read) {
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

// Stored is what is kept of some periods of a view.
type Stored struct {
	// Believed are the rows of the periods that can be believed, by their start: those whose stamp
	// names the present revision and version, and whose rows are all there as they were written.
	Believed map[time.Time][]Row
	// Vouched are the periods that can be made, by their start.
	Vouched map[time.Time]Vouched
	// Altered are the stamps of those that were made, and whose rows are not what was written.
	Altered map[time.Time]Stamp
}

// ReadStored reads the periods of [from, to), whole ones. What is neither believed nor altered is
// not made yet, or no longer of what the ledger vouches for.
func ReadStored(ctx context.Context, store Store, v View, s entra.Stream, from, to time.Time) (Stored, error) {
	// The ledger first: what is made after it names a revision that is not older.
	now, err := VouchedFor(ctx, store, v, s, from, to)
	out := Stored{Believed: make(map[time.Time][]Row), Vouched: now, Altered: make(map[time.Time]Stamp)}
	if err != nil || len(now) == 0 {
		return out, err
	}
	keeper := store.Kept(v)
	stamps, err := keeper.Stamps(ctx, s, from, to)
	if err != nil {
		return out, err
	}
	for _, start := range slices.SortedFunc(maps.Keys(now), time.Time.Compare) {
		is, stamp := now[start], stamps[start]
		if stamp.State == StampAltered {
			out.Altered[start] = stamp
		}
		if !stamp.Names(is.Revision, v.Version) {
			continue
		}
		stored, together, err := keeper.Rows(ctx, v.Period(s, start), stamp.Edition)
		if err != nil {
			return out, err
		}
		if together == stamp.Together {
			out.Believed[start] = stored
		} else {
			out.Altered[start] = stamp
		}
	}
	return out, nil
}

// Believed reads the rows of the periods of [from, to), whole ones, that can be believed, by their
// start. A period that is not among them is to be computed, or done without.
func Believed(ctx context.Context, store Store, v View, s entra.Stream, from,
	to time.Time) (map[time.Time][]Row, error) {
	stored, err := ReadStored(ctx, store, v, s, from, to)
	return stored.Believed, err
}

// Distrust sees to it that the next run makes what is missing of a view, and periods whose rows
// were found altered, by their stamps. A stamp that another run has replaced meanwhile stays. It is
// not for views whose rows grow.
func Distrust(ctx context.Context, store Store, v View, s entra.Stream, altered map[time.Time]Stamp) error {
	keeper := store.Kept(v)
	for start, stamp := range altered {
		open := Stamp{State: StampOpen, Edition: stamp.Edition, Tag: stamp.Tag}
		if _, err := keeper.PutStamp(ctx, v.Period(s, start), open); err != nil && !errors.Is(err, ledger.ErrMoved) {
			return err
		}
	}
	// A run that is at work may say again that it followed the log. The next seal lets one begin
	// anyway.
	return keeper.SetMark(ctx, s, 0)
}
