package search_test

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// archiveOf is a store with a ledger that the test writes.
type archiveOf struct {
	*tablestest.Store
	ledger *rows
}

func (a archiveOf) Windows(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[ledger.Coverage, error] {
	return a.ledger.Windows(ctx, s, from, to)
}

// filters records the filters of the queries that it hands on.
type filters struct {
	http.RoundTripper
	asked []string
}

func (f *filters) RoundTrip(req *http.Request) (*http.Response, error) {
	if text, err := url.QueryUnescape(req.URL.RawQuery); err == nil && strings.Contains(text, "PartitionKey ge") {
		f.asked = append(f.asked, text)
	}
	return f.RoundTripper.RoundTrip(req)
}

// TestAColumnIsAskedForOnlyWhereTheRowsHaveIt: of hours that were written before there was the
// column, none is left out in silence.
func TestAColumnIsAskedForOnlyWhereTheRowsHaveIt(t *testing.T) {
	const stream = logs.SignInsInteractiveUser
	log := logs.Of(stream)
	require.Equal(t, 2, log.Since("ClientAppUsed"))
	service := memstorage.New(time.Now)
	asked := &filters{RoundTripper: service}
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
		HTTP: &http.Client{Transport: asked}})
	require.NoError(t, err)
	hours := &rows{}
	var want []string
	for i, set := range []int{1, 0, 2, -1, 2, 2} { // -1: the ledger has no row; 0: it does not say
		w := entra.Window{Stream: stream, Start: newest.Add(time.Duration(i) * time.Hour)}
		if i == 4 { // an hour without a record
			hours.all = append(hours.all, ledger.Coverage{Window: w, State: ledger.WindowComplete})
			continue
		}
		var recs []entra.Record
		for n, client := range []string{"Browser", "IMAP4"} {
			id := fmt.Sprintf("%d-%d", i, n)
			raw := fmt.Sprintf(`{"id":%q,"createdDateTime":%q,"clientAppUsed":%q}`, id,
				w.Start.Add(time.Duration(n)*time.Minute).Format(time.RFC3339), client)
			rec, err := logs.ParseRecord(stream, []byte(raw))
			require.NoError(t, err)
			if set < 2 {
				rec.Columns = nil // as a version before wrote it
			}
			recs = append(recs, rec)
			if client == "IMAP4" {
				want = append(want, id)
			}
		}
		_, err := store.Insert(t.Context(), w, recs, newest.Add(days))
		require.NoError(t, err)
		if set >= 0 {
			hours.all = append(hours.all, ledger.Coverage{Window: w, State: ledger.WindowComplete, Records: 2,
				ColumnSet: set})
		}
	}
	shape, err := odata.ShapeOf(stream)
	require.NoError(t, err)
	p := ledger.Progress{Stream: stream, Begin: newest, Backfilled: newest, TailBegin: newest,
		Watermark: newest.Add(6 * time.Hour), LastRunAt: newest.Add(6 * time.Hour)}
	for _, newestFirst := range []bool{true, false} {
		q, err := search.New(stream, shape, "clientAppUsed eq 'IMAP4'")
		require.NoError(t, err)
		q.NewestFirst = newestFirst
		q.Within(p, newest.Add(6*time.Hour))
		asked.asked = nil
		page, err := q.Page(t.Context(), archiveOf{store, hours}, "", 100, time.Now().Add(time.Minute))
		require.NoError(t, err)
		var got []string
		for _, rec := range page.Records {
			got = append(got, rec.Key.ID)
		}
		require.ElementsMatch(t, want, got)
		with, without := 0, 0
		for _, text := range asked.asked {
			if strings.Contains(text, "ClientAppUsed eq 'IMAP4'") {
				with++
			} else {
				without++
			}
		}
		require.Positive(t, with, "%q", asked.asked)
		require.Positive(t, without, "%q", asked.asked)
	}
	// A row of the ledger that can't be read leaves nothing out either.
	for broken := range hours.all {
		hours.broken = hours.all[broken].Start
		q, err := search.New(stream, shape, "clientAppUsed eq 'IMAP4'")
		require.NoError(t, err)
		q.Within(p, newest.Add(6*time.Hour))
		page, err := q.Page(t.Context(), archiveOf{store, hours}, "", 100, time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.Len(t, page.Records, len(want))
	}
	hours.broken = time.Time{}
	// A usual value has no column anywhere, so nothing is asked for it.
	q, err := search.New(stream, shape, "clientAppUsed eq 'Browser'")
	require.NoError(t, err)
	q.Within(p, newest.Add(6*time.Hour))
	asked.asked = nil
	page, err := q.Page(t.Context(), archiveOf{store, hours}, "", 100, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, page.Records, 5)
	require.NotContains(t, strings.Join(asked.asked, " "), "ClientAppUsed")
}

const days = 24 * time.Hour
