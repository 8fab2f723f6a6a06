package lastseen_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
)

// imports adds a successful sign-in of a user to the archive.
func (a *archive) imports(user string, at time.Time) time.Time {
	rec, err := logs.ParseRecord(lab.Stream, fmt.Appendf(nil,
		`{"id":"i%d","createdDateTime":%q,"userId":%q,"status":{"errorCode":0}}`, at.Unix(),
		at.Format(time.RFC3339), user))
	require.NoError(a, err)
	adder := arrivals.New(a.Store, a.Heads, purge.Retention{}, time.Now, slog.New(slog.DiscardHandler))
	_, err = adder.Add(a.Context(), lab.Execution(), lab.Stream, at, []entra.Record{rec},
		entra.Origin{Kind: entra.Imported, SHA256: [32]byte{1}, At: begin, Name: "kept.json"})
	require.NoError(a, err)
	return at
}

// TestWhatWasImportedCountsHoweverOld, also from before the archive begins, and also where it came
// after the day was read. It does not make the archive reach back further.
func TestWhatWasImportedCountsHoweverOld(t *testing.T) {
	in(t, func(a *archive) {
		old := a.imports(anna, begin.Add(-400*lab.Days))
		read := a.signsIn(cleo, begin.Add(-5*lab.Days), 0)
		a.until(begin.Add(10 * lab.Days))
		seen := a.anew()
		require.Equal(t, old, seen.Times[anna])
		require.Equal(t, read, seen.Times[cleo])
		reach := seen.ReachesBack
		require.True(t, reach.After(begin.Add(-31*lab.Days)))

		late := a.imports(bert, begin.Add(2*lab.Days).Truncate(time.Second))
		newer := a.imports(anna, begin.Add(-399*lab.Days))
		a.until(time.Now().Add(6 * time.Hour))
		seen, _ = a.goOn(seen)
		require.Equal(t, late, seen.Times[bert])
		require.Equal(t, newer, seen.Times[anna])
		require.Equal(t, reach, seen.ReachesBack)
		require.Equal(t, known(a.anew()), known(seen))
	})
}
