package collect_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// A walk that ends early looks like one that has met everything.

// shortfall is one shape in which a walk gives less than there is.
type shortfall struct {
	name string
	of   func(q entra.Query) lab.Answer
}

func shortfalls() []shortfall {
	hides := func(hides func(q entra.Query, i int, at time.Time) bool) func(q entra.Query) lab.Answer {
		return func(q entra.Query) lab.Answer {
			return lab.Answer{Hides: func(i int, r entra.Record) bool { return hides(q, i, r.Time) }}
		}
	}
	return []shortfall{
		{"page 3 has no next link", func(entra.Query) lab.Answer { return lab.Answer{Ends: 3} }},
		{"an empty page ends it", func(entra.Query) lab.Answer { return lab.Answer{Ends: 2, Empty: true} }},
		{"what follows the first page is left out", hides(func(_ entra.Query, i int, _ time.Time) bool {
			return i >= 10
		})},
		{"every page is empty", hides(func(entra.Query, int, time.Time) bool { return true })},
		{"records are left out in the middle", hides(func(q entra.Query, _ int, at time.Time) bool {
			return at.Sub(q.From.Add(q.To.Sub(q.From)/2)).Abs() < 40*time.Hour
		})},
		{"the oldest records are left out", hides(func(q entra.Query, _ int,
			at time.Time) bool {
			return at.Sub(q.From) < 50*time.Hour
		})},
	}
}

// odd and even are questions about an hour, counted from 0; first is the first one alone.
func odd(n int) bool { return n%2 == 1 }

func even(n int) bool { return n%2 == 0 }

func first(n int) bool { return n == 0 }

// inTurns leaves records of an hour out of some of the questions about it.
func inTurns(short shortfall, which func(int) bool) func(n int, q entra.Query) lab.Answer {
	times := make(map[time.Time]int)
	return func(_ int, q entra.Query) lab.Answer {
		a := short.of(q)
		hides := a.Hides
		if hides == nil { // pages of 10 records
			hides = func(i int, _ entra.Record) bool { return i >= 10*a.Ends }
		}
		short := make(map[time.Time]bool)
		for hour := entra.FloorHour(q.From); hour.Before(q.To); hour = hour.Add(time.Hour) {
			short[hour] = which(times[hour])
			times[hour] += about([]entra.Query{q}, hour)
		}
		return lab.Answer{Hides: func(i int, r entra.Record) bool {
			return short[entra.FloorHour(r.Time)] && hides(i, r)
		}}
	}
}

// once is short in the n-th question that is about more than the newest hours.
func once(short shortfall, n int) func(int, entra.Query) lab.Answer {
	return func(_ int, q entra.Query) lab.Answer {
		if q.To.Sub(q.From) < 5*time.Hour {
			return lab.Answer{}
		}
		if n--; n == -1 {
			return short.of(q)
		}
		return lab.Answer{}
	}
}

// TestAWalkThatEndsEarlyIsQueriedAgain, in the first reading of the past, in the second one, in the
// newest hours after an outage, once or in every second question about an hour.
func TestAWalkThatEndsEarlyIsQueriedAgain(t *testing.T) {
	for i, short := range shortfalls() {
		for when, answers := range map[string]func() func(int, entra.Query) lab.Answer{
			"in the first walk":       func() func(int, entra.Query) lab.Answer { return once(short, 0) },
			"in the second walk":      func() func(int, entra.Query) lab.Answer { return once(short, 1) },
			"in questions 1, 3, 5":    func() func(int, entra.Query) lab.Answer { return inTurns(short, even) },
			"in questions 2, 4 and 6": func() func(int, entra.Query) lab.Answer { return inTurns(short, odd) },
		} {
			most := 2 // the hour of the oldest record, looked at twice
			if strings.Contains(when, "questions") {
				most = 1 << 10
			}
			ordered := (i+len(when))%2 == 0
			t.Run(name(short.name, when, "ordered", ordered), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) { endsEarly(l, answers, ordered, most) })
			})
		}
	}
}

