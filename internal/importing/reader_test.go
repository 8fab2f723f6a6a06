package importing_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/importing"
	"github.com/entraledger/entraledger/internal/logs"
)

const signIn = `{"id":"s%d","createdDateTime":"2026-11-21T14:%02d:07Z","userId":"u1",
"userDisplayName":"Jos\u00e9 \"J\" {x}",
"ipAddress":"203.0.113.7","isInteractive":true,"appId":"a1","resourceId":"r1","riskEventTypes_v2":[],
"userType":"member",
"processingTimeInMilliseconds":112,"status":{"errorCode":50126,"failureReason":"Other.","additionalDetails":null},
"location":{"city":"Paris","countryOrRegion":"FR","geoCoordinates":{"latitude":48.9,"longitude":2.3}},
"signInEventTypes":["interactiveUser"],
"appliedConditionalAccessPolicies":[{"id":"p","conditionsSatisfied":"application,users",
"conditionsNotSatisfied":"none","result":"success"}]}`

const audit = `{"id":"Directory_x_%d","activityDateTime":"2026-11-21T15:%02d:10.9301252Z",
"activityDisplayName":"Update user","category":"UserManagement",
"loggedByService":"Core Directory","operationType":"Update","result":"success","initiatedBy":{"app":null,
"user":{"id":"u1","userPrincipalName":"a@contoso.example"}},
"targetResources":[{"id":"u2","type":"User","modifiedProperties":[{"displayName":"x","oldValue":"[\"a,b\"]",
"newValue":"\"é\""}]}]}`

const provisioned = `{"id":"p%d","activityDateTime":"2026-11-21T16:%02d:10Z","jobId":"j","cycleId":"c",
"changeId":"ch","provisioningAction":"create",
"provisioningStatusInfo":{"status":"success","errorInformation":null},"servicePrincipal":{"id":"sp",
"displayName":"Contoso"},
"sourceIdentity":{"id":"i","displayName":"n","identityType":"User","details":{}}}`

func compact(text string) []byte {
	var out bytes.Buffer
	if err := json.Compact(&out, []byte(text)); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// made are records of three logs, unsorted.
func made(n int) (out []keptfiles.Record) {
	for i := range n {
		out = append(out, keptfiles.Record{Stream: logs.SignInsInteractiveUser,
			Raw: compact(fmt.Sprintf(signIn, i, (i*7)%60))},
			keptfiles.Record{Stream: logs.DirectoryAudits, Raw: compact(fmt.Sprintf(audit, i, (i*11)%60))},
			keptfiles.Record{Stream: logs.Provisioning, Raw: compact(fmt.Sprintf(provisioned, i, (i*13)%60))})
	}
	return out
}

func without(records []keptfiles.Record, s entra.Stream) (out []keptfiles.Record) {
	for _, r := range records {
		if r.Stream != s {
			out = append(out, r)
		}
	}
	return out
}

// kept is an entry whose bytes are its own.
type kept struct {
	importing.Entry
	raw string
}

// read reads a file to its end, from a place; each is called after each entry.
func read(
	t *testing.T, file []byte, o importing.Options, from importing.Place, each func(*importing.Reader),
) ([]kept, error) {
	t.Helper()
	in, err := importing.Unpack(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	r, err := importing.NewReader(in, o, from)
	if err != nil {
		return nil, err
	}
	var out []kept
	for {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		out = append(out, kept{e, string(e.Record.Raw)})
		if each != nil {
			each(r)
		}
	}
}

// equal requires that each record is what Graph has, as far as the form has it: each member that
// was read is Graph's, with an equal value.
func equal(t *testing.T, want []keptfiles.Record, got []kept) {
	t.Helper()
	require.Len(t, got, len(want))
	for i, e := range got {
		require.Empty(t, e.Refused, e.Detail)
		require.Equal(t, want[i].Stream, e.Stream)
		rec, err := logs.ParseRecord(want[i].Stream, want[i].Raw)
		require.NoError(t, err)
		require.Equal(t, rec.Key, e.Record.Key)
		require.True(t, entra.Enriches([]byte(e.raw), want[i].Raw), "%s\n%s", e.raw, want[i].Raw)
	}
}

// TestEveryFormGivesGraphsRecords as far as it has them.
func TestEveryFormGivesGraphsRecords(t *testing.T) {
	all := made(40)
	for name, form := range keptfiles.Forms() {
		t.Run(name, func(t *testing.T) {
			want := all
			if name == "log-analytics" {
				want = without(all, logs.Provisioning)
			}
			for _, format := range []importing.Format{importing.AnyFormat, importing.Format(name)} {
				got, err := read(t, form(want), importing.Options{Format: format}, importing.Place{}, nil)
				require.NoError(t, err)
				equal(t, want, got)
				for i, e := range got {
					switch name {
					case "envelope", "capture", "log-analytics":
						require.Equal(t, keptfiles.Tenant, e.Tenant)
					default: // its bytes are the file's
						require.Empty(t, e.Tenant)
						require.JSONEq(t, string(want[i].Raw), e.raw)
						require.False(t, e.Changed)
					}
				}
			}
		})
	}
	t.Run("CSV", func(t *testing.T) {
		want := without(all, logs.Provisioning)
		got, err := read(t, keptfiles.CSV(want), importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err)
		equal(t, want, got)
	})
	t.Run("PowerShell", func(t *testing.T) {
		got, err := read(t, keptfiles.PowerShell(all), importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err)
		equal(t, all, got)
	})
}

// TestAFileIsReadOnFromAnyPlace as if it had been read at once.
func TestAFileIsReadOnFromAnyPlace(t *testing.T) {
	files := map[string][]byte{"CSV": keptfiles.CSV(without(made(10), logs.Provisioning)),
		"answer": answer(t, made(10))}
	for name, form := range keptfiles.Forms() {
		files[name] = form(without(made(10), logs.Provisioning))
	}
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			places := map[int]importing.Place{}
			n := 0
			whole, err := read(t, file, importing.Options{}, importing.Place{}, func(r *importing.Reader) {
				if n++; r.Between() {
					places[n] = r.Place()
				}
			})
			require.NoError(t, err)
			require.NotEmpty(t, places)
			for n, place := range places {
				text, err := json.Marshal(place)
				require.NoError(t, err)
				var back importing.Place
				require.NoError(t, json.Unmarshal(text, &back))
				rest, err := read(t, file, importing.Options{}, back, nil)
				require.NoError(t, err)
				require.Len(t, rest, len(whole)-n)
				for i, e := range rest {
					require.Equal(t, whole[n+i].raw, e.raw)
					require.Equal(t, whole[n+i].At, e.At)
				}
			}
		})
	}
}

