package main

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/functions/versionedlogs"
	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// TestMicrosoftsTypedBuildersReadTheArchive goes through the archive with msgraph-sdk-go's typed
// builder and page iterator: only the base address is not Graph's. The obvious program reads the
// tenant itself with the same code.
func TestMicrosoftsTypedBuildersReadTheArchive(t *testing.T) {
	j, _ := testJob(t)
	j.Tables = azuritetest.Account(t)
	_, err := pipeline(context.Background(), j)
	require.NoError(t, err)
	store, err := tablestest.New(tables.Config{ConnectionString: j.Tables})
	require.NoError(t, err)
	loseAnHour(t, store) // the builders must not mind what is said of it beside the records
	// The clock is the one that the collector had, too: its distance from the tenant's is stored.
	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		versionedlogs.New(logs.Config{Archive: store, Now: time.Now,
			Streams: streams.New([]entra.Stream{tenantlogs.SignInsInteractiveUser}, store), Gaps: search.NewGaps(store),
			Slice: time.Minute}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	defer server.Close()

	ids := func(j job) (out []string) {
		adapter, err := obviousAdapter(j)
		require.NoError(t, err)
		require.NoError(t, obviousRead(t.Context(), adapter, func(record models.SignInable) error {
			out = append(out, *record.GetId()+" "+record.GetCreatedDateTime().Format(time.RFC3339Nano))
			return nil
		}))
		slices.Sort(out)
		return out
	}
	want := ids(j)
	require.Len(t, want, testRecords)
	archived := j
	archived.Graph = server.URL + "/api"
	require.Equal(t, want, ids(archived))
	resp, err := http.Get(server.URL + "/api/v1.0/auditLogs/signIns?$top=1")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), `"@entraledger.gaps":[{`)
}

// loseAnHour makes the ledger say that an hour was lost.
func loseAnHour(t *testing.T, store *tablestest.Store) {
	p, err := store.Progress(t.Context(), tenantlogs.SignInsInteractiveUser)
	require.NoError(t, err)
	w := entra.WindowOf(p.Stream, p.Begin.Add(2*time.Hour))
	p.Lost, p.LostFrom, p.LostTo = 1, w.Start, w.End()
	_, err = store.Commit(t.Context(), ledger.Lease{}, p, []ledger.Coverage{{Window: w, State: ledger.WindowLost}}, nil)
	require.NoError(t, err)
}
