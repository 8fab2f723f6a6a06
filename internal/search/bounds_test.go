package search_test

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/search/searchtest"
)

// TestAPageOfLongRecordsIsShorter than was asked for, and no record is lost between two: a thousand of
// a megabyte would be more than an instance has.
func TestAPageOfLongRecordsIsShorter(t *testing.T) {
	var all []map[string]any
	for i := range 12 {
		one := signIn(fmt.Sprint(i), i, "app")
		one["userDisplayName"] = strings.Repeat("x", 1<<20)
		all = append(all, one)
	}
	a := searchtest.New(t, logs.SignInsNonInteractiveUser, newest, all...)
	q := asked(t, a, "", false)
	first, err := q.Page(t.Context(), a, "", 1000, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, first.Records, 8)
	require.True(t, first.More)
	rest, err := q.Page(t.Context(), a, first.After, 1000, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Len(t, rest.Records, 4)
	require.Equal(t, "8", rest.Records[0].Key.ID)
	require.False(t, rest.More)
}

// countingLedger counts how often hours are asked for.
type countingLedger struct {
	*searchtest.Archive
	asked int
}

func (a *countingLedger) Windows(
	ctx context.Context, s entra.Stream, from, to time.Time,
) iter.Seq2[ledger.Coverage, error] {
	a.asked++
	return a.Archive.Windows(ctx, s, from, to)
}

// TestCountsOfHoursAreReadOnceForManySearches: each search for an id is cut by the same ones.
func TestCountsOfHoursAreReadOnceForManySearches(t *testing.T) {
	a := &countingLedger{Archive: searchtest.New(t, logs.SignInsNonInteractiveUser, newest,
		signIn("a", 1, "x"), signIn("b", 200, "x"))}
	q := asked(t, a.Archive, "", true)
	q.Counts = search.NewCounts()
	for _, id := range []string{"a", "b", "a", "c"} {
		q.OnlyIDs(id)
		page, err := q.Page(t.Context(), a, "", 10, time.Now().Add(time.Minute))
		require.NoError(t, err)
		require.Len(t, page.Records, map[string]int{"a": 1, "b": 1}[id], id)
	}
	require.Equal(t, 1, a.asked)
	q.Counts = nil
	q.OnlyIDs("a")
	_, err := q.Page(t.Context(), a, "", 10, time.Now().Add(time.Minute))
	require.NoError(t, err)
	require.Equal(t, 2, a.asked, "without them the ledger is asked each time")
}

// TestAFilterOfATimeAloneTakesNoSearch: what is read is what is given.
func TestAFilterOfATimeAloneTakesNoSearch(t *testing.T) {
	a := searchtest.New(t, logs.SignInsNonInteractiveUser, newest, signIn("a", 1, "x"))
	for filter, searches := range map[string]bool{
		"": false,
		"createdDateTime ge 2026-11-01 and createdDateTime lt 2026-11-20T10:00:00Z": false,
		"id eq 'a'":                     false,
		"appId eq 'x'":                  true,
		"createdDateTime ne 2026-11-01": true,
		"createdDateTime ge 2026-11-01 and contains(userDisplayName,'A')": true,
		"createdDateTime ge 2026-11-01 or createdDateTime lt 2026-10-01":  true,
	} {
		require.Equal(t, searches, asked(t, a, filter, true).Searches(), filter)
	}
}
