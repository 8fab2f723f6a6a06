package collect

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// beforeForgotten is a pass more where the tenant may keep its logs for seven days only: at seven
// days, some of what it would read is gone.
const beforeForgotten = 6 * 24 * time.Hour

// passes reads again what is due, many windows in one read.
func (r *streamRun) passes(ctx context.Context) error {
	p := &r.progress
	if !p.Started() {
		return nil
	}
	if p.SealedTo.IsZero() && !p.Backfilling() {
		// What the backfill has read since its cursors were set may be due at some age, too.
		p.SealedTo, p.Passed = p.FirstHour(), ledger.Passed{}
	}
	if err := r.confirm(ctx); err != nil {
		return err
	}
	if err := r.secondReads(ctx); err != nil {
		return err
	}
	for _, age := range r.ages() {
		if err := r.pass(ctx, age); err != nil {
			return err
		}
	}
	return nil
}

// pass reads every window again that has reached an age since it was read last.
func (r *streamRun) pass(ctx context.Context, age time.Duration) error {
	p := &r.progress
	whole := r.next(readPass, age)
	if !whole.From.Before(whole.To) {
		return nil
	}
	due, once, err := r.due(ctx, age, whole.From, whole.To)
	if err != nil {
		return err
	}
	if once && len(due) > 0 {
		// A record that the pass does not return from hours read once proves something only if
		// Graph still has those hours.
		if err := r.proveRetention(ctx, due[0].From); err != nil {
			return err
		}
	}
	for _, s := range due {
		c := r.passCursor(age, s.From)
		for c.move(p, s.From); c.at(p).Before(s.To); {
			if r.outOfTime(ctx) {
				return r.reading.Err()
			}
			if err := r.step(ctx, c, s.To, walkPages); err != nil {
				return err
			}
			c.floor = c.at(p)
		}
	}
	c := r.passCursor(age, whole.From)
	c.move(p, whole.To)
	return nil
}

// due lists the spans of [from, to) whose windows were last read before they had reached an age.
// once reports whether any of them was read a single time.
func (r *streamRun) due(ctx context.Context, age time.Duration, from, to time.Time) (_ []ledger.Span, once bool,
	_ error) {
	var (
		spans []ledger.Span
		next  = entra.FloorHour(from)
	)
	add := func(start, end time.Time) {
		if start.Before(from) {
			start = from
		}
		if n := len(spans); n > 0 && spans[n-1].To.Equal(start) {
			spans[n-1].To = end
		} else if start.Before(end) {
			spans = append(spans, ledger.Span{From: start, To: end})
		}
	}
	for cov, err := range r.collector.store.Windows(ctx, r.stream, next, to) {
		if err != nil {
			return nil, false, err
		}
		add(next, cov.Start) // windows without a row
		if cov.State != ledger.WindowPurged && cov.PassedAt.Before(cov.End().Add(age)) {
			once = once || cov.ReadOnce()
			add(cov.Start, cov.End())
		}
		next = cov.End()
	}
	add(next, to)
	return spans, once, nil
}

// readRange reads the windows of [from, to) again, as far as the stream was read at all.
func (r *streamRun) readRange(ctx context.Context, from, to time.Time) error {
	if !r.progress.Started() {
		if err := r.tail(ctx); err != nil {
			return err
		}
	}
	if first := entra.FloorHour(r.progress.Readable()); from.Before(first) {
		from = first
	}
	if end := entra.FloorHour(r.progress.Watermark); to.After(end) {
		to = end
	}
	// An operator repairs what verify names this way: an hour with uncounted rows, sealed or not.
	if err := r.compareSpan(ctx, ledger.Span{From: entra.FloorHour(from),
		To: entra.FloorHour(to.Add(time.Hour - entra.Tick))}); err != nil {
		return err
	}
	r.reached = from
	c := cursor{kind: readRange, own: &r.reached, floor: from}
	for r.reached.Before(to) {
		if r.outOfTime(ctx) {
			return r.reading.Err()
		}
		if err := r.step(ctx, c, to, walkPages); err != nil {
			return err
		}
	}
	r.rangeDone = true
	return nil
}
