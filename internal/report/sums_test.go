package report_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/report"
)

var noon = time.Date(2026, time.November, 20, 12, 0, 0, 0, time.UTC)

// signIn is a sign-in some seconds after noon.
func signIn(id, user, app string, second, code int, risks ...string) report.Record {
	at := noon.Add(time.Duration(second) * time.Second)
	list, _ := json.Marshal(append([]string{}, risks...)) // texts always have a JSON form
	raw := fmt.Appendf(nil, `{"id":%q,"createdDateTime":%q,"userId":%q,"userPrincipalName":"%[3]s@contoso.com",
		"appId":%q,"status":{"errorCode":%d},"riskState":"none","riskEventTypes_v2":%s}`, id, at.Format(time.RFC3339),
		user, app, code, list)
	return report.Record{Stream: logs.SignInsInteractiveUser, Time: at, ID: id, Raw: raw, Doc: gjson.ParseBytes(raw)}
}

func sumsOf(name string, from time.Time, records ...report.Record) report.Sums {
	r := report.Find(name, true)
	var sums report.Sums
	if r.Daily != nil {
		sums = r.Daily()
	} else {
		sums = r.Whole(report.Window{From: from, To: noon.Add(24 * time.Hour)})
	}
	for _, rec := range records {
		sums.Add(rec)
	}
	return sums
}

// rowsAsJSON are the rows as they are kept.
func rowsAsJSON(t *testing.T, sums report.Sums) []string {
	var out []string
	for _, row := range sums.Rows() {
		text, err := json.Marshal(row.Row)
		require.NoError(t, err)
		out = append(out, string(text))
	}
	return out
}

// TestRecordsOfOneSignInCountOnce, as the newest one says.
func TestRecordsOfOneSignInCountOnce(t *testing.T) {
	for name, c := range map[string]struct {
		records []report.Record
		want    [4]int64 // sign-ins, succeeded, interrupted, failed
	}{
		"a second factor": {[]report.Record{signIn("a", "ann", "x", 0, 50074), signIn("a", "ann", "x", 20, 0)},
			[4]int64{1, 1, 0, 0}},
		"one that was never given": {[]report.Record{signIn("a", "ann", "x", 0, 50074)}, [4]int64{1, 0, 1, 0}},
		"a refusal afterwards": {[]report.Record{signIn("a", "ann", "x", 0, 0), signIn("a", "ann", "x", 30, 53003)},
			[4]int64{1, 0, 0, 1}},
		"two sign-ins": {[]report.Record{signIn("a", "ann", "x", 0, 0), signIn("b", "ann", "x", 0, 50126)},
			[4]int64{2, 1, 0, 1}},
		"over the quarter of an hour": {[]report.Record{signIn("a", "ann", "x", 14*60+50, 50074),
			signIn("a", "ann", "x", 15*60+10, 0)}, [4]int64{1, 1, 0, 0}},
		"hours apart": {[]report.Record{signIn("a", "ann", "x", 0, 50074), signIn("a", "ann", "x", 7200, 0)},
			[4]int64{2, 1, 1, 0}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, of := range []string{"applicationUsageSummary", "applicationUsageSummaryEvents",
				"userActivitySummary"} {
				rows := sumsOf(of, noon, c.records...).Rows()
				require.Len(t, rows, 1)
				row := rows[0].Row
				require.Equal(t, c.want, [4]int64{row["signInCount"].(int64), row["successCount"].(int64),
					row["interruptedCount"].(int64), row["failureCount"].(int64)}, of)
			}
		})
	}
	// A sign-in that goes on in another application is that one's.
	rows := sumsOf("applicationUsageSummary", noon, signIn("a", "ann", "x", 0, 50074),
		signIn("a", "ann", "y", 9, 0)).Rows()
	require.Len(t, rows, 1)
	require.Equal(t, "y", rows[0].Row["appId"])
}

