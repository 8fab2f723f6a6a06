// Package sealing fixes the content of an hour by an entry of its stream's log, and stores the
// log's head where a writer of the tables cannot change it.
package sealing

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

const (
	// SealsAtOnce is how many windows are sealed in one commit: each is a coverage row and an entry
	// of the log.
	SealsAtOnce = ledger.MaxCommit / 2
	// leavesAtOnce bounds the memory for what they hold.
	leavesAtOnce = 50_000
)

// Log is a stream's log, with entries that are about to be written.
type Log struct {
	ctx    context.Context
	store  ledger.Seals
	stream entra.Stream
	Known  map[int64]seal.Seal
}

func NewLog(ctx context.Context, store ledger.Seals, stream entra.Stream) *Log {
	return &Log{ctx, store, stream, make(map[int64]seal.Seal)}
}

// Seal is seal.Log's.
func (l *Log) Seal(number int64) (seal.Seal, error) {
	if s, ok := l.Known[number]; ok {
		return s, nil
	}
	s, err := l.store.Seal(l.ctx, l.stream, number)
	if err == nil {
		l.Known[number] = s
	}
	return s, err
}

// Sealer seals the hours of one stream for an execution that has the stream's lease.
type Sealer struct {
	store    Store
	heads    HeadWriter // nil: none
	writer   *ledger.Writer
	progress *ledger.Progress // of the execution: it is moved on by each commit
	until    time.Time        // when sealing ends, by the machine's clock
	log      *slog.Logger

	// changed are the windows that the execution has changed since they were sealed last.
	changed map[time.Time]change

	Sealed   int   // windows so far
	Tampered error // of an hour that is not what was sealed, or can't be counted; it stays as it is
}

// NewSealer makes a Sealer. heads is nil where there is no place for them; progress is the
// execution's; until is when sealing ends, by the machine's clock.
func NewSealer(store Store, heads HeadWriter, writer *ledger.Writer, progress *ledger.Progress, until time.Time,
	log *slog.Logger) *Sealer {
	return &Sealer{store: store, heads: heads, writer: writer, progress: progress, until: until, log: log,
		changed: make(map[time.Time]change)}
}

// SealRead seals the windows that are read and not sealed as they are. Those in which a run that
// was stopped may still have a write in progress wait, and those that were tampered with stay as
// they are. An execution that another one waits for still seals again what was sealed before;
// again: so does this one, and no other window. The error is errYielded where another one waits.
func (s *Sealer) SealRead(ctx context.Context, again bool) error {
	for from := s.progress.UnsealedFrom; s.progress.Unsealed > 0; {
		rows, err := s.toSeal(ctx, from, s.writer.Yields() || again)
		if err != nil {
			return err
		}
		if len(rows) == 0 || ctx.Err() != nil || time.Now().After(s.until) {
			break
		}
		from = rows[len(rows)-1].End()
		if err := s.sealRows(ctx, rows); err != nil {
			return err
		}
	}
	if s.writer.Yields() {
		return ledger.ErrYielded
	}
	return nil
}

// toSeal lists windows from a time on that can be sealed, as many as fit a commit. again: only
// those that were sealed before.
func (s *Sealer) toSeal(ctx context.Context, from time.Time, again bool) (rows []ledger.Coverage, _ error) {
	p, leaves := s.progress, int64(0)
	for cov, err := range s.store.Windows(ctx, p.Stream, from, p.UnsealedTo) {
		if err != nil {
			return nil, err
		}
		if !sealable(p, &cov) || again && cov.Seals == 0 {
			continue
		}
		rows, leaves = append(rows, cov), leaves+cov.Contents()
		if len(rows) == SealsAtOnce || leaves > leavesAtOnce {
			break
		}
	}
	return rows, nil
}

// sealable reports whether a window can be sealed, and is not: what was never read holds arrivals alone.
func sealable(p *ledger.Progress, cov *ledger.Coverage) bool {
	return cov.ToSeal() && (p.WasRead(cov.Start) || cov.OnlyArrived()) && !p.Suspected(cov.Start, cov.End())
}

