package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/dev/memstorage/memtest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// archiveV1 is an archive that an earlier version wrote, as memstorage's Dump has it: two logs with
// sealed hours, heads and index, a month that was purged, time that was lost, a record that
// changed, one in quarantine, and a snapshot of the directory. Archives like it are in use, so it
// is never rewritten: its readers must continue to read it. A new form of rows gets its own file
// beside it, which
//
//	WRITE_ARCHIVE=testdata/archive-v2.txt.gz go test ./handler -run TestAnArchiveOfBefore
//
// writes. Its answers may be recorded again, by RECORD=1, if answers are to change.
const (
	archiveV1        = "testdata/archive-v1.txt.gz"
	archiveV1Answers = "testdata/archive-v1"
)

// archiveV1Tenant is the tenant of that archive. It keeps what it logs for a day.
func archiveV1Tenant(t *testing.T) *simtenant.Tenant {
	made := generate.Config{Seed: 61, Users: 4, Apps: 2, Days: 39, End: recordedEnd.AddDate(0, 0, 1),
		Exactly: map[entra.Stream]int{logs.DirectoryAudits: 39 * 3, logs.SignInsInteractiveUser: 39 * 6}}
	tenant, err := simtenant.New(simtenant.Config{NoGzip: true, Retention: 24 * time.Hour, Generate: &made})
	require.NoError(t, err)
	for _, a := range []struct{ id, at string }{
		{"Audit_old_0001", "2026-08-31T15:20:00.1234567Z"}, {changedID, "2026-10-06T09:15:00.1Z"},
	} {
		require.NoError(t, tenant.Add(logs.DirectoryAudits, auditOf(a.id, a.at, "Add user", "success"), time.Time{}))
	}
	return tenant
}

// writeArchive plays what the archive holds.
func (r *recorder) writeArchive() {
	r.env["ARCHIVE_STREAMS"] = "directoryAudits"
	r.env["ARCHIVE_BACKFILL"], r.env["ARCHIVE_RETENTION"], r.env["ARCHIVE_PASSES"] = "6h", "36d", "1h,6h"
	r.start()
	r.timer("archivelogs")
	r.until(time.Date(2026, 10, 6, 12, 10, 0, 0, time.UTC))
	r.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.interactiveUser"
	r.start()
	broken := true
	r.spoil = func(path string, body []byte) []byte {
		if broken && strings.HasSuffix(path, "/auditLogs/directoryAudits") &&
			!bytes.Contains(body, []byte(`"value":[]`)) {
			broken = false
			body = bytes.Replace(body, []byte(`"value":[`), []byte(`"value":[{"activityDisplayName":"it has no id"},`),
				1)
		}
		return body
	}
	r.timer("archivelogs")
	changed := auditOf(changedID, "2026-10-06T09:15:00.1Z", "Add user", "failure")
	require.Equal(r, 1, r.tenant.Change(logs.DirectoryAudits, changedID, changed))
	r.until(time.Date(2026, 10, 6, 18, 10, 0, 0, time.UTC))
	r.timer("archivelogs")
	r.until(time.Date(2026, 10, 7, 4, 20, 0, 0, time.UTC))
	for _, timer := range []string{"archivelogs", "snapshotdirectory", "purgearchive", "indexarchive"} {
		r.timer(timer)
	}
}

// TestAnArchiveOfBeforeIsReadAndGoesOn asks for what an earlier version wrote, verifies it, and has
// the archive continue from there.
func TestAnArchiveOfBeforeIsReadAndGoesOn(t *testing.T) {
	if path := os.Getenv("WRITE_ARCHIVE"); path != "" {
		writeArchive(t, path)
	}
	synctest.Test(t, func(t *testing.T) {
		r := openArchiveV1(t)
		r.file("answers.txt")
		r.all("/api/coverage", "/api/coverage/directoryAudits?$top=1000&$format=csv",
			"/api/coverage/signIns.interactiveUser?status=lost&$top=1",
			auditsAt+"?$select=id,activityDateTime,result&$count=true", auditsAt+"/"+changedID,
			auditsAt+"/Audit_old_0001",
			auditsAt+"?versions=all&$filter=id eq '"+changedID+"'", signInsAt+"?$top=1000&$count=true",
			signInsAt+"?$filter=userPrincipalName ne null and createdDateTime ge 2026-10-06T12:00:00Z"+
				"&$select=id,userPrincipalName",
			"/api/downloads/AuditLogs", "/api/downloads/InteractiveSignIns?format=ndjson",
			"/api/inactive-users?state=all&days=1",
			"/api/inactive-users/summary", "/api/expiring-credentials?state=all", "/api/snapshot", "/api/purge",
			"/api/cost",
			"/api/verify/proof?stream=directoryAudits&id="+changedID+"&dateTime=2026-10-06T09:15:00.1Z")
		requireWhole(t, r.job("GET", "/api/verify", ""))
		for _, timer := range []string{"archivelogs", "snapshotdirectory", "purgearchive", "indexarchive"} {
			r.timer(timer)
		}
		r.file("answers.txt")
		requireWhole(t, r.job("GET", "/api/verify", ""))
		r.settle()
	})
}