// answer is the answer of Log Analytics to a query.
func answer(t *testing.T, records []keptfiles.Record) []byte {
	var columns []map[string]string
	var rows [][]any
	names := map[string]int{}
	for _, r := range without(records, logs.Provisioning) {
		row := keptfiles.Row(r)
		for name := range row {
			if _, ok := names[name]; !ok {
				names[name] = len(columns)
				columns = append(columns, map[string]string{"name": name, "type": "string"})
			}
		}
		values := make([]any, len(columns))
		for name, v := range row {
			values[names[name]] = v
		}
		rows = append(rows, values)
	}
	for i := range rows {
		rows[i] = append(rows[i], make([]any, len(columns)-len(rows[i]))...)
	}
	text, err := json.Marshal(map[string]any{"tables": []any{map[string]any{"columns": columns, "name": "PrimaryResult",
		"rows": rows}}})
	require.NoError(t, err)
	return text
}

// TestAFileThatWasCutAnywhere gives what is whole, says where it ends, and invents nothing.
func TestAFileThatWasCutAnywhere(t *testing.T) {
	records := without(made(2), logs.Provisioning)
	forms := keptfiles.Forms()
	forms["CSV"] = keptfiles.CSV
	for name, form := range forms {
		file := form(records)
		whole, err := read(t, file, importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err)
		known := map[string]bool{}
		for _, e := range whole {
			known[e.raw] = true
		}
		for end := 1; end < len(file); end += 5 {
			got, err := read(t, file[:end], importing.Options{}, importing.Place{}, nil)
			for _, e := range got {
				require.Empty(t, e.Refused, "%s cut at %d", name, end)
				require.True(t, known[e.raw], "%s cut at %d: %s", name, end, e.raw)
			}
			cut, isCut := errors.AsType[*importing.Cut](err)
			if isCut {
				require.LessOrEqual(t, cut.At, int64(end))
				continue
			}
			if entra.CodeOf(err) == entra.CodeBadRequest {
				require.Empty(t, got)
				continue
			}
			require.NoError(t, err)
			if name == "envelope" || name == "log-analytics" || name == "extractor" {
				continue // a file may end behind any line, and behind any list
			}
			require.True(t, len(got) < len(whole) && (name == "CSV" || name == "capture") || len(got) == len(whole),
				"%s cut at %d: %d of %d", name, end, len(got), len(whole))
		}
	}
}

// TestPackedAndWideFiles are read as what they hold.
func TestPackedAndWideFiles(t *testing.T) {
	want := made(5)
	file := keptfiles.Portal(want)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(file)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	wide := []byte{0xff, 0xfe}
	for _, c := range string(file) { // none is beyond the first plane
		wide = append(wide, byte(c), byte(c>>8))
	}
	for name, file := range map[string][]byte{"gzip": packed.Bytes(), "UTF-16": wide,
		"marked": append([]byte("\ufeff"), file...)} {
		got, err := read(t, file, importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err, name)
		equal(t, want, got)
	}
	got, err := read(t, packed.Bytes()[:packed.Len()/2], importing.Options{}, importing.Place{}, nil)
	cut, ok := errors.AsType[*importing.Cut](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, cut.Why)
	equal(t, want[:len(got)], got)
}

