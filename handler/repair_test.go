package main

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
)

// command runs a command of the handler in a process of its own: the identity's cache is the
// process's.
func (s *system) command(args ...string) (code int, stdout, stderr string) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), playHandler+"=1")
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		var exited *exec.ExitError
		require.ErrorAs(s, err, &exited)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// TestAnOperatorsWayToRepair: a progress row is deleted, the timer fails and everything says why;
// the row is rebuilt over HTTP and by command, and the archive continues.
func TestAnOperatorsWayToRepair(t *testing.T) {
	s := newSystem(t, simtenant.Config{Retention: 60 * 24 * time.Hour, Generate: &generate.Config{Seed: 5, Users: 20,
		Days: 3}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = "directoryAudits,provisioning", "20d"
	s.tenant.Freeze(s.tenant.Now().Add(8 * 24 * time.Hour))
	p := s.start()
	fire := func(want int) string {
		status, answer, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, want, status, "%v", answer)
		return fmt.Sprint(answer)
	}
	fire(http.StatusOK)
	fire(http.StatusOK)
	records := pages(t, p.url+"/api/auditLogs/directoryAudits", "")
	require.NotEmpty(t, records)
	was, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Positive(t, was.Seals)

	status, answer := p.ask(http.MethodPost, "/api/repair", `{"stream":"directoryAudits"}`)
	require.Equal(t, http.StatusConflict, status)
	require.Contains(t, fmt.Sprint(answer), "nothing of it is to be repaired")

	gone := func() {
		_, err := s.tables().service.NewClient("coverage").DeleteEntity(t.Context(), "directoryAudits", "progress", nil)
		require.NoError(t, err)
	}
	gone()
	t.Run("everything says so, and the other stream goes on", func(t *testing.T) {
		require.Contains(t, fire(http.StatusConflict),
			"row progress of table coverage, partition directoryAudits: it is not there")
		rows := p.coverage()
		require.Len(t, rows, 2)
		require.Equal(t, []any{"directoryAudits", "failing"}, []any{rows[0]["stream"], rows[0]["status"]})
		failure := rows[0]["lastError"].(map[string]any)
		require.Equal(t, "tampered", failure["code"])
		require.Contains(t, failure["message"], "handler repair --stream directoryAudits, or POST /api/repair")
		require.Equal(t, []any{"provisioning", "current"}, []any{rows[1]["stream"], rows[1]["status"]})
		for path, want := range map[string]int{
			"/api/auditLogs/directoryAudits": http.StatusConflict, "/api/downloads/AuditLogs": http.StatusConflict,
			"/api/coverage/directoryAudits":     http.StatusConflict,
			"/api/purge?stream=directoryAudits": http.StatusConflict,
			"/api/auditLogs/provisioning":       http.StatusOK, "/api/downloads/ProvisioningLogs": http.StatusOK,
			"/api/coverage/provisioning": http.StatusOK, "/api/purge": http.StatusOK,
		} {
			resp, body := p.raw(path)
			require.Equal(t, want, resp.StatusCode, "%s: %s", path, body)
			if want != http.StatusOK {
				require.Equal(t, "tampered", gjson.GetBytes(body, "error.code").Str, "%s", body)
			}
		}
		status, answer := p.ask(http.MethodGet, "/api/verify", "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "differs", answer["status"])
	})
	t.Run("a plan tells what would be made", func(t *testing.T) {
		status, answer := p.ask(http.MethodGet, "/api/repair?stream=directoryAudits", "")
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, "planned", answer["status"])
		require.Equal(t, []any{"row progress is not there"}, answer["wrong"])
		require.EqualValues(t, was.Records, answer["records"])
		require.EqualValues(t, was.Seals, answer["entries"])
		require.NotContains(t, answer, "entry")
		code, out, errs := s.command("repair", "--stream", "directoryAudits", "--plan")
		require.Zero(t, code, errs)
		require.Contains(t, out, "planned: nothing was written")
		_, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
		require.Error(t, err)
	})
	t.Run("it is made anew over HTTP", func(t *testing.T) {
		status, answer := p.ask(http.MethodPost, "/api/repair", `{"stream":"directoryAudits"}`)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, "repaired", answer["status"])
		require.EqualValues(t, was.Seals, answer["entry"])
		require.Contains(t, answer["reason"], "(row progress is not there), by POST /api/repair, execution ")
		require.Equal(t, was.Begin.Format(time.RFC3339), answer["beginDateTime"])
		require.Equal(t, records, pages(t, p.url+"/api/auditLogs/directoryAudits", ""))
		fire(http.StatusOK)
		status, answer = p.ask(http.MethodGet, "/api/verify", "")
		require.Equal(t, http.StatusOK, status)
		require.Equal(t, "intact", answer["status"], "%v", answer)
		repairs := answer["repairs"].([]any)
		require.Len(t, repairs, 1)
		require.Equal(t, "directoryAudits", repairs[0].(map[string]any)["stream"])
	})
	t.Run("and by command", func(t *testing.T) {
		gone()
		code, out, errs := s.command("repair", "--stream", "directoryAudits")
		require.Zero(t, code, "%s %s", out, errs)
		require.Contains(t, out, "repaired: entry ")
		require.Contains(t, out, "by handler repair, execution ")
		fire(http.StatusOK)
		code, out, _ = s.command("verify")
		require.Zero(t, code, out)
	})
	t.Run("not where records were altered, too", func(t *testing.T) {
		gone()
		for _, row := range s.tables().rows("coverage", "directoryAudits") {
			if row.Properties["State"] == "sealed" && row.Properties["Records"] != nil {
				_, err := s.tables().service.NewClient("coverage").DeleteEntity(t.Context(), "directoryAudits",
					row.RowKey, nil)
				require.NoError(t, err)
				break
			}
		}
		code, out, errs := s.command("repair", "--stream", "directoryAudits")
		require.Equal(t, exitDiffers, code, "%s %s", out, errs)
		require.Contains(t, out, "the archive is not what was sealed: ")
		status, answer := p.ask(http.MethodPost, "/api/repair", `{"stream":"directoryAudits"}`)
		require.Equal(t, http.StatusConflict, status)
		require.Equal(t, "tampered", answer["error"].(map[string]any)["code"])
	})
	t.Run("what can't be understood is refused", func(t *testing.T) {
		for body, want := range map[string]int{``: 400, `{}`: 400, `{"streams":["directoryAudits"]}`: 400, `[`: 400,
			`{"stream":"x"}`: 404, `{"stream":"signIns.managedIdentity"}`: 404} {
			status, answer := p.ask(http.MethodPost, "/api/repair", body)
			require.Equal(t, want, status, "%s: %v", body, answer)
		}
		for path, want := range map[string]int{"/api/repair": 400, "/api/repair?stream=x": 404,
			"/api/repair?stream=provisioning&x=1": 400, "/api/repair/nothing": 404} {
			status, answer := p.ask(http.MethodGet, path, "")
			require.Equal(t, want, status, "%s: %v", path, answer)
		}
		code, _, errs := s.command("repair")
		require.Equal(t, 1, code)
		require.Contains(t, errs, "read --stream")
	})
}
