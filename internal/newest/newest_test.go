package newest_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/newest"
)

var at = time.Date(2026, time.November, 20, 8, 0, 0, 123_456_700, time.UTC)

func TestWhatIsPackedIsReadAgain(t *testing.T) {
	times := newest.Times{
		"": at, "a": at.Add(time.Hour), strings.Repeat("long", 100): at,
		"00000000-0000-0000-0000-000000000001": at,
		"ffffffff-ffff-ffff-ffff-ffffffffffff": time.Date(1960, 1, 2, 3, 4, 5, 600, time.UTC),
		"FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF": at,
		"0123456789abcdef0123456789abcdef0123": at,
		"zzzzzzzz-zzzz-zzzz-zzzz-zzzzzzzzzzzz": at,
	}
	ids := slices.Sorted(maps.Keys(times))
	for _, most := range []int{1, 3, 100} {
		again, n := newest.Times{}, 0
		for _, p := range times.Pack(most) {
			require.Equal(t, ids[n], p.First)
			for one, err := range newest.Each(p.Content) {
				require.NoError(t, err)
				require.Equal(t, ids[n], one.ID, "in order")
				n++
			}
			require.Equal(t, ids[n-1], p.Last)
			require.NoError(t, again.AddAll(p.Content))
		}
		require.Equal(t, times, again)
	}
	require.Empty(t, newest.Times{}.Pack(3))
}

func TestTheNewerTimeCounts(t *testing.T) {
	times := newest.Times{"a": at}
	older, newer := newest.Times{"a": at.Add(-time.Hour), "b": at}, newest.Times{"a": at.Add(time.Hour)}
	require.NoError(t, times.AddAll(older.Pack(10)[0].Content))
	require.Equal(t, newest.Times{"a": at, "b": at}, times)
	require.NoError(t, times.AddAll(newer.Pack(10)[0].Content))
	require.Equal(t, at.Add(time.Hour), times["a"])
}

// TestWhatIsCutIsRefused at any byte, and never read as something else that is as long.
func TestWhatIsCutIsRefused(t *testing.T) {
	whole := newest.Times{"a": at, "00000000-0000-0000-0000-000000000001": at}.Pack(10)[0].Content
	first := 25
	for n := 1; n < len(whole); n++ {
		err := newest.Times{}.AddAll(whole[:n])
		if n == first {
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, newest.ErrBroken, "%d bytes", n)
	}
	require.ErrorIs(t, newest.Times{}.AddAll([]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 1, 2}),
		newest.ErrBroken)
}