// TestWhatIsNoRecordIsRefused with a reason, and the rest is read.
func TestWhatIsNoRecordIsRefused(t *testing.T) {
	good := string(compact(fmt.Sprintf(audit, 1, 1)))
	envelope := func(category, properties string) string {
		return fmt.Sprintf(`{"time":"2026-11-21T14:00:00Z","category":%q,"tenantId":"t","properties":%s}`, category,
			properties)
	}
	for _, c := range []struct {
		name, line string
		o          importing.Options
		why        importing.Reason
	}{
		{"half a line", good[:100], importing.Options{}, importing.NotJSON},
		{"another object", `{"a":1}`, importing.Options{}, importing.UnknownShape},
		{"a number", `17`, importing.Options{}, importing.UnknownShape},
		{"a category without a log", envelope("RiskyUsers", `{"id":"1"}`), importing.Options{}, importing.UnknownLog},
		{"an envelope without the event's time", envelope("SignInLogs", `{"id":"1"}`), importing.Options{},
			importing.NoTime},
		{"an envelope without an id", envelope("AuditLogs", `{"activityDateTime":"2026-11-21T14:00:00Z"}`),
			importing.Options{},
			importing.NoID},
		{"a sign-in of which nothing tells the log", `{"id":"1","createdDateTime":"2026-11-21T14:00:00Z"}`,
			importing.Options{},
			importing.UnknownLog},
		{"another format", envelope("AuditLogs", good), importing.Options{Format: importing.Portal},
			importing.OtherFormat},
		{"a provisioning row, which has no time of its own",
			`{"TimeGenerated":"2026-11-21T14:00:00Z","Id":"1","Type":"AADProvisioningLogs"}`,
			importing.Options{}, importing.NoTime},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := read(t, []byte(good+"\n"+c.line+"\n"+good+"\n"), c.o, importing.Place{}, nil)
			require.NoError(t, err)
			require.Len(t, got, 3)
			require.Equal(t, c.why, got[1].Refused, got[1].Detail)
			require.EqualValues(t, len(good)+1, got[1].At)
			require.Empty(t, got[0].Refused)
			require.Empty(t, got[2].Refused)
		})
	}
	long := `{"id":"` + strings.Repeat("x", importing.MaxEntry) + `"}`
	for _, file := range []string{good + "\n" + long + "\n" + good + "\n", "[" + good + "," + long + "," + good + "]"} {
		got, err := read(t, []byte(file), importing.Options{}, importing.Place{}, nil)
		require.NoError(t, err)
		require.Len(t, got, 3)
		require.Equal(t, importing.TooLong, got[1].Refused)
	}
}

// TestWhatIsNoFileOfLogs is refused as a whole.
func TestWhatIsNoFileOfLogs(t *testing.T) {
	for _, text := range []string{"PK\x03\x04rest", "a,b,c\n1,2,3\n", "hello"} {
		_, err := read(t, []byte(text), importing.Options{}, importing.Place{}, nil)
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err), text)
	}
	got, err := read(t, nil, importing.Options{}, importing.Place{}, nil)
	require.NoError(t, err)
	require.Empty(t, got)
}

// TestTheNameTellsTheLog where the records do not.
func TestTheNameTellsTheLog(t *testing.T) {
	for name, want := range map[string]entra.Stream{
		"InteractiveSignIns_2026-11-01_2026-11-08.json": logs.SignInsInteractiveUser,
		"NonInteractiveSignIns_2026-11-01.json":         logs.SignInsNonInteractiveUser,
		"20261121-nonInteractiveUser-SignInLogs.json":   logs.SignInsNonInteractiveUser,
		"20261121-servicePrincipal-SignInLogs.json":     logs.SignInsServicePrincipal,
		"signIns.managedIdentity.jsonl":                 logs.SignInsManagedIdentity,
		"anything.json":                                 "",
	} {
		require.Equal(t, want, importing.StreamOfName(name), name)
	}
}

// TestAnApplicationsRowHasItsCodeFromResultType because its table has no Status.
func TestAnApplicationsRowHasItsCodeFromResultType(t *testing.T) {
	got, err := read(t, []byte(`{"TimeGenerated":"2026-11-21T14:00:00Z","Type":"AADServicePrincipalSignInLogs","Id":"1","AADTenantId":"t",`+
		`"CreatedDateTime":"2026-11-21T14:00:00.1234567Z","ResultType":"7000215","ResultDescription":"Invalid client secret","Nobody":"x"}`),
		importing.Options{}, importing.Place{}, nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"1","createdDateTime":"2026-11-21T14:00:00.1234567Z",`+
		`"status":{"errorCode":7000215,"failureReason":"Invalid client secret"}}`, got[0].raw)
	require.Equal(t, []string{"Nobody"}, withoutMonitors(got[0].LeftOut))
}

// withoutMonitors removes Azure Monitor's own columns.
func withoutMonitors(names []string) (out []string) {
	for _, name := range names {
		if name != "TimeGenerated" && name != "Type" && name != "AADTenantId" && name != "ResultType" &&
			name != "ResultDescription" {
			out = append(out, name)
		}
	}
	return out
}
