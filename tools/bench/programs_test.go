package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/tools/bench/discard"
)

const testRecords = 2500

// testTenant serves all tests: azidentity keeps one token for the process, and a tenant knows only
// its own tokens.
var testTenant = sync.OnceValues(func() (string, error) {
	tenant, err := newTenant(testTenantJob)
	if err != nil {
		return "", err
	}
	return httptest.NewServer(tenant).URL, nil // until the process ends
})

var testTenantJob = job{Records: testRecords, Seed: 7, Gzip: true, Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC),
	Limit: time.Minute, Parallel: 1}

// testJob is a job for the tenant and a discarding table server of its own.
func testJob(t *testing.T) (job, *discard.Server) {
	t.Helper()
	j := testTenantJob
	tenant, err := testTenant()
	require.NoError(t, err)
	forget := discard.New("coverage", "dictionaries")
	server := httptest.NewServer(forget)
	t.Cleanup(server.Close)
	j.Graph, j.Identity, j.Header = tenant, tenant+simtenant.IdentityPath, identityHeader
	j.Tables = fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=%s;TableEndpoint=%s/bench;",
		benchKey, server.URL)
	t.Setenv("IDENTITY_ENDPOINT", j.Identity) // what the programs set themselves; the test puts it back
	t.Setenv("IDENTITY_HEADER", j.Header)
	return j, forget
}

func TestTheObviousProgramUpsertsEverySignIn(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		j, forget := testJob(t)
		j.Parallel = parallel
		got, err := obvious(context.Background(), j)
		require.NoError(t, err)
		require.EqualValues(t, testRecords, got.Records)
		require.EqualValues(t, testRecords+1, got.TableRequests)
		counters := forget.Counters()
		require.EqualValues(t, testRecords, counters.Records)
		require.EqualValues(t, testRecords+1, counters.Requests)
		require.Greater(t, counters.StoredBytes, int64(testRecords*2*2500), "text takes two bytes a character")
	}
}

func TestThePipelineStoresEverySignInAndReadsItsStateBack(t *testing.T) {
	j, forget := testJob(t)
	got, err := pipeline(context.Background(), j)
	require.NoError(t, err)
	require.EqualValues(t, testRecords, got.Records)
	require.Zero(t, got.Refused)
	require.Empty(t, got.Stopped)
	counters := forget.Counters()
	require.EqualValues(t, testRecords, counters.Records)
	require.Equal(t, counters.Requests, got.TableRequests)

	_, err = pipeline(context.Background(), j)
	require.NoError(t, err)
	require.EqualValues(t, testRecords, forget.Counters().Records,
		"the second run knows from the ledger that nothing is left")
}

func TestTheFloorScansAndCompressesEveryRecord(t *testing.T) {
	j, _ := testJob(t)
	got, err := measureFloor(context.Background(), j)
	require.NoError(t, err)
	require.EqualValues(t, testRecords, got.Floor.Records)
	require.Greater(t, got.Floor.RawBytes, int64(testRecords*2500))
	require.Less(t, got.Floor.CompressedBytes, got.Floor.RawBytes/2)
}
