// Package turns lets short work go first. Whoever works for long calls Yield between two pieces of
// its work: while short work is under way, all long work together has about half of the time, and
// what is short has the rest. Long work never waits for longer than it worked before, times the
// number of those that work for long, so it never starves.
package turns

import (
	"context"
	"sync"
	"time"
)

const (
	// piece is for how long one works before it rests: some records, so that short work, which
	// takes the processor several times on its way, never waits for long.
	piece = 2 * time.Millisecond
	// longestRest bounds one rest.
	longestRest = 200 * time.Millisecond
)

// Turns counts the work of a process. The zero value is ready.
type Turns struct {
	mu    sync.Mutex
	short int
	long  int
	idle  chan struct{} // closed when no short work is under way any more; nil: none is
}

// Short begins short work; end ends it, once.
func (t *Turns) Short() (end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.short++; t.idle == nil {
		t.idle = make(chan struct{})
	}
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.short--; t.short == 0 {
			close(t.idle)
			t.idle = nil
		}
	}
}

// Long begins long work: under the context, Yield gives way to short work. end ends it, once.
func (t *Turns) Long(ctx context.Context) (working context.Context, end func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.long++
	return context.WithValue(ctx, key{}, &worker{turns: t, since: time.Now()}), func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.long--
	}
}

type key struct{}

// worker is one that works for long, in one goroutine or several.
type worker struct {
	turns *Turns
	mu    sync.Mutex
	since time.Time // when it rested last
}

// Yield rests, if it is time for it and short work is under way. Outside of long work it does nothing.
func Yield(ctx context.Context) {
	w, ok := ctx.Value(key{}).(*worker)
	if !ok {
		return
	}
	w.mu.Lock() // others of the same work rest, too
	defer w.mu.Unlock()
	worked := time.Since(w.since)
	if worked < piece {
		return
	}
	if idle, rest := w.turns.rest(worked); rest > 0 {
		timer := time.NewTimer(rest)
		defer timer.Stop()
		select {
		case <-idle:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	w.since = time.Now()
}

// rest is for how long one rests that has worked for a while, and what ends it early; 0: it goes on.
func (t *Turns) rest(worked time.Duration) (idle <-chan struct{}, rest time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle == nil {
		return nil, 0
	}
	return t.idle, min(worked*time.Duration(max(1, t.long)), longestRest)
}
