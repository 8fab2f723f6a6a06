package settings_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/settings"
)

func load(values map[string]string) (settings.Settings, error) {
	return settings.Load(func(name string) string { return values[name] })
}

func TestDefaultsAreTheDocumentedOnes(t *testing.T) {
	s, err := load(map[string]string{"ARCHIVE_STORAGE__tableServiceUri": "https://acme.table.core.windows.net"})
	require.NoError(t, err)
	require.Equal(t, 8080, s.Port)
	require.Equal(t, "https://graph.microsoft.com", s.GraphEndpoint)
	require.Equal(t, "https://graph.microsoft.com/.default", s.GraphScope)
	require.Equal(t, logs.DefaultStreams(), s.Streams)
	require.Equal(t, 30*24*time.Hour, s.Backfill)
	require.Equal(t, 8*time.Minute, s.RunBudget)
}

func TestTheDefaultSharesAreGraphsDocumentedCeiling(t *testing.T) {
	s, err := load(map[string]string{"ARCHIVE_STORAGE": "UseDevelopmentStorage=true"})
	require.NoError(t, err)
	require.Equal(t, 5, graph.ReportingCeiling)
	require.Equal(t, graph.ReportingCeiling, s.ArchiveRequestsPer10s+s.SnapshotRequestsPer10s)
	require.Equal(t, 4, s.ArchiveRequestsPer10s)
}

// TestTheTokenIsAskedForTheEndpointThatItIsSentTo in every cloud, and for that of the cloud where
// the endpoint is none of Microsoft's.
func TestTheTokenIsAskedForTheEndpointThatItIsSentTo(t *testing.T) {
	for _, c := range []struct{ cloud, endpoint, graph, scope string }{
		{"", "", "https://graph.microsoft.com", "https://graph.microsoft.com/.default"},
		{"azureusgovernment", "", "https://graph.microsoft.us", "https://graph.microsoft.us/.default"},
		{"AzureChinaCloud", "", "https://microsoftgraph.chinacloudapi.cn",
			"https://microsoftgraph.chinacloudapi.cn/.default"},
		{"AzureUSGovernment", "https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us",
			"https://dod-graph.microsoft.us/.default"},
		{"AzureUSGovernment", "https://DOD-Graph.microsoft.us/", "https://DOD-Graph.microsoft.us",
			"https://dod-graph.microsoft.us/.default"},
		{"AzureUSGovernment", "https://dod-graph.microsoft.us:443", "https://dod-graph.microsoft.us:443",
			"https://dod-graph.microsoft.us/.default"},
		{"", "https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us", "https://dod-graph.microsoft.us/.default"},
		{"", "https://graph.microsoft.us", "https://graph.microsoft.us", "https://graph.microsoft.us/.default"},
		{"AzureUSGovernment", "http://127.0.0.1:7080", "http://127.0.0.1:7080", "https://graph.microsoft.us/.default"},
		{"AzureChinaCloud", "https://gateway.example", "https://gateway.example",
			"https://microsoftgraph.chinacloudapi.cn/.default"},
		{"", "https://dod-graph.microsoft.us.example", "https://dod-graph.microsoft.us.example",
			"https://graph.microsoft.com/.default"},
	} {
		s, err := load(map[string]string{"ARCHIVE_STORAGE": "UseDevelopmentStorage=true", "AZURE_CLOUD": c.cloud,
			"GRAPH_ENDPOINT": c.endpoint})
		require.NoError(t, err)
		require.Equal(t, []string{c.graph, c.scope}, []string{s.GraphEndpoint, s.GraphScope}, "%v", c)
	}
}

