package archive_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// TestReadsOfAnHourThatNoPassReadsAgainAgreeOrAreNamed: each read of the hour shows some of the
// records a to d, and hides the others.
func TestReadsOfAnHourThatNoPassReadsAgainAgreeOrAreNamed(t *testing.T) {
	for title, c := range map[string]struct {
		shows     []string // by the reads in turn; then all
		questions int      // about the hour
		words     string   // in the seal; empty: the reads agree
	}{
		"both show the same":                 {[]string{"abcd", "abcd"}, 2, ""},
		"the second has more":                {[]string{"ab", "abcd", "abcd"}, 3, ""},
		"the first has more":                 {[]string{"abcd", "bc", "abcd"}, 3, ""},
		"the first had more":                 {[]string{"abcd", "abc", "abc"}, 3, ""},
		"the first two differ, the third is": {[]string{"abc", "bcd", "abcd"}, 3, "unconfirmed: its reads differ, they met 3, 3, 4 records"},
		"all differ":                         {[]string{"ab", "bc", "cd"}, 3, "unconfirmed: its reads differ, they met 2, 2, 2 records"},
		"each has more":                      {[]string{"a", "ab", "abcd"}, 3, "unconfirmed: its reads differ, they met 1, 2, 4 records"},
		"nothing, then all":                  {[]string{"", "abcd", "abcd"}, 3, ""},
		"all, then nothing twice":            {[]string{"abcd", "", ""}, 3, ""},
		"nothing twice":                      {[]string{"", ""}, 2, ""},
	} {
		for _, ordered := range []bool{true, false} {
			t.Run(name(title, "ordered", ordered), func(t *testing.T) {
				inLab(t, func(l *lab) { l.agrees(c.shows, c.questions, c.words, ordered) })
			})
		}
	}
}

// hourOfFour is eight days before start. The tenant has records before and after it, too.
var hourOfFour = entra.FloorHour(start.Add(-8 * days))

