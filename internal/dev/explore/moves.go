package explore

import (
	"math/rand/v2"
	"slices"
	"time"
)

// moveKind says what the scheduler does in one step.
type moveKind int

const (
	moveRun    moveKind = iota // execute a request and answer it
	moveStart                  // begin another run
	moveChange                 // something outside changes
	moveLate                   // execute a request that was put aside
	moveClock                  // time passes
	moveLose                   // execute a request; its answer is lost
	moveAside                  // a request is executed later; its sender hears of a broken connection
	moveRefuse                 // a request is never executed; likewise
	moveTwice                  // a request is executed and answered, and again later
	moveKill                   // a run's process is killed, and what it has sent never executed
	moveLeave                  // a run's process is killed, and what it has sent executed later
)

var moveNames = [...]string{
	"run", "start", "change", "late", "clock",
	"lose", "aside", "refuse", "twice", "kill", "leave",
}

type move struct {
	kind  moveKind
	call  *call
	actor *actor
	index int
	time  time.Duration
	text  string
}

func (m move) String() string {
	text := moveNames[m.kind] + " " + m.text
	if m.call != nil {
		text += m.call.actor.name + ": " + m.call.request.String()
	}
	if m.actor != nil {
		text += m.actor.name
	}
	return text
}

// moves lists what may be done now. The first is to go on with the run whose turn it is.
func (w *World) moves() []move {
	var out, others []move
	for _, c := range w.pending {
		m := move{kind: moveRun, call: c}
		if c.actor == w.current && len(out) == 0 {
			out = append(out, m)
		} else {
			others = append(others, m)
		}
	}
	out = append(out, others...)
	for _, a := range w.actors {
		if !a.started {
			out = append(out, move{kind: moveStart, actor: a})
		}
	}
	if len(w.Changes) > 0 {
		out = append(out, move{kind: moveChange, text: w.Changes[0].Name})
	}
	for i, c := range w.late {
		out = append(out, move{kind: moveLate, call: c, index: i})
	}
	// The last is longer than a lease lasts.
	for _, d := range []time.Duration{1100 * time.Millisecond, 91300 * time.Millisecond, 151700 * time.Millisecond} {
		out = append(out, move{kind: moveClock, time: d, text: d.String()})
	}
	if w.faults > 0 {
		out = append(out, w.faultMoves()...)
	}
	return out
}

func (w *World) faultMoves() (out []move) {
	for _, c := range w.pending {
		kinds := []moveKind{moveLose}
		if c.request.IsWrite() {
			kinds = []moveKind{moveLose, moveAside, moveRefuse, moveTwice}
		}
		for _, kind := range kinds {
			out = append(out, move{kind: kind, call: c})
		}
	}
	for _, a := range w.actors {
		if a.started && !a.done.Load() && !a.dead.Load() {
			out = append(out, move{kind: moveKill, actor: a}, move{kind: moveLeave, actor: a})
		}
	}
	return out
}

func (w *World) do(m move) {
	if m.kind >= moveLose {
		w.faults--
	}
	switch m.kind {
	case moveRun:
		w.current = m.call.actor
		w.answer(m.call, reply{answer: w.execute(m.call.request)})
	case moveStart:
		if _, ok := w.choose.(*planned); ok {
			w.change(len(w.Changes))
		}
		w.current = m.actor
		w.start(m.actor)
	case moveChange:
		w.change(1)
	case moveLate:
		w.executeLate(m.index)
	case moveClock:
		w.Sleep(m.time)
	case moveLose:
		w.execute(m.call.request)
		w.answer(m.call, reply{err: errConnection()})
	case moveAside:
		w.late = append(w.late, m.call)
		w.answer(m.call, reply{err: errConnection()})
	case moveRefuse:
		w.answer(m.call, reply{err: errConnection()})
	case moveTwice:
		w.late = append(w.late, m.call)
		w.answer(m.call, reply{answer: w.execute(m.call.request)})
	case moveKill, moveLeave:
		w.kill(m.actor, m.kind == moveKill)
	}
}

// change makes the next n changes. Time passes before and after, so that it is clear
// what came first.
func (w *World) change(n int) {
	for range n {
		w.Sleep(time.Second)
		w.Changes[0].Do()
		w.Changes = w.Changes[1:]
		w.Sleep(time.Second)
	}
}

// answer takes a request from the pending ones and tells its sender what became of it.
func (w *World) answer(c *call, o reply) {
	w.pending = slices.DeleteFunc(w.pending, func(p *call) bool { return p == c })
	c.answer <- o
}

// Chooser decides among moves; the first is to go on with the run whose turn it is.
type Chooser interface{ pick(moves []move) int }

// newChooser chooses by a seed: half of the seeds wander, half make a few detours.
func newChooser(seed uint64) (Chooser, *rand.Rand) {
	random := rand.New(rand.NewPCG(seed, 0x6c65646765722e))
	if random.IntN(2) == 0 {
		stays, faulty := []float64{0.3, 0.7, 0.9, 0.96}, []float64{0.1, 0.3, 0.6}
		return &wandering{random, stays[random.IntN(len(stays))], faulty[random.IntN(len(faulty))]}, random
	}
	p := &planned{at: make(map[int]int)}
	for range 1 + random.IntN(3) {
		p.at[random.IntN(80)] = random.Int()
	}
	return p, random
}

// wandering continues one run for a while, and then makes any other move.
type wandering struct {
	*rand.Rand
	stay   float64 // how likely it continues with the same run
	faulty float64 // how likely it looks for a fault where it does not
}

func (r *wandering) pick(moves []move) int {
	if r.Float64() < r.stay {
		return 0
	}
	var plain, faults []int
	for i, m := range moves {
		if m.kind >= moveClock {
			faults = append(faults, i)
		} else {
			plain = append(plain, i)
		}
	}
	if len(plain) == 0 || len(faults) > 0 && r.Float64() < r.faulty {
		return faults[r.IntN(len(faults))]
	}
	return plain[r.IntN(len(plain))]
}

// planned lets one run after the other go to its end, but for a few steps at which it takes another
// move. Most faults between runs need one or two such detours only. All changes come before the
// second run begins.
type planned struct {
	at     map[int]int // by step: which of the other moves; one past the last restarts
	step   int
	others []moveKind // which other moves there were at the last of these steps
}

func (p *planned) pick(moves []move) int {
	at, detour := p.at[p.step]
	p.step++
	if !detour || len(moves) == 1 {
		return 0
	}
	p.others = nil
	for _, m := range moves[1:] {
		p.others = append(p.others, m.kind)
	}
	return 1 + at%len(p.others)
}
