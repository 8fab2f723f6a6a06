package lastseen_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/newest"
)

// TestANightOfALargeTenantReadsWhatChanged: 24 months of a log, each with the newest success of
// 20,000 users. The first reading has a row set of each month; every other night has the ledger, a
// page for each 1,000 hours, and what changed.
func TestANightOfALargeTenantReadsWhatChanged(t *testing.T) {
	const users = 20_000
	in(t, func(a *archive) {
		first := derive.Month.Start(begin).AddDate(-2, 0, 0)
		months := a.sealed(first, derive.Month.Start(begin))
		for n, month := range months {
			times := make(newest.Times, users)
			for u := range users {
				times[fmt.Sprintf("%08x-0000-0000-0000-%012x", u*7919, u)] = month.Add(time.Duration(u+n) * time.Second)
			}
			a.made(derive.SuccessesByMonth(), month, times)
		}
		for day := derive.Month.Start(begin); day.Before(begin.Add(-8 * lab.Days)); day = day.Add(lab.Days) {
			a.made(derive.Successes(), day, nil)
		}
		a.views() // the days that were read since
		seen, requests := a.goOn(directory.Seen{})
		require.Len(t, seen.Times, users)
		require.Equal(t, first, seen.ReachesBack.Truncate(lab.Days).UTC())
		require.Less(t, requests, 300)
		again, later := a.goOn(seen)
		require.Equal(t, seen.Times, again.Times)
		require.Less(t, later, 80)
		t.Logf("%d months of %d users: %d requests from the begin, %d each night; the memory has %d bytes",
			len(months), users, requests, later, len(seen.Read))
	})
}

// sealed makes the ledger say that every hour of some months is settled, and empty, and that the
// two days before the present are.
func (a *archive) sealed(from, to time.Time) (months []time.Time) {
	_, err := a.Run()
	require.NoError(a, err)
	for month := from; month.Before(to); month = month.AddDate(0, 1, 0) {
		months = append(months, month)
	}
	p := a.Progress(lab.Stream)
	var rows []ledger.Coverage
	for at := from; at.Before(p.FirstHour()); at = at.Add(time.Hour) {
		rows = append(rows, ledger.Coverage{Window: entra.Window{Stream: lab.Stream, Start: at},
			State: ledger.WindowSealed, Seals: 1, LastSeal: int64(len(rows)), Records: 1})
		if len(rows)%90 == 0 {
			a.Write(p, rows[len(rows)-90:]...)
			p = a.Progress(lab.Stream)
		}
	}
	p.Begin, p.Backfilled = from, p.TailBegin
	a.Write(p, rows[len(rows)-len(rows)%90:]...)
	return months
}

// made keeps a period of a view as a run would.
func (a *archive) made(v derive.View, start time.Time, times newest.Times) {
	period := v.Period(lab.Stream, start)
	vouched, err := derive.VouchedFor(a.Context(), a.Store, v, lab.Stream, period.Start, period.End)
	require.NoError(a, err)
	var rows []derive.Row
	for n, packed := range times.Pack(16_000) {
		rows = append(rows, derive.Row{Key: fmt.Sprintf("%06d", n), Content: packed.Content})
	}
	keeper := a.Store.Kept(v)
	together, err := keeper.PutRows(a.Context(), derive.Draft{Period: period, Edition: 1}, rows)
	require.NoError(a, err)
	_, err = keeper.PutStamp(a.Context(), period, derive.Stamp{State: derive.StampMade, Edition: 1,
		Version: v.Version, Revision: vouched[start].Revision, Together: together})
	require.NoError(a, err)
}
