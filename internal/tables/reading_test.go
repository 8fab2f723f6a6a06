package tables_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// counted is a table service in memory that counts the queries and the rows that they give.
type counted struct {
	*memstorage.Service
	queries int
}

func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.Service.RoundTrip(req)
	if err == nil && req.Method == http.MethodGet && strings.Contains(req.URL.RawQuery, "filter") {
		c.queries++
	}
	return resp, err
}

func newMemory(t *testing.T) (*tablestest.Store, *counted) {
	service := &counted{Service: memstorage.New(time.Now)}
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
		HTTP: &http.Client{Transport: service}})
	require.NoError(t, err)
	return store, service
}

// archived stores records, each in its hour.
func archived(t *testing.T, store *tablestest.Store, recs ...entra.Record) {
	byHour := make(map[entra.Window][]entra.Record)
	for _, rec := range recs {
		w := rec.Window(window.Stream)
		byHour[w] = append(byHour[w], rec)
	}
	for w, of := range byHour {
		_, err := store.Insert(t.Context(), w, of, seen)
		require.NoError(t, err)
	}
}

// record is one of a moment.
func record(t *testing.T, id string, at time.Time, userID string) entra.Record {
	raw := fmt.Sprintf(`{"id":%q,"createdDateTime":%q,"userId":%q,"status":{"errorCode":%d}}`, id,
		at.UTC().Format(time.RFC3339Nano), userID, len(id)%3)
	rec, err := logs.ParseRecord(window.Stream, []byte(raw))
	require.NoError(t, err)
	return rec
}

// read gives the records of a reading, page by page, each continuing where the page before ended.
func read(t *testing.T, store *tablestest.Store, r records.Reading, page int) []records.Archived {
	var out []records.Archived
	for more := true; more; {
		more = false
		n := 0
		for rec, err := range store.Read(t.Context(), r) {
			require.NoError(t, err)
			if rec.Raw == nil && rec.Tampered == "" {
				r.After = rec.Place
				continue
			}
			if n++; n > page {
				more = true
				break
			}
			require.NotEmpty(t, rec.Place)
			out, r.After = append(out, rec), rec.Place
		}
	}
	return out
}

func texts(recs []records.Archived) []string {
	out := make([]string, len(recs))
	for i, rec := range recs {
		out[i] = string(rec.Raw)
	}
	return out
}

const all = 1 << 30

// TestAReadingOfAnHourCostsOneRequestForAThousandRows, whichever way it goes.
func TestAReadingOfAnHourCostsOneRequestForAThousandRows(t *testing.T) {
	for _, n := range []int{0, 1, 999, 1000, 1001, 2000, 5000, 9500} {
		store, service := newMemory(t)
		var recs []entra.Record
		for i := range n {
			recs = append(recs, record(t, fmt.Sprintf("%05d", i), hour.Add(time.Duration(i)*time.Hour/time.Duration(n)),
				"u"))
		}
		archived(t, store, recs...)
		for _, newestFirst := range []bool{false, true} {
			for _, from := range []time.Time{hour, hour.Add(-23 * time.Hour)} {
				service.queries = 0
				got := read(t, store, records.Reading{Stream: window.Stream, From: from, To: hour.Add(time.Hour),
					NewestFirst: newestFirst}, all)
				name := fmt.Sprintf("%d rows, newest first %v, from %s", n, newestFirst, from)
				require.Len(t, got, n, name)
				most := max(1, (n+999)/1000)
				if newestFirst && n > 8000 {
					most++ // the hour is more than one slice
				}
				if newestFirst && from.Before(hour) {
					most += 3 // for the hours in which there is nothing
				}
				require.LessOrEqual(t, service.queries, most, name)
			}
		}
	}
}

// TestAPageOfAHundredAsksForFewRows, as the functions do: one more shows whether there are more.
func TestAPageOfAHundredAsksForFewRows(t *testing.T) {
	for _, c := range []struct {
		inHour      int
		newestFirst bool
		requests    int
	}{
		{300, false, 1}, {1000, false, 1}, {5000, false, 1},
		{300, true, 1}, {1000, true, 1}, {1500, true, 2}, {5000, true, 2}, {60_000, true, 2},
	} {
		store, service := newMemory(t)
		var recs []entra.Record
		for i := range c.inHour {
			recs = append(recs, record(t, fmt.Sprintf("%05d", i),
				hour.Add(time.Duration(i)*time.Hour/time.Duration(c.inHour)), "u"))
		}
		archived(t, store, recs...)
		service.queries = 0
		r := records.Reading{Stream: window.Stream, From: hour, To: hour.Add(time.Hour), NewestFirst: c.newestFirst,
			Limit: 101}
		n := 0
		for rec, err := range store.Read(t.Context(), r) {
			require.NoError(t, err)
			if rec.Raw == nil {
				continue
			}
			if n++; n == 101 {
				break
			}
		}
		require.Equal(t, 101, n)
		require.LessOrEqual(t, service.queries, c.requests, "%d in the hour, newest first %v", c.inHour, c.newestFirst)
	}
}

