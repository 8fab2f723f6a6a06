package collect

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/sealing"
)

// sealGrace is how long after a run's budget what it has read may still be sealed: what is left
// changed and not sealed is read again by the next run.
const sealGrace = 20 * time.Second

// newSealer makes what seals the stream for this run.
func (r *streamRun) newSealer() *sealing.Sealer {
	until, _ := r.reading.Deadline()
	return sealing.NewSealer(r.collector.store, r.collector.heads, r.writer, &r.progress, until.Add(sealGrace),
		r.collector.log)
}

// seal fixes the roots of the windows that were read, and of those that changed after they were
// sealed. Then it marks those settled that have had their last pass, and puts the log's head where
// the tables' writers can't change it.
func (r *streamRun) seal(ctx context.Context) error {
	if !r.progress.Started() {
		return nil
	}
	if err := r.sealer.SealRead(ctx, r.done); err != nil {
		return err
	}
	if err := r.markSettled(ctx); err != nil {
		return err
	}
	if err := r.sealer.PutHead(ctx); err != nil {
		return err
	}
	return r.sealer.Tampered
}

// markSettled marks the windows that have had their last pass. Those that were read once are read
// again before that.
func (r *streamRun) markSettled(ctx context.Context) error {
	if p := &r.progress; p.Backfilling() || p.SealedTo.IsZero() {
		return nil
	}
	for limit := r.passedAll(); r.progress.SealedTo.Before(limit) && !r.outOfTime(ctx); {
		once, done, err := r.sealer.MarkSettled(ctx, limit)
		if err != nil || done {
			return err
		}
		if len(once) == 0 {
			continue
		}
		if err := r.confirmOnce(ctx, once); err != nil {
			return err
		}
		if err := r.sealer.SealRead(ctx, r.done); err != nil { // of some it is known now that no reads agree
			return err
		}
	}
	return nil
}

// passedAll is up to when every pass has been made, and no run that was stopped may still write.
func (r *streamRun) passedAll() time.Time {
	p, limit := &r.progress, r.now
	for _, age := range r.ages() {
		limit = entra.Earlier(limit, entra.FloorHour(p.Passed.At(age)))
	}
	for _, s := range p.Suspects {
		if from := entra.Later(s.Span().From, p.SealedTo); s.To.After(p.SealedTo) {
			limit = entra.Earlier(limit, from)
		}
	}
	return limit
}
