package tables_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func TestDocumentsComeBackInOrderWhateverTheirSizeAndKeys(t *testing.T) {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	const id = "20261121T020000Z"
	large := make([]byte, 200<<10) // does not compress, so it needs several chunks
	_, _ = rand.Read(large)
	rows := []directory.Row{{Key: "b", Doc: large},
		{Key: "a#/?'é~", Doc: []byte("odd"), Columns: []directory.Column{{Name: "At", Value: time.Time{}},
			{Name: "Text", Value: strings.Repeat("x", 5000)}}}}
	for n := range 1205 { // more than one page, and more than one transaction
		rows = append(rows, directory.Row{Key: fmt.Sprintf("c%05d", n), Doc: fmt.Appendf(nil, "%d", n),
			Columns: []directory.Column{{Name: "Even", Value: n%2 == 0}}})
	}
	require.NoError(t, store.Put(t.Context(), id, "p", rows))
	require.NoError(t, store.Put(t.Context(), id, "p", rows[:3]), "written over")
	read := func(r directory.Range) (keys []string) {
		r.Partition = "p"
		for row, err := range store.Rows(t.Context(), id, r) {
			require.NoError(t, err)
			keys = append(keys, row.Key)
			if row.Key == "b" && !r.KeysOnly {
				require.Equal(t, large, row.Doc)
			}
		}
		return keys
	}
	all := read(directory.Range{})
	require.Len(t, all, 1207)
	require.Equal(t, []string{"a#/?'é~", "b", "c00000"}, all[:3])
	require.Equal(t, all, read(directory.Range{KeysOnly: true}))
	require.Equal(t, all[:7], read(directory.Range{Top: 7}))
	require.Equal(t, []string{"c00003", "c00004"}, read(directory.Range{From: "c00003", Below: "c00005"}))
	require.Len(t, read(directory.Range{Where: [][]directory.Condition{{{Column: "Even", Op: "eq", Value: true}}}}),
		603)
	row, err := store.Row(t.Context(), id, "p", "a#/?'é~", false)
	require.NoError(t, err)
	require.Equal(t, "odd", string(row.Doc))
	_, err = store.Row(t.Context(), id, "p", "x' or true", false)
	require.ErrorIs(t, err, directory.ErrNoRow)
	require.NoError(t, store.DropRows(t.Context(), id))
	require.NoError(t, store.DropRows(t.Context(), id), "again")
	for _, err := range store.Rows(t.Context(), id, directory.Range{Partition: "p"}) {
		require.ErrorIs(t, err, directory.ErrNoSnapshot)
	}
}

func TestTheSnapshotOfAMomentIsTheOneThatWasWholeThen(t *testing.T) {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	_, err = store.CurrentAt(t.Context(), time.Now())
	require.ErrorIs(t, err, directory.ErrNoSnapshot)
	begin := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	for day := range 3 {
		at := begin.AddDate(0, 0, day)
		snap := directory.Snapshot{ID: at.Format("20060102T150405Z"), AsOf: at, Stage: directory.Whole,
			Finished: at.Add(time.Hour)}
		saved, err := store.SaveSnapshot(t.Context(), snap)
		require.NoError(t, err)
		_, err = store.SaveSnapshot(t.Context(), snap)
		require.ErrorIs(t, err, directory.ErrOvertaken, "there is one already")
		saved.Stage = directory.Dropped
		_, err = store.SaveSnapshot(t.Context(), saved)
		require.NoError(t, err)
		_, err = store.SaveSnapshot(t.Context(), saved)
		require.ErrorIs(t, err, directory.ErrOvertaken, "it was changed since it was read")
	}
	for after, want := range map[time.Duration]int{time.Hour: 0, 25*time.Hour - 1: 0, 25 * time.Hour: 1,
		1000 * time.Hour: 2} {
		snap, err := store.CurrentAt(t.Context(), begin.Add(after))
		require.NoError(t, err)
		require.Equal(t, begin.AddDate(0, 0, want), snap.AsOf, after)
	}
	snaps, err := store.Snapshots(t.Context(), 2)
	require.NoError(t, err)
	require.Len(t, snaps, 2)
	require.Equal(t, begin.AddDate(0, 0, 2), snaps[0].AsOf, "the newest first")
	for _, id := range []string{"", "x", "20261120T020000Z' or true", "20260101T000000Z"} {
		_, err = store.Snapshot(t.Context(), id)
		require.ErrorIs(t, err, directory.ErrNoSnapshot)
	}
}

func TestASecretIsMadeOnceForAllProcesses(t *testing.T) {
	account := azuritetest.Account(t)
	var first []byte
	for n := range 3 {
		store, err := tablestest.New(tables.Config{ConnectionString: account})
		require.NoError(t, err)
		secret, err := store.Secret(t.Context(), "logs")
		require.NoError(t, err)
		require.Len(t, secret, 32)
		if n == 0 {
			first = secret
		}
		require.Equal(t, first, secret)
		other, err := store.Secret(t.Context(), "other")
		require.NoError(t, err)
		require.NotEqual(t, first, other)
	}
}

// garbageRow writes a row of table snapshots as a foreign tool might.
func garbageRow(t *testing.T, account, key string, columns map[string]any) {
	service, err := aztables.NewServiceClientFromConnectionString(account, nil)
	require.NoError(t, err)
	_, _ = service.CreateTable(t.Context(), "snapshots", nil) // it may be there
	body, err := json.Marshal(aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: "directory", RowKey: key},
		Properties: columns})
	require.NoError(t, err)
	_, err = service.NewClient("snapshots").UpsertEntity(t.Context(), body, nil)
	require.NoError(t, err)
}

