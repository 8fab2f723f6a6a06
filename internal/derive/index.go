// Package derive has what is computed from records and can be computed again: the index of a
// stream's days.
package derive

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// The index tells in which hours there is anything of a user, an application or an id, so that a
// search over years reads a few hours. It is made of days that are sealed, and good for as long as
// nothing came into them: what did stands in the log of seals, behind the entry up to which the
// index was brought, or waits to be sealed again. Whatever the index does not speak for is
// searched, so an answer is right without it too. Nor is a row believed that is not what was
// written: its day is searched whole.

// Day is one UTC day of a stream.
type Day struct {
	entra.Stream
	Start time.Time
}

// IndexedDay is what the index says that it has of a day.
type IndexedDay struct {
	LastSeal int64 // number of the newest entry of the log of any of the day's hours, when it was indexed
	Seals    int64 // how often its hours had been sealed, all together
}

// KnownDay is what the index says of a day, as far as it can be believed.
type KnownDay struct {
	IndexedDay
	Checked bool // each of the day's rows was written with a check; a version before wrote none
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

// Index is where the index lies.
type Index interface {
	// IndexedDays lists what the index has of the days of [from, to), by their start. A day whose
	// row is not what was written is not among them.
	IndexedDays(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time]KnownDay, error)
	// HoursOf tells for the indexed days of [from, to) in which hours there may be a record with a
	// value. A day that is not there has none.
	HoursOf(ctx context.Context, s entra.Stream, v Value, from, to time.Time) (map[time.Time]Found, error)
}

// Indexed is what is asked of the index once for a search.
type Indexed interface {
	ledger.Reader
	Index
	// IndexedUpTo is how many entries of the log the index knows; 0 where there is none, or where
	// the row that says it is not what was written.
	IndexedUpTo(ctx context.Context, s entra.Stream) (int64, error)
	// SealedSince lists the hours of the log's entries from a number on.
	SealedSince(ctx context.Context, s entra.Stream, number int64) ([]time.Time, error)
}

// Store is a Store whose index can be written.
type Store interface {
	ledger.LeaseStore
	Indexed
	// IndexDay reads the columns of a day's records and adds what they hold to the index, and then
	// says that the day is indexed. again: the day has been indexed before.
	IndexDay(ctx context.Context, d Day, state IndexedDay, again bool) (values int, err error)
	// SetIndexedUpTo says how many entries of the log the index knows.
	SetIndexedUpTo(ctx context.Context, s entra.Stream, entries int64) error
}

func (d *IndexedDay) add(cov ledger.Coverage) {
	d.Seals += cov.Seals
	if cov.Seals > 0 {
		d.LastSeal = max(d.LastSeal, cov.LastSeal)
	}
}

// Report is what a run of the indexer did.
type Report struct {
	Days   int
	Values int
	Left   bool // the time was over before all sealed days were indexed
}

// Update indexes a stream's sealed days that are not, or no longer, indexed as they are, the
// newest first, until a moment. With again, all of them are, whatever the index says. It has the
// stream's lease while it works, so that no purge drops what is being indexed, and leaves it to
// whoever waits for it.
func Update(ctx context.Context, store Store, by ledger.Execution, s entra.Stream, again bool,
	until time.Time) (Report, error) {
	p, err := store.Progress(ctx, s)
	if err != nil || !p.Started() || p.SealedTo.IsZero() {
		return Report{}, err
	}
	if entries, err := store.IndexedUpTo(ctx, s); err != nil || entries == p.Seals && !again {
		return Report{}, err
	}
	waiting, stop := context.WithDeadline(ctx, until)
	defer stop()
	// it dates nothing, and goes by no clock
	h, p, err := ledger.Acquire(waiting, store, by, s, func(*ledger.Writer) time.Time { return time.Time{} })
	var held *ledger.Held
	if errors.As(err, &held) || errors.Is(waiting.Err(), context.DeadlineExceeded) && isOnlyLate(err) {
		return Report{Left: true}, nil
	}
	if err != nil {
		return Report{}, err
	}
	h.KeepAlive(ctx)
	report, err := indexDays(ctx, store, h, p, again, until)
	return report, errors.Join(err, h.ReleaseUnchanged(ctx))
}

