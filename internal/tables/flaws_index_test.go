package tables_test

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// account is a storage account in memory, into which somebody else writes, too.
type account struct {
	*testing.T
	service *memstorage.Service
	store   *tablestest.Store
	client  *aztables.ServiceClient
}

func newAccount(t *testing.T) *account {
	service := memstorage.New(func() time.Time { return present })
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	require.NoError(t, err)
	client, err := aztables.NewServiceClientFromConnectionString(service.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: service.Client()}})
	require.NoError(t, err)
	return &account{t, service, store, client}
}

// change rewrites a row as somebody's tool might.
func (a *account) change(table, partition, key string, how func(map[string]any)) {
	got, err := a.client.NewClient(table).GetEntity(a.Context(), partition, key, nil)
	require.NoError(a, err, "%s %s %s", table, partition, key)
	row := make(map[string]any)
	require.NoError(a, json.Unmarshal(got.Value, &row))
	maps.DeleteFunc(row, func(name string, _ any) bool {
		return name == "Timestamp" || strings.HasPrefix(name, "odata.")
	})
	how(row)
	body, err := json.Marshal(row)
	require.NoError(a, err)
	etag := azcore.ETagAny
	_, err = a.client.NewClient(table).UpdateEntity(a.Context(), body, &aztables.UpdateEntityOptions{IfMatch: &etag,
		UpdateMode: aztables.UpdateModeReplace})
	require.NoError(a, err)
}

func (a *account) remove(table, partition, key string) {
	_, err := a.client.NewClient(table).DeleteEntity(a.Context(), partition, key, nil)
	require.NoError(a, err)
}

func (a *account) add(table string, row map[string]any) {
	_, _ = a.client.CreateTable(a.Context(), table, nil) // it may be there
	body, err := json.Marshal(row)
	require.NoError(a, err)
	_, err = a.client.NewClient(table).AddEntity(a.Context(), body, nil)
	require.NoError(a, err)
}

// move takes a row away and puts it under another key, with all that it has.
func (a *account) move(table, partition, key, to string) {
	var moved map[string]any
	a.change(table, partition, key, func(row map[string]any) { moved = maps.Clone(row) })
	a.remove(table, partition, key)
	moved["RowKey"] = to
	a.add(table, moved)
}

func flawsOf(t *testing.T, all iter.Seq2[verify.Flaw, error]) (out []verify.Flaw) {
	for flaw, err := range all {
		require.NoError(t, err)
		require.NotEmpty(t, flaw.Detail)
		out = append(out, flaw)
	}
	return out
}

// flaws are those of the window's stream in a day, and those that are about no time.
func (a *account) flaws() []verify.Flaw {
	out := flawsOf(a.T, a.store.Flaws(a.Context(), window.Stream, time.Time{}, time.Time{}))
	return append(out, flawsOf(a.T, a.store.Flaws(a.Context(), window.Stream, today, today.AddDate(0, 0, 1)))...)
}

// named checks that a row is named, and nothing else is.
func (a *account) named(d verify.Difference, table, row string) {
	a.Helper()
	flaws := a.flaws()
	require.NotEmpty(a, flaws)
	for _, flaw := range flaws {
		require.Equal(a, []string{string(d), table, row}, []string{string(flaw.Difference), flaw.Table, flaw.Row},
			"%+v", flaws)
	}
}

var today = hour.Truncate(24 * time.Hour)

// present is the storage service's time.
var present = today.AddDate(0, 0, 20)

// lease is of a holder who gave it back.
var lease = ledger.Lease{Fence: 1, Base: present, Stamp: present}

const indexTable = "index202611"

