package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestAStreamThatIsTakenOutOfARCHIVE_STREAMSIsOnlyNotCollectedAnyMore: it is read, listed,
// verified, proved, indexed and purged as ever.
func TestAStreamThatIsTakenOutOfARCHIVE_STREAMSIsOnlyNotCollectedAnyMore(t *testing.T) {
	s := newSystem(t, simtenant.Config{Now: gapsBegin, Retention: 60 * 24 * time.Hour,
		Generate: &generate.Config{Seed: 47, Users: 12, Apps: 3, Days: 12, End: gapsBegin}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"], s.env["ARCHIVE_ALERT_AFTER"] = "directoryAudits,provisioning",
		"20d", "30m"
	fire := func(p *process, timer string) string {
		status, body, err := p.invoke(timer)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", body)
		return fmt.Sprint(body)
	}
	before := s.start()
	watermark := gapsBegin.AddDate(0, 0, 9)
	for _, at := range []time.Time{gapsBegin.Add(10 * time.Minute), watermark, watermark} {
		s.tenant.Freeze(at)
		fire(before, "archivelogs")
	}
	records := pages(t, before.url+"/api/auditLogs/directoryAudits", "")
	require.NotEmpty(t, records)
	before.kill()

	s.env["ARCHIVE_STREAMS"] = "provisioning"
	s.tenant.Freeze(gapsBegin.AddDate(0, 0, 28))
	p := s.start()
	fire(p, "archivelogs")

	t.Run("it is read", func(t *testing.T) {
		require.Equal(t, records, pages(t, p.url+"/api/auditLogs/directoryAudits", ""))
		newest := gjson.Parse(records[0])
		_, body := p.raw("/api/auditLogs/directoryAudits/" + url.PathEscape(newest.Get("id").Str))
		require.Equal(t, records[0], string(body))
		resp, _ := p.raw("/api/downloads/AuditLogs")
		require.Equal(t, http.StatusOK, resp.StatusCode)
		_, body = p.raw("/api/downloads")
		require.Contains(t, gjson.GetBytes(body, "value.#.stream").Raw, `"directoryAudits"`)
		resp, _ = p.raw("/api/auditLogs/signIns")
		require.Equal(t, http.StatusNotFound, resp.StatusCode, "of sign-ins there never was anything")
	})
	t.Run("coverage says that nothing is expected of it", func(t *testing.T) {
		rows := p.coverage()
		require.Len(t, rows, 2)
		require.Equal(t, []any{"provisioning", true, "current"}, []any{rows[0]["stream"], rows[0]["collected"],
			rows[0]["status"]})
		row := rows[1]
		require.Equal(t, []any{"directoryAudits", false, "current"},
			[]any{row["stream"], row["collected"], row["status"]}, "%v", row)
		require.NotContains(t, row, "lastError")
		require.NotContains(t, row, "nextLossDateTime")
		require.Equal(t, 0.0, row["windowsMissing"])
		require.Equal(t, watermark.Add(-5*time.Minute).Format(time.RFC3339), row["completeUntilDateTime"])
		_, body := p.raw("/api/coverage/directoryAudits?status=missing,partial")
		hours := gjson.GetBytes(body, "value").Array()
		require.Len(t, hours, 1, "%s", body)
		require.Equal(t, watermark.Truncate(time.Hour).Format(time.RFC3339), hours[0].Get("startDateTime").Str)
		require.Contains(t, hours[0].Get("reason").Str, "taken out of ARCHIVE_STREAMS")
	})
	t.Run("it is verified and proved", func(t *testing.T) {
		status, answer := p.ask(http.MethodGet, "/api/verify", "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "intact", answer["status"])
		require.Len(t, answer["heads"], 2)
		oldest := gjson.Parse(records[len(records)-1])
		query := url.Values{"stream": {"directoryAudits"}, "id": {oldest.Get("id").Str},
			"dateTime": {oldest.Get("activityDateTime").Str}}
		status, answer = p.ask(http.MethodGet, "/api/verify/proof?"+query.Encode(), "")
		require.Equal(t, http.StatusOK, status, "%v", answer)
		var out, errs bytes.Buffer
		require.Zero(t, command(t.Context(), []string{"verify"}, s.environ, &out, &errs), "%s %s", out.String(),
			errs.String())
		require.Contains(t, out.String(), "log      directoryAudits:")
	})
	t.Run("it is indexed", func(t *testing.T) {
		require.NotContains(t, fire(p, "indexarchive"), "0 days")
		var out, errs bytes.Buffer
		require.Zero(t, command(t.Context(), []string{"reindex"}, s.environ, &out, &errs), errs.String())
		require.Contains(t, out.String(), "directoryAudits: 0 days indexed", "the timer did it")
	})
	t.Run("collecting it is refused", func(t *testing.T) {
		status, answer := p.ask(http.MethodPost, "/api/collect", `{"streams": ["directoryAudits"]}`)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, answer["error"].(map[string]any)["message"],
			"it is not collected any more: ARCHIVE_STREAMS does not name it")
		status, answer = p.ask(http.MethodPost, "/api/collect", `{"streams": ["signIns.interactiveUser"]}`)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, answer["error"].(map[string]any)["message"], "is not archived")
		progress, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
		require.NoError(t, err)
		require.True(t, progress.LastRunAt.Equal(watermark), "no run has touched it")
	})
	t.Run("it is purged", func(t *testing.T) {
		p.kill()
		s.env["ARCHIVE_RETENTION"] = "35d"
		s.tenant.Freeze(gapsBegin.AddDate(0, 0, 40))
		p := s.start()
		resp, body := p.raw("/api/purge?stream=directoryAudits")
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
		require.Contains(t, fire(p, "purgearchive"), "dropped 2026-10 of directoryAudits")
		resp, _ = p.raw("/api/auditLogs/directoryAudits")
		require.Contains(t, resp.Header.Get("x-entraledger-gaps"), "by ARCHIVE_RETENTION of directoryAudits is 35 days")
	})
}
