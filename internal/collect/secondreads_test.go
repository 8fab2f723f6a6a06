package collect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

// TestReadsOfAnHourThatNoPassReadsAgainAgreeOrAreNamed: each read of the hour shows some of the
// records a to d, and hides the others.
func TestReadsOfAnHourThatNoPassReadsAgainAgreeOrAreNamed(t *testing.T) {
	for title, c := range map[string]struct {
		shows     []string // by the reads in turn; then all
		questions int      // about the hour
		words     string   // in the seal; empty: the reads agree
	}{
		"both show the same":  {[]string{"abcd", "abcd"}, 2, ""},
		"the second has more": {[]string{"ab", "abcd", "abcd"}, 3, ""},
		"the first has more":  {[]string{"abcd", "bc", "abcd"}, 3, ""},
		"the first had more":  {[]string{"abcd", "abc", "abc"}, 3, ""},
		"the first two differ, the third is": {[]string{"abc", "bcd", "abcd"}, 3,
			"unconfirmed: its reads differ, they met 3, 3, 4 records"},
		"all differ": {[]string{"ab", "bc", "cd"}, 3,
			"unconfirmed: its reads differ, they met 2, 2, 2 records"},
		"each has more": {[]string{"a", "ab", "abcd"}, 3,
			"unconfirmed: its reads differ, they met 1, 2, 4 records"},
		"nothing, then all":       {[]string{"", "abcd", "abcd"}, 3, ""},
		"all, then nothing twice": {[]string{"abcd", "", ""}, 3, ""},
		"nothing twice":           {[]string{"", ""}, 2, ""},
	} {
		for _, ordered := range []bool{true, false} {
			t.Run(name(title, "ordered", ordered), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) { agrees(l, c.shows, c.questions, c.words, ordered) })
			})
		}
	}
}

// hourOfFour is eight days before start. The tenant has records before and after it, too.
var hourOfFour = entra.FloorHour(lab.Start.Add(-8 * lab.Days))

func four(l *lab.Lab, ordered bool, shows []string) *lab.Unruly {
	l.Options.Backfill, l.Options.Passes = 9*lab.Days, nil
	l.Tenant.InOrder = ordered
	for i, id := range []string{"a", "b", "c", "d"} {
		rich(l.Tenant, lab.Stream, id, hourOfFour.Add(time.Duration(10+i)*time.Minute), "")
	}
	for _, hours := range []time.Duration{-20, -3, 5, 20, 60, 100, 150, 180} {
		rich(l.Tenant, lab.Stream, "near", hourOfFour.Add(hours*time.Hour), "")
	}
	u := &lab.Unruly{Forgetful: l.Tenant}
	n := 0
	u.Answer = func(_ int, q entra.Query) lab.Answer {
		if about([]entra.Query{q}, hourOfFour) == 0 {
			return lab.Answer{}
		}
		if n++; n > len(shows) {
			return lab.Answer{}
		}
		shown := shows[n-1]
		return lab.Answer{Hides: func(_ int, r entra.Record) bool {
			return len(r.ID) == 1 && !strings.Contains(shown, r.ID)
		}}
	}
	return u
}

// about are the questions that were asked about a whole hour.
func about(asked []entra.Query, hour time.Time) (n int) {
	for _, q := range asked {
		if !q.From.After(hour) && !q.To.Before(hour.Add(time.Hour)) {
			n++
		}
	}
	return n
}

