package tables_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

var (
	hour   = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	window = entra.Window{Stream: logs.SignInsInteractiveUser, Start: hour}
	seen   = hour.Add(time.Hour)
)

func newStore(t *testing.T) *tablestest.Store {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	return store
}

// signIn is a record of the window, n seconds after its start.
func signIn(t *testing.T, id string, n int, content string) entra.Record {
	raw := fmt.Sprintf(`{"id":%q,"createdDateTime":%q,"userId":"u","content":%q}`, id,
		hour.Add(time.Duration(n)*time.Second).Format(time.RFC3339), content)
	rec, err := logs.ParseRecord(window.Stream, []byte(raw))
	require.NoError(t, err)
	return rec
}

// contents reads the window back: the current contents in order, then the earlier ones.
func contents(t *testing.T, store *tablestest.Store) (current, earlier []string) {
	for rec, err := range store.Records(t.Context(), window) {
		require.NoError(t, err)
		if rec.Superseded.IsZero() {
			current = append(current, string(rec.Raw))
		} else {
			earlier = append(earlier, string(rec.Raw))
		}
	}
	return current, earlier
}

func TestRecordsComeBackByteForByteInTheOrderOfTime(t *testing.T) {
	store := newStore(t)
	var recs []entra.Record
	for i := range 250 { // three transactions
		recs = append(recs, signIn(t, fmt.Sprintf("Invited Users/%d", 999-i), i, strings.Repeat("é\"", i)))
	}
	tally, err := store.Insert(t.Context(), window, recs, seen)
	require.NoError(t, err)
	current, earlier := contents(t, store)
	require.Empty(t, earlier)
	require.Len(t, current, len(recs))
	for i, rec := range recs {
		require.Equal(t, string(rec.Raw), current[i])
	}
	count, err := store.Count(t.Context(), window)
	require.NoError(t, err)
	require.Equal(t, tally, count)
}

func TestInsertingWhatIsThereIsRefused(t *testing.T) {
	store := newStore(t)
	_, err := store.Insert(t.Context(), window, []entra.Record{signIn(t, "a", 1, "1")}, seen)
	require.NoError(t, err)
	_, err = store.Insert(t.Context(), window, []entra.Record{signIn(t, "b", 1, "1"), signIn(t, "a", 1, "2")}, seen)
	require.ErrorIs(t, err, collect.ErrExists)
	current, _ := contents(t, store)
	require.Equal(t, []string{string(signIn(t, "a", 1, "1").Raw)}, current)
}

// apply carries out one change of record "a" against what is stored.
func apply(t *testing.T, store *tablestest.Store, rec entra.Record) ledger.Contents {
	stored, err := store.Stored(t.Context(), window, rec.Key, rec.Key)
	require.NoError(t, err)
	has := stored[rec.Key]
	again := false
	for _, e := range has.Earlier {
		again = again || [ledger.VersionHashBytes]byte(e[:]) == [ledger.VersionHashBytes]byte(rec.Hash[:])
	}
	tally, err := store.Apply(t.Context(), window,
		[]collect.Change{{Kind: collect.Supersede, Record: rec, Was: has.Current, Again: again}}, seen.Add(time.Hour))
	require.NoError(t, err)
	return tally
}

func TestAChangedRecordKeepsItsEarlierContents(t *testing.T) {
	store := newStore(t)
	one, two := signIn(t, "a", 1, "1"), signIn(t, "a", 1, "2")
	total, err := store.Insert(t.Context(), window, []entra.Record{one, signIn(t, "b", 1, "other")}, seen)
	require.NoError(t, err)

	steps := []struct {
		becomes  entra.Record
		earlier  []string
		versions int64
	}{
		{two, []string{string(one.Raw)}, 1},
		{one, []string{string(two.Raw)}, 1}, // back again: one is current, and not an earlier version too
		{two, []string{string(one.Raw)}, 1},
	}
	for i, step := range steps {
		added := apply(t, store, step.becomes)
		total.Tally = ledger.Tally{Records: total.Records + added.Records, Versions: total.Versions + added.Versions,
			Bytes: total.Bytes + added.Bytes, StoredBytes: total.StoredBytes + added.StoredBytes}
		total.Sum.Add(added.Sum)
		current, earlier := contents(t, store)
		require.Equal(t, string(step.becomes.Raw), current[0], "step %d", i)
		require.Equal(t, step.earlier, earlier, "step %d", i)
		count, err := store.Count(t.Context(), window)
		require.NoError(t, err)
		require.Equal(t, total, count, "step %d: the tally is what is there", i)
		require.Equal(t, step.versions, count.Versions)
	}
	for rec, err := range store.Records(t.Context(), window) {
		require.NoError(t, err)
		if rec.ID == "a" {
			require.Equal(t, rec.Hash == one.Hash, rec.FirstSeen.Equal(seen),
				"each content knows when it was first seen")
		}
	}
}

