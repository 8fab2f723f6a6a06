package graph

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ReportingCeiling is how many requests in 10 seconds Graph allows one app in one tenant for all reporting resources
// together: auditLogs, usage reports, and users with signInActivity.
// Source: learn.microsoft.com/graph/throttling-limits, "Identity and access reports service limits".
const ReportingCeiling = 5

// Limiter spaces reporting requests evenly, so that no 10 seconds see more than the share. One Limiter serves all
// streams of a process.
type Limiter struct {
	rate *rate.Limiter

	mu     sync.Mutex
	paused time.Time // nothing is sent before
}

// NewLimiter allows perTenSeconds requests in any 10 seconds.
func NewLimiter(perTenSeconds int) *Limiter {
	// A burst of more than one would let the burst and the refill fall into the same 10 seconds.
	return &Limiter{rate: rate.NewLimiter(rate.Every(10*time.Second/time.Duration(perTenSeconds)), 1)}
}

// Wait blocks until a request may be sent, or ctx ends.
func (l *Limiter) Wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		pause := time.Until(l.paused)
		l.mu.Unlock()
		if pause <= 0 {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
	reservation := l.rate.Reserve()
	if err := sleep(ctx, reservation.Delay()); err != nil {
		reservation.Cancel()
		return err
	}
	return nil
}

// Pause holds every request back for d, because Graph said that the app is over its ceiling.
func (l *Limiter) Pause(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := time.Now().Add(d); until.After(l.paused) {
		l.paused = until
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if err := ctx.Err(); err != nil || d <= 0 {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
