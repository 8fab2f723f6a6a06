package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// ask calls an HTTP function and follows 202 to the end.
func (p *process) ask(method, path, body string) (int, map[string]any) {
	req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	require.NoError(p, err)
	for range 100 {
		resp, err := http.DefaultClient.Do(req)
		require.NoError(p, err)
		text, err := io.ReadAll(resp.Body)
		require.NoError(p, err)
		require.NoError(p, resp.Body.Close())
		if resp.StatusCode != http.StatusAccepted {
			var answer map[string]any
			require.NoError(p, json.Unmarshal(text, &answer), "%s", text)
			return resp.StatusCode, answer
		}
		require.Contains(p, string(text), `"status":"running"`)
		req, err = http.NewRequest(http.MethodGet, resp.Header.Get("Location"), nil)
		require.NoError(p, err)
	}
	require.Fail(p, "the job does not end")
	return 0, nil
}

// environ reads the environment that the handler's process has.
func (s *system) environ(name string) string { return s.env[name] }

// TestAnAuditorsWay: records are archived and sealed, verified over HTTP and by command, one is
// proved, and the proof is checked without the archive.
func TestAnAuditorsWay(t *testing.T) {
	s := newSystemOnAzurite(t, simtenant.Config{Retention: 60 * 24 * time.Hour,
		Generate: &generate.Config{Seed: 5, Users: 40, Days: 5}})
	s.env["ARCHIVE_STREAMS"] = "directoryAudits"
	s.env["ARCHIVE_BACKFILL"] = "20d"
	s.tenant.Freeze(s.tenant.Now().Add(8 * 24 * time.Hour)) // so that every record is old enough to be sealed
	p := s.start()
	for range 2 { // the first run reads, the second one seals
		status, answer, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", answer)
	}
	status, answer := p.ask(http.MethodGet, "/api/verify", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "intact", answer["status"], "%v", answer)
	require.EqualValues(t, len(s.archived(logs.DirectoryAudits)), answer["recordsVerified"])
	require.NotZero(t, answer["heads"].([]any)[0].(map[string]any)["size"])

	var raw []byte
	for r := range s.tenant.Truth(logs.DirectoryAudits) {
		raw = r
	}
	rec, err := logs.ParseRecord(logs.DirectoryAudits, raw)
	require.NoError(t, err)
	query := url.Values{"stream": {"directoryAudits"}, "id": {rec.ID}, "dateTime": {rec.Time.Format(time.RFC3339Nano)}}
	status, _ = p.ask(http.MethodGet, "/api/verify/proof?"+query.Encode(), "")
	require.Equal(t, http.StatusOK, status)

	for path, want := range map[string]int{
		"/api/verify?stream=signIns":                                                  http.StatusBadRequest,
		"/api/verify?from=2026-11-22T00:00:00Z&to=2026-11-21T00:00:00Z":               http.StatusBadRequest,
		"/api/verify?from=2199-01-01T00:00:00Z":                                       http.StatusBadRequest,
		"/api/verify?form=x":                                                          http.StatusBadRequest,
		"/api/verify/no-such-job":                                                     http.StatusNotFound,
		"/api/verify/proof?stream=directoryAudits":                                    http.StatusBadRequest,
		"/api/verify/seal?stream=directoryAudits":                                     http.StatusBadRequest,
		"/api/verify/seal?stream=directoryAudits&hour=yesterday":                      http.StatusBadRequest,
		"/api/verify/seal?stream=signIns&hour=2026-01-01T00:00:00Z":                   http.StatusBadRequest,
		"/api/verify/seal?stream=directoryAudits&hour=2020-01-01T00:00:00Z":           http.StatusNotFound,
		"/api/verify/proof?stream=directoryAudits&id=x&dateTime=2026-01-01T00:00:00Z": http.StatusNotFound,
	} {
		status, answer := p.ask(http.MethodGet, path, "")
		require.Equal(t, want, status, "%s %v", path, answer)
		require.NotContains(t, answer["error"].(map[string]any)["message"], "\n")
	}

	var out, errs bytes.Buffer
	code := command(t.Context(), []string{"verify", "--stream", "directoryAudits"}, s.environ, &out, &errs)
	require.Zero(t, code, "%s %s", out.String(), errs.String())
	require.Contains(t, out.String(), "intact")

	out.Reset()
	code = command(t.Context(), []string{"prove", "--stream", "directoryAudits", "--id", rec.ID, "--time",
		rec.Time.Format(time.RFC3339Nano)}, s.environ, &out, &errs)
	require.Zero(t, code, errs.String())
	file := filepath.Join(t.TempDir(), "proof.json")
	require.NoError(t, os.WriteFile(file, out.Bytes(), 0o600))
	var proof seal.Proof
	require.NoError(t, json.Unmarshal(out.Bytes(), &proof))
	require.Equal(t, string(raw), proof.RecordText, "byte for byte as Graph sent it")
	entry := url.Values{"stream": {"directoryAudits"}, "hour": {rec.Time.Format(time.RFC3339Nano)}}
	status, answer = p.ask(http.MethodGet, "/api/verify/seal?"+entry.Encode(), "")
	require.Equal(t, http.StatusOK, status, "%v", answer)
	require.Equal(t, proof.Seal, answer["text"], "the entry is the one in the proof")
	require.EqualValues(t, proof.Entry, answer["entry"])
	require.Equal(t, entra.FloorHour(rec.Time).Format(time.RFC3339), answer["startDateTime"])
	require.NotEmpty(t, answer["datesRootHash"])

	head, err := seal.ParseHead([]byte(proof.Head))
	require.NoError(t, err)
	text, err := s.heads.Read(t.Context(), head)
	require.NoError(t, err, "the proof's head is one of the blobs")
	headFile := filepath.Join(t.TempDir(), "head.txt")
	require.NoError(t, os.WriteFile(headFile, text, 0o600))
	nothing := func(string) string { return "" }
	out.Reset()
	require.Zero(t, command(t.Context(), []string{"check-proof", file, "--head", headFile}, nothing, &out, &errs),
		out.String())
	require.Contains(t, out.String(), "proved")

	proof.RecordText = strings.Replace(proof.RecordText, "success", "failure", 1)
	bent, err := json.Marshal(proof)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, bent, 0o600))
	out.Reset()
	require.Equal(t, exitDiffers, command(t.Context(), []string{"check-proof", file}, nothing, &out, &errs))
	require.Contains(t, out.String(), "NOT PROVED")
}

