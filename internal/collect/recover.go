package collect

import (
	"context"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// repairProgress corrects what an earlier execution left inconsistent: one that was killed, or one
// of a version without leases, which could commit over another's commit. It makes the progress
// agree with the ledger's rows and the log.
func (r *streamRun) repairProgress(ctx context.Context) error {
	p := &r.progress
	if !p.Started() {
		return nil
	}
	fresh := p.SteppedAt.IsZero()
	entries, err := r.collector.store.LogSize(ctx, r.stream, p.Seals)
	if err != nil {
		return err
	}
	if entries < p.Heads || entries > p.Seals {
		return &entra.Error{Code: entra.CodeTampered, Doing: "go on with " + string(r.stream),
			Why: fmt.Sprintf("its log of seals has %d entries, the ledger counts %d, and a head outside the "+
				"tables stands for %d", entries, p.Seals, p.Heads),
			Remedy: "nothing was written; ask verify, and restore the rows of the log from a copy"}
	}
	if entries == p.Seals && !fresh {
		return nil
	}
	if err := r.resum(ctx, entries < p.Seals); err != nil {
		return err
	}
	if entries < p.Seals {
		r.collector.log.WarnContext(ctx, "the ledger counted seals that were never written; they are made now",
			"stream",
			r.stream, "counted", p.Seals, "entries", entries)
		p.Seals = entries
	}
	if fresh {
		// A version without sums may have left rows uncounted, and may still run.
		from := entra.Later(p.FirstHour(), p.SealedTo)
		p.Suspects = append(p.Suspects, ledger.Suspect{From: from, To: p.Watermark, Since: r.writer.OpenedAt})
	}
	return nil
}

// countNew makes the totals that a version before does not keep, after one wrote the row.
func (r *streamRun) countNew(ctx context.Context) error {
	if !r.progress.Started() || r.progress.Recounted && !r.progress.EnrichedTo.IsZero() {
		return nil
	}
	if err := r.resum(ctx, false); err != nil {
		return err
	}
	if r.progress.EnrichedTo.IsZero() {
		r.progress.EnrichedTo = r.progress.FirstHour()
	}
	r.progress.Recounted = true
	return nil
}

// resum makes the totals of the progress from the rows of the ledger. unsealed: SealedTo goes back
// to the first hour that was read and is not sealed.
func (r *streamRun) resum(ctx context.Context, unsealed bool) error {
	p := r.progress
	rows := r.collector.store.Windows(ctx, r.stream, time.Time{}, entra.Later(p.Watermark, p.SealedTo).Add(time.Hour))
	if err := p.Recompute(rows, unsealed); err != nil {
		return err
	}
	r.progress = p
	return nil
}

// setBack moves a watermark back that is in the future: a wrong clock marked everything up to there
// as read. It moves to the last hour with a record, so that the records since then are read.
func (r *streamRun) setBack(ctx context.Context) error {
	p := r.progress
	wrong := p.Watermark
	last, err := r.lastRecordBefore(ctx, r.now)
	if err != nil {
		return err
	}
	if last.IsZero() {
		last = entra.FloorHour(r.now.Add(-r.source().KeepsLeast))
	}
	p.Watermark = last
	p.TailBegin = entra.Earlier(p.TailBegin, p.Watermark)
	p.Backfilled = entra.Earlier(p.Backfilled, p.TailBegin)
	for i := range p.Passed {
		p.Passed[i].To = entra.Earlier(p.Passed[i].To, p.Watermark)
	}
	if p, err = r.writer.Commit(ctx, p, nil, nil); err != nil {
		return err
	}
	r.progress = p
	return &entra.Error{Code: entra.CodeConflict, Doing: "read the newest hours of " + string(r.stream),
		Why: fmt.Sprintf("the archive was marked as read up to %s, and it is %s: a clock was wrong",
			wrong.Format(time.RFC3339), r.now.Format(time.RFC3339)),
		Remedy: fmt.Sprintf("nothing to do: the mark is set back to %s, and the next run reads from there",
			p.Watermark.Format(time.RFC3339))}
}
