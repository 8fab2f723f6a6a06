package search

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
)

// span is a part of the time that has to be searched.
type span struct{ from, to time.Time }

const (
	// worthIt is the shortest time for which the index is asked.
	worthIt = 3 * day
	day     = 24 * time.Hour
	// maxValues limits for how many values the index is queried: each needs a query a month.
	maxValues = 10
)

// values are those of which a record must have one, if the index knows them.
func (q Question) values() []derive.Value {
	if len(q.plan.IDs) > 0 && len(q.plan.IDs) <= maxValues {
		var out []derive.Value
		for _, id := range q.plan.IDs {
			out = append(out, derive.Value{Text: id})
		}
		return out
	}
	indexed := logs.Of(q.Stream).IndexedColumns()
	for _, any := range q.plan.Columns {
		var out []derive.Value
		for _, col := range any {
			if !slices.Contains(indexed, col.Name) || col.IsInt {
				out = nil
				break
			}
			out = append(out, derive.Value{Column: col.Name, Text: col.Text})
		}
		if len(out) > 0 && len(out) <= maxValues {
			return out
		}
	}
	return nil
}

// Scans reports whether only a search through all records can answer: neither a begin nor the index
// narrows it.
func (q Question) Scans() bool {
	return q.plan.Rest != nil && q.plan.From.IsZero() && q.values() == nil
}

// parts are the times that have to be searched, in the question's order. An empty one says how far
// the search is.
func (q Question) parts(ctx context.Context, in Archive, after string) iter.Seq2[span, error] {
	all := q.indexed(ctx, in, after)
	if len(q.plan.IDs) == 0 || len(q.plan.IDs) > maxValues {
		return all
	}
	return q.seek(ctx, in, all, span{q.from(after), q.to(after)})
}

// indexed are the times that have to be searched: all of it, or, where the index knows the values
// that are looked for, without the hours in which there are none.
func (q Question) indexed(ctx context.Context, in Archive, after string) iter.Seq2[span, error] {
	values := q.values()
	from, to := q.from(after), q.to(after)
	return func(yield func(span, error) bool) {
		var index *derive.Search
		if values != nil && to.Sub(from) >= worthIt {
			var err error
			if index, err = derive.NewSearch(ctx, in, q.Stream); err != nil {
				yield(span{}, err)
				return
			}
		}
		if index == nil {
			if from.Before(to) {
				yield(span{from, to}, nil)
			}
			return
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		all := slices.Collect(months(from, to, q.NewestFirst))
		asked := make([]func() (map[time.Time]derive.Hours, error), 0, len(all))
		ahead := ahead
		if q.plan.IDs != nil {
			ahead = aheadForIDs
		}
		for i, month := range all {
			for n := len(asked); n < len(all) && n < i+ahead; n++ {
				asked = append(asked, parallel.Later(func() (map[time.Time]derive.Hours, error) {
					return index.Hours(ctx, values, all[n].from, all[n].to)
				}))
			}
			hours, err := asked[i]()
			if err != nil {
				yield(span{}, err)
				return
			}
			for _, part := range within(month, hours, q.NewestFirst) {
				if !yield(part, nil) {
					return
				}
			}
		}
	}
}

// ahead is how many months the index is asked for at the same time: where little is found, the next
// ones are there already. An id is in one month at most, so most often all are asked.
const (
	ahead       = 4
	aheadForIDs = 12
)

// from and to leave out what comes before a place; the reading itself knows the place exactly.
func (q Question) from(after string) time.Time {
	if at, ok := TimeOf(after); ok && !q.NewestFirst && at.After(q.From) {
		return at
	}
	return q.From
}

func (q Question) to(after string) time.Time {
	at, ok := TimeOf(after)
	if ok && len(after) > len(placeForm) { // some of its moment may be left
		at = at.Add(entra.Tick)
	}
	if ok && q.NewestFirst && at.Before(q.To) {
		return at
	}
	return q.To
}

// placeForm is how the time is written with which a place begins.
const placeForm = "2006-01-02T15:04:05.0000000Z"

// TimeOf is the time with which a place begins.
func TimeOf(place string) (time.Time, bool) {
	if len(place) < len(placeForm) {
		return time.Time{}, false
	}
	t, err := time.Parse(placeForm, place[:len(placeForm)])
	return t, err == nil
}

// months cuts a time at the ends of months, for each of which the index has a table.
func months(from, to time.Time, newestFirst bool) iter.Seq[span] {
	return func(yield func(span) bool) {
		if !from.Before(to) {
			return
		}
		first := time.Date(from.Year(), from.Month(), 1, 0, 0, 0, 0, time.UTC)
		step, month := 1, first
		if newestFirst {
			last := to.Add(-1)
			step, month = -1, time.Date(last.Year(), last.Month(), 1, 0, 0, 0, 0, time.UTC)
		}
		for ; !month.Before(first) && month.Before(to); month = month.AddDate(0, step, 0) {
			part := span{month, month.AddDate(0, 1, 0)}
			if part.from.Before(from) {
				part.from = from
			}
			if part.to.After(to) {
				part.to = to
			}
			if !yield(part) {
				return
			}
		}
	}
}

// within are the parts of a time that have to be searched: the days that are not among hours, and
// of the others the hours.
func within(all span, hours map[time.Time]derive.Hours, newestFirst bool) []span {
	var out []span
	for at := all.from; at.Before(all.to); {
		end := at.Truncate(time.Hour).Add(time.Hour)
		if end.After(all.to) {
			end = all.to
		}
		if in, known := hours[at.Truncate(day)]; !known || in.Has(at.Hour()) {
			if n := len(out) - 1; n >= 0 && out[n].to.Equal(at) {
				out[n].to = end
			} else {
				out = append(out, span{at, end})
			}
		}
		at = end
	}
	if newestFirst {
		slices.Reverse(out)
	}
	return out
}
