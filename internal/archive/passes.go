package archive

import (
	"context"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// beforeForgotten is a pass more where the tenant may keep its logs for seven days only: at seven days, some of what it
// would read is gone.
const beforeForgotten = 6 * 24 * time.Hour

// ages are the stream's passes, the latest first: its windows are the ones that Graph forgets next.
func (r *streamRun) ages() []time.Duration {
	out := slices.Clone(r.options.Passes)
	if r.progress.kept() == shortestRetention && len(out) > 0 && slices.Max(out) > beforeForgotten {
		out = append(out, beforeForgotten)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	slices.Reverse(out)
	return out
}

// passes reads again what is due, many windows in one read.
func (r *streamRun) passes(ctx context.Context) error {
	p := &r.progress
	if !p.Started() {
		return nil
	}
	if p.SealedTo.IsZero() && !p.Backfilling() {
		// What the backfill has read since its cursors were set may be due at some age, too.
		p.SealedTo, p.Passed = p.begin(), Passed{}
	}
	if err := r.confirm(ctx); err != nil {
		return err
	}
	if err := r.second(ctx); err != nil {
		return err
	}
	for _, age := range r.ages() {
		if err := r.pass(ctx, age); err != nil {
			return err
		}
	}
	return nil
}

func (r *streamRun) passCursor(age time.Duration, from time.Time) cursor {
	inUse := r.ages()
	return cursor{
		at:    func(p *Progress) time.Time { return p.Passed.At(age) },
		move:  func(p *Progress, t time.Time) { p.Passed.Set(age, t, inUse) },
		floor: from, kind: readAgain, deadline: age,
	}
}

// pass reads every window again that has reached an age since it was read last. Before the backfill has ended it is
// about the windows from the first frontier on; then about all.
func (r *streamRun) pass(ctx context.Context, age time.Duration) error {
	p := &r.progress
	from, to := p.Passed.At(age), entra.FloorHour(r.now.Add(-age))
	if from.IsZero() {
		from = p.FrontierBegin
		if !p.Backfilling() {
			from = p.begin()
		}
	}
	from = later(from, earlier(p.readable(), to))
	if read := entra.FloorHour(p.Watermark); to.After(read) {
		to = read
	}
	if !from.Before(to) {
		return nil
	}
	due, once, err := r.due(ctx, age, from, to)
	if err != nil {
		return err
	}
	if once && len(due) > 0 {
		// What the pass does not meet of hours that were read once tells something only if Graph
		// still has them.
		if err := r.remind(ctx, due[0].from); err != nil {
			return err
		}
	}
	for _, s := range due {
		c := r.passCursor(age, s.from)
		for c.move(p, s.from); c.at(p).Before(s.to); {
			if r.outOfTime(ctx) {
				return r.reading.Err()
			}
			if err := r.step(ctx, c, s.to, walkPages); err != nil {
				return err
			}
			c.floor = c.at(p)
		}
	}
	r.passCursor(age, from).move(p, to)
	return nil
}

// due lists the spans of [from, to) whose windows were last read before they had reached an age.
// once tells whether any of them was read a single time.
func (r *streamRun) due(ctx context.Context, age time.Duration, from, to time.Time) (_ []span, once bool, _ error) {
	var (
		spans []span
		next  = entra.FloorHour(from)
	)
	add := func(start, end time.Time) {
		if start.Before(from) {
			start = from
		}
		if n := len(spans); n > 0 && spans[n-1].to.Equal(start) {
			spans[n-1].to = end
		} else if start.Before(end) {
			spans = append(spans, span{start, end})
		}
	}
	for cov, err := range r.store.Windows(ctx, r.stream, next, to) {
		if err != nil {
			return nil, false, err
		}
		add(next, cov.Start) // windows without a row
		if cov.State != WindowPurged && cov.PassedAt.Before(cov.End().Add(age)) {
			once = once || cov.readOnce()
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
		if err := r.frontier(ctx); err != nil {
			return err
		}
	}
	if first := entra.FloorHour(r.progress.readable()); from.Before(first) {
		from = first
	}
	if end := entra.FloorHour(r.progress.Watermark); to.After(end) {
		to = end
	}
	// This is how an operator mends what verify names: an hour with rows that nobody counted,
	// sealed or not.
	if err := r.compareSpan(ctx, span{entra.FloorHour(from), entra.FloorHour(to.Add(time.Hour - entra.Tick))}); err != nil {
		return err
	}
	r.reached = from
	c := cursor{
		at:    func(*Progress) time.Time { return r.reached },
		move:  func(_ *Progress, t time.Time) { r.reached = t },
		floor: from, kind: readAgain,
	}
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