// SealHour seals one window if it can be sealed, and is not. sealed reports whether its last seal is
// of what it holds.
func (s *Sealer) SealHour(ctx context.Context, hour time.Time) (sealed bool, err error) {
	window := func() (cov ledger.Coverage, err error) {
		for cov, err := range s.store.Windows(ctx, s.progress.Stream, hour, hour.Add(time.Hour)) {
			return cov, err
		}
		return cov, nil
	}
	cov, err := window()
	if err != nil || !sealable(s.progress, &cov) {
		return err == nil && cov.Seals > 0 && cov.Sealed(), err
	}
	if err := s.sealRows(ctx, []ledger.Coverage{cov}); err != nil {
		return false, err
	}
	cov, err = window()
	return err == nil && cov.Sealed(), err
}

// sealBatch is what one commit seals.
type sealBatch struct {
	sealer *Sealer
	log    *Log
	at     time.Time
	p      ledger.Progress
	dated  bool // a commit covers at
	rows   []ledger.Coverage
	seals  []seal.Seal
	lists  []SealedList
}

// sealRows seals windows in one commit.
func (s *Sealer) sealRows(ctx context.Context, rows []ledger.Coverage) error {
	if !s.writer.Taken() {
		if err := s.writer.Acquire(ctx); err != nil { // what a seal lists is kept before the seal is committed
			return err
		}
	}
	b := &sealBatch{sealer: s, log: NewLog(ctx, s.store, s.progress.Stream), at: s.writer.Stamp(), p: *s.progress}
	stored, err := s.leavesOf(ctx, rows)
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
	if err := s.store.KeepLeaves(ctx, b.lists); err != nil {
		return err
	}
	saved, err := s.writer.Commit(ctx, b.p, b.rows, b.seals)
	if err != nil {
		return err
	}
	*s.progress = saved
	s.Sealed += len(b.seals)
	for _, made := range b.seals {
		delete(s.changed, made.Start)
	}
	return nil
}

// add seals a window. If the rows differ from the ledger's count, or a sealed window changed
// without a change by this run, it becomes in doubt instead: Graph is queried for it. A window that
// was tampered with stays as it is, and the run continues.
func (b *sealBatch) add(ctx context.Context, was ledger.Coverage, leaves []seal.Leaf) error {
	s, now := b.sealer, was
	read, arrived := ledger.Parted(leaves)
	before, err := s.lastSeal(b.log, was, leaves)
	agrees := was.Agrees(ledger.HourContents{Count: int64(len(read)), Sum: ledger.SumOfLeaves(read)})
	if err == nil && (!was.HoldsArrivals(arrived) || was.OnlyArrived() && !agrees) {
		err = notCounted(&was)
	}
	if err == nil && was.Imported > 0 && agrees {
		leaves, err = b.eclipse(ctx, &now, leaves)
	}
	switch {
	case entra.CodeOf(err) == entra.CodeTampered && err != nil:
		s.Tampered = err
		s.log.ErrorContext(ctx, "an hour is not what was sealed; it is not sealed again", "stream", was.Stream,
			"hour", was.Start.Format(entra.HourFormat), "error", err.Error())
		return nil
	case err != nil:
		return err
	case !agrees:
		now.Doubt = true
	case before.is(&was, leaves, b.at):
		markSealed(&now, leaves)
	case (was.Seals > 0 || was.Start.Before(b.p.SealedTo)) && !s.explains(was.Start, before, leaves):
		now.Doubt = true
	default:
		list, err := sealRow(b.log, b.p.Seals, &now, leaves, before, b.at)
		if err != nil {
			return err
		}
		b.log.Known[b.p.Seals] = list.Seal
		b.seals, b.lists = append(b.seals, list.Seal), append(b.lists, list)
		b.p.Seals++
	}
	b.p.Apply(was, now)
	b.rows = append(b.rows, now)
	return nil
}

// notCounted is the error of an hour whose arrivals are not those that the ledger counts: no source
// can be asked for them.
func notCounted(c *ledger.Coverage) error {
	return &entra.Error{Code: entra.CodeTampered, Doing: "seal " + c.Window.String(),
		Why: fmt.Sprintf("what was imported or delivered there is not the %d contents that the ledger counts",
			c.Imported),
		Remedy: "ask verify which records differ; the hour stays as it is"}
}

// sealRow makes the log's next entry of one window, and its coverage row.
func sealRow(log *Log, number int64, cov *ledger.Coverage, leaves []seal.Leaf, before *SealedBefore,
	at time.Time) (SealedList, error) {
	s := seal.Seal{Window: cov.Window, SealedAt: at, Reason: joinReasons(cov.Reason, cov.Known())}
	s, list, err := Append(log, number, s, leaves, before)
	if err != nil {
		return list, err
	}
	markSealed(cov, leaves)
	cov.LastSeal = s.Number
	cov.Seals++
	return list, nil
}

