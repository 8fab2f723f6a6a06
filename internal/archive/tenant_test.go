package archive_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/archive/archivetest"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

const (
	stream = logs.SignInsInteractiveUser
	other  = logs.DirectoryAudits
	budget = time.Minute
)

var start = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)

// tenant is a Source of which a test decides every step: what it holds, in which order it hands it
// out, where it breaks.
type tenant struct {
	mu       sync.Mutex // a walk's next page is asked for beside another question
	now      time.Time
	records  map[entra.Stream][]string
	pageSize int
	shuffled bool // the stream's pages are in no order, and the source says so
	reads    []string
	pages    int
	before   func(page int) error // asked before each page; an error ends the walk
	mangle   func(page entra.Page) entra.Page
}

func newTenant() *tenant {
	return &tenant{now: start, records: make(map[entra.Stream][]string), pageSize: 10}
}

func (t *tenant) Now(context.Context) (time.Time, error) { return t.now, nil }
func (t *tenant) Ordered(entra.Stream) bool              { return !t.shuffled }

func (t *tenant) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	s, from, to := q.Stream, q.From, q.To
	return func(yield func(entra.Page, error) bool) {
		t.mu.Lock()
		t.reads = append(t.reads, from.Format(time.RFC3339)+" "+to.Format(time.RFC3339))
		var in []string
		for _, raw := range t.records[s] {
			if at := timeOf(s, raw); at.IsZero() || !at.Before(from) && at.Before(to) {
				in = append(in, raw)
			}
		}
		t.mu.Unlock()
		if t.shuffled {
			slices.SortStableFunc(in, func(a, b string) int { return strings.Compare(hashText(a), hashText(b)) })
		} else {
			slices.SortStableFunc(in, func(a, b string) int { return timeOf(s, a).Compare(timeOf(s, b)) })
		}
		for first := true; first || len(in) > 0; first = false {
			n := min(t.pageSize, len(in))
			page, err := t.page(ctx, s, in[:n])
			in = in[n:]
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// page is the next page, or the error in its place.
func (t *tenant) page(ctx context.Context, s entra.Stream, raws []string) (entra.Page, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.before != nil {
		if err := t.before(t.pages); err != nil {
			return entra.Page{}, err
		}
	}
	if ctx.Err() != nil {
		return entra.Page{}, ctx.Err()
	}
	t.pages++
	page := entra.Page{Date: t.now}
	for _, raw := range raws {
		rec, err := logs.ParseRecord(s, []byte(raw))
		page.Records = append(page.Records, entra.Parsed{Record: rec, Err: err})
	}
	if t.mangle != nil {
		page = t.mangle(page)
	}
	return page, nil
}

func hashText(s string) string { h := sha256.Sum256([]byte(s)); return string(h[:]) }

func timeOf(s entra.Stream, raw string) time.Time {
	rec, err := logs.ParseRecord(s, []byte(raw))
	if err != nil {
		return time.Time{}
	}
	return rec.Time
}

// add puts a record with an id into a stream, ago before the start.
func (t *tenant) add(s entra.Stream, id string, ago time.Duration, content string) {
	t.records[s] = append(t.records[s], record(s, id, ago, content))
}

func record(s entra.Stream, id string, ago time.Duration, content string) string {
	return fmt.Sprintf(`{"id":%q,%q:%q,"content":%q}`, id, logs.Of(s).TimeProperty, start.Add(-ago).Format(time.RFC3339Nano), content)
}

func execution() archive.Execution { return archivetest.Execution() }

func newStore(t *testing.T) *tablestest.Store { return storeOf(t, memstorage.New(nil)) }

// storeOf is a store of a process of its own in an account.
func storeOf(t *testing.T, account *memstorage.Service) *tablestest.Store {
	store, err := tablestest.New(tables.Config{ConnectionString: account.ConnectionString(), HTTP: account.Client()})
	require.NoError(t, err)
	return store
}

func collect(t *testing.T, source archive.Source, store archive.Store, o archive.Options, streams ...entra.Stream) (archive.Report, error) {
	if len(streams) == 0 {
		streams = []entra.Stream{stream}
	}
	return collectWith(t, source, archivetest.Later{Store: store}, o, streams...)
}

func collectWith(t *testing.T, source archive.Source, store archive.Store, o archive.Options, streams ...entra.Stream) (archive.Report, error) {
	clock := func() time.Time { return start }
	if tn, ok := source.(*tenant); ok {
		clock = func() time.Time { return tn.now }
	}
	collector := archive.NewCollector(source, store, nil, o, clock, slog.New(slog.DiscardHandler))
	return collector.Run(t.Context(), execution(), streams, budget)
}

// stored reads back all hours in which the tenant has a record: current contents and earlier ones,
// each sorted.
func stored(t *testing.T, store *tablestest.Store, tn *tenant, s entra.Stream) (current, earlier []string) {
	hours := make(map[time.Time]bool)
	for _, raw := range tn.records[s] {
		hours[entra.FloorHour(timeOf(s, raw))] = true
	}
	for hour := range hours {
		for rec, err := range store.Records(t.Context(), entra.Window{Stream: s, Start: hour}) {
			require.NoError(t, err)
			if rec.Superseded.IsZero() {
				current = append(current, string(rec.Raw))
			} else {
				earlier = append(earlier, string(rec.Raw))
			}
		}
	}
	slices.Sort(current)
	slices.Sort(earlier)
	return current, earlier
}

func sorted(texts []string) []string {
	out := slices.Clone(texts)
	slices.Sort(out)
	return slices.Compact(out)
}

func progress(t *testing.T, store *tablestest.Store, s entra.Stream) archive.Progress {
	p, err := store.Progress(t.Context(), s)
	require.NoError(t, err)
	return p
}

// checkLedger compares the totals of the progress row with the coverage rows, and those with the
// tables.
func checkLedger(t *testing.T, store *tablestest.Store, s entra.Stream) {
	t.Helper()
	p := progress(t, store, s)
	var sum archive.Tally
	complete := int64(0)
	for cov, err := range store.Windows(t.Context(), s, start.Add(-400*24*time.Hour), start.Add(400*24*time.Hour)) {
		require.NoError(t, err)
		count, err := store.Count(t.Context(), cov.Window)
		require.NoError(t, err)
		require.Equal(t, count.Tally, archive.Tally{Records: cov.Records, Versions: cov.Versions, Bytes: cov.Bytes, StoredBytes: cov.StoredBytes}, "%s", cov.Window)
		require.True(t, cov.HasSum, "%s", cov.Window)
		require.Equal(t, count.Sum, cov.Sum, "%s: rows and sum", cov.Window)
		require.False(t, cov.Doubt, "%s", cov.Window)
		require.Equal(t, cov.New, cov.Records, "%s: what came is what is there", cov.Window)
		require.Equal(t, cov.Fetched, cov.New+cov.Changed+cov.Enriched+cov.Unchanged+cov.Quarantined, "%s balances", cov.Window)
		sum = archive.Tally{Records: sum.Records + cov.Records, Versions: sum.Versions + cov.Versions, Bytes: sum.Bytes + cov.Bytes, StoredBytes: sum.StoredBytes + cov.StoredBytes}
		if cov.Whole() {
			complete++
		}
	}
	require.Equal(t, sum, p.Tally, "the totals are the sums of the windows")
	require.Equal(t, complete, p.WindowsComplete)
}

func fill(tn *tenant, s entra.Stream, n int, every time.Duration) {
	for i := range n {
		tn.add(s, fmt.Sprintf("id-%05d", i), time.Duration(i)*every+10*time.Minute, strings.Repeat("x", i%50))
	}
}
