package ledger_test

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
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

// prepared is the state in which a scenario's explorations begin.
type prepared struct {
	archive memstorage.Snapshot
	tenant  *truth
	at      time.Time
	ever    map[string]map[string]bool
}

func newWorld(s *scenario) *world {
	w := &world{tenant: &truth{}, options: exploredOptions, arrived: make(chan struct{}, 1)}
	w.ever = make(map[string]map[string]bool)
	w.service = memstorage.New(time.Now)
	w.service.Limits.PageEntities = 20
	if s.options.Backfill > 0 {
		w.options.Backfill = s.options.Backfill
	}
	return w
}

// ready prepares a scenario once.
func (s *scenario) ready(t *testing.T) (out prepared) {
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s)
		w.calm = true
		s.prepare(w)
		out = prepared{w.service.Snapshot(), w.tenant, time.Now(), w.ever}
	})
	return out
}

// exploration is how one way through a scenario ended.
type exploration struct {
	broken []violation
	trace  []string
	steps  int
}

// exploreOnce goes one way through a scenario.
func (s *scenario) exploreOnce(t *testing.T, from prepared, c chooser, faults int, verbose bool) (out exploration) {
	synctest.Test(t, func(*testing.T) {
		w := newWorld(s)
		w.sleepUntil(from.at)
		w.service.Restore(from.archive)
		w.tenant, w.choose, w.faults, w.verbose = from.tenant.clone(), c, faults, verbose
		for key, hashes := range from.ever {
			w.ever[key] = cloneSet(hashes)
		}
		w.changes = slices.Clone(s.changes)
		if s.begin != nil {
			s.begin(w.tenant)
			w.sleep(time.Second)
		}
		for i, a := range s.actors {
			w.actors = append(w.actors, &actor{world: w, index: i, name: a.name, run: a.run})
		}
		w.explore()
		w.finish(s)
		out = exploration{w.broken, w.trace, w.steps}
	})
	return out
}

func cloneSet(in map[string]bool) map[string]bool {
	out := make(map[string]bool, len(in))
	for k := range in {
		out[k] = true
	}
	return out
}

func (s *scenario) seeded(t *testing.T, from prepared, seed uint64, verbose bool) exploration {
	c, random := newChooser(seed)
	return s.exploreOnce(t, from, c, random.IntN(s.faults+1), verbose)
}

// found collects the violations of many explorations: of each kind how many, and the first.
type found struct {
	mu    sync.Mutex
	kinds map[string]int
	first map[string]string
}

func newFound() *found { return &found{kinds: make(map[string]int), first: make(map[string]string)} }

func (f *found) add(name string, e exploration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	seen := make(map[string]bool)
	for _, v := range e.broken {
		if !seen[v.kind] {
			seen[v.kind] = true
			f.kinds[v.kind]++
		}
		if _, ok := f.first[v.kind]; !ok {
			f.first[v.kind] = fmt.Sprintf("%s: %s", name, v.detail)
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

// TestExplorerRunsThatMeetLeaveTheArchiveInOrder goes many random ways through each scenario:
// EXPLORER of them over all; make test goes thousands, without the race detector, which makes each
// six times slower. A way that leaves something broken is named by its scenario and seed:
// EXPLORER_REPLAY=scenario/seed goes it again, and says every step.
func TestExplorerRunsThatMeetLeaveTheArchiveInOrder(t *testing.T) {
	if replay := os.Getenv("EXPLORER_REPLAY"); replay != "" {
		replayOne(t, replay)
		return
	}
	n := numberFrom(t, "EXPLORER", 80) / len(explored)
	for _, s := range explored {
		t.Run(s.name, func(t *testing.T) {
			from := s.ready(t)
			f := newFound()
			began := time.Now()
			s.spread(t, 0, n, func(t *testing.T, seed uint64) {
				f.add(fmt.Sprintf("%s/%d", s.name, seed), s.seeded(t, from, seed, false))
			})
			t.Logf("%d ways in %s", n, time.Since(began).Round(time.Millisecond))
			require.Empty(t, f.kinds, "%s", f)
		})
	}
}

// spread explores n seeds from a first one on, on all cores.
func (s *scenario) spread(t *testing.T, first, n int, explore func(t *testing.T, seed uint64)) {
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
func replayOne(t *testing.T, replay string) {
	name, way, _ := strings.Cut(replay, "/")
	at := slices.IndexFunc(explored, func(s *scenario) bool { return s.name == name })
	require.GreaterOrEqual(t, at, 0, "EXPLORER_REPLAY names no scenario: %q", name)
	s := explored[at]
	var e exploration
	if step, other, ok := strings.Cut(way, "."); ok {
		k, err := strconv.Atoi(step)
		require.NoError(t, err, "EXPLORER_REPLAY")
		m, err := strconv.Atoi(other)
		require.NoError(t, err, "EXPLORER_REPLAY")
		e = s.exploreOnce(t, s.ready(t), &planned{at: map[int]int{k: m}}, 1, true)
	} else {
		seed, err := strconv.ParseUint(way, 10, 64)
		require.NoError(t, err, "EXPLORER_REPLAY")
		e = s.seeded(t, s.ready(t), seed, true)
	}
	for _, line := range e.trace {
		t.Log(line)
	}
	for _, v := range e.broken {
		t.Errorf("%s: %s", v.kind, v.detail)
	}
}

// TestExplorerEveryDetourLeavesTheArchiveInOrder goes through each scenario once for every step and
// every other move that there is at it: a change of turns, a broken connection, a request that is
// executed late or twice, a killed process.
func TestExplorerEveryDetourLeavesTheArchiveInOrder(t *testing.T) {
	if os.Getenv("EXPLORER_REPLAY") != "" {
		return
	}
	for _, s := range explored {
		t.Run(s.name, func(t *testing.T) {
			from := s.ready(t)
			f := newFound()
			var ways atomic.Int64
			began := time.Now()
			straight := s.exploreOnce(t, from, &planned{}, 0, false)
			f.add(s.name+" without a detour", straight)
			s.spread(t, 0, straight.steps, func(t *testing.T, step uint64) {
				for other, others := 0, 1; other < others; other++ {
					p := &planned{at: map[int]int{int(step): other}}
					e := s.exploreOnce(t, from, p, 1, false)
					others = p.others
					ways.Add(1)
					f.add(fmt.Sprintf("%s/%d.%d", s.name, step, other), e)
				}
			})
			t.Logf("%d ways in %s", ways.Load(), time.Since(began).Round(time.Millisecond))
			require.Greater(t, ways.Load(), int64(100))
			require.Empty(t, f.kinds, "%s", f)
		})
	}
}

// TestExplorerTheSameSeedGoesTheSameWay is what makes a failure repeatable.
func TestExplorerTheSameSeedGoesTheSameWay(t *testing.T) {
	for _, s := range explored {
		from := s.ready(t)
		for seed := range uint64(8) {
			first := s.seeded(t, from, seed, true)
			require.Equal(t, first, s.seeded(t, from, seed, true), "%s/%d", s.name, seed)
		}
	}
}