func TestASnapshotsRowThatIsGarbageIsNamed(t *testing.T) {
	const (
		key    = "8204737599" // of 20261121T120000Z
		named  = "read row 8204737599 of table snapshots (snapshot 20261121T120000Z): "
		remedy = "; if a newer version of the app wrote it, deploy that one; else delete the row and table " +
			"snapshot20261121T120000Z, and the next run takes a new snapshot"
	)
	document := func(text string) map[string]any { return map[string]any{"Codec": "none", "Record": []byte(text)} }
	for name, c := range map[string]struct {
		columns map[string]any
		words   string
	}{
		"no columns":  {map[string]any{}, "it has no document"},
		"no document": {map[string]any{"Codec": "none"}, "it has no document"},
		"no JSON":     {document("{"), "unexpected end of JSON input"},
		"null":        {document("null"), `it says that it is snapshot ""`},
		"of another type": {document(`{"ID":7}`),
			"json: cannot unmarshal number into Go struct field Snapshot.ID of type string"},
		"another's": {document(`{"ID":"20261120T120000Z","AsOf":"2026-11-20T12:00:00Z","Stage":"whole"}`),
			"it says that it is snapshot 20261120T120000Z, whose key is 8204823999"},
		"a strange stage": {document(`{"ID":"20261121T120000Z","AsOf":"2026-11-21T12:00:00Z","Stage":"frozen"}`),
			`its stage is "frozen"`},
		"without a begin": {document(`{"ID":"20261121T120000Z","Stage":"whole"}`), "it has no begin"},
		"a newer codec": {map[string]any{"Codec": "lz9", "Record": []byte("x")},
			`read row 8204737599 of snapshots: decode a record: unknown codec "lz9"; a newer version of Entra Ledger wrote it`},
		"no zstd": {map[string]any{"Codec": "zstd", "Record": []byte("not compressed")},
			"read row 8204737599 of snapshots: read the head of a compressed record: invalid input: " +
				"magic number mismatch"},
		"chunks that are lost": {map[string]any{"Codec": "none", "Chunks": int32(3), "Record": []byte("{")},
			"unexpected end of JSON input"},
	} {
		t.Run(name, func(t *testing.T) {
			account := azuritetest.Account(t)
			store, err := tablestest.New(tables.Config{ConnectionString: account})
			require.NoError(t, err)
			garbageRow(t, account, key, c.columns)
			_, one := store.Snapshot(t.Context(), "20261121T120000Z")
			_, all := store.Snapshots(t.Context(), 10)
			_, current := store.CurrentAt(t.Context(), time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC))
			for _, err := range []error{one, all, current} {
				require.EqualError(t, err, named+c.words+remedy)
				require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
			}
		})
	}
	account := azuritetest.Account(t)
	store, err := tablestest.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	garbageRow(t, account, "latest", map[string]any{})
	_, err = store.Snapshots(t.Context(), 10)
	require.EqualError(t, err, "read row latest of table snapshots: it has no document; "+
		"if a newer version of the app wrote it, deploy that one; else delete the row, and the next run "+
		"takes a new snapshot")
}

func TestWhenASnapshotMadeAStepIsAColumnThatMayBeAbsent(t *testing.T) {
	account := azuritetest.Account(t)
	store, err := tablestest.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	service, err := aztables.NewServiceClientFromConnectionString(account, nil)
	require.NoError(t, err)
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	snap := directory.Snapshot{ID: "20261121T120000Z", AsOf: at, Stage: directory.Reading, Updated: at.Add(time.Hour)}
	saved, err := store.SaveSnapshot(t.Context(), snap)
	require.NoError(t, err)
	require.Equal(t, at.Add(time.Hour), saved.LastStep(), "an older version's last write stands for it")
	saved.StepAt, saved.By, saved.Behind = at.Add(time.Minute), "timer 1",
		&directory.Behind{Kind: directory.Stalled, Message: "no step"}
	_, err = store.SaveSnapshot(t.Context(), saved)
	require.NoError(t, err)
	read, err := store.Snapshot(t.Context(), snap.ID)
	require.NoError(t, err)
	require.Equal(t, at.Add(time.Minute), read.LastStep())
	require.Equal(t, directory.StatusStalled, read.Status())
	row, err := service.NewClient("snapshots").GetEntity(t.Context(), "directory", "8204737599", nil)
	require.NoError(t, err)
	require.Equal(t, "2026-11-21T12:01:00.0000000Z", gjson.GetBytes(row.Value, "StepAt").Str)
	require.Equal(t, "timer 1", gjson.GetBytes(row.Value, "By").Str)
	require.Equal(t, "no step", gjson.GetBytes(row.Value, "Behind").Str)
	require.Equal(t, "reading", gjson.GetBytes(row.Value, "Stage").Str, "no new value in an old column")
}

func TestRowsThatAreDeletedTwiceAreGone(t *testing.T) {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	const id = "20261121T020000Z"
	require.NoError(t, store.Delete(t.Context(), id, "p", []string{"a"}), "no table")
	require.NoError(t, store.Put(t.Context(), id, "p", []directory.Row{{Key: "a#"}, {Key: "b"}}))
	for range 2 {
		require.NoError(t, store.Delete(t.Context(), id, "p", []string{"a#", "c"}))
	}
	for row, err := range store.Rows(t.Context(), id, directory.Range{Partition: "p"}) {
		require.NoError(t, err)
		require.Equal(t, "b", row.Key)
	}
}
