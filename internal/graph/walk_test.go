package graph

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

// TestWhatAWalkRemembersIsBounded also walks in a circle that begins after more pages than are
// remembered.
func TestWhatAWalkRemembersIsBounded(t *testing.T) {
	w := newWalk("https://graph.example/0")
	came := func(n int) string {
		return w.came([]entra.Parsed{{Record: entra.Record{Hash: entra.HashOf(fmt.Append(nil, n))}}})
	}
	for n := range 25_000 {
		require.Empty(t, came(n))
		require.Empty(t, w.follow(fmt.Sprintf("https://graph.example/%d", n+1)))
		require.LessOrEqual(t, len(w.links), maxWalk)
		require.LessOrEqual(t, len(w.contents), maxWalk)
	}
	require.Equal(t, "page 25001 has the records of page 24000 again", came(23_999))
	require.Equal(t, "page 25001 leads back to page 24000", w.follow("https://graph.example/23999"))
}