func endsEarly(l *lab.Lab, answers func() func(int, entra.Query) lab.Answer, ordered bool, most int) {
	l.Options.Backfill = 13 * lab.Days
	l.Tenant.Keeps, l.Tenant.InOrder, l.Tenant.PageSize = 60*lab.Days, ordered, 10
	s := kinds()[0]
	if !ordered {
		s = kinds()[1]
	}
	l.Tenant.Fill(s, lab.Start.Add(-12*lab.Days), lab.Start.Add(12*lab.Days), 7*time.Hour)
	u := &lab.Unruly{Forgetful: l.Tenant, Answer: answers()}
	age(l, u, s)
	unsure := atTruth(l, s, lab.Start.Add(-30*lab.Days))
	time.Sleep(9 * lab.Days) // an outage
	u.Answer = answers()
	age(l, u, s)
	unsure += atTruth(l, s, lab.Start.Add(-30*lab.Days))
	require.LessOrEqual(l, unsure, most, "hours that are not known")
	for _, cov := range l.Hours(s) {
		require.NotEqual(l, ledger.WindowLost, cov.State, "Graph has everything still: %s", cov.Window)
	}
}

// TestAPageInTheMiddleWithoutANextLinkEndsNoBackfill: page 8 holds 41 of 50 records and no next
// link, and days 9 to 30 follow.
func TestAPageInTheMiddleWithoutANextLinkEndsNoBackfill(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Backfill, l.Options.Passes = 30*lab.Days, nil
		l.Tenant.PageSize = 50
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-30*lab.Days).Add(2*time.Hour), lab.Start, 33*time.Minute)
		u := &lab.Unruly{Forgetful: l.Tenant}
		walks := 0
		u.Answer = func(_ int, q entra.Query) lab.Answer {
			if walks++; walks != 2 {
				return lab.Answer{}
			}
			all := l.Tenant.Records[lab.Stream]
			return lab.Answer{Ends: 8, Hides: func(_ int, r entra.Record) bool { return !r.Time.Before(all[391].Time) }}
		}
		l.RunsOf(u, 1)
		atTruth(l, lab.Stream, lab.Start.Add(-30*lab.Days))
		p := l.Progress(lab.Stream)
		require.Zero(l, p.WindowsMissing(entra.FloorHour(lab.Start)))
		require.Greater(l, p.Records, int64(1300))
		for _, cov := range l.Hours(lab.Stream) {
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
					lab.In(t, func(l *lab.Lab) { shortAndKilled(l, short, ordered, at) })
				})
			}
		}
	}
}

func shortAndKilled(l *lab.Lab, short shortfall, ordered bool, at int) {
	l.Options.Backfill = 11 * lab.Days
	l.Tenant.Keeps, l.Tenant.InOrder, l.Tenant.PageSize = 60*lab.Days, ordered, 8
	l.Tenant.Fill(lab.Stream, lab.Start.Add(-11*lab.Days).Add(time.Hour), lab.Start.Add(5*lab.Days), 7*time.Hour)
	u := &lab.Unruly{Forgetful: l.Tenant, Answer: inTurns(short, []func(int) bool{first,
		func(n int) bool { return n == 1 }}[at%2])}
	killed(l, u, at, at%2 == 0)
	time.Sleep(2 * time.Minute) // the lease has not ended
	one, two := l.Start(l.Store, u, 0, 8*time.Minute), l.Start(l.Store, u, 0, 8*time.Minute)
	<-one.Done
	<-two.Done
	require.NoError(l, errors.Join(one.Err, two.Err))
	time.Sleep(5 * time.Minute)
	killed(l, u, at, at%2 == 1)
	time.Sleep(20 * time.Minute)
	age(l, u)
	atTruth(l, lab.Stream, lab.Start.Add(-11*lab.Days))
}
