package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/importing/runs"
	"github.com/entraledger/entraledger/internal/logs"
)

// importable is a system whose tenant has been read once, so that the archive knows whose it is.
func importable(t *testing.T) (*system, *process) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 5, Users: 5, Days: 1}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = "directoryAudits,signIns.interactiveUser", "20d"
	p := s.start()
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	return s, p
}

// past is n audits and n sign-ins of some hours long before the tenant's logs begin.
func past(n int) (out []keptfiles.Record) {
	for i := range n {
		at := time.Date(2024, 2, 1+i%20, (i*5)%24, i%60, 7, 0, time.UTC).Format(time.RFC3339)
		out = append(out, keptfiles.Record{Stream: logs.DirectoryAudits, Raw: fmt.Appendf(nil,
			`{"id":"past-%d","activityDateTime":%q,"activityDisplayName":"Update user",`+
				`"category":"UserManagement","result":"success"}`, i, at)},
			keptfiles.Record{Stream: logs.SignInsInteractiveUser, Raw: fmt.Appendf(nil,
				`{"id":"past-%d","createdDateTime":%q,"userId":"u","status":{"errorCode":50126},`+
					`"signInEventTypes":["interactiveUser"]}`, i, at)})
	}
	return out
}

// ours are the records as diagnostic settings of the simulated tenant wrote them.
func ours(records []keptfiles.Record) []byte {
	return []byte(strings.ReplaceAll(string(keptfiles.Envelopes(records)), keptfiles.Tenant, simtenant.ID))
}

func kept(t *testing.T, name string, body []byte) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, body, 0o600))
	return path
}

// imports is what an import's summary says.
type imports struct {
	Files []runs.Summary
	Total runs.Totals
}

func summary(t *testing.T, text string) (out imports) {
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}

// TestAnOperatorBringsThePastIn: the records are answered, the coverage calls their hours imported,
// everything is verified, and a proof names the file.
func TestAnOperatorBringsThePastIn(t *testing.T) {
	s, p := importable(t)
	file := kept(t, "PT1H.json", ours(past(20)))
	code, out, errs := s.command("import", "--json", "--spool", t.TempDir(), "--by", "ann", file)
	require.Zero(t, code, "%s\n%s", out, errs)
	got := summary(t, out)
	require.EqualValues(t, 40, got.Total.Added)
	require.Len(t, got.Files, 1)

	found := pages(t, p.url+"/api/auditLogs/directoryAudits?$filter="+
		"activityDateTime+ge+2024-02-01T00:00:00Z+and+activityDateTime+lt+2024-03-01T00:00:00Z", "")
	require.Len(t, found, 20)
	code, out, errs = s.command("verify", "--stream", "directoryAudits", "--from", "2024-02-01T00:00:00Z")
	require.Zero(t, code, "%s\n%s", out, errs)
	code, out, errs = s.command("prove", "--stream", "directoryAudits", "--id", "past-3", "--time",
		"2024-02-04T15:03:07Z")
	require.Zero(t, code, errs)
	require.Contains(t, out, got.Files[0].SHA256)
	proof := kept(t, "proof.json", []byte(out))
	code, out, errs = s.command("check-proof", proof)
	require.Zero(t, code, "%s\n%s", out, errs)

	code, out, _ = s.command("import", "--spool", t.TempDir(), "--by", "ann", file)
	require.Zero(t, code)
	require.Contains(t, out, "0 added, 40 present")
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", answer)
}