// requireWhole wants a verification to have looked at hours and records, and found nothing.
func requireWhole(t *testing.T, got answered) {
	require.Equal(t, "intact", gjson.Get(got.body, "status").Str, got.body)
	require.Empty(t, gjson.Get(got.body, "value").Array(), got.body)
	require.Greater(t, gjson.Get(got.body, "windowsVerified").Int(), int64(20))
	require.Greater(t, gjson.Get(got.body, "recordsVerified").Int(), int64(10))
	require.NotEmpty(t, gjson.Get(got.body, "purges").Array())
}

// openArchiveV1 starts the program on the archive, a day after it was written last. It is called in
// a bubble.
func openArchiveV1(t *testing.T) *recorder {
	r := newRecorder(t, archiveV1Answers, archiveV1Tenant)
	require.NoError(t, r.account.Load(strings.NewReader(archiveV1Dump(t))))
	r.until(time.Date(2026, 10, 7, 20, 0, 0, 0, time.UTC))
	r.env["ARCHIVE_STREAMS"], r.env["ARCHIVE_RETENTION"] = "directoryAudits,signIns.interactiveUser", "36d"
	r.start()
	return r
}

// archiveV1Dump is the archive's lines.
func archiveV1Dump(t *testing.T) string {
	file, err := os.Open(archiveV1)
	require.NoError(t, err)
	defer file.Close()
	lines, err := gzip.NewReader(file)
	require.NoError(t, err)
	text, err := io.ReadAll(lines)
	require.NoError(t, err)
	return string(text)
}

// writeArchive makes an archive as this version writes it.
func writeArchive(t *testing.T, path string) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t, archiveV1Answers, archiveV1Tenant)
		r.writeArchive()
		var out bytes.Buffer
		lines, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		require.NoError(t, err)
		require.NoError(t, r.account.Dump(lines))
		require.NoError(t, lines.Close())
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o644))
		t.Log(r.files["timers.txt"].short.String())
	})
}

// TestTheCommandVerifiesAnArchiveOfBefore and finds a byte that was changed in each kind of its
// rows.
func TestTheCommandVerifiesAnArchiveOfBefore(t *testing.T) {
	whole := archiveV1Dump(t)
	code, says := verifyDump(t, whole)
	require.Zero(t, code, says)
	require.Contains(t, says, "intact: what is sealed is what is stored")
	require.Contains(t, says, "purged")
	for name, c := range map[string]struct{ table, key, column string }{
		"a record":          {"signinsinteractive202610", "", "Record"},
		"a record's hash":   {"directoryaudits202610", changedID, "Hash"},
		"a version":         {"directoryaudits202610", "!v", "Record"},
		"a ledger's hour":   {"coverage", "2026-10-06T09", "Sum"},
		"a seal":            {"coverage", "seal!0000000003", "Root"},
		"a seal's leaves":   {"leaves202610", "", ""},
		"an index's row":    {"index202610", "", ""},
		"a snapshot's user": {"snapshot20261007T042019Z", "2026-07-09T00:14:31", ""},
		"a dictionary":      {"dictionaries", "", "Dictionary"},
	} {
		t.Run(name, func(t *testing.T) {
			code, says := verifyDump(t, flipped(t, whole, c.table, c.key, c.column))
			require.Equal(t, exitDiffers, code, says)
			require.Contains(t, says, "DIFFERS")
		})
	}
}

// verifyDump runs handler verify on an archive.
func verifyDump(t *testing.T, dump string) (int, string) {
	account := memstorage.New(time.Now)
	require.NoError(t, account.Load(strings.NewReader(dump)))
	env := map[string]string{"ARCHIVE_STORAGE": memtest.Serve(t, account), "ARCHIVE_STREAMS": "directoryAudits"}
	var stdout, stderr bytes.Buffer
	code := command(t.Context(), []string{"verify"}, func(name string) string { return env[name] }, &stdout, &stderr)
	return code, stdout.String() + stderr.String()
}

// flipped is a dump of which one bit is another one: in a binary column of the first row of a table
// whose key has a text in it. No column: the longest binary one.
func flipped(t *testing.T, dump, table, key, column string) string {
	var out strings.Builder
	done := false
	for line := range strings.Lines(dump) {
		body, ok := strings.CutPrefix(line, "row "+table+" ")
		row := gjson.Parse(body)
		if !ok || done || !strings.Contains(row.Get("RowKey").Str, key) {
			out.WriteString(line)
			continue
		}
		of := column
		if of == "" {
			of = longestBinary(row)
		}
		content, err := base64.StdEncoding.DecodeString(row.Get(of).Str)
		require.NoError(t, err)
		require.NotEmpty(t, content, "column %q of %s", of, body)
		content[len(content)/2] ^= 1
		was, is := row.Get(of).Raw, new(strings.Builder)
		require.NoError(t, json.NewEncoder(is).Encode(content))
		fmt.Fprint(&out, strings.Replace(line, fmt.Sprintf(`"%s":%s`, of, was),
			fmt.Sprintf(`"%s":%s`, of, strings.TrimSpace(is.String())), 1))
		done = true
	}
	require.True(t, done, "table %s has no row with %q in its key", table, key)
	return out.String()
}

// longestBinary names the longest binary column of a row.
func longestBinary(row gjson.Result) (column string) {
	row.ForEach(func(name, v gjson.Result) bool {
		if row.Get(gjsonName(name.Str+"@odata.type")).Str == "Edm.Binary" && len(v.Str) > len(row.Get(column).Str) {
			column = name.Str
		}
		return true
	})
	return column
}
