package collect

import (
	"context"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// Retire seals a stream that is not collected any more, as soon as Graph may have deleted
// everything that is not archived. Nothing can be added then, and what is sealed falls under the
// archive's retention. Until then it does nothing.
func (c *Collector) Retire(ctx context.Context, by ledger.Execution, s entra.Stream, budget time.Duration) error {
	_, err := c.run(ctx, by, []entra.Stream{s}, budget, func(runs []*streamRun) {
		c.each(runs, func(r *streamRun) error { return r.retire(ctx) })
		// an hour in doubt would block sealing without end
		c.each(runs, func(r *streamRun) error { return r.confirm(ctx) })
		c.each(runs, func(r *streamRun) error { return r.seal(ctx) })
	})
	return err
}

// retire marks what was never read as lost, and every pass as made.
func (r *streamRun) retire(ctx context.Context) error {
	p := &r.progress
	if !p.Started() || r.now.Sub(p.Watermark) <= r.source().KeepsMost+24*time.Hour {
		r.done = true
		return nil
	}
	end := entra.FloorHour(p.Watermark.Add(time.Hour - entra.Tick))
	if !p.SealedTo.Before(end) {
		r.done = true
		return nil
	}
	if p.Begin.IsZero() {
		p.Begin = p.TailBegin // the backfill found nothing before it ended
	}
	if p.Backfilling() {
		if err := r.markLost(ctx, ledger.Span{From: p.Backfilled, To: p.TailBegin}); err != nil {
			return err
		}
		p.Backfilled = p.TailBegin
	}
	if err := r.markLost(ctx, ledger.Span{From: p.Watermark, To: end}); err != nil {
		return err
	}
	p.Watermark = end
	if err := r.stopAwaitingReads(ctx); err != nil {
		return err
	}
	ages := r.ages()
	for _, age := range ages {
		p.Passed.Set(age, end, ages)
	}
	if p.SealedTo.IsZero() {
		p.SealedTo = p.FirstHour()
	}
	return nil
}

// markLost marks a span as lost that was not read and cannot be read any more.
func (r *streamRun) markLost(ctx context.Context, s ledger.Span) error {
	known := make(map[time.Time]ledger.Coverage)
	for cov, err := range r.collector.store.Windows(ctx, r.stream, entra.FloorHour(s.From), s.To) {
		if err != nil {
			return err
		}
		known[cov.Start] = cov
	}
	p := r.progress
	var rows []ledger.Coverage
	for hour := entra.FloorHour(s.From); hour.Before(s.To); hour = hour.Add(time.Hour) {
		was, ok := known[hour]
		if !ok {
			was = ledger.Coverage{Window: entra.Window{Stream: r.stream, Start: hour}, HasSum: true}
		}
		now := was
		if now.Whole() {
			continue
		}
		unread := ledger.Span{From: entra.Later(s.From, hour), To: now.End()}
		if was.InPart() {
			unread.From = entra.Earlier(unread.From, was.LostFrom)
		}
		now.Lose(unread)
		now.State = now.StateOnceRead()
		r.trackChange(&now, was)
		p.Apply(was, now)
		rows = append(rows, now)
	}
	return r.commitRows(ctx, p, rows)
}

// trackChange counts a change of a window by this run.
func (r *streamRun) trackChange(now *ledger.Coverage, was ledger.Coverage) {
	if now.Revise(was); now.Revision != was.Revision {
		r.sealer.Changed(was, *now, false)
	}
}

// stopAwaitingReads ends the wait of hours for a second read that cannot be made any more.
func (r *streamRun) stopAwaitingReads(ctx context.Context) error {
	p := r.progress
	var rows []ledger.Coverage
	for was, err := range r.collector.store.Windows(ctx, r.stream, entra.Later(p.SealedTo, p.FirstHour()),
		p.Watermark) {
		if err != nil {
			return err
		}
		if now := was; now.Awaits() || now.ReadOnce() {
			if now.Reads == "" {
				now.Reads = strconv.FormatInt(now.Records, 10)
			}
			now.MarkForgotten()
			now.State = now.StateOnceRead()
			r.trackChange(&now, was)
			p.Apply(was, now)
			rows = append(rows, now)
		}
	}
	return r.commitRows(ctx, p, rows)
}

// commitRows writes rows that a progress sums up, in as many transactions as they need.
func (r *streamRun) commitRows(ctx context.Context, p ledger.Progress, rows []ledger.Coverage) (err error) {
	for len(rows) > 0 {
		n := min(len(rows), ledger.MaxCommit)
		if p, err = r.writer.Commit(ctx, p, rows[:n], nil); err != nil {
			return err
		}
		rows = rows[n:]
	}
	r.progress = p
	return nil
}