func agrees(l *lab.Lab, shows []string, questions int, words string, ordered bool) {
	u := four(l, ordered, shows)
	l.RunsOf(u, 1)
	require.Equal(l, questions, about(u.Questions(0), hourOfFour), "%v", u.Questions(0))
	cov := l.Hours(lab.Stream)[hourOfFour]
	require.Equal(l, ledger.WindowComplete, cov.State)
	require.Equal(l, words, cov.ReadsDiffer())
	var all []byte
	for _, s := range shows {
		all = append(all, s...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	current, earlier := contents(l, cov.Window)
	require.Len(l, current, len(all), "all that either has is kept")
	require.Empty(l, earlier)
	require.Zero(l, l.Progress(lab.Stream).Awaits)
	asked := count(u)
	l.RunsOf(u, 2)
	require.Zero(l, about(u.Questions(asked), hourOfFour), "it is not asked for again")
	findings, _ := lab.Verify(l.T, l.Store, l.Heads)
	named := slices.ContainsFunc(findings, func(f verify.Finding) bool {
		return f.Difference == verify.DiffUnconfirmed && f.Hour.Equal(hourOfFour) && f.Detail == words
	})
	require.Equal(l, words != "", named, "verify names it")
	require.Empty(l, lab.Tampering(findings))
	checkReason(l, hourOfFour, words)
	lab.CheckLedger(l.T, l.Store, lab.Stream)
	v := lab.Verification(l)
	require.True(l, v.Intact())
}

// checkReason: the hour is sealed, with these words.
func checkReason(l *lab.Lab, hour time.Time, words string) {
	l.Helper()
	cov := l.Hours(lab.Stream)[hour]
	require.Equal(l, ledger.WindowSealed, cov.State)
	last, err := l.Store.Seal(l.Context(), lab.Stream, cov.LastSeal)
	require.NoError(l, err)
	require.Equal(l, words, last.Reason)
	p := l.Progress(lab.Stream)
	require.Equal(l, words, p.WhyNotRead(cov))
	require.IsType(l, seal.Seal{}, last)
}

// TestAnHourThatGraphDeletedBeforeItsSecondReadSaysSo: what is empty then confirms nothing.
func TestAnHourThatGraphDeletedBeforeItsSecondReadSaysSo(t *testing.T) {
	for _, c := range []struct {
		shows, words string
		back         time.Duration // when the second read comes
		ids          int
	}{
		{"abcd", "unconfirmed: Graph had forgotten it before it could be read a second time (4 records)", 30 * lab.Days,
			4},
		{"", "unconfirmed: Graph had forgotten it before it could be read a second time (0 records)", 30 * lab.Days, 0},
		{"abcd", "", 5 * lab.Days, 4},
		{"", "", 5 * lab.Days, 0}, // it is empty, and Graph still shows what is older
	} {
		for _, ordered := range []bool{true, false} {
			t.Run(name(len(c.shows), "records", c.back, ordered), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) {
					u := four(l, ordered, []string{c.shows, c.shows})
					shown := u.Answer
					u.Answer = secondFails(u)
					_, err := l.RunOf(u, 8*time.Minute)
					require.Error(l, err)
					cov := l.Hours(lab.Stream)[hourOfFour]
					require.Equal(l, ledger.WindowPartial, cov.State)
					p := l.Progress(lab.Stream)
					require.Positive(l, p.Awaits)
					require.Contains(l, p.WhyNotRead(cov), "Graph is down")
					p.LastErrorAt = time.Time{}
					require.Contains(l, p.WhyNotRead(cov), "nothing is believed on one word")
					require.False(l, p.CompleteUntil().After(hourOfFour), "%s", p.CompleteUntil())
					u.Answer = shown
					time.Sleep(c.back)
					l.RunsOf(u, 3)
					time.Sleep(4 * time.Hour)
					l.RunsOf(u, 2)
					require.Zero(l, l.Progress(lab.Stream).Awaits)
					checkReason(l, hourOfFour, c.words)
					require.EqualValues(l, c.ids, l.Hours(lab.Stream)[hourOfFour].Records)
					lab.CheckLedger(l.T, l.Store, lab.Stream)
				})
			})
		}
	}
}

// TestAnEmptyHourIsConfirmedByWhatGraphRemembers: nothing that the second read meets is older than
// the hour, and the archive has an older record, for which Graph is asked.
func TestAnEmptyHourIsConfirmedByWhatGraphRemembers(t *testing.T) {
	for _, remembers := range []bool{true, false} {
		t.Run(name("remembers", remembers), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				u := four(l, true, nil)
				l.RunsOf(u, 1)
				hour := hourOfFour.Add(30 * time.Hour)
				cov, p := l.Hours(lab.Stream)[hour], l.Progress(lab.Stream)
				cov.State, cov.Reads = ledger.WindowPartial, "0"
				p.Awaits, p.AwaitsFrom, p.AwaitsTo, p.WindowsComplete = 1, hour, hour.Add(time.Hour),
					p.WindowsComplete-1
				l.Write(p, cov)
				time.Sleep(6 * lab.Days)
				words := ""
				if !remembers {
					l.Tenant.Keeps = 7 * lab.Days
					words = "unconfirmed: Graph had forgotten it before it could be read a second time (0 records)"
				}
				asked := count(u)
				l.RunsOf(u, 2)
				cov = l.Hours(lab.Stream)[hour]
				require.True(l, cov.State.IsRead())
				require.Equal(l, words, cov.ReadsDiffer())
				require.Equal(l, 1, about(u.Questions(asked), hour))
				atTruth(l, lab.Stream, lab.Start.Add(-9*lab.Days))
			})
		})
	}
}

