package preflight_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	preflightfunction "github.com/entraledger/entraledger/functions/preflight"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// TestTheLatestChecksAreThoseOfTheFirstRunUntilSomebodyAsks also tells that a question alone keeps
// nothing: the first run of a version has to make the checks, and to log them.
func TestTheLatestChecksAreThoseOfTheFirstRunUntilSomebodyAsks(t *testing.T) {
	service := memstorage.New(time.Now)
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	require.NoError(t, err)
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	status := preflight.Failed
	checks := func(context.Context) []preflight.Check {
		return []preflight.Check{{Name: "tables", Status: status, Detail: "it was asked"}}
	}
	clock := func() time.Time { return now }
	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		preflightfunction.New(preflightfunction.Config{Run: checks,
			Store: store, Binary: preflight.Binary{Version: "v1"}, Now: clock}))
	require.NoError(t, err)
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}

	code, body := ask("/api/preflight/latest")
	require.Equal(t, http.StatusNotFound, code, body)
	code, _ = ask("/api/preflight")
	require.Equal(t, http.StatusOK, code)
	code, body = ask("/api/preflight/latest")
	require.Equal(t, http.StatusNotFound, code, "a question keeps nothing before the first run: %s", body)

	once := preflight.Once{Store: store, Version: "v1", Checks: checks, Now: clock, Log: slog.New(slog.DiscardHandler)}
	once.Run(t.Context())
	code, body = ask("/api/preflight/latest")
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, "failed", gjson.Get(body, "status").Str)
	require.Equal(t, "2026-11-21T14:00:00Z", gjson.Get(body, "asOfDateTime").Str)

	now, status = now.Add(time.Hour), preflight.OK
	code, _ = ask("/api/preflight")
	require.Equal(t, http.StatusOK, code)
	code, body = ask("/api/preflight/latest")
	require.Equal(t, http.StatusOK, code, body)
	require.Equal(t, "ok", gjson.Get(body, "status").Str)
	require.Equal(t, "2026-11-21T15:00:00Z", gjson.Get(body, "asOfDateTime").Str)
	code, body = ask("/api/preflight/nothing")
	require.Equal(t, http.StatusNotFound, code, body)
}
