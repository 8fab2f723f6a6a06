//go:build soak

package main

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSoak walks more seeds of what TestWhateverHappensTheArchiveEndsAsTheTenant walks, until their number or the time is
// up: make soak SEEDS=1000 FOR=40m.
func TestSoak(t *testing.T) {
	seeds, err := strconv.ParseUint(os.Getenv("SEEDS"), 10, 64)
	require.NoError(t, err, "SEEDS")
	lasts, err := time.ParseDuration(os.Getenv("FOR"))
	require.NoError(t, err, "FOR")
	end := time.Now().Add(lasts)
	walked := uint64(0)
	for ; walked < seeds && time.Now().Before(end); walked++ {
		seed := chaosSeeds + walked
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { chaos(t, seed) }) {
			break
		}
	}
	t.Logf("%d seeds walked, from %d on", walked, chaosSeeds)
}

// TestSoakAClientFollowsAHundredThousandUsers is TestAClientFollowsEveryPageWhileANewSnapshotLands at full size.
func TestSoakAClientFollowsAHundredThousandUsers(t *testing.T) {
	walkWhileASnapshotLands(t, 100_000, 999)
}
