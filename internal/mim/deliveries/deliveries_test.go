package deliveries_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/dev/mimserver"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
	"github.com/entraledger/entraledger/internal/tables"
)

var begin = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

// room is an account with what deliveries need, an archive that keeps one record for each id, and a
// moment at which the process dies.
type room struct {
	*testing.T
	service *memstorage.Service
	now     time.Time
	key     []byte

	mu         sync.Mutex
	records    map[string][]byte // by id
	hours      map[string]time.Time
	quarantine map[string]string // reasons, by the bytes
	purgedTo   time.Time
	altered    bool // hours are not what was sealed: records are stored, and not sealed
	unreadable bool // the ledger was altered: nothing is stored

	left int                // steps until the process dies; negative: it lives
	dies context.CancelFunc // that the process is not tried again
}

func newRoom(t *testing.T) *room {
	return &room{T: t, service: memstorage.New(time.Now), now: begin.Add(48 * time.Hour),
		key:     bytes.Repeat([]byte{7}, 32),
		records: map[string][]byte{}, hours: map[string]time.Time{}, quarantine: map[string]string{}, left: -1}
}

var errKilled = errors.New("the process was killed")

// step is one that is made or not.
func (r *room) step() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 {
		r.dies()
		return errKilled
	}
	r.left--
	return nil
}

// RoundTrip is http.RoundTripper's.
func (r *room) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := r.step(); err != nil {
		return nil, err
	}
	return r.service.RoundTrip(req)
}

