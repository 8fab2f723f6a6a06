//go:build madeuplog

package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
)

const printJobs entra.Stream = "printJobs"

// printed is the time of the made-up log's first record. Every 50 minutes there is another one, for
// four days.
var printed = time.Date(2026, 10, 25, 0, 10, 0, 123_456_700, time.UTC)

const printedJobs = 116

// printouts are the records. The category is a slip of the pen away from one of the audit log's.
func printouts() []string {
	out := make([]string, printedJobs)
	for i := range out {
		code, outcome := 0, "done"
		if i%4 == 3 {
			code, outcome = 7, "jammed"
		}
		sheets := []string{`{"number":1,"side":"front"}`, `{"number":2,"side":"back"}`}[:i%3]
		out[i] = fmt.Sprintf(`{"id":"job-%03d","printedDateTime":%q, "category":"UserManagment","pageCount":%d,`+
			`"user":{"id":"user-%d","principalName":"user%[4]d@printing.example"},"printer":{"id":"printer-%d","name":"Floor %[5]d"},`+
			`"status":{"errorCode":%[6]d,"outcome":%[7]q},"sheets":[%[8]s]}`,
			i, printed.Add(time.Duration(i)*50*time.Minute).Format(time.RFC3339Nano), i%10, i%5, i%7, code, outcome,
			strings.Join(sheets, ","))
	}
	return out
}

// have counts the records that have a value in a property.
func have(path, value string) func(gjson.Result) bool {
	return func(r gjson.Result) bool { return r.Get(path).String() == value }
}

// printoutsWhere are the records of which a condition holds.
func printoutsWhere(holds func(gjson.Result) bool) []string {
	return slices.DeleteFunc(printouts(), func(raw string) bool { return !holds(gjson.Parse(raw)) })
}

// printing is the tenant that has the made-up log, and the app that archives it.
type printing struct {
	*system
	p *process
}

func newPrinting(t *testing.T) printing {
	folder := t.TempDir()
	records := strings.Join(printouts(), "\n") + "\n"
	require.NoError(t, os.WriteFile(filepath.Join(folder, string(printJobs)+".jsonl"), []byte(records), 0o600))
	s := newSystem(t, simtenant.Config{Records: folder, Retention: 60 * 24 * time.Hour})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_BACKFILL"] = "printJobs", "20d"
	s.env["ARCHIVE_RETENTION"], s.env["ARCHIVE_HOLD"] = "forever,printJobs=35d", "printJobs=2026-01-01/2026-01-31"
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.tenant.Freeze(printed.AddDate(0, 0, 16)) // so that all of its month is old enough to be sealed
	return printing{s, s.start()}
}

// fire invokes a timer and gives what it logs.
func (s printing) fire(timer string) string {
	status, body, err := s.p.invoke(timer)
	require.NoError(s, err)
	require.Equal(s, http.StatusOK, status, "%v", body)
	return fmt.Sprint(body["Logs"])
}

// find asks the log.
func (s printing) find(query ...string) []string {
	asked := url.Values{"$top": {"1000"}}
	for i := 0; i < len(query); i += 2 {
		asked.Set(query[i], query[i+1])
	}
	return pages(s.T, s.p.url+"/api/auditLogs/printJobs?"+asked.Encode(), "")
}

// run carries out a command of the handler, and gives what it writes.
func (s printing) run(args ...string) string {
	var out, errs bytes.Buffer
	require.Zero(s, command(s.Context(), args, s.environ, &out, &errs), "%v: %s%s", args, &out, &errs)
	return out.String()
}

// TestTheMadeUpLog goes all the way of a log, through everything that asks package logs for its
// description. TestALogTakesOneFileAndOneLine runs it.
func TestTheMadeUpLog(t *testing.T) {
	s := newPrinting(t)
	for range 2 { // the first run reads, the second one seals
		s.fire("archivelogs")
	}
	s.requireArchived(printJobs)
	for _, part := range []struct {
		name string
		see  func(printing, *testing.T)
	}{
		{"it is collected as its description says", printing.seeCollected},
		{"it is sealed, verified and proved", printing.seeSealed},
		{"it is read back in Graph's language", printing.seeRead},
		{"a bad question is refused in its words", printing.seeRefused},
		{"it is grouped", printing.seeGrouped},
		{"its files are downloaded", printing.seeDownloaded},
		{"it is indexed", printing.seeIndexed},
		{"its successes are signs of life", printing.seeSignsOfLife},
		{"its permissions are looked for", printing.seePermissions},
		{"it is purged", printing.seePurged},
	} {
		t.Run(part.name, func(t *testing.T) {
			s.T, s.p.T = t, t
			part.see(s, t)
		})
	}
}

