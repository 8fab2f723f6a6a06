package collect

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// commit writes the rows that this read has changed and moves the cursor to reached, in as many
// transactions as the rows need. Each of them is consistent by itself: a crash between two leaves a
// cursor behind which all is counted.
func (rd *read) commit(ctx context.Context, reached time.Time, end bool) error {
	if reached.After(rd.asked.To) {
		reached = rd.asked.To
	}
	if reached.Before(rd.at()) {
		reached = rd.at()
	}
	if err := rd.lookBack(ctx, reached); err != nil {
		return err
	}
	if !rd.cut.IsZero() {
		reached, end = entra.Earlier(reached, rd.cut), true
	}
	passed := rd.pass(reached)
	rows, err := rd.changedRows(ctx, passed, reached, end)
	if err != nil {
		return err
	}
	p := rd.run.progress
	if p.Begin.IsZero() && !rd.archiveBegin.IsZero() {
		p.Begin, p.Backfilled = rd.archiveBegin, entra.Later(p.Backfilled, rd.archiveBegin)
	}
	for first := true; first || len(rows) > 0; first = false {
		n := min(len(rows), ledger.MaxCommit)
		committed := rows[:n]
		chunk := rd.apply(committed, &p, reached)
		if rows = rows[n:]; len(rows) == 0 {
			rd.cursor.move(&p, reached)
			if end {
				rd.run.endReading(&p, reached)
			}
		}
		p.Lateness.Add(rd.lateness)
		rd.lateness = ledger.Lateness{}
		saved, err := rd.run.writer.Commit(ctx, p, chunk, nil)
		if err != nil {
			return err
		}
		for _, w := range committed {
			w.was = w.now
		}
		p, rd.run.progress = saved, saved // the next one may fail, and the run's end writes it
		rd.run.commits++
	}
	rd.stored = false
	if end {
		rd.run.aborted = rd.run.abortedAfter(reached)
	}
	rd.evict(reached)
	return nil
}

// apply adds rows to the totals of a progress, and moves the cursor over the windows that they end.
func (rd *read) apply(rows []*row, p *ledger.Progress, reached time.Time) []ledger.Coverage {
	chunk := make([]ledger.Coverage, len(rows))
	for i, w := range rows {
		if w.now.Revise(w.was); w.now.Revision != w.was.Revision || w.was.Doubt && !w.now.Doubt {
			rd.run.sealer.Changed(w.was, w.now, w.asked)
		}
		chunk[i] = w.now
		p.Apply(w.was, w.now)
		ended := w.now.State != ledger.WindowPartial && !w.now.End().After(reached)
		if ended && w.now.End().After(rd.cursor.at(p)) {
			rd.cursor.move(p, w.now.End())
		}
	}
	return chunk
}

// endReading makes the progress say that no read is in progress, but for what earlier reads of the
// run stored behind a time, and did not count.
func (r *streamRun) endReading(p *ledger.Progress, reached time.Time) {
	p.ReadingFrom, p.ReadingTo = time.Time{}, time.Time{}
	for i, s := range r.abortedAfter(reached) {
		if i == 0 {
			p.ReadingFrom, p.ReadingTo = s.From, s.To
		}
		p.ReadingFrom, p.ReadingTo = entra.Earlier(p.ReadingFrom, s.From), entra.Later(p.ReadingTo, s.To)
	}
}

// abortedAfter is what earlier reads of this run stored behind a time, and did not count: the span
// of a read may have shrunk since.
func (r *streamRun) abortedAfter(reached time.Time) (left []ledger.Span) {
	for _, s := range r.aborted {
		if s.To.After(reached) {
			left = append(left, ledger.Span{From: entra.Later(s.From, entra.FloorHour(reached)), To: s.To})
		}
	}
	return left
}

// changedRows are the rows to commit, in order: rows with changes, and rows that the cursor passed.
// Rows of hours in doubt are recounted once this read has returned everything that Graph has of the
// hour; until then they wait.
func (rd *read) changedRows(ctx context.Context, passed []*row, reached time.Time, end bool) ([]*row, error) {
	isPassed := make(map[*row]bool, len(passed))
	for _, w := range passed {
		isPassed[w] = true
	}
	out := slices.Clone(passed)
	for _, w := range rd.rows {
		if w.recount && (w.now != w.was || isPassed[w]) {
			ready, err := rd.recount(ctx, w, reached, end)
			if err != nil {
				return nil, err
			}
			if !ready {
				out = slices.DeleteFunc(out, func(o *row) bool { return o == w })
				continue
			}
		}
		if w.now != w.was && !isPassed[w] {
			out = append(out, w)
		}
	}
	// What was passed comes last, so that the cursor does not move before everything is counted.
	slices.SortFunc(out, func(a, b *row) int {
		if isPassed[a] != isPassed[b] {
			if isPassed[a] {
				return 1
			}
			return -1
		}
		return cmp.Compare(a.now.Start.Unix(), b.now.Start.Unix())
	})
	return out, nil
}

// evict drops rows that lie well behind the cursor, so that a read of years needs no more memory
// than one of a day.
func (rd *read) evict(reached time.Time) {
	keep := reached.Add(-24 * time.Hour)
	if !rd.ordered || !keep.After(rd.known) {
		return
	}
	rd.known = entra.FloorHour(keep)
	for hour, w := range rd.rows {
		if hour.Before(rd.known) && w.now == w.was {
			delete(rd.rows, hour)
		}
	}
}
