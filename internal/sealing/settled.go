package sealing

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// MarkSettled marks windows up to limit after their last pass, in order and as many as fit a
// commit. It stops at an hour in doubt, or one without a current seal. once are windows that have
// to be read again before that, because they were read a single time; done: none is left.
func (s *Sealer) MarkSettled(ctx context.Context, limit time.Time) (once []ledger.Coverage, done bool, _ error) {
	if s.writer.Yields() {
		return nil, false, ledger.ErrYielded
	}
	due, err := s.unsettled(ctx, limit)
	switch {
	case err != nil:
		return nil, false, err
	case len(due.rows) == 0 && len(due.once) > 0:
		return due.once, false, nil
	case len(due.rows) == 0 && !due.to.After(s.progress.SealedTo):
		return nil, true, nil
	}
	p := *s.progress
	for i, was := range due.rows {
		due.rows[i].State = ledger.WindowSealed
		p.Apply(was, due.rows[i])
	}
	p.SealedTo = entra.Later(due.to, p.SealedTo)
	if p, err = s.writer.Commit(ctx, p, due.rows, nil); err != nil {
		return nil, false, err
	}
	*s.progress = p
	return nil, false, nil
}

// dueRows are windows that can be settled, or must be read again before that.
type dueRows struct {
	rows []ledger.Coverage // as many as fit a commit
	to   time.Time         // everything before is settled with them
	once []ledger.Coverage // read a single time
}

func (s *Sealer) unsettled(ctx context.Context, limit time.Time) (dueRows, error) {
	due := dueRows{to: limit}
	for cov, err := range s.store.Windows(ctx, s.progress.Stream, s.progress.SealedTo, limit) {
		if err != nil {
			return due, err
		}
		if cov.Doubt || cov.Awaits() || cov.ToSeal() {
			due.to = entra.Earlier(due.to, cov.Start)
			break
		}
		if cov.ReadOnce() {
			due.to = entra.Earlier(due.to, cov.Start)
			if due.once = append(due.once, cov); len(due.once) == ledger.MaxCommit {
				break
			}
			continue
		}
		if len(due.once) > 0 {
			break
		}
		if cov.State != ledger.WindowComplete && !(cov.State == ledger.WindowPartial && cov.InPart()) {
			continue // a lost window has nothing to seal
		}
		if due.rows = append(due.rows, cov); len(due.rows) == ledger.MaxCommit {
			due.to = cov.End()
			break
		}
	}
	return due, nil
}