func (s printing) seeCollected(t *testing.T) {
	asked := s.tenant.Requests()
	require.NotEmpty(t, asked)
	for _, r := range asked {
		require.Equal(t, printJobs, r.Stream)
	}
	query, err := url.ParseQuery(asked[0].Query)
	require.NoError(t, err)
	require.Regexp(t, `printedDateTime gt \S+ and printedDateTime lt `, query.Get("$filter"))
	require.Equal(t, "printedDateTime asc", query.Get("$orderby"))
	for cov, err := range s.store.Windows(t.Context(), printJobs, printed, printed.Add(time.Hour)) {
		require.NoError(t, err)
		require.Equal(t, []any{entra.FormBeta, 2}, []any{cov.Form, cov.ColumnSet})
	}
	_, answer := s.p.ask(http.MethodPost, "/api/collect",
		`{"streams":["printJobs"],"from":"2026-10-25T00:00:00Z","to":"2026-10-26T00:00:00Z"}`)
	require.Equal(t, "done", answer["status"], "%v", answer)
	again := answer["value"].([]any)[0].(map[string]any)
	require.EqualValues(t, 29, again["unchanged"], "%v", again)
}

func (s printing) seeSealed(t *testing.T) {
	rows := s.p.coverage()
	require.Len(t, rows, 1)
	row := rows[0]
	require.Equal(t, []any{"printJobs", true, "current"}, []any{row["stream"], row["collected"], row["status"]})
	require.Equal(t, []any{float64(printedJobs), 0.0}, []any{row["records"], row["windowsMissing"]})
	require.GreaterOrEqual(t, row["settledUntilDateTime"], "2026-11-01")
	_, _, hours := s.p.get("/api/coverage/printJobs?$top=1000&from=2026-10-25T00:00:00Z&to=2026-10-29T00:00:00Z")
	require.Len(t, hours["value"], 96)
	for _, hour := range hours["value"].([]any) {
		require.Equal(t, "settled", hour.(map[string]any)["status"], "%v", hour)
	}
	_, answer := s.p.ask(http.MethodGet, "/api/verify?stream=printJobs", "")
	require.Equal(t, []any{"intact", float64(printedJobs)}, []any{answer["status"], answer["recordsVerified"]}, "%v",
		answer)
	require.Contains(t, s.run("verify", "--stream", "printJobs"), "log      printJobs: ")
	job := gjson.Parse(printouts()[7])
	proof := s.run("prove", "--stream", "printJobs", "--id", job.Get("id").Str, "--time",
		job.Get("printedDateTime").Str)
	file := filepath.Join(t.TempDir(), "proof.json")
	require.NoError(t, os.WriteFile(file, []byte(proof), 0o600))
	require.Contains(t, s.run("check-proof", file), "proved: ")
	require.Equal(t, job.Raw, gjson.Get(proof, "record").Str, "byte for byte")
}

