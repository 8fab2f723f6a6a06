package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/clocks"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/sealing"
)

const (
	// unorderedSpan is how much of an unordered stream one read asks for at first. Such a read
	// counts only when it was drained, so the span is kept small where there are many records and
	// doubled where there are few.
	unorderedSpan = 96 * time.Hour
	widestSpan    = 16 * unorderedSpan
	// spanGrowsUnder and spanShrinksOver are the pages of a read that change the span.
	spanGrowsUnder, spanShrinksOver = 2, 20
	// walkPages ends a walk before the service does: long walks run into 429 and timeouts.
	walkPages = 100
	// lostWalks is how often in a row paging may be lost without a step forward.
	lostWalks = 3
)

// streamRun is one stream's part of a run.
type streamRun struct {
	collector *Collector
	stream    entra.Stream
	id        ledger.Execution
	now       time.Time       // the tenant's time at the start of the run
	tenant    string          // the id of the tenant that is read, where it can be told
	began     time.Time       // the same moment by the machine's monotonic clock
	ctx       context.Context // of the run
	reading   context.Context // ends with the run's budget

	busy     chan struct{}  // held while something is done for the stream
	ended    bool           // finish was called
	writer   *ledger.Writer // nil: another execution has the stream
	progress ledger.Progress
	started  ledger.Progress // as the run found it
	aborted  []ledger.Span   // reads of this run that stored rows and were not committed to their end
	sealer   *sealing.Sealer // from open on
	span     time.Duration
	// form is the form that is requested from the source: empty is the richest; another one if
	// richRefused is why the richest is refused. askable is the oldest time that Graph accepts,
	// tooFar its answer to earlier ones; zero: it refused none.
	form        string
	richRefused error
	askable     time.Time
	tooFar      error

	// remembers is how old a record was that this run has seen: Graph then still has everything
	// that is younger.
	remembers time.Duration

	balance      Balance
	pages, reads int
	commits      int // of what was read
	err          error
	cause        error     // of a stop that is no failure by itself: held, yielded, out of time
	unknown      bool      // the last execution was stopped, or of a version before
	done         bool      // nothing more is done for the stream in this run
	reached      time.Time // of a range
	rangeDone    bool
}

// source is what is known of where the stream comes from.
func (r *streamRun) source() logs.Source { return logs.Of(r.stream).Source }

// tenantNow is the tenant's time.
func (r *streamRun) tenantNow() time.Time { return r.now.Add(time.Since(r.began)) }

// storageTime is the storage service's, as the state was read with it.
func (r *streamRun) storageTime() time.Time { return r.writer.OpenedAt.Add(time.Since(r.began)) }

// fail keeps the stream's first error. An exhausted budget or an external stop is none. Neither is
// another execution that has the lease or waits for it: it continues from this run's progress.
func (r *streamRun) fail(err error) {
	var (
		held *ledger.Held
		over error // it says only that there is no time left
	)
	if r.outOfTime(r.ctx) {
		if failed := entra.Without(err, context.Canceled, context.DeadlineExceeded); failed == nil {
			over = err
		} else {
			err = failed
		}
	}
	switch {
	case err == nil || r.err != nil:
	case errors.As(err, &held), errors.Is(err, ledger.ErrMoved), errors.Is(err, ledger.ErrYielded):
		r.done, r.cause = true, err
		r.collector.log.InfoContext(r.ctx, "the stream is left to another execution", "stream", r.stream, "reason",
			err.Error())
	case over != nil:
		r.cause = over
	case r.tolerates(err):
		r.cause, r.done = err, true
		r.collector.log.WarnContext(r.ctx, "the stream is refused; runs fail for it if that lasts", "stream", r.stream,
			"since", r.progress.RefusedSince, "code", entra.CodeOf(err), "error", err.Error())
	default:
		r.err, r.done = err, true
		r.collector.log.ErrorContext(r.ctx, "stream failed", "stream", r.stream, "code", entra.CodeOf(err), "error",
			err.Error())
	}
}

func (r *streamRun) outOfTime(ctx context.Context) bool {
	return r.reading.Err() != nil || ctx.Err() != nil
}

// wantsBackfill is the time from which the stream's past is still unread.
func (r *streamRun) wantsBackfill(ctx context.Context) (from time.Time, wants bool) {
	select {
	case r.busy <- struct{}{}:
		defer func() { <-r.busy }()
	default:
		return time.Time{}, false // it is being given to another execution
	}
	return r.progress.Backfilled, !r.done && !r.outOfTime(ctx) && r.progress.Backfilling()
}

