package graph

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// ReportingCeiling is how many requests in 10 seconds Graph allows one app in one tenant for all
// reporting resources together: auditLogs, usage reports, and users with signInActivity. Source:
// learn.microsoft.com/graph/throttling-limits, "Identity and access reports service limits".
const ReportingCeiling = 5

// Slots are what the processes of one app share: on Flex Consumption each timer is a process of its
// own, while Graph's ceiling is the app's.
type Slots interface {
	// NextSlot reserves a slot that begins at from or later and that is every after the one before,
	// whichever process reserved that one, and returns when it begins.
	NextSlot(ctx context.Context, from time.Time, every time.Duration) (time.Time, error)
}

// Limiter spaces reporting requests evenly, so that no 10 seconds see more than the share. One
// Limiter serves all streams of a process; with Slots it serves all processes of the app.
type Limiter struct {
	rate  *rate.Limiter
	every time.Duration
	slots Slots // nil: this process is alone

	mu     sync.Mutex
	paused time.Time // nothing is sent before
}

// NewLimiter allows perTenSeconds requests in any 10 seconds.
func NewLimiter(perTenSeconds int) *Limiter {
	// A burst of more than one would let the burst and the refill fall into the same 10 seconds.
	every := 10 * time.Second / time.Duration(perTenSeconds)
	return &Limiter{rate: rate.NewLimiter(rate.Every(every), 1), every: every}
}

// NewSharedLimiter allows perTenSeconds requests in any 10 seconds to all processes that share
// slots.
func NewSharedLimiter(perTenSeconds int, slots Slots) *Limiter {
	l := NewLimiter(perTenSeconds)
	l.slots = slots
	return l
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
	if l.slots == nil {
		return nil
	}
	at, err := l.slots.NextSlot(ctx, time.Now(), l.every)
	if err != nil {
		return err
	}
	return sleep(ctx, time.Until(at))
}

// Pause holds every request of this process back for d, because Graph said that the app is over its
// ceiling. Another process learns it from its own answer.
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
