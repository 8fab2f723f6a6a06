package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/seal"
)

// One execution at a time writes the ledger of a stream. Its lease is a row of the ledger's
// partition that every commit includes. A commit fails after the lease was lost, because the next
// execution changed its revision. A lease cannot stop a write of records in progress, so such a
// write must be harmless by itself: rows are added, or replaced by ETag, and the content read under
// the later stamp is current, in any order of arrival.

const (
	// LeaseLength is how long a lease lasts that is not renewed.
	LeaseLength = 2 * time.Minute
	// renewAfter is when a owner that had nothing to commit renews its lease.
	renewAfter = 30 * time.Second
	// waiterInterval is the interval at which a waiting execution checks whether the stream is
	// free, and repeats its request.
	waiterInterval = 2 * time.Second
	// ownerInterval is the interval at which an owner checks for a waiting execution: each check
	// costs a request.
	ownerInterval = 10 * time.Second
	// requestLength is how long a request for the lease is valid unless it is repeated.
	requestLength = 30 * time.Second
	// FenceGap bounds the stamps of one fence: the next one's begin so much later at least.
	FenceGap = time.Second
	// LateWrites is how long after the loss of a lease a write of its owner may still be executed:
	// four tries of 60 seconds with their pauses, and a margin.
	LateWrites = 10 * time.Minute
	// StopGrace is how long a stopped execution may take to write how it ended.
	StopGrace = 10 * time.Second
)

// Execution is one run of a timer, or one slice of a job.
type Execution struct {
	ID   string // drawn for each
	Work string // what the owner does, as shown to waiting executions: "collect", "purge"
}

// Lease says who may commit to a stream's ledger.
type Lease struct {
	Execution
	Fence int64 // counts the owners
	// Base is before every stamp of this owner, and after all of the owners before it. Stamp is the
	// last one that a commit covers.
	Base, Stamp time.Time
	Length      time.Duration // 0: it was given back

	// As it was read: when, and how long after it was written, both by the storage service's clock
	// alone.
	ReadAt time.Time
	Age    time.Duration
}

// Held reports whether an execution has the lease.
func (l Lease) Held() bool { return l.Length > 0 && l.Age < l.Length }

// Abandoned reports whether the last owner never released the lease.
func (l Lease) Abandoned() bool { return l.Length > 0 }

// LeaseRequest is the request of an execution that waits for a lease.
type LeaseRequest struct {
	Execution
	Age time.Duration // by the storage service's clock
}

// Held is the error of a stream that another execution works on.
type Held struct {
	Stream entra.Stream
	By     Lease
}

func (e *Held) Error() string { return e.asError().Error() }

// Unwrap gives the error its code.
func (e *Held) Unwrap() error { return e.asError() }

func (e *Held) asError() *entra.Error {
	return &entra.Error{Code: entra.CodeConflict, Doing: "work on " + string(e.Stream),
		Why:    fmt.Sprintf("%s has it (execution %s, holder %d)", e.By.Work, e.By.ID, e.By.Fence),
		Remedy: "nothing is lost: it goes on where that one ends; a holder that died gives way after two minutes"}
}

// ErrYielded ends an execution's work on a stream because another one waits for it.
var ErrYielded = errors.New("another execution waits for the stream")

// Writer is a stream's lease in the hands of one execution. Every commit goes through it.
type Writer struct {
	store  LeaseStore
	run    Execution
	stream entra.Stream

	OpenedAt  time.Time     // by the storage service's clock
	opened    time.Time     // the same moment by the machine's monotonic clock
	Requested chan struct{} // closed when another execution waits
	Stop      func()        // ends the renewals
	Ended     chan struct{} // closed when they have ended

	// Of the owner: the start of its stamps, and the last stamp that it used.
	Base, given time.Time

	// What follows is for the goroutine that has the turn: a commit of the work, or a renewal,
	// which must not come between.
	turn   chan struct{}
	lease  Lease
	last   Progress // as the ledger has it
	has    bool     // a commit has acquired the lease
	isLost bool
	// a renewal found that an earlier commit was executed late; the next commit's caller has to
	// know
	late    error
	renewed time.Time // when the last commit was begun, by the machine's monotonic clock
}

// lock acquires the turn; the function releases it.
func (h *Writer) lock() (release func()) {
	h.turn <- struct{}{}
	return func() { <-h.turn }
}