func (r *streamRun) caughtUp() bool { return r.progress.Started() && !r.progress.Backfilling() }

// finished reports whether the run did all that there is to do for the stream.
func (r *streamRun) finished() bool {
	return r.err == nil && r.cause == nil && r.caughtUp() && r.writer != nil
}

// open loads the stream's progress of the last execution.
func (r *streamRun) open(ctx context.Context, w *ledger.Writer, p ledger.Progress) error {
	r.writer, r.progress, r.started = w, p, p
	r.sealer = r.newSealer()
	last := w.Begin(r.now)
	if last.Fence == 0 && !p.SteppedAt.IsZero() {
		r.collector.log.WarnContext(ctx, "the stream's lease row was not there; a new lease is taken", "stream",
			r.stream)
	}
	r.unknown = last.Abandoned() || last.Fence == 0 || !p.Recounted
	if last.Abandoned() || p.SteppedAt.IsZero() {
		if err := r.repairProgress(ctx); err != nil {
			return err
		}
	}
	if err := r.countNew(ctx); err != nil {
		return err
	}
	r.progress.Suspect(last)
	w.KeepAlive(ctx)
	parallel.Start(func() error {
		r.giveWay(ctx)
		return nil
	}, func(error) {}) // without it an execution that waits has to wait until this run ends
	if err := r.foreign(&p); err != nil { // what is compared below is asked of the tenant
		return err
	}
	return r.checkSuspects(ctx)
}

// giveWay leaves the stream to an execution that waits for it while nothing is done for it: a run
// has several streams, and works on a few of them at a time.
func (r *streamRun) giveWay(ctx context.Context) {
	select {
	case <-r.writer.Requested:
		r.turn(func(*streamRun) error { return ledger.ErrYielded })
	case <-r.writer.Ended:
	case <-ctx.Done():
	}
}

// tail reads from the watermark, less the overlap, up to now, less the lag.
func (r *streamRun) tail(ctx context.Context) error {
	r.chooseForm(ctx)
	p, to := &r.progress, r.next(readTail, 0).To
	if !p.Started() {
		p.TailBegin = entra.FloorHour(to)
		p.Watermark = p.TailBegin
		p.Backfilled = entra.FloorHour(r.now.Add(-r.collector.options.Backfill))
		if p.Backfilled.After(p.TailBegin) {
			p.Backfilled = p.TailBegin
		}
		p.EnrichedTo = p.Backfilled
		p.Recounted = true
	}
	if p.Watermark.After(r.now.Add(clocks.Tolerance)) {
		return r.setBack(ctx)
	}
	for p.Watermark.Before(to) && !r.outOfTime(ctx) {
		if err := r.step(ctx, r.tailCursor(), to, walkPages); err != nil {
			return err
		}
	}
	return r.reading.Err()
}

// backfill gives the stream one turn at the windows before its tail.
func (r *streamRun) backfill(ctx context.Context) error {
	if err := r.step(ctx, r.backfillCursor(), r.next(readBackfill, 0).To, r.collector.options.Turn); err != nil {
		return err
	}
	return r.secondReads(ctx)
}

// from is the start of a read at the cursor: never before the oldest time that Graph accepts.
func (r *streamRun) from(ctx context.Context, c cursor) (time.Time, error) {
	at := c.at(&r.progress)
	from, err := r.safeFrom(ctx, c, at)
	if r.askable.After(from) {
		from = entra.Earlier(r.askable, at)
	}
	return from, err
}

// safeFrom is the time from which nothing is missed. Where Graph may have deleted what precedes the
// cursor, it is the last record stored there: if Graph still returns that one, it has everything
// after it.
func (r *streamRun) safeFrom(ctx context.Context, c cursor, at time.Time) (time.Time, error) {
	if hour := entra.FloorHour(at); hour.Before(at) && r.mayBeInDoubt(hour) {
		return hour, nil // an hour in doubt is read whole
	}
	if !c.kind.rereads() && r.tenantNow().Sub(at) > max(r.source().KeepsLeast-time.Hour, r.remembers) {
		last, err := r.lastRecordBefore(ctx, at)
		switch width := r.width(); {
		case err != nil:
			return last, err
		case !last.IsZero() && width > 0 && at.Sub(last) > width:
			if err := r.queryHour(last); err != nil { // no question may reach so far
				return last, err
			}
		case !last.IsZero():
			return last, nil
		}
	}
	return entra.Later(at.Add(-c.overlap), c.floor), nil
}