func (s printing) seeRead(t *testing.T) {
	noon := time.Date(2026, 10, 26, 12, 0, 0, 0, time.UTC)
	for filter, want := range map[string]func(gjson.Result) bool{
		"status/outcome eq 'jammed'": have("status.outcome", "jammed"), // promoted
		"status/errorCode ne 0 and printer/id eq 'printer-3'": func(r gjson.Result) bool {
			return r.Get("status.errorCode").Num != 0 && r.Get("printer.id").Str == "printer-3"
		},
		"status/outcome eq 'done'":               have("status.outcome", "done"), // without a copy
		"startswith(user/principalName,'user2')": have("user.id", "user-2"),      // nested, not promoted
		"sheets/any(s: s/side eq 'back') and pageCount gt 4": func(r gjson.Result) bool {
			return r.Get("sheets.#").Int() == 2 && r.Get("pageCount").Num > 4
		},
		// its words are not the audit log's
		"category eq 'UserManagment'": func(gjson.Result) bool { return true },
		"printedDateTime ge 2026-10-26T12:00:00Z and printedDateTime lt 2026-10-26T18:00:00Z": func(r gjson.Result) bool {
			at := r.Get("printedDateTime").Time()
			return !at.Before(noon) && at.Before(noon.Add(6*time.Hour))
		},
	} {
		records := printoutsWhere(want)
		require.NotEmpty(t, records)
		require.Equal(t, records, s.find("$filter", filter, "$orderby", "printedDateTime asc"), filter)
		slices.Reverse(records)
		require.Equal(t, records, s.find("$filter", filter), "%s: the newest first", filter)
	}
	require.Equal(t, `{"id":"job-115","printer":{"id":"printer-3","name":"Floor 3"}}`,
		s.find("$select", "id,printer")[0])
	_, body := s.p.raw("/api/auditLogs/printJobs/job-007")
	require.Equal(t, printouts()[7], string(body))
	_, _, answer := s.p.get("/api/beta/auditLogs/printJobs?$count=true&$top=1")
	require.EqualValues(t, printedJobs, answer["@odata.count"])
	const scan = "scan; quicker with a begin of the time in $filter, or with eq or in on one of: id, printer/id"
	for filter, header := range map[string]string{"category eq 'x'": scan,
		"category eq 'x' and printer/id eq 'printer-1'": ""} {
		resp, _ := s.p.raw("/api/auditLogs/printJobs?$filter=" + url.QueryEscape(filter))
		require.Equal(t, header, resp.Header.Get("X-EntraLedger-Search"), filter)
	}
}

func (s printing) seeRefused(t *testing.T) {
	for query, want := range map[string]string{
		"$filter=staus/outcome eq 'done'":                          "did you mean status?",
		"$filter=status/outcom eq 'done'":                          "did you mean outcome?",
		"$filter=createdDateTime ge 2026-11-01":                    "did you mean printedDateTime?",
		"$filter=pageCount eq 'many'":                              "pageCount",
		"$filter=signInEventTypes/any(t: t eq 'servicePrincipal')": "there is no property signInEventTypes",
		"$orderby=activityDateTime":                                "one of printedDateTime",
		"$select=pagecount":                                        "did you mean pageCount?",
	} {
		name, value, _ := strings.Cut(query, "=")
		status, _, answer := s.p.get("/api/auditLogs/printJobs?" + url.Values{name: {value}}.Encode())
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Contains(t, answer["error"].(map[string]any)["message"], want, query)
	}
	status, _, answer := s.p.get("/api/auditLogs/printers")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, answer["error"].(map[string]any)["message"], "printJobs")
}

func (s printing) seeGrouped(t *testing.T) {
	count := 0.0
	for _, raw := range s.find("aggregate", "24h") {
		g := gjson.Parse(raw)
		day, err := time.Parse(time.RFC3339, g.Get("aggregatedStartDateTime").Str)
		require.NoError(t, err)
		want := printoutsWhere(func(r gjson.Result) bool {
			return r.Get("printedDateTime").Time().Truncate(24*time.Hour).Equal(day) &&
				r.Get("printer.name").Str == g.Get("name").Str && r.Get("status.errorCode").Num == g.Get("errorCode").
				Num
		})
		require.EqualValues(t, len(want), g.Get("count").Num, raw)
		require.LessOrEqual(t, g.Get("firstDateTime").Str, g.Get("lastDateTime").Str)
		count += g.Get("count").Num
	}
	require.EqualValues(t, printedJobs, count)
}

func (s printing) seeDownloaded(t *testing.T) {
	files, sheets := [][]string{{"Date (UTC)", "Job ID", "Printer", "Outcome"}}, [][]string{{"Job ID", "Sheet", "Side"}}
	for _, raw := range printouts() {
		r := gjson.Parse(raw)
		id := r.Get("id").Str
		files = append(files, []string{r.Get("printedDateTime").Str, id, r.Get("printer.name").Str,
			r.Get("status.outcome").Str})
		for _, sheet := range r.Get("sheets").Array() {
			sheets = append(sheets, []string{id, sheet.Get("number").Raw, sheet.Get("side").Str})
		}
	}
	for _, rows := range [][][]string{files, sheets} {
		for n := range rows { // the last column, about altered records
			rows[n] = append(rows[n], map[bool]string{true: "entraledger.tampered"}[n == 0])
		}
	}
	_, list := s.p.raw("/api/downloads")
	require.Equal(t, `["PrintJobs","PrintJobs_Sheets"]`, gjson.GetBytes(list, "value.#.name").Raw)
	for name, rows := range map[string][][]string{"PrintJobs": files, "PrintJobs_Sheets": sheets} {
		resp, body := s.p.download(name)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", body)
		got, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(body), "\ufeff"))).ReadAll()
		require.NoError(t, err)
		require.Equal(t, rows, got, name)
	}
	_, body := s.p.download("PrintJobs?format=ndjson&$filter=" + url.QueryEscape("status/outcome eq 'jammed'"))
	require.Equal(t, printoutsWhere(have("status.outcome", "jammed")), strings.Split(strings.TrimSpace(string(body)),
		"\n"))
}