func TestARecordOfSeveralRowsChangesPlacesWhole(t *testing.T) {
	store := newStore(t)
	var noise strings.Builder
	for i := range 120_000 {
		fmt.Fprintf(&noise, "%x", uint32(i*2654435761))
	}
	big, small := signIn(t, "a", 1, noise.String()), signIn(t, "a", 1, "small")
	total, err := store.Insert(t.Context(), window, []entra.Record{big}, seen)
	require.NoError(t, err)
	apply(t, store, small)
	current, earlier := contents(t, store)
	require.Equal(t, []string{string(small.Raw)}, current)
	require.Equal(t, 1, len(earlier))
	require.True(t, earlier[0] == string(big.Raw))
	apply(t, store, big)
	current, earlier = contents(t, store)
	require.True(t, current[0] == string(big.Raw))
	require.Equal(t, []string{string(small.Raw)}, earlier)
	count, err := store.Count(t.Context(), window)
	require.NoError(t, err)
	require.Equal(t, total.Bytes+int64(len(small.Raw)), count.Bytes)
}

func TestOfTwoThatSupersedeTheSameContentOneIsRefused(t *testing.T) {
	store := newStore(t)
	one := signIn(t, "a", 1, "1")
	_, err := store.Insert(t.Context(), window, []entra.Record{one}, seen)
	require.NoError(t, err)
	change := func(content string) error {
		_, err := store.Apply(t.Context(), window,
			[]collect.Change{{Kind: collect.Supersede, Record: signIn(t, "a", 1, content), Was: one.Hash}}, seen)
		return err
	}
	require.NoError(t, change("2"))
	err = change("3")
	require.True(t, errors.Is(err, ledger.ErrMoved) || errors.Is(err, collect.ErrExists), "%v", err)
}

func TestACommitCountsOnlyOnWhatWasRead(t *testing.T) {
	store := newStore(t)
	p, err := store.Progress(t.Context(), window.Stream)
	require.NoError(t, err)
	require.Equal(t, ledger.Progress{Stream: window.Stream}, p)

	first := p
	first.Run, first.Watermark, first.LastError, first.ClockOffset = "run 1", hour.Add(time.Second),
		"it's \"quoted\" é", -90*time.Second
	first.Records, first.Bytes = 7, 1<<40
	rows := []ledger.Coverage{{Window: window, State: ledger.WindowComplete, Passes: 2, Fetched: 9, New: 7, Changed: 1,
		Unchanged: 1, Records: 7,
		Versions: 1, Bytes: 1 << 40, StoredBytes: 12, FirstReadAt: hour, LastReadAt: seen}}
	committed, err := store.Commit(t.Context(), ledger.Lease{Execution: ledger.Execution{ID: "r"}}, first, rows, nil)
	require.NoError(t, err)
	read, err := store.Progress(t.Context(), window.Stream)
	require.NoError(t, err)
	require.Equal(t, committed, read)

	other := p
	other.Run = "run 2"
	_, err = store.Commit(t.Context(), ledger.Lease{Execution: ledger.Execution{ID: "r"}}, other,
		[]ledger.Coverage{{Window: window, State: ledger.WindowPartial}}, nil)
	require.ErrorIs(t, err, ledger.ErrMoved, "run 2 did not see run 1's commit")
	other = committed
	other.Run = "run 2"
	_, err = store.Commit(t.Context(), ledger.Lease{Execution: ledger.Execution{ID: "r"}}, other, nil, nil)
	require.NoError(t, err)
	_, err = store.Commit(t.Context(), ledger.Lease{Execution: ledger.Execution{ID: "r"}}, committed, nil, nil)
	require.ErrorIs(t, err, ledger.ErrMoved, "run 1 did not see run 2's commit")

	var got []ledger.Coverage
	for cov, err := range store.Windows(t.Context(), window.Stream, hour.Add(-time.Hour), hour.Add(time.Minute)) {
		require.NoError(t, err)
		got = append(got, cov)
	}
	require.Equal(t, rows, got)
}

func TestALongLedgerIsReadWhole(t *testing.T) {
	store := newStore(t)
	p := ledger.Progress{Stream: window.Stream, Run: "r"}
	const hours = 2500 // three answers of a query
	for from := 0; from < hours; from += ledger.MaxCommit {
		var rows []ledger.Coverage
		for i := from; i < min(from+ledger.MaxCommit, hours); i++ {
			rows = append(rows, ledger.Coverage{Window: entra.Window{Stream: window.Stream,
				Start: hour.Add(time.Duration(i) * time.Hour)}, State: ledger.WindowComplete})
		}
		var err error
		p, err = store.Commit(t.Context(), ledger.Lease{Execution: ledger.Execution{ID: "r"}}, p, rows, nil)
		require.NoError(t, err)
	}
	next := hour
	for cov, err := range store.Windows(t.Context(), window.Stream, hour, hour.Add(hours*time.Hour)) {
		require.NoError(t, err)
		require.Equal(t, next, cov.Start)
		next = next.Add(time.Hour)
	}
	require.Equal(t, hour.Add(hours*time.Hour), next)
}

