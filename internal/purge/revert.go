package purge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
)

// revert seals the hours again, as they are, that an interrupted purge has marked as dropped in a
// month that is kept now.
func (w *purging) revert(ctx context.Context, m *Month) error {
	before, err := w.sealedBefore(ctx, m.Month)
	if err != nil {
		return err
	}
	for {
		rows, err := w.hoursOf(ctx, m.Month, isPurged)
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			break
		}
		if slices.ContainsFunc(rows, func(c ledger.Coverage) bool {
			return w.now.Sub(c.PurgedAt) < ledger.LateWrites
		}) {
			return nil // the drop may still be executed: what is left is known after that
		}
		p := w.progress
		log := sealing.NewLog(ctx, w.purger.store, m.Stream)
		seals := make([]seal.Seal, len(rows))
		for i := range rows {
			was := rows[i]
			if seals[i], err = w.restore(ctx, log, p.Seals, &rows[i], before[was.Start]); err != nil {
				return err
			}
			log.Known[p.Seals] = seals[i]
			p.Seals++
			p.Apply(was, rows[i])
		}
		p.Drops = without(p.Drops, m.Month)
		if err := w.commit(ctx, p, rows, seals); err != nil {
			return err
		}
		m.Reverted += int64(len(rows))
	}
	return w.putHead(ctx)
}

// sealedBefore finds the last seal of each hour of a month before it was purged.
func (w *purging) sealedBefore(ctx context.Context, month time.Time) (map[time.Time]seal.Seal, error) {
	out := make(map[time.Time]seal.Seal)
	for s, err := range w.purger.store.Seals(ctx, w.progress.Stream) {
		if err != nil {
			return nil, err
		}
		if !ledger.WasPurged(s) && !ledger.WasRepaired(s) && !s.Start.Before(month) &&
			s.Start.Before(month.AddDate(0, 1, 0)) {
			out[s.Start] = s
		}
	}
	return out, nil
}

// restore makes the entry of an hour that a purge had marked as dropped, with what is left of it.
func (w *purging) restore(ctx context.Context, log *sealing.Log, number int64, cov *ledger.Coverage,
	before seal.Seal) (seal.Seal, error) {
	listed, err := w.purger.store.Leaves(ctx, cov.Stream, cov.Start, cov.End())
	if err != nil {
		return seal.Seal{}, err
	}
	leaves := listed[cov.Start]
	rows, err := w.purger.store.Count(ctx, cov.Window)
	if err != nil {
		return seal.Seal{}, err
	}
	s := seal.Seal{Window: cov.Window, SealedAt: w.writer.Stamp(),
		Reason: fmt.Sprintf("%s%d of %d left", ledger.RevertedMark, len(leaves), before.Leaves)}
	s, list, err := sealing.Append(log, number, s, leaves, nil)
	if err != nil {
		return s, err
	}
	if err := w.purger.store.KeepLeaves(ctx, []sealing.SealedList{list}); err != nil {
		return s, err
	}
	cov.State, cov.Reason, cov.PurgedAt, cov.LastSeal = ledger.WindowSealed, s.Reason, time.Time{}, s.Number
	cov.Seals++
	cov.Records, cov.Versions, cov.Bytes, cov.StoredBytes = rows.Records, rows.Versions, rows.Bytes, rows.StoredBytes
	cov.Sum, cov.HasSum, cov.Eclipsed = rows.Sum, true, rows.Eclipsed
	_, arrived := ledger.Parted(leaves)
	cov.Imported, cov.ImportedSum = int64(len(arrived)), ledger.SumOfLeaves(arrived)
	if cov.NeverRead() { // it holds arrivals alone
		cov.State, cov.Reason = ledger.WindowPartial, ""
		if cov.InPart() {
			cov.State = cov.StateOnceRead()
		}
	}
	cov.Revision++
	cov.SealedRevision = cov.Revision
	return s, nil
}
