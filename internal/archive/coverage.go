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
