package tables_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// intruder writes to the tables past the store.
type intruder struct {
	t       *testing.T
	service *aztables.ServiceClient
}

func newIntruder(t *testing.T, of *counted) intruder {
	service, err := aztables.NewServiceClientFromConnectionString(of.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: of.Client()}})
	require.NoError(t, err)
	return intruder{t, service}
}

func (i intruder) get(table, partition, key string) map[string]any {
	got, err := i.service.NewClient(table).GetEntity(i.t.Context(), partition, url.PathEscape(key), nil)
	require.NoError(i.t, err)
	var row map[string]any
	require.NoError(i.t, json.Unmarshal(got.Value, &row))
	delete(row, "odata.etag")
	delete(row, "odata.metadata")
	delete(row, "Timestamp")
	return row
}

func (i intruder) put(table string, row map[string]any) {
	body, err := json.Marshal(row)
	require.NoError(i.t, err)
	_, err = i.service.NewClient(table).UpsertEntity(i.t.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(i.t, err)
}

func (i intruder) remove(table, partition, key string) {
	_, err := i.service.NewClient(table).DeleteEntity(i.t.Context(), partition, key, nil)
	require.NoError(i.t, err)
}

// set changes columns of a row; nil deletes one with its type.
func set(values ...any) func(row map[string]any) {
	return func(row map[string]any) {
		for i := 0; i < len(values); i += 2 {
			name := values[i].(string)
			delete(row, name)
			if values[i+1] == nil {
				delete(row, name+"@odata.type")
			} else {
				row[name] = values[i+1]
			}
		}
	}
}

func bytesOf(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

const forgedTime = "2026-11-21T14:10:00.0000000Z"

// badRow is one kind of alteration of the row of record "b", which is between "a" and "c".
type badRow struct {
	change  func(row map[string]any)
	problem string // a part of what is said of it
	foreign bool   // it is not said of the row by itself
	gone    bool   // the row is where Read does not find it: only Inspect reports it
}

var badRows = map[string]badRow{
	"hash of three bytes": {change: set("Hash", bytesOf(3), "Hash@odata.type", "Edm.Binary"),
		problem: "column Hash has 3 bytes"},
	"hash of another content": {change: set("Hash", bytesOf(32), "Hash@odata.type", "Edm.Binary"),
		problem: "its bytes"},
	"hash that is no binary": {change: set("Hash", "%%%", "Hash@odata.type", nil),
		problem: "column Hash is not of the kind"},
	"no hash":                  {change: set("Hash", nil), problem: "column Hash has 0 bytes"},
	"codec of a later version": {change: set("Codec", "brotli"), problem: `codec is "brotli"`},
	"no codec":                 {change: set("Codec", nil), problem: `codec is ""`},
	"codec that is a number":   {change: set("Codec", 7), problem: "column Codec is not of the kind"},
	"bytes that are no frame": {change: set("Record", bytesOf(40), "Record@odata.type", "Edm.Binary"),
		problem: "can't be decompressed"},
	"no bytes": {change: set("Record", nil), problem: "can't be decompressed"},
	"bytes that are a text": {change: set("Record", "a text!", "Record@odata.type", nil),
		problem: "column Record is not of the kind"},
	"a second piece": {change: set("Record1", bytesOf(5), "Record1@odata.type", "Edm.Binary"),
		problem: "its bytes"},
	"a piece after a gap": {change: set("Record5", bytesOf(5), "Record5@odata.type", "Edm.Binary"),
		problem: "column Record5 is not of the kind"},
	"parts -1":              {change: set("Parts", -1), problem: "Parts says -1"},
	"parts 1":               {change: set("Parts", 1), problem: "Parts says 1"},
	"parts 3":               {change: set("Parts", 3), problem: "Parts says 3"},
	"parts 10^9":            {change: set("Parts", 1_000_000_000), problem: "Parts says 1000000000"},
	"parts that are a text": {change: set("Parts", "two"), problem: "column Parts is not of the kind"},
	"first seen a number": {change: set("FirstSeen", nil, "FirstSeen", 5),
		problem: "column FirstSeen is not of the kind"},
	"first seen no time": {change: set("FirstSeen", "yesterday", "FirstSeen@odata.type", nil),
		problem: "column FirstSeen is not of the kind"},
	"never seen": {change: set("FirstSeen", nil), problem: "no column FirstSeen"},
	"superseded": {change: set("Superseded", forgedTime, "Superseded@odata.type", "Edm.DateTime"),
		problem: "Superseded"},
	"spells that are garbage":   {change: set("Spells", "garbage"), problem: "column Spells"},
	"spells that are a number":  {change: set("Spells", 1.5), problem: "column Spells is not of the kind"},
	"came at no time":           {change: set("Came", true), problem: "column Came is not of the kind"},
	"a column that is not ours": {change: set("Comment", "seen"), foreign: true},
	"another record's id":       {change: set("RowKey", forgedTime+"_x"), problem: "key that is not its record's"},
	"no id in the key":          {change: set("RowKey", forgedTime), problem: "its key is not one"},
	"an escape that ends":       {change: set("RowKey", forgedTime+"_~4"), problem: "its key is not one"},
	"a key with half a time":    {change: set("RowKey", "2026-11-21T14:1x"), problem: "its key is not one"},
	"a key with no time":        {change: set("RowKey", "2026-11-3"), problem: "its key is not one", gone: true},
	"a version's key":           {change: set("RowKey", forgedTime+"_b!v0102030405060708"), problem: "earlier version"},
	"a version's key, too long": {change: set("RowKey", forgedTime+"_b!v"+strings.Repeat("ab", 20)),
		problem: "its key is not one"},
	"a part without a record": {change: set("RowKey", forgedTime+"_b!p001"), problem: "first row of its record"},
	"a part of no number":     {change: set("RowKey", forgedTime+"_b!p-01"), problem: "its key is not one"},
	"another hour's key": {change: set("RowKey", "2026-11-21T16:10:00.0000000Z_b"), problem: "not its hour",
		gone: true},
	"a partition that is none": {change: set("PartitionKey", "2026-11-21T14:30"), problem: "not its hour", gone: true},
	"a partition of letters":   {change: set("PartitionKey", "2026-11-21T14x"), problem: "not its hour", gone: true},
}

// tampered has records "a", "b" and "c" of one hour, "d" of the next, with b's row altered, and an
// altered row beside it.
func tampered(t *testing.T, c badRow) (*tablestest.Store, *counted, map[string]entra.Record) {
	store, service := newMemory(t)
	recs := map[string]entra.Record{}
	for i, id := range []string{"a", "b", "c", "d"} {
		recs[id] = record(t, id, hour.Add([]time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute,
			70 * time.Minute}[i]), strings.Repeat("u", 400))
		archived(t, store, recs[id])
	}
	past := newIntruder(t, service)
	table, partition := tables.TableName(window), hour.Format(entra.HourFormat)
	row := past.get(table, partition, store.RowKey(recs["b"].Key))
	past.remove(table, partition, store.RowKey(recs["b"].Key))
	c.change(row)
	past.put(table, row)
	return store, service, recs
}

// TestABadRowIsNamedAndTheReadingGoesOn, in both directions, in pages of every size.
func TestABadRowIsNamedAndTheReadingGoesOn(t *testing.T) {
	for name, c := range badRows {
		t.Run(name, func(t *testing.T) {
			store, _, recs := tampered(t, c)
			for _, newestFirst := range []bool{false, true} {
				for _, page := range []int{1, 2, 3, all} {
					r := records.Reading{Stream: window.Stream, From: hour.Add(-time.Hour), To: hour.Add(2 * time.Hour),
						NewestFirst: newestFirst, Versions: true, Limit: min(page, 100)}
					var intact, bad []string
					for _, rec := range read(t, store, r, page) {
						if rec.Tampered == "" {
							intact = append(intact, rec.Key.ID)
							continue
						}
						require.Nil(t, rec.Raw)
						require.NotEmpty(t, rec.Row)
						require.Equal(t, hour, entra.FloorHour(rec.Key.Time), "the hour is known")
						bad = append(bad, rec.Tampered)
					}
					want := []string{"a", "c", "d"}
					if c.foreign {
						want = []string{"a", "b", "c", "d"}
					}
					if newestFirst {
						slices.Reverse(want)
					}
					require.Equal(t, want, intact, "newest first %v, pages of %d", newestFirst, page)
					switch {
					case c.foreign:
						require.Empty(t, bad)
					case !c.gone:
						require.Len(t, bad, 1)
						if !strings.Contains(c.problem, "its bytes") {
							require.Contains(t, bad[0], c.problem)
						}
					}
				}
			}
			inspected(t, store, recs, c)
		})
	}
}

// inspected checks that Inspect continues over the row, and names it.
func inspected(t *testing.T, store *tablestest.Store, recs map[string]entra.Record, c badRow) {
	var intact, bad []string
	hours := map[time.Time]int{}
	for row, err := range store.Inspect(t.Context(), window.Stream, hour.Add(-time.Hour), hour.Add(2*time.Hour)) {
		require.NoError(t, err)
		hours[row.Hour]++
		if row.Problem == "" {
			require.Equal(t, c.foreign && row.Key == store.RowKey(recs["b"].Key), row.Foreign != "")
			intact = append(intact, row.Key)
			continue
		}
		bad = append(bad, row.Problem)
	}
	want := []string{store.RowKey(recs["a"].Key), store.RowKey(recs["b"].Key), store.RowKey(recs["c"].Key),
		store.RowKey(recs["d"].Key)}
	if !c.foreign {
		want = slices.Delete(want, 1, 2)
		require.Len(t, bad, 1)
		require.Contains(t, bad[0], c.problem)
	}
	require.Equal(t, want, intact)
	require.Equal(t, map[time.Time]int{hour: 3, hour.Add(time.Hour): 1}, hours)
}

// TestARecordThatLostRowsIsNamed, the first one or a later one.
func TestARecordThatLostRowsIsNamed(t *testing.T) {
	for lost, problem := range map[string]string{"": "the first row of its record is not there",
		"!p001": "it has 1 rows, and its column Parts says 2"} {
		store, service := newMemory(t)
		var noise strings.Builder
		for i := range 120_000 {
			fmt.Fprintf(&noise, "%x", uint32(i*2654435761))
		}
		big := signIn(t, "b", 600, noise.String())
		archived(t, store, signIn(t, "a", 300, ""), big, signIn(t, "c", 1200, ""))
		newIntruder(t, service).remove(tables.TableName(window), hour.Format(entra.HourFormat), store.RowKey(big.Key)+
			lost)
		for _, r := range []records.Reading{{}, {NewestFirst: true}, {Limit: 1},
			{Columns: [][]entra.Column{{{Name: "UserId", Text: "u"}}}}} {
			if lost == "" && r.Columns != nil {
				continue // what is left has no columns
			}
			r.Stream, r.From, r.To = window.Stream, hour, hour.Add(time.Hour)
			var ids, bad []string
			for _, rec := range read(t, store, r, 1) {
				ids = append(ids, rec.Key.ID)
				if rec.Tampered != "" {
					bad = append(bad, rec.Tampered)
				}
			}
			require.ElementsMatch(t, []string{"a", "b", "c"}, ids)
			require.Equal(t, []string{problem}, bad)
		}
		n := 0
		for row, err := range store.Inspect(t.Context(), window.Stream, hour, hour.Add(time.Hour)) {
			require.NoError(t, err)
			if row.Problem != "" {
				require.Equal(t, problem, row.Problem)
				n++
			}
		}
		require.Equal(t, 1, n)
	}
}

// TestARecordWithoutItsDictionaryIsNamed, and the reading continues.
func TestARecordWithoutItsDictionaryIsNamed(t *testing.T) {
	for name, spoil := range map[string]func(past intruder, row map[string]any){
		"deleted": func(past intruder, row map[string]any) {
			past.remove("dictionaries", row["PartitionKey"].(string), row["RowKey"].(string))
		},
		"altered": func(past intruder, row map[string]any) {
			row["Dictionary"] = bytesOf(32 << 10)
			past.put("dictionaries", row)
		},
		"of no bytes": func(past intruder, row map[string]any) {
			delete(row, "Dictionary")
			past.put("dictionaries", row)
		},
		"a number": func(past intruder, row map[string]any) {
			delete(row, "Dictionary@odata.type")
			row["Dictionary"] = 5
			past.put("dictionaries", row)
		},
	} {
		t.Run(name, func(t *testing.T) {
			store, service := newMemory(t)
			var recs []entra.Record
			for i := range 200 {
				recs = append(recs, signIn(t, fmt.Sprintf("%03d", i), i, strings.Repeat("all of them say this ", 10)))
			}
			archived(t, store, recs...)
			past := newIntruder(t, service)
			rows := service.Rows("dictionaries")
			require.Len(t, rows, 1)
			spoil(past, past.get("dictionaries", rows[0].Partition, rows[0].Key))
			fresh, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
				HTTP: service.Client()})
			require.NoError(t, err)
			for row, err := range fresh.Inspect(t.Context(), window.Stream, hour, hour.Add(time.Hour)) {
				require.NoError(t, err)
				require.Contains(t, row.Problem, "dictionary "+rows[0].Key)
				require.Equal(t, rows[0].Partition+"!"+rows[0].Key, row.Needs)
			}
			got := read(t, fresh, records.Reading{Stream: window.Stream, From: hour, To: hour.Add(time.Hour)}, all)
			require.Len(t, got, len(recs))
			for _, rec := range got {
				require.Contains(t, rec.Tampered, "dictionary "+rows[0].Key)
			}
		})
	}
}

