package archive_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// A walk that ends early looks like one that has met everything.

// shortfall is one shape in which a walk gives less than there is.
type shortfall struct {
	name string
	of   func(q entra.Query) answer
}

func shortfalls() []shortfall {
	hides := func(hides func(q entra.Query, i int, at time.Time) bool) func(q entra.Query) answer {
		return func(q entra.Query) answer {
			return answer{hides: func(i int, r entra.Record) bool { return hides(q, i, r.Time) }}
		}
	}
	return []shortfall{
		{"page 3 has no next link", func(entra.Query) answer { return answer{ends: 3} }},
		{"an empty page ends it", func(entra.Query) answer { return answer{ends: 2, empty: true} }},
		{"what follows the first page is left out", hides(func(_ entra.Query, i int, _ time.Time) bool { return i >= 10 })},
		{"every page is empty", hides(func(entra.Query, int, time.Time) bool { return true })},
		{"records are left out in the middle", hides(func(q entra.Query, _ int, at time.Time) bool {
			return at.Sub(q.From.Add(q.To.Sub(q.From)/2)).Abs() < 40*time.Hour
		})},
		{"the oldest records are left out", hides(func(q entra.Query, _ int, at time.Time) bool { return at.Sub(q.From) < 50*time.Hour })},
	}
}

// odd and even are questions about an hour, counted from 0; first is the first one alone.
func odd(n int) bool   { return n%2 == 1 }
func even(n int) bool  { return n%2 == 0 }
func first(n int) bool { return n == 0 }

// inTurns leaves records of an hour out of some of the questions about it.
func inTurns(short shortfall, which func(int) bool) func(n int, q entra.Query) answer {
	times := make(map[time.Time]int)
	return func(_ int, q entra.Query) answer {
		a := short.of(q)
		hides := a.hides
		if hides == nil { // pages of 10 records
			hides = func(i int, _ entra.Record) bool { return i >= 10*a.ends }
		}
		short := make(map[time.Time]bool)
		for hour := entra.FloorHour(q.From); hour.Before(q.To); hour = hour.Add(time.Hour) {
			short[hour] = which(times[hour])
			times[hour] += about([]entra.Query{q}, hour)
		}
		return answer{hides: func(i int, r entra.Record) bool { return short[entra.FloorHour(r.Time)] && hides(i, r) }}
	}
}

// once is short in the n-th question that is about more than the newest hours.
func once(short shortfall, n int) func(int, entra.Query) answer {
	return func(_ int, q entra.Query) answer {
		if q.To.Sub(q.From) < 5*time.Hour {
			return answer{}
		}
		if n--; n == -1 {
			return short.of(q)
		}
		return answer{}
	}
}

// TestAWalkThatEndsEarlyIsNotBelieved, in the first reading of the past, in the second one, in the
// newest hours after an outage, once or in every second question about an hour.
func TestAWalkThatEndsEarlyIsNotBelieved(t *testing.T) {
	for i, short := range shortfalls() {
		for when, answers := range map[string]func() func(int, entra.Query) answer{
			"in the first walk":       func() func(int, entra.Query) answer { return once(short, 0) },
			"in the second walk":      func() func(int, entra.Query) answer { return once(short, 1) },
			"in questions 1, 3, 5":    func() func(int, entra.Query) answer { return inTurns(short, even) },
			"in questions 2, 4 and 6": func() func(int, entra.Query) answer { return inTurns(short, odd) },
		} {
			most := 2 // the hour of the oldest record, looked at twice
			if strings.Contains(when, "questions") {
				most = 1 << 10
			}
			ordered := (i+len(when))%2 == 0
			t.Run(name(short.name, when, "ordered", ordered), func(t *testing.T) {
				inLab(t, func(l *lab) { l.endsEarly(answers, ordered, most) })
			})
		}
	}
}

func (l *lab) endsEarly(answers func() func(int, entra.Query) answer, ordered bool, most int) {
	l.options.Backfill = 13 * days
	l.tenant.keeps, l.tenant.ordered, l.tenant.pageSize = 60*days, ordered, 10
	s := kinds()[0]
	if !ordered {
		s = kinds()[1]
	}
	l.tenant.fill(s, start.Add(-12*days), start.Add(12*days), 7*time.Hour)
	u := &unruly{forgetful: l.tenant, answer: answers()}
	l.age(u, s)
	unsure := l.atTruth(s, start.Add(-30*days))
	time.Sleep(9 * days) // an outage
	u.answer = answers()
	l.age(u, s)
	unsure += l.atTruth(s, start.Add(-30*days))
	require.LessOrEqual(l, unsure, most, "hours that are not known")
	for _, cov := range l.hours(s) {
		require.NotEqual(l, archive.WindowLost, cov.State, "Graph has everything still: %s", cov.Window)
	}
}

// TestAPageInTheMiddleWithoutANextLinkEndsNoBackfill: page 8 holds 41 of 50 records and no next
// link, and days 9 to 30 follow.
func TestAPageInTheMiddleWithoutANextLinkEndsNoBackfill(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Backfill, l.options.Passes = 30*days, nil
		l.tenant.pageSize = 50
		l.tenant.fill(stream, start.Add(-30*days).Add(2*time.Hour), start, 33*time.Minute)
		u := &unruly{forgetful: l.tenant}
		walks := 0
		u.answer = func(_ int, q entra.Query) answer {
			if walks++; walks != 2 {
				return answer{}
			}
			all := l.tenant.records[stream]
			return answer{ends: 8, hides: func(_ int, r entra.Record) bool { return !r.Time.Before(all[391].Time) }}
		}
		l.runsOf(u, 1)
		l.atTruth(stream, start.Add(-30*days))
		p := l.progress(stream)
		require.Zero(l, p.WindowsMissing(entra.FloorHour(start)))
		require.Greater(l, p.Records, int64(1300))
		for _, cov := range l.hours(stream) {
			require.Empty(l, cov.Reads, "all reads agree: %s", cov.Window)
		}
	})
}

// TestAShortWalkAndKillsEndAtTheTruth kills runs at several of their writes, beside another one.
func TestAShortWalkAndKillsEndAtTheTruth(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		for _, short := range []shortfall{shortfalls()[0], shortfalls()[3], shortfalls()[4]} {
			for at := 2; at < 30; at += 7 {
				t.Run(name(short.name, "ordered", ordered, "write", at), func(t *testing.T) {
					inLab(t, func(l *lab) { l.shortAndKilled(short, ordered, at) })
				})
			}
		}
	}
}

func (l *lab) shortAndKilled(short shortfall, ordered bool, at int) {
	l.options.Backfill = 11 * days
	l.tenant.keeps, l.tenant.ordered, l.tenant.pageSize = 60*days, ordered, 8
	l.tenant.fill(stream, start.Add(-11*days).Add(time.Hour), start.Add(5*days), 7*time.Hour)
	u := &unruly{forgetful: l.tenant, answer: inTurns(short, []func(int) bool{first, func(n int) bool { return n == 1 }}[at%2])}
	l.killed(u, at, at%2 == 0)
	time.Sleep(2 * time.Minute) // the lease has not ended
	one, two := l.start(l.store, u, 0, 8*time.Minute), l.start(l.store, u, 0, 8*time.Minute)
	<-one.done
	<-two.done
	require.NoError(l, errors.Join(one.err, two.err))
	time.Sleep(5 * time.Minute)
	l.killed(u, at, at%2 == 1)
	time.Sleep(20 * time.Minute)
	l.age(u)
	l.atTruth(stream, start.Add(-11*days))
}