// Saved is the progress as the ledger has it.
func (h *Writer) Saved() Progress {
	defer h.lock()()
	return h.last
}

// Fence is the number of this owner among those of the stream: later ones have higher numbers.
func (h *Writer) Fence() int64 {
	defer h.lock()()
	return h.lease.Fence
}

// Lost tells whether another execution has taken the lease.
func (h *Writer) Lost() bool {
	defer h.lock()()
	return h.isLost
}

// Taken reports whether the lease was acquired.
func (h *Writer) Taken() bool {
	defer h.lock()()
	return h.has
}

// Open reads a stream's state and proposes its lease, which the first commit acquires. now is the
// time that the clocks agree on. If another execution has the lease, the error is a *Held.
func Open(ctx context.Context, store LeaseStore, run Execution, stream entra.Stream) (*Writer, Progress, error) {
	p, lease, err := store.State(ctx, stream)
	if err != nil {
		return nil, p, err
	}
	if lease.Held() && lease.ID != run.ID { // its own, where a first commit was made unheard
		return nil, p, &Held{Stream: stream, By: lease}
	}
	h := &Writer{store: store, run: run, stream: stream, lease: lease, last: p, OpenedAt: lease.ReadAt,
		opened: time.Now(),
		turn:   make(chan struct{}, 1), Requested: make(chan struct{}), Stop: func() {}}
	return h, p, nil
}

// Wait opens a stream as soon as its lease is free, until ctx ends; it requests the lease from the
// owner.
func Wait(ctx context.Context, store LeaseStore, run Execution, stream entra.Stream) (*Writer, Progress, error) {
	var held *Held
	for {
		h, p, err := Open(ctx, store, run, stream)
		if has := held; !errors.As(err, &held) {
			if err != nil && has != nil && ctx.Err() != nil {
				err = has // the time was over during the look
			}
			return h, p, err
		}
		if err := store.RequestLease(ctx, stream, run); err != nil && ctx.Err() == nil {
			return nil, p, err
		}
		if !pause(ctx, waiterInterval) {
			return nil, p, held
		}
	}
}

// Acquire acquires a stream's lease as soon as it is free, until ctx ends. It waits on if another
// execution is faster between the check and the first commit. now is the clock of the owner's
// stamps.
func Acquire(ctx context.Context, store LeaseStore, run Execution, stream entra.Stream,
	now func(*Writer) time.Time) (*Writer, Progress, error) {
	for {
		h, p, err := Wait(ctx, store, run, stream)
		if err != nil {
			return nil, p, err
		}
		p.Suspect(h.Begin(now(h)))
		p, err = h.Commit(ctx, p, nil, nil)
		if err != nil && ctx.Err() != nil {
			// The commit may have been applied although its answer was lost; nothing should wait
			// for an owner that has ended.
			return h, p, errors.Join(err, h.ReleaseUnchanged(ctx))
		}
		if !errors.Is(err, ErrMoved) {
			return h, p, err
		}
	}
}

// pause waits, and reports whether ctx is still alive.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Begin sets the start of the owner's stamps: after everything that an earlier owner, or a version
// without leases, can have written.
func (h *Writer) Begin(now time.Time) (before Lease) {
	before = h.lease
	base := now.UTC().Truncate(entra.Tick)
	for _, least := range []time.Time{before.Base.Add(FenceGap), before.Stamp.Add(entra.Tick),
		h.last.SealedAt.Add(entra.Tick)} {
		if base.Before(least) {
			base = least
		}
	}
	h.Base, h.given = base, base
	h.lease = Lease{Execution: h.run, Fence: before.Fence + 1, Base: base, Stamp: base, Length: LeaseLength}
	return before
}

// Stamp gives the next date for what is written from now on: later than all before it.
func (h *Writer) Stamp() time.Time {
	h.given = h.given.Add(entra.Tick)
	return h.given
}

// Expired reports whether another execution may have the lease by now, as far as this process knows
// without a request.
func (h *Writer) Expired() bool {
	defer h.lock()()
	return h.isLost || h.has && time.Since(h.renewed) >= LeaseLength
}