func (l *lab) four(ordered bool, shows []string) *unruly {
	l.options.Backfill, l.options.Passes = 9*days, nil
	l.tenant.ordered = ordered
	for i, id := range []string{"a", "b", "c", "d"} {
		l.tenant.rich(stream, id, hourOfFour.Add(time.Duration(10+i)*time.Minute), "")
	}
	for _, hours := range []time.Duration{-20, -3, 5, 20, 60, 100, 150, 180} {
		l.tenant.rich(stream, "near", hourOfFour.Add(hours*time.Hour), "")
	}
	u := &unruly{forgetful: l.tenant}
	n := 0
	u.answer = func(_ int, q entra.Query) answer {
		if about([]entra.Query{q}, hourOfFour) == 0 {
			return answer{}
		}
		if n++; n > len(shows) {
			return answer{}
		}
		shown := shows[n-1]
		return answer{hides: func(_ int, r entra.Record) bool { return len(r.ID) == 1 && !strings.Contains(shown, r.ID) }}
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

func (l *lab) agrees(shows []string, questions int, words string, ordered bool) {
	u := l.four(ordered, shows)
	l.runsOf(u, 1)
	require.Equal(l, questions, about(u.questions(0), hourOfFour), "%v", u.questions(0))
	cov := l.hours(stream)[hourOfFour]
	require.Equal(l, archive.WindowComplete, cov.State)
	require.Equal(l, words, cov.ReadsDiffer())
	var all []byte
	for _, s := range shows {
		all = append(all, s...)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	current, earlier := l.contents(cov.Window)
	require.Len(l, current, len(all), "all that either has is kept")
	require.Empty(l, earlier)
	require.Zero(l, l.progress(stream).Awaits)
	asked := u.count()
	l.runsOf(u, 2)
	require.Zero(l, about(u.questions(asked), hourOfFour), "it is not asked for again")
	findings, _ := verify(l.T, l.store, l.heads)
	named := slices.ContainsFunc(findings, func(f archive.Finding) bool {
		return f.Difference == archive.DiffUnconfirmed && f.Hour.Equal(hourOfFour) && f.Detail == words
	})
	require.Equal(l, words != "", named, "verify names it")
	require.Empty(l, tampering(findings))
	l.checkReason(hourOfFour, words)
	checkLedger(l.T, l.store, stream)
	v := verification(l)
	require.True(l, v.Intact())
}

// checkReason: the hour is sealed, with these words.
func (l *lab) checkReason(hour time.Time, words string) {
	l.Helper()
	cov := l.hours(stream)[hour]
	require.Equal(l, archive.WindowSealed, cov.State)
	last, err := l.store.Seal(l.Context(), stream, cov.LastSeal)
	require.NoError(l, err)
	require.Equal(l, words, last.Reason)
	p := l.progress(stream)
	require.Equal(l, words, p.WhyNotRead(cov))
	require.IsType(l, seal.Seal{}, last)
}

// TestAnHourThatGraphForgotBeforeItsSecondReadSaysSo: what is empty then confirms nothing.
func TestAnHourThatGraphForgotBeforeItsSecondReadSaysSo(t *testing.T) {
	for _, c := range []struct {
		shows, words string
		back         time.Duration // when the second read comes
		ids          int
	}{
		{"abcd", "unconfirmed: Graph had forgotten it before it could be read a second time (4 records)", 30 * days, 4},
		{"", "unconfirmed: Graph had forgotten it before it could be read a second time (0 records)", 30 * days, 0},
		{"abcd", "", 5 * days, 4},
		{"", "", 5 * days, 0}, // it is empty, and Graph still shows what is older
	} {
		for _, ordered := range []bool{true, false} {
			t.Run(name(len(c.shows), "records", c.back, ordered), func(t *testing.T) {
				inLab(t, func(l *lab) {
					u := l.four(ordered, []string{c.shows, c.shows})
					shown := u.answer
					u.answer = secondFails(u)
					_, err := l.runOf(u, 8*time.Minute)
					require.Error(l, err)
					cov := l.hours(stream)[hourOfFour]
					require.Equal(l, archive.WindowPartial, cov.State)
					p := l.progress(stream)
					require.Positive(l, p.Awaits)
					require.Contains(l, p.WhyNotRead(cov), "Graph is down")
					p.LastErrorAt = time.Time{}
					require.Contains(l, p.WhyNotRead(cov), "nothing is believed on one word")
					require.False(l, p.CompleteUntil().After(hourOfFour), "%s", p.CompleteUntil())
					u.answer = shown
					time.Sleep(c.back)
					l.runsOf(u, 3)
					time.Sleep(4 * time.Hour)
					l.runsOf(u, 2)
					require.Zero(l, l.progress(stream).Awaits)
					l.checkReason(hourOfFour, c.words)
					require.EqualValues(l, c.ids, l.hours(stream)[hourOfFour].Records)
					checkLedger(l.T, l.store, stream)
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
			inLab(t, func(l *lab) {
				u := l.four(true, nil)
				l.runsOf(u, 1)
				hour := hourOfFour.Add(30 * time.Hour)
				cov, p := l.hours(stream)[hour], l.progress(stream)
				cov.State, cov.Reads = archive.WindowPartial, "0"
				p.Awaits, p.AwaitsFrom, p.AwaitsTo, p.WindowsComplete = 1, hour, hour.Add(time.Hour), p.WindowsComplete-1
				l.write(p, cov)
				time.Sleep(6 * days)
				words := ""
				if !remembers {
					l.tenant.keeps = 7 * days
					words = "unconfirmed: Graph had forgotten it before it could be read a second time (0 records)"
				}
				asked := u.count()
				l.runsOf(u, 2)
				cov = l.hours(stream)[hour]
				require.True(l, cov.State.IsRead())
				require.Equal(l, words, cov.ReadsDiffer())
				require.Equal(l, 1, about(u.questions(asked), hour))
				l.atTruth(stream, start.Add(-9*days))
			})
		})
	}
}

// TestAnHourInDoubtThatAwaitsAReadTellsNothingFalse: of an hour that holds a row that Graph never
// had, both are still to be asked.
func TestAnHourInDoubtThatAwaitsAReadTellsNothingFalse(t *testing.T) {
	inLab(t, func(l *lab) {
		u := l.four(true, []string{"abcd", "abcd"})
		shown := u.answer
		u.answer = secondFails(u)
		_, err := l.runOf(u, 8*time.Minute)
		require.Error(l, err)
		u.answer = shown
		l.plant(parsed(stream, record(stream, "forged", start.Sub(hourOfFour.Add(50*time.Minute)), "Graph never had it")))
		l.dies(hourOfFour, hourOfFour.Add(time.Hour))
		time.Sleep(5 * time.Minute)
		for range 4 {
			_, err := l.runOf(u, 8*time.Minute)
			require.NoError(l, err)
			cov := l.hours(stream)[hourOfFour]
			require.Empty(l, cov.ReadsDiffer(), "all reads met the same: %s, doubt %v, reads %q", cov.State, cov.Doubt, cov.Reads)
			time.Sleep(12 * time.Minute)
		}
		cov := l.hours(stream)[hourOfFour]
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
				inLab(t, func(l *lab) {
					l.options.Backfill, l.options.Passes = 8*days, nil
					l.tenant.ordered, l.tenant.pageSize = ordered, 1000
					const hours = 10
					l.tenant.records = make(map[entra.Stream][]entra.Record)
					for i := range hours * c.anHour {
						at := hourOfFour.Add(time.Duration(i) * time.Hour / time.Duration(c.anHour))
						l.tenant.records[stream] = append(l.tenant.records[stream], parsed(stream, record(stream, fmt.Sprintf("id-%06d", i), start.Sub(at), "")))
					}
					u := &unruly{forgetful: l.tenant}
					before := l.tenant.pages.Load()
					l.runsOf(u, 1)
					pages, walks := l.tenant.pages.Load()-before, u.count()
					second := about(u.questions(0), hourOfFour.Add(5*time.Hour))
					l.Logf("%d records: %d requests in %d walks, %.2f requests per 1,000 records", hours*c.anHour, pages, walks, float64(pages)*1000/float64(hours*c.anHour))
					require.Equal(l, 2, second)
					require.LessOrEqual(l, walks, c.most+10)
					require.Zero(l, l.progress(stream).Awaits)
				})
			})
		}
	}
}

// secondFails is the tenant's answer, but for the second question about the hour and all after it.
func secondFails(u *unruly) func(int, entra.Query) answer {
	shown, n := u.answer, 0
	return func(i int, q entra.Query) answer {
		if n += about([]entra.Query{q}, hourOfFour); n > 1 {
			return answer{err: &entra.Error{Code: entra.CodeUnavailable, Why: "Graph is down"}}
		}
		return shown(i, q)
	}
}

// TestARowThatTheVersionBeforeWroteAgainStillAwaitsItsRead: it drops what it does not know.
func TestARowThatTheVersionBeforeWroteAgainStillAwaitsItsRead(t *testing.T) {
	for _, shows := range [][]string{{"abcd", "abcd"}, {"ab", "abcd", "abcd"}, {"", "abcd", "abcd"}} {
		t.Run(name(shows), func(t *testing.T) {
			inLab(t, func(l *lab) {
				u := l.four(true, shows)
				answers := u.answer
				u.answer = secondFails(u)
				_, err := l.runOf(u, 8*time.Minute)
				require.Error(l, err)
				cov, p := l.hours(stream)[hourOfFour], l.progress(stream)
				require.NotEmpty(l, cov.Reads)
				cov.Reads, cov.Keys, cov.Form, cov.ColumnSet, cov.Enriched = "", archive.Sum{}, "", 0, 0
				p.Awaits, p.AwaitsFrom, p.AwaitsTo, p.EnrichedTo = 0, time.Time{}, time.Time{}, time.Time{}
				l.write(p, cov)
				u.answer = answers
				time.Sleep(5 * time.Minute)
				asked := u.count()
				l.runsOf(u, 3)
				require.Positive(l, about(u.questions(asked), hourOfFour))
				cov = l.hours(stream)[hourOfFour]
				require.True(l, cov.State.IsRead())
				require.Empty(l, cov.ReadsDiffer())
				require.EqualValues(l, 4, cov.Records)
				checkLedger(l.T, l.store, stream)
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
		{9 * days, 30 * days, true, 4}, {9 * days, 30 * days, false, 4}, {7 * time.Hour, 30 * days, true, 4},
		{7 * time.Hour, 30 * days, false, 4},
		{40 * days, 30 * days, true, 4}, {40 * days, 30 * days, false, 4},
		{time.Hour, 6 * days, true, 1}, {time.Hour, 6 * days, false, 0}, // all of it is read again by a pass
	} {
		t.Run(name("a record each", c.step, "for", c.backfill, "ordered", c.ordered), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Backfill, l.options.Passes, l.tenant.pageSize = c.backfill, nil, 1000
				l.tenant.keeps, l.tenant.ordered = 60*days, c.ordered
				l.tenant.fill(stream, start.Add(-40*days), start.Add(days), c.step)
				u := &unruly{forgetful: l.tenant}
				l.runsOf(u, 1)
				more := 0 // questions about what was asked before
				var asked time.Time
				for _, q := range u.questions(1) {
					if q.From.Before(asked) {
						more++
					}
					if asked.Before(q.To) {
						asked = q.To
					}
				}
				l.Logf("%d questions, %d of them to confirm", u.count(), more)
				require.LessOrEqual(l, more, c.most, "%v", u.questions(0))
				require.Zero(l, l.progress(stream).Awaits)
				l.atTruth(stream, start.Add(-c.backfill))
			})
		})
	}
}

// TestAPassThatGraphWillHaveForgottenConfirmsNothing: an hour that only such a pass would read
// again has its second read now.
func TestAPassThatGraphWillHaveForgottenConfirmsNothing(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Backfill, l.options.Passes = 20*days, []time.Duration{3 * time.Hour, 7 * days, 60 * days}
		l.tenant.fill(stream, start.Add(-20*days), start, 6*time.Hour)
		_, err := l.run()
		require.NoError(l, err)
		hours := l.hours(stream)
		require.Equal(l, 2, hours[entra.FloorHour(start.Add(-9*days))].Passes, "Graph keeps 30 days")
		require.Equal(l, 1, hours[entra.FloorHour(start.Add(-3*days))].Passes, "the pass at 7 days reads it again")
	})
}
