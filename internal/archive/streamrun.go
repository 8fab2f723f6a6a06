package archive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

const (
	// unorderedSpan is how much of an unordered stream one read asks for at first. Such a read counts only when it
	// was drained, so the span is kept small where there are many records and doubled where there are few.
	unorderedSpan = 96 * time.Hour
	// spanGrowsUnder and spanShrinksOver are the pages of a read that change the span.
	spanGrowsUnder, spanShrinksOver = 2, 20
	// walkPages ends a walk before the service does: long walks run into 429 and timeouts.
	walkPages = 100
	// lostWalks is how often in a row paging may be lost without a step forward.
	lostWalks = 3
	// lastWords is how long a run that was stopped may take to write how it ended.
	lastWords = 10 * time.Second
)

// streamRun is one stream's part of a run.
type streamRun struct {
	*Collector
	stream  entra.Stream
	id      string
	now     time.Time       // the tenant's clock at the start of the run
	ctx     context.Context // of the run
	reading context.Context // ends with the run's budget

	loaded   bool
	progress Progress
	doubtful span          // what a killed run may have stored without a coverage row
	span     time.Duration // of an unordered stream's next read

	// A record that a read of this run has seen proves that Graph still remembers the hours after it.
	seenAtFrontier, seenInBackfill bool

	balance      Balance
	pages, reads int
	err          error
	overtaken    bool
	sealed       int
	reached      time.Time // of a range
	rangeDone    bool
}

// span is a range of time, [from, to).
type span struct{ from, to time.Time }

func (s span) contains(t time.Time) bool { return !t.Before(s.from) && t.Before(s.to) }

// fail keeps the stream's first error. A budget that ended, or a stop from outside, is none; nor is another run that has
// taken the stream over: it goes on where this one stood.
func (r *streamRun) fail(err error) {
	if err == nil || r.err != nil || r.outOfTime(r.ctx) && errors.Is(err, context.Cause(r.reading)) {
		return
	}
	if errors.Is(err, ErrMoved) {
		r.overtaken = true
		r.log.WarnContext(r.ctx, "another run has taken the stream over; this one leaves it", "stream", r.stream)
		return
	}
	r.err = err
	r.log.ErrorContext(r.ctx, "stream failed", "stream", r.stream, "code", entra.CodeOf(err), "error", err.Error())
}

func (r *streamRun) outOfTime(ctx context.Context) bool {
	return r.reading.Err() != nil || ctx.Err() != nil
}

func (r *streamRun) wantsBackfill(ctx context.Context) bool {
	return r.err == nil && !r.overtaken && !r.outOfTime(ctx) && r.progress.Backfilling()
}

func (r *streamRun) caughtUp() bool { return r.progress.Started() && !r.progress.Backfilling() }

func (r *streamRun) load(ctx context.Context) error {
	if r.loaded {
		return nil
	}
	p, err := r.store.Progress(ctx, r.stream)
	if err != nil {
		return err
	}
	if !r.now.After(p.SealedAt) {
		// What this run stores has to be told from what was there when a window was sealed.
		r.now = p.SealedAt.Add(entra.Tick)
	}
	r.progress, r.loaded = p, true
	r.doubtful = span{entra.FloorHour(p.ReadingFrom), p.ReadingTo}
	if p.ReadingFrom.IsZero() {
		return nil
	}
	return r.settle(ctx)
}

// frontier reads from the watermark, less the overlap, up to now, less the lag.
func (r *streamRun) frontier(ctx context.Context) error {
	if err := r.load(ctx); err != nil {
		return err
	}
	p, to := &r.progress, r.now.Add(-r.options.Lag).Truncate(entra.Tick)
	if !p.Started() {
		p.FrontierBegin = entra.FloorHour(to)
		p.Watermark = p.FrontierBegin
		p.Backfilled = entra.FloorHour(r.now.Add(-r.options.Backfill))
		if p.Backfilled.After(p.FrontierBegin) {
			p.Backfilled = p.FrontierBegin
		}
	}
	if !to.After(p.Watermark) {
		r.log.WarnContext(ctx, "nothing to read yet: the tenant's clock stands before the watermark", "stream", r.stream,
			"watermark", p.Watermark, "tenantTime", r.now)
		return nil
	}
	for p.Watermark.Before(to) && !r.outOfTime(ctx) {
		if err := r.step(ctx, r.frontierCursor(), to, walkPages); err != nil {
			return err
		}
	}
	return r.reading.Err()
}

