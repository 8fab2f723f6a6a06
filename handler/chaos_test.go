package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// chaosSeeds is how many seeds make test walks; make soak walks a thousand.
const chaosSeeds = 6

func TestWhateverHappensTheArchiveEndsAsTheTenant(t *testing.T) {
	t.Parallel() // it waits most of the time
	for seed := range uint64(chaosSeeds) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { chaos(t, seed) })
	}
}

// chaos lets nine days pass in which records come late and change, while Graph, the tables and the
// process fail in ways that the seed decides. Then it compares the archive with the tenant.
func chaos(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	begin := time.Date(2026, 11, 2, 8, 0, 0, 0, time.UTC)
	s := newSystem(t, simtenant.Config{Now: begin, PageSize: 8 + random.IntN(20), Retention: 30 * 24 * time.Hour})
	streams := []entra.Stream{logs.SignInsInteractiveUser, logs.Provisioning}
	history := newHistory(s, random, streams, begin)
	bad, address := newBadTables(s)

	now := begin
	for now.Before(begin.Add(9 * 24 * time.Hour)) {
		now = now.Add([]time.Duration{5 * time.Minute, 20 * time.Minute, 3 * time.Hour, 7 * time.Hour,
			26 * time.Hour}[random.IntN(5)])
		history.until(now)
		s.tenant.Freeze(now)
		ctx, cancel := context.WithCancel(t.Context())
		by := route{}
		switch random.IntN(4) {
		case 0:
			kinds := slices.DeleteFunc(simtenant.LogKinds(), func(k simtenant.Kind) bool { return k == simtenant.Slow })
			s.tenant.Inject(simtenant.Fault{Kind: kinds[random.IntN(len(kinds))], After: random.IntN(6),
				Count:      1 + random.IntN(6),
				RetryAfter: "0", Delay: time.Duration(random.IntN(600)-300) * time.Second})
		case 1:
			by.tables = address
			quick := []tableFault{beingDeleted, conditionLost, operationFails, forbidden, storedUnheard}
			bad.set(quick[random.IntN(len(quick))], random.IntN(15), 1+random.IntN(3))
		case 2: // stopped from outside, somewhere
			stopAt := len(s.tenant.Requests()) + random.IntN(8)
			go func() {
				for ctx.Err() == nil && len(s.tenant.Requests()) < stopAt {
					time.Sleep(100 * time.Microsecond)
				}
				cancel()
			}()
		}
		_, _ = s.collector(by).Run(ctx, archivetest.Execution(), streams, time.Minute)
		cancel()
		s.tenant.ClearFaults()
	}
	for range 3 { // read what is due, seal it, seal again what changed
		now = now.Add(10 * time.Minute)
		s.tenant.Freeze(now)
		_, err := s.collector(route{}).Run(t.Context(), archivetest.Execution(), streams, time.Minute)
		require.NoError(t, err)
	}
	s.requireArchived(streams...)
	require.Positive(t, s.requireIntact(streams...))
	for _, stream := range streams {
		history.requireVersions(stream)
	}
}

// history is what the tenant shows over time.
type history struct {
	*system
	steps  []step // in the order of time
	shown  map[entra.Hash]bool
	newest map[string]entra.Hash // by stream and key
}

type step struct {
	at     time.Time
	stream entra.Stream
	id     string
	raw    []byte
	change bool
}

// newHistory makes up a day of records: most come within the hour, some within days; every sixth
// changes, once or twice.
func newHistory(s *system, random *rand.Rand, streams []entra.Stream, begin time.Time) *history {
	h := &history{system: s, shown: make(map[entra.Hash]bool), newest: make(map[string]entra.Hash)}
	for _, stream := range streams {
		for i := range 60 {
			when := begin.Add(-12*time.Hour + time.Duration(random.Int64N(int64(36*time.Hour)))).Truncate(time.Second)
			late := time.Duration(random.Int64N(int64(time.Hour)))
			if random.IntN(5) == 0 {
				late = time.Duration(random.Int64N(int64(6 * 24 * time.Hour)))
			}
			id := fmt.Sprintf("%s-%03d", stream, i)
			text := func(content string) []byte {
				return fmt.Appendf(nil, `{"id":%q,%q:%q,"content":%q}`, id, logs.Of(stream).TimeProperty,
					when.Format(time.RFC3339), content)
			}
			h.steps = append(h.steps, step{when.Add(late), stream, id, text("first"), false})
			for n := range random.IntN(3) * (1 - min(1, i%6)) {
				h.steps = append(h.steps, step{when.Add(late + time.Duration(1+n)*3*time.Hour), stream, id,
					text(fmt.Sprintf("change %d", n)), true})
			}
		}
	}
	slices.SortStableFunc(h.steps, func(a, b step) int { return a.at.Compare(b.at) })
	return h
}

// until makes the tenant show what it shows at a time.
func (h *history) until(now time.Time) {
	for len(h.steps) > 0 && !h.steps[0].at.After(now) {
		next := h.steps[0]
		h.steps = h.steps[1:]
		if next.change {
			h.tenant.Change(next.stream, next.id, next.raw)
		} else {
			require.NoError(h, h.tenant.Add(next.stream, next.raw, next.at))
		}
		h.shown[entra.HashOf(next.raw)] = true
		h.newest[string(next.stream)+next.id] = entra.HashOf(next.raw)
	}
}

// requireVersions checks that the current content of each record is the last that was shown, and
// that every earlier one was shown at some time.
func (h *history) requireVersions(stream entra.Stream) {
	current := 0
	for hour := range h.hours(stream) {
		for rec, err := range h.store.Records(h.Context(), entra.Window{Stream: stream, Start: hour}) {
			require.NoError(h, err)
			if rec.Superseded.IsZero() {
				current++
				require.Equal(h, h.newest[string(stream)+rec.ID], rec.Hash, "%s", rec.Raw)
			} else {
				require.True(h, h.shown[rec.Hash], "%s", rec.Raw)
			}
		}
	}
	require.Equal(h, 60, current)
}