// TestAnHourInDoubtThatAwaitsAReadReportsNothingFalse: of an hour that holds a row that Graph never
// had, both are still to be asked.
func TestAnHourInDoubtThatAwaitsAReadReportsNothingFalse(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		u := four(l, true, []string{"abcd", "abcd"})
		shown := u.Answer
		u.Answer = secondFails(u)
		_, err := l.RunOf(u, 8*time.Minute)
		require.Error(l, err)
		u.Answer = shown
		l.Plant(lab.Parsed(lab.Stream, lab.Record(lab.Stream, "forged", lab.Start.Sub(hourOfFour.Add(50*time.Minute)),
			"Graph never had it")))
		l.Dies(hourOfFour, hourOfFour.Add(time.Hour))
		time.Sleep(5 * time.Minute)
		for range 4 {
			_, err := l.RunOf(u, 8*time.Minute)
			require.NoError(l, err)
			cov := l.Hours(lab.Stream)[hourOfFour]
			require.Empty(l, cov.ReadsDiffer(), "all reads met the same: %s, doubt %v, reads %q", cov.State, cov.Doubt,
				cov.Reads)
			time.Sleep(12 * time.Minute)
		}
		cov := l.Hours(lab.Stream)[hourOfFour]
		require.False(l, cov.Doubt)
		require.EqualValues(l, 1, cov.Unmet, "Graph remembers the hour, and does not have it")
		require.EqualValues(l, 4, cov.Records)
		require.True(l, cov.State.IsRead())
	})
}

// TestWhatConfirmingABusyPastCosts: at most one question for 1,000 records, and one for each hour.
func TestWhatConfirmingABusyPastCosts(t *testing.T) {
	for _, c := range []struct{ anHour, most int }{{200, 3}, {800, 10}, {1000, 10}} {
		for _, ordered := range []bool{true, false} {
			t.Run(name(c.anHour, "an hour, ordered", ordered), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) {
					l.Options.Backfill, l.Options.Passes = 8*lab.Days, nil
					l.Tenant.InOrder, l.Tenant.PageSize = ordered, 1000
					const hours = 10
					l.Tenant.Records = make(map[entra.Stream][]entra.Record)
					for i := range hours * c.anHour {
						at := hourOfFour.Add(time.Duration(i) * time.Hour / time.Duration(c.anHour))
						l.Tenant.Records[lab.Stream] = append(l.Tenant.Records[lab.Stream],
							lab.Parsed(lab.Stream, lab.Record(lab.Stream, fmt.Sprintf("id-%06d", i), lab.Start.Sub(at),
								"")))
					}
					u := &lab.Unruly{Forgetful: l.Tenant}
					before := l.Tenant.Served.Load()
					l.RunsOf(u, 1)
					pages, walks := l.Tenant.Served.Load()-before, count(u)
					second := about(u.Questions(0), hourOfFour.Add(5*time.Hour))
					l.Logf("%d records: %d requests in %d walks, %.2f requests per 1,000 records", hours*c.anHour,
						pages, walks,
						float64(pages)*1000/float64(hours*c.anHour))
					require.Equal(l, 2, second)
					require.LessOrEqual(l, walks, c.most+10)
					require.Zero(l, l.Progress(lab.Stream).Awaits)
				})
			})
		}
	}
}

// secondFails is the tenant's answer, but for the second question about the hour and all after it.
func secondFails(u *lab.Unruly) func(int, entra.Query) lab.Answer {
	shown, n := u.Answer, 0
	return func(i int, q entra.Query) lab.Answer {
		if n += about([]entra.Query{q}, hourOfFour); n > 1 {
			return lab.Answer{Err: &entra.Error{Code: entra.CodeUnavailable, Why: "Graph is down"}}
		}
		return shown(i, q)
	}
}

