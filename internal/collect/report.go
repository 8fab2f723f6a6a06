package collect

import (
	"time"

	"github.com/entraledger/entraledger/internal/ledger"
)

// recordSteps records when a run advanced the stream, compared with its state at the start, and
// returns whether it did.
func recordSteps(p *ledger.Progress, found *ledger.Progress, now time.Time) bool {
	moved := p.Watermark.After(found.Watermark) || p.Passed != found.Passed || p.SealedTo.After(found.SealedTo) ||
		p.Doubts < found.Doubts
	if moved || p.SteppedAt.IsZero() {
		p.SteppedAt = now
	}
	if !p.Backfilling() || p.Backfilled.After(found.Backfilled) || p.BackfilledAt.IsZero() || !found.Started() {
		p.BackfilledAt = now
	}
	return moved || p.Backfilled.After(found.Backfilled)
}