// mayBeInDoubt reports whether an hour may be in doubt.
func (r *streamRun) mayBeInDoubt(hour time.Time) bool {
	p := &r.progress
	return p.Doubts > 0 && !hour.Before(p.DoubtFrom) && hour.Before(p.DoubtTo) || r.inDoubt(hour)
}

// lastRecordBefore is the start of the last hour before a time of which a record is stored, up to a
// month back; zero if there is none.
func (r *streamRun) lastRecordBefore(ctx context.Context, at time.Time) (time.Time, error) {
	end := entra.FloorHour(at).Add(time.Hour)
	for _, back := range []time.Duration{2 * time.Hour, 24 * time.Hour, 31 * 24 * time.Hour} {
		var last time.Time
		for cov, err := range r.collector.store.Windows(ctx, r.stream, entra.FloorHour(at.Add(-back)), end) {
			if err != nil {
				return time.Time{}, err
			}
			if cov.Records > 0 && cov.Start.Before(at) {
				last = cov.Start
			}
		}
		if !last.IsZero() {
			return last, nil
		}
	}
	return time.Time{}, nil
}

// step makes one read that moves the cursor towards to. A walk that lost its paging restarts at the
// cursor; without progress it does so only a few times.
func (r *streamRun) step(ctx context.Context, c cursor, to time.Time, pages int) error {
	for lost := 0; ; lost++ {
		if err := r.skip(ctx, c, to); err != nil {
			return err
		}
		before := c.at(&r.progress)
		end := r.until(c, before, to)
		if !r.collector.source.Ordered(r.stream) {
			pages = 0 // it has to be drained
		}
		from, err := r.from(ctx, c)
		if err != nil {
			return err
		}
		if !before.Before(to) {
			return nil // the rest is older than what Graph accepts
		}
		rd := &read{run: r, cursor: c, asked: ledger.Span{From: from, To: end}, limit: pages, rich: true}
		err = rd.walk(ctx)
		r.resize(rd.pages, err)
		if err != nil && rd.stored {
			r.aborted = append(r.aborted, ledger.Span{From: entra.FloorHour(from), To: end})
		}
		again, err := r.recover(ctx, rd, err)
		if again && err == nil {
			lost = -1
			continue
		}
		if !errors.Is(err, entra.ErrPagingLost) {
			return err
		}
		if c.at(&r.progress).After(before) {
			lost = 0
		}
		if lost+1 >= lostWalks {
			return &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + string(r.stream) + " from " +
				r.source().Name,
				Why: fmt.Sprintf("paging from %s was lost %d times in a row: %v",
					c.at(&r.progress).Format(time.RFC3339),
					lost+1, err),
				Remedy: "the next run tries again; if it stays, open a support case for " + r.source().Title, Err: err}
		}
		r.collector.log.InfoContext(ctx, "paging was lost; reading on from the last record stored", "stream", r.stream,
			"from", c.at(&r.progress), "error", err.Error())
	}
}

// resize fits the next span of an unordered stream to how many pages the last one had.
func (r *streamRun) resize(pages int, err error) {
	switch {
	case pages < spanGrowsUnder && err == nil && r.span < widestSpan:
		r.span *= 2
	case pages > spanShrinksOver:
		r.span = max(r.span/2, time.Hour) // an hour in doubt has to be read whole
	}
}

// end is finish for a run without the stream's turn.
func (r *streamRun) end(ctx context.Context) {
	r.busy <- struct{}{}
	defer func() { <-r.busy }()
	r.finish(ctx)
}

// finish writes how the run ended to the stream's row, and gives the stream to the next execution.
// Where even that fails, the log has the reason.
func (r *streamRun) finish(ctx context.Context) {
	if r.ended {
		return
	}
	r.ended, r.done = true, true
	if r.writer == nil || r.writer.Lost() {
		if r.writer != nil {
			r.writer.Stop()
		}
		if r.err == nil {
			r.err = r.progress.Stalled(r.now, r.collector.options.AlertAfter, r.cause)
		}
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), ledger.StopGrace)
	defer stop()
	r.sealLast(ctx)
	count := r.quarantined(ctx)
	words := func(p ledger.Progress) ledger.Progress {
		p.Quarantined = count(p.Quarantined)
		return r.withOutcome(p)
	}
	if errors.Is(r.cause, ledger.ErrMoved) {
		r.progress = r.left()
	}
	saved, err := r.writer.Release(ctx, words(r.progress))
	if errors.Is(err, ledger.ErrMoved) && !r.writer.Lost() {
		r.cause = err
		saved, err = r.writer.Release(ctx, words(r.left()))
	}
	if err != nil {
		if !errors.Is(err, ledger.ErrMoved) {
			r.collector.log.ErrorContext(ctx, "can't write the stream's state", "stream", r.stream, "error",
				err.Error())
		}
		return
	}
	r.progress = saved
}

