package archive

import (
	"context"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// longestRetention is the longest time for which a tenant keeps its logs.
const longestRetention = 30 * 24 * time.Hour

// Retire seals what a stream holds that is not collected any more, as soon as Graph can have
// forgotten everything that is not archived: nothing can be added to it, and what is sealed to its
// end is under the archive's retention. Until then it does nothing.
func (c *Collector) Retire(ctx context.Context, by Execution, s entra.Stream, budget time.Duration) error {
	_, err := c.run(ctx, by, []entra.Stream{s}, budget, func(runs []*streamRun) {
		c.each(runs, func(r *streamRun) error { return r.retire(ctx) })
		c.each(runs, func(r *streamRun) error { return r.confirm(ctx) }) // an hour in doubt would hold up the sealing for ever
		c.each(runs, func(r *streamRun) error { return r.seal(ctx) })
	})
	return err
}

// retire marks what was never read as lost, and every pass as made.
func (r *streamRun) retire(ctx context.Context) error {
	p := &r.progress
	if !p.Started() || r.now.Sub(p.Watermark) <= longestRetention+24*time.Hour {
		r.done = true
		return nil
	}
	end := entra.FloorHour(p.Watermark.Add(time.Hour - entra.Tick))
	if !p.SealedTo.Before(end) {
		r.done = true
		return nil
	}
	if p.Begin.IsZero() {
		p.Begin = p.FrontierBegin // the backfill found nothing before it ended
	}
	if p.Backfilling() {
		if err := r.giveUp(ctx, span{p.Backfilled, p.FrontierBegin}); err != nil {
			return err
		}
		p.Backfilled = p.FrontierBegin
	}
	if err := r.giveUp(ctx, span{p.Watermark, end}); err != nil {
		return err
	}
	p.Watermark = end
	if err := r.giveUpReads(ctx); err != nil {
		return err
	}
	ages := r.ages()
	for _, age := range ages {
		p.Passed.Set(age, end, ages)
	}
	if p.SealedTo.IsZero() {
		p.SealedTo = p.begin()
	}
	return nil
}

// giveUp marks a span as lost that was not read and that nobody can read any more.
func (r *streamRun) giveUp(ctx context.Context, s span) error {
	known := make(map[time.Time]Coverage)
	for cov, err := range r.store.Windows(ctx, r.stream, entra.FloorHour(s.from), s.to) {
		if err != nil {
			return err
		}
		known[cov.Start] = cov
	}
	p := r.progress
	var rows []Coverage
	for hour := entra.FloorHour(s.from); hour.Before(s.to); hour = hour.Add(time.Hour) {
		was, ok := known[hour]
		if !ok {
			was = Coverage{Window: entra.Window{Stream: r.stream, Start: hour}, HasSum: true}
		}
		now := was
		if now.Whole() {
			continue
		}
		unread := span{later(s.from, hour), now.End()}
		if was.InPart() {
			unread.from = earlier(unread.from, was.LostFrom)
		}
		now.lose(unread)
		now.State = now.stateOnceRead()
		r.note(&now, was)
		p.addToWindow(was, now)
		rows = append(rows, now)
	}
	return r.commitRows(ctx, p, rows)
}

// note counts a change of a window by this run.
func (r *streamRun) note(now *Coverage, was Coverage) {
	if now.revise(was); now.Revision != was.Revision {
		r.sealer.Changed(was, *now, false)
	}
}

// giveUpReads ends the wait of hours for a second read that nobody can make any more.
func (r *streamRun) giveUpReads(ctx context.Context) error {
	p := r.progress
	var rows []Coverage
	for was, err := range r.store.Windows(ctx, r.stream, later(p.SealedTo, p.begin()), p.Watermark) {
		if err != nil {
			return err
		}
		if now := was; now.Awaits() || now.readOnce() {
			if now.Reads == "" {
				now.Reads = strconv.FormatInt(now.Records, 10)
			}
			now.markForgotten()
			now.State = now.stateOnceRead()
			r.note(&now, was)
			p.addToWindow(was, now)
			rows = append(rows, now)
		}
	}
	return r.commitRows(ctx, p, rows)
}

// commitRows writes rows that a progress sums up, in as many transactions as they need.
func (r *streamRun) commitRows(ctx context.Context, p Progress, rows []Coverage) (err error) {
	for len(rows) > 0 {
		n := min(len(rows), MaxCommit)
		if p, err = r.hold.commit(ctx, p, rows[:n], nil); err != nil {
			return err
		}
		rows = rows[n:]
	}
	r.progress = p
	return nil
}