// mixed is an archive with everything that makes places difficult: records of one moment, earlier
// versions, records of several rows, ids that are cut, hours without records, and two months.
func mixed(t *testing.T, store *tablestest.Store, random *rand.Rand, n int) (from, to time.Time) {
	from = time.Date(2026, 10, 31, 20, 0, 0, 0, time.UTC)
	to = from.Add(9 * time.Hour)
	var recs []entra.Record
	for i := range n {
		at := from.Add(time.Duration(random.Int64N(int64(to.Sub(from)))).Truncate(entra.Tick))
		if random.IntN(3) == 0 {
			// bounds, and many at once
			at = at.Truncate(time.Hour).Add(time.Duration(random.IntN(2)) * (time.Hour - entra.Tick))
		}
		id := fmt.Sprintf("id %d", i)
		switch random.IntN(50) {
		case 0:
			id += strings.Repeat("/long", 100)
		case 1:
			var noise strings.Builder
			for j := range 100_000 {
				fmt.Fprintf(&noise, "%x", uint32((i+j)*2654435761))
			}
			raw := fmt.Sprintf(`{"id":%q,"createdDateTime":%q,"content":%q}`, id, at.Format(time.RFC3339Nano),
				noise.String())
			rec, err := logs.ParseRecord(window.Stream, []byte(raw))
			require.NoError(t, err)
			recs = append(recs, rec)
			continue
		}
		recs = append(recs, record(t, id, at, fmt.Sprintf("u%d", random.IntN(3))))
	}
	archived(t, store, recs...)
	for _, rec := range recs {
		if random.IntN(10) > 0 {
			continue
		}
		changed := record(t, rec.ID, rec.Time, "changed")
		_, err := store.Apply(t.Context(), rec.Window(window.Stream),
			[]collect.Change{{Kind: collect.Supersede, Record: changed, Was: rec.Hash}}, seen.Add(time.Hour))
		require.NoError(t, err)
	}
	return from, to
}

// TestPagesOfEverySizeGiveWhatAPlainScanGives, forward and backward.
func TestPagesOfEverySizeGiveWhatAPlainScanGives(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 14))
		store, service := newMemory(t)
		from, to := mixed(t, store, random, 90)
		limits := []memstorage.Limits{{}, {PageEntities: 7}, {PageScan: 5, PageSplits: true}}
		service.Limits = limits[seed%3]
		for _, versions := range []bool{false, true} {
			var want []string
			for at := from; at.Before(to); at = at.Add(time.Hour) {
				for rec, err := range store.Records(t.Context(), entra.WindowOf(window.Stream, at)) {
					require.NoError(t, err)
					if versions || rec.Superseded.IsZero() {
						want = append(want, string(rec.Raw))
					}
				}
			}
			for _, page := range []int{1, 3, 10, all} {
				for _, limit := range []int{0, page + 1} {
					name := fmt.Sprintf("seed %d, versions %v, pages of %d, limit %d", seed, versions, page, limit)
					r := records.Reading{Stream: window.Stream, From: from, To: to, Versions: versions,
						Limit: min(limit, 1000)}
					require.Equal(t, want, texts(read(t, store, r, page)), name)
					r.NewestFirst = true
					got := texts(read(t, store, r, page))
					slices.Reverse(got)
					require.Equal(t, want, got, name)
				}
			}
			checkBounds(t, store, random, from, to, versions)
		}
	}
}