func TestASettingThatCantBeUnderstoodIsNamedWithItsValueAndWhatIsAccepted(t *testing.T) {
	cases := []struct{ name, value, says string }{
		{"FUNCTIONS_CUSTOMHANDLER_PORT", "http", "1 to 65535"},
		{"ARCHIVE_STORAGE__tableServiceUri", "http://acme.table.core.windows.net", "https://<account>"},
		{"AZURE_CLOUD", "AzureGermany", "AzureChinaCloud"},
		{"GRAPH_ENDPOINT", "http://graph.microsoft.com", "https://<host>"},
		{"GRAPH_ENDPOINT", "graph.microsoft.com", "https://<host>"},
		{"GRAPH_REQUESTS_PER_10S", "4", "two whole numbers"},
		{"GRAPH_REQUESTS_PER_10S", "0,5", "two whole numbers"},
		{"ARCHIVE_STREAMS", "signIns", "signIns.interactiveUser"},
		{"ARCHIVE_STREAMS", "provisioning,provisioning", "twice"},
		{"ARCHIVE_BACKFILL", "a month", "30d"},
		{"ARCHIVE_BACKFILL", "-1d", "30d"},
		{"ARCHIVE_RUN_BUDGET", "2h", "8m"},
		{"ARCHIVE_PASSES", "24h,3h", "longer than the one before"},
		{"ARCHIVE_RETENTION", "34d", "35d to 36500d"},
		{"ARCHIVE_RETENTION", "400d,90d", "names no stream"},
		{"ARCHIVE_RETENTION", "forever,signIns=90d", "is no stream"},
		{"ARCHIVE_RETENTION", "forever,provisioning=90d,provisioning=400d", "twice"},
		{"ARCHIVE_RETENTION", "provisioning=90d,directoryAudits=forever, provisioning=90d", "twice"},
		{"HTTP_ATTRIBUTE_AUDITS", "true", "deny, allow"},
		{"ARCHIVE_HOLD", "*", "is no span of days"},
		{"ARCHIVE_HOLD", "*=2026-03-31/2026-01-01", "is no span of days"},
		{"ARCHIVE_HOLD", "audits=2026-01-01/2026-03-31", "is no stream"},
		{"SNAPSHOT_GROUPS", "break-glass", "is no object id"},
		{"ARCHIVE_PASSES", "1h,2h,3h,4h,5h,6h,7h,8h,9h", "up to 8"},
		{"ARCHIVE_PASSES", "3h,", "29d"},
		{"ARCHIVE_ALERT_AFTER", "5m", "30m"},
		{"PUBLIC_BASE_URL", "ledger.example", "https://<host>"},
	}
	for _, c := range cases {
		t.Run(c.name+"="+c.value, func(t *testing.T) {
			values := map[string]string{"ARCHIVE_STORAGE": "UseDevelopmentStorage=true", c.name: c.value}
			_, err := load(values)
			require.ErrorContains(t, err, c.name)
			require.ErrorContains(t, err, c.value)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "\n", "one line for one setting")
		})
	}
	_, err := load(nil)
	require.ErrorContains(t, err, "ARCHIVE_STORAGE__tableServiceUri")
	_, err = load(map[string]string{"AZURE_CLOUD": "x", "ARCHIVE_BACKFILL": "x"})
	require.Len(t, strings.Split(err.Error(), "\n"), 2, "every wrong setting is named at once")
}

func TestTheExampleNamesEverySettingAndIsAccepted(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "local.settings.json.example"))
	require.NoError(t, err)
	var example struct{ Values map[string]string }
	require.NoError(t, json.Unmarshal(text, &example))
	docs, err := os.ReadFile(filepath.Join("..", "..", "docs", "settings.md"))
	require.NoError(t, err)
	for _, setting := range settings.All() {
		require.Contains(t, string(docs), "`"+setting.Name+"`", "docs/settings.md")
		if setting.Name == "FUNCTIONS_CUSTOMHANDLER_PORT" || setting.Name == "ARCHIVE_STORAGE__tableServiceUri" {
			continue // the host's, and the other way to name the storage
		}
		require.Contains(t, example.Values, setting.Name)
	}
	_, err = load(example.Values)
	require.NoError(t, err)
}

func TestRetentionAndHoldsAreReadByStream(t *testing.T) {
	env := map[string]string{"ARCHIVE_STORAGE": "UseDevelopmentStorage=true",
		"ARCHIVE_RETENTION": "forever, signIns.nonInteractiveUser=400d",
		"ARCHIVE_HOLD":      "*=2026-01-01/2026-01-31,provisioning=2026-03-01/2026-03-01"}
	s, err := settings.Load(func(name string) string { return env[name] })
	require.NoError(t, err)
	require.Zero(t, s.Retention.Of(logs.DirectoryAudits))
	require.Equal(t, 400*24*time.Hour, s.Retention.Of(logs.SignInsNonInteractiveUser))
	require.Equal(t, []purge.Hold{
		{From: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), To: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)},
		{Stream: logs.Provisioning, From: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
			To: time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)},
	}, s.Retention.Holds)
}

func TestOnlyAClearWordOfThePlatformMeansThatItsAuthenticationIsOn(t *testing.T) {
	for value, on := range map[string]bool{"": false, "False": false, "0": false, "yes": false, "true": true,
		"True": true, "TRUE": true, " true ": true, "1": true} {
		s, err := load(map[string]string{"ARCHIVE_STORAGE": "UseDevelopmentStorage=true",
			"WEBSITE_AUTH_ENABLED": value})
		require.NoError(t, err, "what the platform sets never stops the start")
		require.Equal(t, on, s.Authenticated, "%q", value)
	}
}
