package logs_test

import (
	"encoding/json"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/search/searchtest"
)

// TestAnImportedRecordSaysWhereItCameFrom, whatever is selected of it, and one that was read nothing.
// One of which Graph's form is there, too, is a version.
func TestAnImportedRecordSaysWhereItCameFrom(t *testing.T) {
	const stream = tenantlogs.SignInsInteractiveUser
	a := searchtest.New(t, stream, begin, signIn("read", 1))
	from := entra.Origin{Kind: entra.Imported, SHA256: [32]byte{1}, At: begin, By: `"ann"`, Name: "kept.json"}
	var keys []string
	for i, id := range []string{"kept", "hidden"} {
		raw, err := json.Marshal(signIn(id, 2+i))
		require.NoError(t, err)
		rec, err := tenantlogs.ParseRecord(stream, raw)
		require.NoError(t, err)
		_, _, err = a.InsertArrivals(t.Context(), rec.Window(stream), []entra.Record{rec}, from.String(),
			begin.Add(time.Hour))
		require.NoError(t, err)
		keys = append(keys, a.RowKey(rec.Key)+"!x")
	}
	hidden := []seal.Leaf{{Key: keys[1]}}
	require.NoError(t, a.Eclipse(t.Context(), entra.WindowOf(stream, begin), hidden, begin.Add(2*time.Hour)))

	const origin = "@entraledger\\.origin"
	address := serve(t, a, time.Minute, stream)
	for _, query := range []string{"", "?$select=id"} {
		_, answer := get(t, address+query)
		rows := answer.Get("value").Array()
		require.Len(t, rows, 2, query)
		require.Equal(t, "kept", rows[0].Get("id").Str)
		require.Equal(t, from.String(), rows[0].Get(origin).Str)
		require.False(t, rows[1].Get(origin).Exists())
	}
	_, one := get(t, address+"/kept")
	require.Equal(t, from.String(), one.Get(origin).Str)
	_, answer := get(t, address+"?versions=all&$filter="+url.QueryEscape("id eq 'hidden'"))
	require.Len(t, answer.Get("value").Array(), 1)
	require.Equal(t, begin.Add(2*time.Hour).Format(time.RFC3339),
		answer.Get(`value.0.@entraledger\.supersededDateTime`).Str)
}
