package repair

import (
	"context"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
)

// A row of progress sums up what the rows of the hours and the log say, so it can be made from
// them. What only it knew is left open, and found out by the next runs: which read was in progress,
// which passes were made, when a run last succeeded.

// endOfHours is after every hour that a ledger can have.
var endOfHours = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

// hourFacts is what the rows of the hours prove about the cursors.
type hourFacts struct {
	rows    int64
	seen    time.Time               // when a run first read any of them
	last    time.Time               // the end of the last row
	settled time.Time               // the end of the last hour that was settled
	read    runs                    // hours that were read
	closed  runs                    // those of them that are settled, lost or purged
	missing runs                    // hours without a row
	purged  map[time.Time]time.Time // by month: when the last hour of it was purged
}

// runs are spans in order, none of which ends where another begins.
type runs []ledger.Span

func (r *runs) add(s ledger.Span) {
	if n := len(*r); n > 0 && (*r)[n-1].To.Equal(s.From) {
		(*r)[n-1].To = s.To
	} else {
		*r = append(*r, s)
	}
}

// with are the runs with others that lie beside them.
func (r runs) with(others runs) (out runs) {
	all := slices.Concat(r, others)
	slices.SortFunc(all, func(a, b ledger.Span) int { return a.From.Compare(b.From) })
	for _, s := range all {
		out.add(s)
	}
	return out
}

// from is the end of the run that holds a time; the time itself where none does.
func (r runs) from(at time.Time) time.Time {
	for _, s := range r {
		if s.Contains(at) {
			return s.To
		}
	}
	return at
}

// collect passes rows on, and learns from them. They come in order.
func (f *hourFacts) collect(rows iter.Seq2[ledger.Coverage, error]) iter.Seq2[ledger.Coverage, error] {
	f.purged = make(map[time.Time]time.Time)
	return func(yield func(ledger.Coverage, error) bool) {
		for cov, err := range rows {
			if err == nil {
				f.add(cov)
			}
			if !yield(cov, err) {
				return
			}
		}
	}
}

func (f *hourFacts) add(c ledger.Coverage) {
	f.rows++
	if first := c.FirstReadAt; !first.IsZero() && (f.seen.IsZero() || first.Before(f.seen)) {
		f.seen = first
	}
	if c.State == ledger.WindowPurged {
		month := time.Date(c.Start.Year(), c.Start.Month(), 1, 0, 0, 0, 0, time.UTC)
		f.purged[month] = entra.Later(f.purged[month], c.PurgedAt)
	}
	if c.NeverRead() && (c.State == ledger.WindowPartial || c.State == ledger.WindowPurged) {
		return // of what arrived there, no read says how far the stream was read
	}
	if !f.last.IsZero() && f.last.Before(c.Start) {
		f.missing.add(ledger.Span{From: f.last, To: c.Start})
	}
	f.last = c.End()
	whole := ledger.Span{From: c.Start, To: c.End()}
	if c.State.IsRead() || c.State == ledger.WindowLost || c.Passes > 0 {
		f.read.add(whole)
	}
	switch c.State {
	case ledger.WindowSealed, ledger.WindowReopened, ledger.WindowPurged:
		f.settled = c.End()
		f.closed.add(whole)
	case ledger.WindowLost:
		f.closed.add(whole)
	}
}

// bridge counts hours without a row as read if they are before a settled one: their rows were
// deleted, which verify names.
func (f *hourFacts) bridge() {
	gone := slices.DeleteFunc(slices.Clone(f.missing), func(s ledger.Span) bool { return s.To.After(f.settled) })
	f.read, f.closed = f.read.with(gone), f.closed.with(gone)
}

// cursors sets how far the stream was read. An hour that was read in part is read again. A backfill
// without any rows restarts before the tail.
func (f *hourFacts) cursors(p *ledger.Progress, backfill time.Duration) {
	if f.seen.IsZero() && len(f.read) == 0 {
		return // nothing was ever committed of it
	}
	f.bridge()
	var begin time.Time
	if len(f.read) > 0 {
		begin = f.read[0].From
	}
	p.TailBegin = entra.Later(entra.FloorHour(f.seen.Add(-logs.Of(p.Stream).Source.Lag)), begin)
	p.Watermark = f.read.from(p.TailBegin)
	if begin.IsZero() || !begin.Before(p.TailBegin) {
		p.Backfilled = entra.FloorHour(p.TailBegin.Add(-backfill))
		p.EnrichedTo = p.Backfilled
		return
	}
	p.Begin, p.EnrichedTo = begin, begin
	if p.Backfilled = entra.Earlier(f.read.from(begin), p.TailBegin); !p.Backfilling() {
		p.SealedTo = entra.Earlier(f.closed.from(begin), p.Watermark)
	}
}

