package collect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

const tooFarWords = "startTime is out of range"

// tooFar is how a tenant answers that refuses to be asked for times further back than an age.
func tooFar(l *lab.Lab, age time.Duration) func(int, entra.Query) lab.Answer {
	return func(_ int, q entra.Query) lab.Answer {
		if q.From.Before(time.Now().Add(-age)) {
			return lab.Answer{Err: &entra.Error{Code: entra.CodeRefused, Doing: "read " + string(q.Stream),
				Why: tooFarWords}}
		}
		return lab.Answer{}
	}
}

// refusedOf counts the questions that such a tenant refuses.
func refusedOf(asked []entra.Query, age time.Duration, at time.Time) (n int) {
	for _, q := range asked {
		if q.From.Before(at.Add(-age)) {
			n++
		}
	}
	return n
}

// TestABackfillOfAYearBeginsWhereGraphCanBeAsked, and claims nothing about earlier hours.
func TestABackfillOfAYearBeginsWhereGraphCanBeAsked(t *testing.T) {
	for _, age := range []time.Duration{30 * lab.Days, 7*lab.Days + 3*time.Hour} {
		for _, ordered := range []bool{true, false} {
			t.Run(name(age, "ordered", ordered), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) {
					l.Options.Backfill = 365 * lab.Days
					l.Tenant.Keeps, l.Tenant.InOrder = age, ordered
					l.Tenant.Fill(lab.Stream, lab.Start.Add(-100*lab.Days), lab.Start.Add(lab.Days), 7*time.Hour)
					u := &lab.Unruly{Forgetful: l.Tenant, Answer: tooFar(l, age)}
					l.RunsOf(u, 1)
					l.Logf("%d questions", count(u))
					require.LessOrEqual(l, count(u), map[bool]int{true: 18, false: 32}[age == 30*lab.Days], "%v",
						u.Questions(0))
					asked := count(u)
					p := l.Progress(lab.Stream)
					require.False(l, p.Backfilling())
					require.False(l, p.Begin.Before(lab.Start.Add(-age).Truncate(time.Hour)), "%s", p.Begin)
					require.Zero(l, p.Lost-lostInPart(l, lab.Stream), "nothing is claimed of what lies before")
					l.RunsOf(u, 2)
					require.Zero(l, refusedOf(u.Questions(asked), age, lab.Start), "it is not asked for again")
					time.Sleep(4 * time.Hour)
					l.RunsOf(u, 2)
					require.LessOrEqual(l, atTruth(l, lab.Stream, lab.Start.Add(-age).Add(2*time.Hour)), 1)
					require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), 0))
				})
			})
		}
	}
}

func lostInPart(l *lab.Lab, s entra.Stream) (n int64) {
	for _, cov := range l.Hours(s) {
		if cov.InPart() && cov.Records > 0 {
			n++
		}
	}
	return n
}

// TestAfterAPauseOfAHundredDaysTheOldestHoursAreMarkedLost: what Graph refuses as too old is marked
// lost once, with the reason, for every kind of work: passes, second reads, hours in doubt, richer
// forms.
func TestAfterAPauseOfAHundredDaysTheOldestHoursAreMarkedLost(t *testing.T) {
	for age, ordered := range map[time.Duration]bool{30 * lab.Days: false, 7*lab.Days + 3*time.Hour: true} {
		t.Run(name(age, "ordered", ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) { pauses(l, age, ordered) })
		})
	}
}

func pauses(l *lab.Lab, age time.Duration, ordered bool) {
	l.Options.Backfill, l.Options.Passes = 9*lab.Days, nil
	l.Tenant.InOrder = ordered
	l.Tenant.Fill(lab.Stream, lab.Start.Add(-9*lab.Days), lab.Start.Add(150*lab.Days), 7*time.Hour)
	l.Tenant.Enrich(lab.Stream)
	u := &lab.Unruly{Forgetful: l.Tenant}
	n := 0
	second := entra.FloorHour(lab.Start.Add(-8 * lab.Days))
	u.Answer = func(_ int, q entra.Query) lab.Answer {
		if n += about([]entra.Query{q}, second); n > 1 {
			return lab.Answer{Err: &entra.Error{Code: entra.CodeUnavailable, Why: "Graph is down"}}
		}
		return lab.Answer{Form: entra.FormV1}
	}
	_, err := l.RunOf(u, 8*time.Minute)
	require.Error(l, err)
	doubt := entra.FloorHour(lab.Start.Add(-5 * time.Hour))
	rich(l.Tenant, lab.Stream, "planted", doubt.Add(7*time.Minute), "")
	l.Plant(l.Tenant.Records[lab.Stream][indexOf(l.Tenant.Records[lab.Stream], "planted")])
	l.Dies(doubt, doubt.Add(time.Hour))
	p := l.Progress(lab.Stream)
	require.Positive(l, p.Awaits)
	require.Positive(l, p.Thin)
	watermark := p.Watermark

	time.Sleep(100 * lab.Days)
	l.Tenant.Keeps = age
	u.Answer = tooFar(l, age)
	asked, now := count(u), time.Now()
	l.RunsOf(u, 1)
	require.LessOrEqual(l, refusedOf(u.Questions(asked), age, now), 40, "%v", u.Questions(asked))
	time.Sleep(20 * time.Minute)
	l.RunsOf(u, 2)
	asked, now = count(u), time.Now()
	l.RunsOf(u, 3)
	require.Zero(l, refusedOf(u.Questions(asked), age, now), "it is not asked for in every run: %v", u.Questions(asked))

	p = l.Progress(lab.Stream)
	require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), 0))
	require.WithinDuration(l, time.Now(), p.Watermark, 11*time.Minute)
	require.Zero(l, p.Awaits)
	require.Zero(l, p.Doubts)
	require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
	hours := l.Hours(lab.Stream)
	cov := hours[second]
	require.Equal(l, "unconfirmed: Graph had forgotten it before it could be read a second time ("+cov.Reads[:1]+
		" records)", cov.ReadsDiffer())
	require.EqualValues(l, 1, hours[doubt].Unconfirmed, "what the dead run stored is kept, and counted apart")
	lostBecause(l, watermark, now.Add(-age), tooFarWords)
	checkLedger1(l)
}