// quarantined counts what is in quarantine, unless there was nothing, and nothing can have come.
func (r *streamRun) quarantined(ctx context.Context) func(before int64) int64 {
	if r.started.Quarantined > 0 || r.balance.Quarantined > 0 || r.unknown {
		if n, err := r.collector.store.InQuarantine(ctx, r.stream); err == nil {
			return func(int64) int64 { return n }
		}
	}
	return func(before int64) int64 { return before }
}

// sealLast seals again what this run has changed, where it ends before it came to that: to the next
// run it is a change that it knows nothing of.
func (r *streamRun) sealLast(ctx context.Context) {
	if !r.progress.Started() || !r.sealer.HasChanges() || errors.Is(r.cause, ledger.ErrMoved) {
		return
	}
	err := r.sealer.SealRead(ctx, r.done)
	if err == nil || errors.Is(err, ledger.ErrYielded) {
		err = r.sealer.PutHead(ctx)
	}
	if errors.Is(err, ledger.ErrMoved) {
		r.cause = err // what this process knows of the ledger is old
	}
	if err != nil {
		r.collector.log.WarnContext(ctx, "what changed is sealed again by the next run", "stream", r.stream, "error",
			err.Error())
	}
}

// left is the progress of another writer that committed although this run has the lease: one of its
// own commits was applied late, or a version without leases runs beside it. That version drops the
// read in progress, so what this run stored and did not count becomes suspect.
func (r *streamRun) left() ledger.Progress {
	p := r.writer.Saved()
	for _, s := range r.aborted {
		if s.From.Before(entra.FloorHour(p.ReadingFrom)) || s.To.After(p.ReadingTo) {
			p.Suspects = append(slices.Clone(p.Suspects),
				ledger.Suspect{From: s.From, To: s.To, Since: r.storageTime()})
		}
	}
	return p
}

// withOutcome adds to the progress how the run ended.
func (r *streamRun) withOutcome(p ledger.Progress) ledger.Progress {
	p.LastRunAt, p.ClockOffset = r.now, r.now.Sub(r.collector.clock()).Truncate(time.Second)
	if p.Tenant == "" && r.err == nil {
		p.Tenant = r.tenant
	}
	moved := false
	// the next run has to see that a version before wrote the row
	if !errors.Is(r.cause, ledger.ErrMoved) || !p.SteppedAt.IsZero() {
		moved = recordSteps(&p, &r.started, r.now)
	}
	if r.err == nil {
		r.err = p.Stalled(r.now, r.collector.options.AlertAfter, r.cause)
	}
	if r.err == nil && !isRefusal(r.cause) && (r.cause == nil || moved) {
		p.RefusedSince = time.Time{}
	}
	// What comes last is the later one, even where a clock that was wrong has gone back since.
	switch {
	case r.err == nil && r.cause != nil && !moved: // out of time, or given away: neither a success nor a failure
	case r.err == nil:
		p.LastSuccessAt, p.LastErrorAt = r.now, entra.Earlier(p.LastErrorAt, r.now)
	default:
		p.LastErrorAt, p.LastErrorCode, p.LastError = r.now, entra.CodeOf(r.err), r.err.Error()
		p.LastSuccessAt = entra.Earlier(p.LastSuccessAt, r.now.Add(-entra.Tick))
	}
	return p
}

func (r *streamRun) report() StreamReport {
	out := StreamReport{Stream: r.stream, Pages: r.pages, Reads: r.reads, Commits: r.commits, Balance: r.balance,
		Watermark: r.progress.Watermark, Backfilled: r.progress.Backfilled, CaughtUp: r.caughtUp(), Reached: r.reached,
		RangeDone: r.rangeDone, Finished: r.ctx.Err() == nil && r.finished(), Err: r.err}
	if r.sealer != nil {
		out.Sealed = r.sealer.Sealed
	}
	var held *ledger.Held
	if errors.As(r.cause, &held) && !r.rangeDone { // what is left of a range that was read is the other's
		out.Overtaken, out.By = true, held.By.Execution
	}
	out.Yielded = errors.Is(r.cause, ledger.ErrYielded)
	return out
}
