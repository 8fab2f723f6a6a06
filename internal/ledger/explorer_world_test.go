package ledger_test

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

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

// latest is how long after it was sent a request may still be executed.
const latest = 5 * time.Minute

// world is one exploration: an archive, the runs that work on it, and the requests that they wait
// for. All goroutines but the scheduler's wait in a request, or for time to pass, whenever the
// scheduler decides; so what happens depends on its decisions only.
type world struct {
	service *memstorage.Service
	tenant  *truth
	options collect.Options
	changes []change // of the tenant, still to come
	actors  []*actor
	choose  chooser
	verbose bool

	mu      sync.Mutex
	sent    []*call       // since the scheduler looked last
	arrived chan struct{} // something was sent, or a run ended

	// What follows is the scheduler's.
	calm      bool    // requests are executed at once
	pending   []*call // sent and not executed
	executing sync.Mutex

	late    []*call // executed later, whoever sent them
	current *actor  // whose turn it is
	faults  int     // how many may still be injected
	steps   int
	ever    map[string]map[string]bool // hashes that were ever stored, by record
	broken  []violation
	trace   []string
}

// change is something that the tenant shows from some moment on.
type change struct {
	name string
	do   func(*truth)
}

// actor is one run in a process of its own.
type actor struct {
	world   *world
	index   int
	name    string
	run     run
	started bool
	dead    atomic.Bool // killed: nothing that it sends gets out
	done    atomic.Bool
	cancel  context.CancelFunc
	result  result

	dieBefore func(*memstorage.Request) bool // a request before which a calm run is killed; nil: none
}

// call is a request that waits for the scheduler.
type call struct {
	actor     *actor
	request   *memstorage.Request
	key       string // of the request; empty where there was no other to tell it from
	sent      time.Time
	abandoned atomic.Bool // the run waits for it no longer
	answer    chan outcome
}

// outcome is what becomes of a request for who sent it.
type outcome struct {
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
	received, err := w.service.Receive(req)
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
	c := &call{actor: a, request: received, sent: time.Now(), answer: make(chan outcome, 1)}
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

// stableKey tells requests of one run apart by what they ask for.
func (c *call) stableKey() string {
	if c.key == "" {
		c.key = c.request.Key()
	}
	return c.key
}

func (w *world) signal() {
	select {
	case w.arrived <- struct{}{}:
	default:
	}
}

// execute carries out a request and remembers what the tables of records held after it.
func (w *world) execute(r *memstorage.Request) memstorage.Answer {
	w.executing.Lock() // a calm run sends several requests at once
	defer w.executing.Unlock()
	answer := r.Execute()
	if r.IsWrite() {
		w.remember(r.Tables())
	}
	return answer
}

// start begins an actor's run.
func (w *world) start(a *actor) {
	ctx, cancel := context.WithCancel(withSteadyRetries(context.Background()))
	a.started, a.cancel = true, cancel
	go func() {
		p := newProcess(w.service.ConnectionString(), a)
		a.result = a.run(ctx, p, a.name, w.tenant, w.options)
		a.done.Store(true)
		w.signal()
	}()
}

// explore runs all actors to their ends, with whatever the chooser makes of their requests.
func (w *world) explore() {
	const longest = 2000
	w.start(w.actors[0])
	w.current = w.actors[0]
	idle := time.Duration(0)
	for w.steps = 0; ; w.steps++ {
		synctest.Wait()
		w.sweep()
		if w.steps == longest {
			w.violate("hang", "the runs do not end within %d steps", longest)
			w.killAll()
			return
		}
		if w.allDone() {
			return
		}
		if len(w.pending) == 0 && w.canWait() {
			if idle += w.pass(time.Minute); idle > 6*time.Hour {
				w.violate("hang", "no run has sent a request for six hours")
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

// sweep puts aside what nobody waits for any more, and orders what is pending by who sent what,
// never by arrival.
func (w *world) sweep() {
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

func (w *world) allDone() bool {
	return !slices.ContainsFunc(w.actors, func(a *actor) bool { return !a.done.Load() })
}

// canWait tells whether a run is under way that waits for time to pass.
func (w *world) canWait() bool {
	return slices.ContainsFunc(w.actors, func(a *actor) bool { return a.started && !a.done.Load() })
}

// pass lets time pass until something is sent, at most d, and executes what is late before it is
// too late.
func (w *world) pass(d time.Duration) time.Duration {
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

// sleep lets time pass whatever is sent meanwhile.
func (w *world) sleep(d time.Duration) {
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
func (w *world) putAside(c *call) {
	if c.request.IsWrite() {
		w.late = append(w.late, c)
	}
}

func (w *world) executeLate(i int) {
	c := w.late[i]
	w.late = slices.Delete(w.late, i, i+1)
	w.execute(c.request)
}

// kill ends an actor's process. What it has sent is dropped, or executed later.
func (w *world) kill(a *actor, drop bool) {
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
		c.answer <- outcome{err: errKilled{}}
	}
	w.pending = keep
	a.cancel()
}

func (w *world) killAll() {
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

// violation is something that must not be.
type violation struct{ kind, detail string }

func (w *world) violate(kind, format string, args ...any) {
	w.broken = append(w.broken, violation{kind, fmt.Sprintf(format, args...)})
}
