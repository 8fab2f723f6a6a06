package archive_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

const tooFarWords = "startTime is out of range"

// tooFar is how a tenant answers that refuses to be asked for times further back than an age.
func tooFar(l *lab, age time.Duration) func(int, entra.Query) answer {
	return func(_ int, q entra.Query) answer {
		if q.From.Before(time.Now().Add(-age)) {
			return answer{err: &entra.Error{Code: entra.CodeRefused, Doing: "read " + string(q.Stream), Why: tooFarWords}}
		}
		return answer{}
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

// TestABackfillOfAYearBeginsWhereGraphCanBeAsked, and claims nothing of what lies before.
func TestABackfillOfAYearBeginsWhereGraphCanBeAsked(t *testing.T) {
	for _, age := range []time.Duration{30 * days, 7*days + 3*time.Hour} {
		for _, ordered := range []bool{true, false} {
			t.Run(name(age, "ordered", ordered), func(t *testing.T) {
				inLab(t, func(l *lab) {
					l.options.Backfill = 365 * days
					l.tenant.keeps, l.tenant.ordered = age, ordered
					l.tenant.fill(stream, start.Add(-100*days), start.Add(days), 7*time.Hour)
					u := &unruly{forgetful: l.tenant, answer: tooFar(l, age)}
					l.runsOf(u, 1)
					l.Logf("%d questions", u.count())
					require.LessOrEqual(l, u.count(), map[bool]int{true: 18, false: 32}[age == 30*days], "%v", u.questions(0))
					asked := u.count()
					p := l.progress(stream)
					require.False(l, p.Backfilling())
					require.False(l, p.Begin.Before(start.Add(-age).Truncate(time.Hour)), "%s", p.Begin)
					require.Zero(l, p.Lost-lostInPart(l, stream), "nothing is claimed of what lies before")
					l.runsOf(u, 2)
					require.Zero(l, refusedOf(u.questions(asked), age, start), "it is not asked for again")
					time.Sleep(4 * time.Hour)
					l.runsOf(u, 2)
					require.LessOrEqual(l, l.atTruth(stream, start.Add(-age).Add(2*time.Hour)), 1)
					require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), 0))
				})
			})
		}
	}
}

func lostInPart(l *lab, s entra.Stream) (n int64) {
	for _, cov := range l.hours(s) {
		if cov.InPart() && cov.Records > 0 {
			n++
		}
	}
	return n
}

// TestAPauseOfAHundredDays: what Graph can't be asked for any more is lost, with the reason, once,
// whatever was to be done there: passes, second reads, doubts, richer forms.
func TestAPauseOfAHundredDays(t *testing.T) {
	for age, ordered := range map[time.Duration]bool{30 * days: false, 7*days + 3*time.Hour: true} {
		t.Run(name(age, "ordered", ordered), func(t *testing.T) {
			inLab(t, func(l *lab) { l.pauses(age, ordered) })
		})
	}
}

func (l *lab) pauses(age time.Duration, ordered bool) {
	l.options.Backfill, l.options.Passes = 9*days, nil
	l.tenant.ordered = ordered
	l.tenant.fill(stream, start.Add(-9*days), start.Add(150*days), 7*time.Hour)
	l.tenant.enrich(stream)
	u := &unruly{forgetful: l.tenant}
	n := 0
	second := entra.FloorHour(start.Add(-8 * days))
	u.answer = func(_ int, q entra.Query) answer {
		if n += about([]entra.Query{q}, second); n > 1 {
			return answer{err: &entra.Error{Code: entra.CodeUnavailable, Why: "Graph is down"}}
		}
		return answer{form: entra.FormV1}
	}
	_, err := l.runOf(u, 8*time.Minute)
	require.Error(l, err)
	doubt := entra.FloorHour(start.Add(-5 * time.Hour))
	l.tenant.rich(stream, "planted", doubt.Add(7*time.Minute), "")
	l.plant(l.tenant.records[stream][indexOf(l.tenant.records[stream], "planted")])
	l.dies(doubt, doubt.Add(time.Hour))
	p := l.progress(stream)
	require.Positive(l, p.Awaits)
	require.Positive(l, p.Thin)
	watermark := p.Watermark

	time.Sleep(100 * days)
	l.tenant.keeps = age
	u.answer = tooFar(l, age)
	asked, now := u.count(), time.Now()
	l.runsOf(u, 1)
	require.LessOrEqual(l, refusedOf(u.questions(asked), age, now), 40, "%v", u.questions(asked))
	time.Sleep(20 * time.Minute)
	l.runsOf(u, 2)
	asked, now = u.count(), time.Now()
	l.runsOf(u, 3)
	require.Zero(l, refusedOf(u.questions(asked), age, now), "it is not asked for in every run: %v", u.questions(asked))

	p = l.progress(stream)
	require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), 0))
	require.WithinDuration(l, time.Now(), p.Watermark, 11*time.Minute)
	require.Zero(l, p.Awaits)
	require.Zero(l, p.Doubts)
	require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
	hours := l.hours(stream)
	cov := hours[second]
	require.Equal(l, "unconfirmed: Graph had forgotten it before it could be read a second time ("+cov.Reads[:1]+" records)", cov.ReadsDiffer())
	require.EqualValues(l, 1, hours[doubt].Unconfirmed, "what the dead run stored is kept, and counted apart")
	l.lostBecause(watermark, now.Add(-age), tooFarWords)
	checkLedger1(l)
}

