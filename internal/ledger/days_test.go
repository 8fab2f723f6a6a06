package ledger

import (
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

// ofHours are windows at hours after a moment, in these states.
func ofHours(from time.Time, states ...WindowState) iter.Seq2[Coverage, error] {
	return func(yield func(Coverage, error) bool) {
		for i, state := range states {
			if !yield(Coverage{Window: entra.Window{Stream: "s", Start: from.Add(time.Duration(i) * time.Hour)},
				State:   state,
				Records: 1 << i}, nil) {
				return
			}
		}
	}
}

func TestWindowsAreGroupedByTheirDay(t *testing.T) {
	late := time.Date(2026, 11, 20, 22, 0, 0, 0, time.UTC)
	var days []Day
	for d, err := range Days(ofHours(late, WindowSealed, WindowComplete, WindowLost, WindowPartial, WindowMissing)) {
		require.NoError(t, err)
		days = append(days, d)
	}
	require.Len(t, days, 2)
	require.Equal(t, "----------------------TC", days[0].Letters())
	require.Equal(t, "LPM---------------------", days[1].Letters())
	require.Equal(t, []WindowState{WindowComplete, WindowLost}, []WindowState{days[0].Word(), days[1].Word()})
	require.EqualValues(t, 1+2, days[0].Sum().Records)
	require.EqualValues(t, 4+8+16, days[1].Sum().Records)
	require.Equal(t, time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), days[1].Start)
}

func TestADayTellsHoursInWhichNothingWasReadFromThoseThatWere(t *testing.T) {
	arrived := Coverage{Window: entra.Window{Stream: "s", Start: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC)},
		State: WindowLost, Imported: 5, Eclipsed: 2}
	lost := arrived
	lost.Start, lost.Imported, lost.Eclipsed = arrived.Start.Add(time.Hour), 0, 0
	d := Day{Windows: []Coverage{arrived}}
	require.Equal(t, "----I-------------------", d.Letters())
	require.Equal(t, WindowImported, d.Word())
	d.Windows = append(d.Windows, lost)
	require.Equal(t, "----IL------------------", d.Letters())
	require.Equal(t, WindowLost, d.Word())
	require.Zero(t, d.Sum().Records)
	require.EqualValues(t, 5, d.Sum().Imported)
	require.EqualValues(t, 2, d.Sum().Eclipsed)
}

func TestEveryStateOfAWindowHasItsLetterAndItsConcern(t *testing.T) {
	of := letters()
	require.Len(t, of, len(byConcern()))
	seen := map[byte]bool{'-': true}
	for _, state := range byConcern() {
		require.NotZero(t, of[state], state)
		require.False(t, seen[of[state]], state)
		seen[of[state]] = true
		require.True(t, state.Known() || state == WindowMissing || state == WindowSettled || state == WindowImported ||
			state == WindowDelivered, state)
	}
}

func TestDaysEndWithAnErrorAndWithTheirReader(t *testing.T) {
	broken := func(yield func(Coverage, error) bool) {
		_ = yield(Coverage{Window: entra.Window{Start: time.Unix(0, 0)}}, nil) &&
			yield(Coverage{}, errors.New("broken"))
	}
	var failed error
	for _, err := range Days(broken) {
		failed = err
	}
	require.ErrorContains(t, failed, "broken")
	evening := time.Unix(0, 0).Add(22 * time.Hour)
	for range Days(ofHours(evening, WindowLost, WindowLost, WindowLost, WindowLost)) {
		break
	}
	for range Days(ofHours(time.Unix(0, 0))) {
		t.Fatal("there is no window")
	}
}
