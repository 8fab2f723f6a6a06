//go:build soak

package main

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSoakTwoInstancesBesideKills is TestTwoInstancesBesideKillsEndWithTheTenantsTruth until the
// time is up: with more kills, instances that freeze and continue, and leases at full length: make
// soak FOR=5m.
func TestSoakTwoInstancesBesideKills(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv("FOR"))
	require.NoError(t, err, "FOR")
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	w := newTogether(t, seed, map[string]string{"ARCHIVE_RUN_BUDGET": "3m"})
	end := time.Now().Add(lasts)
	w.begin()
	steps := []time.Duration{5 * time.Minute, 40 * time.Minute, 3 * time.Hour, 26 * time.Hour, 50 * time.Hour,
		6 * 24 * time.Hour}
	for time.Now().Before(end) {
		p := plan{purge: w.random.IntN(2) == 0, index: w.random.IntN(2) == 0, kill: w.random.IntN(5) < 3}
		p.freeze = !p.kill && w.random.IntN(3) == 0
		p.runOut = p.kill && w.did.rounds > 6 && w.did.ranOut == 0 // once is enough: it needs two minutes
		w.round(steps[w.random.IntN(len(steps))], p)
	}
	for range 6 { // months pass, whatever chance has made of the time
		w.round(6*24*time.Hour, plan{kill: w.random.IntN(2) == 0, purge: true, index: true})
	}
	w.finish()
	t.Logf("%+v", w.did)
	require.Positive(t, w.did.abandoned)
	require.Positive(t, w.did.purgedHours)
	if lasts >= 5*time.Minute {
		require.Positive(t, w.did.ranOut, "no lease ran out by itself")
	}
}
