package collect

import (
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// readKind says what a read is for.
type readKind int

const (
	readTail     readKind = iota // the newest hours, from the watermark on
	readBackfill                 // the hours before the first run, the oldest first
	readPass                     // windows that have reached an age since they were read
	readRange                    // windows that a caller requested
	readAgain                    // hours in doubt, which wait for a read that agrees, or which came in a poorer form
)

// rereads reports whether the read covers windows that were read before.
func (k readKind) rereads() bool { return k != readTail && k != readBackfill }

// cursor is the end of what is completely read; a read moves it forward.
type cursor struct {
	kind    readKind
	overlap time.Duration
	floor   time.Time // no overlap reaches before it

	age   time.Duration   // of a pass: the age of its windows
	inUse []time.Duration // of a pass: the ages of all passes
	own   *time.Time      // the position of a range or of a reread; the ledger does not store it
}

// at is the cursor's position.
func (c *cursor) at(p *ledger.Progress) time.Time {
	switch c.kind {
	case readTail:
		return p.Watermark
	case readBackfill:
		return p.Backfilled
	case readPass:
		return p.Passed.At(c.age)
	}
	return *c.own
}

// move moves the cursor to a time.
func (c *cursor) move(p *ledger.Progress, t time.Time) {
	switch c.kind {
	case readTail:
		p.Watermark = t
	case readBackfill:
		p.Backfilled = t
	case readPass:
		p.Passed.Set(c.age, t, c.inUse)
	default:
		*c.own = t
	}
}

func (r *streamRun) tailCursor() cursor {
	return cursor{kind: readTail, overlap: r.collector.options.Overlap, floor: r.progress.TailBegin}
}

func (r *streamRun) backfillCursor() cursor {
	return cursor{kind: readBackfill, floor: r.progress.Backfilled}
}

func (r *streamRun) passCursor(age time.Duration, from time.Time) cursor {
	return cursor{kind: readPass, age: age, inUse: r.ages(), floor: from}
}

// next is what is to be read for a purpose that the ledger keeps: the tail, the backfill, or the
// pass of an age. Where nothing is, the span does not end after its begin.
func next(kind readKind, age time.Duration, p *ledger.Progress, now time.Time, o Options) ledger.Span {
	switch kind {
	case readTail:
		return ledger.Span{From: p.Watermark, To: now.Add(-lagOf(p.Stream, o)).Truncate(entra.Tick)}
	case readBackfill:
		return ledger.Span{From: p.Backfilled, To: p.TailBegin}
	}
	from, to := p.Passed.At(age), entra.FloorHour(now.Add(-age))
	if from.IsZero() { // before the backfill has ended, a pass is about the windows from the first tail on
		from = p.TailBegin
		if !p.Backfilling() {
			from = p.FirstHour()
		}
	}
	from = entra.Later(from, entra.Earlier(p.Readable(), to))
	return ledger.Span{From: from, To: entra.Earlier(to, entra.FloorHour(p.Watermark))}
}

// lagOf is how young records of a stream are that are left to the next run.
func lagOf(s entra.Stream, o Options) time.Duration { return orElse(o.Lag, logs.Of(s).Source.Lag) }

// agesOf are the passes of a stream, the latest first: the source deletes their windows first.
func agesOf(p *ledger.Progress, o Options) []time.Duration {
	out := slices.Clone(o.Passes)
	if p.Kept() == logs.Of(p.Stream).Source.KeepsLeast && len(out) > 0 && slices.Max(out) > beforeForgotten {
		out = append(out, beforeForgotten)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	slices.Reverse(out)
	return out
}

// ages are the stream's passes, the latest first.
func (r *streamRun) ages() []time.Duration { return agesOf(&r.progress, r.collector.options) }

// next is what is to be read of the stream for a purpose.
func (r *streamRun) next(kind readKind, age time.Duration) ledger.Span {
	return next(kind, age, &r.progress, r.now, r.collector.options)
}
