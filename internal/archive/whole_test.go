package archive_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// checkClaims holds every hour that the ledger calls whole, and every part of an hour that it does
// not call lost, against all that the tenant ever showed of it.
func (l *lab) checkClaims(s entra.Stream) {
	l.Helper()
	stored, err := l.store.StoredByHour(l.Context(), s, start.Add(-200*days), start.Add(200*days))
	require.NoError(l, err)
	shown := make(map[time.Time][]entra.Record)
	for _, rec := range l.tenant.records[s] {
		hour := entra.FloorHour(rec.Time)
		shown[hour] = append(shown[hour], rec)
	}
	seals := make(map[int64]seal.Seal)
	for entry, err := range l.store.Seals(l.Context(), s) {
		require.NoError(l, err)
		seals[entry.Number] = entry
	}
	for hour, cov := range l.hours(s) {
		var known []entra.Record // what has to be there
		for _, rec := range shown[hour] {
			if !cov.InPart() || rec.Time.Before(cov.LostFrom) || !rec.Time.Before(cov.LostTo) {
				known = append(known, rec)
			}
		}
		switch {
		case cov.Whole():
			var sum archive.Sum
			for _, rec := range shown[hour] {
				sum.Add(archive.SumOf(l.store.RowKey(rec.Key), rec.Hash))
			}
			require.EqualValues(l, len(shown[hour]), stored[hour].Count, "%s is called whole (%s)", cov.Window, cov.State)
			require.Equal(l, sum, stored[hour].Sum, "%s is called whole (%s)", cov.Window, cov.State)
		case cov.InPart():
			require.GreaterOrEqual(l, stored[hour].Count, int64(len(known)), "%s is lost only from %s to %s", cov.Window, cov.LostFrom, cov.LostTo)
		}
		if cov.State == archive.WindowSealed {
			l.checkSealed(cov, seals[cov.LastSeal], len(shown[hour]))
		}
	}
}

// checkSealed: a seal of an hour that is not known whole says from and until when it is.
func (l *lab) checkSealed(cov archive.Coverage, last seal.Seal, shown int) {
	l.Helper()
	require.Equal(l, cov.Start, last.Start)
	if cov.InPart() {
		require.Contains(l, last.Reason, fmt.Sprintf("nothing is known of it from %s to %s", cov.LostFrom.Format(time.RFC3339Nano), cov.LostTo.Format(time.RFC3339Nano)))
		return
	}
	require.EqualValues(l, shown, last.Leaves, "%s is sealed as whole", cov.Window)
}

// lost is how much of the stream's time the ledger calls lost, and from when to when it lies.
func (l *lab) lost(s entra.Stream, from time.Time) (sum time.Duration, first, last time.Time) {
	gaps, err := archive.GapsOf(l.Context(), l.store, s, from, time.Now())
	require.NoError(l, err)
	for _, g := range gaps {
		require.Equal(l, archive.WindowLost, g.State)
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
	}{{7 * days, true}, {7 * days, false}, {30 * days, true}} {
		t.Run(fmt.Sprintf("keeps %s, ordered %v", c.keeps, c.ordered), func(t *testing.T) {
			inLab(t, func(l *lab) { l.threeHours(c.keeps, c.ordered) })
		})
	}
}