// user is the user of the records at an hour of the day.
func user(hour int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", hour) }

func recordAt(t *testing.T, hour, n int) entra.Record {
	raw := fmt.Sprintf(`{"id":"id-%d-%d","createdDateTime":%q,"userId":%q,"appId":"app","status":{"errorCode":0}}`,
		hour, n,
		today.Add(time.Duration(hour)*time.Hour+time.Duration(n)*time.Second).Format(time.RFC3339), user(hour))
	rec, err := logs.ParseRecord(window.Stream, []byte(raw))
	require.NoError(t, err)
	return rec
}

// indexedDay is an archive of one day, sealed and indexed.
func indexedDay(t *testing.T) *account {
	a := newAccount(t)
	p := ledger.Progress{Stream: window.Stream, Begin: today, Backfilled: today, TailBegin: today,
		Watermark: today.AddDate(0, 0, 1),
		SealedTo:  today.AddDate(0, 0, 1), Seals: 24, LastRunAt: present}
	var rows []ledger.Coverage
	var sealed []seal.Seal
	for n := range 24 {
		w := entra.Window{Stream: window.Stream, Start: today.Add(time.Duration(n) * time.Hour)}
		recs := []entra.Record{recordAt(t, n, 1), recordAt(t, n, 2)}
		_, err := a.store.Insert(t.Context(), w, recs, today.AddDate(0, 0, 1))
		require.NoError(t, err)
		rows = append(rows, ledger.Coverage{Window: w, State: ledger.WindowSealed, Seals: 1, LastSeal: int64(n),
			Records: 2})
		sealed = append(sealed, seal.Seal{Window: w, Number: int64(n), Leaves: 2, SealedAt: today.AddDate(0, 0, 8)})
	}
	_, err := a.store.Commit(t.Context(), lease, p, rows, sealed)
	require.NoError(t, err)
	a.index(24)
	require.Empty(t, a.flaws())
	return a
}

func (a *account) index(entries int64) {
	indexDay(a, a.store, today, derive.Revision{LastSeal: entries - 1, Seals: entries})
	require.NoError(a, a.store.Kept(derive.Index()).SetMark(a.Context(), window.Stream, entries))
}

// indexDay indexes a day as it is, whatever the ledger says.
func indexDay(t testing.TB, store *tablestest.Store, day time.Time, as derive.Revision) {
	t.Helper()
	view := derive.Index()
	period, keeper := view.Period(window.Stream, day), store.Kept(view)
	made, err := derive.Compute(t.Context(), store, view, period, []ledger.Span{{From: period.Start, To: period.End}})
	require.NoError(t, err)
	stamps, err := keeper.Stamps(t.Context(), window.Stream, period.Start, period.End)
	require.NoError(t, err)
	stamp := derive.Stamp{State: derive.StampMade, Revision: as, Version: view.Version}
	stamp.Together, err = keeper.PutRows(t.Context(), derive.Draft{Period: period, Was: stamps[period.Start]}, made)
	require.NoError(t, err)
	_, err = keeper.PutStamp(t.Context(), period, stamp)
	require.NoError(t, err)
}

// finds tells whether a search by the index comes to an hour.
func (a *account) finds(v derive.Value, hour int) bool {
	search, err := derive.NewSearch(a.Context(), a.store, window.Stream)
	require.NoError(a, err)
	if search == nil {
		return true
	}
	days, err := search.Hours(a.Context(), []derive.Value{v}, today, today.AddDate(0, 0, 1))
	require.NoError(a, err)
	in, indexed := days[today]
	return !indexed || in.Has(hour)
}

// narrows tells whether searches go by the index at all.
func (a *account) narrows() bool { return !a.finds(derive.Value{Column: "UserId", Text: user(3)}, 4) }

func TestARowOfTheIndexThatWasChangedHidesNothingAndIsNamed(t *testing.T) {
	userRow, idRow := "UserId!"+user(3)+"!21", ""
	for _, row := range indexedDay(t).service.Rows(indexTable) {
		if strings.HasPrefix(row.Key, "id!") && len(row.Raw("Record")) > len(`"12345678"`) { // two ids at least
			idRow = row.Key
		}
	}
	require.NotEmpty(t, idRow)
	set := func(name string, value any) func(map[string]any) {
		return func(row map[string]any) { row[name] = value }
	}
	cases := map[string]struct {
		row string
		how func(map[string]any)
	}{
		"no hours":             {userRow, set("Hours", 0)},
		"another hour":         {userRow, set("Hours", 1<<4)},
		"hours beyond the day": {userRow, set("Hours", 1<<30)},
		"hours of another type": {userRow, func(row map[string]any) {
			row["Hours"] = "much"
		}},
		"hours taken away": {userRow, func(row map[string]any) { delete(row, "Hours") }},
		"another check":    {userRow, func(row map[string]any) { row["Check"] = "AAAAAAAAAAA=" }},
		"ids cut":          {idRow, func(row map[string]any) { row["Record"] = row["Record"].(string)[:8] }},
		"ids that are no multiple": {idRow, func(row map[string]any) {
			row["Record"] = "AAAA"
		}},
		"ids of another type": {idRow, func(row map[string]any) {
			row["Record"] = 7
			delete(row, "Record@odata.type")
		}},
		"ids taken away": {idRow, func(row map[string]any) {
			delete(row, "Record")
			delete(row, "Record@odata.type")
		}},
		"the day's entry": {"day!21", set("LastSeal", "9")},
		"the day's seals": {"day!21", set("Seals", "many")},
		"the day's rows":  {"day!21", set("Rows", 1)},
		"the day's sum":   {"day!21", func(row map[string]any) { row["Sum"] = "AAAAAAAAAAA=" }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a := indexedDay(t)
			require.True(t, a.narrows())
			a.change(indexTable, string(window.Stream), c.row, c.how)
			for hour := range 24 {
				for n := 1; n <= 2; n++ {
					require.True(t, a.finds(derive.Value{Text: recordAt(t, hour, n).ID}, hour), hour)
				}
				require.True(t, a.finds(derive.Value{Column: "UserId", Text: user(hour)}, hour), hour)
			}
			a.named(verify.DiffDerived, indexTable, c.row)
			a.index(24)
			require.Empty(t, a.flaws(), "made anew")
			require.True(t, a.narrows())
		})
	}
}

