package functions_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/applications"
	"github.com/entraledger/entraledger/functions/expiringcredentials"
	"github.com/entraledger/entraledger/functions/inactiveusers"
	"github.com/entraledger/entraledger/functions/users"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// odd is a snapshot whose one user, application and credential has an odd id.
type odd struct {
	inactiveusers.Snapshot
	id string
}

func (o odd) row() json.RawMessage {
	row, _ := json.Marshal(directory.UserRow{ID: o.id})
	return row
}

func (o odd) missing(id string) error {
	if id == o.id {
		return nil
	}
	return &entra.Error{Code: entra.CodeNotFound, Doing: "find it", Why: "there is none"}
}

func (o odd) User(_ context.Context, id string, _ int) (directory.Snapshot, json.RawMessage, error) {
	return directory.Snapshot{}, o.row(), o.missing(id)
}

func (o odd) Users(_ context.Context, q directory.UserQuery, _ int, _ bool, _ string) (directory.UserPage, error) {
	if q.ID != o.id {
		return directory.UserPage{Count: new(int64)}, nil
	}
	return directory.UserPage{Count: new(int64(1)), Rows: []json.RawMessage{o.row()}}, nil
}

func (o odd) Read(context.Context, directory.UserQuery, string) (bool, error) { return false, nil }

func (o odd) Application(_ context.Context, id string, _, _ time.Duration) (directory.Application, error) {
	return directory.Application{AppID: o.id}, o.missing(id)
}

// oddKey is a snapshot whose one credential has an odd id.
type oddKey struct {
	expiringcredentials.Snapshot
	id string
}

func (o oddKey) Credentials(_ context.Context, q directory.CredentialQuery, _ int, _ bool, _ string) (
	directory.CredentialPage, error) {
	if q.KeyID != o.id {
		return directory.CredentialPage{Count: new(int64)}, nil
	}
	return directory.CredentialPage{Count: new(int64(1)), Rows: []directory.CredentialRow{{KeyID: o.id}}}, nil
}

// slow is a tenant whose details take two requests.
type slow struct{}

func (slow) UserDetails(context.Context, string, time.Time) (directory.UserDetails, []string) {
	return directory.UserDetails{}, []string{"groups"}
}

func (slow) UserList(_ context.Context, _, _, _ string, _ int, _ *directory.UserDetails) (string, error) {
	return "", nil
}

var oddIDs = []string{"a/b", "a%2Fb", "a%b", "100%", "a+b", "a#b", "a?b=c&d", "a b", ".", "..", "...", "a.b", "o'neil",
	`a\b`, "ä€𝄞", "$query", "$count", "''", "a' or id eq 'b"}

// TestAnOddIDIsHadByAFilterInEachCollectionOfTheDirectory, and where it is not there, nothing is.
func TestAnOddIDIsHadByAFilterInEachCollectionOfTheDirectory(t *testing.T) {
	for _, id := range oddIDs {
		host, err := web.Serve(slog.New(slog.DiscardHandler), "", applications.New(odd{id: id}, nil),
			users.New(users.Config{Snapshot: odd{id: id}, Now: time.Now}), inactiveusers.New(odd{id: id}, odd{}),
			expiringcredentials.New(oddKey{id: id}))
		require.NoError(t, err)
		for list, property := range map[string]string{"applications": "appId", "users": "id", "inactive-users": "id",
			"expiring-credentials": "keyId"} {
			for asked, want := range map[string]int{id: 1, id + "x": 0} {
				filter := property + " eq '" + strings.ReplaceAll(asked, "'", "''") + "'"
				body := answered(t, host, "/api/"+list+"?$filter="+url.QueryEscape(filter))
				require.EqualValues(t, want, gjson.Get(body, "value.#").Int(), "%s %s: %s", list, filter, body)
				if want > 0 {
					require.Equal(t, id, gjson.Get(body, "value.0."+property).Str)
				}
				if strings.Contains(list, "-") {
					body = answered(t, host, "/api/"+list+"/$count?$filter="+url.QueryEscape(filter))
					require.Equal(t, map[int]string{0: "0", 1: "1"}[want], body)
				}
			}
		}
	}
}

func answered(t *testing.T, host *web.Host, address string) string {
	w := httptest.NewRecorder()
	host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, address, nil))
	require.Equal(t, http.StatusOK, w.Code, "%s: %s", address, w.Body)
	return w.Body.String()
}

// TestAJobOfAUserWithAnOddIDHasAnAddress that arrives as it was written, also where the host decodes
// it and encodes it again.
func TestAJobOfAUserWithAnOddIDHasAnAddress(t *testing.T) {
	store, err := tablestest.New(tables.Config{ConnectionString: memory.ConnectionString(), HTTP: memory.Client()})
	require.NoError(t, err)
	inPath := slices.DeleteFunc(slices.Clone(oddIDs), func(id string) bool { return id == "$query" }) // it is OData's
	for _, id := range inPath {
		host, err := web.Serve(slog.New(slog.DiscardHandler), "", users.New(users.Config{Snapshot: odd{id: id},
			Tenant: slow{}, Jobs: store, Now: time.Now, Slice: time.Second}))
		require.NoError(t, err)
		w := httptest.NewRecorder()
		host.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/users/"+url.PathEscape(id)+
			"?details=true", nil))
		require.Equal(t, http.StatusAccepted, w.Code, "%s: %s", id, w.Body)
		where, err := url.Parse(w.Header().Get("Location"))
		require.NoError(t, err)
		require.NotContains(t, where.EscapedPath(), "%2F", id)
		require.NotContains(t, where.EscapedPath(), "/./")
		require.NotContains(t, where.EscapedPath(), "/../")
		again := url.URL{Path: where.Path} // as the host encodes it
		require.Contains(t, answered(t, host, again.EscapedPath()), `"id"`)
	}
}

var memory = memstorage.New(time.Now)