// threeHours: the hour in which the archive begins, the one that was half read before an outage
// whose rest is forgotten, and the first that Graph still shows after it, of two streams, with 3 to
// 22 records each that nobody can read any more.
func (l *lab) threeHours(keeps time.Duration, ordered bool) {
	l.tenant.keeps, l.tenant.ordered = keeps, ordered
	sealed := keeps == 7*days // so that the test does not take long
	if l.options.Backfill = 31 * days; sealed {
		l.options.Backfill = 8 * days
	} else {
		l.options.Passes = []time.Duration{400 * days}
	}
	out := start.Add(85 * time.Minute) // the last run before the outage
	back := out.Add(keeps + 50*time.Hour).Truncate(time.Hour).Add(40 * time.Minute)
	streams, unread := []entra.Stream{stream, other}, map[entra.Stream]int{stream: 3, other: 22}
	for s, n := range unread {
		edge := start.Add(-keeps)
		watermark := out.Add(-5 * time.Minute)
		for i := range n {
			spread := time.Duration(i) * time.Minute
			l.tenant.add(s, fmt.Sprintf("before-%d", i), edge.Add(-time.Second-spread/time.Duration(2)), "")
			l.tenant.add(s, fmt.Sprintf("half-%d", i), watermark.Add(time.Second).Add(spread*2/3), "")
			l.tenant.add(s, fmt.Sprintf("forgotten-%d", i), back.Add(-keeps-time.Second-spread), "")
		}
		for _, hour := range []time.Time{edge, watermark.Add(-20 * time.Minute), back.Add(-keeps)} {
			l.tenant.add(s, "one record is not enough", hour.Add(10*time.Second), "")
		}
		l.tenant.fill(s, edge.Add(5*time.Minute), watermark, 13*time.Hour)
		l.tenant.fill(s, back.Add(-keeps+5*time.Minute), back.Add(days), 13*time.Hour)
	}
	for ; !time.Now().After(out); time.Sleep(17 * time.Minute) {
		_, err := l.run(streams...)
		require.NoError(l, err)
	}
	for _, after := range []time.Duration{0, 5 * time.Minute, 5 * time.Hour, 5*time.Hour + 5*time.Minute} {
		l.until(back.Add(after))
		_, err := l.run(streams...)
		require.NoError(l, err)
	}
	for s := range unread {
		l.checkClaims(s)
		hours := l.hours(s)
		p := l.progress(s)
		for _, at := range []time.Time{start.Add(-keeps), out.Add(-5 * time.Minute), back.Add(-keeps)} {
			cov := hours[entra.FloorHour(at)]
			require.Equal(l, map[bool]archive.WindowState{true: archive.WindowSealed, false: archive.WindowPartial}[sealed], cov.State, "%s", cov.Window)
			require.True(l, cov.InPart(), "%s", cov.Window)
			require.False(l, cov.Whole())
		}
		require.Equal(l, int64(len(hours))-p.Lost, p.WindowsComplete+notYet(hours))
		require.False(l, p.CompleteUntil().Before(p.Watermark), "what is lost for good does not stop it")
		require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
		sum, first, last := l.lost(s, out.Add(-time.Hour))
		require.Equal(l, last.Sub(first), sum, "the outage is one gap")
		require.WithinDuration(l, back.Add(-keeps), last, 11*time.Second)
		require.Equal(l, hours[entra.FloorHour(out)].LostFrom, first)
	}
}

// notYet counts the hours that are neither whole nor lost.
func notYet(hours map[time.Time]archive.Coverage) (n int64) {
	for _, cov := range hours {
		if !cov.Whole() && !cov.InPart() && cov.State != archive.WindowLost {
			n++
		}
	}
	return n
}

// TestAnOutageLosesWhatTheTenantForgotAndNothingElse: not a minute more than up to the first record
// that it still shows.
func TestAnOutageLosesWhatTheTenantForgotAndNothingElse(t *testing.T) {
	const week, month = 7 * days, 30 * days
	for _, c := range []struct {
		outage, keeps time.Duration
		ordered       bool
	}{
		{time.Hour, week, true}, {5 * time.Hour, month, false},
		{week - time.Hour, week, true}, {week - time.Hour, week, false}, {week + 3*time.Hour, week, true},
		{week + 3*time.Hour, week, false},
		{10 * days, week, false}, {10 * days, month, true},
		{month - 5*time.Hour, month, true}, {40 * days, month, false},
	} {
		t.Run(fmt.Sprintf("%s of %s, ordered %v", c.outage, c.keeps, c.ordered), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.tenant.keeps, l.tenant.ordered = c.keeps, c.ordered
				l.goesOut(c.outage)
			})
		})
	}
}

// goesOut is an archive that nobody works on for some time.
func (l *lab) goesOut(outage time.Duration) {
	const every = 95 * time.Minute // a record
	l.tenant.pageTakes, l.options.Passes = 2*time.Second, []time.Duration{400 * days}
	l.tenant.fill(stream, start.Add(-2*days), start.Add(outage+days), every)
	l.runs(5*time.Minute, start.Add(11*time.Minute))
	watermark := l.progress(stream).Watermark
	begun, _, _ := l.lost(stream, start.Add(-200*days))
	require.LessOrEqual(l, begun, time.Hour, "of the hour in which it begins")
	time.Sleep(outage)
	forgotten := time.Now().Add(-l.tenant.keeps)
	l.runs(5*time.Minute, time.Now().Add(11*time.Minute))
	l.checkClaims(stream)
	sum, first, last := l.lost(stream, entra.FloorHour(watermark))
	if !forgotten.After(watermark) {
		require.Zero(l, sum, "Graph still had everything: %s to %s", first, last)
		return
	}
	require.Equal(l, watermark, first)
	require.Equal(l, last.Sub(first), sum)
	require.False(l, last.Before(forgotten))
	require.LessOrEqual(l, last.Sub(forgotten), every+time.Minute)
	p := l.progress(stream)
	require.Equal(l, p.Watermark, p.CompleteUntil())
}

