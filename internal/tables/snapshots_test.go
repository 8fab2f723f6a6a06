package tables_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/tables"
)

func TestDocumentsComeBackInOrderWhateverTheirSizeAndKeys(t *testing.T) {
	store, err := tables.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	const id = "20261121T020000Z"
	large := make([]byte, 200<<10) // does not compress, so it takes several chunks
	_, _ = rand.Read(large)
	rows := []directory.Row{{Key: "b", Doc: large}, {Key: "a#/?'é~", Doc: []byte("odd"), Columns: []directory.Column{{Name: "At", Value: time.Time{}}, {Name: "Text", Value: strings.Repeat("x", 5000)}}}}
	for n := range 1205 { // more than one page, and more than one transaction
		rows = append(rows, directory.Row{Key: fmt.Sprintf("c%05d", n), Doc: fmt.Appendf(nil, "%d", n), Columns: []directory.Column{{Name: "Even", Value: n%2 == 0}}})
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
	require.Len(t, read(directory.Range{Where: [][]directory.Condition{{{Column: "Even", Op: "eq", Value: true}}}}), 603)
	row, err := store.Row(t.Context(), id, "p", "a#/?'é~")
	require.NoError(t, err)
	require.Equal(t, "odd", string(row.Doc))
	_, err = store.Row(t.Context(), id, "p", "x' or true")
	require.ErrorIs(t, err, directory.ErrNoRow)
	require.NoError(t, store.DropRows(t.Context(), id))
	require.NoError(t, store.DropRows(t.Context(), id), "again")
	for _, err := range store.Rows(t.Context(), id, directory.Range{Partition: "p"}) {
		require.ErrorIs(t, err, directory.ErrNoSnapshot)
	}
}

func TestTheSnapshotOfAMomentIsTheOneThatWasWholeThen(t *testing.T) {
	store, err := tables.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	_, err = store.CurrentAt(t.Context(), time.Now())
	require.ErrorIs(t, err, directory.ErrNoSnapshot)
	begin := time.Date(2026, 11, 20, 2, 0, 0, 0, time.UTC)
	for day := range 3 {
		at := begin.AddDate(0, 0, day)
		snap := directory.Snapshot{ID: at.Format("20060102T150405Z"), AsOf: at, Stage: directory.Whole, Finished: at.Add(time.Hour)}
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
	for after, want := range map[time.Duration]int{time.Hour: 0, 25*time.Hour - 1: 0, 25 * time.Hour: 1, 1000 * time.Hour: 2} {
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
		store, err := tables.New(tables.Config{ConnectionString: account})
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