// isOnlyLate tells whether taking a lease failed for nothing but that its time was over.
func isOnlyLate(err error) bool {
	return errors.Is(err, ledger.ErrMoved) || err != nil && entra.Without(err, context.Canceled,
		context.DeadlineExceeded) == nil
}

func indexDays(ctx context.Context, store Store, h *ledger.Writer, p ledger.Progress, again bool,
	until time.Time) (Report, error) {
	var report Report
	s, upTo := p.Stream, p.Seals
	first := p.Held().UTC().Truncate(24 * time.Hour)
	last := p.SealedTo.UTC().Truncate(24 * time.Hour)
	for month := time.Date(last.Year(), last.Month(), 1, 0, 0, 0, 0, time.UTC); !month.AddDate(0, 1,
		0).Before(first); month = month.AddDate(0, -1, 0) {
		end := month.AddDate(0, 1, 0)
		states, err := daysOf(ctx, store, s, month, end)
		if err != nil {
			return report, err
		}
		known, err := store.IndexedDays(ctx, s, month, end)
		if err != nil {
			return report, err
		}
		for day := end.AddDate(0, 0, -1); !day.Before(month); day = day.AddDate(0, 0, -1) {
			state, whole := states[day]
			was, ok := known[day]
			if !whole && ok { // what was sealed since it was indexed stays among what is searched
				upTo = min(upTo, was.LastSeal+1)
			}
			if !whole || ok && was.IndexedDay == state && !again {
				continue
			}
			if time.Now().After(until) || h.Yields() {
				report.Left = true
				return report, nil
			}
			if h.Expired() {
				if err := h.Acquire(ctx); err != nil {
					return report, err
				}
			}
			n, err := store.IndexDay(ctx, Day{s, day}, state, ok)
			if err != nil {
				return report, err
			}
			report.Days++
			report.Values += n
		}
	}
	return report, store.SetIndexedUpTo(ctx, s, upTo)
}

// IndexableDays are the days of [from, to) that can be indexed, and as of which seals.
func IndexableDays(ctx context.Context, l ledger.Reader, s entra.Stream, from,
	to time.Time) (map[time.Time]IndexedDay, error) {
	return daysOf(ctx, l, s, from, to)
}

// daysOf are the states of the whole days of [from, to): those whose hours are all sealed, or hold
// nothing for good. A day of which anything was purged is none.
func daysOf(ctx context.Context, l ledger.Reader, s entra.Stream, from, to time.Time) (map[time.Time]IndexedDay,
	error) {
	states, hours := make(map[time.Time]IndexedDay), make(map[time.Time]int)
	for cov, err := range l.Windows(ctx, s, from, to) {
		if err != nil {
			return nil, err
		}
		if cov.State != ledger.WindowSealed && cov.State != ledger.WindowLost || cov.Doubt {
			continue
		}
		day := cov.Start.UTC().Truncate(24 * time.Hour)
		state := states[day]
		state.add(cov)
		states[day] = state
		hours[day]++
	}
	for day, n := range hours {
		if n < 24 {
			delete(states, day)
		}
	}
	return states, nil
}

// Search is the index, as it may be asked for one search.
type Search struct {
	index  Index
	stream entra.Stream
	doubts map[time.Time]bool // days into which something came since they were indexed
	until  time.Time          // days from here on may be about to be sealed again; zero: none
}

// NewSearch asks what the index is good for; nil where there is none.
func NewSearch(ctx context.Context, store Indexed, s entra.Stream) (*Search, error) {
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
		slog.WarnContext(ctx, "the index is not used: it says that it knows more than the log has", "stream", s, "entries",
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
	if day := p.DoubtFrom.UTC().Truncate(24 * time.Hour); p.Doubts > 0 && (out.until.IsZero() || day.Before(out.until)) {
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
	asking, ctx := errgroup.WithContext(ctx)
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
					slog.WarnContext(ctx, "a row of the index has lost its check: the day is searched whole", "stream", i.stream,
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
