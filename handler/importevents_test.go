package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/dev/mimserver"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim"
)

// answerOf is a Log Analytics answer of a table like WindowsEvent with a server's events.
func answerOf(s *mimserver.Server, events []mimserver.Event) []byte {
	var rows [][]any
	for _, e := range events {
		data, _ := json.Marshal(map[string]string{"Data": e.Message})
		rows = append(rows, []any{e.At.UTC().Format(time.RFC3339Nano), s.Name, mim.LogName, e.ID, e.RecordID,
			string(data)})
	}
	var columns []map[string]string
	for _, name := range []string{"TimeGenerated", "Computer", "Channel", "EventID", "EventRecordId", "EventData"} {
		columns = append(columns, map[string]string{"name": name, "type": "string"})
	}
	body, _ := json.Marshal(map[string]any{"tables": []any{map[string]any{"name": "PrimaryResult", "columns": columns,
		"rows": rows}}})
	return body
}

// TestEventsOfAzureMonitorsAgentAreImported out of a capture of an event hub, an export and an answer:
// the reports are what happened, and each record says from which file it came.
func TestEventsOfAzureMonitorsAgentAreImported(t *testing.T) {
	s, p := importable(t)
	s.env["MIM_PARTS_KEY"] = mimKey
	begin := time.Now().UTC().Add(-50 * time.Hour).Truncate(time.Second)
	server, history := mimserver.NewServer("MIM1"), mimserver.NewHistory(31, begin, 5*time.Minute)
	var truth []mimserver.Happened
	for len(server.Events) < 300 {
		h := history.Next()
		truth = append(truth, h)
		server.Log(h.At, h.Request)
	}
	var bodies [][]byte
	for some := range slices.Chunk(server.Events[:200], 9) {
		bodies = append(bodies, server.AgentBody(some))
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(server.Body(server.Events[150:240]))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	files := []string{kept(t, "capture.avro", keptfiles.CaptureOf(bodies)), kept(t, "export.json.gz", packed.Bytes()),
		kept(t, "answer.json", answerOf(server, server.Events[200:]))}
	args := append([]string{"import", "--json", "--by", "ann", "--log", "identityManager"}, files...)
	code, _, errs := s.command(args...)
	require.Equal(t, 1, code, "no tenant is named")
	require.Contains(t, errs, "--tenant")
	args = append([]string{"import", "--tenant", simtenant.ID}, args[1:]...)
	for again := range 2 {
		code, out, errs := s.command(args...)
		require.Zero(t, code, "%s\n%s", out, errs)
		var records, duplicates int64
		for _, f := range gjson.Get(out, "files").Array() {
			records, duplicates = records+f.Get("records").Int(), duplicates+f.Get("duplicate").Int()
		}
		if again == 0 {
			require.Equal(t, int64(len(truth)), records, out)
		} else {
			require.Zero(t, records)
			require.Equal(t, int64(200+90+100), duplicates, out)
		}
	}
	within := "?$top=1000&$filter=" + url.QueryEscape("eventTime gt "+begin.Add(-time.Hour).Format(time.RFC3339))
	for name, want := range playedRows(truth) {
		var got []string
		for _, row := range p.reportRows("/api/reports/" + name + within) {
			got = append(got, comparableRow(row))
		}
		slices.Sort(got)
		require.Equal(t, want, got, name)
	}
	_, list := p.raw("/api/auditLogs/identityManager?$top=1")
	id, at := gjson.GetBytes(list, "value.0.id").Str, gjson.GetBytes(list, "value.0.activityDateTime").Str
	code, proof, errs := s.command("prove", "--stream", "identityManager", "--id", id, "--time", at)
	require.Zero(t, code, errs)
	require.Contains(t, proof, string(entra.Imported))
	require.Contains(t, proof, "ann")
	code, out, errs := s.command("verify", "--stream", "identityManager")
	require.Zero(t, code, "%s\n%s", out, errs)

	t.Run("a file of another log adds nothing", func(t *testing.T) {
		code, out, _ := s.command("import", "--tenant", simtenant.ID, "--by", "ann", "--log", "identityManager",
			kept(t, "PT1H.json", ours(past(20))))
		require.Zero(t, code)
		require.Contains(t, out, "0 accepted, 0 duplicate, 0 quarantined")
		require.Contains(t, out, "40 of other logs")
	})
	t.Run("half a file is taken up to its end, and said", func(t *testing.T) {
		body := server.Body(server.Events[:20])
		code, out, _ := s.command("import", "--tenant", simtenant.ID, "--by", "ann", "--log", "identityManager",
			kept(t, "half.json", body[:len(body)-40]))
		require.Equal(t, 1, code)
		require.Contains(t, out, "19 duplicate")
	})
	t.Run("without a key parts are refused and said", func(t *testing.T) {
		delete(s.env, "MIM_PARTS_KEY")
		long := slices.IndexFunc(server.Events, func(e mimserver.Event) bool { return e.Of > 1 })
		require.GreaterOrEqual(t, long, 0)
		code, out, _ := s.command("import", "--tenant", simtenant.ID, "--by", "ann", "--log", "identityManager",
			kept(t, "part.json", server.Body(server.Events[long:long+1])))
		require.Equal(t, exitDiffers, code)
		require.Contains(t, out, "1 refused")
	})
	p0, err := s.store.Progress(t.Context(), logs.IdentityManager)
	require.NoError(t, err)
	require.Equal(t, int64(len(truth)), p0.Imported)
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	require.False(t, strings.Contains(errs, "+49"))
}
