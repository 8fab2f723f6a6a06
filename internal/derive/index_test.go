package derive_test

import (
	"context"
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

func content(id string, hour int, columns ...entra.Column) derive.Content {
	at := lab.November.Add(time.Duration(hour)*time.Hour + time.Minute)
	return derive.Content{Key: entra.Key{ID: id, Time: at}, Columns: columns}
}

func user(text string) entra.Column { return entra.Column{Name: "UserId", Text: text} }

func TestTheIndexTellsInWhichHoursAValueIsThere(t *testing.T) {
	index := derive.Index()
	unreadable := content("u", 5, user("nobody"))
	unreadable.Problem = "its bytes are gone"
	made, err := index.Of(index.Period(lab.Stream, lab.November), slices.Values([]derive.Content{
		content("a", 1, user("alice")), content("b", 3, user("alice"),
			entra.Column{Name: "ErrorCode", Int: 7, IsInt: true}),
		content("c", 3, user("bob")), unreadable, {Problem: "nothing of it can be read"},
	}))
	require.NoError(t, err)
	hours := make(map[string]derive.Hours)
	ids := 0
	for _, row := range made {
		is := derive.ParseIndexed(row.Content)
		require.Equal(t, row.Content, is.Content())
		if is.IDs == nil {
			hours[row.Key] = is.Hours
			require.True(t, index.Counts(row.Key))
			continue
		}
		require.False(t, index.Counts(row.Key), "a report counts values")
		ids += len(is.IDs) / derive.IDBytes
	}
	require.Equal(t, map[string]derive.Hours{"UserId!alice": 1<<1 | 1<<3, "UserId!bob": 1 << 3}, hours)
	require.Equal(t, 4, ids, "of a content that can't be read the id is known")
}

// TestRowsOfTheIndexOnlyGrow, so that an older state that is written late hides nothing.
func TestRowsOfTheIndexOnlyGrow(t *testing.T) {
	value := func(h derive.Hours) []byte { return derive.Indexed{Hours: h}.Content() }
	bucket := func(ids string) []byte { return derive.Indexed{IDs: []byte(ids)}.Content() }
	for name, c := range map[string]struct {
		stored, made, want []byte
		grown              bool
	}{
		"the same":           {value(6), value(6), value(6), false},
		"less":               {value(6), value(2), value(6), false},
		"more":               {value(6), value(1), value(7), true},
		"the same ids":       {bucket("aaaaa1bbbbb2"), bucket("bbbbb2"), bucket("aaaaa1bbbbb2"), false},
		"another id":         {bucket("aaaaa1"), bucket("bbbbb2"), bucket("aaaaa1bbbbb2"), true},
		"the id once more":   {bucket("aaaaa1"), bucket("aaaaa2"), bucket("aaaaa1aaaaa2"), true},
		"where nothing was":  {bucket(""), bucket("aaaaa1"), bucket("aaaaa1"), true},
		"nothing to nothing": {bucket(""), bucket(""), bucket(""), false},
	} {
		sum, grown := derive.Index().Merge(c.stored, c.made)
		require.Equal(t, c.want, sum, name)
		require.Equal(t, c.grown, grown, name)
	}
}

func TestUnitsAreHoursDaysAndMonths(t *testing.T) {
	at := time.Date(2026, 2, 28, 23, 59, 0, 0, time.FixedZone("west", -2*60*60)) // it is March in UTC
	for unit, want := range map[derive.Unit][2]string{
		derive.Hour:  {"2026-03-01T01", "2026-03-01T02"},
		derive.Day:   {"2026-03-01T00", "2026-03-02T00"},
		derive.Month: {"2026-03-01T00", "2026-04-01T00"},
	} {
		p := derive.View{Unit: unit}.Period(lab.Stream, at)
		require.Equal(t, want, [2]string{p.Start.Format(entra.HourFormat), p.End.Format(entra.HourFormat)})
	}
}

// hours is a ledger of hours in order.
type hours []ledger.Coverage

func (hours) Progress(context.Context, entra.Stream) (ledger.Progress, error) {
	return ledger.Progress{}, nil
}

func (h hours) Windows(context.Context, entra.Stream, time.Time, time.Time) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		for _, cov := range h {
			if !yield(cov, nil) {
				return
			}
		}
	}
}

// TestThePeriodsThatTheLedgerVouchesFor are those whose hours all had their last pass, or those of
// which an hour is sealed and none is about to be sealed again.
func TestThePeriodsThatTheLedgerVouchesFor(t *testing.T) {
	settled := ledger.Coverage{State: ledger.WindowSealed, Seals: 1, Records: 2}
	sealed := ledger.Coverage{State: ledger.WindowComplete, Seals: 1, Records: 2, Revision: 3, SealedRevision: 3}
	changed := ledger.Coverage{State: ledger.WindowComplete, Seals: 1, Revision: 4, SealedRevision: 3}
	for name, c := range map[string]struct {
		hour          ledger.Coverage // the one of the day that differs
		settled, read bool
		seals         int64 // of the day that is read
	}{
		"settled":          {settled, true, true, 24},
		"lost":             {ledger.Coverage{State: ledger.WindowLost}, true, true, 23},
		"sealed":           {sealed, false, true, 24},
		"read once":        {ledger.Coverage{State: ledger.WindowPartial, Passes: 1}, false, true, 23},
		"to be sealed":     {ledger.Coverage{State: ledger.WindowComplete, Revision: 1}, false, true, 23},
		"reopened":         {ledger.Coverage{State: ledger.WindowReopened, Seals: 1}, false, false, 0},
		"changed":          {changed, false, false, 0},
		"in doubt":         {ledger.Coverage{State: ledger.WindowSealed, Seals: 1, Doubt: true}, false, false, 0},
		"purged":           {ledger.Coverage{State: ledger.WindowPurged, Seals: 2}, false, false, 0},
		"without a record": {ledger.Coverage{State: ledger.WindowSealed, Seals: 1}, true, true, 24},
	} {
		t.Run(name, func(t *testing.T) {
			var all hours
			for hour := range 24 {
				cov := settled
				if hour == 7 {
					cov = c.hour
				}
				cov.Window = entra.Window{Stream: lab.Stream, Start: lab.November.Add(time.Duration(hour) * time.Hour)}
				cov.LastSeal = int64(hour)
				all = append(all, cov)
			}
			for when, want := range map[derive.When]bool{derive.Settled: c.settled, derive.Read: c.read} {
				view := derive.View{Unit: derive.Day, When: when}
				got, err := derive.VouchedFor(t.Context(), all, view, lab.Stream, lab.November,
					lab.November.AddDate(0, 0, 1))
				require.NoError(t, err)
				is, ok := got[lab.November]
				require.Equal(t, want, ok, "when %d", when)
				if ok && when == derive.Read {
					require.Equal(t, derive.Revision{LastSeal: 23, Seals: c.seals}, is.Revision)
				}
			}
		})
	}
	view := derive.View{Unit: derive.Day, When: derive.Settled}
	end := lab.November.AddDate(0, 0, 1)
	short, err := derive.VouchedFor(t.Context(), hours{settled}, view, lab.Stream, lab.November, end)
	require.NoError(t, err)
	require.Empty(t, short, "a day of which hours are missing is not settled")
}
