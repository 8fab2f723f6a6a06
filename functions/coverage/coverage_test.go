package coverage_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/coverage"
	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

var now = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)

// serve runs the function behind the host's adapter, on a ledger of ten hours with a hole.
func serve(t *testing.T) *httptest.Server {
	return serving(t, logs.Provisioning, logs.DirectoryAudits)
}

// serving is serve where only some streams are collected.
func serving(t *testing.T, collected ...entra.Stream) *httptest.Server {
	return begin(t, collected...).server
}

// archive is a ledger that is served and goes on.
type archive struct {
	*testing.T
	server   *httptest.Server
	store    *tablestest.Store
	progress ledger.Progress
	now      time.Time
}

// hour is a row of the ledger's.
func (a *archive) hour(i int, state ledger.WindowState) ledger.Coverage {
	return ledger.Coverage{Window: entra.Window{Stream: a.progress.Stream,
		Start: a.progress.Begin.Add(time.Duration(i) * time.Hour)}, State: state, Passes: 1, Records: 10,
		FirstReadAt: now}
}

func (a *archive) commit(rows ...ledger.Coverage) {
	var err error
	a.progress, err = a.store.Commit(a.Context(), ledger.Lease{}, a.progress, rows, nil)
	require.NoError(a, err)
}

func begin(t *testing.T, collected ...entra.Stream) *archive {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	begin := now.Truncate(time.Hour).Add(-10 * time.Hour)
	p := ledger.Progress{Stream: logs.Provisioning, Run: "r", Begin: begin, Backfilled: begin.Add(3 * time.Hour),
		TailBegin: begin.Add(5 * time.Hour), Watermark: now.Add(-5 * time.Minute), WindowsComplete: 8,
		Tally: ledger.Tally{Records: 80, Bytes: 800, StoredBytes: 200}, LastRunAt: now.Add(-time.Minute),
		LastSuccessAt: now.Add(-time.Hour),
		LastErrorAt:   now.Add(-time.Minute), LastErrorCode: entra.CodeThrottled,
		LastError: "read provisioning: 429; wait"}
	a := &archive{T: t, store: store, progress: p, now: now}
	var rows []ledger.Coverage
	for i := range 11 {
		if i == 3 || i == 4 {
			continue
		}
		state := ledger.WindowComplete
		if i == 10 {
			state = ledger.WindowPartial
		}
		rows = append(rows, a.hour(i, state))
	}
	a.commit(rows...)

	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		coverage.New(coverage.Config{Ledger: store, Gaps: search.NewGaps(store),
			Streams: streams.New(collected, store), Secrets: store, Now: func() time.Time { return a.now }}))
	require.NoError(t, err)
	a.server = httptest.NewServer(host)
	t.Cleanup(a.server.Close)
	return a
}

func get(t *testing.T, server *httptest.Server, path string) (int, map[string]any) {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
	require.NoError(t, err)
	req.Header.Set("X-Forwarded-Host", "ledger.example")
	req.Header.Set("X-Forwarded-Proto", "https")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NotContains(t, string(body), "null", "Parse JSON breaks on null")
	var answer map[string]any
	require.NoError(t, json.Unmarshal(body, &answer), "%s", body)
	return resp.StatusCode, answer
}

func TestCoverageReportsTheStateOfEachStream(t *testing.T) {
	status, answer := get(t, serve(t), "/api/coverage?code=key")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "https://ledger.example/api/$metadata#coverage", answer["@odata.context"])
	require.EqualValues(t, 2, answer["@odata.count"])
	require.Equal(t, "2026-11-21T14:30:00Z", answer["asOfDateTime"])
	rows := answer["value"].([]any)
	require.Equal(t, map[string]any{
		"stream": "provisioning", "status": "failing",
		"beginDateTime": "2026-11-21T04:00:00Z", "backfilledToDateTime": "2026-11-21T07:00:00Z",
		"watermarkDateTime": "2026-11-21T14:25:00Z",
		"collected":         true, "windowsDone": 8.0, "windowsMissing": 2.0, "windowsLost": 0.0, "windowsThin": 0.0,
		"windowsAwaiting": 0.0, "windowsInDoubt": 0.0, "windowsPurged": 0.0, "windowsUnsealed": 0.0,
		"records": 80.0, "versions": 0.0, "quarantined": 0.0, "bytes": 800.0, "storedBytes": 200.0,
		"completeUntilDateTime": "2026-11-21T07:00:00Z", "nextLossDateTime": "2026-11-28T07:00:00Z", "seals": 0.0,
		"changed": 0.0, "late": 0.0,
		"lateUpTo3Hours": 0.0, "lateUpTo24Hours": 0.0, "lateUpTo48Hours": 0.0, "lateUpTo7Days": 0.0,
		"lateOver7Days":   0.0,
		"lastRunDateTime": "2026-11-21T14:29:00Z",
		"lastError": map[string]any{"dateTime": "2026-11-21T14:29:00Z", "code": "throttled",
			"message": "read provisioning: 429; wait"},
	}, rows[0])
	require.Equal(t, "notStarted", rows[1].(map[string]any)["status"])
	require.NotContains(t, rows[1], "watermarkDateTime")
}

