package derive

import (
	"context"
	"log/slog"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/parallel"
)

// The index tells in which hours there is anything of a user, an application or an id, so that a
// search over years reads a few hours. It is made of days that are sealed, and good for as long as
// nothing came into them: what did stands in the log of seals, behind the entry up to which the
// index was brought, or waits to be sealed again. Whatever the index does not speak for is
// searched, so an answer is right without it too. Nor is a row believed that is not what was
// written: its day is searched whole.

// KnownDay is what the index says of a day, as far as it can be believed.
type KnownDay struct {
	Revision Revision // that it was made of
	Checked  bool     // each of the day's rows was written with a check; a version before wrote none
}

// Found is what the index says of a value on a day.
type Found struct {
	Hours   Hours
	Checked bool // its rows have a check, and agree with it
	Altered bool // one of its rows is not what was written: the day is searched whole
}

// Hours is a set of the hours of a day: bit n is the hour that begins at n.
type Hours uint32

// Has tells whether an hour is in the set.
func (h Hours) Has(hour int) bool { return h&(1<<hour) != 0 }

// Value is something that records are looked for by: a column and what it equals, or, without a
// column, an id.
type Value struct{ Column, Text string }

// Finder is where the index lies.
type Finder interface {
	// IndexedDays lists what the index has of the days of [from, to), by their start. A day whose
	// row is not what was written is not among them.
	IndexedDays(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time]KnownDay, error)
	// HoursOf tells for the indexed days of [from, to) in which hours there may be a record with a
	// value. A day that is not there has none.
	HoursOf(ctx context.Context, s entra.Stream, v Value, from, to time.Time) (map[time.Time]Found, error)
}

// Searchable is what is asked of the index once for a search.
type Searchable interface {
	ledger.Reader
	Finder
	// IndexedUpTo is how many entries of the log the index knows; 0 where there is none, or where
	// the row that says it is not what was written.
	IndexedUpTo(ctx context.Context, s entra.Stream) (int64, error)
	// SealedSince lists the hours of the log's entries from a number on.
	SealedSince(ctx context.Context, s entra.Stream, number int64) ([]time.Time, error)
}

// Search is the index, as it may be asked for one search.
type Search struct {
	index  Finder
	stream entra.Stream
	doubts map[time.Time]bool // days into which something came since they were indexed
	until  time.Time          // days from here on may be about to be sealed again; zero: none
}

// NewSearch asks what the index is good for; nil where there is none.
func NewSearch(ctx context.Context, store Searchable, s entra.Stream) (*Search, error) {
	entries, err := store.IndexedUpTo(ctx, s)
	if err != nil || entries == 0 {
		return nil, err
	}
	// The ledger first: what is sealed again after it is among the entries that are read next.
	p, err := store.Progress(ctx, s)
	if err != nil {
		return nil, err
	}
	if entries > p.Seals { // nobody has sealed that much: the row is not what was written
		slog.WarnContext(ctx, "the index is not used: it says that it knows more than the log has", "stream", s,
			"entries",
			entries, "log", p.Seals)
		return nil, nil
	}
	hours, err := store.SealedSince(ctx, s, entries)
	if err != nil {
		return nil, err
	}
	out := &Search{index: store, stream: s, doubts: make(map[time.Time]bool)}
	for _, hour := range hours {
		out.doubts[hour.UTC().Truncate(24*time.Hour)] = true
	}
	if p.Reopened > 0 {
		out.until = p.ReopenedFrom.UTC().Truncate(24 * time.Hour)
	}
	if day := p.DoubtFrom.UTC().Truncate(24 * time.Hour); p.Doubts > 0 &&
		(out.until.IsZero() || day.Before(out.until)) {
		out.until = day
	}
	// Days before the first that was read are indexed where something arrived; one that is still to be
	// read, or to settle, may hold more by now.
	if day := entra.Later(p.SealedTo, p.FirstHour()).UTC().Truncate(24 * time.Hour); p.ImportedHours > 0 &&
		p.Started() && (out.until.IsZero() || day.Before(out.until)) {
		out.until = day
	}
	// What arrived is not in a view before its hour is sealed again.
	if day := p.UnsealedFrom.UTC().Truncate(24 * time.Hour); p.ImportedHours > 0 && p.Unsealed > 0 &&
		(out.until.IsZero() || day.Before(out.until)) {
		out.until = day
	}
	return out, nil
}

// Uses tells whether a day that is indexed is searched by the index.
func (i *Search) Uses(day time.Time) bool {
	return !i.doubts[day] && (i.until.IsZero() || day.Before(i.until))
}

// Hours tells for the days of [from, to) that the index speaks for in which hours there may be a
// record with any of some values. A day that is not there has to be searched whole.
func (i *Search) Hours(ctx context.Context, values []Value, from, to time.Time) (map[time.Time]Hours, error) {
	var known map[time.Time]KnownDay
	hours := make([]map[time.Time]Found, len(values))
	// None of the questions needs another's answer.
	asking, ctx := parallel.WithContext(ctx)
	asking.Go(func() (err error) { known, err = i.index.IndexedDays(ctx, i.stream, from, to); return err })
	for n, v := range values {
		asking.Go(func() (err error) { hours[n], err = i.index.HoursOf(ctx, i.stream, v, from, to); return err })
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	out := make(map[time.Time]Hours)
	for day := range known {
		if i.Uses(day) {
			out[day] = 0
		}
	}
	for _, of := range hours {
		for day, found := range of {
			_, used := out[day]
			switch lost := known[day].Checked && !found.Checked; {
			case !used:
			case found.Altered || lost:
				if lost && !found.Altered {
					slog.WarnContext(ctx, "a row of the index has lost its check: the day is searched whole", "stream",
						i.stream,
						"day", day)
				}
				delete(out, day)
			default:
				out[day] |= found.Hours
			}
		}
	}
	return out, nil
}