func (s printing) seeIndexed(t *testing.T) {
	require.Regexp(t, `[1-9]\d* days indexed with [1-9]\d* values`, s.fire("indexarchive"))
	require.Contains(t, s.run("reindex", "--stream", "printJobs"), "printJobs: 0 days indexed", "the timer did it")
	service, err := aztables.NewServiceClientFromConnectionString(s.env["ARCHIVE_STORAGE"], nil)
	require.NoError(t, err)
	row, err := service.NewClient("index202610").GetEntity(t.Context(), "printJobs", "PrinterId!printer-0!25", nil)
	require.NoError(t, err)
	require.NotZero(t, gjson.GetBytes(row.Value, "Hours").Num)
	want := printoutsWhere(have("printer.id", "printer-5"))
	require.Equal(t, want, s.find("$filter", "printer/id eq 'printer-5'", "$orderby", "printedDateTime"))
}

func (s printing) seeSignsOfLife(t *testing.T) {
	n := 0
	require.NoError(t, s.store.Successes(t.Context(), "printJobs", printed, printed.AddDate(0, 0, 5),
		func(user string, _ time.Time) {
			require.Regexp(t, `^user-\d$`, user)
			n++
		}))
	require.Len(t, printoutsWhere(have("status.errorCode", "0")), n)
}

func (s printing) seePermissions(t *testing.T) {
	_, checks := s.p.checks()
	for _, name := range []string{"permission PrintJob.Read.All", "permission Printer.Read.All", "stream printJobs",
		"licence"} {
		require.Equal(t, "ok", checks[name]["status"], "%s: %v", name, checks[name])
	}
	require.NotContains(t, checks, "permission PrintJob.ReadBasic.All")
	require.NotContains(t, checks, "permission Policy.Read.ConditionalAccess", "no stream asks for it")
	for _, name := range []string{"PrintJob.Read.All", "Printer.Read.All"} {
		s.tenant.Revoke(name, true)
	}
	p := s.start() // a process keeps its token
	defer p.kill()
	_, checks = p.checks()
	needed, optional := checks["permission PrintJob.Read.All"], checks["permission Printer.Read.All"]
	require.Equal(t, []any{"failed", "permissionMissing"}, []any{needed["status"], needed["code"]})
	require.Equal(t, []any{"limited", "Graph leaves the names out"}, []any{optional["status"], optional["consequence"]})
	require.Equal(t, "permissionMissing", checks["stream printJobs"]["code"])
	require.Contains(t, checks["stream printJobs"]["detail"], "PrintJob.Read.All (or PrintJob.ReadBasic.All)")
}

// seePurged is after the log is not collected any more: what there is of it is known from its
// ledger.
func (s printing) seePurged(t *testing.T) {
	s.p.kill()
	s.env["ARCHIVE_STREAMS"] = "directoryAudits"
	s.p = s.start()
	require.Len(t, s.find(), printedJobs)
	_, _, answer := s.p.get("/api/auditLogs/directoryAudits?aggregate=1h")
	require.Contains(t, answer["error"].(map[string]any)["message"], "printJobs are grouped")
	service, err := aztables.NewServiceClientFromConnectionString(s.env["ARCHIVE_STORAGE"], nil)
	require.NoError(t, err)
	table := service.NewClient("printedjobs202610")
	first := func() error {
		_, err := table.GetEntity(t.Context(), "2026-10-25T00", "2026-10-25T00:10:00.1234567Z_job-000", nil)
		return err
	}
	require.NoError(t, first())
	s.tenant.Freeze(printed.AddDate(0, 0, 70))
	require.Contains(t, s.fire("purgearchive"), "dropped 2026-10 of printJobs")
	require.ErrorContains(t, first(), "TableNotFound")
	resp, _ := s.p.raw("/api/auditLogs/printJobs")
	require.Contains(t, resp.Header.Get("X-EntraLedger-Gaps"), "ARCHIVE_RETENTION of printJobs is 35 days")
}