func TestEveryHourIsListedTheMissingOnesToo(t *testing.T) {
	server := serve(t)
	status, answer := get(t, server, "/api/coverage/provisioning")
	require.Equal(t, http.StatusOK, status)
	var states []string
	for _, row := range answer["value"].([]any) {
		states = append(states, row.(map[string]any)["status"].(string))
	}
	require.Equal(t, strings.Fields("complete complete complete missing missing complete complete complete "+
		"complete complete partial"), states)

	// Page by page, by the next link alone, it is the same list.
	var paged []string
	path := "/api/coverage/provisioning?$top=4&code=5ecret&clientId=default"
	for path != "" {
		_, page := get(t, server, path)
		rows := page["value"].([]any)
		require.LessOrEqual(t, len(rows), 4)
		for _, row := range rows {
			paged = append(paged, row.(map[string]any)["status"].(string))
		}
		link, _ := page["@odata.nextLink"].(string)
		require.NotContains(t, link, "code=")
		require.NotContains(t, link, "clientId=")
		next, err := url.Parse(link)
		require.NoError(t, err)
		path = next.RequestURI()
		if link == "" {
			break
		}
	}
	require.Equal(t, states, paged)

	_, answer = get(t, server, "/api/coverage/provisioning?from=2026-11-21T06:30:00Z&to=2026-11-21T08:00:00Z")
	require.Len(t, answer["value"], 2)
	_, answer = get(t, server, "/api/coverage/directoryAudits")
	require.Empty(t, answer["value"])
}

func TestMissingHoursSayWhy(t *testing.T) {
	_, answer := get(t, serve(t), "/api/coverage/provisioning?status=missing,partial")
	rows := answer["value"].([]any)
	require.Len(t, rows, 3)
	for _, row := range rows {
		require.Contains(t, row.(map[string]any)["reason"], "429; wait", "the last run failed, and that is why")
	}
}

func TestHoursThatAVersionBeforeHasCountedSayThatTheyHaveNoSum(t *testing.T) {
	_, answer := get(t, serve(t), "/api/coverage/provisioning?status=complete")
	rows := answer["value"].([]any)
	require.Len(t, rows, 8)
	for _, row := range rows {
		require.Equal(t, "it was counted by a version that kept no sum over its contents",
			row.(map[string]any)["reason"])
		require.NotContains(t, row, "contentSum")
	}
}

func TestAStreamThatIsNotCollectedAnyMoreIsNotFailing(t *testing.T) {
	server := serving(t, logs.DirectoryAudits)
	_, answer := get(t, server, "/api/coverage")
	rows := answer["value"].([]any)
	require.Len(t, rows, 2)
	row := rows[1].(map[string]any)
	require.Equal(t, []any{"provisioning", false, "backfilling"}, []any{row["stream"], row["collected"], row["status"]})
	require.Contains(t, row, "lastError", "how its last run ended is still said")
	require.NotContains(t, row, "nextLossDateTime")
	require.Equal(t, []any{8.0, 2.0}, []any{row["windowsDone"], row["windowsMissing"]})
	_, answer = get(t, server, "/api/coverage/provisioning?status=missing")
	for _, row := range answer["value"].([]any) {
		require.Contains(t, row.(map[string]any)["reason"], "taken out of ARCHIVE_STREAMS")
	}
}

