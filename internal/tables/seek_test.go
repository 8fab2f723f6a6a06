package tables_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables"
)

// oddIDs are ids that a key can't hold as they are, or that look like parts of one.
var oddIDs = []string{"a/b", "c\\d", "e#f", "g?h", "i%2Fj", "k+l m", "n'o", `p"q`, "ä€𝄞", "!v00", "x!p001", "~", "~~",
	"_", ".", "..", "$count", "2026-11-21T00:00:00Z", "\t", strings.Repeat("long", 60)}

// TestASeekFindsTheMomentsOfIDs and nothing else, by the keys of rows.
func TestASeekFindsTheMomentsOfIDs(t *testing.T) {
	store, service := newMemory(t)
	var recs []entra.Record
	at := make(map[string]time.Time)
	for i, id := range oddIDs {
		at[id] = hour.Add(time.Duration(i) * 2 * time.Hour).Add(time.Duration(i) * entra.Tick)
		recs = append(recs, record(t, id, at[id], "u"))
	}
	archived(t, store, recs...)
	from, to := hour, hour.Add(100*time.Hour) // over the end of a month
	for _, id := range oddIDs {
		service.queries = 0
		got, err := store.Seek(t.Context(), records.Seeking{Stream: window.Stream, From: from, To: to, IDs: []string{id}})
		require.NoError(t, err)
		require.Equal(t, records.Sought{At: []time.Time{at[id]}}, got, id)
		require.LessOrEqual(t, service.queries, 2)
		for name, none := range map[string]records.Seeking{
			"before":     {From: from, To: at[id], IDs: []string{id}},
			"after":      {From: at[id].Add(entra.Tick), To: to, IDs: []string{id}},
			"another id": {From: from, To: to, IDs: []string{id + "x"}},
			"none":       {From: from, To: to},
			"no time":    {From: to, To: from, IDs: []string{id}},
		} {
			none.Stream = window.Stream
			got, err := store.Seek(t.Context(), none)
			require.NoError(t, err)
			require.Empty(t, got, "%q: %s", id, name)
		}
	}
	several, err := store.Seek(t.Context(), records.Seeking{Stream: window.Stream, From: from, To: to, IDs: oddIDs})
	require.NoError(t, err)
	require.Len(t, several.At, len(oddIDs))
	require.IsIncreasing(t, func() (out []int64) {
		for _, at := range several.At {
			out = append(out, at.UnixNano())
		}
		return out
	}())
}

// TestASeekIsUnsureWhereAKeyDoesNotTellItsID: then all of the time has to be read.
func TestASeekIsUnsureWhereAKeyDoesNotTellItsID(t *testing.T) {
	for name, key := range map[string][2]string{
		"no time":                {hour.Format(entra.HourFormat), hour.Format(entra.HourFormat) + ":zz"},
		"no id":                  {hour.Format(entra.HourFormat), hour.Format("2006-01-02T15:04:05.0000000Z")},
		"another hour":           {hour.Add(time.Hour).Format(entra.HourFormat), hour.Format("2006-01-02T15:04:05.0000000Z") + "_a"},
		"a partition of no hour": {hour.Format("2006-01-02T15:04"), hour.Format("2006-01-02T15:04:05.0000000Z") + "_a"},
		"an id that was cut":     {hour.Format(entra.HourFormat), hour.Format("2006-01-02T15:04:05.0000000Z") + "_a~~00"},
		"an escape of nothing":   {hour.Format(entra.HourFormat), hour.Format("2006-01-02T15:04:05.0000000Z") + "_a~zz"},
	} {
		store, service := newMemory(t)
		archived(t, store, record(t, "mine", hour.Add(time.Minute), "u"))
		account, err := aztables.NewServiceClientFromConnectionString(service.ConnectionString(),
			&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: &http.Client{Transport: service}}})
		require.NoError(t, err)
		_, err = account.NewClient(tables.TableName(entra.Window{Stream: window.Stream, Start: hour})).AddEntity(
			context.Background(), fmt.Appendf(nil, `{"PartitionKey":%q,"RowKey":%q}`, key[0], key[1]), nil)
		require.NoError(t, err, name)
		got, err := store.Seek(t.Context(), records.Seeking{Stream: window.Stream, From: hour, To: hour.Add(3 * time.Hour),
			IDs: []string{"other"}})
		require.NoError(t, err)
		require.Equal(t, records.Sought{Unsure: true}, got, name)
	}
}