// A check is no secret, and a row that is gone has none: verify makes the day's index anew.
func TestARowOfTheIndexThatIsGoneOrForgedIsNamed(t *testing.T) {
	stream, userRow := string(window.Stream), "UserId!"+user(3)+"!21"
	t.Run("gone", func(t *testing.T) {
		a := indexedDay(t)
		a.remove(indexTable, stream, userRow)
		a.named(verify.DiffDerived, indexTable, userRow)
		a.index(24)
		require.Empty(t, a.flaws())
	})
	t.Run("under another key", func(t *testing.T) {
		a := indexedDay(t)
		a.move(indexTable, stream, userRow, "UserId!"+user(3)+"x!21")
		var rows []string
		for _, flaw := range a.flaws() {
			require.Equal(t, verify.DiffDerived, flaw.Difference)
			rows = append(rows, flaw.Row)
		}
		require.ElementsMatch(t, []string{userRow, "UserId!" + user(3) + "x!21"}, rows)
	})
	t.Run("without a check", func(t *testing.T) {
		a := indexedDay(t)
		without := func(row map[string]any) { delete(row, "Check"); delete(row, "Check@odata.type") }
		a.change(indexTable, stream, userRow, func(row map[string]any) { row["Hours"] = 0; without(row) })
		require.True(t, a.finds(derive.Value{Column: "UserId", Text: user(3)}, 3),
			"the day's row says that each has one")
		a.named(verify.DiffDerived, indexTable, userRow)
		a.change(indexTable, stream, "day!21", without)
		require.False(t, a.finds(derive.Value{Column: "UserId", Text: user(3)}, 3),
			"as a version before wrote it: believed until verify")
		a.named(verify.DiffDerived, indexTable, userRow)
	})
	t.Run("of another month", func(t *testing.T) {
		a := indexedDay(t)
		var row map[string]any
		a.change(indexTable, stream, userRow, func(r map[string]any) { row = maps.Clone(r) })
		a.add("index202610", row)
		flaws := flawsOf(t, a.store.Flaws(t.Context(), window.Stream, today.AddDate(0, -1, 0), today))
		require.Len(t, flaws, 1)
		require.Equal(t, "index202610", flaws[0].Table)
	})
	t.Run("more than its records make", func(t *testing.T) {
		a := indexedDay(t)
		a.add(indexTable, map[string]any{"PartitionKey": stream, "RowKey": "UserId!nobody!21", "Hours": 7})
		a.named(verify.DiffDerived, indexTable, "UserId!nobody!21")
	})
	t.Run("a key of nobody", func(t *testing.T) {
		a := indexedDay(t)
		a.add(indexTable, map[string]any{"PartitionKey": stream, "RowKey": "UserId!nobody!32"})
		flaws := flawsOf(t, a.store.Flaws(t.Context(), window.Stream, today.AddDate(0, 0, -20), today.AddDate(0, 0, 9)))
		require.Len(t, flaws, 1)
		require.Equal(t, verify.DiffAdded, flaws[0].Difference)
	})
}

