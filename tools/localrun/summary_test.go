package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func summaryOf(serving bool) summary {
	return summary{
		streams: []streamState{
			{Stream: "directoryAudits", Begin: "2026-10-22T05:00:00Z", Watermark: "2026-11-21T05:00:00Z", Done: 720},
			{Stream: "signIns.interactiveUser", Done: 700, Missing: 20, Records: 41234, Versions: 43,
				Bytes: 210_000_000, StoredBytes: 30_000_000, Quarantined: 2,
				LastError: &struct{ DateTime, Code, Message string }{"2026-11-21T05:00:00Z", "pageBroken",
					"read page: it is cut"}},
		},
		took: 61_234 * time.Millisecond, base: "http://127.0.0.1:7071", tablePort: emulatorPort,
		storage: "AccountName=x;",
		tables: []string{"coverage", "directoryaudits202611", "signinsinteractive202610", "signinsinteractive202611",
			"signinsnoninteractive202611"}, serving: serving,
	}
}

func TestTheSummaryListsWhatIsThereAndWhatToTry(t *testing.T) {
	var out bytes.Buffer
	summaryOf(true).print(&out)
	for _, want := range []string{
		"2026-10-22 05:00", "41,234", "210.0", "30.0", "7.0",
		"signIns.interactiveUser: pageBroken: read page: it is cut",
		"Archived 41,234 records and 43 earlier versions of them in 1m1.2s.",
		"'http://127.0.0.1:7071/api/coverage'",
		"'http://127.0.0.1:7071/api/coverage/signIns.interactiveUser?$top=24'",
		"-X POST -H 'x-functions-key: devmasterkey'",
		"(Emulator - Default Ports) > Tables, for example signinsinteractive202611 and coverage.",
	} {
		require.Contains(t, out.String(), want)
	}
}

func TestAFailedRunSaysSo(t *testing.T) {
	s := summaryOf(false)
	s.failure = "answered 500"
	var out bytes.Buffer
	s.print(&out)
	require.Contains(t, out.String(), "The run failed: answered 500\n")
	require.NotContains(t, out.String(), "curl", "nothing is served after --once")
}

func TestAnotherPortNeedsAConnectionString(t *testing.T) {
	s := summaryOf(true)
	s.tablePort = 10012
	var out bytes.Buffer
	s.print(&out)
	require.Contains(t, out.String(), "AccountName=x;")
	require.NotContains(t, out.String(), "Default Ports")
}
