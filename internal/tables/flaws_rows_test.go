package tables_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

const (
	recordTable     = "signinsinteractive202611"
	quarantineTable = "quarantine"
)

// rejects puts records into quarantine, one of which needs two rows, and counts them as a run does.
func (a *account) rejects() (keys []string) {
	large := make([]byte, 800<<10) // does not compress
	_, _ = rand.Read(large)
	for _, raw := range [][]byte{[]byte(`{"no":"id"}`), []byte("no JSON"), large} {
		hash := entra.HashOf(raw)
		err := a.store.Quarantine(a.Context(), window.Stream,
			[]collect.Rejected{{Raw: raw, Hash: hash, Reason: "record has no id"}}, present)
		require.NoError(a, err)
		keys = append(keys, hex.EncodeToString(hash[:]))
	}
	p, _, err := a.store.State(a.Context(), window.Stream)
	require.NoError(a, err)
	p.Quarantined, p.LastRunAt = 3, present.Add(time.Hour)
	_, err = a.store.Commit(a.Context(), lease, p, nil, nil)
	require.NoError(a, err)
	require.Empty(a, a.flaws())
	return keys
}

// counting is a service in memory that counts requests.
type counting struct {
	*memstorage.Service
	requests atomic.Int64
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.Service.RoundTrip(req)
}

// TestManyRecordsGoIntoQuarantineTogether: each once, in few requests, however large they are.
func TestManyRecordsGoIntoQuarantineTogether(t *testing.T) {
	service := &counting{Service: memstorage.New(time.Now)}
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
		HTTP: &http.Client{Transport: service}})
	require.NoError(t, err)
	large := make([]byte, 800<<10) // does not compress
	_, _ = rand.Read(large)
	all := []collect.Rejected{{Raw: large, Hash: entra.HashOf(large), Reason: "large"}}
	for i := range 2000 {
		raw := fmt.Appendf(nil, `{"n":%d}`, i/2) // each comes twice
		all = append(all, collect.Rejected{Raw: raw, Hash: entra.HashOf(raw), Reason: "why"})
	}
	for range 2 {
		require.NoError(t, store.Quarantine(t.Context(), window.Stream, all, present))
	}
	require.Less(t, service.requests.Load(), int64(50))
	n, err := store.InQuarantine(t.Context(), window.Stream)
	require.NoError(t, err)
	require.EqualValues(t, 1001, n)
	for got, err := range store.Quarantined(t.Context(), window.Stream) {
		require.NoError(t, err)
		require.Contains(t, []string{"large", "why"}, got.Reason)
	}
}

func TestARecordInQuarantineThatWasChangedIsNamed(t *testing.T) {
	stream := string(window.Stream)
	cases := map[string]struct {
		which int
		how   func(map[string]any)
	}{
		"its bytes": {0, func(row map[string]any) {
			row["Record"] = base64.StdEncoding.EncodeToString([]byte(`{"no":"iD"}`))
		}},
		"its hash": {0, func(row map[string]any) {
			row["Hash"] = base64.StdEncoding.EncodeToString(make([]byte, 32))
		}},
		"its codec":       {1, func(row map[string]any) { row["Codec"] = "zstd" }},
		"its parts":       {2, func(row map[string]any) { row["Parts"] = 1 }},
		"more parts":      {1, func(row map[string]any) { row["Parts"] = 2 }},
		"parts of a kind": {1, func(row map[string]any) { row["Parts"] = "some" }},
		"garbage":         {1, func(row map[string]any) { row["Record"] = true; delete(row, "Record@odata.type") }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := indexedDay(t)
			keys := a.rejects()
			a.change(quarantineTable, stream, keys[c.which], c.how)
			a.named(verify.DiffAltered, quarantineTable, keys[c.which])
		})
	}
	t.Run("a part is gone", func(t *testing.T) {
		a := indexedDay(t)
		keys := a.rejects()
		a.remove(quarantineTable, stream, keys[2]+"!p001")
		a.named(verify.DiffAltered, quarantineTable, keys[2])
	})
	t.Run("added under a key of its own", func(t *testing.T) {
		a := indexedDay(t)
		a.rejects()
		a.add(quarantineTable, map[string]any{"PartitionKey": stream, "RowKey": "abc", "Codec": "none", "Parts": 1})
		a.named(verify.DiffAltered, quarantineTable, "abc")
	})
}

func TestARecordThatIsGoneFromQuarantineIsNamedUntilTheNextRunCounts(t *testing.T) {
	a := indexedDay(t)
	keys := a.rejects()
	a.remove(quarantineTable, string(window.Stream), keys[0])
	a.named(verify.DiffRemoved, quarantineTable, "")
}

