package memstorage_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
)

// open opens an account in memory that has a table of rows.
func open(t *testing.T, s *memstorage.Service) account {
	service, err := aztables.NewServiceClientFromConnectionString(s.ConnectionString(), &aztables.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: s.Client(), Retry: policy.RetryOptions{MaxRetries: -1}}})
	require.NoError(t, err)
	_, err = service.CreateTable(t.Context(), rows, nil)
	require.NoError(t, err)
	return account{service: service}
}

func TestAPageMayBeShortOrEmptyAndStillHaveANextOne(t *testing.T) {
	s := memstorage.New(nil)
	a := open(t, s)
	for _, key := range []string{"p 1", "p 2", "p 3", "q 4", "q 5"} {
		partition, row, _ := strings.Cut(key, " ")
		a.add(t, partition, row, `"N":`+row)
	}
	for _, c := range []struct {
		limits memstorage.Limits
		filter string
		want   []string
	}{
		{memstorage.Limits{PageEntities: 2}, "", []string{"1 2", "3 4", "5"}},
		{memstorage.Limits{PageSplits: true}, "", []string{"1 2 3", "4 5"}},
		{memstorage.Limits{PageScan: 2}, "N ge 4", []string{"", "4", "5"}},
		{memstorage.Limits{PageScan: 2}, "PartitionKey eq 'q' and N ge 5", []string{"5"}},
	} {
		s.Limits = c.limits
		pages, err := a.keys(t, c.filter, 1000)
		require.NoError(t, err)
		require.Equal(t, c.want, pages, "%+v", c)
	}
}

func TestADeletedTableIsBusyForAWhile(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	a := open(t, memstorage.New(func() time.Time { return now }))
	_, err := a.service.DeleteTable(t.Context(), rows, nil)
	require.NoError(t, err)
	for _, after := range []time.Duration{0, 39 * time.Second} {
		now = now.Add(after)
		_, err = a.service.CreateTable(t.Context(), rows, nil)
		require.Equal(t, "409 TableBeingDeleted", outcome(err))
		_, err = a.keys(t, "", 1000)
		require.Equal(t, "409 TableBeingDeleted", outcome(err))
	}
	now = now.Add(time.Second)
	_, err = a.keys(t, "", 1000)
	require.Equal(t, "404 TableNotFound", outcome(err))
	_, err = a.service.CreateTable(t.Context(), rows, nil)
	require.NoError(t, err)
}

func TestASnapshotIsNotChangedByWhatComesAfterIt(t *testing.T) {
	s := memstorage.New(nil)
	a := open(t, s)
	a.add(t, "p", "1")
	before := s.Snapshot()
	a.add(t, "p", "2")
	_, err := a.service.CreateTable(t.Context(), "more", nil)
	require.NoError(t, err)
	for range 2 {
		s.Restore(before)
		pages, err := a.keys(t, "", 1000)
		require.NoError(t, err)
		require.Equal(t, []string{"1"}, pages)
		a.add(t, "p", "3")
	}
	s.Reset()
	_, err = a.keys(t, "", 1000)
	require.Equal(t, "404 TableNotFound", outcome(err))
}

func TestEveryWriteHasAnETagOfItsOwnWhileTheClockIsStopped(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)
	a := open(t, memstorage.New(func() time.Time { return now }))
	require.NotEqual(t, a.add(t, "p", "1"), a.add(t, "p", "2"))
	require.Equal(t, "2026-11-21T14:30:00.0000001Z", a.get(t, "p", "2").Get("Timestamp").Str)
}

// TestAReceivedRequestMeetsTheStateOfEachTimeThatItIsExecuted is what makes requests late, double
// and lost.
func TestAReceivedRequestMeetsTheStateOfEachTimeThatItIsExecuted(t *testing.T) {
	s := memstorage.New(nil)
	a := open(t, s)
	insert := func(boundary string) *memstorage.Request {
		const address = "http://memory.table.core.example/" + rows
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, bytes.NewReader(entity("p", "1")))
		require.NoError(t, err)
		req.Header.Set("Prefer", "return-no-content")
		req.Header.Set("X-Ms-Client-Request-Id", boundary)
		received, err := s.Receive(req)
		require.NoError(t, err)
		return received
	}
	one := insert("one")
	require.True(t, one.IsWrite())
	require.Equal(t, []string{rows}, one.Tables())
	require.Equal(t, "rows/p: insert 1", one.String())
	require.Equal(t, one.Key(), insert("two").Key())
	pages, err := a.keys(t, "", 1000)
	require.NoError(t, err)
	require.Equal(t, []string{""}, pages, "nothing is carried out yet")
	require.Equal(t, http.StatusNoContent, one.Execute().Status)
	require.Equal(t, http.StatusConflict, one.Execute().Status)
}