// backfill gives the stream one turn at the windows before its frontier.
func (r *streamRun) backfill(ctx context.Context) error {
	return r.step(ctx, r.backfillCursor(), r.progress.FrontierBegin, r.options.Turn)
}

// cursor is the end of what is completely read; a read moves it forward. It lies in the progress row.
type cursor struct {
	at       func(*Progress) time.Time
	move     func(*Progress, time.Time)
	overlap  time.Duration
	floor    time.Time // no overlap reaches before it
	kind     readKind
	deadline time.Duration // of a pass: the age of its windows
	seen     *bool
}

// readKind says what a read is for.
type readKind int

const (
	readFrontier readKind = iota
	readBackfill
	readAgain // windows that were read before: a pass, or a range that somebody asked for
)

func (r *streamRun) frontierCursor() cursor {
	return cursor{
		at:      func(p *Progress) time.Time { return p.Watermark },
		move:    func(p *Progress, t time.Time) { p.Watermark = t },
		overlap: r.options.Overlap, floor: r.progress.FrontierBegin, kind: readFrontier, seen: &r.seenAtFrontier,
	}
}

func (r *streamRun) backfillCursor() cursor {
	return cursor{
		at:    func(p *Progress) time.Time { return p.Backfilled },
		move:  func(p *Progress, t time.Time) { p.Backfilled = t },
		floor: r.progress.Backfilled, kind: readBackfill, seen: &r.seenInBackfill,
	}
}

func (r *streamRun) from(c cursor) time.Time {
	if from := c.at(&r.progress).Add(-c.overlap); from.After(c.floor) {
		return from
	}
	return c.floor
}

// step makes one read that moves the cursor towards to. A walk whose paging is lost begins again where the cursor
// stands then; without any step forward it does so only a few times.
func (r *streamRun) step(ctx context.Context, c cursor, to time.Time, pages int) error {
	for lost := 0; ; lost++ {
		before, end := c.at(&r.progress), to
		if !r.source.Ordered(r.stream) {
			if before.Add(r.span).Before(to) {
				end = before.Add(r.span)
			}
			pages = 0 // it has to be drained
		}
		rd := &read{streamRun: r, cursor: c, asked: span{r.from(c), end}, limit: pages}
		err := rd.run(ctx)
		r.resize(rd.pages)
		if !errors.Is(err, entra.ErrPagingLost) {
			return err
		}
		if c.at(&r.progress).After(before) {
			lost = 0
		}
		if lost+1 >= lostWalks {
			return &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + string(r.stream) + " from Graph",
				Why:    fmt.Sprintf("paging from %s was lost %d times in a row", c.at(&r.progress).Format(time.RFC3339), lost+1),
				Remedy: "the next run tries again; if it stays, open a support case for Microsoft Graph", Err: err}
		}
		r.log.InfoContext(ctx, "paging was lost; reading on from the last record stored", "stream", r.stream, "from", c.at(&r.progress), "error", err.Error())
	}
}

// resize fits the next span of an unordered stream to how many pages the last one had.
func (r *streamRun) resize(pages int) {
	switch {
	case pages < spanGrowsUnder:
		r.span *= 2
	case pages > spanShrinksOver && r.span > time.Hour:
		r.span /= 2
	}
}

// finish writes how the run ended to the stream's row. Where even that fails, the log has the reason.
func (r *streamRun) finish(ctx context.Context) {
	if !r.loaded || r.overtaken {
		return
	}
	p := r.progress
	p.Run, p.LastRunAt, p.ClockOffset = r.id, r.now, r.now.Sub(r.clock()).Truncate(time.Second)
	if r.err == nil {
		p.LastSuccessAt = r.now
	} else {
		p.LastErrorAt, p.LastErrorCode, p.LastError = r.now, entra.CodeOf(r.err), r.err.Error()
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer stop()
	if n, err := r.store.InQuarantine(ctx, r.stream); err == nil {
		p.Quarantined = n
	}
	saved, err := r.store.Commit(ctx, p, nil, nil)
	if err != nil {
		if !errors.Is(err, ErrMoved) {
			r.log.ErrorContext(ctx, "can't write the stream's state", "stream", r.stream, "error", err.Error())
		}
		return
	}
	r.progress = saved
}

func (r *streamRun) report() StreamReport {
	return StreamReport{Stream: r.stream, Pages: r.pages, Reads: r.reads, Balance: r.balance,
		Watermark: r.progress.Watermark, Backfilled: r.progress.Backfilled, CaughtUp: r.caughtUp(), Overtaken: r.overtaken, Sealed: r.sealed, Reached: r.reached, RangeDone: r.rangeDone, Err: r.err}
}
