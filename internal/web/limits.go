package web

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Class is how much of an instance an answer takes, and for how long.
type Class int

// The classes. Short answers go first: the others rest while any is under way (package turns).
const (
	// Short is what is stored as it is answered, or is found by its key or the index.
	Short Class = iota
	// Long reads much, asks Graph, or does a slice of a job.
	Long
	// Large is a file that is written until all of it was sent.
	Large
)

// Limit is what an instance has for a class.
type Limit struct {
	AtOnce   int           // answers
	Share    int           // of these, the most of one function: the others survive one that hangs
	Waiting  int           // that wait for their turn, of one function seven eighths; the next one is refused
	Wait     time.Duration // the longest one waits
	Deadline time.Duration // of an answer, once it is its turn
	After    time.Duration // Retry-After of one that is refused
	// A caller has to take or send Pace bytes a second: one that is behind that by more than Patience is
	// cut off where another one waits for its place. 0: no caller is. Sockets let a writer go on only
	// when much of what they hold was taken, so quick callers are some seconds behind, too.
	Patience time.Duration
	Pace     int64
}

// Limits are those of an instance.
type Limits struct {
	Classes [Large + 1]Limit
	Timers  Limit
	// Answer is when an answer that is no file has to be there, since the request came: what it waited
	// for its turns is taken off its deadline. 0: there is no such time.
	Answer time.Duration
	// Grace is how long what has reached its deadline has to end by itself. Then it hangs: it is
	// answered with 503, and keeps its place until it ends.
	Grace time.Duration
	// Stall is the longest time in which a caller takes nothing, or sends nothing of a body to its
	// end.
	Stall time.Duration
}

// DefaultLimits fit the smallest instance: 512 MB, of which Go has 180 MiB, and a quarter of a core.
// One file takes up to about 25 MB while it is written, and a search or a verification as much. An
// answer to HTTP begins before the 230 seconds after which Azure's load balancer gives up; a file
// goes on for longer, because its bytes flow. Source:
// learn.microsoft.com/azure/azure-functions/functions-scale#timeout.
func DefaultLimits() Limits {
	return Limits{
		Classes: [...]Limit{
			Short: {AtOnce: 12, Share: 9, Waiting: 300, Wait: 20 * time.Second, Deadline: 100 * time.Second,
				After: 2 * time.Second, Patience: 10 * time.Second, Pace: 64 << 10},
			Long: {AtOnce: 4, Share: 3, Waiting: 30, Wait: 45 * time.Second, Deadline: 180 * time.Second,
				After: 10 * time.Second, Patience: 10 * time.Second, Pace: 64 << 10},
			Large: {AtOnce: 2, Share: 2, Waiting: 4, Wait: 10 * time.Second, Deadline: 15 * time.Minute,
				After: 30 * time.Second, Patience: 30 * time.Second, Pace: 16 << 10},
		},
		Timers: Limit{AtOnce: 8, Share: 2, After: time.Minute},
		Answer: 220 * time.Second,
		Grace:  5 * time.Second,
		Stall:  30 * time.Second,
	}
}

// places are those of one class.
type places struct {
	Limit
	mu      sync.Mutex
	taken   int
	of      map[string]int      // by function
	held    map[*guarded]string // the function of each that has one
	cut     map[*guarded]bool   // of these, those that were cut off, and so end
	waiting []*turn             // the first is next, but for those whose function has its share
}

// turn is one that waits.
type turn struct {
	function string
	by       *guarded
	ready    chan struct{} // closed when it has its place
}

func newPlaces(l Limit) *places {
	return &places{Limit: l, of: make(map[string]int), held: make(map[*guarded]string),
		cut: make(map[*guarded]bool)}
}

// take waits for a place, which release gives back, once. by is the response, if it has one. Errors:
// entra.CodeBusy; ctx's.
func (p *places) take(ctx context.Context, function string, by *guarded) (release func(), err error) {
	has := func() { p.release(function, by) }
	p.mu.Lock()
	if p.free(function) {
		p.hold(function, by)
		p.mu.Unlock()
		return has, nil
	}
	if p.full(function) {
		p.mu.Unlock()
		return nil, p.busy()
	}
	t := &turn{function, by, make(chan struct{})}
	p.waiting = append(p.waiting, t)
	p.mu.Unlock()
	if err = p.wait(ctx, t); err == nil {
		return has, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiting, t); i >= 0 {
		p.waiting = slices.Delete(p.waiting, i, i+1)
		return nil, err
	}
	return has, nil // it was given its place meanwhile
}

// wait waits for a turn's place, and cuts off callers that hold one by their slowness.
func (p *places) wait(ctx context.Context, t *turn) error {
	timer := time.NewTimer(p.Wait)
	defer timer.Stop()
	look := time.NewTicker(cmp.Or(p.Patience/8, time.Hour))
	defer look.Stop()
	for {
		select {
		case <-t.ready:
			return nil
		case <-timer.C:
			return p.busy()
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			p.cutSlow(t.function)
		}
	}
}

// cutSlow cuts off one slow caller whose place the function may have, unless as many are as wait.
func (p *places) cutSlow(function string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.cut) >= len(p.waiting) {
		return
	}
	for by, of := range p.held {
		if of != function && p.of[function] >= p.Share || p.Patience == 0 {
			continue
		}
		if by.cutIfSlow(p.Patience) {
			p.cut[by] = true
			return
		}
	}
}

// full reports whether no more may wait: of one function fewer than in all, so that those of another
// one can wait behind one that hangs.
func (p *places) full(function string) bool {
	of := 0
	for _, t := range p.waiting {
		if t.function == function {
			of++
		}
	}
	return len(p.waiting) >= p.Waiting || of >= p.Waiting-p.Waiting/8
}

func (p *places) free(function string) bool { return p.taken < p.AtOnce && p.of[function] < p.Share }

func (p *places) hold(function string, by *guarded) {
	p.taken++
	p.of[function]++
	if by != nil {
		p.held[by] = function
		by.pace.keep(p.Pace)
	}
}

// release gives a place to the first that waits and may have it.
func (p *places) release(function string, by *guarded) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	delete(p.held, by)
	delete(p.cut, by)
	if p.of[function]--; p.of[function] == 0 {
		delete(p.of, function)
	}
	next := slices.IndexFunc(p.waiting, func(t *turn) bool { return p.free(t.function) })
	if next < 0 {
		return
	}
	t := p.waiting[next]
	p.waiting = slices.Delete(p.waiting, next, next+1)
	p.hold(t.function, t.by)
	close(t.ready)
}

func (p *places) busy() error {
	return &entra.Error{Code: entra.CodeBusy, Doing: "answer the request",
		Why: fmt.Sprintf("%d of its kind are answered at once at most, %d of them of one function", p.AtOnce,
			p.Share),
		Remedy: "ask again after the seconds of Retry-After"}
}
