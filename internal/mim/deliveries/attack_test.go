package deliveries_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/mimserver"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
)

const longID = "c0000000-0000-4000-8000-000000000001"

// sentEvent is an event as the script sends it.
type sentEvent struct {
	EventID     int `json:"EventId"`
	TimeCreated string
	Computer    string
	RecordID    int `json:"RecordId"`
	Message     string
}

func bodyOf(all ...sentEvent) []byte {
	body, _ := json.Marshal(all)
	return body
}

// inThree are the events of one request in a state, as a server logs them from a number on.
func inThree(computer, status string, number, hour int) []sentEvent {
	whole := `{"HybridObjectID":"` + longID + `","RequestStatus":"` + status + `","Members":"` +
		strings.Repeat("m", 300) + `"}`
	var out []sentEvent
	for i, text := range []string{whole[:100], whole[100:200], whole[200:]} {
		out = append(out, sentEvent{EventID: mim.EventPart, Computer: computer, RecordID: number + i,
			TimeCreated: fmt.Sprintf("2026-11-20T%02d:00:00.%03dZ", hour, i),
			Message:     fmt.Sprintf("Request '%s', message %d out of 3: \r\n%s", longID, i+1, text)})
	}
	return out
}

func (r *room) requireStates(want ...string) {
	var got []string
	for _, raw := range r.records {
		got = append(got, gjson.GetBytes(raw, "requestStatus").Str)
	}
	require.ElementsMatch(r, want, got)
}

// TestARequestThatIsLoggedInTwoStatesIsTwoRecords although its parts have texts in common, however
// its events are spread over deliveries.
func TestARequestThatIsLoggedInTwoStatesIsTwoRecords(t *testing.T) {
	all := append(inThree("A", "Validated", 10, 8), inThree("A", "Completed", 13, 9)...)
	for cut := 1; cut <= len(all); cut++ {
		for _, backwards := range []bool{false, true} {
			r := newRoom(t)
			pieces := [][]sentEvent{all[:cut], all[cut:]}
			if backwards {
				pieces[0], pieces[1] = pieces[1], pieces[0]
			}
			for _, piece := range pieces {
				r.take(bodyOf(piece...))
			}
			r.requireStates("Validated", "Completed")
			require.Equal(t, deliveries.Counts{Received: 6, Duplicate: 6}, r.take(bodyOf(all...)))
			r.now = r.now.Add(25 * time.Hour)
			require.Zero(t, r.take([]byte("[]")).Expired)
			require.Empty(t, r.quarantine, "cut at %d", cut)
		}
	}
	t.Run("one by one", func(t *testing.T) {
		r := newRoom(t)
		for _, i := range []int{4, 0, 5, 2, 3, 1} {
			r.take(bodyOf(all[i]))
		}
		r.requireStates("Validated", "Completed")
	})
	t.Run("the second's own part a day late", func(t *testing.T) {
		r := newRoom(t)
		r.take(bodyOf(append(all[:3:3], all[4:]...)...))
		r.requireStates("Validated")
		r.now = r.now.Add(25 * time.Hour)
		require.Zero(t, r.take([]byte("[]")).Expired, "the texts of what waits are in the archive")
		require.Empty(t, r.quarantine)
		r.take(bodyOf(all[3]))
		r.take(bodyOf(all...))
		r.requireStates("Validated", "Completed")
	})
}

// TestWhatIsNotKeptIsInQuarantineWhereverADeliveryDies: a clock that is behind loses nothing.
func TestWhatIsNotKeptIsInQuarantineWhereverADeliveryDies(t *testing.T) {
	one, _ := server(1)
	split := bodyOf(inThree("A", "Completed", 10, 8)...)
	for name, body := range map[string][]byte{"one event": one.Body(one.Events), "parts": split} {
		for steps := 0; ; steps++ {
			r := newRoom(t)
			r.purgedTo = begin.Add(1000 * time.Hour)
			_, err := r.process().Take(r.dying(steps), body, "test")
			r.left = -1
			r.take(body)
			require.Len(t, r.quarantine, 1, "%s, %d steps", name, steps)
			if err == nil {
				break
			}
		}
	}
}

