package functions

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	statusfunction "github.com/entraledger/entraledger/functions/status"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/status"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// TestRowsChangedByHandHideNoOtherNeed: what is stored of runs and of checks is of help only, and the log that fails is
// told beside. Runs that were all killed need somebody, too, and one that was does not.
func TestRowsChangedByHandHideNoOtherNeed(t *testing.T) {
	service := memstorage.New(time.Now)
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	require.NoError(t, err)
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	logs := func(context.Context) ([]status.Log, error) {
		return []status.Log{{Stream: "provisioning", Collected: true, Status: ledger.StatusFailing,
			Failure: &status.Failure{Code: "licenceMissing", Message: "there is no licence"}}}, nil
	}
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", statusfunction.New(statusfunction.Config{Logs: logs,
		Snapshots: directory.NewReader(store, cursors.New(store, store, clock), clock), Store: store, Version: "v1",
		Timers: timers(), Now: clock, Archiver: "archivelogs", Snapshotter: "snapshotdirectory"}))
	require.NoError(t, err)
	kinds := func() string {
		w := httptest.NewRecorder()
		host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/status", nil))
		require.Equal(t, http.StatusOK, w.Code, w.Body)
		require.NotContains(t, w.Body.String(), "null")
		return gjson.Get(w.Body.String(), "value.#.kind").Raw
	}
	require.Equal(t, `["failing"]`, kinds())

	put := func(kind, id, state string) {
		_, err := store.SaveJob(t.Context(), jobs.Job{Kind: kind, ID: id, State: json.RawMessage(state), Created: now,
			Updated: now, Done: true})
		require.NoError(t, err)
	}
	put(runs.Kind, "indexarchive", `{"no":"list"}`)
	put(preflight.Kind, "v1", `"none"`)
	require.Equal(t, `["failing","check","run"]`, kinds())

	recorder := &runs.Recorder{Store: store, Version: "v1", Now: clock, Log: slog.New(slog.DiscardHandler)}
	for i, want := range []string{`["failing","check","run"]`, `["failing","check","run"]`,
		`["failing","check","run","run"]`} {
		recorder.Begin(t.Context(), "purgearchive", "")
		require.Equal(t, `["failing","check","run"]`, kinds(), "it is at work")
		now = now.Add(runs.Longest + time.Second)
		require.Equal(t, want, kinds(), "%d were killed", i+1)
		now = now.Add(-runs.Longest)
	}
	now = now.Add(2 * runs.Longest)
	recorder.Begin(t.Context(), "purgearchive", "")("done", false, nil)
	require.Equal(t, `["failing","check","run"]`, kinds())
}
