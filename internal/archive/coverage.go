package archive

import (
	"context"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Status says in one word how a stream stands.
type Status string

// The statuses of a stream.
const (
	StatusNotStarted  Status = "notStarted"  // never read
	StatusFailing     Status = "failing"     // the last run failed for it
	StatusBackfilling Status = "backfilling" // hours before the first run are still being read
	StatusCurrent     Status = "current"     // everything that Graph had is here, up to the watermark
)

// Ledger is the part of a Store that tells what the archive holds.
type Ledger interface {
	Progress(ctx context.Context, s entra.Stream) (Progress, error)
	Windows(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[Coverage, error]
}

// Status is how the stream stood after its last run.
func (p *Progress) Status() Status {
	switch {
	case p.LastErrorAt.After(p.LastSuccessAt):
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

// Hours is the span that the ledger speaks for: from the first hour of the archive to the hour that holds now.
func (p *Progress) Hours(now time.Time) (from, to time.Time) {
	if !p.Started() {
		return time.Time{}, time.Time{}
	}
	return entra.FloorHour(p.begin()), entra.FloorHour(p.TenantTime(now)).Add(time.Hour)
}

// CompleteUntil is up to when everything is archived that Graph showed, from the archive's first hour on without a gap.
func (p *Progress) CompleteUntil() time.Time {
	if p.Backfilling() {
		return p.Backfilled
	}
	return p.Watermark
}

// kept is how long the tenant keeps its logs, as far as the archive can tell: a first backfill that found records
// older than seven days says 30, anything else must be taken for 7.
func (p *Progress) kept() time.Duration {
	if !p.Begin.IsZero() && p.FrontierBegin.Sub(p.Begin) > shortestRetention+2*time.Hour {
		return 30 * 24 * time.Hour
	}
	return shortestRetention
}

// NextLoss is when Graph forgets the oldest hour that is not archived yet, if it stays so.
func (p *Progress) NextLoss() time.Time {
	if !p.Started() {
		return time.Time{}
	}
	return entra.FloorHour(p.CompleteUntil()).Add(p.kept())
}

// WhyNotRead says in one sentence why a window is not complete; empty where it is.
func (p *Progress) WhyNotRead(c Coverage) string {
	switch {
	case c.State.IsRead():
		return c.Reason
	case c.State == WindowLost:
		return "Graph had forgotten the hour when it was read; nothing can bring it back"
	case p.LastErrorAt.After(p.LastSuccessAt):
		return "the last run failed: " + p.LastError
	case !c.End().After(p.FrontierBegin):
		return "the backfill has come to " + p.Backfilled.Format(time.RFC3339) + " and goes on with every run"
	case c.End().After(p.Watermark):
		return "the hour is read up to " + p.Watermark.Format(time.RFC3339) + "; the next run goes on"
	}
	return "it was not read; the next pass reads it"
}

// WindowMissing is the state of a window that has no row in the ledger.
const WindowMissing WindowState = "missing"

// EveryHour lists all windows of [from, to), those without a row as missing.
func EveryHour(ctx context.Context, l Ledger, s entra.Stream, from, to time.Time) iter.Seq2[Coverage, error] {
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
