package archive

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/entra"
)

// The index tells in which hours there is anything of a user, an application or an id, so that a search over years reads a
// few hours. It is made of days that are sealed, and good for as long as none of their hours has been sealed again; whatever
// it does not speak for is searched, so an answer is right without it too.

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

// Hours is a set of the hours of a day: bit n is the hour that begins at n.
type Hours uint32

// Has tells whether an hour is in the set.
func (h Hours) Has(hour int) bool { return h&(1<<hour) != 0 }

// Value is something that records are looked for by: a column and what it equals, or, without a column, an id.
type Value struct{ Column, Text string }

// Index is where the index lies.
type Index interface {
	// IndexedDays lists what the index has of the days of [from, to), by their start.
	IndexedDays(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time]IndexedDay, error)
	// HoursOf tells for the indexed days of [from, to) in which hours there may be a record with a value. A day that is not
	// there has none.
	HoursOf(ctx context.Context, s entra.Stream, v Value, from, to time.Time) (map[time.Time]Hours, error)
}

// IndexStore is a Store whose index can be written.
type IndexStore interface {
	Ledger
	Index
	// IndexDay reads the columns of a day's records and writes what they hold into the index, and then the day.
	IndexDay(ctx context.Context, d Day, state IndexedDay) (values int, err error)
}

func (d *IndexedDay) add(cov Coverage) {
	d.Seals += cov.Seals
	if cov.Seals > 0 {
		d.LastSeal = max(d.LastSeal, cov.LastSeal)
	}
}

// IndexReport is what a run of the indexer did.
type IndexReport struct {
	Days   int
	Values int
	Left   bool // the time was over before all sealed days were indexed
}

// UpdateIndex indexes a stream's sealed days that are not, or no longer, indexed as they are, the newest first, until a moment.
// With again, all of them are, whatever the index says.
func UpdateIndex(ctx context.Context, store IndexStore, s entra.Stream, again bool, until time.Time) (IndexReport, error) {
	var report IndexReport
	p, err := store.Progress(ctx, s)
	if err != nil || !p.Started() || p.SealedTo.IsZero() {
		return report, err
	}
	first := p.begin().UTC().Truncate(24 * time.Hour)
	last := p.SealedTo.UTC().Truncate(24 * time.Hour)
	for month := time.Date(last.Year(), last.Month(), 1, 0, 0, 0, 0, time.UTC); !month.AddDate(0, 1, 0).Before(first); month = month.AddDate(0, -1, 0) {
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
			if was, ok := known[day]; !whole || ok && was == state && !again {
				continue
			}
			if time.Now().After(until) {
				report.Left = true
				return report, nil
			}
			n, err := store.IndexDay(ctx, Day{s, day}, state)
			if err != nil {
				return report, err
			}
			report.Days++
			report.Values += n
		}
	}
	return report, nil
}

// daysOf are the states of the whole days of [from, to): those whose hours are all sealed, or hold nothing for good.
func daysOf(ctx context.Context, l Ledger, s entra.Stream, from, to time.Time) (map[time.Time]IndexedDay, error) {
	states, hours := make(map[time.Time]IndexedDay), make(map[time.Time]int)
	for cov, err := range l.Windows(ctx, s, from, to) {
		if err != nil {
			return nil, err
		}
		if cov.State != WindowSealed && cov.State != WindowLost && cov.State != WindowPurged {
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

// HoursToSearch tells for the days of [from, to) that the index speaks for, where it still is as the log says, in which hours
// there may be a record with any of some values. A day that is not there has to be searched whole.
func HoursToSearch(ctx context.Context, l Ledger, index Index, s entra.Stream, values []Value, from, to time.Time) (map[time.Time]Hours, error) {
	var (
		known  map[time.Time]IndexedDay
		states map[time.Time]IndexedDay
		hours  = make([]map[time.Time]Hours, len(values))
	)
	// None of the questions needs another's answer.
	asking, ctx := errgroup.WithContext(ctx)
	asking.Go(func() (err error) { known, err = index.IndexedDays(ctx, s, from, to); return err })
	asking.Go(func() (err error) {
		states, err = daysOf(ctx, l, s, from.UTC().Truncate(24*time.Hour), to.Add(24*time.Hour-1).UTC().Truncate(24*time.Hour))
		return err
	})
	for i, v := range values {
		asking.Go(func() (err error) { hours[i], err = index.HoursOf(ctx, s, v, from, to); return err })
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	out := make(map[time.Time]Hours)
	for day, was := range known {
		if is, whole := states[day]; whole && is == was {
			out[day] = 0
		}
	}
	for _, of := range hours {
		for day, in := range of {
			if _, ok := out[day]; ok {
				out[day] |= in
			}
		}
	}
	return out, nil
}
