package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/tools/bench/discard"
)

// testJob serves a tenant and a discarding table server on sockets.
func testJob(t *testing.T, records int) (job, *discard.Server) {
	t.Helper()
	j := job{Records: records, Seed: 7, Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Limit: time.Minute, Parallel: 1}
	handler, header := newTenant(j)
	tenant := httptest.NewServer(handler)
	t.Cleanup(tenant.Close)
	forget := discard.New("coverage")
	server := httptest.NewServer(forget)
	t.Cleanup(server.Close)
	j.Graph, j.Identity, j.Header = tenant.URL, tenant.URL+identityPath, header
	j.Tables = fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=bench;AccountKey=%s;TableEndpoint=%s/bench;", benchKey, server.URL)
	t.Setenv("IDENTITY_ENDPOINT", j.Identity) // what the programs set themselves; the test puts it back
	t.Setenv("IDENTITY_HEADER", j.Header)
	return j, forget
}

func TestTheObviousProgramUpsertsEverySignIn(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		j, forget := testJob(t, 1500)
		j.Parallel = parallel
		got, err := obvious(context.Background(), j)
		require.NoError(t, err)
		require.EqualValues(t, 1500, got.Records)
		require.EqualValues(t, 1501, got.TableRequests)
		counters := forget.Counters()
		require.EqualValues(t, 1500, counters.Records)
		require.EqualValues(t, 1501, counters.Requests)
		require.Greater(t, counters.StoredBytes, int64(1500*2*2500), "text takes two bytes a character")
	}
}

func TestThePipelineStoresEverySignInAndReadsItsStateBack(t *testing.T) {
	j, forget := testJob(t, 2500)
	got, err := pipeline(context.Background(), j)
	require.NoError(t, err)
	require.EqualValues(t, 2500, got.Records)
	require.Zero(t, got.Refused)
	require.Empty(t, got.Stopped)
	counters := forget.Counters()
	require.EqualValues(t, 2500, counters.Records)
	require.Equal(t, counters.Requests, got.TableRequests)

	_, err = pipeline(context.Background(), j)
	require.NoError(t, err)
	require.EqualValues(t, 2500, forget.Counters().Records, "the second run knows from the ledger that nothing is left")
}

func TestTheFloorScansAndCompressesEveryRecord(t *testing.T) {
	j, _ := testJob(t, 1200)
	got, err := measureFloor(context.Background(), j)
	require.NoError(t, err)
	require.EqualValues(t, 1200, got.Floor.Records)
	require.Greater(t, got.Floor.RawBytes, int64(1200*2500))
	require.Less(t, got.Floor.CompressedBytes, got.Floor.RawBytes/2)
}

// read walks a query of the tenant and returns its records.
func read(t *testing.T, j job, query string) []gjson.Result {
	t.Helper()
	var records []gjson.Result
	for next := j.Graph + "/v1.0/auditLogs/signIns?" + query; next != ""; {
		page, err := get(context.Background(), next, "Authorization", "Bearer bench")
		require.NoError(t, err)
		require.True(t, gjson.ValidBytes(page))
		require.LessOrEqual(t, gjson.GetBytes(page, "value.#").Int(), int64(tenantPage))
		records = append(records, gjson.GetBytes(page, "value").Array()...)
		next = gjson.GetBytes(page, `@odata\.nextLink`).String()
	}
	return records
}

func TestTheTenantServesEachRecordOnceInEitherOrder(t *testing.T) {
	j, _ := testJob(t, 2500)
	newest := read(t, j, "")
	oldest := read(t, j, "$orderby=createdDateTime%20asc")
	require.Len(t, newest, 2500)
	require.Len(t, oldest, 2500)
	ids := map[string]bool{}
	for i, record := range oldest {
		ids[record.Get("id").Str] = true
		require.Equal(t, record.Raw, newest[len(newest)-1-i].Raw)
		if i > 0 {
			require.Greater(t, record.Get("createdDateTime").Str, oldest[i-1].Get("createdDateTime").Str)
		}
	}
	require.Len(t, ids, 2500)
}

func TestTheTenantFiltersByTime(t *testing.T) {
	j, _ := testJob(t, 2500)
	all := read(t, j, "$orderby=createdDateTime%20asc")
	at := func(i int) string { return all[i].Get("createdDateTime").Str }
	cases := []struct {
		from, to    string
		first, last int // indices, both included; last < first: none
	}{
		{at(10), at(1500), 10, 1500},
		{at(10), at(10), 10, 10},
		{"2026-01-01T00:00:00Z", at(0), 0, 0},
		{at(2499), "2027-01-01T00:00:00Z", 2499, 2499},
		{"2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 0, -1},
		{"2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z", 0, -1},
	}
	for _, c := range cases {
		filter := fmt.Sprintf("createdDateTime ge %s and createdDateTime le %s", c.from, c.to)
		got := read(t, j, "$orderby=createdDateTime%20asc&$filter="+url.QueryEscape(filter))
		require.Len(t, got, c.last-c.first+1, filter)
		for i := range got {
			require.Equal(t, all[c.first+i].Raw, got[i].Raw)
		}
	}
	response, err := http.Get(j.Graph + "/v1.0/auditLogs/signIns?$filter=id%20eq%20'x'")
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}

func TestTheSameSeedGivesTheSameRecords(t *testing.T) {
	write := func(seed int64) []byte {
		tenant := newRecords(job{Records: 10, Seed: seed, Now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)})
		var record bytes.Buffer
		tenant.signIn(&record, 3)
		return record.Bytes()
	}
	require.Equal(t, write(1), write(1))
	require.NotEqual(t, write(1), write(2))
}
