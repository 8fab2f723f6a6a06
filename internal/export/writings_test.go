package export_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/export"
)

// cellOf is one cell of a record's row in a file.
func cellOf(t *testing.T, file, column, record string) string {
	t.Helper()
	f, ok := export.Find(file)
	require.True(t, ok, file)
	at, out := slices.Index(f.Names(), column), ""
	require.GreaterOrEqual(t, at, 0, column)
	require.NoError(t, f.Rows(gjson.Parse(record), func(cells []string) error {
		out = cells[at]
		return nil
	}))
	return out
}

// TestAStatusIsEmptyWhereARecordHasNone: a sign-in without an error code is not a success.
func TestAStatusIsEmptyWhereARecordHasNone(t *testing.T) {
	for record, want := range map[string]string{
		`{"status":{"errorCode":0}}`:       "Success",
		`{"status":{"errorCode":50057}}`:   "Failure",
		`{"status":{"errorCode":50058}}`:   "Interrupted",
		`{"status":{"errorCode":50140}}`:   "Interrupted",
		`{"status":{"errorCode":"50126"}}`: "Failure",
		`{"status":{"errorCode":123456}}`:  "Failure",
		`{}`:                               "",
		`{"status":null}`:                  "",
		`{"status":{}}`:                    "",
		`{"status":{"errorCode":null}}`:    "",
		`{"status":{"errorCode":""}}`:      "",
		`{"status":{"errorCode":true}}`:    "",
		`{"status":"success"}`:             "",
	} {
		for _, file := range []string{"InteractiveSignIns", "NonInteractiveSignIns", "ApplicationSignIns", "MSISignIns"} {
			require.Equal(t, want, cellOf(t, file, "Status", record), "%s: %s", file, record)
		}
	}
}
