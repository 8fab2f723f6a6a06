package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/internal/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// TestMicrosoftsTypedBuildersReadTheArchive goes through the archive with msgraph-sdk-go's typed builder and page iterator: only
// the base address is not Graph's. The obvious program reads the tenant itself with the same code.
func TestMicrosoftsTypedBuildersReadTheArchive(t *testing.T) {
	j, _ := testJob(t)
	j.Tables = azuritetest.Account(t)
	_, err := pipeline(context.Background(), j)
	require.NoError(t, err)
	store, err := tables.New(tables.Config{ConnectionString: j.Tables})
	require.NoError(t, err)
	read := &logs.Function{Archive: store, Streams: []entra.Stream{entra.SignInsInteractiveUser}, Now: time.Now, Slice: time.Minute} // the clock that the collector had, too: its distance from the tenant's is noted
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1.0/auditLogs/{collection}", read.ServeHTTP)
	server := httptest.NewServer(mux)
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
}
