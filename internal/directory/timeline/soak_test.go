//go:build soak

package timeline

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSoakOfEnterings compares many worlds: SEEDS of 60 days, and some of years, for no longer than
// FOR.
func TestSoakOfEnterings(t *testing.T) {
	seeds, limit := 1000, 10*time.Minute
	if text := os.Getenv("SEEDS"); text != "" {
		var err error
		seeds, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	if text := os.Getenv("FOR"); text != "" {
		var err error
		limit, err = time.ParseDuration(text)
		require.NoError(t, err)
	}
	began := time.Now()
	done := 0
	for ; done < seeds && time.Since(began) < limit; done++ {
		seed := uint64(1000 + done)
		compareWorld(t, seed, 60, Horizon)
		if done%10 == 0 {
			compareWorld(t, seed, 250, 45*day)
			compareWorld(t, seed, 450, Horizon)
		}
		if done%100 == 0 {
			compareWorld(t, seed, 1000, Horizon)
		}
	}
	t.Logf("%d worlds in %s", done, time.Since(began).Round(time.Second))
}