// What a purge drops of the quarantine the ledger counts until the next run.
func TestWhatAPurgeDropsOfTheQuarantineIsNoFlaw(t *testing.T) {
	a := indexedDay(t)
	a.rejects()
	p, _, err := a.store.State(t.Context(), window.Stream)
	require.NoError(t, err)
	p.LastRunAt = present.Add(-time.Minute)
	_, err = a.store.Commit(t.Context(), lease, p, nil, nil)
	require.NoError(t, err)
	n, err := a.store.DropQuarantined(t.Context(), window.Stream, present.Add(time.Minute))
	require.NoError(t, err)
	require.EqualValues(t, 3, n)
	require.Empty(t, a.flaws())
	there, err := a.store.InQuarantine(t.Context(), window.Stream)
	require.NoError(t, err)
	require.Zero(t, there, "the mark of the drop is no record")
	for range a.store.Quarantined(t.Context(), window.Stream) {
		t.Fatal("nor is it read as one")
	}
}

// Parts without a first row are left by a killed run: they are no record.
func TestPartsThatAKillLeftInQuarantineAreNoFlaw(t *testing.T) {
	a := indexedDay(t)
	a.rejects()
	key := strings.Repeat("ab", 32)
	a.add(quarantineTable, map[string]any{"PartitionKey": string(window.Stream), "RowKey": key + "!p001",
		"Record": "x"})
	require.Empty(t, a.flaws())
}

func TestADictionaryThatWasChangedIsNamed(t *testing.T) {
	for name, how := range map[string]func(map[string]any){
		"other bytes": func(row map[string]any) {
			row["Dictionary"] = base64.StdEncoding.EncodeToString([]byte("other"))
		},
		"no bytes": func(row map[string]any) { delete(row, "Dictionary"); delete(row, "Dictionary@odata.type") },
		"garbage":  func(row map[string]any) { row["Dictionary"] = 7; delete(row, "Dictionary@odata.type") },
	} {
		t.Run(name, func(t *testing.T) {
			a := indexedDay(t)
			w := entra.Window{Stream: window.Stream, Start: today.AddDate(0, 0, 1)}
			var recs []entra.Record
			for n := range 40 {
				raw := fmt.Sprintf(`{"id":"d-%d","createdDateTime":%q,"content":%q}`, n,
					w.Start.Add(time.Duration(n)*time.Second).Format(time.RFC3339), strings.Repeat("x", 2000))
				rec, err := logs.ParseRecord(w.Stream, []byte(raw))
				require.NoError(t, err)
				recs = append(recs, rec)
			}
			_, err := a.store.Insert(t.Context(), w, recs, w.End())
			require.NoError(t, err)
			rows := a.service.Rows("dictionaries")
			require.Len(t, rows, 1)
			require.Empty(t, a.flaws())
			a.change("dictionaries", rows[0].Partition, rows[0].Key, how)
			a.named(verify.DiffAltered, "dictionaries", rows[0].Partition+" "+rows[0].Key)
		})
	}
}

// The inspection of records finds those within what was read.
func TestRowsThatLieInNoHourAreNamed(t *testing.T) {
	for _, partition := range []string{"2026-11-20T14:30", "2026-11-2", "2026-11-22T14x", "2026-10-31T23",
		"2026-12-01T00", "", "zzz", "2026-11-22T24"} {
		t.Run(partition, func(t *testing.T) {
			a := indexedDay(t)
			a.add(recordTable, map[string]any{"PartitionKey": partition, "RowKey": "x"})
			a.named(verify.DiffAdded, recordTable, partition+" x")
		})
	}
}

// An hour may have more rows than a page.
func TestARowBehindABusyHourIsFound(t *testing.T) {
	a := indexedDay(t)
	w := entra.Window{Stream: window.Stream, Start: today.AddDate(0, 0, 1)}
	var recs []entra.Record
	for n := range 2500 {
		raw := fmt.Sprintf(`{"id":"b-%04d","createdDateTime":%q}`, n, w.Start.Add(time.Duration(n)*time.Second).
			Format(time.RFC3339))
		rec, err := logs.ParseRecord(w.Stream, []byte(raw))
		require.NoError(t, err)
		recs = append(recs, rec)
	}
	_, err := a.store.Insert(t.Context(), w, recs, w.End())
	require.NoError(t, err)
	a.add(recordTable, map[string]any{"PartitionKey": "2026-11-22T00:30", "RowKey": "x"})
	a.named(verify.DiffAdded, recordTable, "2026-11-22T00:30 x")
}

