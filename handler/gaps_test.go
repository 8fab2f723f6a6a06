package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// gapsBegin is when the archive of gapsSystem begins.
var gapsBegin = time.Date(2026, 11, 5, 0, 40, 0, 0, time.UTC)

// gapsSystem is an archive whose October was purged, and for which an outage of November was longer
// than Graph remembers. gone is a record of October.
func gapsSystem(t *testing.T) (s *system, p *process, gone entra.Record) {
	s = newSystem(t, simtenant.Config{Now: gapsBegin, Retention: 30 * 24 * time.Hour,
		Generate: &generate.Config{Seed: 41, Users: 12, Apps: 3, Days: 86,
			End: time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC)}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"],
		s.env["ARCHIVE_RETENTION"] = "directoryAudits,signIns.interactiveUser", "30d", "35d"
	s.env["ARCHIVE_ALERT_AFTER"] = "720h"
	for raw := range s.tenant.Truth(logs.DirectoryAudits) {
		rec, err := logs.ParseRecord(logs.DirectoryAudits, raw)
		require.NoError(t, err)
		if rec.Time.Month() == time.October {
			gone = rec
		}
	}
	p = s.start()
	for _, at := range []time.Time{gapsBegin, gapsBegin.AddDate(0, 0, 9), gapsBegin.AddDate(0, 0, 45),
		gapsBegin.AddDate(0, 0, 54)} {
		s.tenant.Freeze(at)
		for range 2 { // the first run reads, the second one seals
			status, body, err := p.fire()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, "%v", body)
		}
	}
	status, body, err := p.invoke("purgearchive")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", body)
	require.Contains(t, fmt.Sprint(body), "dropped 2026-10 of directoryAudits")
	return s, p, gone
}

// raw returns an answer's bytes.
func (p *process) raw(path string) (*http.Response, []byte) {
	resp, err := http.Get(p.url + path)
	require.NoError(p, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p, err)
	return resp, body
}

func audits(filter string) string {
	if filter == "" {
		return "/api/auditLogs/directoryAudits?$top=5"
	}
	return "/api/auditLogs/directoryAudits?$top=5&$filter=" + url.QueryEscape(filter)
}

