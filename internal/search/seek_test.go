package search_test

import (
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// requests counts those that it hands on.
type requests struct {
	http.RoundTripper
	n atomic.Int64
}

func (r *requests) RoundTrip(req *http.Request) (*http.Response, error) {
	r.n.Add(1)
	return r.RoundTripper.RoundTrip(req)
}

// TestAnIDIsSoughtInKeysOfManyStretches: of months that are not indexed, the keys are read in about as
// few requests as their rows need, and then the moments at which the id is.
func TestAnIDIsSoughtInKeysOfManyStretches(t *testing.T) {
	const stream, months = logs.SignInsInteractiveUser, 5
	service := &requests{RoundTripper: memstorage.New(time.Now)}
	store, err := tablestest.New(tables.Config{
		ConnectionString: service.RoundTripper.(*memstorage.Service).ConnectionString(),
		HTTP:             &http.Client{Transport: service}})
	require.NoError(t, err)
	begin := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
	end := begin.AddDate(0, months, 0)
	hours := &rows{}
	for at := begin; at.Before(end); at = at.Add(time.Hour) { // about 7,300 rows a month
		hours.all = append(hours.all, ledger.Coverage{Window: entra.Window{Stream: stream, Start: at},
			State: ledger.WindowComplete, Records: 10})
	}
	var moments []time.Time
	for month := range months {
		at := begin.AddDate(0, month, 20).Add(time.Duration(month) * time.Minute)
		moments = append(moments, at)
		for _, id := range []string{fmt.Sprint("id-", month), "everywhere", fmt.Sprint("other-", month)} {
			rec, err := logs.ParseRecord(stream, fmt.Appendf(nil, `{"id":%q,"createdDateTime":%q}`, id,
				at.Format(time.RFC3339)))
			require.NoError(t, err)
			_, err = store.Insert(t.Context(), rec.Window(stream), []entra.Record{rec}, end)
			require.NoError(t, err)
		}
	}
	archive := archiveOf{store, hours}
	shape, err := odata.ShapeOf(stream)
	require.NoError(t, err)
	for _, newestFirst := range []bool{true, false} {
		for filter, c := range map[string]struct {
			found int
			most  int64 // requests where the first record is enough
		}{
			"id eq 'id-0'":                    {1, 55},
			"id eq 'id-4'":                    {1, 55},
			"id eq 'everywhere'":              {months, 50},
			"id in ('id-3','other-4')":        {2, 55},
			"id eq 'id-3' and userId eq null": {1, 55},
			"id eq 'id-3' and userId eq 'x'":  {0, 55},
			"id eq 'nothing'":                 {0, 55},
			"id eq 'id-2' and createdDateTime ge " + moments[2].Format(time.RFC3339):       {1, 55},
			"id eq 'id-2' and createdDateTime gt " + moments[2].Format(time.RFC3339):       {0, 55},
			"id eq 'id-2' and createdDateTime eq " + moments[2].Format(time.RFC3339):       {1, 8},
			"id eq 'everywhere' and createdDateTime le " + moments[2].Format(time.RFC3339): {3, 50},
		} {
			q, err := search.New(stream, shape, filter)
			require.NoError(t, err)
			q.NewestFirst = newestFirst
			q.Within(ledger.Progress{Stream: stream, Begin: begin, Backfilled: begin, TailBegin: begin, Watermark: end,
				LastRunAt: end}, end)
			service.n.Store(0)
			var got []time.Time
			require.NoError(t, q.Each(t.Context(), archive, "", func(rec records.Archived, matches bool) (bool, error) {
				if matches {
					got = append(got, rec.Key.Time)
				}
				return true, nil
			}), filter)
			require.Len(t, got, c.found, filter)
			require.True(t, slices.IsSortedFunc(got, func(a, b time.Time) int {
				if newestFirst {
					return b.Compare(a)
				}
				return a.Compare(b)
			}), filter)
			require.LessOrEqual(t, service.n.Load(), int64(55), filter)

			// Page by page, each ended by its time: every stretch is met once.
			var paged []time.Time
			after := ""
			for more := true; more; {
				page, err := q.Page(t.Context(), archive, after, 1, time.Time{})
				require.NoError(t, err)
				for _, rec := range page.Records {
					paged = append(paged, rec.Key.Time)
				}
				require.True(t, !page.More || page.After != after, "%s: it comes further", filter)
				after, more = page.After, page.More
			}
			require.Equal(t, got, paged, filter)
			if c.found == 0 {
				continue
			}
			service.n.Store(0)
			require.NoError(t, q.Each(t.Context(), archive, "", func(_ records.Archived, matches bool) (bool, error) {
				return !matches, nil
			}))
			require.LessOrEqual(t, service.n.Load(), c.most, "%s: it ends at the first", filter)
		}
	}
}
