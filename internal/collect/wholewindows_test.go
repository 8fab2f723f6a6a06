package collect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// lost is how much of the stream's time the ledger marks as lost, and from when to when.
func lost(l *lab.Lab, s entra.Stream, from time.Time) (sum time.Duration, first, last time.Time) {
	gaps, err := ledger.GapsOf(l.Context(), l.Store, s, from, time.Now())
	require.NoError(l, err)
	for _, g := range gaps {
		require.Equal(l, ledger.WindowLost, g.State)
		require.Contains(l, g.Reason, "Graph had forgotten it")
		if sum += g.To.Sub(g.From); first.IsZero() {
			first = g.From
		}
		last = g.To
	}
	return sum, first, last
}

func TestHoursAreCompleteOnlyWhereGraphStillHadAllOfThem(t *testing.T) {
	for _, c := range []struct {
		keeps   time.Duration
		ordered bool
	}{{7 * lab.Days, true}, {7 * lab.Days, false}, {30 * lab.Days, true}} {
		t.Run(fmt.Sprintf("keeps %s, ordered %v", c.keeps, c.ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) { threeHours(l, c.keeps, c.ordered) })
		})
	}
}

// threeHours: the hour in which the archive begins, the one that was half read before an outage and
// whose rest was deleted, and the first that Graph still returns after it, of two streams, with 3
// to 22 records each that cannot be read any more.
func threeHours(l *lab.Lab, keeps time.Duration, ordered bool) {
	l.Tenant.Keeps, l.Tenant.InOrder = keeps, ordered
	sealed := keeps == 7*lab.Days // to keep the test short
	if l.Options.Backfill = 31 * lab.Days; sealed {
		l.Options.Backfill = 8 * lab.Days
	} else {
		l.Options.Passes = []time.Duration{400 * lab.Days}
	}
	out := lab.Start.Add(85 * time.Minute) // the last run before the outage
	back := out.Add(keeps + 50*time.Hour).Truncate(time.Hour).Add(40 * time.Minute)
	streams, unread := []entra.Stream{lab.Stream, lab.Other}, map[entra.Stream]int{lab.Stream: 3, lab.Other: 22}
	for s, n := range unread {
		edge := lab.Start.Add(-keeps)
		watermark := out.Add(-5 * time.Minute)
		for i := range n {
			spread := time.Duration(i) * time.Minute
			l.Tenant.Add(s, fmt.Sprintf("before-%d", i), edge.Add(-time.Second-spread/time.Duration(2)), "")
			l.Tenant.Add(s, fmt.Sprintf("half-%d", i), watermark.Add(time.Second).Add(spread*2/3), "")
			l.Tenant.Add(s, fmt.Sprintf("forgotten-%d", i), back.Add(-keeps-time.Second-spread), "")
		}
		for _, hour := range []time.Time{edge, watermark.Add(-20 * time.Minute), back.Add(-keeps)} {
			l.Tenant.Add(s, "one record is not enough", hour.Add(10*time.Second), "")
		}
		l.Tenant.Fill(s, edge.Add(5*time.Minute), watermark, 13*time.Hour)
		l.Tenant.Fill(s, back.Add(-keeps+5*time.Minute), back.Add(lab.Days), 13*time.Hour)
	}
	for ; !time.Now().After(out); time.Sleep(17 * time.Minute) {
		_, err := l.Run(streams...)
		require.NoError(l, err)
	}
	for _, after := range []time.Duration{0, 5 * time.Minute, 5 * time.Hour, 5*time.Hour + 5*time.Minute} {
		l.Until(back.Add(after))
		_, err := l.Run(streams...)
		require.NoError(l, err)
	}
	for s := range unread {
		l.CheckClaims(s)
		hours := l.Hours(s)
		p := l.Progress(s)
		for _, at := range []time.Time{lab.Start.Add(-keeps), out.Add(-5 * time.Minute), back.Add(-keeps)} {
			cov := hours[entra.FloorHour(at)]
			require.Equal(l, map[bool]ledger.WindowState{true: ledger.WindowSealed,
				false: ledger.WindowPartial}[sealed],
				cov.State, "%s", cov.Window)
			require.True(l, cov.InPart(), "%s", cov.Window)
			require.False(l, cov.Whole())
		}
		require.Equal(l, int64(len(hours))-p.Lost, p.WindowsComplete+notYet(hours))
		require.False(l, p.CompleteUntil().Before(p.Watermark), "what is lost for good does not stop it")
		require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
		sum, first, last := lost(l, s, out.Add(-time.Hour))
		require.Equal(l, last.Sub(first), sum, "the outage is one gap")
		require.WithinDuration(l, back.Add(-keeps), last, 11*time.Second)
		require.Equal(l, hours[entra.FloorHour(out)].LostFrom, first)
	}
}