// TestARecordThatAnAlteredColumnFindsIsNoAnswer: it would be one to another question.
func TestARecordThatAnAlteredColumnFindsIsNoAnswer(t *testing.T) {
	store, service := newMemory(t)
	archived(t, store, record(t, "a", hour.Add(time.Minute), "alice"), record(t, "b", hour.Add(2*time.Minute), "bob"))
	past := newIntruder(t, service)
	row := past.get(tables.TableName(window), hour.Format(entra.HourFormat),
		hour.Add(2*time.Minute).Format("2006-01-02T15:04:05.0000000Z")+"_b")
	row["UserId"] = "alice"
	past.put(tables.TableName(window), row)
	for _, newestFirst := range []bool{false, true} {
		r := records.Reading{Stream: window.Stream, From: hour, To: hour.Add(time.Hour), NewestFirst: newestFirst,
			Columns: [][]entra.Column{{{Name: "UserId", Text: "alice"}}}}
		found := map[string]string{}
		for _, rec := range read(t, store, r, 1) {
			found[rec.Key.ID] = rec.Tampered
		}
		require.Len(t, found, 2)
		require.Empty(t, found["a"])
		require.Contains(t, found["b"], "its columns are not those")
	}
}

// TestTheIndexIsMadeOfTheRecords, not of the columns beside them.
func TestTheIndexIsMadeOfTheRecords(t *testing.T) {
	store, service := newMemory(t)
	archived(t, store, record(t, "a", hour.Add(time.Minute), "alice"))
	past := newIntruder(t, service)
	row := past.get(tables.TableName(window), hour.Format(entra.HourFormat),
		hour.Add(time.Minute).Format("2006-01-02T15:04:05.0000000Z")+"_a")
	row["UserId"] = "mallory"
	past.put(tables.TableName(window), row)
	day := hour.Truncate(24 * time.Hour)
	indexDay(t, store, day, derive.Revision{})
	for user, known := range map[string]int{"alice": 1, "mallory": 0} {
		hours, err := store.HoursOf(t.Context(), window.Stream, derive.Value{Column: "UserId", Text: user}, day,
			day.AddDate(0, 0, 1))
		require.NoError(t, err)
		require.Len(t, hours, known, user)
	}
}
