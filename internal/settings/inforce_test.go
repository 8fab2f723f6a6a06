package settings_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/settings"
)

func TestWhatIsInForceIsWhatWasGivenOrTheDefault(t *testing.T) {
	given := map[string]string{"ARCHIVE_STORAGE": "AccountName=a;AccountKey=5ecret", "ARCHIVE_RETENTION": " 400d ",
		"ARCHIVE_SCHEDULE": "0 */5 * * * *"}
	seen := map[string]settings.InForce{}
	for _, s := range settings.Show(func(name string) string { return given[name] }) {
		require.NotContains(t, s.Value, "5ecret")
		seen[s.Name] = s
	}
	require.Len(t, seen, len(settings.All())+len(settings.Schedules()))
	require.True(t, seen["ARCHIVE_STORAGE"].Hidden && seen["ARCHIVE_STORAGE"].Given)
	require.Equal(t, "400d", seen["ARCHIVE_RETENTION"].Value)
	require.Equal(t, []any{"30d", false}, []any{seen["ARCHIVE_BACKFILL"].Value, seen["ARCHIVE_BACKFILL"].Given})
	require.Equal(t, []any{"", false}, []any{seen["ARCHIVE_HOLD"].Value, seen["ARCHIVE_HOLD"].Given})
	require.True(t, seen["ARCHIVE_SCHEDULE"].Given)
}
