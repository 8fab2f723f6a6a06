package main

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
)

// TestTwoProcessesStayUnderTheCeilingTogether counts at the tenant: one process is the timer's, the
// other collects by hand.
func TestTwoProcessesStayUnderTheCeilingTogether(t *testing.T) {
	t.Parallel()     // it waits most of the time
	const share = 40 // in 10 seconds: the arithmetic of 4, in a tenth of the time
	s := newSystem(t, brief())
	s.env["GRAPH_REQUESTS_PER_10S"] = "40,1"
	first, second := s.start(), s.start()
	var group sync.WaitGroup
	group.Go(func() {
		status, _, err := first.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
	})
	group.Go(func() {
		status, _ := second.ask(http.MethodPost, "/api/collect", "")
		require.Equal(t, http.StatusOK, status)
	})
	group.Wait()
	requests := s.tenant.Requests()
	require.Greater(t, len(requests), share/2)
	slices.SortFunc(requests, func(a, b simtenant.Request) int { return a.Time.Compare(b.Time) })
	// A request may reach the tenant a little later than it was allowed, and the next one in time.
	const late = 100 * time.Millisecond
	for i := range requests {
		end := i
		for end < len(requests) && requests[end].Time.Sub(requests[i].Time) < time.Second-late {
			end++
		}
		require.LessOrEqual(t, end-i, share/10+1, "requests within a second from %s", requests[i].Time)
	}
	// Whichever of the two was overtaken, nothing is lost or doubled.
	status, _, err := first.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	s.requireArchived()
}
