package main

import (
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/export"
	"github.com/entraledger/entraledger/internal/logs"
)

// download fetches a file; compressed, as curl would, only on request.
func (p *process) download(path string, header ...string) (*http.Response, []byte) {
	p.Helper()
	req, err := http.NewRequest(http.MethodGet, p.url+"/api/downloads/"+path, nil)
	require.NoError(p, err)
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p, err)
	return resp, body
}

// lines are a file's, sorted: records of one moment have no order.
func lines(body []byte) []string {
	out := strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")
	slices.Sort(out)
	return out
}

func TestADownloadIsTheTenantsTruthLineForLine(t *testing.T) {
	t.Parallel() // it waits most of the time
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 8, Users: 200, Apps: 20, Days: 4,
		Policies: 1}}, "")
	for _, file := range export.Files() {
		if logs.Of(file.Stream).Delivered {
			continue // no tenant has it
		}
		var truth, rows []string
		for raw := range s.tenant.Truth(file.Stream) {
			truth = append(truth, string(raw))
			require.NoError(t, file.Rows(gjson.ParseBytes(raw), func(cells []string) error {
				rows = append(rows, strings.Join(cells, "|"))
				return nil
			}))
		}
		slices.Sort(truth)
		if file.Each == "" {
			_, body := p.download(file.Name + "?format=ndjson")
			require.Equal(t, truth, lines(body), file.Name)
			_, body = p.download(file.Name + "?format=json")
			var list []json.RawMessage
			require.NoError(t, json.Unmarshal(body, &list), file.Name)
			require.Len(t, list, len(truth))
		}
		resp, body := p.download(file.Name)
		require.Regexp(t, `^attachment; filename="`+file.Name+`_\d{4}-\d\d-\d\d_\d{4}-\d\d-\d\d\.csv"$`,
			resp.Header.Get("Content-Disposition"))
		got, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(body), "\ufeff"))).ReadAll()
		require.NoError(t, err, file.Name)
		require.Equal(t, file.Names(), got[0])
		require.Len(t, got, len(rows)+1, file.Name)
		last := ""
		if file.Columns[0].Name == "Date (UTC)" {
			for _, row := range got[1:] {
				require.LessOrEqual(t, last, row[0], "oldest first")
				last = row[0]
			}
		}
	}
	require.NotZero(t, s.tenant.Count(logs.Provisioning))
}

func TestADownloadIsNarrowedCompressedAndRefused(t *testing.T) {
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 8, Users: 100, Apps: 20, Days: 3}},
		"directoryAudits,signIns.interactiveUser")
	from := s.tenant.Now().Add(-30 * time.Hour).Truncate(time.Second)
	to := from.Add(12 * time.Hour)
	want := []string{}
	for raw := range s.tenant.Truth(logs.SignInsInteractiveUser) {
		rec := gjson.ParseBytes(raw)
		if at := rec.Get("createdDateTime").Time(); !at.Before(from) && at.Before(to) &&
			rec.Get("status.errorCode").Int() != 0 {
			want = append(want, string(raw))
		}
	}
	require.NotEmpty(t, want)
	slices.Sort(want)
	query := url.Values{"from": {from.Format(time.RFC3339)}, "to": {to.Format(time.RFC3339)},
		"$filter": {"status/errorCode ne 0"}, "format": {"ndjson"}}.Encode()
	_, body := p.download("interactivesignins?" + query)
	require.Equal(t, want, lines(body))
	resp, body := p.download("InteractiveSignIns?"+query, "Accept-Encoding", "gzip")
	require.Equal(t, "gzip", resp.Header.Get("Content-Encoding"))
	zip, err := gzip.NewReader(strings.NewReader(string(body)))
	require.NoError(t, err)
	body, err = io.ReadAll(zip)
	require.NoError(t, err)
	require.Equal(t, want, lines(body))

	_, body = p.download("InteractiveSignIns?from=2019-01-01&to=2019-01-02")
	require.Equal(t, 1, strings.Count(string(body), "\n"), "a file without rows has its head")
	for path, want := range map[string]int{
		"nothing":               http.StatusNotFound,
		"ProvisioningLogs":      http.StatusNotFound, // not archived
		"AuditLogs?format=xlsx": http.StatusBadRequest,
		"AuditLogs?from=2026-01-02&to=2026-01-01": http.StatusBadRequest,
		"AuditLogs?from=soon":                     http.StatusBadRequest,
		"AuditLogs?%24filter=categry+eq+%27x%27":  http.StatusBadRequest,
		"InteractiveSignIns?%24filter=" + url.QueryEscape("signInEventTypes/any(t: t eq 'servicePrincipal')"): http.StatusBadRequest,
	} {
		resp, body := p.download(path)
		require.Equal(t, want, resp.StatusCode, "%s: %s", path, body)
		require.NotEmpty(t, gjson.GetBytes(body, "error.message").Str, path)
	}
}

// TestAPurgeIsPlannedDoneAndVerified goes the way of an operator: what would go, then that it went,
// then the proof.
func TestAPurgeIsPlannedDoneAndVerified(t *testing.T) {
	s := newSystem(t, simtenant.Config{Now: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC),
		Retention: 400 * 24 * time.Hour,
		Generate:  &generate.Config{Seed: 5, Users: 40, Days: 5, End: time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"], s.env["ARCHIVE_RETENTION"] = "directoryAudits", "20d", "35d"
	s.tenant.Freeze(time.Date(2026, 11, 10, 0, 0, 0, 0, time.UTC)) // so that every record is old enough to be sealed
	p := s.start()
	for range 2 {
		status, body, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", body)
	}
	s.tenant.Freeze(time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC))
	status, body, err := p.invoke("purgearchive")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", body)
	require.Contains(t, body["Logs"].([]any)[0], "dropped 2026-10 of directoryAudits")
	_, verified := p.ask(http.MethodGet, "/api/verify", "")
	require.Equal(t, "intact", verified["status"], "%v", verified)
	purges := verified["purges"].([]any)
	require.Len(t, purges, 1)
	require.Equal(t, "ARCHIVE_RETENTION of directoryAudits is 35 days", purges[0].(map[string]any)["rule"])
	first := ""
	for _, raw := range pages(t, p.url+"/api/auditLogs/directoryAudits?$orderby=activityDateTime", "") {
		first = gjson.Get(raw, "activityDateTime").Str
		break
	}
	require.GreaterOrEqual(t, first, "2026-11-01")
	status, _, plan := p.get("/api/purge")
	require.Equal(t, http.StatusOK, status)
	require.Empty(t, plan["value"], "by the machine's clock nothing more is due")
	status, _, windows := p.get("/api/coverage/directoryAudits?status=purged&$top=1")
	require.Equal(t, http.StatusOK, status)
	require.Contains(t, windows["value"].([]any)[0].(map[string]any)["reason"], "ARCHIVE_RETENTION")
}
