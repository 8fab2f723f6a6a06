package lab

import (
	"context"
	"crypto/sha256"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

const (
	Stream = logs.SignInsInteractiveUser
	Other  = logs.DirectoryAudits
	Budget = time.Minute
)

var Start = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)

// Tenant is a Source of which a test decides every step: what it holds, in which order it hands it
// out, where it breaks.
type Tenant struct {
	Mu       sync.Mutex // a walk's next page is asked for beside another question
	Clock    time.Time
	Records  map[entra.Stream][]string
	PageSize int
	Shuffled bool // the stream's pages are in no order, and the source says so
	Reads    []string
	Served   int
	Before   func(page int) error // asked before each page; an error ends the walk
	Mangle   func(page entra.Page) entra.Page
}

func NewTenant() *Tenant {
	return &Tenant{Clock: Start, Records: make(map[entra.Stream][]string), PageSize: 10}
}

func (t *Tenant) Now(context.Context) (time.Time, error) { return t.Clock, nil }

func (t *Tenant) Ordered(entra.Stream) bool { return !t.Shuffled }

func (t *Tenant) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	s, from, to := q.Stream, q.From, q.To
	return func(yield func(entra.Page, error) bool) {
		t.Mu.Lock()
		t.Reads = append(t.Reads, from.Format(time.RFC3339)+" "+to.Format(time.RFC3339))
		var in []string
		for _, raw := range t.Records[s] {
			if at := TimeOf(s, raw); at.IsZero() || !at.Before(from) && at.Before(to) {
				in = append(in, raw)
			}
		}
		t.Mu.Unlock()
		if t.Shuffled {
			slices.SortStableFunc(in, func(a, b string) int { return strings.Compare(hashText(a), hashText(b)) })
		} else {
			slices.SortStableFunc(in, func(a, b string) int { return TimeOf(s, a).Compare(TimeOf(s, b)) })
		}
		for first := true; first || len(in) > 0; first = false {
			n := min(t.PageSize, len(in))
			page, err := t.page(ctx, s, in[:n])
			in = in[n:]
			if !yield(page, err) || err != nil {
				return
			}
		}
	}
}

// page is the next page, or the error in its place.
func (t *Tenant) page(ctx context.Context, s entra.Stream, raws []string) (entra.Page, error) {
	t.Mu.Lock()
	defer t.Mu.Unlock()
	if t.Before != nil {
		if err := t.Before(t.Served); err != nil {
			return entra.Page{}, err
		}
	}
	if ctx.Err() != nil {
		return entra.Page{}, ctx.Err()
	}
	t.Served++
	page := entra.Page{Date: t.Clock}
	for _, raw := range raws {
		rec, err := logs.ParseRecord(s, []byte(raw))
		page.Records = append(page.Records, entra.Parsed{Record: rec, Err: err})
	}
	if t.Mangle != nil {
		page = t.Mangle(page)
	}
	return page, nil
}

func hashText(s string) string { h := sha256.Sum256([]byte(s)); return string(h[:]) }

func TimeOf(s entra.Stream, raw string) time.Time {
	rec, err := logs.ParseRecord(s, []byte(raw))
	if err != nil {
		return time.Time{}
	}
	return rec.Time
}

// Add puts a record with an id into a stream, ago before the start.
func (t *Tenant) Add(s entra.Stream, id string, ago time.Duration, content string) {
	t.Records[s] = append(t.Records[s], Record(s, id, ago, content))
}

func Record(s entra.Stream, id string, ago time.Duration, content string) string {
	return fmt.Sprintf(`{"id":%q,%q:%q,"content":%q}`, id, logs.Of(s).TimeProperty,
		Start.Add(-ago).Format(time.RFC3339Nano), content)
}

func Execution() ledger.Execution { return archivetest.Execution() }

func NewStore(t *testing.T) *tablestest.Store { return StoreOf(t, memstorage.New(nil)) }

// StoreOf is a store of a process of its own in an account.
func StoreOf(t *testing.T, account *memstorage.Service) *tablestest.Store {
	store, err := tablestest.New(tables.Config{ConnectionString: account.ConnectionString(), HTTP: account.Client()})
	require.NoError(t, err)
	return store
}

func Progress(t *testing.T, store *tablestest.Store, s entra.Stream) ledger.Progress {
	p, err := store.Progress(t.Context(), s)
	require.NoError(t, err)
	return p
}

// CheckLedger compares the totals of the progress row with the coverage rows, and those with the
// tables.
func CheckLedger(t *testing.T, store *tablestest.Store, s entra.Stream) {
	t.Helper()
	p := Progress(t, store, s)
	var sum ledger.Tally
	complete := int64(0)
	for cov, err := range store.Windows(t.Context(), s, Start.Add(-400*24*time.Hour), Start.Add(400*24*time.Hour)) {
		require.NoError(t, err)
		count, err := store.Count(t.Context(), cov.Window)
		require.NoError(t, err)
		require.Equal(t, count.Tally, ledger.Tally{Records: cov.Records, Versions: cov.Versions, Bytes: cov.Bytes,
			StoredBytes: cov.StoredBytes}, "%s", cov.Window)
		require.True(t, cov.HasSum, "%s", cov.Window)
		require.Equal(t, count.Sum, cov.Sum, "%s: rows and sum", cov.Window)
		require.False(t, cov.Doubt, "%s", cov.Window)
		require.Equal(t, cov.New, cov.Records, "%s: what came is what is there", cov.Window)
		require.Equal(t, cov.Fetched, cov.New+cov.Changed+cov.Enriched+cov.Unchanged+cov.Quarantined, "%s balances",
			cov.Window)
		sum = ledger.Tally{Records: sum.Records + cov.Records, Versions: sum.Versions + cov.Versions,
			Bytes: sum.Bytes + cov.Bytes, StoredBytes: sum.StoredBytes + cov.StoredBytes}
		if cov.Whole() {
			complete++
		}
	}
	require.Equal(t, sum, p.Tally, "the totals are the sums of the windows")
	require.Equal(t, complete, p.WindowsComplete)
}

func Fill(tn *Tenant, s entra.Stream, n int, every time.Duration) {
	for i := range n {
		tn.Add(s, fmt.Sprintf("id-%05d", i), time.Duration(i)*every+10*time.Minute, strings.Repeat("x", i%50))
	}
}
