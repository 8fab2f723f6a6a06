package explore

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Soak goes ways that Random does not, over all scenarios in turn, until FOR has passed:
// make soak FOR=40m. EXPLORER_FIRST is the first seed.
func Soak(t *testing.T, all []*Scenario) {
	lasts, err := time.ParseDuration(os.Getenv("FOR"))
	require.NoError(t, err, "FOR")
	const atOnce = 200
	ends := time.Now().Add(lasts)
	f, ways := newFound(), 0
	for first := numberFrom(t, "EXPLORER_FIRST", 1_000_000); time.Now().Before(ends); first += atOnce {
		for _, s := range all {
			way := s.Ready(t)
			spread(t, first, atOnce, func(t *testing.T, seed uint64) {
				f.add(fmt.Sprintf("%s/%d", s.Name, seed), s.seeded(t, way, seed, false))
			})
			ways += atOnce
		}
	}
	t.Logf("%d ways in %s", ways, lasts)
	require.Empty(t, f.kinds, "%s", f)
}
