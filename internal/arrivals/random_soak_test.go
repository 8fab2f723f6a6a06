//go:build soak

package arrivals_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestSoakNothingIsLostOrTwiceWhateverTheOrder goes on with other seeds until SEEDS are done or FOR has
// passed.
func TestSoakNothingIsLostOrTwiceWhateverTheOrder(t *testing.T) {
	seeds, err := strconv.ParseUint(os.Getenv("SEEDS"), 10, 64)
	require.NoError(t, err, "SEEDS")
	lasts, err := time.ParseDuration(os.Getenv("FOR"))
	require.NoError(t, err, "FOR")
	began := time.Now()
	for seed := uint64(100); seed < 100+seeds && time.Since(began) < lasts; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { playOne(t, seed) })
	}
}