// notYet counts the hours that are neither whole nor lost.
func notYet(hours map[time.Time]ledger.Coverage) (n int64) {
	for _, cov := range hours {
		if !cov.Whole() && !cov.InPart() && cov.State != ledger.WindowLost {
			n++
		}
	}
	return n
}

// TestAnOutageLosesWhatTheTenantDeletedAndNothingElse: not a minute more than up to the first
// record that it still shows.
func TestAnOutageLosesWhatTheTenantDeletedAndNothingElse(t *testing.T) {
	const week, month = 7 * lab.Days, 30 * lab.Days
	for _, c := range []struct {
		outage, keeps time.Duration
		ordered       bool
	}{
		{time.Hour, week, true}, {5 * time.Hour, month, false},
		{week - time.Hour, week, true}, {week - time.Hour, week, false}, {week + 3*time.Hour, week, true},
		{week + 3*time.Hour, week, false},
		{10 * lab.Days, week, false}, {10 * lab.Days, month, true},
		{month - 5*time.Hour, month, true}, {40 * lab.Days, month, false},
	} {
		t.Run(fmt.Sprintf("%s of %s, ordered %v", c.outage, c.keeps, c.ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Tenant.Keeps, l.Tenant.InOrder = c.keeps, c.ordered
				goesOut(l, c.outage)
			})
		})
	}
}

// goesOut returns an archive without a run for some time.
func goesOut(l *lab.Lab, outage time.Duration) {
	const every = 95 * time.Minute // a record
	l.Tenant.PageTakes, l.Options.Passes = 2*time.Second, []time.Duration{400 * lab.Days}
	l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(outage+lab.Days), every)
	l.Runs(5*time.Minute, lab.Start.Add(11*time.Minute))
	watermark := l.Progress(lab.Stream).Watermark
	begun, _, _ := lost(l, lab.Stream, lab.Start.Add(-200*lab.Days))
	require.LessOrEqual(l, begun, time.Hour, "of the hour in which it begins")
	time.Sleep(outage)
	stopAwaiting := time.Now().Add(-l.Tenant.Keeps)
	l.Runs(5*time.Minute, time.Now().Add(11*time.Minute))
	l.CheckClaims(lab.Stream)
	sum, first, last := lost(l, lab.Stream, entra.FloorHour(watermark))
	if !stopAwaiting.After(watermark) {
		require.Zero(l, sum, "Graph still had everything: %s to %s", first, last)
		return
	}
	require.Equal(l, watermark, first)
	require.Equal(l, last.Sub(first), sum)
	require.False(l, last.Before(stopAwaiting))
	require.LessOrEqual(l, last.Sub(stopAwaiting), every+time.Minute)
	p := l.Progress(lab.Stream)
	require.Equal(l, p.Watermark, p.CompleteUntil())
}

