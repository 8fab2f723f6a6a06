package lastseen

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// readMonth reads what changed of some days of a month, the oldest first: by the month's view where
// more than one did, else by those of days, and what no view can have yet by its records. A view's
// row that is not what was written is never believed: its day is read by its records, and the next
// run of the views makes it again.
func (r *reading) readMonth(ctx context.Context, all []*dayState) error {
	unread := slices.DeleteFunc(slices.Clone(all), func(d *dayState) bool { return !r.unread(d) })
	month := derive.Month.Start(all[0].start)
	if r.month != nil && len(unread) > 1 && !derive.Month.End(month).After(r.asOf) {
		rows, err := r.stored(ctx, *r.month, month, derive.Month.End(month))
		if err != nil {
			return err
		}
		if made, ok := rows.Believed[month]; ok {
			err := r.readAgain(unread, func() error { return derive.AddTimes(r.times, made, r.since) })
			if err != nil {
				return err
			}
			for _, d := range unread {
				r.memory.Days[d.key] = dayRead{Whole: d.whole()}
			}
			return nil
		}
		r.isMissing(*r.month, rows, month)
	}
	var kept derive.Stored
	if len(unread) > 0 {
		var err error
		if kept, err = r.stored(ctx, r.day, unread[0].start, unread[len(unread)-1].end()); err != nil {
			return err
		}
	}
	for _, d := range slices.Backward(all) {
		if err := r.readDay(ctx, d, kept); err != nil {
			return err
		}
	}
	return nil
}

// stored reads what is kept of periods of a view, and has the altered ones made again.
func (r *reading) stored(ctx context.Context, v derive.View, from, to time.Time) (derive.Stored, error) {
	stored, err := derive.ReadStored(ctx, r.store, v, r.source.Stream, from, to)
	if err == nil && len(stored.Altered) > 0 {
		r.log.WarnContext(ctx, "what is kept of a view is not what was written: it is made again", "view", v.Name,
			"stream", r.source.Stream, "of", slices.SortedFunc(maps.Keys(stored.Altered), time.Time.Compare))
		err = derive.Distrust(ctx, r.store, v, r.source.Stream, stored.Altered)
	}
	return stored, err
}

// isMissing notes that a period is not made that could be.
func (r *reading) isMissing(v derive.View, kept derive.Stored, start time.Time) {
	_, possible := kept.Vouched[start]
	if _, altered := kept.Altered[start]; possible && !altered {
		r.missing[v.Name] = v
	}
}

// hoursKept is for how long it is kept which hours of a day were read.
const hoursKept = 10 * days

func (r *reading) readDay(ctx context.Context, d *dayState, kept derive.Stored) error {
	recent := d.end().After(r.asOf.Add(-lookBack))
	if made, ok := kept.Believed[d.start]; ok && r.unread(d) {
		err := r.readAgain([]*dayState{d}, func() error { return derive.AddTimes(r.times, made, r.since) })
		r.memory.Days[d.key] = dayRead{Whole: d.whole()}
		return err
	}
	_, possible := kept.Vouched[d.start]
	_, altered := kept.Altered[d.start]
	switch {
	case !r.unread(d) && !recent:
		if d.end().Before(r.asOf.Add(-hoursKept)) {
			r.memory.Days[d.key] = dayRead{Whole: d.whole()}
		}
		return nil
	case !recent && possible && !altered:
		r.isMissing(r.day, kept, d.start) // the runs of the views have not come to it yet
		if r.source.Tells != directory.TellsRestores {
			return nil
		}
	}
	switch {
	case !recent && r.records == r.recordsAtMost:
		return nil
	case !recent:
		r.records++
	}
	return r.readHours(ctx, d)
}

// readHours reads those hours of a day by their records that are not what was read of them.
func (r *reading) readHours(ctx context.Context, d *dayState) error {
	read := dayRead{Hours: make(map[int]uint64)}
	var spans []ledger.Span
	for hour := range 24 {
		at := d.start.Add(time.Duration(hour) * time.Hour)
		if d.hours[hour] != 0 {
			read.Hours[hour] = d.hours[hour]
		}
		late := d.hours[hour] == 0 && (!at.Add(time.Hour).After(r.asOf.Add(-lookBack)) || at.After(r.asOf))
		if late || r.wasRead(d, hour) {
			continue
		}
		if n := len(spans) - 1; n >= 0 && spans[n].To.Equal(at) {
			spans[n].To = at.Add(time.Hour)
			continue
		}
		spans = append(spans, ledger.Span{From: at, To: at.Add(time.Hour)})
	}
	err := r.readAgain(daysOf(d, spans), func() error {
		for _, span := range spans {
			if err := r.readRecords(ctx, span); err != nil {
				return err
			}
		}
		return nil
	}, spans...)
	if err != nil {
		return err
	}
	if len(read.Hours) > 0 {
		read.Whole = d.whole()
		r.memory.Days[d.key] = read
	}
	return nil
}

func (r *reading) readRecords(ctx context.Context, span ledger.Span) error {
	if r.source.Tells == directory.TellsSuccesses {
		to := entra.Earlier(span.To, entra.FloorHour(r.asOf.Add(time.Hour)))
		return r.store.Successes(ctx, r.source.Stream, span.From, to, func(id string, at time.Time) {
			r.times.Add(strings.ToLower(id), at.UTC().Truncate(entra.Tick))
		})
	}
	period := derive.Period{Stream: r.source.Stream, Start: span.From, End: span.To}
	rows, err := derive.Compute(ctx, r.store, r.day, period, []ledger.Span{span})
	if err != nil {
		return err
	}
	return derive.AddTimes(r.times, rows, r.since)
}

// daysOf is the day of some spans; nil where there are none.
func daysOf(d *dayState, spans []ledger.Span) []*dayState {
	if len(spans) == 0 {
		return nil
	}
	return []*dayState{d}
}

// readAgain reads days that may have been read before, or some spans of them. Who is no longer seen
// where the newest time was known, as where a success has become a failure, was last seen earlier.
func (r *reading) readAgain(all []*dayState, read func() error, only ...ledger.Span) error {
	before := make(map[string]time.Time)
	for id, at := range r.times {
		again := slices.ContainsFunc(all, func(d *dayState) bool {
			_, known := r.memory.Days[d.key]
			return known && !at.Before(d.start) && at.Before(d.end())
		})
		if again && (len(only) == 0 || slices.ContainsFunc(only, func(s ledger.Span) bool {
			return !at.Before(s.From) && at.Before(s.To)
		})) {
			before[id] = at
			delete(r.times, id)
		}
	}
	if err := read(); err != nil {
		return err
	}
	for id, at := range before {
		if r.times[id].Before(at) {
			r.lost = entra.Later(r.lost, at.UTC())
		}
	}
	return nil
}
