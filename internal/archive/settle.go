package archive

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// settle counts what a run that was killed in a read has stored there, and books it, before this run begins a read of its own:
// the ledger knows of one read that is under way, so a second kill would let the first one's rows be forgotten, and the reads
// that meet them later take them for counted.
func (r *streamRun) settle(ctx context.Context) error {
	known := make(map[time.Time]Coverage)
	for cov, err := range r.store.Windows(ctx, r.stream, r.doubtful.from, r.doubtful.to) {
		if err != nil {
			return err
		}
		known[cov.Start] = cov
	}
	p := r.progress
	var rows []Coverage
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		saved, err := r.store.Commit(ctx, p, rows, nil)
		p, rows = saved, rows[:0]
		return err
	}
	stored, err := r.store.StoredByHour(ctx, r.stream, r.doubtful.from, r.doubtful.to)
	if err != nil {
		return err
	}
	for _, hour := range slices.SortedFunc(maps.Keys(stored), time.Time.Compare) {
		was, ok := known[hour]
		if stored[hour] == was.Records+was.Versions {
			continue
		}
		w := entra.Window{Stream: r.stream, Start: hour}
		tally, err := r.store.Count(ctx, w)
		if err != nil {
			return err
		}
		now := was
		if !ok {
			now = Coverage{Window: w, State: WindowPartial, FirstReadAt: r.now}
		}
		now.Records, now.Versions, now.Bytes, now.StoredBytes = tally.Records, tally.Versions, tally.Bytes, tally.StoredBytes
		p.addToWindow(was, now)
		if rows = append(rows, now); len(rows) == MaxCommit {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	r.progress = p
	return nil
}
