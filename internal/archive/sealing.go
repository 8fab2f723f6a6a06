package archive

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

const (
	// sealsAtOnce is how many windows are sealed in one commit: each is a coverage row and an entry of the log.
	sealsAtOnce = MaxCommit / 2
	// leavesAtOnce bounds the memory for what they hold.
	leavesAtOnce = 50_000
)

// storeLog is a stream's log, with entries that are about to be written.
type storeLog struct {
	ctx    context.Context
	store  Store
	stream entra.Stream
	known  map[int64]seal.Seal
}

// Seal is seal.Log's.
func (l *storeLog) Seal(number int64) (seal.Seal, error) {
	if s, ok := l.known[number]; ok {
		return s, nil
	}
	s, err := l.store.Seal(l.ctx, l.stream, number)
	if err == nil {
		l.known[number] = s
	}
	return s, err
}

// seal fixes the roots of the windows that have had their last pass, in order, and of those that changed after they were
// sealed. Then it puts the log's head where the tables' writers can't change it.
func (r *streamRun) seal(ctx context.Context) error {
	p := &r.progress
	if !p.Started() || p.Backfilling() || p.SealedTo.IsZero() {
		return nil
	}
	limit := r.now
	for _, age := range r.ages() {
		if to := entra.FloorHour(p.Passed.At(age)); to.Before(limit) {
			limit = to
		}
	}
	if !r.doubtful.from.IsZero() && r.doubtful.from.Before(limit) {
		// A run that was stopped there may still have a write under way. It is sealed next time.
		limit = r.doubtful.from
	}
	if err := r.sealNew(ctx, limit); err != nil {
		return err
	}
	if err := r.sealAgain(ctx); err != nil {
		return err
	}
	return r.putHead(ctx)
}

// sealNew seals what was read completely from SealedTo up to limit.
func (r *streamRun) sealNew(ctx context.Context, limit time.Time) error {
	p := &r.progress
	for p.SealedTo.Before(limit) && !r.outOfTime(ctx) {
		var (
			rows   []Coverage
			leaves int64
			to     = limit
		)
		for cov, err := range r.store.Windows(ctx, r.stream, p.SealedTo, limit) {
			if err != nil {
				return err
			}
			if cov.State != WindowComplete {
				continue // a lost window holds nothing to vouch for; a reopened one has its turn
			}
			rows, leaves = append(rows, cov), leaves+cov.Records+cov.Versions
			if len(rows) == sealsAtOnce || leaves > leavesAtOnce {
				to = cov.End()
				break
			}
		}
		if err := r.sealRows(ctx, rows, to); err != nil {
			return err
		}
	}
	return nil
}

// sealRows seals windows and moves SealedTo, in one commit.
func (r *streamRun) sealRows(ctx context.Context, rows []Coverage, to time.Time) error {
	p := r.progress
	log := &storeLog{ctx, r.store, r.stream, make(map[int64]seal.Seal)}
	seals := make([]seal.Seal, len(rows))
	stored, err := r.leavesOf(ctx, rows)
	if err != nil {
		return err
	}
	for i, was := range rows {
		if seals[i], err = r.sealRow(ctx, log, p.Seals, &rows[i], stored[was.Start]); err != nil {
			return err
		}
		log.known[p.Seals] = seals[i]
		p.Seals++
		p.addToWindow(was, rows[i])
	}
	if to.After(p.SealedTo) {
		p.SealedTo = to
	}
	if len(rows) > 0 {
		p.SealedAt = r.now
	}
	saved, err := r.store.Commit(ctx, p, rows, seals)
	if err != nil {
		return err
	}
	r.progress = saved
	r.sealed += len(rows)
	return nil
}