// lostBecause: from a time to about another one everything is one gap, for a reason.
func (l *lab) lostBecause(from, to time.Time, words string) {
	l.Helper()
	p, hours := l.progress(stream), l.hours(stream)
	gaps, err := archive.GapsOf(l.Context(), l.store, stream, from, time.Now())
	require.NoError(l, err)
	require.NotEmpty(l, gaps)
	require.Equal(l, from, gaps[0].From.UTC())
	require.WithinDuration(l, to, gaps[len(gaps)-1].To, 9*time.Hour)
	said := false
	for _, g := range gaps {
		require.Equal(l, archive.WindowLost, g.State)
		said = said || g.To.Sub(g.From) > 30*days
		if g.To.Sub(g.From) > 30*days {
			require.Equal(l, "Graph refused to be asked for times so far back: "+words, g.Reason)
			require.Equal(l, g.Reason, p.WhyNotRead(hours[g.From.Add(days).Truncate(time.Hour)]))
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

// checkLedger1 is checkLedger of an archive with contents that nobody confirmed.
func checkLedger1(l *lab) {
	p := l.progress(stream)
	var sum archive.Tally
	for _, cov := range l.hours(stream) {
		count, err := l.store.Count(l.Context(), cov.Window)
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
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-days), start.Add(50*days), 7*time.Hour)
		u := &unruly{forgetful: l.tenant}
		l.runsOf(u, 2)
		before := l.progress(stream)
		time.Sleep(20 * days)
		u.answer = tooFar(l, -time.Hour)
		for range 5 {
			_, err := l.runOf(u, 8*time.Minute)
			if time.Since(start) > 20*days+2*time.Hour {
				require.Equal(l, entra.CodeRefused, entra.CodeOf(err))
				require.ErrorContains(l, err, tooFarWords)
			}
			time.Sleep(40 * time.Minute)
		}
		p := l.progress(stream)
		require.Equal(l, before.Watermark, p.Watermark)
		require.Equal(l, before.Lost, p.Lost)
		require.Contains(l, p.LastError, tooFarWords)
	})
}

// TestARefusalThatIsASlipLosesNothing: some questions are refused, whatever their time.
func TestARefusalThatIsASlipLosesNothing(t *testing.T) {
	for _, every := range []int{2, 3, 5} {
		t.Run(name("each", every), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Backfill, l.tenant.keeps = 25*days, 60*days
				l.tenant.fill(stream, start.Add(-25*days), start.Add(50*days), 7*time.Hour)
				u := &unruly{forgetful: l.tenant}
				l.runsOf(u, 1)
				time.Sleep(12 * days)
				u.answer = func(n int, q entra.Query) answer {
					if n%every == 0 {
						return answer{err: &entra.Error{Code: entra.CodeRefused, Doing: "read", Why: "UnknownError"}}
					}
					return answer{}
				}
				l.runsOf(u, 10)
				u.answer = nil
				time.Sleep(4*time.Hour + 20*time.Minute)
				l.runsOf(u, 3)
				require.LessOrEqual(l, l.atTruth(stream, start.Add(-25*days)), 1)
				for _, cov := range l.hours(stream) {
					require.NotEqual(l, archive.WindowLost, cov.State, "%s", cov.Window)
				}
			})
		})
	}
}