func TestCoverageAsCSVHasOneLineForEachRow(t *testing.T) {
	server := serve(t)
	for path, lines := range map[string]int{
		"/api/coverage?$format=csv": 3, "/api/coverage/provisioning?$format=csv": 12,
		"/api/coverage/provisioning?$format=csv&$top=3": 4, "/api/coverage/provisioning?$format=csv&$top=100": 12,
		"/api/coverage/provisioning?$format=csv&status=missing":         3,
		"/api/coverage/provisioning?$format=csv&status=complete&$top=1": 2,
	} {
		resp, err := http.Get(server.URL + path)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "text/csv; charset=utf-8", resp.Header.Get("Content-Type"))
		require.Equal(t, lines, strings.Count(string(body), "\r\n"), "%s", body)
	}
}

func TestABadQuestionIsAnsweredWithWhatIsAccepted(t *testing.T) {
	server := serve(t)
	cases := []struct {
		path   string
		status int
		says   string
	}{
		{"/api/coverage?$filter=x", 400, "accepted is stream eq '...'"},
		{"/api/coverage?$format=xml", 400, "json and csv"},
		{"/api/coverage/provisioning?status=gone", 400, "missing"},
		{"/api/coverage/provisioning?status=complete,", 400, `status is "complete,"`},
		{"/api/coverage/provisioning?status=missing,,lost", 400, `status is "missing,,lost"`},
		{"/api/coverage/provisioning?status=missing,%20lost", 400, `status is "missing, lost"`},
		{"/api/coverage/provisioning?status=", 400, `status is ""`},
		{"/api/coverage/provisioning?top=5", 400, "from, to, by, status, $top, $format, $skiptoken"},
		{"/api/coverage/provisioning?$skiptoken=x", 400, "begin again without $skiptoken"},
		{"/api/coverage?$skiptoken=x", 400, "accepted are: $filter, $format"},
		{"/api/coverage/provisioning?$top=0", 400, "1 to 1000"},
		{"/api/coverage/provisioning?$top=5000", 400, "1 to 1000"},
		{"/api/coverage/provisioning?from=yesterday", 400, "2026-11-21T14:00:00Z"},
		{"/api/coverage/provisioning?from=2026-11-21T08:00:00Z&to=2026-11-21T06:00:00Z", 400, "not before from"},
		{"/api/coverage/signIns", 404, "directoryAudits"},
	}
	for _, c := range cases {
		status, answer := get(t, server, c.path)
		require.Equal(t, c.status, status, c.path)
		problem := answer["error"].(map[string]any)
		require.Contains(t, problem["message"], c.says, c.path)
		require.NotEmpty(t, problem["code"])
	}
}

// TestWhatWasImportedIsListedAsSuch: its hours from before the stream was read, and within what was
// read how many records of an hour were.
func TestWhatWasImportedIsListedAsSuch(t *testing.T) {
	a := begin(t, logs.Provisioning)
	old, within := a.hour(-1000, ledger.WindowPartial), a.hour(1, ledger.WindowComplete)
	old.Passes, old.Records, old.FirstReadAt = 0, 0, time.Time{}
	old.Imported, old.ImportedSum = 3, ledger.Sum{1}
	before := within
	within.Imported, within.ImportedSum, within.Eclipsed = 2, ledger.Sum{1}, 1
	a.progress.Apply(ledger.Coverage{}, old)
	a.progress.Apply(before, within)
	a.commit(old, within)
	_, answer := get(t, a.server, "/api/coverage/provisioning?status=imported")
	require.Len(t, answer["value"], 1)
	row := answer["value"].([]any)[0].(map[string]any)
	require.Equal(t, []any{"imported", old.Start.Format(time.RFC3339), 3.0}, []any{row["status"], row["startDateTime"],
		row["imported"]})
	require.Contains(t, row["reason"], "it was not read from Graph")
	_, answer = get(t, a.server, "/api/coverage/provisioning")
	require.Len(t, answer["value"], 12, "the hours between are not called missing")
	row = answer["value"].([]any)[2].(map[string]any)
	require.Equal(t, []any{"complete", 2.0, 1.0}, []any{row["status"], row["imported"], row["importedSuperseded"]})
	_, answer = get(t, a.server, "/api/coverage")
	row = answer["value"].([]any)[0].(map[string]any)
	require.Equal(t, []any{5.0, 2.0, old.Start.Format(time.RFC3339)}, []any{row["imported"], row["windowsImported"],
		row["importedFromDateTime"]})
}