func TestWhatWasPurgedOrLostAnswersWithItsReason(t *testing.T) {
	t.Parallel() // it waits most of the time
	s, p, gone := gapsSystem(t)
	const purged = "purged on 2026-12-29 by ARCHIVE_RETENTION of directoryAudits is 35 days"
	lost := outage(s, logs.DirectoryAudits)

	t.Run("in a header and an annotation", func(t *testing.T) {
		for filter, want := range map[string][]string{
			"activityDateTime ge 2026-10-10 and activityDateTime lt 2026-10-20": {
				"2026-10-10T00:00:00Z/2026-10-20T00:00:00Z " + purged},
			"activityDateTime ge 2026-10-20 and activityDateTime lt 2026-11-03": {
				"2026-10-20T00:00:00Z/2026-11-01T00:00:00Z " + purged},
			"activityDateTime ge 2026-11-16 and activityDateTime lt 2026-11-17": {
				"2026-11-16T00:00:00Z/2026-11-17T00:00:00Z Graph had forgotten it"},
			"activityDateTime ge 2026-11-02 and activityDateTime lt 2026-11-05": nil,
			"activityDateTime ge 2026-12-01":                                    nil,
			"":                                                                  {lost, purged},
		} {
			resp, body := p.raw(audits(filter))
			require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
			header := resp.Header.Get("x-entraledger-gaps")
			listed := gjson.GetBytes(body, `@entraledger\.gaps`).Array()
			require.Len(t, listed, len(want), "%s: %s", filter, header)
			for i, text := range want {
				require.Contains(t, header, text, filter)
				gap := listed[len(want)-1-i] // the header begins with the newest
				require.Equal(t, []string{"startDateTime", "endDateTime", "reason"}, keysOf(gap))
				require.Contains(t, header, gap.Get("reason").Str)
				require.Contains(t, header, gap.Get("startDateTime").Str[:16])
			}
			if len(want) == 0 {
				require.Empty(t, resp.Header.Values("x-entraledger-gaps"), filter)
			}
		}
	})
	t.Run("with groups and downloads", func(t *testing.T) {
		resp, _ := p.raw("/api/downloads/AuditLogs?from=2026-10-10&to=2026-10-11")
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "2026-10-10T00:00:00Z/2026-10-11T00:00:00Z "+purged, resp.Header.Get("x-entraledger-gaps"))
		resp, _ = p.raw("/api/downloads/AuditLogs?from=2026-12-01")
		require.Empty(t, resp.Header.Values("x-entraledger-gaps"))
	})
	t.Run("with a record that is asked for by its id", func(t *testing.T) {
		require.NotEmpty(t, gone.ID)
		status, header, answer := p.get("/api/auditLogs/directoryAudits/" + url.PathEscape(gone.ID))
		require.Equal(t, http.StatusNotFound, status)
		message := answer["error"].(map[string]any)["message"]
		require.Contains(t, message, purged)
		require.Contains(t, message, "2026-11-01T00:00:00Z")
		require.Contains(t, header.Get("x-entraledger-gaps"), purged)
		query := url.Values{"stream": {"directoryAudits"}, "id": {gone.ID},
			"dateTime": {gone.Time.Format(time.RFC3339Nano)}}
		status, answer = p.ask(http.MethodGet, "/api/verify/proof?"+query.Encode(), "")
		require.Equal(t, http.StatusNotFound, status)
		require.Contains(t, answer["error"].(map[string]any)["message"], purged)
	})
	t.Run("and Microsoft's client reads the list", func(t *testing.T) {
		const client = "../tools/graphclient"
		_, err := os.Stat(client + "/node_modules")
		require.NoError(t, err, "the client is not installed: make setup")
		// one page: it follows links over TLS only
		filter := "activityDateTime ge 2026-10-01 and activityDateTime lt 2026-11-02"
		resp, body := p.raw("/api/auditLogs/directoryAudits?$top=50&$filter=" + url.QueryEscape(filter))
		require.NotEmpty(t, resp.Header.Values("x-entraledger-gaps"))
		want := gjson.GetBytes(body, "value.#.id").String()
		require.NotEqual(t, "[]", want)
		cmd := exec.CommandContext(t.Context(), "node", "read.mjs", p.url+"/api/", "/auditLogs/directoryAudits", filter)
		cmd.Dir = client
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		require.NoError(t, err, "%s", stderr.String())
		require.Equal(t, want, gjson.GetBytes(out, "..#.id").String())
	})
	t.Run("and answers are as the connector describes them", func(t *testing.T) {
		doc := connector(t)
		called := 0
		for _, op := range operations(doc) {
			values := map[string]examples{"ListLogs": {"collection": "directoryAudits"}, "ListCoverage": {},
				"ListCoverageOfStream": {"stream": "directoryAudits"}, "Verify": {}}
			if path, ok := values[op.ID]; ok {
				called++
				require.Less(t, p.call(doc, op, path, url.Values{}).status, 300, op.ID)
			}
		}
		require.Equal(t, 4, called)
	})
	t.Run("and coverage counts", func(t *testing.T) { coverageOfGaps(t, s, p) })
}

// outage is the beginning of the gap that the outage has left.
func outage(s *system, stream entra.Stream) string {
	for cov, err := range s.store.Windows(s.Context(), stream, gapsBegin, gapsBegin.AddDate(0, 1, 0)) {
		require.NoError(s, err)
		if cov.State == ledger.WindowLost || cov.InPart() {
			from := cov.Start
			if cov.InPart() {
				from = cov.LostFrom
			}
			return from.Format("2006-01-02T15:04:05Z") + "/"
		}
	}
	require.Fail(s, "nothing was lost")
	return ""
}

func keysOf(object gjson.Result) (out []string) {
	object.ForEach(func(key, _ gjson.Result) bool {
		out = append(out, key.Str)
		return true
	})
	return out
}

