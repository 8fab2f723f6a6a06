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

// TestNoSecretIsShown goes through all settings: those that are secret, and addresses with something secret in them.
func TestNoSecretIsShown(t *testing.T) {
	secrets := 0
	for _, value := range []string{"5ecret", "https://a:5ecret@b.example", "https://b.example/t?sv=1&sig=5ecret",
		"https://b.example/#5ecret", "AccountName=a;AccountKey=5ecret",
		"BlobEndpoint=b;SharedAccessSignature=sig=5ecret",
		"https://b.example/?sig=5ecret&AccountKey=5ecret"} {
		for _, s := range settings.Show(func(string) string { return value }) {
			require.True(t, s.Given, s.Name)
			if s.Secret {
				require.True(t, s.Hidden, s.Name)
				require.Empty(t, s.Value, s.Name)
				secrets++
			}
			if value != "5ecret" {
				require.NotContains(t, s.Value, "5ecret", s.Name)
			}
		}
	}
	require.Equal(t, 7*2, secrets, "the connection string, and the key of parts")
	_, err := settings.Load(func(name string) string {
		return map[string]string{"ARCHIVE_STORAGE__tableServiceUri": "AccountName=a;AccountKey=5ecret",
			"GRAPH_ENDPOINT": "ftp://a:5ecret@b.example"}[name]
	})
	require.ErrorContains(t, err, "(not shown)")
	require.NotContains(t, err.Error(), "5ecret", "it would stand in the log")
	for _, value := range []string{"https://b.example/t", "0 */5 * * * *", "400d", "a?b", "*=30d"} {
		require.Equal(t, value, settings.Show(func(string) string {
			return value
		})[0].Value, "it is shown as it was given")
	}
}
