package repair_test

import (
	"context"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/coverage"
	"github.com/entraledger/entraledger/functions/repair"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	archiverepair "github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
	"github.com/entraledger/entraledger/internal/web"
)

const slice = 20 * time.Second

// quiet is a tenant without records.
type quiet struct{}

func (quiet) Now(context.Context) (time.Time, error) { return time.Now(), nil }
func (quiet) Ordered(entra.Stream) bool              { return true }
func (quiet) Pages(context.Context, entra.Query) iter.Seq2[entra.Page, error] {
	return func(func(entra.Page, error) bool) {}
}

// slow is an archive of which each day needs some time to be verified.
type slow struct {
	*tablestest.Store
	takes time.Duration
}

func (s slow) Inspect(ctx context.Context, stream entra.Stream, from, to time.Time) iter.Seq2[verify.Inspected, error] {
	time.Sleep(s.takes)
	return s.Store.Inspect(ctx, stream, from, to)
}

// bubble is an app whose archive has two streams without a record. In a bubble its time passes only
// where it waits.
type bubble struct {
	*testing.T
	store *tablestest.Store
	host  *web.Host
}

func inBubble(t *testing.T, takes time.Duration, test func(l *bubble)) {
	synctest.Test(t, func(t *testing.T) {
		service := memstorage.New(time.Now)
		store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(),
			HTTP: service.Client()})
		require.NoError(t, err)
		both := []entra.Stream{logs.DirectoryAudits, logs.Provisioning}
		collector := collect.New(quiet{}, store, nil, collect.Options{Backfill: 4 * 24 * time.Hour}, time.Now,
			slog.New(slog.DiscardHandler))
		_, err = collector.Run(t.Context(), ledger.Execution{ID: "a run", Work: "archivelogs"}, both, time.Minute)
		require.NoError(t, err)
		known := streams.New(both, store)
		clock := func(context.Context) (time.Time, error) { return time.Now(), nil }
		repairer := archiverepair.New(slow{store, takes}, nil, 0, clock, time.Now)
		host, err := web.Serve(slog.New(slog.DiscardHandler), "http://here",
			repair.New(repair.Config{Repairer: repairer,
				Jobs: store, Streams: known, Now: time.Now, Slice: slice}),
			coverage.New(coverage.Config{Ledger: store, Gaps: search.NewGaps(store), Streams: known, Now: time.Now}))
		require.NoError(t, err)
		l := &bubble{t, store, host}
		test(l)
	})
}

func (l *bubble) ask(method, address, body string) (int, map[string]any) {
	w := httptest.NewRecorder()
	l.host.ServeHTTP(w, httptest.NewRequestWithContext(l.Context(), method, strings.TrimPrefix(address, "http://here"),
		strings.NewReader(body)))
	require.NotContains(l, w.Body.String(), "null")
	var answer map[string]any
	require.NoError(l, json.Unmarshal(w.Body.Bytes(), &answer), "%s", w.Body)
	if w.Code == http.StatusAccepted {
		answer["location"] = w.Header().Get("Location")
	}
	return w.Code, answer
}

// breaks puts an old copy of the progress row in its place.
func (l *bubble) breaks() ledger.Progress {
	p, lease, err := l.store.State(l.Context(), logs.DirectoryAudits)
	require.NoError(l, err)
	found, err := l.store.Remains(l.Context(), logs.DirectoryAudits)
	require.NoError(l, err)
	_, err = l.store.Rebuild(l.Context(), lease, found, nil, nil) // a revision that no progress row has
	require.NoError(l, err)
	return p
}

// TestARepairThatTakesLongIsAJobThatEachRequestDoesAPartOf, a plan likewise.
func TestARepairThatTakesLongIsAJobThatEachRequestDoesAPartOf(t *testing.T) {
	inBubble(t, 9*time.Second, func(l *bubble) {
		was := l.breaks()
		for _, asked := range []struct{ method, path, body, status string }{
			{http.MethodGet, "/api/repair?stream=directoryAudits", "", "planned"},
			{http.MethodPost, "/api/repair", `{"stream":"directoryAudits"}`, "repaired"},
		} {
			status, answer := l.ask(asked.method, asked.path, asked.body)
			requests := 0
			for ; status == http.StatusAccepted; requests++ {
				require.Equal(l, "running", answer["status"])
				require.NotContains(l, answer, "entry")
				time.Sleep(5 * time.Second)
				status, answer = l.ask(http.MethodGet, answer["location"].(string), "")
			}
			require.Equal(l, http.StatusOK, status, "%v", answer)
			require.Positive(l, requests)
			require.Equal(l, asked.status, answer["status"])
			require.Len(l, answer["wrong"], 1)
			require.Contains(l, answer["wrong"].([]any)[0], "row progress has revision ")
			require.Equal(l, was.Begin.Format(time.RFC3339), answer["beginDateTime"])
			require.EqualValues(l, was.Seals, answer["entries"].(float64)-float64(strings.Count(asked.status,
				"repaired")))
		}
		is, err := l.store.Progress(l.Context(), logs.DirectoryAudits)
		require.NoError(l, err)
		require.Equal(l, was.TailBegin, is.TailBegin)
		status, answer := l.ask(http.MethodPost, "/api/repair", `{"stream":"directoryAudits"}`)
		require.Equal(l, http.StatusConflict, status, "%v", answer)
		require.Equal(l, "conflict", answer["error"].(map[string]any)["code"])
	})
}

// TestCoverageShowsAStreamWhoseProgressCantBeUsedAsFailing, and the others as ever.
func TestCoverageShowsAStreamWhoseProgressCantBeUsedAsFailing(t *testing.T) {
	inBubble(t, 0, func(l *bubble) {
		_, whole := l.ask(http.MethodGet, "/api/coverage", "")
		l.breaks()
		status, answer := l.ask(http.MethodGet, "/api/coverage", "")
		require.Equal(l, http.StatusOK, status)
		rows, before := answer["value"].([]any), whole["value"].([]any)
		require.Len(l, rows, 2)
		require.Equal(l, before[1], rows[1])
		row := rows[0].(map[string]any)
		require.Equal(l, "failing", row["status"])
		require.Equal(l, "tampered", row["lastError"].(map[string]any)["code"])
		require.Contains(l, row["lastError"].(map[string]any)["message"], "or POST /api/repair")
		require.NotContains(l, row, "watermarkDateTime")
	})
}
