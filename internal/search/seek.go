package search

import (
	"context"
	"iter"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/records"
)

// An id does not tell its record's time, and the index tells the hour, of days that are indexed. In
// what is left, the keys of rows are read, many stretches of time at once, and then the records of
// the moments at which a key has the id.

const (
	// seekers is how many stretches are read at once. One answer of the service takes some tens of
	// milliseconds, and has 1,000 rows at most.
	seekers = 32
	// stretchRows is how many rows a stretch is meant to have: they fit one answer.
	stretchRows = 900
	// unknownRows are those of an hour of which the ledger says nothing.
	unknownRows = stretchRows
)

// seek narrows times that have to be searched to the moments at which there may be a record with
// one of the question's ids. After each stretch an empty part says how far it is. whole is all of
// these times.
func (q Question) seek(
	ctx context.Context, in Archive, all iter.Seq2[span, error], whole span,
) iter.Seq2[span, error] {
	return func(yield func(span, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		rowsOf := q.foresee(ctx, in, whole)
		type asked struct {
			stretch span
			answer  func() (records.Sought, error)
		}
		var waiting []asked
		defer func() { // nothing is asked for any more once the search is left
			stop()
			for _, rest := range waiting {
				_, _ = rest.answer() // it was stopped
			}
		}()
		give := func() bool {
			first := waiting[0]
			waiting = waiting[1:]
			sought, err := first.answer()
			if err != nil {
				yield(span{}, err)
				return false
			}
			for _, part := range q.moments(first.stretch, sought) {
				if !yield(part, nil) {
					return false
				}
			}
			return true
		}
		for stretch, err := range q.stretches(all, rowsOf) {
			if err != nil {
				yield(span{}, err)
				return
			}
			waiting = append(waiting, asked{stretch, parallel.Later(func() (records.Sought, error) {
				return in.Seek(ctx, records.Seeking{Stream: q.Stream, From: stretch.from, To: stretch.to,
					IDs: q.plan.IDs})
			})})
			if len(waiting) == seekers && !give() {
				return
			}
		}
		for len(waiting) > 0 {
			if !give() {
				return
			}
		}
	}
}

// moments are the parts of a stretch that have to be read, in the question's order, and behind them
// an empty one: how far the search is then.
func (q Question) moments(stretch span, sought records.Sought) []span {
	var out []span
	if sought.Unsure {
		out = append(out, stretch)
	} else {
		for _, at := range sought.At {
			out = append(out, span{at, at.Add(entra.Tick)})
		}
	}
	if q.NewestFirst {
		slices.Reverse(out)
		return append(out, span{stretch.from, stretch.from})
	}
	return append(out, span{stretch.to, stretch.to})
}

// stretches cuts times into stretches of about as many rows as one answer has, as far as the ledger
// counts them.
func (q Question) stretches(all iter.Seq2[span, error], rowsOf rowsOfHours) iter.Seq2[span, error] {
	return func(yield func(span, error) bool) {
		for part, err := range all {
			if err != nil {
				yield(span{}, err)
				return
			}
			for month := range months(part.from, part.to, q.NewestFirst) {
				rows, err := rowsOf(month)
				if err != nil {
					yield(span{}, err)
					return
				}
				cut := cutByRows(month, rows)
				if q.NewestFirst {
					slices.Reverse(cut)
				}
				for _, stretch := range cut {
					if !yield(stretch, nil) {
						return
					}
				}
			}
		}
	}
}

// rowsOfHours tells about how many rows the hours of a part of a month have.
type rowsOfHours func(part span) (map[time.Time]int64, error)

// unindexed is for how long back days are most often not indexed, or were sealed again since,
// though the index is some days behind.
const unindexed = 17 * day

// foresee asks the ledger of the newest days before it is known which of them have to be searched:
// most often all of them, and the index answers meanwhile. Others are asked for when they are
// needed.
func (q Question) foresee(ctx context.Context, in Archive, whole span) rowsOfHours {
	type asked struct {
		of   span
		rows func() (map[time.Time]int64, error)
	}
	var ahead []asked
	if q.NewestFirst && whole.to.Sub(whole.from) >= worthIt {
		newest := span{whole.to.Add(-unindexed).Truncate(day), whole.to}.within(whole)
		for month := range months(newest.from, newest.to, true) {
			ahead = append(ahead, asked{month, parallel.Later(func() (map[time.Time]int64, error) {
				return q.countRows(ctx, in, month)
			})})
		}
	}
	return func(part span) (map[time.Time]int64, error) {
		for i, a := range ahead {
			if !part.from.Before(a.of.from) && !part.to.After(a.of.to) {
				rows, err := a.rows()
				ahead[i].rows = func() (map[time.Time]int64, error) { return rows, err }
				return rows, err
			}
		}
		return q.countRows(ctx, in, part)
	}
}

// countRows asks the ledger for about how many rows the hours of a time have.
func (q Question) countRows(ctx context.Context, in Archive, of span) (map[time.Time]int64, error) {
	return q.Counts.of(ctx, q.Stream, of, func(ctx context.Context, of span) (map[time.Time]int64, error) {
		return q.readCounts(ctx, in, of)
	})
}

func (q Question) readCounts(ctx context.Context, in Archive, of span) (map[time.Time]int64, error) {
	out := make(map[time.Time]int64)
	for cov, err := range in.Windows(ctx, q.Stream, entra.FloorHour(of.from), of.to) {
		if entra.CodeOf(err) == entra.CodeTampered {
			break // a row was altered: the hours after it are sought one by one
		}
		if err != nil {
			return nil, err
		}
		out[cov.Start.UTC()] = max(0, cov.Records+cov.Versions+cov.Unconfirmed+cov.Unmet)
	}
	return out, nil
}

// cutByRows cuts a time where the hours so far have about as many rows as one answer, and an hour
// that has more into equal parts.
func cutByRows(all span, rows map[time.Time]int64) []span {
	var out []span
	open, sum := span{all.from, all.from}, int64(0)
	flush := func() {
		if !open.empty() {
			out = append(out, open)
		}
		open, sum = span{open.to, open.to}, 0
	}
	for at := all.from; at.Before(all.to); {
		hour := entra.FloorHour(at)
		end := entra.Earlier(hour.Add(time.Hour), all.to)
		n, known := rows[hour.UTC()]
		if !known {
			n = unknownRows
		}
		if sum > 0 && sum+n > stretchRows {
			flush()
		}
		parts := min(max(1, (n+stretchRows-1)/stretchRows), int64(time.Hour/time.Minute))
		for i := range parts {
			if i > 0 {
				flush()
			}
			open.to = at.Add(end.Sub(at) * time.Duration(i+1) / time.Duration(parts)).Truncate(entra.Tick)
		}
		open.to, sum = end, sum+n/parts
		at = end
	}
	flush()
	return out
}
