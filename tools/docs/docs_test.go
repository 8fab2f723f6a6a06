package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheDocsSayWhatTheCodeSays fails where a setting, a permission or a figure changed and docs/ did not.
func TestTheDocsSayWhatTheCodeSays(t *testing.T) {
	const folder = "../../docs"
	made, err := pages(folder)
	require.NoError(t, err)
	for name, want := range made {
		have, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.Equal(t, want, string(have), "docs/%s is not as the code has it: run make docs", name)
	}
}

func TestAPageWithoutAMarkIsRefused(t *testing.T) {
	_, err := insert("# Settings\n", section{"settings.md", "settings", "x"})
	require.ErrorContains(t, err, "docs/settings.md")
	page, err := insert("a\n<!-- x: made by make docs -->\nold\n<!-- end of x -->\nb\n", section{"f.md", "x", "new\n"})
	require.NoError(t, err)
	require.Equal(t, "a\n<!-- x: made by make docs -->\nnew\n<!-- end of x -->\nb\n", page)
}

func TestTheModelCountsWhatItSays(t *testing.T) {
	v := volumeOf(10_000)
	require.InDelta(t, 307_000, v.records, 1)
	require.InDelta(t, 3_473, v.graphRequests, 5, "what was measured")
	require.InDelta(t, 24_027+3_473, v.tableReqs, 20, "what was measured, and the turns")
	require.Less(t, v.graphRequests, 34_560.0)
	require.Less(t, volumeOf(100_000).graphRequests, 34_560.0, "the largest tenant fits the archive's share")
	require.InDelta(t, v.storage()+v.requests()+v.compute()+v.logs(), v.ledger(), 1e-9)
}
