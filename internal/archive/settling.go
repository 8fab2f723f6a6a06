package archive

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// settle marks the windows that have had their last pass, as far as all before them have. It does
// not go beyond an hour in doubt, one that awaits a read, or one that is not sealed as it is.
func (r *streamRun) settle(ctx context.Context) error {
	if p := &r.progress; p.Backfilling() || p.SealedTo.IsZero() {
		return nil
	}
	for limit := r.passedAll(); r.progress.SealedTo.Before(limit) && !r.outOfTime(ctx); {
		if r.hold.yields() {
			return errYielded
		}
		due, err := r.toSettle(ctx, limit)
		if err != nil {
			return err
		}
		if len(due.rows) == 0 && len(due.once) > 0 {
			if err := r.confirmOnce(ctx, due.once); err != nil {
				return err
			}
			if err := r.sealRead(ctx); err != nil { // of some it is known now that no reads agree
				return err
			}
			continue
		}
		if len(due.rows) == 0 && !due.to.After(r.progress.SealedTo) {
			return nil
		}
		p := r.progress
		for i, was := range due.rows {
			due.rows[i].State = WindowSealed
			p.addToWindow(was, due.rows[i])
		}
		p.SealedTo = later(due.to, p.SealedTo)
		if p, err = r.hold.commit(ctx, p, due.rows, nil); err != nil {
			return err
		}
		r.progress = p
	}
	return nil
}

// passedAll is up to when every pass has been made, and no run that was stopped may still write.
func (r *streamRun) passedAll() time.Time {
	p, limit := &r.progress, r.now
	for _, age := range r.ages() {
		limit = earlier(limit, entra.FloorHour(p.Passed.At(age)))
	}
	for _, s := range p.Suspects {
		if from := later(s.span().from, p.SealedTo); s.To.After(p.SealedTo) {
			limit = earlier(limit, from)
		}
	}
	return limit
}

// dueToSettle are windows that can be settled, or must be read again before that.
type dueToSettle struct {
	rows []Coverage // as many as fit a commit
	to   time.Time  // everything before is settled with them
	once []Coverage // read a single time
}

func (r *streamRun) toSettle(ctx context.Context, limit time.Time) (dueToSettle, error) {
	due := dueToSettle{to: limit}
	for cov, err := range r.store.Windows(ctx, r.stream, r.progress.SealedTo, limit) {
		if err != nil {
			return due, err
		}
		if cov.Doubt || cov.Awaits() || cov.ToSeal() {
			due.to = earlier(due.to, cov.Start)
			break
		}
		if cov.readOnce() {
			due.to = earlier(due.to, cov.Start)
			if due.once = append(due.once, cov); len(due.once) == MaxCommit {
				break
			}
			continue
		}
		if len(due.once) > 0 {
			break
		}
		if cov.State != WindowComplete && !(cov.State == WindowPartial && cov.InPart()) {
			continue // a lost window holds nothing to vouch for
		}
		if due.rows = append(due.rows, cov); len(due.rows) == MaxCommit {
			due.to = cov.End()
			break
		}
	}
	return due, nil
}