// TestARowThatTheVersionBeforeWroteAgainStillAwaitsItsRead: it drops what it does not know.
func TestARowThatTheVersionBeforeWroteAgainStillAwaitsItsRead(t *testing.T) {
	for _, shows := range [][]string{{"abcd", "abcd"}, {"ab", "abcd", "abcd"}, {"", "abcd", "abcd"}} {
		t.Run(name(shows), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				u := four(l, true, shows)
				answers := u.Answer
				u.Answer = secondFails(u)
				_, err := l.RunOf(u, 8*time.Minute)
				require.Error(l, err)
				cov, p := l.Hours(lab.Stream)[hourOfFour], l.Progress(lab.Stream)
				require.NotEmpty(l, cov.Reads)
				cov.Reads, cov.Keys, cov.Form, cov.ColumnSet, cov.Enriched = "", ledger.Sum{}, "", 0, 0
				p.Awaits, p.AwaitsFrom, p.AwaitsTo, p.EnrichedTo = 0, time.Time{}, time.Time{}, time.Time{}
				l.Write(p, cov)
				u.Answer = answers
				time.Sleep(5 * time.Minute)
				asked := count(u)
				l.RunsOf(u, 3)
				require.Positive(l, about(u.Questions(asked), hourOfFour))
				cov = l.Hours(lab.Stream)[hourOfFour]
				require.True(l, cov.State.IsRead())
				require.Empty(l, cov.ReadsDiffer())
				require.EqualValues(l, 4, cov.Records)
				lab.CheckLedger(l.T, l.Store, lab.Stream)
			})
		})
	}
}

// TestWhatAPassReadsAgainCostsNoSecondRead, and a quiet stream's past costs at most four requests
// more than one read of it.
func TestWhatAPassReadsAgainCostsNoSecondRead(t *testing.T) {
	for _, c := range []struct {
		step, backfill time.Duration
		ordered        bool
		most           int
	}{
		{9 * lab.Days, 30 * lab.Days, true, 4}, {9 * lab.Days, 30 * lab.Days, false, 4}, {7 * time.Hour, 30 * lab.Days,
			true, 4},
		{7 * time.Hour, 30 * lab.Days, false, 4},
		{40 * lab.Days, 30 * lab.Days, true, 4}, {40 * lab.Days, 30 * lab.Days, false, 4},
		{time.Hour, 6 * lab.Days, true, 1}, {time.Hour, 6 * lab.Days, false, 0}, // all of it is read again by a pass
	} {
		t.Run(name("a record each", c.step, "for", c.backfill, "ordered", c.ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill, l.Options.Passes, l.Tenant.PageSize = c.backfill, nil, 1000
				l.Tenant.Keeps, l.Tenant.InOrder = 60*lab.Days, c.ordered
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-40*lab.Days), lab.Start.Add(lab.Days), c.step)
				u := &lab.Unruly{Forgetful: l.Tenant}
				l.RunsOf(u, 1)
				more := 0 // questions about what was asked before
				var asked time.Time
				for _, q := range u.Questions(1) {
					if q.From.Before(asked) {
						more++
					}
					if asked.Before(q.To) {
						asked = q.To
					}
				}
				l.Logf("%d questions, %d of them to confirm", count(u), more)
				require.LessOrEqual(l, more, c.most, "%v", u.Questions(0))
				require.Zero(l, l.Progress(lab.Stream).Awaits)
				atTruth(l, lab.Stream, lab.Start.Add(-c.backfill))
			})
		})
	}
}

// TestAPassAfterGraphsRetentionConfirmsNothing: an hour that only such a pass would read again has
// its second read now.
func TestAPassAfterGraphsRetentionConfirmsNothing(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Backfill, l.Options.Passes = 20*lab.Days, []time.Duration{3 * time.Hour, 7 * lab.Days, 60 * lab.Days}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-20*lab.Days), lab.Start, 6*time.Hour)
		_, err := l.Run()
		require.NoError(l, err)
		hours := l.Hours(lab.Stream)
		require.Equal(l, 2, hours[entra.FloorHour(lab.Start.Add(-9*lab.Days))].Passes, "Graph keeps 30 days")
		require.Equal(l, 1, hours[entra.FloorHour(lab.Start.Add(-3*lab.Days))].Passes,
			"the pass at 7 days reads it again")
	})
}