// markSealed makes the row say that its last seal is of what it holds.
func markSealed(c *ledger.Coverage, leaves []seal.Leaf) {
	read, _ := ledger.Parted(leaves)
	c.Sum, c.HasSum = ledger.SumOfLeaves(read), true
	if c.Revision == 0 && len(leaves) > 0 {
		c.Revision = 1 // a version without revisions has counted it
	}
	c.SealedRevision, c.Reason = c.Revision, ""
	if c.State == ledger.WindowReopened { // it has had its last pass
		c.State = ledger.WindowSealed
	}
}

func joinReasons(reasons ...string) string {
	return strings.Join(slices.DeleteFunc(reasons, func(s string) bool { return s == "" }), "; ")
}

// Append makes the log's next entry over contents, and what is to be kept beside it before it
// is committed. before is the window's last seal; nil: none.
func Append(log *Log, number int64, s seal.Seal, leaves []seal.Leaf, before *SealedBefore) (seal.Seal, SealedList,
	error) {
	sealed := seal.LeavesAt(leaves, s.SealedAt)
	s.Leaves, s.Root = int64(len(sealed)), seal.Root(sealed)
	if s.Dated = len(sealed) > 0; s.Dated {
		s.Dates = seal.DatesRoot(sealed, s.SealedAt)
	}
	s, err := seal.Append(log, number, s)
	return s, SealedList{Seal: s, Leaves: sealed, Before: before}, err
}

// lastSeal is a window's last seal; nil if it has none, or one that covers nothing. It fails with
// entra.CodeTampered if sealed content is missing: sealing the window again would hide the
// tampering.
func (s *Sealer) lastSeal(log *Log, cov ledger.Coverage, leaves []seal.Leaf) (*SealedBefore, error) {
	if cov.Seals == 0 {
		return nil, nil
	}
	last, err := log.Seal(cov.LastSeal)
	if err != nil || ledger.WasPurged(last) {
		return nil, err
	}
	members, err := ledger.MembersOf(log.ctx, s.store, last, leaves)
	if err != nil {
		return nil, err
	}
	return &SealedBefore{Seal: last, Leaves: members, Times: cov.Seals}, nil
}

// is reports whether a seal matches the window's content now.
func (b *SealedBefore) is(cov *ledger.Coverage, leaves []seal.Leaf, now time.Time) bool {
	if b == nil || len(b.Leaves) != len(leaves) || !strings.HasSuffix(b.Seal.Reason, cov.Known()) ||
		cov.Known() == "" &&
			ledger.NamesUnknown(b.Seal.Reason) {
		return false
	}
	then := seal.LeavesAt(leaves, now)
	return seal.Root(then) == b.Seal.Root && (!b.Seal.Dated || seal.DatesRoot(then, now) == b.Seal.Dates)
}

// leavesOf reads what is stored of windows; consecutive windows need one query.
func (s *Sealer) leavesOf(ctx context.Context, rows []ledger.Coverage) (map[time.Time][]seal.Leaf, error) {
	out := make(map[time.Time][]seal.Leaf)
	for i := 0; i < len(rows); {
		end := i + 1
		for end < len(rows) && rows[end].Start.Equal(rows[end-1].End()) {
			end++
		}
		leaves, err := s.store.Leaves(ctx, s.progress.Stream, rows[i].Start, rows[end-1].End())
		if err != nil {
			return nil, err
		}
		maps.Copy(out, leaves)
		i = end
	}
	return out, nil
}

// PutHead writes the log's head outside the tables. Where the process ends before it, the next run
// writes it.
func (s *Sealer) PutHead(ctx context.Context) error {
	err := PutHead(ctx, s.store, s.heads, *s.progress)
	if err == nil && s.heads != nil {
		s.progress.Heads = s.progress.Seals // the run's end writes it
	}
	return err
}

// PutHead writes the head of a log that has grown since its last one.
func PutHead(ctx context.Context, store ledger.Seals, heads HeadWriter, p ledger.Progress) error {
	if heads == nil || p.Seals == p.Heads {
		return nil
	}
	head, err := seal.HeadOf(NewLog(ctx, store, p.Stream), p.Stream, p.Seals)
	if err != nil {
		return err
	}
	return heads.PutHead(ctx, head)
}
