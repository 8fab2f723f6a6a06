package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/inactiveusers"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/lastseen"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
	"github.com/entraledger/entraledger/tools/bench/discard"
)

// TestAHundredThousandUsersAreWalkedWhileASnapshotLands follows every link over HTTP, and makes
// another snapshot of a changed tenant halfway. The table server keeps everything and finds ranges
// of keys as Table Storage does.
func TestAHundredThousandUsersAreWalkedWhileASnapshotLands(t *testing.T) {
	const users, top = 100_000, 999
	end := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	tenant, err := simtenant.New(simtenant.Config{IdentityHeader: identityHeader, Now: end,
		Generate: &generate.Config{Seed: 3, Users: users, Apps: 50, Days: 1, End: end}})
	require.NoError(t, err)
	tenant.Freeze(end)
	site := httptest.NewServer(tenant)
	defer site.Close()
	token, err := fetchToken(t.Context(), job{Identity: site.URL + simtenant.IdentityPath, Header: identityHeader})
	require.NoError(t, err)
	client, err := graph.New(graph.Config{Endpoint: site.URL, Scope: "bench", Credential: anyToken(token),
		Limiter: graph.NewLimiter(unlimited), Version: "bench", Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	server := httptest.NewServer(discard.NewKeepingAll("snapshots", "coverage"))
	defer server.Close()
	store, err := tablestest.New(tables.Config{ConnectionString: fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=%s;TableEndpoint=%s/bench;", benchKey, server.URL)})
	require.NoError(t, err)
	take := func() {
		began := time.Now()
		report, err := snapshots.NewSnapshotter(graph.NewDirectory(client), store,
			lastseen.New(store, slog.New(slog.DiscardHandler)), snapshots.Options{},
			tenant.Now, slog.New(slog.DiscardHandler)).
			Run(context.WithoutCancel(t.Context()), 10*time.Minute, true)
		require.NoError(t, err)
		require.True(t, report.Finished)
		t.Logf("a snapshot of %d users took %s and %d requests to Graph", report.Snapshot.Users,
			time.Since(began).Round(time.Second), report.Snapshot.GraphRequests)
	}
	take()
	reader := directory.NewReader(store, cursors.New(store, store, tenant.Now), tenant.Now)
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", inactiveusers.New(reader,
		directory.NewExceptions(reader, nil, 0)))
	require.NoError(t, err)
	app := httptest.NewServer(host)
	defer app.Close()
	walk := func(want int, halfway func()) {
		seen := make(map[string]bool, want)
		for next := fmt.Sprintf("%s/api/inactive-users?state=all&days=1&$top=%d&$select=id", app.URL,
			top); next != ""; {
			body, err := fetch(t.Context(), next, false)
			require.NoError(t, err)
			for _, id := range gjson.GetBytes(body, "value.#.id").Array() {
				require.False(t, seen[id.Str], "%s comes twice", id.Str)
				seen[id.Str] = true
			}
			if halfway != nil && len(seen) > want/2 {
				halfway()
				halfway = nil
			}
			next = gjson.GetBytes(body, `@odata\.nextLink`).Str
		}
		require.Len(t, seen, want, "without a gap")
	}
	gone := 0
	walk(users, func() {
		for i, raw := range tenant.Objects(simtenant.Users) {
			if i%3 == 0 {
				tenant.RemoveObject(simtenant.Users, gjson.GetBytes(raw, "id").Str)
				gone++
			}
		}
		tenant.Freeze(end.Add(time.Hour))
		take()
	})
	walk(users-gone, nil)
}