// sealRow makes the log's next entry of one window, and its coverage row.
func (r *streamRun) sealRow(ctx context.Context, log *storeLog, number int64, cov *Coverage, leaves []seal.Leaf) (seal.Seal, error) {
	if cov.Seals > 0 {
		if err := r.checkLastSeal(log, *cov, leaves); err != nil {
			return seal.Seal{}, err
		}
	}
	s := seal.Seal{Window: cov.Window, SealedAt: r.now, Reason: cov.Reason}
	sealed := seal.LeavesAt(leaves, s.SealedAt)
	s.Leaves, s.Root = int64(len(sealed)), seal.Root(sealed)
	s, err := seal.Append(log, number, s)
	if err != nil {
		return s, err
	}
	if len(sealed) > 0 {
		if err := r.store.KeepLeaves(ctx, s, sealed); err != nil {
			return s, err
		}
	}
	if s.Leaves != cov.Records+cov.Versions {
		// Rows that a stopped run stored, and that no read has met since.
		tally, err := r.store.Count(ctx, cov.Window)
		if err != nil {
			return s, err
		}
		cov.Records, cov.Versions, cov.Bytes, cov.StoredBytes = tally.Records, tally.Versions, tally.Bytes, tally.StoredBytes
	}
	cov.State, cov.LastSeal, cov.Reason = WindowSealed, s.Number, ""
	cov.Seals++
	return s, nil
}

// leavesOf reads what is stored of windows; those that follow each other take one query.
func (r *streamRun) leavesOf(ctx context.Context, rows []Coverage) (map[time.Time][]seal.Leaf, error) {
	out := make(map[time.Time][]seal.Leaf)
	for i := 0; i < len(rows); {
		end := i + 1
		for end < len(rows) && rows[end].Start.Equal(rows[end-1].End()) {
			end++
		}
		leaves, err := r.store.Leaves(ctx, r.stream, rows[i].Start, rows[end-1].End())
		if err != nil {
			return nil, err
		}
		maps.Copy(out, leaves)
		i = end
	}
	return out, nil
}

// checkLastSeal refuses to seal a window again whose records are no longer those of its last seal: that would cover up
// what was done to them.
func (r *streamRun) checkLastSeal(log *storeLog, cov Coverage, leaves []seal.Leaf) error {
	last, err := log.Seal(cov.LastSeal)
	if err != nil {
		return err
	}
	if seal.Root(seal.LeavesAt(leaves, last.SealedAt)) == last.Root {
		return nil
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: fmt.Sprintf("seal %s again", cov.Window),
		Why:    fmt.Sprintf("what was sealed there on %s is not what is stored now", last.SealedAt.Format(time.RFC3339)),
		Remedy: "ask verify which records differ; the hour stays as it is"}
}

// sealAgain seals the windows that changed after they were sealed.
func (r *streamRun) sealAgain(ctx context.Context) error {
	for r.progress.Reopened > 0 && !r.outOfTime(ctx) {
		var rows []Coverage
		p := &r.progress
		for cov, err := range r.store.Windows(ctx, r.stream, p.ReopenedFrom, p.SealedTo) {
			if err != nil {
				return err
			}
			if cov.State != WindowReopened {
				continue
			}
			if rows = append(rows, cov); len(rows) == sealsAtOnce {
				break
			}
		}
		if len(rows) == 0 {
			return nil // they lie beyond what is sealed
		}
		if err := r.sealRows(ctx, rows, p.SealedTo); err != nil {
			return err
		}
	}
	return nil
}

// putHead writes the log's head outside the tables. Where the process ends before it, the next run writes it.
func (r *streamRun) putHead(ctx context.Context) error {
	p := &r.progress
	if r.heads == nil || p.Seals == p.Heads {
		return nil
	}
	head, err := seal.HeadOf(&storeLog{ctx, r.store, r.stream, make(map[int64]seal.Seal)}, r.stream, p.Seals)
	if err != nil {
		return err
	}
	if err := r.heads.PutHead(ctx, head); err != nil {
		return err
	}
	p.Heads = p.Seals // the run's end writes it
	return nil
}
