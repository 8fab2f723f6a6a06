package devhost

import "time"

// Clock is the time source of schedules, retries and timeouts, so that a test can move a day ahead
// at once. Process starts are always real time.
type Clock interface {
	Now() time.Time
	// After delivers once, d from now. stop releases it early and may be
	// called more than once.
	After(d time.Duration) (fires <-chan time.Time, stop func())
}

// SystemClock is the machine's clock.
type SystemClock struct{}

// Now is the current time in UTC.
func (SystemClock) Now() time.Time { return time.Now().UTC() }

// After delivers on fires when d has passed.
func (SystemClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}