func TestACommandThatCantBeUnderstoodSaysWhatThereIs(t *testing.T) {
	var out, errs bytes.Buffer
	none := func(string) string { return "" }
	require.Equal(t, 1, command(t.Context(), []string{"verfiy"}, none, &out, &errs))
	require.Contains(t, errs.String(), "handler verify")
	require.Zero(t, command(t.Context(), []string{"help"}, none, &out, &errs))
	for _, args := range [][]string{{"verify"}, {"prove"}, {"prove", "--stream", "directoryAudits"}, {"check-proof"},
		{"check-proof", "no-such-file"}, {"verify", "--from", "x"}} {
		errs.Reset()
		require.Equal(t, 1, command(t.Context(), args, none, &out, &errs), "%v", args)
		require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
	}
}

func TestCollectByHandDoesWhatTheTimerDoesAndReadsARangeAgain(t *testing.T) {
	s := newSystem(t, brief())
	p := s.start()
	status, answer := p.ask(http.MethodPost, "/api/collect", "")
	require.Equal(t, http.StatusOK, status, "%v", answer)
	require.Equal(t, "done", answer["status"], "%v", answer)
	s.requireArchived()

	day := s.tenant.Now().Add(-48 * time.Hour).UTC().Format(time.RFC3339)
	end := s.tenant.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	status, answer = p.ask(http.MethodPost, "/api/collect", `{"streams":["signIns.interactiveUser"],"from":"`+day+
		`","to":"`+end+`"}`)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	again := answer["value"].([]any)[0].(map[string]any)
	require.Positive(t, again["unchanged"])
	require.Zero(t, again["new"])
	require.Equal(t, again["fetched"], again["unchanged"])

	for _, body := range []string{`{"streams":["x"]}`, `{"from":"2026-11-21T00:00:00Z"}`, `{"form":"x"}`, `[`,
		`{"from":"2026-11-22T00:00:00Z","to":"2026-11-21T00:00:00Z"}`} {
		status, answer := p.ask(http.MethodPost, "/api/collect", body)
		require.Equal(t, http.StatusBadRequest, status, "%s %v", body, answer)
	}
	status, _ = p.ask(http.MethodGet, "/api/collect", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	status, _ = p.ask(http.MethodGet, "/api/collect/nothing", "")
	require.Equal(t, http.StatusNotFound, status)
}
