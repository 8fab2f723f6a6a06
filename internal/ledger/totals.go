package ledger

import (
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

func one(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

// Recompute makes the totals from all rows of the ledger, in order.
func (p *Progress) Recompute(rows iter.Seq2[Coverage, error], unsealed bool) error {
	p.Tally, p.Changed, p.Late, p.WindowsComplete = Tally{}, 0, 0, 0
	p.Reopened, p.Doubts, p.Lost, p.Purged, p.Thin, p.Awaits, p.Unsealed = 0, 0, 0, 0, 0, 0, 0
	p.UnsealedFrom, p.UnsealedTo = time.Time{}, time.Time{}
	p.ThinFrom, p.ThinTo, p.AwaitsFrom, p.AwaitsTo = time.Time{}, time.Time{}, time.Time{}, time.Time{}
	p.ReopenedFrom, p.DoubtFrom, p.DoubtTo, p.LostFrom, p.LostTo = time.Time{}, time.Time{}, time.Time{}, time.Time{},
		time.Time{}
	p.Imported, p.ImportedHours, p.ImportedFrom, p.ImportedTo = 0, 0, time.Time{}, time.Time{}
	sealedTo, prefix, purged := p.SealedTo, true, time.Time{}
	for cov, err := range rows {
		if err != nil {
			return err
		}
		p.Apply(Coverage{}, cov)
		if prefix = prefix && (cov.State == WindowPurged || cov.State == WindowLost); prefix &&
			(cov.State == WindowPurged || sameMonth(cov.Start, purged)) {
			purged = cov.Start // dropped, or lost in a month that was
			p.PurgedTo = entra.Later(p.PurgedTo, cov.End())
		}
		if unsealed && cov.State == WindowComplete && cov.Start.Before(sealedTo) {
			sealedTo = cov.Start
		}
	}
	p.SealedTo = sealedTo
	return nil
}