func TestHowFarTheIndexGoesIsNotBelievedUnchecked(t *testing.T) {
	for name, how := range map[string]func(map[string]any){
		"more":     func(row map[string]any) { row["Entries"] = "25" },
		"garbage":  func(row map[string]any) { row["Entries"] = true },
		"negative": func(row map[string]any) { row["Entries"] = "-1" },
		"unchecked": func(row map[string]any) {
			row["Entries"] = "900"
			delete(row, "Check")
			delete(row, "Check@odata.type")
		},
		"taken away": func(row map[string]any) { delete(row, "Entries") },
	} {
		t.Run(name, func(t *testing.T) {
			a := indexedDay(t)
			a.change("coverage", string(window.Stream), "indexed", how)
			require.False(t, a.narrows(), "the days are searched whole")
			a.named(verify.DiffDerived, "coverage", "indexed")
		})
	}
}

// The rows of a version before have no checks, and lose them where that version writes them again.
func TestAnIndexOfTheVersionBeforeIsBelieved(t *testing.T) {
	a := indexedDay(t)
	strip := func() {
		for _, row := range a.service.Rows(indexTable) {
			a.change(indexTable, row.Partition, row.Key, func(row map[string]any) {
				for _, name := range []string{"Check", "Sum", "Rows"} {
					delete(row, name)
					delete(row, name+"@odata.type")
				}
			})
		}
		a.change("coverage", string(window.Stream), "indexed", func(row map[string]any) {
			delete(row, "Check")
			delete(row, "Check@odata.type")
		})
	}
	strip()
	require.True(t, a.narrows())
	require.True(t, a.finds(derive.Value{Column: "UserId", Text: user(3)}, 3))
	require.Empty(t, a.flaws())
	a.change(indexTable, string(window.Stream), "UserId!"+user(3)+"!21", func(row map[string]any) {
		row["Hours"] = "all"
	})
	require.True(t, a.finds(derive.Value{Column: "UserId", Text: user(3)}, 3), "what can't be read is not believed")
	a.change(indexTable, string(window.Stream), "UserId!"+user(3)+"!21", func(row map[string]any) { row["Hours"] = 0 })
	a.named(verify.DiffDerived, indexTable, "UserId!"+user(3)+"!21")
	a.index(24)
	require.Empty(t, a.flaws())
	for _, row := range a.service.Rows(indexTable) {
		require.NotEmpty(t, row.Raw("Check"), "%s gets one where it is made anew", row.Key)
	}
}