// TestASuccessAfterWrongPasswordsIsOneRow has the edges of the rule.
func TestASuccessAfterWrongPasswordsIsOneRow(t *testing.T) {
	wrong := func(user string, n, first, step int) (out []report.Record) {
		for i := range n {
			out = append(out, signIn(fmt.Sprint(user, i), user, "x", first+i*step, 50126))
		}
		return out
	}
	and := func(records []report.Record, more ...report.Record) []report.Record { return append(records, more...) }
	for name, c := range map[string]struct {
		records []report.Record
		want    int64 // failures of the one row; 0: there is none
	}{
		"five":                    {and(wrong("ann", 5, 0, 10), signIn("ok", "ann", "x", 60, 0)), 5},
		"four":                    {and(wrong("ann", 4, 0, 10), signIn("ok", "ann", "x", 60, 0)), 0},
		"of two people":           {and(wrong("ann", 5, 0, 10), signIn("ok", "bob", "x", 60, 0)), 0},
		"never right":             {wrong("ann", 9, 0, 10), 0},
		"an hour ago to a second": {and(wrong("ann", 5, 0, 0), signIn("ok", "ann", "x", 3600, 0)), 5},
		"longer ago":              {and(wrong("ann", 5, 0, 0), signIn("ok", "ann", "x", 3601, 0)), 0},
		"some of them longer ago": {and(wrong("ann", 8, 0, 600), signIn("ok", "ann", "x", 4300, 0)), 6},
		"a success between": {and(and(wrong("ann", 3, 0, 1), signIn("ok", "ann", "x", 9, 0)),
			and(wrong("ann", 3, 10, 1), signIn("ok", "ann", "x", 60, 0))...), 0},
		"a second factor between": {and(and(wrong("ann", 5, 0, 1), signIn("mfa", "ann", "x", 9, 50074)),
			signIn("ok", "ann", "x", 60, 0)), 5},
		"only the first success": {and(wrong("ann", 5, 0, 10), signIn("ok", "ann", "x", 60, 0),
			signIn("again", "ann", "x", 61, 0)), 5},
		"before the time": {and(wrong("ann", 5, -900, 1), signIn("ok", "ann", "x", -600, 0)), 0},
		"begun before it": {and(wrong("ann", 5, -900, 1), signIn("ok", "ann", "x", 60, 0)), 5},
	} {
		t.Run(name, func(t *testing.T) {
			rows := sumsOf("signInsAfterMultipleFailuresEvents", noon, c.records...).Rows()
			if c.want == 0 {
				require.Empty(t, rows)
				return
			}
			require.Len(t, rows, 1)
			require.Equal(t, c.want, rows[0].Row["failureCount"])
			require.Equal(t, "ok", rows[0].Row["id"])
		})
	}
}

// TestSumsThatAreKeptAtAnyMomentGoOnAsIfTheyHadNotBeen takes each state apart and together after
// every record, in seeded worlds.
func TestSumsThatAreKeptAtAnyMomentGoOnAsIfTheyHadNotBeen(t *testing.T) {
	for _, name := range []string{"applicationUsageSummary", "signInsAfterMultipleFailuresEvents",
		"allUsersWithAnomalousSignInActivityEvents"} {
		for seed := range uint64(20) {
			random, second := rand.New(rand.NewPCG(seed, 1)), 0
			var records []report.Record
			for range 60 {
				second += random.IntN(400)
				var risks []string
				if random.IntN(4) == 0 {
					risks = []string{[]string{"unlikelyTravel", "unfamiliarFeatures", "generic"}[random.IntN(3)]}
				}
				records = append(records, signIn(fmt.Sprint("id", random.IntN(20)), fmt.Sprint("user", random.IntN(3)),
					fmt.Sprint("app", random.IntN(3)), second, []int{0, 50126, 50126, 50126, 50074}[random.IntN(5)],
					risks...))
			}
			whole := sumsOf(name, noon, records...)
			window := report.Window{From: noon, To: noon.Add(24 * time.Hour)}
			kept := report.Find(name, true).Whole(window)
			for _, rec := range records {
				kept.Add(rec)
				text, err := json.Marshal(kept)
				require.NoError(t, err)
				kept = report.Find(name, true).Whole(window)
				require.NoError(t, json.Unmarshal(text, kept))
			}
			require.Equal(t, rowsAsJSON(t, whole), rowsAsJSON(t, kept), "%s, seed %d", name, seed)
			wantText, wantNothing := whole.Doubt()
			text, nothing := kept.Doubt()
			require.Equal(t, []any{wantText, wantNothing}, []any{text, nothing})
		}
	}
}

// TestUsersAreLeftOutWhereTheyAreTooMany and nothing else is.
func TestUsersAreLeftOutWhereTheyAreTooMany(t *testing.T) {
	sums := sumsOf("applicationUsageSummary", noon)
	for n := range 50_000 {
		sums.Add(signIn(fmt.Sprint("s", n), fmt.Sprint("user", n), "x", n/10, 0))
	}
	rows := sums.Rows()
	require.EqualValues(t, 50_000, rows[0].Row["userCount"])
	text, err := json.Marshal(sums)
	require.NoError(t, err)
	require.Less(t, len(text), 3<<20, "it has to fit the row of a job, compressed")
	sums.Add(signIn("one more", "one more", "x", 5000, 0))
	doubt, nothing := sums.Doubt()
	require.Contains(t, doubt, "userCount is left out")
	require.False(t, nothing)
	again := sumsOf("applicationUsageSummary", noon)
	text, err = json.Marshal(sums)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, again))
	require.EqualValues(t, 50_001, again.Rows()[0].Row["signInCount"])
	require.NotContains(t, again.Rows()[0].Row, "userCount")
}
