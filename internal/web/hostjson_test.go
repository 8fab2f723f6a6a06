package web_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHostJSONSamplesNothingThatAlertsCountAndKeepsAddressesOutOfTelemetry pins names and places
// that the host would ignore without a word where they are wrong. Source:
// learn.microsoft.com/azure/azure-functions/functions-host-json.
func TestHostJSONSamplesNothingThatAlertsCountAndKeepsAddressesOutOfTelemetry(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "host.json"))
	require.NoError(t, err)
	var host struct {
		Logging map[string]json.RawMessage `json:"logging"`
	}
	require.NoError(t, json.Unmarshal(text, &host))
	// Below Information, and in files and consoles that other settings open, the host says more of
	// requests than anybody has looked at.
	require.Len(t, host.Logging, 2)
	require.JSONEq(t, `{"default": "Information"}`, string(host.Logging["logLevel"]))
	var insights map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(host.Logging["applicationInsights"], &insights))
	require.Len(t, insights, 2, "each name is one that the host knows")
	// A dependency's record holds the whole address that the host asks the handler for: the key,
	// and the filter.
	require.JSONEq(t, "false", string(insights["enableDependencyTracking"]))
	var sampling struct {
		IsEnabled     bool   `json:"isEnabled"`
		ExcludedTypes string `json:"excludedTypes"`
	}
	require.NoError(t, json.Unmarshal(insights["samplingSettings"], &sampling))
	require.True(t, sampling.IsEnabled)
	whole := strings.Split(sampling.ExcludedTypes, ";")
	require.ElementsMatch(t, []string{"Request", "Exception", "Trace"}, whole)

	types := map[string]string{"AppRequests": "Request", "AppExceptions": "Exception", "AppTraces": "Trace",
		"AppDependencies": "Dependency",
		"AppEvents":       "Event", "AppPageViews": "PageView", "AppAvailabilityResults": "Availability"}
	alerts, err := os.ReadFile(filepath.Join("..", "..", "infra", "modules", "alerts.bicep"))
	require.NoError(t, err)
	counted := 0
	for table, kind := range types {
		if strings.Contains(string(alerts), table) {
			counted++
			require.Contains(t, whole, kind, "an alert counts %s", table)
		}
	}
	require.GreaterOrEqual(t, counted, 3)
}
