package search_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/search/searchtest"
)

// signIn is a sign-in so many minutes after newest.
func signIn(id string, minute int, app string) map[string]any {
	at := newest.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
	return map[string]any{"id": id, "createdDateTime": at, "appId": app, "userDisplayName": "A"}
}

func asked(t *testing.T, a *searchtest.Archive, filter string, newestFirst bool) search.Question {
	t.Helper()
	shape, err := odata.ShapeOf(logs.SignInsNonInteractiveUser)
	require.NoError(t, err)
	q, err := search.New(logs.SignInsNonInteractiveUser, shape, filter)
	require.NoError(t, err)
	q.NewestFirst = newestFirst
	p, err := a.Progress(t.Context(), q.Stream)
	require.NoError(t, err)
	q.Within(p, a.Now())
	return q
}

// ids reads all pages: a record's id, or ? if its key has none, followed by ! if it was altered.
func ids(t *testing.T, a *searchtest.Archive, q search.Question, top int) (out []string, tampered int) {
	t.Helper()
	var page search.Page
	for more := true; more; more = page.More {
		var err error
		page, err = q.Page(t.Context(), a, page.After, top, time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.LessOrEqual(t, len(page.Records), top)
		tampered += page.Tampered
		for _, rec := range page.Records {
			id := rec.Key.ID
			if id == "" {
				id = "?"
			}
			if rec.Tampered != "" {
				require.Empty(t, rec.Raw)
				id += "!"
			}
			out = append(out, id)
		}
	}
	return out, tampered
}

// TestAnAlteredRecordIsListedWhateverTheFilterIs: its bytes cannot be evaluated, and an alteration
// must not be able to hide itself.
func TestAnAlteredRecordIsListedWhateverTheFilterIs(t *testing.T) {
	a := searchtest.New(t, logs.SignInsNonInteractiveUser, newest,
		signIn("a", 1, "x"), signIn("b", 2, "x"), signIn("c", 62, "x"), signIn("d", 63, "y"), signIn("e", 200, "x"))
	a.Altered["b"], a.Altered["c"], a.Altered["e"] = "why", "why", "why"
	a.NoKey["c"] = true
	for _, c := range []struct {
		filter string
		want   []string
	}{
		{"", []string{"a", "b!", "?!", "d", "e!"}},
		{"startswith(userDisplayName,'B')", []string{"b!", "?!", "e!"}},
		{"not startswith(userDisplayName,'B')", []string{"a", "b!", "?!", "d", "e!"}},
		{"tolower(appId) eq 'y'", []string{"b!", "?!", "d", "e!"}},
		{"createdDateTime lt 2026-11-21T15:00:00Z and startswith(userDisplayName,'B')", []string{"b!"}},
		{"createdDateTime gt 2026-11-21T14:02:01Z and createdDateTime lt 2026-11-21T16:00:00Z", []string{"?!", "d"}},
		{"id eq 'a'", []string{"a", "?!"}},
		{"id eq 'b' and startswith(userDisplayName,'B')", []string{"b!", "?!"}},
		{"id in ('d','e')", []string{"?!", "d", "e!"}},
		{"id ne 'b'", []string{"a", "b!", "?!", "d", "e!"}},
	} {
		altered := 0
		for _, id := range c.want {
			if id[len(id)-1] == '!' {
				altered++
			}
		}
		for _, newestFirst := range []bool{false, true} {
			q := asked(t, a, c.filter, newestFirst)
			want := slices.Clone(c.want)
			if newestFirst {
				slices.Reverse(want)
			}
			for _, top := range []int{1, 2, 100} {
				got, tampered := ids(t, a, q, top)
				require.Equal(t, want, got, "%s, %d", c.filter, top)
				require.Equal(t, altered, tampered, c.filter)
			}
			n, left, err := q.Count(t.Context(), a, "", time.Now().Add(time.Minute))
			require.NoError(t, err)
			require.Empty(t, left)
			require.EqualValues(t, len(want), n, "what pages have is what is counted")
		}
	}
}

// TestAGroupLeavesAlteredRecordsOutAndReportsEachOnce walks through groups one by one: a span that
// is read twice reports its altered records once, and so does one with nothing else.
func TestAGroupLeavesAlteredRecordsOutAndReportsEachOnce(t *testing.T) {
	a := searchtest.New(t, logs.SignInsNonInteractiveUser, newest,
		signIn("a", 1, "x"), signIn("b", 2, "y"), signIn("c", 3, "y"), signIn("d", 4, "x"),
		signIn("e", 61, "x"), signIn("f", 130, "x"), signIn("g", 131, "z"), signIn("h", 300, "x"))
	a.Altered["a"], a.Altered["c"], a.Altered["e"], a.Altered["f"], a.Altered["h"] = "why", "why", "why", "why", "why"
	q := asked(t, a, "", true)
	for top, want := range map[int][]int{1: {3, 2, 0}, 2: {5, 0}, 3: {5}, 50: {5}} {
		var groups search.Groups
		var tampered []int
		var got []string
		for more := true; more; more = groups.More {
			var err error
			groups, err = q.Aggregate(t.Context(), a, time.Hour, groups, top, time.Now().Add(time.Minute))
			require.NoError(t, err)
			tampered = append(tampered, groups.Tampered)
			for _, g := range groups.Groups {
				got = append(got, fmt.Sprint(g.Start.Hour(), g.Keys[0].Value, g.Count))
			}
		}
		require.Equal(t, []string{"16z1", "14x1", "14y1"}, got)
		sum := 0
		for _, n := range tampered {
			sum += n
		}
		require.Equal(t, 5, sum, "top %d: %v", top, tampered)
		require.Equal(t, want, tampered, "top %d", top)
	}
}
