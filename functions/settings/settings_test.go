package settings_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/settings"
	known "github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web"
)

func TestTheSettingsInForceAreListedWithoutSecrets(t *testing.T) {
	given := map[string]string{"ARCHIVE_STORAGE": "AccountKey=5ecret", "ARCHIVE_RETENTION": "400d"}
	inForce := known.Show(func(name string) string { return given[name] })
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", settings.New(inForce, time.Now))
	require.NoError(t, err)
	w := httptest.NewRecorder()
	host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/settings", nil))
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	body := w.Body.String()
	require.NotContains(t, body, "5ecret")
	require.NotContains(t, body, "null")
	require.EqualValues(t, len(inForce), gjson.Get(body, "value.#").Int())
	of := func(name string) gjson.Result { return gjson.Get(body, `value.#(name=="`+name+`")`) }
	require.Equal(t, "400d", of("ARCHIVE_RETENTION").Get("value").Str)
	require.True(t, of("ARCHIVE_RETENTION").Get("given").Bool())
	require.True(t, of("ARCHIVE_STORAGE").Get("hidden").Bool())
	require.Equal(t, "30d", of("ARCHIVE_BACKFILL").Get("value").Str)
	require.False(t, of("ARCHIVE_BACKFILL").Get("given").Bool())
}