// Add is deliveries.Archive's.
func (r *room) Add(
	_ context.Context, hour time.Time, records []entra.Record, origin entra.Origin,
) (deliveries.Added, error) {
	var out deliveries.Added
	if err := r.step(); err != nil {
		return out, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if hour.Before(r.purgedTo) {
		return out, &entra.Error{Code: entra.CodeNotKept, Doing: "add"}
	}
	require.NoError(r, origin.Valid())
	if r.unreadable {
		return out, &entra.Error{Code: entra.CodeTampered, Doing: "add"}
	}
	for _, rec := range records {
		require.Equal(r, hour, entra.FloorHour(rec.Time))
		if r.records[rec.ID] != nil {
			out.Present++
			require.Equal(r, r.hours[rec.ID], hour, "filed twice")
			continue
		}
		out.Added++
		r.records[rec.ID], r.hours[rec.ID] = slices.Clone(rec.Raw), hour
	}
	if r.altered {
		return out, &entra.Error{Code: entra.CodeTampered, Doing: "seal"}
	}
	return out, nil
}

// Quarantine is deliveries.Archive's.
func (r *room) Quarantine(_ context.Context, rejected []deliveries.Rejected) error {
	if err := r.step(); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range rejected {
		r.quarantine[string(q.Raw)] = q.Reason
	}
	return nil
}

// process is one of the app.
func (r *room) process() deliveries.Config {
	rules, err := mim.Shipped()
	require.NoError(r, err)
	account, err := tables.New(tables.Config{ConnectionString: r.service.ConnectionString(),
		HTTP: &http.Client{Transport: r}})
	require.NoError(r, err)
	out := deliveries.Config{Rules: rules, Store: account.Deliveries, Archive: r, Now: func() time.Time {
		return r.now
	},
		Log: slog.New(slog.DiscardHandler)}
	if r.key != nil {
		out.Vault, err = mim.NewVault(r.key)
		require.NoError(r, err)
	}
	return out
}

// dying is a context that ends with the process.
func (r *room) dying(steps int) context.Context {
	ctx, dies := context.WithCancel(r.Context())
	r.left, r.dies = steps, dies
	return ctx
}

// take delivers, and checks that the counts balance.
func (r *room) take(body []byte) deliveries.Counts {
	c, err := r.process().Take(r.Context(), body, "test")
	require.NoError(r, err)
	require.Equal(r, c.Received, c.Accepted+c.Duplicate+c.Quarantined+c.Waiting+c.Refused+c.NotKept+c.Ignored, "%+v", c)
	return c
}

// sorted are texts of values, in one order.
func sorted[T any](all []T) []string {
	out := make([]string, 0, len(all))
	for _, v := range all {
		text, _ := json.Marshal(v)
		out = append(out, string(text))
	}
	slices.Sort(out)
	return out
}

// requireReports compares the rows of all records with what happened.
func (r *room) requireReports(truth []mimserver.Happened) {
	rules, err := mim.Shipped()
	require.NoError(r, err)
	var resets, wantResets []mim.Reset
	var regs, wantRegs []mim.Registration
	var groups, wantGroups []mim.Group
	byRequest := map[string]string{}
	for _, raw := range r.records {
		doc := gjson.ParseBytes(raw)
		byRequest[doc.Get("requestId").Str] = string(raw)
		resets = append(resets, rules.Resets(doc)...)
		regs = append(regs, rules.Registrations(doc)...)
		groups = append(groups, rules.Groups(doc)...)
	}
	for _, h := range truth {
		wantResets, wantRegs, wantGroups = append(wantResets, h.Resets...), append(wantRegs, h.Registrations...),
			append(wantGroups, h.Groups...)
		for _, secret := range h.Secrets {
			require.NotContains(r, byRequest[h.ID], secret)
		}
	}
	for i := range resets { // which server was first is not what happened
		resets[i].Computer, resets[i].Key = "", ""
	}
	for i := range regs {
		regs[i].Computer, regs[i].Key = "", ""
	}
	for i := range groups {
		groups[i].Computer, groups[i].Key = "", ""
	}
	require.Equal(r, sorted(wantResets), sorted(resets))
	require.Equal(r, sorted(wantRegs), sorted(regs))
	require.Equal(r, sorted(wantGroups), sorted(groups))
}

// TestTenThousandEventsGiveTheReportsExactly: two servers, batches that come again, answers that are
// lost, and events that never come.
func TestTenThousandEventsGiveTheReportsExactly(t *testing.T) {
	r, random := newRoom(t), rand.New(rand.NewPCG(3, 4))
	history := mimserver.NewHistory(1, begin, 12*time.Second)
	servers := []*mimserver.Server{mimserver.NewServer("MIM1.contoso.example"),
		mimserver.NewServer("MIM2.contoso.example")}
	servers[1].Documented = true
	came := map[string]map[int]bool{} // of each request, the parts that came
	var truth []mimserver.Happened
	for len(servers[0].Events)+len(servers[1].Events) < 10_000 {
		h := history.Next()
		truth = append(truth, h)
		of := servers[random.IntN(2)]
		of.Log(h.At, h.Request)
		if random.IntN(20) == 0 { // both log it
			servers[0].Log(h.At, h.Request)
		}
	}
	var received, accepted, missing int
	for _, s := range servers {
		var sending []mimserver.Event
		for _, e := range s.Events {
			if random.IntN(100) == 0 && e.RecordID != s.Newest() && e.RecordID != 1 {
				missing++
				continue
			}
			sending = append(sending, e)
			if came[e.Request] == nil {
				came[e.Request] = map[int]bool{}
			}
			came[e.Request][e.Part] = true
		}
		for _, some := range s.Batches(sending, 1<<18) {
			bodies := [][]byte{s.Body(some)}
			switch random.IntN(4) {
			case 0:
				bodies = append(bodies, bodies[0])
			case 1:
				bodies = append(bodies, s.AgentBody(some))
			case 2: // half of it again, in another order
				again := slices.Clone(some[:len(some)/2])
				slices.Reverse(again)
				bodies = append(bodies, s.Body(again))
			}
			for _, body := range bodies {
				c := r.take(body)
				received, accepted = received+c.Received, accepted+c.Records
			}
		}
	}
	parts := map[string]int{}
	for _, s := range servers {
		for _, e := range s.Events {
			parts[e.Request] = e.Of
		}
	}
	whole := slices.DeleteFunc(truth, func(h mimserver.Happened) bool { return len(came[h.ID]) < parts[h.ID] })
	require.Equal(t, len(whole), len(r.records))
	require.Equal(t, len(r.records), accepted)
	require.Greater(t, received, 12_000)
	require.Greater(t, missing, 50)
	r.requireReports(whole)
	computers, err := r.process().Store.Computers(t.Context())
	require.NoError(t, err)
	require.Len(t, computers, 2)
	var gaps int64
	for i, c := range computers {
		gaps += c.Missing()
		require.Equal(t, servers[i].Newest(), c.Greatest())
		require.Equal(t, r.now, c.Last)
	}
	require.Equal(t, int64(missing), gaps)
	require.Empty(t, r.quarantine)

	r.now = r.now.Add(25 * time.Hour) // what waits for lost parts is given up
	c := r.take([]byte("[]"))
	require.Positive(t, c.Expired)
	require.Len(t, r.quarantine, c.Expired)
	require.Zero(t, r.take([]byte("[]")).Expired)
	r.requireReports(whole)
}

func server(n int) (*mimserver.Server, []mimserver.Happened) {
	s, history := mimserver.NewServer("MIM1"), mimserver.NewHistory(5, begin, time.Minute)
	var truth []mimserver.Happened
	for range n {
		h := history.Next()
		s.Log(h.At, h.Request)
		truth = append(truth, h)
	}
	return s, truth
}

// long is a server that has logged one request in three parts, and one in one event.
func long() (*mimserver.Server, []mimserver.Happened) {
	s, history := mimserver.NewServer("MIM1"), mimserver.NewHistory(1, begin, time.Minute)
	var truth []mimserver.Happened
	for len(truth) < 2 {
		h := history.Next()
		if (len(h.Request) > 64_000) == (len(truth) == 0) && len(h.Groups) > 0 {
			s.Log(h.At, h.Request)
			truth = append(truth, h)
		}
	}
	return s, truth
}

func TestADeliveryThatDiesAnywhereAndComesAgainIsWhole(t *testing.T) {
	s, truth := long()
	body := s.Body(s.Events)
	for steps := 0; ; steps++ {
		r := newRoom(t)
		_, err := r.process().Take(r.dying(steps), body, "test")
		r.left = -1
		if err == nil {
			require.Greater(t, steps, 12)
			return
		}
		c := r.take(body)
		require.Len(t, r.records, 2, "%d steps", steps)
		require.Zero(t, c.Waiting)
		r.requireReports(truth)
		require.Equal(t, deliveries.Counts{Received: len(s.Events), Duplicate: len(s.Events)}, r.take(body))
		r.now = r.now.Add(48 * time.Hour)
		require.Zero(t, r.take([]byte("[]")).Expired, "%d steps", steps)
		require.Empty(t, r.quarantine, "%d steps", steps)
		computers, err := r.process().Store.Computers(t.Context())
		require.NoError(t, err)
		require.Len(t, computers, 1)
		require.Zero(t, computers[0].Missing())
	}
}

func TestAnExpiryThatDiesAnywhereIsMadeAgain(t *testing.T) {
	s, _ := long()
	for steps := 0; ; steps++ {
		r := newRoom(t)
		r.take(s.Body(s.Events[:2]))
		r.now = r.now.Add(25 * time.Hour)
		_, err := r.process().Expire(r.dying(steps))
		r.left = -1
		_, again := r.process().Expire(t.Context())
		require.NoError(t, again)
		require.Len(t, r.quarantine, 2)
		for _, reason := range r.quarantine {
			require.Equal(t, mim.ErrPartMissing.Error(), reason)
		}
		groups, listed := r.process().Store.Groups(t.Context(), r.now)
		require.NoError(t, listed)
		require.Empty(t, groups)
		if err == nil {
			return
		}
	}
}

func TestTwoDeliveriesAtOnceAreOne(t *testing.T) {
	s, truth := server(40)
	long, more := long()
	for range 20 {
		r := newRoom(t)
		var wg sync.WaitGroup
		var mu sync.Mutex
		accepted := 0
		for i := range 4 {
			wg.Go(func() {
				body := s.Body(s.Events)
				if i%2 == 1 {
					body = long.Body(long.Events)
				}
				c, err := r.process().Take(context.WithoutCancel(t.Context()), body, "test")
				mu.Lock()
				defer mu.Unlock()
				require.NoError(t, err)
				accepted += c.Records
			})
		}
		wg.Wait()
		all := append(slices.Clone(truth), more...)
		require.Equal(t, len(all), len(r.records))
		require.Equal(t, len(all), accepted)
		require.Empty(t, r.quarantine)
		r.now = r.now.Add(48 * time.Hour)
		require.Zero(t, r.take([]byte("[]")).Expired)
		r.requireReports(all)
	}
}

// rows are those of a table, as the service has them.
func (r *room) rows(table string) iter.Seq[string] {
	return func(yield func(string) bool) {
		var dump bytes.Buffer
		require.NoError(r, r.service.Dump(&dump))
		for line := range strings.Lines(dump.String()) {
			if strings.Contains(line, table) && !yield(line) {
				return
			}
		}
	}
}

func TestWhatIsNoRecordIsPutAsideWithItsReason(t *testing.T) {
	r := newRoom(t)
	body := `[{"EventId":9999,"Computer":"A","RecordId":1,"Message":"call +49 170 1234567"},
		{"EventId":4121,"Computer":"A","RecordId":2,"Message":"{\"HybridObjectID\":"},
		{"EventId":4121,"Computer":"A","RecordId":3,"Message":"{\"RequestStatus\":\"Completed\"}"},
		{"EventId":4137,"Computer":"A","RecordId":4,"Message":"part of something"},
		{"EventId":4121,"Computer":"A","RecordId":5}, 12,
		{"EventId":1,"EventLog":"System","Computer":"A","RecordId":900,"Message":"of another log"}]`
	require.Equal(t, deliveries.Counts{Received: 7, Quarantined: 6, Ignored: 1}, r.take([]byte(body)))
	require.Equal(t, deliveries.Counts{Received: 7, Quarantined: 6, Ignored: 1}, r.take([]byte(body)))
	require.Len(t, r.quarantine, 6)
	reasons := map[string]int{}
	for raw, reason := range r.quarantine {
		reasons[reason]++
		require.NotContains(t, raw, "1234567")
	}
	require.Equal(t, map[string]int{mim.ErrUnknownEvent.Error(): 2, mim.ErrNoRequest.Error(): 2,
		mim.ErrNoIdentity.Error(): 1,
		mim.ErrNoPart.Error():     1}, reasons)
	computers, err := r.process().Store.Computers(t.Context())
	require.NoError(t, err)
	require.Len(t, computers, 1)
	require.Equal(t, int64(5), computers[0].Greatest())
	require.Equal(t, int64(10), computers[0].Quarantined)
	for _, bad := range []string{"", "x", "[", "\xff[]"} {
		_, err := r.process().Take(t.Context(), []byte(bad), "test")
		require.Equal(t, entra.CodeBadRequest, entra.CodeOf(err))
	}
}

func TestTheFirstDeliveryDecidesWhereARecordIsFiled(t *testing.T) {
	r := newRoom(t)
	event := func(at, computer string, number int) []byte {
		body, _ := json.Marshal(map[string]any{"EventId": 4121, "TimeCreated": at, "Computer": computer,
			"RecordId": number,
			"Message":  `{"HybridObjectID":"c0000000-0000-4000-8000-000000000001","RequestStatus":"Completed"}`})
		return body
	}
	require.Equal(t, 1, r.take(event("2027-11-20T08:00:00Z", "A", 7)).Accepted, "a year ahead")
	require.Equal(t, 1, r.take(event("2026-11-20T08:00:00Z", "B", 1)).Duplicate)
	require.Equal(t, 1, r.take(event("2025-11-20T08:00:00Z", "A", 1)).Duplicate)
	require.Len(t, r.records, 1)
	for id, raw := range r.records {
		require.Equal(t, `{"id":"`+id+`","activityDateTime":"2026-11-22T08:00:00Z","filedBy":"arrival",`+
			`"timeCreated":"2027-11-20T08:00:00Z","computer":"A","recordId":7,"eventId":4121,`+
			`"requestId":"c0000000-0000-4000-8000-000000000001","requestStatus":"Completed",`+
			`"request":{"HybridObjectID":"c0000000-0000-4000-8000-000000000001","RequestStatus":"Completed"}}`,
			string(raw))
	}
}
