package explore

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Scenario is a state of an account, runs that meet there, and what changes meanwhile.
type Scenario struct {
	Name   string
	Faults int // at most
	// Ready prepares the state, once, and returns what goes one way from it: it makes a World, lets
	// it Explore, and says what is broken after it.
	Ready func(t *testing.T) Way
}

// Way is one way through a scenario.
type Way func(t *testing.T, c Chooser, faults int, verbose bool) Outcome

// Outcome is how one way through a scenario ended.
type Outcome struct {
	Broken []Violation
	Trace  []string
	Steps  int
}

func (s *Scenario) seeded(t *testing.T, way Way, seed uint64, verbose bool) Outcome {
	c, random := newChooser(seed)
	return way(t, c, random.IntN(s.Faults+1), verbose)
}

// found collects the violations of many explorations: of each kind how many, and the first.
type found struct {
	mu    sync.Mutex
	kinds map[string]int
	first map[string]string
}

func newFound() *found { return &found{kinds: make(map[string]int), first: make(map[string]string)} }

func (f *found) add(name string, e Outcome) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := make(map[string]bool)
	for _, v := range e.Broken {
		if !seen[v.Kind] {
			seen[v.Kind] = true
			f.kinds[v.Kind]++
		}
		if _, ok := f.first[v.Kind]; !ok {
			f.first[v.Kind] = fmt.Sprintf("%s: %s", name, v.Detail)
		}
	}
}

func (f *found) String() string {
	var lines []string
	for kind, n := range f.kinds {
		lines = append(lines, fmt.Sprintf("%s (%d times), first EXPLORER_REPLAY=%s", kind, n, f.first[kind]))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// numberFrom reads a setting of the explorations.
func numberFrom(t *testing.T, name string, fallback int) int {
	text := os.Getenv(name)
	if text == "" {
		return fallback
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err, name)
	return n
}

// Random goes many random ways through each scenario: EXPLORER of them over all; make test goes
// thousands, without the race detector, which makes each six times slower. A way that leaves
// something broken is named by its scenario and seed: EXPLORER_REPLAY=scenario/seed goes it again,
// and says every step.
func Random(t *testing.T, all []*Scenario) {
	if replay := os.Getenv("EXPLORER_REPLAY"); replay != "" {
		replayOne(t, all, replay)
		return
	}
	n := numberFrom(t, "EXPLORER", 80) / len(all)
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			way := s.Ready(t)
			f := newFound()
			began := time.Now()
			spread(t, 0, n, func(t *testing.T, seed uint64) {
				f.add(fmt.Sprintf("%s/%d", s.Name, seed), s.seeded(t, way, seed, false))
			})
			t.Logf("%d ways in %s", n, time.Since(began).Round(time.Millisecond))
			require.Empty(t, f.kinds, "%s", f)
		})
	}
}

// spread explores n seeds from a first one on, on all cores.
func spread(t *testing.T, first, n int, explore func(t *testing.T, seed uint64)) {
	t.Run("ways", func(t *testing.T) {
		workers := runtime.GOMAXPROCS(0)
		for worker := range workers {
			t.Run(strconv.Itoa(worker), func(t *testing.T) {
				t.Parallel()
				for i := worker; i < n; i += workers {
					explore(t, uint64(first+i))
				}
			})
		}
	})
}

// replayOne goes one way again: scenario/seed, or scenario/step.move of a single detour.
func replayOne(t *testing.T, all []*Scenario, replay string) {
	name, which, _ := strings.Cut(replay, "/")
	at := slices.IndexFunc(all, func(s *Scenario) bool { return s.Name == name })
	require.GreaterOrEqual(t, at, 0, "EXPLORER_REPLAY names no scenario: %q", name)
	s := all[at]
	var e Outcome
	if step, other, ok := strings.Cut(which, "."); ok {
		k, err := strconv.Atoi(step)
		require.NoError(t, err, "EXPLORER_REPLAY")
		m, err := strconv.Atoi(other)
		require.NoError(t, err, "EXPLORER_REPLAY")
		e = s.Ready(t)(t, &planned{at: map[int]int{k: m}}, 1, true)
	} else {
		seed, err := strconv.ParseUint(which, 10, 64)
		require.NoError(t, err, "EXPLORER_REPLAY")
		e = s.seeded(t, s.Ready(t), seed, true)
	}
	for _, line := range e.Trace {
		t.Log(line)
	}
	for _, v := range e.Broken {
		t.Errorf("%s: %s", v.Kind, v.Detail)
	}
}

// EveryDetour goes through each scenario once for every step and
// every other move that there is at it: a change of turns, a broken connection, a request that is
// executed late or twice, a killed process.
func EveryDetour(t *testing.T, all []*Scenario) { detours(t, all, 1) }

// SomeDetours is EveryDetour with all changes of turns, and a third of the faults and pauses of each
// step. Which ones changes from step to step, so that each kind is met in each scenario; otherwise it
// fails.
func SomeDetours(t *testing.T, all []*Scenario) { detours(t, all, 3) }

func detours(t *testing.T, all []*Scenario, share int) {
	if os.Getenv("EXPLORER_REPLAY") != "" {
		return
	}
	for _, s := range all {
		t.Run(s.Name, func(t *testing.T) {
			way := s.Ready(t)
			f := newFound()
			var (
				ways           atomic.Int64
				offered, taken atomic.Uint32
			)
			began := time.Now()
			straight := way(t, &planned{}, 0, false)
			f.add(s.Name+" without a detour", straight)
			spread(t, 0, straight.Steps, func(t *testing.T, step uint64) {
				kinds := []moveKind{moveRun} // of the other moves; the first way tells them
				for other := 0; other < len(kinds); other++ {
					if kinds[other] >= moveClock && (int(step)+other)%share != 0 {
						continue
					}
					p := &planned{at: map[int]int{int(step): other}}
					e := way(t, p, 1, false)
					kinds = p.others
					ways.Add(1)
					met(&offered, kinds...)
					if other < len(kinds) {
						met(&taken, kinds[other])
					}
					f.add(fmt.Sprintf("%s/%d.%d", s.Name, step, other), e)
				}
			})
			t.Logf("%d ways in %s", ways.Load(), time.Since(began).Round(time.Millisecond))
			require.Greater(t, ways.Load(), int64(100))
			require.Equal(t, offered.Load(), taken.Load(), "kinds of moves, a bit each")
			require.Empty(t, f.kinds, "%s", f)
		})
	}
}

// met keeps which kinds of moves there were, a bit each.
func met(all *atomic.Uint32, kinds ...moveKind) {
	for _, k := range kinds {
		all.Or(1 << k)
	}
}

// SameSeedSameWay is what makes a failure repeatable.
func SameSeedSameWay(t *testing.T, all []*Scenario) {
	for _, s := range all {
		way := s.Ready(t)
		for seed := range uint64(8) {
			first := s.seeded(t, way, seed, true)
			require.Equal(t, first, s.seeded(t, way, seed, true), "%s/%d", s.Name, seed)
		}
	}
}
