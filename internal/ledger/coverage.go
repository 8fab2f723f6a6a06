package ledger

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Status is the state of a stream in one word.
type Status string

// The statuses of a stream.
const (
	StatusNotStarted  Status = "notStarted"  // never read
	StatusFailing     Status = "failing"     // the last run failed for it
	StatusBackfilling Status = "backfilling" // hours before the first run are still being read
	StatusCurrent     Status = "current"     // everything that Graph had is here, up to the watermark
	StatusDelivered   Status = "delivered"   // it can't be read: what was delivered of it is here
)

// Reader is the part of a Store that reads what the archive has.
type Reader interface {
	Progress(ctx context.Context, s entra.Stream) (Progress, error)
	Windows(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[Coverage, error]
}

// Status is the stream's state after its last run. A stream without progress for longer than
// stalled is failing, whatever its runs reported; 0 disables this check.
func (p *Progress) Status(now time.Time, stalled time.Duration) Status {
	switch {
	case logs.Of(p.Stream).Delivered && p.ImportedHours > 0:
		return StatusDelivered
	case p.LastErrorAt.After(p.LastSuccessAt) || p.Stalled(p.TenantTime(now), stalled, nil) != nil:
		return StatusFailing
	case !p.Started():
		return StatusNotStarted
	case p.Backfilling():
		return StatusBackfilling
	}
	return StatusCurrent
}

// TenantTime is now by the tenant's clock, as far as the last run knew it.
func (p *Progress) TenantTime(now time.Time) time.Time {
	if p.ClockOffset.Abs() < 5*time.Minute {
		return now
	}
	return now.Add(p.ClockOffset)
}

// Hours is the span of which the archive holds what Graph showed: from its first hour that was not
// purged to the hour that holds now.
func (p *Progress) Hours(now time.Time) (from, to time.Time) {
	if !p.Started() {
		return time.Time{}, time.Time{}
	}
	return entra.FloorHour(p.Held()), entra.FloorHour(p.TenantTime(now)).Add(time.Hour)
}

// Known is the span that the ledger covers: Hours, and before it what was purged.
func (p *Progress) Known(now time.Time) (from, to time.Time) {
	if !p.Started() {
		return time.Time{}, time.Time{}
	}
	_, to = p.Hours(now)
	return entra.FloorHour(p.FirstHour()), to
}

// Span is all of which the archive holds records: Hours, and what was imported or delivered before it.
// Of the hours before Hours nothing is claimed but that their arrivals are here.
func (p *Progress) Span(now time.Time) (from, to time.Time) {
	from, to = p.Hours(now)
	if p.ImportedHours == 0 {
		return from, to
	}
	first := entra.Later(p.ImportedFrom, p.PurgedTo)
	if from.IsZero() || first.Before(from) {
		from = first
	}
	return from, entra.Later(to, p.ImportedTo)
}

// Earliest is the first hour of which the ledger says anything; zero: there is none.
func (p *Progress) Earliest() time.Time {
	switch first := p.FirstHour(); {
	case p.ImportedHours == 0:
		return first
	case first.IsZero():
		return p.ImportedFrom
	default:
		return entra.Earlier(first, p.ImportedFrom)
	}
}

// CompleteUntil is up to when everything is archived that Graph showed, from the first hour that is
// held on: to the first hour that can still become complete. What is lost for good does not stop
// it; Gaps lists that.
func (p *Progress) CompleteUntil() time.Time {
	until := p.Watermark
	if p.Backfilling() {
		until = p.Backfilled
	}
	if p.Doubts > 0 {
		until = entra.Earlier(until, p.DoubtFrom)
	}
	if p.Awaits > 0 {
		until = entra.Earlier(until, p.AwaitsFrom)
	}
	return until
}

// Gap is a part of a stream's time of which the archive does not have the records.
type Gap struct {
	From, To time.Time
	State    WindowState // WindowLost or WindowPurged
	Reason   string      // one sentence
}

// lostReason is why an hour of a stream is lost.
func lostReason(s entra.Stream) string {
	return logs.Of(s).Source.Name + " had forgotten it when it was read; nothing can bring it back"
}

// purgeReason says when and by which rule an hour was purged.
func purgeReason(c Coverage) string {
	rule, _, _ := strings.Cut(strings.TrimPrefix(c.Reason, PurgedMark), PurgedCountMark)
	if c.PurgedAt.IsZero() {
		return "purged by " + rule
	}
	return fmt.Sprintf("purged on %s by %s", c.PurgedAt.UTC().Format(time.DateOnly), rule)
}

// GapsOf lists what is lost or was purged of [from, to), oldest first; neighbours with one reason
// are one gap.
func GapsOf(ctx context.Context, l Reader, s entra.Stream, from, to time.Time) ([]Gap, error) {
	var out []Gap
	for cov, err := range l.Windows(ctx, s, entra.FloorHour(from), to) {
		if err != nil {
			return nil, err
		}
		g := Gap{From: cov.Start, To: cov.End(), State: cov.State}
		switch {
		case cov.State == WindowPurged:
			g.Reason = purgeReason(cov)
		case cov.State == WindowLost && cov.Reason != "":
			g.Reason = cov.Reason
		case cov.State == WindowLost:
			g.Reason = lostReason(s)
		case cov.InPart():
			g.From, g.To, g.State, g.Reason = cov.LostFrom, cov.LostTo, WindowLost, lostReason(s)
		default:
			continue
		}
		if n := len(out) - 1; n >= 0 && out[n].To.Equal(g.From) && out[n].State == g.State &&
			out[n].Reason == g.Reason {
			out[n].To = g.To
			continue
		}
		out = append(out, g)
	}
	return out, nil
}

// Kept is the tenant's retention of its logs, as far as the archive knows: 30 days if a first
// backfill found records older than seven days, otherwise 7.
func (p *Progress) Kept() time.Duration {
	source := logs.Of(p.Stream).Source
	if !p.Begin.IsZero() && p.TailBegin.Sub(p.Begin) > source.KeepsLeast+2*time.Hour {
		return source.KeepsMost
	}
	return source.KeepsLeast
}

// NextLoss is when Graph deletes the oldest hour that is not archived, if nothing changes.
func (p *Progress) NextLoss() time.Time {
	if !p.Started() {
		return time.Time{}
	}
	return entra.FloorHour(p.CompleteUntil()).Add(p.Kept())
}

// WhyNotRead says in one sentence why a window is not complete; empty where it is.
func (p *Progress) WhyNotRead(c Coverage) string {
	switch {
	case c.OnlyArrived() && c.State == WindowLost:
		return fmt.Sprintf("%s; %d records of it were imported", lostReason(c.Stream), c.Imported-c.Eclipsed)
	case c.OnlyArrived() && logs.Of(c.Stream).Delivered:
		return "what was delivered of it is here; whether that is all, nobody can say"
	case c.OnlyArrived():
		return "it was not read from " + logs.Of(c.Stream).Source.Name +
			"; what is here was imported, and whether that is all, nobody can say"
	case c.Doubt:
		return "rows and ledger differ; " + logs.Of(c.Stream).Source.Name +
			" is asked for the hour again by the next run"
	case c.State == WindowPurged:
		return purgeReason(c)
	case c.State == WindowLost && c.Reason == "":
		return lostReason(c.Stream)
	case c.State == WindowLost:
		return c.Reason
	case c.InPart() || c.Unconfirmed+c.Unmet > 0 || c.readsUnconfirmed():
		return c.Known()
	case c.State.IsRead() && c.Reason == "" && !c.HasSum:
		return "it was counted by a version that kept no sum over its contents"
	case c.State.IsRead():
		return c.Reason
	case p.LastErrorAt.After(p.LastSuccessAt):
		return "the last run failed: " + p.LastError
	case c.Awaits():
		return "it was read once; the next run reads it again, because nothing is believed on one word"
	case !c.End().After(p.TailBegin):
		return "the backfill has come to " + p.Backfilled.Format(time.RFC3339) + " and goes on with every run"
	case c.End().After(p.Watermark):
		return "the hour is read up to " + p.Watermark.Format(time.RFC3339) + "; the next run goes on"
	}
	return "it was not read; the next pass reads it"
}

// WindowMissing is the state of a window that has no row in the ledger.
const WindowMissing WindowState = "missing"

// EveryHour lists all windows of [from, to), those without a row as missing.
func EveryHour(ctx context.Context, l Reader, s entra.Stream, from, to time.Time) iter.Seq2[Coverage, error] {
	return func(yield func(Coverage, error) bool) {
		next := entra.FloorHour(from)
		missing := func(until time.Time) bool {
			for ; next.Before(until); next = next.Add(time.Hour) {
				if !yield(Coverage{Window: entra.Window{Stream: s, Start: next}, State: WindowMissing}, nil) {
					return false
				}
			}
			return true
		}
		for cov, err := range l.Windows(ctx, s, next, to) {
			if err != nil {
				yield(Coverage{}, err)
				return
			}
			if !missing(cov.Start) || !yield(cov, nil) {
				return
			}
			next = cov.Start.Add(time.Hour)
		}
		missing(to)
	}
}
