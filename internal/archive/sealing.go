package archive

import (
	"context"
	"fmt"
	"maps"
	"strings"
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
	for _, s := range p.Suspects {
		// A run that was stopped there may still have a write under way.
		if from := later(s.span().from, p.SealedTo); s.To.After(p.SealedTo) && from.Before(limit) {
			limit = from
		}
	}
	if err := r.sealNew(ctx, limit); err != nil {
		return err
	}
	if err := r.sealAgain(ctx); err != nil {
		return err
	}
	if err := r.putHead(ctx); err != nil {
		return err
	}
	return r.tampered
}

// sealable tells whether an hour can be sealed as it is: read completely, or as far as it can ever
// be.
func (c *Coverage) sealable() bool {
	return !c.Doubt && (c.State == WindowComplete || c.State == WindowPartial && c.InPart())
}

// sealNew seals what was read from SealedTo up to limit. It does not go beyond an hour in doubt, or
// one that awaits a read.
func (r *streamRun) sealNew(ctx context.Context, limit time.Time) error {
	p := &r.progress
	for p.SealedTo.Before(limit) && !r.outOfTime(ctx) {
		if r.hold.yields() {
			return errYielded
		}
		var (
			rows   []Coverage
			once   []Coverage
			leaves int64
			to     = limit
		)
		for cov, err := range r.store.Windows(ctx, r.stream, p.SealedTo, limit) {
			if err != nil {
				return err
			}
			if cov.Doubt || cov.awaits() {
				to = earlier(to, cov.Start)
				break
			}
			if cov.readOnce() {
				to = earlier(to, cov.Start)
				if once = append(once, cov); len(once) == MaxCommit {
					break
				}
				continue
			}
			if len(once) > 0 {
				break
			}
			if !cov.sealable() {
				continue // a lost window holds nothing to vouch for; a reopened one has its turn
			}
			rows, leaves = append(rows, cov), leaves+cov.counted()
			if len(rows) == sealsAtOnce || leaves > leavesAtOnce {
				to = cov.End()
				break
			}
		}
		if len(rows) == 0 && len(once) > 0 {
			if err := r.confirmOnce(ctx, once); err != nil {
				return err
			}
			continue
		}
		if len(rows) == 0 && !to.After(p.SealedTo) {
			return nil
		}
		if err := r.sealRows(ctx, rows, to); err != nil {
			return err
		}
	}
	return nil
}

// sealRows seals windows and moves SealedTo, in one commit. A window whose rows are not what the
// ledger counts is not sealed but in doubt from then on, and none after it is sealed.
func (r *streamRun) sealRows(ctx context.Context, rows []Coverage, to time.Time) error {
	if !r.hold.taken() {
		if err := r.hold.take(ctx); err != nil { // what a seal lists is kept before the seal is committed
			return err
		}
	}
	p, at := r.progress, r.hold.stamp()
	log := &storeLog{ctx, r.store, r.stream, make(map[int64]seal.Seal)}
	stored, err := r.leavesOf(ctx, rows)
	if err != nil {
		return err
	}
	var seals []seal.Seal
	for i, was := range rows {
		leaves := stored[was.Start]
		if !was.agrees(HourContents{int64(len(leaves)), sumOf(leaves)}) {
			if err := r.checkLastSeal(ctx, log, was, leaves); err != nil {
				return err
			}
			rows[i].Doubt = true
			p.addToWindow(was, rows[i])
			rows, to = rows[:i+1], earlier(to, was.Start)
			break
		}
		s, err := r.sealRow(ctx, log, p.Seals, &rows[i], leaves, at)
		if err != nil {
			return err
		}
		log.known[p.Seals] = s
		seals = append(seals, s)
		p.Seals++
		p.addToWindow(was, rows[i])
	}
	p.SealedTo = later(to, p.SealedTo)
	if len(seals) > 0 {
		p.SealedAt = at
	}
	saved, err := r.hold.commit(ctx, p, rows, seals)
	if err != nil {
		return err
	}
	r.progress = saved
	r.sealed += len(seals)
	return nil
}

