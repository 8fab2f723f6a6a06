package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/functions/inactiveusers"
	"github.com/entraledger/entraledger/functions/users"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// cut is a network that reaches nothing.
type cut struct{}

func (cut) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("connection refused")
}

// blind is a snapshot behind such a network: it fails where it looks for a user.
type blind struct{ inactiveusers.Snapshot }

func (blind) User(_ context.Context, id string, _ int) (directory.Snapshot, json.RawMessage, error) {
	return directory.Snapshot{}, nil, unread(id)
}

func (blind) Users(_ context.Context, q directory.UserQuery, _ int, _ bool, _ string) (directory.UserPage, error) {
	return directory.UserPage{}, unread(q.Exclude[1])
}

func (blind) Read(context.Context, directory.UserQuery, string) (bool, error) { return false, nil }

func unread(id string) error {
	address := "https://storage.example/users(PartitionKey='n',RowKey='" + url.PathEscape(strings.ToLower(id)) + "')"
	return &entra.Error{Code: entra.CodeUnavailable, Doing: "read user " + id,
		Err: &url.Error{Op: "Get", URL: address, Err: errors.New("connection refused")}}
}

// TestNobodyIsNamedInTheLogWhileTheStorageIsCut has the name of a user, an exclude list, and ids of
// jobs, as callers send them.
func TestNobodyIsNamedInTheLogWhileTheStorageIsCut(t *testing.T) {
	account := tables.Config{ConnectionString: memstorage.New(time.Now).ConnectionString(), Retries: -1,
		HTTP: &http.Client{Transport: cut{}}}
	store, err := tablestest.New(account)
	require.NoError(t, err)
	all := functions.All(functions.Parts{Jobs: store, Streams: streams.New(nil, store), Ledger: store, Now: time.Now,
		Cursors: cursors.New(store, store, time.Now)})
	for i, f := range all {
		switch f.Name {
		case "users":
			all[i] = users.New(users.Config{Snapshot: blind{}, Now: time.Now})
		case "inactiveusers":
			all[i] = inactiveusers.New(blind{}, blind{})
		}
	}
	for path, where := range map[string]string{
		"/api/users/Jane.Doe@contoso.com":                                  "read user {id}: Get",
		"/api/users/Jane%20O%27Doe":                                        "read user {id}: Get",
		"/api/inactive-users?exclude=joan,Jane.Doe%40contoso.com&days=100": "read user {exclude}: Get",
		"/api/collect/Jane.Doe":                                            "read job {job}",
		"/api/snapshot/Jane%20Doe":                                         "read job {job}",
		"/api/verify/Jane%2FDoe":                                           "read job {job}",
		"/api/repair/Jane.Doe":                                             "read job {job}",
		"/api/repair?stream=Jane.Doe":                                      "",
		"/api/coverage/Jane.Doe?status=lost":                               "",
		"/api/readers/Jane.Doe":                                            "delete a reader",
	} {
		var log bytes.Buffer
		host, err := web.Serve(web.NewLogger(&log, slog.LevelInfo), "", all...)
		require.NoError(t, err)
		w, method := httptest.NewRecorder(), http.MethodGet
		if strings.HasPrefix(path, "/api/readers/") {
			method = http.MethodDelete
		}
		host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, nil))
		require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s: %s", path, w.Body)
		require.Contains(t, log.String(), `"msg":"request failed"`, path)
		require.Contains(t, log.String(), `connection refused`, path)
		require.Contains(t, log.String(), where, path)
		require.NotRegexp(t, `(?i)jane|doe|joan`, log.String(), path)
	}
}
