package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/cost"
)

// TestTheDocsSayWhatTheCodeSays fails where a setting, a permission or a figure changed and docs/
// did not.
func TestTheDocsSayWhatTheCodeSays(t *testing.T) {
	const folder = "../../docs"
	made, err := pages("../..", folder)
	require.NoError(t, err)
	for name, want := range made {
		have, err := os.ReadFile(filepath.Join(folder, name))
		require.NoError(t, err)
		require.Equal(t, want, string(have), "docs/%s is not as the code has it: run make docs", name)
	}
}

func TestTheDescriptionsSayWhatTheCodeSays(t *testing.T) {
	all, err := described()
	require.NoError(t, err)
	for name, want := range all {
		have, err := os.ReadFile(filepath.Join("..", "..", name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(have), "%s is not as the code has it: run make docs", name)
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
	all, err := deployments("../..")
	require.NoError(t, err)
	require.Len(t, all, 3)
	small, standard, large := all[0], all[1], all[2]
	require.Equal(t, []any{512.0, cost.LRS, 15.0}, []any{small.memoryMB, small.redundancy, small.minutes},
		"infra/parameters/small.json")
	require.Equal(t, []any{512.0, cost.ZRS, 5.0}, []any{standard.memoryMB, standard.redundancy, standard.minutes},
		"infra/main.bicep")
	require.Equal(t, []any{2048.0, cost.ZRS, 5.0}, []any{large.memoryMB, large.redundancy, large.minutes},
		"infra/parameters/large.json")
	require.InDelta(t, 307_000, standard.volume().Records, 1)
	require.Less(t, large.does().GraphRequests, 34_560.0, "the largest tenant fits the archive's share")
	_, storage := standard.storage()
	does := standard.does()
	require.InDelta(t, storage+does.Requests()+does.Compute()+does.Logs(), standard.ledger(), 1e-9)
	require.Positive(t, standard.shared("ledger"))
	for _, d := range all {
		// The table asks for storage and requests apart, the model for a log's and for shared ones.
		sum := d.plan().Of(cost.Archive, d.volume()).USD
		for _, p := range d.plan().Shared(cost.Archive, d.volume(), d.app()) {
			sum += p.USD
		}
		snapshots := d.plan().Held(int64(d.users*snapshotRowBytes*keptSnapshots), 0).USD
		require.InDelta(t, sum+snapshots, d.ledger(), 1e-6, d.name())
	}
}

func TestAScheduleThatTheModelDoesNotKnowIsRefused(t *testing.T) {
	d := deployment{}
	values := map[string]string{"instanceMemoryMB": "512", "archiveRedundancy": "Standard_ZRS",
		"archiveSchedule": "0 7 * * * *"}
	require.ErrorContains(t, d.read("../..", values), `archiveSchedule is "0 7 * * * *"`)
	d.parameters = "none.json"
	require.ErrorContains(t, d.read("../..", values), "infra/parameters/none.json")
}