// What comes into a day after its last seal is in no index, and is no flaw; nor is a day that
// nobody goes by.
func TestADayThatWaitsToBeSealedAgainIsNoFlaw(t *testing.T) {
	a := indexedDay(t)
	late := recordAt(t, 5, 30)
	_, err := a.store.Insert(t.Context(), late.Window(window.Stream), []entra.Record{late}, today.AddDate(0, 0, 9))
	require.NoError(t, err)
	require.Empty(t, a.flaws())
	p, _, err := a.store.State(t.Context(), window.Stream)
	require.NoError(t, err)
	p.Seals = 25
	w := late.Window(window.Stream)
	_, err = a.store.Commit(t.Context(), lease, p,
		[]ledger.Coverage{{Window: w, State: ledger.WindowSealed, Seals: 2, LastSeal: 24, Records: 3}},
		[]seal.Seal{{Window: w, Number: 24, Leaves: 3, SealedAt: today.AddDate(0, 0, 10)}})
	require.NoError(t, err)
	require.Empty(t, a.flaws(), "the log tells searches of it")
	require.True(t, a.finds(derive.Value{Text: late.ID}, 5))
	require.NoError(t, a.store.Kept(derive.Index()).SetMark(t.Context(), window.Stream, 25))
	a.named(verify.DiffDerived, indexTable, "day!21")
	indexDay(t, a.store, today, derive.Revision{LastSeal: 24, Seals: 25})
	require.Empty(t, a.flaws())
}

