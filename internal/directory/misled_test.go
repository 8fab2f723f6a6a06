package directory_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
)

func TestACountThatComesLateOrTooSmallHoldsNothingUp(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]simtenant.Fault{
		"throttled":            {Kind: simtenant.TooManyRequests, RetryAfter: "2", Count: 2},
		"throttled otherwise":  {Kind: simtenant.UnknownThrottle, Count: 2},
		"out of order":         {Kind: simtenant.Unavailable, Count: 2},
		"the connection ends":  {Kind: simtenant.Reset, Count: 2},
		"no number":            {Kind: simtenant.HTMLPage, Count: 2},
		"an error with 200":    {Kind: simtenant.SplicedError, Count: 2},
		"refused for a moment": {Kind: simtenant.UnsupportedQuery, Count: 1},
		"too small":            {Kind: simtenant.WrongCount, Records: -40},
	} {
		subtest(t, name, func(t *testing.T) {
			n := newNight(t)
			fault.Question = simtenant.ForCount
			n.tenant.Inject(fault)
			require.Empty(t, n.whole(0).Undisclosed)
			require.NotZero(t, n.tenant.Happened(fault.Kind))
			require.Equal(t, 50, n.everybody())
		})
	}
}

func TestACountThatDoesNotComeFailsTheRunAndTheNextGoesOn(t *testing.T) {
	t.Parallel()
	for kind, words := range map[simtenant.Kind]string{
		simtenant.TooManyRequests: "count users in Graph: Graph answers 429 TooManyRequests",
		simtenant.GatewayTimeout:  "count users in Graph: Graph answers 504",
		simtenant.HTMLPage:        `count users in Graph: the answer is "<!DOCTYPE html>`,
		simtenant.TokenExpired:    "count users in Graph: Graph answers 401",
	} {
		subtest(t, string(kind), func(t *testing.T) {
			n := newNight(t)
			n.tenant.Inject(simtenant.Fault{Kind: kind, Question: simtenant.ForCount})
			_, err := n.fire(0)
			require.ErrorContains(t, err, words)
			_, err = n.reader.Current(t.Context())
			require.Equal(t, entra.CodeNoSnapshot, entra.CodeOf(err))
			n.tenant.ClearFaults()
			snap := n.whole(10 * time.Minute)
			require.Empty(t, snap.Undisclosed)
			require.EqualValues(t, 7+2+3+1+1+2+1+2, snap.GraphRequests,
				"the last page, the count and the activity, once more")
			require.Equal(t, 50, n.everybody())
		})
	}
}

func TestACountThatIsTooGreatHoldsAFirstSnapshotUpForThreeHours(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.WrongCount, Stream: simtenant.Users, Records: 40})
		_, err := n.fire(0)
		require.ErrorContains(t, err, "read all users from Graph: 3 walks brought 50, and Graph counts 90")
		require.Equal(t, entra.CodeBrokenAnswer, entra.CodeOf(err))
		_, err = n.reader.Current(t.Context())
		require.Equal(t, entra.CodeNoSnapshot, entra.CodeOf(err))

		snap := n.whole(3*time.Hour + time.Minute)
		require.Len(t, snap.Undisclosed, 1)
		require.Equal(t, "all users", snap.Undisclosed[0].What)
		require.Contains(t, snap.Undisclosed[0].Message, "and Graph counts 90")
		require.Equal(t, 50, n.everybody())

		// The next one is no worse, so it is not held up, and says so, too, until the count agrees.
		snap = n.whole(day)
		require.Len(t, snap.Undisclosed, 1)
		require.Contains(t, snap.Undisclosed[0].Message, "3 walks brought 50, and Graph counts 90")
		n.tenant.ClearFaults()
		n.asked.heard()
		require.Empty(t, n.whole(2*day).Undisclosed)
		require.Equal(t, []string{countUsers}, n.asked.heard())
	})
}

func TestAnEmptyListForIDsThatExistIsFoundOutByTheCount(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, made())
		h.take()
		h.asked.heard()
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsShort, Stream: simtenant.Users, Page: 2, Count: 1})
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsEmpty, Stream: simtenant.Users, Question: simtenant.ForIDs})
		h.tenant.Freeze(now.Add(day))
		snap := h.take()
		require.EqualValues(t, 1300, snap.Users)
		require.Empty(t, snap.Undisclosed)
		require.Equal(t, 4, h.tenant.Happened(simtenant.EndsEmpty))
		require.Equal(t, []string{"/v1.0/users", "/v1.0/users", "/v1.0/users", "/v1.0/users", countUsers},
			h.asked.heard())
		require.Len(t, h.users(directory.UserQuery{Days: 30}, 999), 1300)
	})
}

func TestOneObjectThatIsThereIsEnoughToSeeThatAWalkFellShort(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.whole(0)
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsShort, Stream: simtenant.Users, Page: 2, Records: 20,
			Count: 1})
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsShort, Stream: simtenant.Users, Question: simtenant.ForIDs,
			Records: 1})
		n.whole(day)
		require.Equal(t, 2, n.tenant.Happened(simtenant.EndsShort))
		require.Equal(t, 50, n.everybody())
	})
}

func TestIDsThatCannotBeAskedForNowFailTheRunAndTheOlderSnapshotAnswers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		older := n.whole(0)
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsShort, Stream: simtenant.Users, Page: 2, Count: 1})
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.TooManyRequests, Stream: simtenant.Users,
			Question: simtenant.ForIDs})
		_, err := n.fire(day)
		require.ErrorContains(t, err, "read users by id from Graph: Graph answers 429")
		snap, err := n.reader.Current(t.Context())
		require.NoError(t, err)
		require.Equal(t, older.ID, snap.ID)
		n.tenant.ClearFaults()
		require.NotEqual(t, older.ID, n.whole(day+10*time.Minute).ID)
		require.Equal(t, 50, n.everybody())
	})
}

func TestASnapshotStaysBelowEveryCeilingOfGraph(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{PageSize: 1, RequestsPer10s: graph.ReportingCeiling, UnitsPer10s: 3500,
			KeysPerMinute: 150,
			Generate:      &generate.Config{Seed: 3, Users: 20, Apps: 100, Days: 1, End: now}})
		h.source = h.directory(h.wire, token{h.wire}, graph.ReportingCeiling)
		began := time.Now()
		snap := h.take()
		require.EqualValues(t, 20, snap.Users)
		require.Greater(t, time.Since(began), 2*time.Minute, "the ceilings take time")
		w := httptest.NewRecorder()
		h.tenant.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_sim/requests", nil))
		asked := 0
		gjson.ParseBytes(w.Body.Bytes()).ForEach(func(_, counter gjson.Result) bool {
			asked += int(counter.Get("total").Int())
			require.Zero(t, counter.Get("byStatus.429").Int(), "%s", w.Body)
			return true
		})
		require.Greater(t, asked, 220)
	})
}