// TestAnImportIsRefusedBeforeItAddsAnything where the file is not the tenant's, nothing says whose
// it is, or the archive does not know whose it is itself.
func TestAnImportIsRefusedBeforeItAddsAnything(t *testing.T) {
	file := kept(t, "PT1H.json", keptfiles.Envelopes(past(2)))
	fresh := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 5, Users: 5, Days: 1}})
	code, _, errs := fresh.command("import", file)
	require.Equal(t, 1, code)
	require.Contains(t, errs, "the archive does not say yet of which tenant it is")
	s, _ := importable(t)
	was, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Equal(t, simtenant.ID, was.Tenant)
	for want, args := range map[string][]string{
		"names tenant " + keptfiles.Tenant:          {file},
		"--tenant names tenant " + keptfiles.Tenant: {"--tenant", keptfiles.Tenant, file},
		"do not say of which tenant":                {kept(t, "p.json", keptfiles.Portal(past(2)))},
		"give the tenant's id in full":              {"--tenant", "contoso", file},
		"unknown format":                            {"--format", "xml", file},
		"unknown stream":                            {"--log", "x", file},
		"name them":                                 nil,
		"no such file":                              {"/nowhere/x.json"},
	} {
		code, _, errs := s.command(append([]string{"import", "--spool", t.TempDir()}, args...)...)
		require.Equal(t, 1, code, want)
		require.Contains(t, errs, want)
	}
	is, err := s.store.Progress(t.Context(), logs.DirectoryAudits)
	require.NoError(t, err)
	require.Equal(t, was, is)
	code, out, errs := s.command("import", "--spool", t.TempDir(), "--tenant", strings.ToUpper(simtenant.ID), "--by",
		"ann",
		kept(t, "half.json", keptfiles.Portal(past(2))[:700]))
	require.Equal(t, exitDiffers, code, errs)
	require.Contains(t, out, "NOT WHOLE")
	code, _, errs = s.command("import", "--help")
	require.Zero(t, code)
	require.Contains(t, errs, "-tenant id")
}

// TestWhatGraphGaveIsPresentInItsOtherForms: the same records out of diagnostic settings, with
// seven digits of a second, add nothing. What was missing of an hour that was read and sealed is
// added to it, and the archive is intact.
func TestWhatGraphGaveIsPresentInItsOtherForms(t *testing.T) {
	s, p := importable(t)
	was := pages(t, p.url+"/api/auditLogs/directoryAudits", "")
	require.NotEmpty(t, was)
	var all []keptfiles.Record
	for _, text := range was {
		rec, err := logs.ParseRecord(logs.DirectoryAudits, []byte(text))
		require.NoError(t, err)
		// Graph's audits have fractions of a second, which other forms write otherwise.
		digits := rec.Time.Truncate(time.Second).Add(1234567 * 100 * time.Nanosecond).
			Format("2006-01-02T15:04:05.0000000-07:00")
		var members map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &members))
		members["activityDateTime"] = digits
		raw, err := json.Marshal(members)
		require.NoError(t, err)
		all = append(all, keptfiles.Record{Stream: logs.DirectoryAudits, Raw: raw})
	}
	code, out, errs := s.command("import", "--json", "--spool", t.TempDir(), "--by", "ann",
		kept(t, "PT1H.json", ours(all)))
	require.Zero(t, code, errs)
	got := summary(t, out).Total
	require.EqualValues(t, len(was), got.Present)
	require.Zero(t, got.Added)
	require.ElementsMatch(t, was, pages(t, p.url+"/api/auditLogs/directoryAudits", ""))

	first, err := logs.ParseRecord(logs.DirectoryAudits, []byte(was[0]))
	require.NoError(t, err)
	missing := keptfiles.Record{Stream: logs.DirectoryAudits, Raw: fmt.Appendf(nil,
		`{"id":"missing","activityDateTime":%q,"activityDisplayName":"Update user","result":"success"}`,
		first.Time.Format(time.RFC3339Nano))}
	code, _, errs = s.command("import", "--spool", t.TempDir(), "--by", "ann",
		kept(t, "more.json", ours([]keptfiles.Record{missing})))
	require.Zero(t, code, errs)
	require.Len(t, pages(t, p.url+"/api/auditLogs/directoryAudits", ""), len(was)+1)
	code, out, errs = s.command("verify", "--stream", "directoryAudits")
	require.Zero(t, code, "%s\n%s", out, errs)
}