// sealRow makes the log's next entry of one window, and its coverage row.
func (r *streamRun) sealRow(ctx context.Context, log *storeLog, number int64, cov *Coverage, leaves []seal.Leaf, at time.Time) (seal.Seal, error) {
	if err := r.checkLastSeal(ctx, log, *cov, leaves); err != nil {
		return seal.Seal{}, err
	}
	s := seal.Seal{Window: cov.Window, SealedAt: at, Reason: cov.Reason}
	if s.Reason == "" {
		s.Reason = cov.known()
	}
	s, err := appendSeal(ctx, r.store, log, number, s, leaves)
	if err != nil {
		return s, err
	}
	cov.Sum, cov.HasSum = sumOf(leaves), true
	cov.State, cov.LastSeal, cov.Reason = WindowSealed, s.Number, ""
	cov.Seals++
	return s, nil
}

// appendSeal makes the log's next entry over contents, and keeps what it lists.
func appendSeal(ctx context.Context, store Store, log *storeLog, number int64, s seal.Seal, leaves []seal.Leaf) (seal.Seal, error) {
	sealed := seal.LeavesAt(leaves, s.SealedAt)
	s.Leaves, s.Root = int64(len(sealed)), seal.Root(sealed)
	s, err := seal.Append(log, number, s)
	if err != nil || len(sealed) == 0 {
		return s, err
	}
	return s, store.KeepLeaves(ctx, s, sealed)
}

// checkLastSeal refuses to seal a window again whose records are no longer those of its last seal:
// that would cover up what was done to them.
func (r *streamRun) checkLastSeal(ctx context.Context, log *storeLog, cov Coverage, leaves []seal.Leaf) error {
	if cov.Seals == 0 {
		return nil
	}
	last, err := log.Seal(cov.LastSeal)
	if err == nil && !wasPurged(last) { // a purge vouches for nothing
		_, err = membersOf(ctx, r.store, last, leaves)
	}
	return err
}

// known says what of a window is known, and what it holds that nobody confirmed; empty where all is
// known.
func (c *Coverage) known() string {
	var parts []string
	if c.InPart() {
		parts = append(parts, fmt.Sprintf("nothing is known of it from %s to %s: Graph had forgotten that part", c.LostFrom.UTC().Format(time.RFC3339Nano), c.LostTo.UTC().Format(time.RFC3339Nano)))
	}
	if c.Unconfirmed > 0 {
		parts = append(parts, fmt.Sprintf("%d unconfirmed: a run stored them and died, and Graph could not be asked again", c.Unconfirmed))
	}
	if c.Unmet > 0 {
		parts = append(parts, fmt.Sprintf("%d that two reads of the whole hour did not meet", c.Unmet))
	}
	if text := c.ReadsDiffer(); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
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

// sealAgain seals the windows that changed after they were sealed.
func (r *streamRun) sealAgain(ctx context.Context) error {
	for r.progress.Reopened > 0 && !r.outOfTime(ctx) {
		if r.hold.yields() {
			return errYielded
		}
		var rows []Coverage
		p := &r.progress
		for cov, err := range r.store.Windows(ctx, r.stream, p.ReopenedFrom, p.SealedTo) {
			if err != nil {
				return err
			}
			if cov.State != WindowReopened || cov.Doubt || p.suspected(cov.Start, cov.End()) {
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
	err := putHead(ctx, r.store, r.heads, r.progress)
	if err == nil && r.heads != nil {
		r.progress.Heads = r.progress.Seals // the run's end writes it
	}
	return err
}

// putHead writes the head of a log that has grown since its last one.
func putHead(ctx context.Context, store Store, heads Heads, p Progress) error {
	if heads == nil || p.Seals == p.Heads {
		return nil
	}
	head, err := seal.HeadOf(&storeLog{ctx, store, p.Stream, make(map[int64]seal.Seal)}, p.Stream, p.Seals)
	if err != nil {
		return err
	}
	return heads.PutHead(ctx, head)
}