// A day that can't be indexed anew, because an hour of it is in doubt, is searched whole, and after
// that as well.
func TestADayThatCannotBeIndexedAnewIsNotGoneBy(t *testing.T) {
	a := indexedDay(t)
	late := recordAt(t, 5, 30)
	_, err := a.store.Insert(t.Context(), late.Window(window.Stream), []entra.Record{late}, today.AddDate(0, 0, 9))
	require.NoError(t, err)
	p, _, err := a.store.State(t.Context(), window.Stream)
	require.NoError(t, err)
	p.Doubts, p.DoubtFrom, p.DoubtTo = 1, today.Add(6*time.Hour), today.Add(7*time.Hour)
	w := late.Window(window.Stream)
	doubted := ledger.Coverage{Window: entra.Window{Stream: window.Stream, Start: today.Add(6 * time.Hour)},
		State: ledger.WindowSealed, Seals: 1, LastSeal: 6, Records: 2, Doubt: true}
	p, err = a.store.Commit(t.Context(), lease, p, []ledger.Coverage{doubted}, nil)
	require.NoError(t, err)
	require.False(t, a.narrows(), "what is in doubt may be in no index")
	p.Seals = 25
	_, err = a.store.Commit(t.Context(), lease, p,
		[]ledger.Coverage{{Window: w, State: ledger.WindowSealed, Seals: 2, LastSeal: 24, Records: 3}},
		[]seal.Seal{{Window: w, Number: 24, Leaves: 3, SealedAt: today.AddDate(0, 0, 10)}})
	require.NoError(t, err)
	update := func() int {
		report, err := derive.Update(t.Context(), a.store, ledger.Execution{ID: "x", Work: "test"}, window.Stream,
			false, time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.False(t, report.Left)
		return report.Days
	}
	require.Zero(t, update())
	p, _, err = a.store.State(t.Context(), window.Stream)
	require.NoError(t, err)
	doubted.Doubt, p.Doubts, p.DoubtFrom, p.DoubtTo = false, 0, time.Time{}, time.Time{}
	_, err = a.store.Commit(t.Context(), lease, p, []ledger.Coverage{doubted}, nil)
	require.NoError(t, err)
	require.True(t, a.finds(derive.Value{Text: late.ID}, 5))
	require.False(t, a.narrows())
	require.Empty(t, a.flaws())
	require.Equal(t, 1, update())
	require.True(t, a.narrows())
	require.True(t, a.finds(derive.Value{Text: late.ID}, 5))
	require.Empty(t, a.flaws())
}

// A run that was killed may leave rows of a day that it did not come to say is indexed.
func TestADayThatWasIndexedInPartIsNoFlaw(t *testing.T) {
	a := indexedDay(t)
	a.remove(indexTable, string(window.Stream), "day!21")
	rows := a.service.Rows(indexTable)
	a.remove(indexTable, string(window.Stream), rows[0].Key)
	require.Empty(t, a.flaws())
	require.False(t, a.narrows())
}

// TestVerifyingTheIndexBesideWhoMakesItNamesNothing: the requests of both come in every order of a
// few.
func TestVerifyingTheIndexBesideWhoMakesItNamesNothing(t *testing.T) {
	for at := range 30 {
		a := indexedDay(t)
		late := recordAt(t, 5, 30)
		_, err := a.store.Insert(t.Context(), late.Window(window.Stream), []entra.Record{late}, today.AddDate(0, 0, 9))
		require.NoError(t, err)
		between := &betweenRequests{service: a.service, at: at, do: func(ctx context.Context) {
			p, _, err := a.store.State(ctx, window.Stream)
			require.NoError(t, err)
			p.Seals = 25
			w := late.Window(window.Stream)
			_, err = a.store.Commit(ctx, lease, p,
				[]ledger.Coverage{{Window: w, State: ledger.WindowSealed, Seals: 2, LastSeal: 24, Records: 3}},
				[]seal.Seal{{Window: w, Number: 24, Leaves: 3, SealedAt: today.AddDate(0, 0, 10)}})
			require.NoError(t, err)
			indexDay(t, a.store, today, derive.Revision{LastSeal: 24, Seals: 25})
			require.NoError(t, a.store.Kept(derive.Index()).SetMark(ctx, window.Stream, 25))
		}}
		reader := between.store(t)
		require.Empty(t, flawsOf(t, reader.Flaws(t.Context(), window.Stream, today, today.AddDate(0, 0, 1))),
			"before request %d", at)
		require.True(t, between.done || at >= between.asked, "%d of %d", at, between.asked)
	}
}

// TestVerifyingTheIndexBesideAPurgeNamesNothing: the month goes away before any of its requests.
func TestVerifyingTheIndexBesideAPurgeNamesNothing(t *testing.T) {
	for at := range 30 {
		a := indexedDay(t)
		between := &betweenRequests{service: a.service, at: at, do: func(ctx context.Context) {
			p, _, err := a.store.State(ctx, window.Stream)
			require.NoError(t, err)
			var rows []ledger.Coverage
			for cov, err := range a.store.Windows(ctx, window.Stream, today, today.AddDate(0, 0, 1)) {
				require.NoError(t, err)
				cov.State = ledger.WindowPurged
				rows = append(rows, cov)
			}
			p.Drops = []ledger.Drop{{Month: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}}
			_, err = a.store.Commit(ctx, lease, p, rows, nil)
			require.NoError(t, err)
			require.NoError(t, a.store.DropMonth(ctx, window.Stream, today))
			require.NoError(t, a.store.DropViews(ctx, window.Stream, today))
		}}
		reader := between.store(t)
		require.Empty(t, flawsOf(t, reader.Flaws(t.Context(), window.Stream, today, today.AddDate(0, 0, 1))),
			"before request %d", at)
		require.Empty(t, flawsOf(t, reader.Flaws(t.Context(), window.Stream, time.Time{}, time.Time{})),
			"before request %d", at)
	}
}

// betweenRequests does something before one request of a store.
type betweenRequests struct {
	service   *memstorage.Service
	at, asked int
	done      bool
	do        func(context.Context)
}

func (b *betweenRequests) store(t *testing.T) *tablestest.Store {
	store, err := tablestest.New(tables.Config{ConnectionString: b.service.ConnectionString(),
		HTTP: &http.Client{Transport: b}})
	require.NoError(t, err)
	return store
}

func (b *betweenRequests) RoundTrip(req *http.Request) (*http.Response, error) {
	if b.asked++; b.asked == b.at+1 {
		b.done = true
		b.do(context.Background()) // another process
	}
	return b.service.RoundTrip(req)
}