// drops sets which months a purge has begun to drop: those of which there still is a table, and
// those that were dropped so lately that something may arrive.
func (f *hourFacts) drops(p *ledger.Progress, tables []time.Time, now time.Time) {
	for _, month := range slices.SortedFunc(maps.Keys(f.purged), time.Time.Compare) {
		switch {
		case slices.ContainsFunc(tables, month.Equal):
			p.Drops = append(p.Drops, ledger.Drop{Month: month})
			p.PurgedTo = entra.Earlier(p.PurgedTo, month)
		case now.Sub(f.purged[month]) < 24*time.Hour:
			p.Drops = append(p.Drops, ledger.Drop{Month: month, Dropped: f.purged[month]})
		}
	}
}

// rebuilt is what a ledger's rows, its log and the heads say of a stream's progress. now is the
// time that the clocks agree on. Nothing is written.
func (r *Repairer) rebuilt(ctx context.Context, found Remains, now time.Time) (p ledger.Progress, rows int64,
	err error) {
	var facts hourFacts
	s := found.Progress.Stream
	p = ledger.Progress{Stream: s, Recounted: true, Revision: max(1, found.Revision)}
	if err := p.Recompute(facts.collect(r.store.Windows(ctx, s, time.Time{}, endOfHours)), false); err != nil {
		return p, 0, err
	}
	facts.cursors(&p, r.backfill)
	months, err := r.store.Months(ctx, s)
	if err != nil {
		return p, 0, err
	}
	facts.drops(&p, months, now)
	if err := r.rebuiltLog(ctx, &p); err != nil {
		return p, 0, err
	}
	if p.Quarantined, err = r.store.InQuarantine(ctx, s); err != nil {
		return p, 0, err
	}
	p.SteppedAt, p.BackfilledAt, p.LastRunAt = now, now, now // nothing came later, so no read is late yet
	p.ClockOffset = now.Sub(r.machine()).Truncate(time.Second)
	// Rows and ledger are compared before anything that is not settled is believed.
	from := entra.Later(p.FirstHour(), p.SealedTo)
	if from.IsZero() {
		from = now.Add(-r.backfill)
	}
	suspect := ledger.Suspect{From: from, To: now.Add(time.Hour), Since: found.Lease.ReadAt}
	if last := found.Lease; last.Fence > 0 && !last.Base.IsZero() {
		suspect.Committed, suspect.Next = last.Stamp, last.Base.Add(ledger.FenceGap)
	}
	p.Suspects = []ledger.Suspect{suspect}
	return p, facts.rows, nil
}

// rebuiltLog sets how many entries the log has, and how many of them a head covers.
func (r *Repairer) rebuiltLog(ctx context.Context, p *ledger.Progress) error {
	for s, err := range r.store.Seals(ctx, p.Stream) {
		if err != nil {
			return err
		}
		if s.Number != p.Seals {
			break // verify names what is not there
		}
		if p.Seals++; !ledger.WasPurged(s) && !ledger.WasRepaired(s) && !ledger.IsReverted(s) {
			p.SealedAt = s.SealedAt
		}
	}
	if r.heads == nil {
		return nil
	}
	var heads []seal.Head
	for h, err := range r.heads.Heads(ctx, p.Stream) {
		if err != nil {
			return err
		}
		if h.Size > 0 && h.Size <= p.Seals {
			heads = append(heads, h)
		}
	}
	log := sealing.NewLog(ctx, r.store, p.Stream)
	for _, h := range slices.Backward(heads) {
		is, err := seal.HeadOf(log, p.Stream, h.Size)
		if err != nil {
			return err
		}
		if is == h {
			p.Heads = h.Size
			return nil
		}
	}
	return nil
}
