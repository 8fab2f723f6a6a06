//go:build soak

package main

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
)

// TestSoakHoweverTheTenantMisleads plays every way in every shape on every log, on the first walk
// and on later ones, until the time is up: make soak FOR=20m.
func TestSoakHoweverTheTenantMisleads(t *testing.T) {
	lasts, err := time.ParseDuration(os.Getenv("FOR"))
	require.NoError(t, err, "FOR")
	end, all := time.Now().Add(lasts), misleadings()
	played := 0
	for shift := 0; shift < 5*len(all) && time.Now().Before(end) && !t.Failed(); shift++ {
		t.Run(fmt.Sprint("shift ", shift), func(t *testing.T) { // whose journeys run side by side
			for i := range 2 {
				n := (2*shift + i) % len(all)
				later := all[(n+1+shift/len(all))%len(all)]
				if later.Kind == simtenant.TooFarBack {
					later = all[0] // later walks don't begin so far back
				}
				misleadLogs(t, all[n], later, shift)
			}
		})
		played += 2
	}
	t.Logf("%d journeys", played)
}

// TestSoakHoweverTheTenantMisleadsASnapshot plays every way in every shape on every collection.
func TestSoakHoweverTheTenantMisleadsASnapshot(t *testing.T) {
	for shift := range 6 {
		t.Run(fmt.Sprint("shift ", shift), func(t *testing.T) { misleadDirectories(t, shift+1) })
	}
}

// TestSoakWhatCanBeBorneIsBorneForEver plays every way on every log.
func TestSoakWhatCanBeBorneIsBorneForEver(t *testing.T) {
	for shift := range len(borne()) {
		bearForEver(t, shift)
	}
}

// TestSoakAPauseOfAHundredDaysOfEveryLog is that of three logs, of all.
func TestSoakAPauseOfAHundredDaysOfEveryLog(t *testing.T) {
	pauseForAHundredDays(t)
}
