package devhost

import (
	"context"
	"sync"
	"time"
)

// timer is the running side of a timer function.
type timer struct {
	function *function
	turn     chan struct{} // holds one token: two scheduled runs never overlap

	mu        sync.Mutex
	status    *Status // nil until the host stored one
	monitored bool
}

func newTimer(f *function, now time.Time) *timer {
	return &timer{
		function:  f,
		turn:      make(chan struct{}, 1),
		monitored: f.timer.useMonitor && f.timer.schedule.monitored(now),
	}
}

// byHand is the reason of a run that somebody asked for.
const byHand = "manual"

// occasion is why a timer function runs: schedule, pastDue, startup or byHand.
type occasion struct {
	reason string
	input  *string // of a run by hand
}

func (t *timer) remembered() *Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

func (t *timer) remember(s Status) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status = &s
}

// loop fires the function on its schedule until ctx ends. It waits for a run to
// finish, so an overrun delays the next occurrence, which then fires once.
func (h *Host) loop(ctx context.Context, t *timer) {
	plan, err := h.begin(t)
	if err != nil {
		h.log.host(levelError, "%s is not scheduled: %v", t.function.name, err)
		return
	}
	next := plan.status.Next
	switch {
	case plan.pastDue:
		h.log.host(levelInformation, "%s is past due since %s", t.function.name, next.Format(time.RFC3339))
		next = h.fire(ctx, t, "pastDue", next)
	case t.function.timer.runOnStartup:
		next = h.fire(ctx, t, "startup", time.Time{})
	}
	for ctx.Err() == nil {
		fires, stop := h.opts.Clock.After(next.Sub(h.opts.Clock.Now()))
		select {
		case <-h.drained:
			stop()
			return
		case <-fires:
			next = h.fire(ctx, t, "schedule", next)
		case <-ctx.Done():
			stop()
		}
	}
}

// begin applies the past-due rules and stores the status of a first start.
func (h *Host) begin(t *timer) (startPlan, error) {
	now, s := h.opts.Clock.Now(), t.function.timer.schedule
	if !t.monitored {
		return startPlan{status: Status{Next: s.next(now)}}, nil
	}
	remembered, err := h.store.read(t.function.name)
	if err != nil {
		return startPlan{}, err
	}
	plan := planStart(now, s, remembered)
	if plan.changed {
		if err := h.store.write(t.function.name, plan.status); err != nil {
			return startPlan{}, err
		}
	}
	t.remember(plan.status)
	if remembered == nil {
		// The host does not read what it has just stored: until the first run it knows no time.
		t.remember(Status{Next: plan.status.Next})
	}
	return plan, nil
}

// fire runs the function for an occurrence and returns the next one. A run that
// the shutdown cut off leaves the status as it was: it is past due at the next start.
func (h *Host) fire(ctx context.Context, t *timer, reason string, occurrence time.Time) time.Time {
	h.busy.Add(1)
	inv, ran := h.runTimer(ctx, t, occasion{reason: reason})
	h.busy.Add(-1)
	if ctx.Err() != nil && !inv.Succeeded {
		return occurrence
	}
	status := following(t.function.timer.schedule, ran, occurrence)
	if t.monitored {
		if err := h.store.write(t.function.name, status); err != nil {
			h.log.host(levelError, "%s: %v", t.function.name, err)
		}
		t.remember(status)
	}
	return status.Next
}

// runTimer runs the function with its retries, and returns when it began. A scheduled run waits for
// its turn; one by hand does not. A failed run is not repeated unless a policy says so.
func (h *Host) runTimer(ctx context.Context, t *timer, why occasion) (inv Invocation, ran time.Time) {
	inv = Invocation{Function: t.function.name, Reason: why.reason}
	if why.reason != byHand {
		select {
		case t.turn <- struct{}{}:
			defer func() { <-t.turn }()
		case <-ctx.Done():
			inv.Cause = context.Cause(ctx).Error()
			return inv, h.opts.Clock.Now()
		}
	}
	ran = h.opts.Clock.Now()
	h.outcomes.begin(t.function.name)
	defer func() { h.outcomes.end(inv) }()
	policy := t.function.retry
	for failures := 0; ; {
		body, err := h.timerBody(t, why, failures, inv)
		if err != nil {
			inv.Cause = err.Error()
			return inv, ran
		}
		h.call(ctx, &inv, body)
		failures++
		if inv.Succeeded || ctx.Err() != nil || !policy.again(failures) {
			return inv, ran
		}
		if !h.pause(ctx, t.function.name, policy.delay(failures)) {
			return inv, ran
		}
	}
}

// timerBody is the request of a try. before is how the try before it ended.
func (h *Host) timerBody(t *timer, why occasion, failures int, before Invocation) ([]byte, error) {
	c := timerCall{
		function: t.function.name, binding: t.function.timer.binding, cron: t.function.timer.schedule.cron != nil,
		pastDue: why.reason == "pastDue", input: why.input, now: h.opts.Clock.Now(), guid: newGUID(),
	}
	if t.monitored {
		c.status = t.remembered()
		if why.reason == byHand { // the host reads the stored status for it
			stored, err := h.store.read(t.function.name)
			if err != nil {
				return nil, err
			}
			c.status = stored
		}
	}
	if p := t.function.retry; p != nil {
		c.retry = &retryContext{RetryCount: failures, MaxRetryCount: p.max}
		if failures > 0 {
			c.retry.Exception = failedTry(t.function.name, before.ID, before.Cause)
		}
	}
	return c.body()
}

func (h *Host) pause(ctx context.Context, name string, d time.Duration) bool {
	h.log.host(levelWarning, "%s will be retried in %v", name, d)
	fires, stop := h.opts.Clock.After(d)
	defer stop()
	select {
	case <-fires:
		return true
	case <-ctx.Done():
		return false
	}
}