// TestNoHourIsCalledWholeThatIsNot goes seeded ways through outages, kills, short budgets and slow
// pages.
func TestNoHourIsCalledWholeThatIsNot(t *testing.T) {
	for seed := range uint64(wanders) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inLab(t, func(l *lab) { l.wander(rand.New(rand.NewPCG(seed, 3))) })
		})
	}
}

// wanders is how many seeds are gone.
const wanders = 3

func (l *lab) wander(random *rand.Rand) {
	pick := func(from ...time.Duration) time.Duration { return from[random.IntN(len(from))] }
	l.tenant.keeps, l.tenant.ordered = pick(7*days, 30*days), random.IntN(2) == 0
	l.tenant.pageSize = 10 + random.IntN(60)
	end := start.Add(12 * days)
	l.options.Backfill = pick(2*days, 9*days)
	for at := start.Add(-l.options.Backfill - days); at.Before(end); at = at.Add(time.Duration(1 + random.Int64N(int64(3*time.Hour)))) {
		l.tenant.add(stream, fmt.Sprint("id-", at.UnixNano()), at.Truncate(entra.Tick), "")
	}
	for runs := 0; time.Now().Before(end.Add(-days)); runs++ {
		l.tenant.pageTakes = pick(0, time.Second, 20*time.Second, 3*time.Minute)
		store, w := l.process()
		if random.IntN(3) == 0 {
			w.diesAt, w.stored = 1+random.IntN(40), random.IntN(2) == 0
		}
		_, err := l.collector(store, l.tenant).Run(l.Context(), execution(), []entra.Stream{stream}, pick(time.Minute, 10*time.Minute, 2*time.Hour))
		if !w.dead {
			require.NoError(l, err)
		}
		if runs%3 == 0 {
			l.checkClaims(stream)
		}
		time.Sleep(pick(5*time.Minute, 5*time.Minute, time.Hour, 7*time.Hour, days, 3*days, 7*days-time.Hour, 9*days, 12*days))
	}
	l.tenant.pageTakes = 0
	for range 4 {
		_, err := l.run()
		require.NoError(l, err)
		time.Sleep(11 * time.Minute)
	}
	l.checkClaims(stream)
	p := l.progress(stream)
	require.Zero(l, p.Doubts)
	require.Empty(l, p.Suspects)
	require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
	findings, _ := verify(l.T, l.store, l.heads)
	require.Empty(l, tampering(findings))
}

func TestCompleteUntilStopsAtTheFirstHourThatCanStillBecomeComplete(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(days), 20*time.Minute)
		l.tenant.pageSize, l.tenant.pageTakes, l.options.Turn = 10, 20*time.Second, 2
		l.options.Passes = append(l.options.Passes, 3*days) // which confirms what the backfill reads
		_, err := l.collector(l.store, l.tenant).Run(l.Context(), execution(), []entra.Stream{stream}, 90*time.Second)
		require.NoError(l, err)
		p := l.progress(stream)
		require.True(l, p.Backfilling())
		require.Equal(l, p.Backfilled, p.CompleteUntil(), "the backfill stands there")
		l.tenant.pageTakes = 0
		l.runs(5*time.Minute, time.Now().Add(6*time.Minute))
		p = l.progress(stream)
		require.Equal(l, p.Watermark, p.CompleteUntil())
		doubt := slices.MinFunc([]time.Time{p.Watermark.Add(-30 * time.Hour), p.Watermark}, time.Time.Compare)
		cov := l.hours(stream)[entra.FloorHour(doubt)]
		cov.Doubt, p.Doubts = true, 1
		p.DoubtFrom, p.DoubtTo = cov.Start, cov.End()
		l.write(p, cov)
		p = l.progress(stream)
		require.Equal(l, cov.Start, p.CompleteUntil(), "an hour in doubt can still become complete")
		require.Contains(l, p.WhyNotRead(cov), "Graph is asked for the hour again")
		time.Sleep(5 * time.Minute)
		_, err = l.run()
		require.NoError(l, err)
		p = l.progress(stream)
		require.Equal(l, p.Watermark, p.CompleteUntil())
	})
}
