package archive

import (
	"context"
	"fmt"
	"maps"
	"slices"
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

// seal fixes the roots of the windows that were read, and of those that changed after they were
// sealed. Then it settles those that have had their last pass, and puts the log's head where the
// tables' writers can't change it.
func (r *streamRun) seal(ctx context.Context) error {
	if !r.progress.Started() {
		return nil
	}
	if err := r.sealRead(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	if err := r.putHead(ctx); err != nil {
		return err
	}
	return r.tampered
}

// sealGrace is how long after a run's budget what it has read may still be sealed: what is left
// changed and not sealed is read again by the next run.
const sealGrace = 20 * time.Second

// sealRead seals the windows that are read and not sealed as they are. Those in which a run that
// was stopped may still have a write under way wait, and those that were tampered with stay as they
// are. Who has to leave the stream to another execution still seals again what was sealed before.
func (r *streamRun) sealRead(ctx context.Context) error {
	for from := r.progress.UnsealedFrom; r.progress.Unsealed > 0; {
		rows, err := r.toSeal(ctx, from, r.hold.yields() || r.done)
		if err != nil {
			return err
		}
		if late, ok := r.reading.Deadline(); len(rows) == 0 || ctx.Err() != nil || ok && time.Since(late) > sealGrace {
			break
		}
		from = rows[len(rows)-1].End()
		if err := r.sealRows(ctx, rows); err != nil {
			return err
		}
	}
	if r.hold.yields() {
		return errYielded
	}
	return nil
}

// toSeal lists windows from a time on that can be sealed, as many as fit a commit. again: only
// those that were sealed before.
func (r *streamRun) toSeal(ctx context.Context, from time.Time, again bool) (rows []Coverage, _ error) {
	p, leaves := &r.progress, int64(0)
	for cov, err := range r.store.Windows(ctx, r.stream, from, p.UnsealedTo) {
		if err != nil {
			return nil, err
		}
		if !cov.ToSeal() || again && cov.Seals == 0 || !p.wasRead(cov.Start) || p.suspected(cov.Start, cov.End()) {
			continue
		}
		rows, leaves = append(rows, cov), leaves+cov.counted()
		if len(rows) == sealsAtOnce || leaves > leavesAtOnce {
			break
		}
	}
	return rows, nil
}

// sealBatch is what one commit seals.
type sealBatch struct {
	run   *streamRun
	log   *storeLog
	at    time.Time
	p     Progress
	rows  []Coverage
	seals []seal.Seal
	lists []SealedList
}

// sealRows seals windows in one commit.
func (r *streamRun) sealRows(ctx context.Context, rows []Coverage) error {
	if !r.hold.taken() {
		if err := r.hold.take(ctx); err != nil { // what a seal lists is kept before the seal is committed
			return err
		}
	}
	b := &sealBatch{run: r, log: &storeLog{ctx, r.store, r.stream, make(map[int64]seal.Seal)}, at: r.hold.stamp(), p: r.progress}
	stored, err := r.leavesOf(ctx, rows)
	if err != nil {
		return err
	}
	for _, was := range rows {
		if err := b.add(ctx, was, stored[was.Start]); err != nil {
			return err
		}
	}
	if len(b.rows) == 0 {
		return nil
	}
	if len(b.seals) > 0 {
		b.p.SealedAt = b.at
	}
	if err := r.store.KeepLeaves(ctx, b.lists); err != nil {
		return err
	}
	saved, err := r.hold.commit(ctx, b.p, b.rows, b.seals)
	if err != nil {
		return err
	}
	r.progress = saved
	r.sealed += len(b.seals)
	for _, s := range b.seals {
		delete(r.touched, s.Start)
	}
	return nil
}

// add seals a window. One whose rows are not what the ledger counts, or that was sealed before and
// changed and this run does not know why, is not sealed but in doubt from then on: Graph is asked
// for it. One that was tampered with stays as it is, and everything else goes on.
func (b *sealBatch) add(ctx context.Context, was Coverage, leaves []seal.Leaf) error {
	r, now := b.run, was
	before, err := r.lastSeal(b.log, was, leaves)
	switch {
	case entra.CodeOf(err) == entra.CodeTampered && err != nil:
		r.tampered = err
		r.log.ErrorContext(ctx, "an hour is not what was sealed; it is not sealed again", "stream", r.stream,
			"hour", was.Start.Format(entra.HourFormat), "error", err.Error())
		return nil
	case err != nil:
		return err
	case !was.agrees(HourContents{int64(len(leaves)), sumOf(leaves)}):
		now.Doubt = true
	case before.is(&was, leaves, b.at):
		now.sealedAs(leaves)
	case (was.Seals > 0 || was.Start.Before(b.p.SealedTo)) && !r.explains(was.Start, before, leaves):
		now.Doubt = true
	default:
		list, err := sealRow(b.log, b.p.Seals, &now, leaves, before, b.at)
		if err != nil {
			return err
		}
		b.log.known[b.p.Seals] = list.Seal
		b.seals, b.lists = append(b.seals, list.Seal), append(b.lists, list)
		b.p.Seals++
	}
	b.p.addToWindow(was, now)
	b.rows = append(b.rows, now)
	return nil
}

// sealRow makes the log's next entry of one window, and its coverage row.
func sealRow(log *storeLog, number int64, cov *Coverage, leaves []seal.Leaf, before *SealedBefore, at time.Time) (SealedList, error) {
	s := seal.Seal{Window: cov.Window, SealedAt: at, Reason: joinReasons(cov.Reason, cov.known())}
	s, list, err := appendSeal(log, number, s, leaves, before)
	if err != nil {
		return list, err
	}
	cov.sealedAs(leaves)
	cov.LastSeal = s.Number
	cov.Seals++
	return list, nil
}

// sealedAs makes the row say that its last seal is of what it holds.
func (c *Coverage) sealedAs(leaves []seal.Leaf) {
	c.Sum, c.HasSum = sumOf(leaves), true
	if c.Revision == 0 && len(leaves) > 0 {
		c.Revision = 1 // a version without revisions has counted it
	}
	c.SealedRevision, c.Reason = c.Revision, ""
	if c.State == WindowReopened { // it has had its last pass
		c.State = WindowSealed
	}
}

func joinReasons(reasons ...string) string {
	return strings.Join(slices.DeleteFunc(reasons, func(s string) bool { return s == "" }), "; ")
}

// appendSeal makes the log's next entry over contents, and what is to be kept beside it before it
// is committed. before is the window's last seal; nil: none.
func appendSeal(log *storeLog, number int64, s seal.Seal, leaves []seal.Leaf, before *SealedBefore) (seal.Seal, SealedList, error) {
	sealed := seal.LeavesAt(leaves, s.SealedAt)
	s.Leaves, s.Root = int64(len(sealed)), seal.Root(sealed)
	if s.Dated = len(sealed) > 0; s.Dated {
		s.Dates = seal.DatesRoot(sealed, s.SealedAt)
	}
	s, err := seal.Append(log, number, s)
	return s, SealedList{Seal: s, Leaves: sealed, Before: before}, err
}

// lastSeal is a window's last seal; nil where it has none, or one that vouches for nothing. It is
// an error with entra.CodeTampered where what was sealed is not there any more: to seal the window
// again would cover up what was done to it.
func (r *streamRun) lastSeal(log *storeLog, cov Coverage, leaves []seal.Leaf) (*SealedBefore, error) {
	if cov.Seals == 0 {
		return nil, nil
	}
	last, err := log.Seal(cov.LastSeal)
	if err != nil || wasPurged(last) {
		return nil, err
	}
	members, err := membersOf(log.ctx, r.store, last, leaves)
	if err != nil {
		return nil, err
	}
	return &SealedBefore{Seal: last, Leaves: members, Times: cov.Seals}, nil
}

// is tells whether a seal is of what a window holds now.
func (b *SealedBefore) is(cov *Coverage, leaves []seal.Leaf, now time.Time) bool {
	if b == nil || len(b.Leaves) != len(leaves) || !strings.HasSuffix(b.Seal.Reason, cov.known()) || cov.known() == "" && tellsUnknown(b.Seal.Reason) {
		return false
	}
	then := seal.LeavesAt(leaves, now)
	return seal.Root(then) == b.Seal.Root && (!b.Seal.Dated || seal.DatesRoot(then, now) == b.Seal.Dates)
}

// Words of what is not known of a window, as they stand in the reasons of seals.
const (
	nothingKnown    = "nothing is known of it from "
	unconfirmedText = "unconfirmed: "
	unmetText       = " that two reads of the whole hour did not meet"
)

// known says what of a window is known, and what it holds that nobody confirmed; empty where all is
// known.
func (c *Coverage) known() string {
	var parts []string
	if c.InPart() {
		parts = append(parts, fmt.Sprintf(nothingKnown+"%s to %s: Graph had forgotten that part", c.LostFrom.UTC().Format(time.RFC3339Nano), c.LostTo.UTC().Format(time.RFC3339Nano)))
	}
	if c.Unconfirmed > 0 {
		parts = append(parts, fmt.Sprintf("%d "+unconfirmedText+"a run stored them and died, and Graph could not be asked again", c.Unconfirmed))
	}
	if c.Unmet > 0 {
		parts = append(parts, fmt.Sprintf("%d"+unmetText, c.Unmet))
	}
	if text := c.ReadsDiffer(); text != "" {
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// tellsUnknown tells whether the reason of a seal says that something is not known of its window.
func tellsUnknown(reason string) bool {
	return strings.Contains(reason, nothingKnown) || strings.Contains(reason, unconfirmedText) || strings.Contains(reason, unmetText)
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

// putHead writes the log's head outside the tables. Where the process ends before it, the next run
// writes it.
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
