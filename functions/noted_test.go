package functions

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	runsfunction "github.com/entraledger/entraledger/functions/runs"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// TestEveryTimerIsNoted: the names by which runs are asked for are those of all timers.
func TestEveryTimerIsNoted(t *testing.T) {
	var have []string
	for _, f := range All(Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		if !b.HTTP {
			have = append(have, f.Name)
		}
	}
	require.ElementsMatch(t, have, timers())
}

// TestWhatTheRunsOfATimerDidIsListed: those that ended, failed, or panicked, and one at work.
func TestWhatTheRunsOfATimerDidIsListed(t *testing.T) {
	service := memstorage.New(time.Now)
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	require.NoError(t, err)
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	log := slog.New(slog.DiscardHandler)
	recorder := &runs.Recorder{Store: store, Version: "v1", Now: clock, Log: log}
	list := runsfunction.New(runsfunction.Config{Store: store, Timers: timers(), Now: clock})
	var host *web.Host
	ask := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	var work web.Timer
	during := ""
	timer := web.Function{Name: "archivelogs", Trigger: []byte(`{"bindings":[{"type":"timerTrigger"}]}`),
		Timer: func(ctx context.Context) (web.Result, error) {
			_, during = ask(http.MethodGet, "/api/runs", "")
			now = now.Add(90 * time.Second)
			return work(ctx)
		}}
	timer.Timer = noted(recorder, timer)
	host, err = web.Serve(log, "", timer, list)
	require.NoError(t, err)
	code, body := ask(http.MethodGet, "/api/runs", "")
	require.Equal(t, http.StatusOK, code, body)
	require.EqualValues(t, 0, gjson.Get(body, "@odata\\.count").Int(), "nothing ran yet")

	for _, does := range []web.Timer{
		func(context.Context) (web.Result, error) { return web.Result{Summary: "12 records"}, nil },
		func(context.Context) (web.Result, error) {
			return web.Result{}, &entra.Error{Code: entra.CodeLicence, Doing: "read signIns",
				Why: "there is no licence"}
		},
		func(context.Context) (web.Result, error) { panic("a fault") },
	} {
		work = does
		ask(http.MethodPost, "/archivelogs", `{"Data":{},"Metadata":{}}`)
		require.Equal(t, "running", gjson.Get(during, "value.0.status").Str, during)
		require.NotContains(t, during, "null")
	}
	code, body = ask(http.MethodGet, "/api/runs?function=archivelogs", "")
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, `["failed","failed","done"]`, gjson.Get(body, "value.#.status").Raw)
	require.Equal(t, "2026-11-21T14:03:00Z", gjson.Get(body, "value.0.startDateTime").Str, "the newest is first")
	require.Equal(t, "licenceMissing", gjson.Get(body, "value.1.code").Str)
	require.Equal(t, "12 records", gjson.Get(body, "value.2.summary").Str)
	require.EqualValues(t, 90, gjson.Get(body, "value.2.durationSeconds").Num)

	code, body = ask(http.MethodGet, "/api/runs?function=purgearchive", "")
	require.Equal(t, http.StatusOK, code, body)
	require.Empty(t, gjson.Get(body, "value").Array())
	code, body = ask(http.MethodGet, "/api/runs?function=coverage", "")
	require.Equal(t, http.StatusBadRequest, code, body)
	code, body = ask(http.MethodGet, "/api/runs?$format=csv", "")
	require.Equal(t, http.StatusOK, code, body)
	require.Contains(t, body, "licenceMissing")
}
