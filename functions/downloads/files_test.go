package downloads_test

import (
	"encoding/csv"
	"net/http"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search/searchtest"
)

// column is one column of a CSV file, without its head.
func column(t *testing.T, body, name string) []string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
	require.NoError(t, err)
	var out []string
	for at, head := range rows[0] {
		if head == name {
			for _, row := range rows[1:] {
				out = append(out, row[at])
			}
		}
	}
	require.Len(t, out, len(rows)-1, "there is a column %s", name)
	return out
}

// TestATextOfARecordIsHarmlessInCSV: names are chosen by whom the files are about.
func TestATextOfARecordIsHarmlessInCSV(t *testing.T) {
	cases := []struct{ name, want string }{
		{"=1+1", "'=1+1"},
		{"\n=1+1", "'\n'=1+1"},
		{"\t=1", "'\t'=1"},
		{"＝1+1", "'＝1+1"},
		{"＠SUM(A1)", "'＠SUM(A1)"},
		{"a;=cmd|'/C calc'!A0", "a;'=cmd|'/C calc'!A0"},
		{"a\x00b\x1b[31m", "ab␛[31m"},
		{"first\nsecond, \"third\"", "first\nsecond, \"third\""},
	}
	var records []map[string]any
	for i, c := range cases {
		records = append(records, signIn("", i))
		records[i]["id"], records[i]["userDisplayName"] = string(rune('a'+i)), c.name
	}
	records = append(records, signIn("z", len(cases)))
	records[len(cases)]["userDisplayName"] = strings.Repeat("x", 40_000)
	files := serve(t, searchtest.New(t, stream, begin, records...))
	_, body, err := get(t, files+"/InteractiveSignIns")
	require.NoError(t, err)
	require.Contains(t, body, "\"first\nsecond, \"\"third\"\"\"", "the line end is the record's")
	users := column(t, body, "User")
	for i, c := range cases {
		require.Equal(t, c.want, users[i])
	}
	cut := users[len(cases)]
	require.Len(t, utf16.Encode([]rune(cut)), 32_767)
	require.True(t, strings.HasSuffix(cut, "x [entraledger: cut, 40000 characters]"))
}

// TestBytesThatAreNoTextAreReplacedAndToldOf: JSON has them as they are, for a record is evidence.
func TestBytesThatAreNoTextAreReplacedAndToldOf(t *testing.T) {
	a := searchtest.New(t, stream, begin)
	raw := "{\"id\":\"a\",\"createdDateTime\":\"2026-11-21T00:01:00Z\",\"userDisplayName\":\"x\xff\xfey\"}"
	rec, err := logs.ParseRecord(stream, []byte(raw))
	require.NoError(t, err)
	_, err = a.Insert(t.Context(), rec.Window(stream), []entra.Record{rec}, a.Now())
	require.NoError(t, err)
	files := serve(t, a)
	_, body, err := get(t, files+"/InteractiveSignIns")
	require.NoError(t, err)
	require.Equal(t, []string{"x\ufffd\ufffdy [entraledger: 2 bytes were no UTF-8]"}, column(t, body, "User"))
	_, body, err = get(t, files+"/InteractiveSignIns?format=ndjson")
	require.NoError(t, err)
	require.Equal(t, raw+"\n", body)
}

func TestTheStatusOfASignInIsThatOfItsErrorCode(t *testing.T) {
	of := func(code any) any { return map[string]any{"errorCode": code} }
	statuses := []any{of(0), of(50057), of(50058), of(424242), of(nil), map[string]any{}, nil}
	var records []map[string]any
	for i, status := range statuses {
		records = append(records, signIn(string(rune('a'+i)), i))
		records[i]["status"] = status
	}
	records = append(records, signIn("z", len(statuses))) // without one
	files := serve(t, searchtest.New(t, stream, begin, records...))
	_, body, err := get(t, files+"/InteractiveSignIns")
	require.NoError(t, err)
	require.Equal(t, []string{"Success", "Failure", "Interrupted", "Failure", "", "", "", ""}, column(t, body, "Status"))
}

func TestAFileIsNamedAsThePortalNamesIt(t *testing.T) {
	a := searchtest.New(t, stream, begin, signIn("a", 1), signIn("b", 90))
	files := serve(t, a)
	today := a.Now().Add(-1).UTC().Format("2006-01-02")
	const file = "InteractiveSignIns"
	for path, want := range map[string]string{
		file:                                    file + "_2026-11-21_" + today + ".csv",
		file + "?from=2026-11-01&to=2026-12-01": file + "_2026-11-01_2026-11-30.csv",
		"interactivesignins?from=2026-11-21T00:00:00Z&format=json": file + "_2026-11-21_" + today + ".json",
		file + "AuthDetails?from=2026-11-01&to=2026-11-02":         file + "_AuthDetails_2026-11-01_2026-11-01.csv",
		file + "_AuthDetails?from=2026-11-01&to=2026-11-02":        file + "_AuthDetails_2026-11-01_2026-11-01.csv",
		file + "?to=2019-01-02&format=ndjson":                      file + "_2019-01-01_2019-01-01.ndjson",
		file + "?from=2030-01-02":                                  file + "_2030-01-02_2030-01-02.csv",
		file + "?$filter=createdDateTime+ge+2026-11-21":            file + "_2026-11-21_" + today + ".csv",
		file + "_ConditionalAccess?from=2026-11-01T10:00:00Z":      file + "_ConditionalAccess_2026-11-01_" + today + ".csv",
	} {
		resp, _, err := get(t, files+"/"+path)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, path)
		require.Equal(t, `attachment; filename="`+want+`"`, resp.Header.Get("Content-Disposition"), path)
	}
	for _, path := range []string{"InteractiveSignIns_", "InteractiveSignIns_Conditional", "ConditionalAccess"} {
		resp, body, err := get(t, files+"/"+path)
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, resp.StatusCode, path)
		require.Contains(t, body, "GET /api/downloads lists them")
	}
}

func TestThePoliciesOfASignInAreRows(t *testing.T) {
	policies := []any{
		map[string]any{"id": "p1", "displayName": "=Block", "result": "failure",
			"enforcedGrantControls": []string{"Block"}},
		map[string]any{"id": "p2", "displayName": "Report", "result": "reportOnlyInterrupted"},
		map[string]any{"id": "p3", "displayName": "Off", "result": "notEnabled"},
	}
	with := signIn("a", 1)
	with["appliedConditionalAccessPolicies"] = policies
	a := searchtest.New(t, stream, begin, with, signIn("b", 2), signIn("c", 90))
	a.Altered["c"] = why
	files := serve(t, a)
	_, body, err := get(t, files+"/InteractiveSignIns_ConditionalAccess")
	require.NoError(t, err)
	require.Equal(t, []string{"a", "a", "a", "c"}, column(t, body, "Request ID"))
	require.Equal(t, []string{"'=Block", "Report", "Off", ""}, column(t, body, "Policy name"))
	require.Equal(t, []string{"failure", "reportOnlyInterrupted", "notEnabled", ""}, column(t, body, "Result"))
	_, body, err = get(t, files+"/InteractiveSignIns_ConditionalAccess?format=ndjson")
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(body, "\n"))
	require.Contains(t, body, `"Policy name":"=Block","Result":"failure","Grant controls":"Block"}`)
}
