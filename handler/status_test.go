package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestTheTerminalSaysWhatNeedsSomebody: of an archive that is new, whole, without a licence and
// tampered with, the same as the answer over HTTP, with an exit code for scripts.
func TestTheTerminalSaysWhatNeedsSomebody(t *testing.T) {
	s := newSystem(t, simtenant.Config{Retention: 30 * 24 * time.Hour,
		Generate: &generate.Config{Seed: 5, Users: 20, Days: 2}})
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.interactiveUser"
	s.env["ARCHIVE_BACKFILL"] = "2d"
	code, out, errs := s.command("status")
	require.Equal(t, exitSomebody, code, "an archive that was never read is not whole: %s\n%s", out, errs)
	require.Regexp(t, `directoryAudits +notStarted +0 records`, out)
	require.Regexp(t, `warning +the archive: no log was read yet`, out)

	s.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: logs.SignInsInteractiveUser})
	p := s.start()
	_, _, err := p.fire()
	require.NoError(t, err)
	over := func(code int) {
		status, answer := p.ask(http.MethodGet, "/api/status", "")
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, code == 0, answer["needsNobody"], "%v", answer)
		got, text, errs := s.command("status", "--json")
		require.Equal(t, code, got, "%s\n%s", text, errs)
		require.Equal(t, code == 0, gjson.Get(text, "needsNobody").Bool())
		needs, err := json.Marshal(answer["value"])
		require.NoError(t, err)
		require.JSONEq(t, string(needs), gjson.Get(text, "needs").Raw, "HTTP says the same")
		require.EqualValues(t, 2, gjson.Get(text, "logs.#").Int())
	}
	code, out, _ = s.command("status")
	require.Equal(t, exitSomebody, code, out)
	require.Regexp(t, `error +signIns.interactiveUser: `, out)
	require.Contains(t, out, "to do: this log takes a Microsoft Entra ID P1 or P2 licence")
	require.Contains(t, out, "1 thing needs somebody")
	over(exitSomebody)

	s.tenant.ClearFaults()
	for range 2 {
		status, answer, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", answer)
	}
	code, out, errs = s.command("status")
	require.Zero(t, code, "%s\n%s", out, errs)
	require.Regexp(t, `directoryAudits +current +complete until 20\S+Z, [1-9]\d* records`, out)
	require.Regexp(t, `signIns.interactiveUser +current`, out)
	require.Contains(t, out, "nothing needs somebody")
	require.NotContains(t, out, "licenceMissing", "that is over")
	over(0)
	status, answer := p.ask(http.MethodGet, "/api/runs?function=archivelogs", "")
	require.Equal(t, http.StatusOK, status, "%v", answer)
	require.Len(t, answer["value"], 3)

	_, err = s.tables().service.NewClient("coverage").DeleteEntity(t.Context(), "directoryAudits", "progress", nil)
	require.NoError(t, err)
	code, out, _ = s.command("status")
	require.Equal(t, exitSomebody, code, out)
	require.Regexp(t, `error +directoryAudits: .*row progress`, out)
	require.Contains(t, out, "1 thing needs somebody")
	over(exitSomebody)

	code, _, errs = s.command("status", "--no-such-flag")
	require.Equal(t, exitNotAsked, code, errs)
	code, _, errs = s.command("status", "json")
	require.Equal(t, exitNotAsked, code, errs)
	code, _, errs = s.command("status", "--help")
	require.Zero(t, code, errs)
	s.env["ARCHIVE_STORAGE"] = "UseNonsense=true"
	code, _, errs = s.command("status")
	require.Equal(t, exitNotAsked, code)
	require.Contains(t, errs, "ARCHIVE_STORAGE")
}
