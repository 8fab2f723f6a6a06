package tables_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
)

// TestRowsOfDeliveriesThatAreNotWhatWasWrittenAreNamed: each column of each table is changed.
func TestRowsOfDeliveriesThatAreNotWhatWasWrittenAreNamed(t *testing.T) {
	const request = "c0000000-0000-4000-8000-000000000001"
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	entry := mim.Entry{ID: "ab12", First: mim.Delivery{At: at, Computer: "A", RecordID: 7}}
	part := deliveries.Kept{Name: request + "!0002!0001!x", Group: request + "!0002!", Sealed: []byte("sealed"),
		Since: at}
	read := map[string]func(d deliveries.Store) bool{
		"mimrecords": func(d deliveries.Store) bool {
			of, err := d.Decide(t.Context(), []mim.Entry{entry})
			require.NoError(t, err)
			require.Equal(t, entry.First, of[0].First)
			return of[0].Altered == nil
		},
		"mimparts": func(d deliveries.Store) bool {
			all, err := d.Parts(t.Context(), part.Group)
			require.NoError(t, err)
			state, err := d.KeepPart(t.Context(), part)
			require.NoError(t, err)
			require.Equal(t, all[0].State, state)
			require.NoError(t, d.EndParts(t.Context(), []string{part.Name}, state))
			return state == deliveries.PartWaiting
		},
		"mimcomputers": func(d deliveries.Store) bool {
			_, _, err := d.Computer(t.Context(), "a")
			all, listed := d.Computers(t.Context())
			require.NoError(t, listed)
			require.Equal(t, all[0].Altered, entra.CodeOf(err) == entra.CodeTampered)
			return err == nil
		},
	}
	keys := map[string][2]string{"mimrecords": {"ab", "ab12"}, "mimparts": {request, "0002!0001!x"},
		"mimcomputers": {"computer", "a"}}
	for table, columns := range map[string][]string{"mimrecords": {"Delivery", "Filed", "Check"},
		"mimparts": {"State", "Since", "Record", "Check"}, "mimcomputers": {"Deliveries", "Check"}} {
		for _, column := range columns {
			store, service := newMemory(t)
			d := store.Account.Deliveries
			of, err := d.Decide(t.Context(), []mim.Entry{entry})
			require.NoError(t, err)
			require.Equal(t, []deliveries.Decision{{First: entry.First}}, of)
			state, err := d.KeepPart(t.Context(), part)
			require.NoError(t, err)
			require.Equal(t, deliveries.PartNew, state)
			require.NoError(t, d.SaveComputer(t.Context(), mim.Computer{Name: "A", First: at, Last: at}, ""))
			require.ErrorIs(t, d.SaveComputer(t.Context(), mim.Computer{Name: "A"}, ""), deliveries.ErrMoved)
			require.True(t, read[table](d))
			in := newIntruder(t, service)
			got, err := in.service.NewClient(table).GetEntity(t.Context(), keys[table][0], keys[table][1], nil)
			require.NoError(t, err)
			var row map[string]any
			require.NoError(t, json.Unmarshal(got.Value, &row))
			delete(row, "odata.etag")
			delete(row, "odata.metadata")
			delete(row, "Timestamp")
			require.Contains(t, row, column, table)
			switch column {
			case "Since", "Filed":
				row[column] = "2026-11-25T08:00:00Z"
			case "Record", "Check":
				row[column] = "AAAA"
			case "State":
				row[column] = "joined"
			default:
				row[column] = row[column].(string) + " "
			}
			in.put(table, row)
			require.False(t, read[table](d), "%s of %s", column, table)
		}
	}
}

func TestTheFirstOfManyAtOnceDecides(t *testing.T) {
	store, _ := newMemory(t)
	entries := make([]mim.Entry, 40)
	for i := range entries {
		entries[i] = mim.Entry{ID: "ab12", First: mim.Delivery{At: time.Unix(int64(i), 0).UTC(),
			RecordID: int64(i + 1)}}
	}
	of, err := store.Account.Deliveries.Decide(t.Context(), entries)
	require.NoError(t, err)
	isNew := 0
	for i := range entries {
		require.Equal(t, of[0].First, of[i].First)
		if !of[i].Was {
			isNew++
		}
	}
	require.Equal(t, 1, isNew)
}

func TestThePartsOfMoreThanATransactionEndTheirWait(t *testing.T) {
	store, _ := newMemory(t)
	d := store.Account.Deliveries
	vault, err := mim.NewVault(bytes.Repeat([]byte{3}, mim.KeyBytes))
	require.NoError(t, err)
	var names []string
	var group string
	for n := range 250 {
		p := mim.Part{Request: "c0000000-0000-4000-8000-000000000001", Number: n + 1, Of: 250, Text: "x"}
		sealed, err := vault.Seal(p)
		require.NoError(t, err)
		group = mim.GroupOf(p)
		_, err = d.KeepPart(t.Context(), deliveries.Kept{Name: vault.Name(p), Group: group, Sealed: sealed,
			Since: time.Now()})
		require.NoError(t, err)
		names = append(names, vault.Name(p))
	}
	require.NoError(t, d.EndParts(t.Context(), names, deliveries.PartJoined))
	require.NoError(t, d.EndParts(t.Context(), names, deliveries.PartAside), "what is joined stays so")
	all, err := d.Parts(t.Context(), group)
	require.NoError(t, err)
	require.Len(t, all, 250)
	for _, p := range all {
		require.Equal(t, deliveries.PartJoined, p.State)
		require.Empty(t, p.Sealed)
	}
	require.NoError(t, d.EndGroup(t.Context(), group))
	groups, err := d.Groups(t.Context(), time.Now().Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, groups)
	state, err := d.KeepPart(t.Context(), deliveries.Kept{Name: names[7], Group: group, Sealed: []byte("x"),
		Since: time.Now()})
	require.NoError(t, err)
	require.Equal(t, deliveries.PartJoined, state)
}
