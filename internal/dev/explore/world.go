// Package explore goes many ways through runs that meet in one storage account in memory: whose
// every request is a step, executed at once, late, twice or never, with a kill at any of them. What
// happens depends on the decisions of a scheduler alone, so each way can be gone again.
package explore

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

// latest is how long after it was sent a request may still be executed.
const latest = 5 * time.Minute

// World is one exploration: an account, the runs that work on it, and the requests that they wait
// for. All goroutines but the scheduler's wait in a request, or for time to pass, whenever the
// scheduler decides; so what happens depends on its decisions only. It lives in a bubble of
// testing/synctest.
type World struct {
	Service  *memstorage.Service
	Executed func(tables []string) // told of each write that was carried out; nil: nobody is
	Changes  []Change              // still to come

	actors  []*actor
	choose  Chooser
	verbose bool

	mu      sync.Mutex
	sent    []*call       // since the scheduler looked last
	arrived chan struct{} // something was sent, or a run ended

	// What follows is the scheduler's.
	calm      bool    // requests are executed at once
	pending   []*call // sent and not executed
	executing sync.Mutex

	late    []*call // executed later, from any sender
	current *actor  // whose turn it is
	faults  int     // how many may still be injected
	steps   int
	broken  []Violation
	trace   []string
}

// New makes a World whose requests are executed at once, until it is explored.
func New() *World {
	return &World{Service: memstorage.New(time.Now), calm: true, arrived: make(chan struct{}, 1)}
}

// Change is something outside the account that is otherwise from some moment on.
type Change struct {
	Name string
	Do   func()
}

// Run is something that a process of its own does with the account, by its client.
type Run func(ctx context.Context, client *http.Client)

// actor is one run in a process of its own.
type actor struct {
	world   *World
	index   int
	name    string
	run     Run
	started bool
	dead    atomic.Bool // killed: nothing that it sends gets out
	done    atomic.Bool
	cancel  context.CancelFunc

	dieBefore func(*memstorage.Request) bool // a request before which a calm run is killed; nil: none
}

// Add adds a run to those that meet.
func (w *World) Add(name string, run Run) {
	w.actors = append(w.actors, &actor{world: w, index: len(w.actors), name: name, run: run})
}

// Calm is the client of a process beside which there is no other, and the context of its work.
func (w *World) Calm() (context.Context, *http.Client) {
	return withSteadyRetries(context.Background()), &http.Client{Transport: &actor{world: w}}
}

// KilledRun is a run beside which there is no other, killed before a request.
func (w *World) KilledRun(run Run, before func(*memstorage.Request) bool) {
	ctx, cancel := context.WithCancel(withSteadyRetries(context.Background()))
	run(ctx, &http.Client{Transport: &actor{world: w, cancel: cancel, dieBefore: before}})
}

// withSteadyRetries makes the SDK wait for the same time before each repetition of a request: its
// own delays are random, but for their upper bound. A request that is not answered within a minute
// is given up and repeated. The times are odd, so that two timers of one run seldom end at the same
// moment: nobody decides which of them comes first.
func withSteadyRetries(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{
		MaxRetries: 3, RetryDelay: time.Hour, MaxRetryDelay: 2300 * time.Millisecond, TryTimeout: 61 * time.Second})
}

// call is a request that waits for the scheduler.
type call struct {
	actor     *actor
	request   *memstorage.Request
	key       string // of the request; empty if it was the only one
	sent      time.Time
	abandoned atomic.Bool // the run waits for it no longer
	answer    chan reply
}

// reply is what becomes of a request for who sent it.
type reply struct {
	answer memstorage.Answer
	err    error
}

// errKilled is what a killed process hears: the SDK does not repeat the request.
type errKilled struct{}

func (errKilled) Error() string { return "the process was killed" }

// NonRetriable is what the SDK asks for.
func (errKilled) NonRetriable() {}

func errConnection() error { return &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET} }

// RoundTrip hands a request to the scheduler and waits for what becomes of it.
func (a *actor) RoundTrip(req *http.Request) (*http.Response, error) {
	w := a.world
	received, err := w.Service.Receive(req)
	if err != nil {
		return nil, err
	}
	if a.dieBefore != nil && a.dieBefore(received) {
		a.dead.Store(true)
		a.cancel()
	}
	if a.dead.Load() {
		return nil, errKilled{}
	}
	if w.calm {
		return w.execute(received).Response(req), nil
	}
	c := &call{actor: a, request: received, sent: time.Now(), answer: make(chan reply, 1)}
	w.mu.Lock()
	w.sent = append(w.sent, c)
	w.mu.Unlock()
	w.signal()
	select {
	case o := <-c.answer:
		if o.err != nil {
			return nil, o.err
		}
		return o.answer.Response(req), nil
	case <-req.Context().Done():
		c.abandoned.Store(true)
		return nil, req.Context().Err()
	}
}

// stableKey distinguishes requests of one run by what they request.
func (c *call) stableKey() string {
	if c.key == "" {
		c.key = c.request.Key()
	}
	return c.key
}

func (w *World) signal() {
	select {
	case w.arrived <- struct{}{}:
	default:
	}
}

// execute carries out a request.
func (w *World) execute(r *memstorage.Request) memstorage.Answer {
	w.executing.Lock() // a calm run sends several requests at once
	defer w.executing.Unlock()
	answer := r.Execute()
	if r.IsWrite() && w.Executed != nil {
		w.Executed(r.Tables())
	}
	return answer
}

