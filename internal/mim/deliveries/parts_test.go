package deliveries_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/mimserver"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
)

func TestPartsComeInAnyOrderAndFromTwoServers(t *testing.T) {
	s, truth := long()
	other, _ := long()
	other.Name = "MIM2"
	r := newRoom(t)
	require.Equal(t, deliveries.Counts{Received: 1, Waiting: 1}, r.take(s.Body(s.Events[2:3])))
	require.Equal(t, deliveries.Counts{Received: 1, Duplicate: 1}, r.take(other.Body(other.Events[2:3])), "it waits")
	require.Equal(t, deliveries.Counts{Received: 1, Waiting: 1}, r.take(other.Body(other.Events[0:1])))
	require.Equal(t, deliveries.Counts{Received: 2, Accepted: 2, Records: 2, Completed: 2},
		r.take(s.Body([]mimserver.Event{s.Events[1], s.Events[3]})))
	require.Equal(t, deliveries.Counts{Received: 4, Duplicate: 4}, r.take(s.Body(s.Events)))
	require.Equal(t, deliveries.Counts{Received: 4, Duplicate: 4, Completed: 2}, r.take(other.Body(other.Events)))
	r.requireReports(truth)
	for row := range r.rows("mimparts") {
		require.NotContains(t, row, "Record", "the contents of parts are gone")
	}
}

func TestAMissingPartIsGivenUpAfterADayAndMayStillCome(t *testing.T) {
	s, truth := long()
	r := newRoom(t)
	r.take(s.Body(s.Events[:2]))
	r.now = r.now.Add(23 * time.Hour)
	require.Zero(t, r.take([]byte("[]")).Expired)
	r.now = r.now.Add(2 * time.Hour)
	require.Equal(t, 2, r.take([]byte("[]")).Expired)
	require.Len(t, r.quarantine, 2)
	require.Equal(t, deliveries.Counts{Received: 1, Waiting: 1}, r.take(s.Body(s.Events[2:3])), "too late, alone")
	c := r.take(s.Body(s.Events))
	require.Equal(t, 2, c.Records, "all of it again")
	r.requireReports(truth)
}

func TestWithoutAKeyPartsAreRefusedAndTheRestIsTaken(t *testing.T) {
	s, _ := long()
	r := newRoom(t)
	r.key = nil
	c, err := r.process().Take(t.Context(), s.Body(s.Events), "test")
	require.Equal(t, entra.CodePartsRefused, entra.CodeOf(err))
	require.ErrorContains(t, err, "MIM_PARTS_KEY is not set")
	require.Equal(t, deliveries.Counts{Received: 4, Accepted: 1, Refused: 3, Records: 1}, c)
	for row := range r.rows("mimparts") {
		require.Fail(t, row)
	}
	r.key = bytes.Repeat([]byte{1}, 32)
	require.Equal(t, deliveries.Counts{Received: 4, Accepted: 3, Duplicate: 1, Records: 1}, r.take(s.Body(s.Events)))
	computers, err := r.process().Store.Computers(t.Context())
	require.NoError(t, err)
	require.Zero(t, computers[0].Missing())
}

func TestPartsOfAnotherKeyWait(t *testing.T) {
	s, _ := long()
	r := newRoom(t)
	r.take(s.Body(s.Events[:2]))
	r.key = bytes.Repeat([]byte{1}, 32)
	r.now = r.now.Add(48 * time.Hour)
	require.Zero(t, r.take([]byte("[]")).Expired, "nothing is lost by a wrong key")
	require.Equal(t, 1, r.take(s.Body(s.Events)).Records-1, "and all may come again")
	r.key = bytes.Repeat([]byte{7}, 32)
	r.now = r.now.Add(25 * time.Hour)
	require.Equal(t, 2, r.take([]byte("[]")).Expired)
}