// coverageOfGaps compares what coverage says of a stream with its rows.
func coverageOfGaps(t *testing.T, s *system, p *process) {
	november := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	now := gapsBegin.AddDate(0, 0, 54)
	for _, row := range p.coverage() {
		require.Equal(t, "2026-11-01T00:00:00Z", row["beginDateTime"], "%v", row)
		require.Equal(t, "2026-11-01T00:00:00Z", row["purgedUntilDateTime"])
		require.Equal(t, now.Add(-5*time.Minute).Format(time.RFC3339), row["completeUntilDateTime"])
		require.Equal(t, true, row["collected"])
		var done, lost, purged float64
		stream := entra.Stream(row["stream"].(string))
		for cov, err := range s.store.Windows(t.Context(), stream, gapsBegin.AddDate(0, -2, 0), now) {
			require.NoError(t, err)
			switch {
			case cov.State == ledger.WindowPurged:
				purged++
				require.True(t, cov.Start.Before(november))
			case cov.State == ledger.WindowLost || cov.InPart():
				lost++
			case cov.Whole():
				done++
			}
		}
		require.Equal(t, []any{done, lost, purged, 0.0}, []any{row["windowsDone"], row["windowsLost"],
			row["windowsPurged"], row["windowsMissing"]})
		require.Equal(t, now.Sub(november).Truncate(time.Hour).Hours(), done+lost)
		gaps := row["gaps"].([]any)
		require.Len(t, gaps, 1, "%v", gaps)
		require.True(t, strings.HasPrefix(outage(s, stream), gaps[0].(map[string]any)["startDateTime"].(string)[:16]))
	}
	_, body := p.raw("/api/coverage/directoryAudits?status=purged&$top=2")
	require.Contains(t, gjson.GetBytes(body, "value.0.reason").Str, "purged on 2026-12-29 by ARCHIVE_RETENTION")
	_, body = p.raw("/api/coverage/directoryAudits?status=lost&$top=1")
	require.Contains(t, gjson.GetBytes(body, "value.0.reason").Str, "Graph had forgotten it")
	_, body = p.raw("/api/coverage?$format=csv")
	lines := strings.Split(strings.TrimPrefix(string(body), "\ufeff"), "\r\n")
	require.Contains(t, lines[0], ",windowsLost,windowsInDoubt,windowsPurged,purgedUntilDateTime,")
	require.Contains(t, lines[0], ",gaps,")
	require.Regexp(t, `/2026-11-[0-9T:.]+Z Graph had forgotten it when it was read`, lines[1])
}

// TestTheArchiveBeginsWithWhatGraphStillHad: a part of the first hour may have been deleted. The
// archive begins there; it is no gap.
func TestTheArchiveBeginsWithWhatGraphStillHad(t *testing.T) {
	t.Parallel() // it waits most of the time
	for _, keeps := range []int{7, 30} {
		t.Run(fmt.Sprintf("%d days of retention", keeps), func(t *testing.T) {
			s := newSystem(t, simtenant.Config{Now: gapsBegin, Retention: time.Duration(keeps) * 24 * time.Hour,
				Generate: &generate.Config{Seed: 43, Users: 300, Apps: 3, Days: 32}})
			s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = "signIns.interactiveUser", "30d"
			s.tenant.Freeze(gapsBegin)
			p := s.start()
			status, body, err := p.fire()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, "%v", body)
			row := p.coverage()[0]
			begin, err := time.Parse(time.RFC3339, row["beginDateTime"].(string))
			require.NoError(t, err)
			first := gapsBegin.AddDate(0, 0, -keeps)
			require.WithinRange(t, begin, first, first.Add(2*time.Hour))
			require.NotContains(t, row, "gaps")
			require.Equal(t, []any{0.0, 0.0}, []any{row["windowsLost"], row["windowsMissing"]}, "%v", row)
			require.EqualValues(t, entra.HoursBetween(begin, gapsBegin), row["windowsDone"])
			require.Equal(t, gapsBegin.Add(-5*time.Minute).Format(time.RFC3339), row["completeUntilDateTime"])
			resp, _ := p.raw("/api/auditLogs/signIns?$top=1")
			require.Empty(t, resp.Header.Values("x-entraledger-gaps"))
			for cov, err := range s.store.Windows(t.Context(), logs.SignInsInteractiveUser, begin,
				begin.Add(time.Hour)) {
				require.NoError(t, err)
				require.True(t, !cov.InPart() || cov.LostTo.Equal(begin), "%v: %v", begin, cov.LostTo)
				break
			}
		})
	}
}
