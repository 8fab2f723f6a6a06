package deliveries_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/mimserver"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
)

// TestTheScriptLosesNothing plays the protocol of tools/mim: answers that are lost, runs that are
// killed before they keep their place, and a log that is rebuilt in between.
func TestTheScriptLosesNothing(t *testing.T) {
	r, random := newRoom(t), rand.New(rand.NewPCG(7, 8))
	s, history := mimserver.NewServer("MIM1"), mimserver.NewHistory(21, begin, time.Minute)
	script := mimserver.Script{Server: s, ReadAtOnce: 20, MostBytes: 60_000}
	var truth []mimserver.Happened
	log := func(n int) {
		for range n {
			h := history.Next()
			s.Log(h.At, h.Request)
			truth = append(truth, h)
		}
	}
	most := 0
	script.Post = func(body []byte) error {
		most = max(most, len(body))
		switch random.IntN(4) {
		case 0:
			return mimserver.ErrNotTaken // it never came
		case 1:
			r.take(body)
			return mimserver.ErrNotTaken // its answer was lost
		}
		r.take(body)
		return nil
	}
	script.Save = func(mimserver.Place) error {
		if random.IntN(5) == 0 {
			return errKilled
		}
		return nil
	}
	sends := func() {
		for range 1000 {
			if script.Run() == nil {
				return
			}
		}
		require.Fail(t, "it does not end")
	}
	require.NoError(t, script.Run(), "an empty log")
	log(150)
	sends()
	require.Len(t, r.records, 150)
	log(30)
	sends()
	s.Rebuild()
	log(40)
	require.Less(t, s.Newest(), script.Place.RecordID)
	sends()
	require.Len(t, r.records, 220)
	log(10)
	sends()
	require.Equal(t, s.Newest(), script.Place.RecordID)
	r.requireReports(truth)
	require.Less(t, most, 1<<20)
	computers, err := r.process().Store.Computers(t.Context())
	require.NoError(t, err)
	require.Zero(t, computers[0].Missing())
	require.Equal(t, s.Newest(), computers[0].Greatest())
	require.Len(t, computers[0].Runs, 2)
	require.Zero(t, computers[0].Read)

	script.Now = func() time.Time { return r.now.Add(-time.Hour) }
	sends()
	computers, err = r.process().Store.Computers(t.Context())
	require.NoError(t, err)
	require.Equal(t, r.now.Add(-time.Hour-time.Minute), computers[0].Read, "events may be logged a minute late")
}

// TestAMarkSaysUpToWhenALogWasRead: it is no event, and no clock makes it say more than is known.
func TestAMarkSaysUpToWhenALogWasRead(t *testing.T) {
	r := newRoom(t)
	s, late := mimserver.NewServer("MIM1"), r.now.Add(-time.Minute)
	read := func() time.Time {
		c, _, err := r.process().Store.Computer(t.Context(), "MIM1")
		require.NoError(t, err)
		return c.Read
	}
	require.Zero(t, r.take(s.MarkOf(r.now.Add(-2*time.Hour))))
	require.Equal(t, late.Add(-2*time.Hour), read())
	r.take(s.MarkOf(r.now.Add(-3 * time.Hour)))
	require.Equal(t, late.Add(-2*time.Hour), read(), "an older one came late")
	r.take(s.MarkOf(r.now.Add(30 * time.Minute)))
	require.Equal(t, late, read(), "the server's clock is ahead")
	for _, text := range []string{`[{"Computer":"MIM1","ReadUntil":"2199-01-01T00:00:00Z"}]`,
		`[{"Computer":"MIM1","ReadUntil":"soon"}]`, `[{"ReadUntil":"2020-01-01T00:00:00Z"}]`} {
		require.Equal(t, deliveries.Counts{Received: 1, Quarantined: 1}, r.take([]byte(text)), text)
	}
	require.Equal(t, late, read())
	require.Empty(t, r.records)
}

func TestATimeThatIsNotKeptIsSaid(t *testing.T) {
	s, _ := server(3)
	r := newRoom(t)
	r.take(s.Body(s.Events[:2]))
	clear(r.records)
	r.purgedTo = begin.Add(time.Hour)
	require.Equal(t, deliveries.Counts{Received: 3, Quarantined: 3}, r.take(s.Body(s.Events)))
	require.Equal(t, deliveries.Counts{Received: 3, Quarantined: 3}, r.take(s.Body(s.Events)))
	require.Len(t, r.quarantine, 3)
}