// lostBecause: from a time to about another one everything is one gap, for a reason.
func lostBecause(l *lab.Lab, from, to time.Time, words string) {
	l.Helper()
	p, hours := l.Progress(lab.Stream), l.Hours(lab.Stream)
	gaps, err := ledger.GapsOf(l.Context(), l.Store, lab.Stream, from, time.Now())
	require.NoError(l, err)
	require.NotEmpty(l, gaps)
	require.Equal(l, from, gaps[0].From.UTC())
	require.WithinDuration(l, to, gaps[len(gaps)-1].To, 9*time.Hour)
	said := false
	for _, g := range gaps {
		require.Equal(l, ledger.WindowLost, g.State)
		said = said || g.To.Sub(g.From) > 30*lab.Days
		if g.To.Sub(g.From) > 30*lab.Days {
			require.Equal(l, "Graph refused to be asked for times so far back: "+words, g.Reason)
			require.Equal(l, g.Reason, p.WhyNotRead(hours[g.From.Add(lab.Days).Truncate(time.Hour)]))
		}
	}
	require.True(l, said)
}

func indexOf(all []entra.Record, id string) int {
	for i, r := range all {
		if r.ID == id {
			return i
		}
	}
	return -1
}

// checkLedger1 is checkLedger for an archive with unconfirmed contents.
func checkLedger1(l *lab.Lab) {
	p := l.Progress(lab.Stream)
	var sum ledger.Tally
	for _, cov := range l.Hours(lab.Stream) {
		count, err := l.Store.Count(l.Context(), cov.Window)
		require.NoError(l, err)
		require.Equal(l, count.Records, cov.Records+cov.Unconfirmed)
		require.Equal(l, count.Sum, cov.Sum)
		sum.Records, sum.Bytes = sum.Records+cov.Records, sum.Bytes+cov.Bytes
	}
	require.Equal(l, sum.Records, p.Records)
	require.Equal(l, sum.Bytes, p.Bytes)
}

// TestALogThatIsRefusedAltogetherClaimsNothingLost, and fails with its own words.
func TestALogThatIsRefusedAltogetherClaimsNothingLost(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start.Add(50*lab.Days), 7*time.Hour)
		u := &lab.Unruly{Forgetful: l.Tenant}
		l.RunsOf(u, 2)
		before := l.Progress(lab.Stream)
		time.Sleep(20 * lab.Days)
		u.Answer = tooFar(l, -time.Hour)
		for range 5 {
			_, err := l.RunOf(u, 8*time.Minute)
			if time.Since(lab.Start) > 20*lab.Days+2*time.Hour {
				require.Equal(l, entra.CodeRefused, entra.CodeOf(err))
				require.ErrorContains(l, err, tooFarWords)
			}
			time.Sleep(40 * time.Minute)
		}
		p := l.Progress(lab.Stream)
		require.Equal(l, before.Watermark, p.Watermark)
		require.Equal(l, before.Lost, p.Lost)
		require.Contains(l, p.LastError, tooFarWords)
	})
}

// TestASingleWrongRefusalLosesNothing: some questions are refused, whatever their time.
func TestASingleWrongRefusalLosesNothing(t *testing.T) {
	for _, every := range []int{2, 3, 5} {
		t.Run(name("each", every), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill, l.Tenant.Keeps = 25*lab.Days, 60*lab.Days
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-25*lab.Days), lab.Start.Add(50*lab.Days), 7*time.Hour)
				u := &lab.Unruly{Forgetful: l.Tenant}
				l.RunsOf(u, 1)
				time.Sleep(12 * lab.Days)
				u.Answer = func(n int, q entra.Query) lab.Answer {
					if n%every == 0 {
						return lab.Answer{Err: &entra.Error{Code: entra.CodeRefused, Doing: "read",
							Why: "UnknownError"}}
					}
					return lab.Answer{}
				}
				l.RunsOf(u, 10)
				u.Answer = nil
				time.Sleep(4*time.Hour + 20*time.Minute)
				l.RunsOf(u, 3)
				require.LessOrEqual(l, atTruth(l, lab.Stream, lab.Start.Add(-25*lab.Days)), 1)
				for _, cov := range l.Hours(lab.Stream) {
					require.NotEqual(l, ledger.WindowLost, cov.State, "%s", cov.Window)
				}
			})
		})
	}
}