func TestHoursThatTheArchiveCannotHaveAreNamed(t *testing.T) {
	row := func(partition string) map[string]any {
		return map[string]any{"PartitionKey": partition, "RowKey": partition + ":00:00.0000000Z_x"}
	}
	t.Run("before its begin", func(t *testing.T) {
		a := indexedDay(t)
		a.add(recordTable, row("2026-11-20T23"))
		a.named(verify.DiffAdded, recordTable, "2026-11-20T23 2026-11-20T23:00:00.0000000Z_x")
	})
	t.Run("years before", func(t *testing.T) {
		a := indexedDay(t)
		a.add("signinsinteractive201906", row("2019-06-03T05"))
		a.named(verify.DiffAdded, "signinsinteractive201906", "2019-06-03T05 2019-06-03T05:00:00.0000000Z_x")
	})
	t.Run("that have not come", func(t *testing.T) {
		a := indexedDay(t)
		a.add("signinsinteractive299901", row("2999-01-31T05"))
		a.named(verify.DiffAdded, "signinsinteractive299901", "2999-01-31T05 2999-01-31T05:00:00.0000000Z_x")
	})
	t.Run("known to the ledger: its begin is what is wrong", func(t *testing.T) {
		a := indexedDay(t)
		p, _, err := a.store.State(t.Context(), window.Stream)
		require.NoError(t, err)
		p.Begin = today.Add(6 * time.Hour)
		_, err = a.store.Commit(t.Context(), lease, p, nil, nil)
		require.NoError(t, err)
		require.Empty(t, a.flaws())
	})
	t.Run("of a month that was purged", func(t *testing.T) {
		a := indexedDay(t)
		a.add("signinsinteractive202610", row("2026-10-03T05"))
		p, _, err := a.store.State(t.Context(), window.Stream)
		require.NoError(t, err)
		p.Begin, p.PurgedTo = today.AddDate(0, -2, 0), time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
		p.Drops = []ledger.Drop{{Month: time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), Dropped: present}}
		p, err = a.store.Commit(t.Context(), lease, p, nil, nil)
		require.NoError(t, err)
		require.Empty(t, a.flaws(), "something may still arrive")
		p.Drops = nil
		_, err = a.store.Commit(t.Context(), lease, p, nil, nil)
		require.NoError(t, err)
		a.named(verify.DiffAdded, "signinsinteractive202610", "2026-10-03T05 2026-10-03T05:00:00.0000000Z_x")
	})
}

func TestPartitionsOfNoStreamAreNamed(t *testing.T) {
	a := indexedDay(t)
	require.Empty(t, flawsOf(t, a.store.StrayFlaws(t.Context())))
	for _, table := range []string{"coverage", quarantineTable, indexTable, "leaves202611", "dictionaries"} {
		a.add(table, map[string]any{"PartitionKey": "signIns.mine", "RowKey": "x"})
	}
	a.add("coverage", map[string]any{"PartitionKey": "", "RowKey": "y"})
	a.add("dictionaries", map[string]any{"PartitionKey": recordTable, "RowKey": "0000040000"})
	a.add("somebodyelses", map[string]any{"PartitionKey": "p", "RowKey": "x"})
	a.add("indexes", map[string]any{"PartitionKey": "p", "RowKey": "x"})
	var got []string
	for _, flaw := range flawsOf(t, a.store.StrayFlaws(t.Context())) {
		require.Equal(t, verify.DiffAdded, flaw.Difference)
		got = append(got, flaw.Table+" "+flaw.Row)
	}
	require.ElementsMatch(t, []string{"coverage signIns.mine x", "coverage  y", "quarantine signIns.mine x",
		"index202611 signIns.mine x",
		"leaves202611 signIns.mine x", "dictionaries signIns.mine x"}, got)
}

// The verification of the ledger names what was not read yet, or cannot be.
func TestFlawsAreFoundWithoutAProgressRow(t *testing.T) {
	a := indexedDay(t)
	a.rejects()
	key := a.service.Rows(quarantineTable)[0].Key
	a.change(quarantineTable, string(window.Stream), key, func(row map[string]any) { row["Hash"] = "AAAA" })
	a.change("coverage", string(window.Stream), "progress", func(row map[string]any) {
		row["Watermark"] = "soon"
		delete(row, "Watermark@odata.type")
	})
	a.named(verify.DiffAltered, quarantineTable, key)
}
