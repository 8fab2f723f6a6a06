package derive_test

import (
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
)

// imported adds a successful sign-in of a user to the archive.
func imported(l *lab.Lab, id, user string, at time.Time) {
	raw := fmt.Sprintf(`{"id":%q,"createdDateTime":%q,"userId":%q,"status":{"errorCode":0}}`, id,
		at.Format(time.RFC3339Nano), user)
	rec, err := logs.ParseRecord(lab.Stream, []byte(raw))
	require.NoError(l, err)
	adder := arrivals.New(l.Store, l.Heads, purge.Retention{}, time.Now, slog.New(slog.DiscardHandler))
	out, err := adder.Add(l.Context(), lab.Execution(), lab.Stream, at, []entra.Record{rec},
		entra.Origin{Kind: entra.Imported, SHA256: [32]byte{1}, At: lab.Start, Name: "kept.json"})
	require.NoError(l, err)
	require.Equal(l, arrivals.Result{Added: 1, Sealed: true}, out)
}

// hoursWith are the hours of a day in which the index says that there may be something of a user;
// nil where the day is to be searched whole.
func hoursWith(l *lab.Lab, user string, day time.Time) []int {
	index, err := derive.NewSearch(l.Context(), l.Store, lab.Stream)
	require.NoError(l, err)
	if index == nil {
		return nil
	}
	found, err := index.Hours(l.Context(), []derive.Value{{Column: "UserId", Text: user}}, day, day.Add(lab.Days))
	require.NoError(l, err)
	hours, known := found[day]
	if !known {
		return nil
	}
	out := []int{}
	for hour := range 24 {
		if hours.Has(hour) {
			out = append(out, hour)
		}
	}
	return out
}

func bringUp(l *lab.Lab) {
	for range 3 {
		report, err := derive.Update(l.Context(), l.Store, lab.Execution(), lab.Stream, false,
			time.Now().Add(time.Hour))
		require.NoError(l, err)
		if !report.Left {
			return
		}
	}
}

// believed are the users of the view of newest successes of a day; nil where it is not made.
func believed(l *lab.Lab, day time.Time) (users []string) {
	rows, err := derive.Believed(l.Context(), l.Store, derive.Successes(), lab.Stream, day, day.Add(lab.Days))
	require.NoError(l, err)
	made, ok := rows[day]
	if !ok {
		return nil
	}
	users = []string{}
	for _, row := range made {
		users = append(users, string(row.Content))
	}
	slices.Sort(users)
	return users
}

// TestWhatWasMadeOfADayIsMadeAgainWhenSomethingArrives: until then the day is searched whole, and
// its view is not believed. That is so in a day that was read and in one from before.
func TestWhatWasMadeOfADayIsMadeAgainWhenSomethingArrives(t *testing.T) {
	const ann, bob = "7f34741d-e1d0-47a5-a7e1-d5e4c53083a4", "8f34741d-e1d0-47a5-a7e1-d5e4c53083a4"
	lab.In(t, func(l *lab.Lab) {
		read := lab.Start.UTC().Truncate(lab.Days)
		past := read.Add(-200 * lab.Days)
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(2*lab.Days), 20*time.Minute)
		imported(l, "old", ann, past.Add(5*time.Hour))
		l.Runs(20*time.Minute, lab.Start.Add(40*time.Hour))
		bringUp(l)
		require.Equal(l, []int{5}, hoursWith(l, ann, past))
		require.Empty(l, hoursWith(l, bob, past))
		require.NotNil(l, hoursWith(l, bob, past), "the day is indexed")
		require.Equal(l, []int{}, hoursWith(l, bob, read))
		for _, day := range []time.Time{past, read} {
			before := believed(l, day)
			require.NotNil(l, before)
			imported(l, "later", bob, day.Add(9*time.Hour))
			require.Nil(l, hoursWith(l, bob, day), "it is searched whole")
			require.Nil(l, believed(l, day))
			bringUp(l)
			require.Equal(l, []int{9}, hoursWith(l, bob, day))
			require.NotEqual(l, before, believed(l, day))
		}
		require.Empty(l, lab.Tampering(l.Findings()))
	})
}