// start begins an actor's run.
func (w *World) start(a *actor) {
	ctx, cancel := context.WithCancel(withSteadyRetries(context.Background()))
	a.started, a.cancel = true, cancel
	go func() {
		a.run(ctx, &http.Client{Transport: a})
		a.done.Store(true)
		w.signal()
	}()
}

// Explore lets all runs come to their ends, with whatever a chooser makes of their requests and at
// most so many faults, and then everything come to rest: what is late by then is never executed,
// and what did not change will not.
func (w *World) Explore(c Chooser, faults int, verbose bool) {
	w.choose, w.faults, w.verbose, w.calm = c, faults, verbose, false
	w.explore()
	w.Sleep(16 * time.Minute)
	w.late, w.calm, w.Changes = nil, true, nil
}

// Outcome is how the exploration ended.
func (w *World) Outcome() Outcome { return Outcome{w.broken, w.trace, w.steps} }

// explore runs all actors to their ends, with whatever the chooser makes of their requests.
func (w *World) explore() {
	const longest = 2000
	w.start(w.actors[0])
	w.current = w.actors[0]
	idle := time.Duration(0)
	for w.steps = 0; ; w.steps++ {
		synctest.Wait()
		w.sweep()
		if w.steps == longest {
			w.Violate("hang", "the runs do not end within %d steps", longest)
			w.killAll()
			return
		}
		if w.allDone() {
			return
		}
		if len(w.pending) == 0 && w.canWait() {
			if idle += w.pass(time.Minute); idle > 6*time.Hour {
				w.Violate("hang", "no run has sent a request for six hours")
				w.killAll()
				return
			}
			continue
		}
		idle = 0
		moves := w.moves()
		m := moves[w.choose.pick(moves)]
		if w.verbose {
			w.trace = append(w.trace, fmt.Sprintf("%3d %s %s", w.steps, time.Now().UTC().Format("15:04:05"), m))
		}
		w.do(m)
	}
}

// sweep drops requests without a waiting sender, and orders the pending ones by sender and request,
// never by arrival.
func (w *World) sweep() {
	w.mu.Lock()
	all := append(w.pending, w.sent...)
	w.sent = nil
	w.mu.Unlock()
	keep := all[:0]
	for _, c := range all {
		if c.abandoned.Load() {
			w.putAside(c)
		} else {
			keep = append(keep, c)
		}
	}
	w.pending = keep
	byKey := func(a, b *call) int {
		if c := cmp.Compare(a.actor.index, b.actor.index); c != 0 {
			return c
		}
		return cmp.Compare(a.stableKey(), b.stableKey())
	}
	slices.SortStableFunc(w.pending, byKey)
	slices.SortStableFunc(w.late, func(a, b *call) int { return cmp.Or(a.sent.Compare(b.sent), byKey(a, b)) })
}

func (w *World) allDone() bool {
	return !slices.ContainsFunc(w.actors, func(a *actor) bool { return !a.done.Load() })
}

// canWait tells whether a run is under way that waits for time to pass.
func (w *World) canWait() bool {
	return slices.ContainsFunc(w.actors, func(a *actor) bool { return a.started && !a.done.Load() })
}

// pass lets time pass until something is sent, at most d, and executes what is late before it is
// too late.
func (w *World) pass(d time.Duration) time.Duration {
	began := time.Now()
	if len(w.late) > 0 {
		if until := time.Until(w.late[0].sent.Add(latest)); until <= 0 {
			w.executeLate(0)
			return 0
		} else if until < d {
			d = until
		}
	}
	select {
	case <-w.arrived:
	default:
	}
	select {
	case <-w.arrived:
	case <-time.After(d):
	}
	return time.Since(began)
}

// Sleep lets time pass whatever is sent meanwhile.
func (w *World) Sleep(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		next := end
		if len(w.late) > 0 && w.late[0].sent.Add(latest).Before(end) {
			next = w.late[0].sent.Add(latest)
		}
		time.Sleep(time.Until(next))
		if next.Before(end) || len(w.late) > 0 && !w.late[0].sent.Add(latest).After(time.Now()) {
			w.executeLate(0)
		}
	}
}

// putAside keeps a request that is executed later. A late read changes nothing.
func (w *World) putAside(c *call) {
	if c.request.IsWrite() {
		w.late = append(w.late, c)
	}
}

func (w *World) executeLate(i int) {
	c := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	w.execute(c.request)
}

// kill ends an actor's process. What it has sent is dropped, or executed later.
func (w *World) kill(a *actor, drop bool) {
	a.dead.Store(true)
	keep := w.pending[:0]
	for _, c := range w.pending {
		switch {
		case c.actor != a:
			keep = append(keep, c)
			continue
		case !drop:
			w.putAside(c)
		}
		c.answer <- reply{err: errKilled{}}
	}
	w.pending = keep
	a.cancel()
}

func (w *World) killAll() {
	for range 100 {
		for _, a := range w.actors {
			if a.started && !a.done.Load() {
				w.kill(a, true)
			}
		}
		synctest.Wait()
		if w.allDone() {
			return
		}
		w.pass(time.Minute)
	}
}

// SleepUntil lets time pass before anything runs.
func (w *World) SleepUntil(t time.Time) { time.Sleep(time.Until(t)) }

// Violation is something that must not be.
type Violation struct{ Kind, Detail string }

// Violate says that something is broken.
func (w *World) Violate(kind, format string, args ...any) {
	w.broken = append(w.broken, Violation{kind, fmt.Sprintf(format, args...)})
}