// TestOneBadEventHoldsUpNoOther: what can't be a record is put aside, and the rest is taken.
func TestOneBadEventHoldsUpNoOther(t *testing.T) {
	r := newRoom(t)
	good := `{"HybridObjectID":"` + longID + `","RequestStatus":"Completed"}`
	deep := `{"HybridObjectID":"x","a":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + "}"
	c := r.take(bodyOf(sentEvent{EventID: 4121, Computer: "A", RecordID: 1, Message: deep},
		sentEvent{EventID: 4121, Computer: "A", RecordID: 2, Message: good}))
	require.Equal(t, deliveries.Counts{Received: 2, Accepted: 1, Quarantined: 1, Records: 1}, c)
	for _, body := range []string{strings.Repeat("[", 1<<19) + strings.Repeat("]", 1<<19),
		"[" + strings.Repeat("1,", 100_000) + "1]", strings.Repeat("{}\n", 100_000)} {
		_, err := r.process().Take(t.Context(), []byte(body), "test")
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
	}
}

// alter changes a row of a table as somebody with a key of the account may.
func (r *room) alter(table, column string) {
	service, err := aztables.NewServiceClientFromConnectionString(r.service.ConnectionString(),
		&aztables.ClientOptions{ClientOptions: policy.ClientOptions{Transport: r.service.Client()}})
	require.NoError(r, err)
	for _, row := range r.service.Rows(table) {
		if row.Raw(column) == "" {
			continue
		}
		body, err := json.Marshal(map[string]string{"PartitionKey": row.Partition, "RowKey": row.Key, column: "AAAA"})
		require.NoError(r, err)
		_, err = service.NewClient(table).UpdateEntity(r.Context(), body,
			&aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge})
		require.NoError(r, err)
		return
	}
	require.Fail(r, "no row", table)
}

// TestAnAlteredRowHoldsUpNoDelivery: each of the tables is altered; other requests are archived, and
// what the row was of is put aside or waits.
func TestAnAlteredRowHoldsUpNoDelivery(t *testing.T) {
	waiting := inThree("A", "Completed", 10, 8)
	first, _ := server(2)
	more, _ := server(4)
	for table, column := range map[string]string{"mimrecords": "Delivery", "mimparts": "State",
		"mimcomputers": "Deliveries"} {
		r := newRoom(t)
		r.take(first.Body(first.Events))
		r.take(bodyOf(waiting[:2]...))
		r.alter(table, column)
		r.now = r.now.Add(25 * time.Hour)
		r.take(more.Body(more.Events))
		r.take(bodyOf(waiting...))
		require.GreaterOrEqual(t, len(r.records), 4, table)
		_, err := r.process().Expire(t.Context())
		require.NoError(t, err)
		named := 0
		for _, reason := range r.quarantine {
			if strings.Contains(reason, table+" is not what was written") {
				named++
			}
		}
		require.Equal(t, map[string]int{"mimrecords": 1, "mimparts": 1}[table], named, table)
		computers, err := r.process().Store.Computers(t.Context())
		require.NoError(t, err)
		require.Len(t, computers, 2)
	}
}

// TestAnAlteredHourHoldsUpNoDelivery: what is stored is counted, and what is not is an error.
func TestAnAlteredHourHoldsUpNoDelivery(t *testing.T) {
	s, truth := long()
	r := newRoom(t)
	r.altered = true
	require.Equal(t, len(truth), r.take(s.Body(s.Events)).Records)
	require.Equal(t, len(s.Events), r.take(s.Body(s.Events)).Duplicate)
	r = newRoom(t)
	r.unreadable = true
	_, err := r.process().Take(t.Context(), s.Body(s.Events), "test")
	require.Equal(t, entra.CodeTampered, entra.CodeOf(err))
	r.unreadable = false
	require.Equal(t, len(truth), r.take(s.Body(s.Events)).Records, "nothing of it was lost")
}

// TestRefusedPartsHoldUpNoOtherRequest: without a key the script sends everything else, and once
// there is one, the parts, too.
func TestRefusedPartsHoldUpNoOtherRequest(t *testing.T) {
	r := newRoom(t)
	r.key = nil
	s, history := mimserver.NewServer("MIM1"), mimserver.NewHistory(21, begin, time.Minute)
	script := mimserver.Script{Server: s, ReadAtOnce: 20, MostBytes: 60_000}
	kill := false
	script.Save = func(mimserver.Place) error {
		if kill {
			return errKilled
		}
		return nil
	}
	script.Post = func(body []byte) error {
		_, err := r.process().Take(t.Context(), body, "test")
		if entra.CodeOf(err) == entra.CodePartsRefused {
			return mimserver.ErrPartsRefused
		}
		return err
	}
	var truth []mimserver.Happened
	split := 0
	log := func(n int) {
		for range n {
			h := history.Next()
			s.Log(h.At, h.Request)
			if s.Events[len(s.Events)-1].Of > 1 {
				split++
			}
			truth = append(truth, h)
		}
	}
	for split == 0 {
		log(1)
	}
	for range 3 {
		log(60)
		require.ErrorIs(t, script.Run(), mimserver.ErrPartsRefused)
		require.Equal(t, s.Newest(), script.Place.RecordID)
		require.Len(t, r.records, len(truth)-split)
	}
	require.Positive(t, split)
	r.key = make([]byte, mim.KeyBytes)
	kill = true
	require.ErrorIs(t, script.Run(), errKilled)
	kill = false
	require.NoError(t, script.Run())
	require.Zero(t, script.Place.PartsFrom)
	require.Len(t, r.records, len(truth))
	r.requireReports(truth)
}

// TestALogThatIsRebuiltAfterItsClockWasAheadIsSentWhole: the time of the place says nothing then.
func TestALogThatIsRebuiltAfterItsClockWasAheadIsSentWhole(t *testing.T) {
	r := newRoom(t)
	s, ahead := mimserver.NewServer("MIM1"), mimserver.NewHistory(3, begin.AddDate(1, 0, 0), time.Minute)
	script := mimserver.Script{Server: s, Post: func(body []byte) error {
		r.take(body)
		return nil
	}}
	for range 30 {
		h := ahead.Next()
		s.Log(h.At, h.Request)
	}
	require.NoError(t, script.Run())
	s.Rebuild()
	right := mimserver.NewHistory(4, begin, time.Minute)
	for range 20 {
		h := right.Next()
		s.Log(h.At, h.Request)
	}
	require.NoError(t, script.Run())
	require.Len(t, r.records, 50)
}