// TestNoHourIsCalledWholeThatIsNot goes seeded ways through outages, kills, short budgets and slow
// pages.
func TestNoHourIsCalledWholeThatIsNot(t *testing.T) {
	for seed := range uint64(wanders) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) { wander(l, rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

// wanders is how many seeds are gone.
const wanders = 3

func wander(l *lab.Lab, random *rand.Rand) {
	pick := func(from ...time.Duration) time.Duration { return from[random.IntN(len(from))] }
	l.Tenant.Keeps, l.Tenant.InOrder = pick(7*lab.Days, 30*lab.Days), random.IntN(2) == 0
	l.Tenant.PageSize = 10 + random.IntN(60)
	end := lab.Start.Add(12 * lab.Days)
	l.Options.Backfill = pick(2*lab.Days, 9*lab.Days)
	for at := lab.Start.Add(-l.Options.Backfill - lab.Days); at.Before(end); at = at.Add(time.Duration(1 +
		random.Int64N(int64(3*time.Hour)))) {
		l.Tenant.Add(lab.Stream, fmt.Sprint("id-", at.UnixNano()), at.Truncate(entra.Tick), "")
	}
	for runs := 0; time.Now().Before(end.Add(-lab.Days)); runs++ {
		l.Tenant.PageTakes = pick(0, time.Second, 20*time.Second, 3*time.Minute)
		store, w := l.Process()
		if random.IntN(3) == 0 {
			w.DiesAt, w.Stored = 1+random.IntN(40), random.IntN(2) == 0
		}
		_, err := l.Collector(store, l.Tenant).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
			pick(time.Minute, 10*time.Minute, 2*time.Hour))
		if !w.Dead {
			require.NoError(l, err)
		}
		if runs%3 == 0 {
			l.CheckClaims(lab.Stream)
		}
		time.Sleep(pick(5*time.Minute, 5*time.Minute, time.Hour, 7*time.Hour, lab.Days, 3*lab.Days,
			7*lab.Days-time.Hour,
			9*lab.Days, 12*lab.Days))
	}
	l.Tenant.PageTakes = 0
	for range 4 {
		_, err := l.Run()
		require.NoError(l, err)
		time.Sleep(11 * time.Minute)
	}
	l.CheckClaims(lab.Stream)
	p := l.Progress(lab.Stream)
	require.Zero(l, p.Doubts)
	require.Empty(l, p.Suspects)
	require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
	findings, _ := lab.Verify(l.T, l.Store, l.Heads)
	require.Empty(l, lab.Tampering(findings))
}

func TestCompleteUntilStopsAtTheFirstHourThatCanStillBecomeComplete(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), 20*time.Minute)
		l.Tenant.PageSize, l.Tenant.PageTakes, l.Options.Turn = 10, 20*time.Second, 2
		l.Options.Passes = append(l.Options.Passes, 3*lab.Days) // which confirms what the backfill reads
		_, err := l.Collector(l.Store, l.Tenant).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
			90*time.Second)
		require.NoError(l, err)
		p := l.Progress(lab.Stream)
		require.True(l, p.Backfilling())
		require.Equal(l, p.Backfilled, p.CompleteUntil(), "the backfill stands there")
		l.Tenant.PageTakes = 0
		l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
		p = l.Progress(lab.Stream)
		require.Equal(l, p.Watermark, p.CompleteUntil())
		doubt := slices.MinFunc([]time.Time{p.Watermark.Add(-30 * time.Hour), p.Watermark}, time.Time.Compare)
		cov := l.Hours(lab.Stream)[entra.FloorHour(doubt)]
		cov.Doubt, p.Doubts = true, 1
		p.DoubtFrom, p.DoubtTo = cov.Start, cov.End()
		l.Write(p, cov)
		p = l.Progress(lab.Stream)
		require.Equal(l, cov.Start, p.CompleteUntil(), "an hour in doubt can still become complete")
		require.Contains(l, p.WhyNotRead(cov), "Graph is asked for the hour again")
		time.Sleep(5 * time.Minute)
		_, err = l.Run()
		require.NoError(l, err)
		p = l.Progress(lab.Stream)
		require.Equal(l, p.Watermark, p.CompleteUntil())
	})
}