// checkBounds reads ranges that begin and end anywhere, and by columns.
func checkBounds(t *testing.T, store *tablestest.Store, random *rand.Rand, from, to time.Time, versions bool) {
	whole := read(t, store, records.Reading{Stream: window.Stream, From: from, To: to, Versions: versions}, all)
	for range 10 {
		a := from.Add(time.Duration(random.Int64N(int64(to.Sub(from)))).Truncate(entra.Tick))
		z := a.Add(time.Duration(random.Int64N(int64(to.Sub(a)))).Truncate(entra.Tick))
		user := fmt.Sprintf("u%d", random.IntN(3))
		var want, of []string
		for _, rec := range whole {
			if rec.Key.Time.Before(a) || !rec.Key.Time.Before(z) {
				continue
			}
			want = append(want, string(rec.Raw))
			if strings.Contains(string(rec.Raw), `"userId":"`+user+`"`) {
				of = append(of, string(rec.Raw))
			}
		}
		for _, newestFirst := range []bool{false, true} {
			r := records.Reading{Stream: window.Stream, From: a, To: z, Versions: versions, NewestFirst: newestFirst}
			got := texts(read(t, store, r, 1+random.IntN(50)))
			r.Columns = [][]entra.Column{{{Name: "UserId", Text: user}}}
			found := texts(read(t, store, r, 1+random.IntN(50)))
			if newestFirst {
				slices.Reverse(got)
				slices.Reverse(found)
			}
			require.ElementsMatch(t, want, got)
			require.ElementsMatch(t, of, found)
		}
	}
}

// TestRecordsOfOneMomentMayBeMoreThanASliceHolds.
func TestRecordsOfOneMomentMayBeMoreThanASliceHolds(t *testing.T) {
	store, service := newMemory(t)
	var recs []entra.Record
	for i := range 12_500 {
		recs = append(recs, record(t, fmt.Sprintf("%05d", i), hour.Add(time.Minute), "u"))
	}
	archived(t, store, recs...)
	r := records.Reading{Stream: window.Stream, From: hour, To: hour.Add(time.Hour), NewestFirst: true}
	service.queries = 0
	got := read(t, store, r, all)
	require.LessOrEqual(t, service.queries, 30)
	require.Len(t, got, len(recs))
	for i := range got {
		require.Equal(t, string(recs[len(recs)-1-i].Raw), string(got[i].Raw))
	}
}

// TestPlacesOfTheVersionBeforeStayValid: they are in tokens that callers hold.
func TestPlacesOfTheVersionBeforeStayValid(t *testing.T) {
	store, _ := newMemory(t)
	a, b, c := record(t, "a", hour.Add(time.Minute), "u"), record(t, "b", hour.Add(time.Minute), "u"),
		record(t, "c", hour.Add(2*time.Minute), "u")
	archived(t, store, a, b, c)
	r := records.Reading{Stream: window.Stream, From: hour.Add(-40 * 24 * time.Hour), To: hour.Add(time.Hour)}
	for place, want := range map[string][]string{
		store.RowKey(a.Key) + `"`:            {"b", "c"},
		store.RowKey(c.Key) + `"`:            nil,
		"2026-11-21T14:02:00.0000000Z":       {"c"},
		"2026-11-21T14:00:59.9999999Z":       {"a", "b", "c"},
		"2026-11-01T00:00:00.0000000Z":       {"a", "b", "c"},
		"2026-12-01T00:00:00.0000000Z":       nil,
		"2026-11-21T14:01:00.0000000Z_a!p~":  {"b", "c"},
		"2026-11-21T14:01:00.0000000Z_a!v01": {"b", "c"},
	} {
		r.After = place
		var got []string
		for _, rec := range read(t, store, r, all) {
			got = append(got, rec.Key.ID)
		}
		require.Equal(t, want, got, place)
	}
	r.NewestFirst = true
	for place, want := range map[string][]string{
		store.RowKey(c.Key):            {"b", "a"},
		store.RowKey(a.Key):            nil,
		"2026-11-21T14:01:00.0000000Z": nil,
		"2026-11-21T15:00:00.0000000Z": {"c", "b", "a"},
	} {
		r.After = place
		var got []string
		for _, rec := range read(t, store, r, all) {
			got = append(got, rec.Key.ID)
		}
		require.Equal(t, want, got, place)
	}
	for _, newestFirst := range []bool{false, true} {
		r.NewestFirst, r.After = newestFirst, "2026-11-2"
		var failed error
		for _, err := range store.Read(t.Context(), r) {
			failed = err
		}
		require.ErrorContains(t, failed, "begins with no time")
	}
}

// TestMonthsWithoutATableHaveNoRecords.
func TestMonthsWithoutATableHaveNoRecords(t *testing.T) {
	store, service := newMemory(t)
	archived(t, store, record(t, "a", hour, "u"), record(t, "b", hour.AddDate(0, -3, 0), "u"))
	for _, newestFirst := range []bool{false, true} {
		service.queries = 0
		r := records.Reading{Stream: window.Stream, From: hour.AddDate(-1, 0, 0), To: hour.AddDate(0, 2, 0),
			NewestFirst: newestFirst}
		require.Len(t, read(t, store, r, all), 2)
		require.LessOrEqual(t, service.queries, 24, "newest first %v", newestFirst)
	}
}