// Commit writes to the ledger and renews the lease. ErrMoved: another execution has the stream; the
// error says which.
func (h *Writer) Commit(ctx context.Context, p Progress, rows []Coverage, seals []seal.Seal) (Progress, error) {
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return p, context.Cause(ctx)
	}
	defer func() { <-h.turn }()
	// Only a commit covers what it counts: a renewal, or the end of a run that stops within a read,
	// does not cover what was written since.
	if len(rows) > 0 || p.ReadingFrom.IsZero() {
		h.lease.Stamp = h.given
	}
	if err := h.late; err != nil {
		h.late = nil
		return p, err
	}
	return h.write(ctx, p, rows, seals)
}

// write is commit for a caller that has the turn.
func (h *Writer) write(ctx context.Context, p Progress, rows []Coverage, seals []seal.Seal) (Progress, error) {
	began := time.Now()
	p.Revision, p.Run = h.last.Revision, h.run.ID
	saved, err := h.store.Commit(ctx, h.lease, p, rows, seals)
	if errors.Is(err, ErrMoved) {
		return p, h.moved(ctx, err)
	}
	if err != nil {
		return p, err
	}
	h.last, h.renewed, h.has = saved, began, true
	return saved, nil
}

// moved finds out why a commit was refused. Where the lease is still this execution's, an earlier
// commit of its own, whose answer was lost, has been executed: the ledger is right, and what this
// process knows of it is not.
func (h *Writer) moved(ctx context.Context, cause error) error {
	p, lease, err := h.store.State(ctx, h.stream)
	switch {
	case err != nil:
		return err
	case lease.ID == h.run.ID && lease.Fence == h.lease.Fence: // the first commit, too, may have been made unheard
		h.last, h.has = p, true
		return fmt.Errorf("%w: an earlier commit of this run was carried out late", cause)
	}
	h.isLost = true
	return errors.Join(&Held{Stream: h.stream, By: lease}, cause)
}

// KeepAlive renews the lease while its owner works, and checks for a waiting execution, until
// release.
func (h *Writer) KeepAlive(ctx context.Context) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.Ended = make(chan struct{})
	h.Stop = func() {
		cancel()
		<-h.Ended
	}
	// Where it ends by a fault, the lease ends by its time, and the next commit finds out.
	parallel.Start(func() error {
		for pause(ctx, ownerInterval) {
			h.poll(ctx)
		}
		return nil
	}, func(error) { close(h.Ended) })
}

// poll renews the lease if it is time, and checks for a waiting execution.
func (h *Writer) poll(ctx context.Context) {
	select {
	case h.turn <- struct{}{}:
		defer func() { <-h.turn }()
	default:
		return // a commit is in progress, which renews it
	}
	if h.isLost || !h.has {
		return
	}
	if time.Since(h.renewed) >= renewAfter {
		if _, err := h.write(ctx, h.last, nil, nil); errors.Is(err, ErrMoved) && !h.isLost {
			h.late = err
		} // of what else is wrong, the next commit says it
	}
	// A request from before this owner was for the one before it: an execution that still waits
	// repeats it.
	counts := min(requestLength, time.Since(h.opened))
	if w, err := h.store.LatestRequest(ctx, h.stream); err == nil && w.ID != "" && w.ID != h.run.ID && w.Age < counts {
		if !h.Yields() {
			close(h.Requested)
		}
	}
}

// Yields reports whether an execution waits for the stream.
func (h *Writer) Yields() bool {
	select {
	case <-h.Requested:
		return true
	default:
		return false
	}
}

// Acquire acquires the lease at once, for work that writes before it commits.
func (h *Writer) Acquire(ctx context.Context) error {
	_, err := h.Commit(ctx, h.Saved(), nil, nil)
	return err
}

// ReleaseUnchanged gives the lease back with the progress as the ledger has it, for work that keeps
// none of its own.
func (h *Writer) ReleaseUnchanged(ctx context.Context) error {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), StopGrace)
	defer stop()
	_, err := h.Release(ctx, h.Saved())
	if errors.Is(err, ErrMoved) && !h.Lost() {
		_, err = h.Release(ctx, h.Saved()) // a commit of this execution's was executed late
	}
	return err
}

// end makes the next commit give the lease back.
func (h *Writer) end() {
	defer h.lock()()
	h.lease.Length = 0
}

// Release writes the last state and releases the lease. If the owner cannot, the lease expires.
func (h *Writer) Release(ctx context.Context, p Progress) (Progress, error) {
	h.Stop()
	if h.Lost() {
		return p, nil
	}
	h.end()
	return h.Commit(ctx, p, nil, nil)
}