func TestQuarantineKeepsBytesOfAnySizeOnce(t *testing.T) {
	store := newStore(t)
	var noise strings.Builder
	for i := range 450_000 {
		fmt.Fprintf(&noise, "%x", i*2654435761)
	}
	raws := []string{`{"broken":true}`, noise.String()}
	for range 2 {
		for _, raw := range raws {
			rejected := collect.Rejected{Raw: []byte(raw), Reason: "record has no id"}
			copy(rejected.Hash[:], raw[1:9])
			require.NoError(t, store.Quarantine(t.Context(), window.Stream, []collect.Rejected{rejected}, seen))
		}
	}
	n, err := store.InQuarantine(t.Context(), window.Stream)
	require.NoError(t, err)
	require.EqualValues(t, 2, n)
	var got []string
	for rec, err := range store.Quarantined(t.Context(), window.Stream) {
		require.NoError(t, err)
		require.Equal(t, "record has no id", rec.Reason)
		got = append(got, string(rec.Raw))
	}
	require.ElementsMatch(t, raws, got)
}

func TestATableThatWentAwayIsMadeAgain(t *testing.T) {
	account := azuritetest.Account(t)
	store, err := tablestest.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	service, err := aztables.NewServiceClientFromConnectionString(account, nil)
	require.NoError(t, err)
	_, err = store.Insert(t.Context(), window, []entra.Record{signIn(t, "a", 1, "1")}, seen)
	require.NoError(t, err)
	_, err = service.DeleteTable(t.Context(), tables.TableName(window), nil)
	require.NoError(t, err)
	_, err = store.Insert(t.Context(), window, []entra.Record{signIn(t, "b", 1, "1")}, seen)
	require.NoError(t, err)
	current, _ := contents(t, store)
	require.Len(t, current, 1)
}

// between is a proxy for Azurite: answer may answer in Azurite's place, or hand on with forward.
func between(
	t *testing.T, retries int32, answer func(w http.ResponseWriter, r *http.Request, forward http.Handler),
) *tablestest.Store {
	account := azuritetest.Account(t)
	endpoint := account[strings.Index(account, "TableEndpoint=")+len("TableEndpoint="):]
	endpoint, _, _ = strings.Cut(endpoint, ";")
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	target.Path = ""
	forward := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer(w, r, forward)
	}))
	t.Cleanup(server.Close)
	store, err := tablestest.New(tables.Config{ConnectionString: strings.Replace(account, target.String(), server.URL,
		1), Retries: retries})
	require.NoError(t, err)
	return store
}

func TestAWriteWhoseAnswerWasLostIsRecognised(t *testing.T) {
	var lose atomic.Bool
	store := between(t, 3, func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if strings.HasSuffix(r.URL.Path, "$batch") && lose.Swap(false) {
			forward.ServeHTTP(httptest.NewRecorder(), r) // it is written, and the caller hears nothing
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		forward.ServeHTTP(w, r)
	})
	p, err := store.Commit(t.Context(), ledger.Lease{Execution: ledger.Execution{ID: "r"}},
		ledger.Progress{Stream: window.Stream, Run: "r"}, nil, nil)
	require.NoError(t, err)
	lose.Store(true)
	p.Records = 5
	p, err = store.Commit(t.Context(), ledger.Lease{Execution: ledger.Execution{ID: "r"}}, p,
		[]ledger.Coverage{{Window: window, State: ledger.WindowComplete}}, nil)
	require.NoError(t, err)
	got, err := store.Progress(t.Context(), window.Stream)
	require.NoError(t, err)
	require.Equal(t, p, got)

	lose.Store(true)
	_, err = store.Insert(t.Context(), window, []entra.Record{signIn(t, "a", 1, "1")}, seen)
	require.ErrorIs(t, err, collect.ErrExists, "the collector compares, and finds everything there")
}

func TestAnAccountThatCantBeReachedIsNamedByItsSetting(t *testing.T) {
	store, err := tablestest.New(tables.Config{Retries: -1,
		ConnectionString: "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:1/x"})
	require.NoError(t, err)
	_, err = store.Progress(t.Context(), window.Stream)
	require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err))
	require.ErrorContains(t, err, "ARCHIVE_STORAGE")
	require.NotContains(t, err.Error(), "c2VjcmV0")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = store.Progress(ctx, window.Stream)
	require.ErrorIs(t, err, context.Canceled)
}

func TestAConnectionStringThatIsNoneIsNotRepeated(t *testing.T) {
	_, err := tablestest.New(tables.Config{ConnectionString: "AccountKey=c2VjcmV0"})
	require.ErrorContains(t, err, "ARCHIVE_STORAGE")
	require.NotContains(t, err.Error(), "c2VjcmV0")
	_, err = tablestest.New(tables.Config{ServiceURI: "http://acme.table.core.windows.net"})
	require.ErrorContains(t, err, "https://<account>")
}
