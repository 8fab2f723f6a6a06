package collect_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// filledPoorly returns an archive that an earlier version filled from v1.0 and sealed without forms
// in its ledger, and a tenant that has the records in beta.
func filledPoorly(l *lab.Lab, s entra.Stream, back, step time.Duration) *lab.Unruly {
	l.Helper()
	l.Options.Backfill = back
	l.Tenant.Keeps = 60 * lab.Days
	l.Tenant.Fill(s, lab.Start.Add(-back).Add(time.Hour), lab.Start.Add(10*lab.Days), step)
	l.Tenant.Enrich(s)
	u := &lab.Unruly{Forgetful: l.Tenant, Answer: func(int,
		entra.Query) lab.Answer {
		return lab.Answer{Form: entra.FormV1}
	}}
	age(l, u, s)
	dropForms(l, s)
	u.Answer = nil
	return u
}

// dropForms makes the ledger what a version before leaves: every second hour has no form.
func dropForms(l *lab.Lab, s entra.Stream) {
	l.Helper()
	p := l.Progress(s)
	var rows []ledger.Coverage
	for _, cov := range l.Hours(s) {
		if cov.Start.Hour()%2 == 0 {
			cov.Form, cov.ColumnSet = "", 0
			rows = append(rows, cov)
		}
	}
	p.EnrichedTo, p.Thin, p.ThinFrom, p.ThinTo = time.Time{}, 0, time.Time{}, time.Time{}
	for chunk := range slices.Chunk(rows, ledger.MaxCommit) {
		l.Write(p, chunk...)
		p = l.Progress(s)
	}
}

// enriched holds an archive against the tenant: everything is there in beta, and every v1.0 content
// beside it.
func enriched(l *lab.Lab, s entra.Stream, from time.Time) {
	l.Helper()
	require.LessOrEqual(l, atTruth(l, s, from), 1, "but for the hour of the oldest record")
	p := l.Progress(s)
	require.Zero(l, p.Thin)
	require.Zero(l, p.Changed, "no false change")
	for _, cov := range l.Hours(s) {
		current, earlier := contents(l, cov.Window)
		require.EqualValues(l, len(earlier), cov.Enriched, "%s", cov.Window)
		require.False(l, cov.Thin(), "%s", cov.Window)
		if len(earlier) == 0 {
			continue // read from beta from the first
		}
		require.Len(l, earlier, len(current))
		for i, text := range current {
			require.Equal(l, string(lab.Poor(s, lab.Parsed(s, text)).Raw), earlier[i])
		}
		require.Equal(l, entra.FormBeta, cov.Form)
		if cov.Seals > 1 && s == lab.Stream {
			last, err := l.Store.Seal(l.Context(), s, cov.LastSeal)
			require.NoError(l, err)
			reason, _, _ := strings.Cut(last.Reason, "; nothing is known of it") // the hour of the oldest record
			require.Equal(l, fmt.Sprintf("%d records came in a richer form after the seal", len(earlier)), reason)
		}
	}
}

// TestAnArchiveOfV1IsBroughtToBeta, every record counted as enriched and none as changed.
func TestAnArchiveOfV1IsBroughtToBeta(t *testing.T) {
	for _, s := range []entra.Stream{lab.Stream, lab.Other} {
		t.Run(string(s), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				u := filledPoorly(l, s, 9*lab.Days, 3*time.Hour)
				asked := count(u)
				time.Sleep(time.Hour) // the newest hour ends
				report, err := l.RunOf(u, 8*time.Minute, s)
				require.NoError(l, err)
				b := report.Streams[0].Balance
				require.True(l, b.Holds())
				require.Zero(l, b.Changed)
				enriched(l, s, lab.Start.Add(-9*lab.Days))
				var sum int64
				for _, cov := range l.Hours(s) {
					sum += cov.Enriched
				}
				require.Equal(l, sum, b.Enriched)
				require.Greater(l, sum, int64(70))
				require.LessOrEqual(l, count(u)-asked, 6, "a span is one question: %v", u.Questions(asked))
				asked = count(u)
				l.RunsOf(u, 2, s)
				require.LessOrEqual(l, count(u)-asked, 3, "once: %v", u.Questions(asked))
			})
		})
	}
}

// TestBringingAnArchiveToBetaIsResumable: a run is killed at a write, two run at once, then others.
func TestBringingAnArchiveToBetaIsResumable(t *testing.T) {
	for at := 1; at <= 33; at += 4 {
		t.Run(fmt.Sprint("write ", at), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				u := filledPoorly(l, lab.Stream, 2*lab.Days, 2*time.Hour)
				l.Tenant.PageSize = 4
				killed(l, u, at, at%8 == 1)
				time.Sleep(2 * time.Minute)
				one, two := l.Start(l.Store, u, 0, 8*time.Minute), l.Start(l.Store, u, 0, 8*time.Minute)
				<-one.Done
				<-two.Done
				require.NoError(l, errors.Join(one.Err, two.Err))
				time.Sleep(20 * time.Minute)
				l.RunsOf(u, 3)
				enriched(l, lab.Stream, lab.Start.Add(-2*lab.Days))
			})
		})
	}
}

// TestWhatHappenedToRecordsBetweenTheForms: one record changed, one has another time, one is not in
// beta any more, one is out of reach.
func TestWhatHappenedToRecordsBetweenTheForms(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		rich(l.Tenant, lab.Stream, "old", lab.Start.Add(-40*lab.Days), "")
		l.Options.Backfill, l.Tenant.Keeps = 45*lab.Days, 60*lab.Days
		u := filledPoorlyMore(l, 45*lab.Days)
		all := l.Tenant.Records[lab.Stream]
		changed, moved, gone := all[len(all)-60], all[len(all)-70], all[len(all)-80]
		l.Tenant.Replace(lab.Stream, changed.Key, lab.Parsed(lab.Stream, strings.Replace(string(changed.Raw),
			`"content":""`, `"content":"other"`, 1)))
		hidden := func(r entra.Record) bool { return r.Key == moved.Key || r.Key == gone.Key }
		rich(l.Tenant, lab.Stream, moved.ID, moved.Time.Add(time.Second), "")
		u.Answer = func(int, entra.Query) lab.Answer {
			return lab.Answer{Hides: func(_ int, r entra.Record) bool { return hidden(r) }}
		}
		asked := count(u)
		report, err := l.RunOf(u, 8*time.Minute)
		require.NoError(l, err)
		require.True(l, report.Streams[0].Holds())
		require.EqualValues(l, 1, report.Streams[0].Changed)
		for _, q := range u.Questions(asked) {
			require.False(l, q.From.Before(lab.Start.Add(-32*lab.Days)), "what no tenant has is not asked for: %v", q)
		}
		hours := l.Hours(lab.Stream)
		of := func(r entra.Record) ledger.Coverage { return hours[entra.FloorHour(r.Time)] }
		require.EqualValues(l, 1, of(changed).Changed)
		require.Zero(l, of(changed).Enriched)
		require.False(l, isThin(of(changed)))
		require.EqualValues(l, 2, of(moved).Records, "both are kept")
		for _, r := range []entra.Record{moved, gone} {
			require.True(l, isThin(of(r)), "beta does not show all of it")
		}
		require.True(l, isThin(hours[entra.FloorHour(lab.Start.Add(-40*lab.Days))]))
		p := l.Progress(lab.Stream)
		require.EqualValues(l, 1+2+olderThan(hours, lab.Start.Add(-31*lab.Days)), p.Thin)
		asked = count(u)
		l.RunsOf(u, 3)
		require.LessOrEqual(l, count(u)-asked, 4, "it is not read for ever: %v", u.Questions(asked))
		lab.CheckLedger(l.T, l.Store, lab.Stream)
		v := lab.Verification(l)
		require.True(l, v.Intact())
	})
}

func isThin(cov ledger.Coverage) bool { return cov.Thin() }

// olderThan counts the thin hours before a time, but for the one of the oldest record.
func olderThan(hours map[time.Time]ledger.Coverage, at time.Time) (n int) {
	for _, cov := range hours {
		if cov.Thin() && cov.Start.Before(at) && cov.Start.After(lab.Start.Add(-39*lab.Days)) {
			n++
		}
	}
	return n
}

func filledPoorlyMore(l *lab.Lab, back time.Duration) *lab.Unruly {
	l.Tenant.Fill(lab.Stream, lab.Start.Add(-20*lab.Days), lab.Start.Add(10*lab.Days), 5*time.Hour)
	l.Tenant.Enrich(lab.Stream)
	// All have the richer form once only.
	for i, rec := range l.Tenant.Records[lab.Stream] {
		if strings.Count(string(rec.Raw), lab.Beyond) == 2 {
			l.Tenant.Records[lab.Stream][i] = lab.Parsed(lab.Stream,
				strings.Replace(string(rec.Raw), lab.Beyond+`"multiFactorAuthentication"`, "", 1))
		}
	}
	l.Options.Backfill = back
	u := &lab.Unruly{Forgetful: l.Tenant, Answer: func(int,
		entra.Query) lab.Answer {
		return lab.Answer{Form: entra.FormV1}
	}}
	age(l, u)
	dropForms(l, lab.Stream)
	u.Answer = nil
	return u
}

// TestAWalkOfEnrichingThatEndsEarlyLeavesNoHourThin.
func TestAWalkOfEnrichingThatEndsEarlyLeavesNoHourThin(t *testing.T) {
	for _, short := range shortfalls() {
		t.Run(short.name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				u := filledPoorly(l, lab.Stream, 9*lab.Days, 3*time.Hour)
				l.Tenant.PageSize = 10
				time.Sleep(time.Hour) // the newest hour ends
				u.Answer = once(short, 0)
				l.RunsOf(u, 2)
				enriched(l, lab.Stream, lab.Start.Add(-9*lab.Days))
			})
		})
	}
}

// outages are the ways in which the richest form may be refused.
var outages = map[string]lab.Answer{
	"refused":     {Err: &entra.Error{Code: entra.CodeRefused, Doing: "read", Why: "beta says 400"}},
	"not found":   {Err: &entra.Error{Code: entra.CodeNotFound, Doing: "read", Why: "beta says 404"}},
	"unavailable": {Err: &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "beta says 503"}},
	"silent":      {Takes: 24 * time.Hour},
}

// TestWhereBetaIsRefusedV1IsReadAfterAnHour, and read again from beta when that comes back.
func TestWhereBetaIsRefusedV1IsReadAfterAnHour(t *testing.T) {
	for title, out := range outages {
		for _, s := range []entra.Stream{lab.Stream, logs.SignInsNonInteractiveUser} {
			t.Run(name(title, s), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) { fallsBack(l, s, out) })
			})
		}
	}
}

func fallsBack(l *lab.Lab, s entra.Stream, out lab.Answer) {
	l.Options.Backfill = lab.Days
	for at := lab.Start.Add(-lab.Days); at.Before(lab.Start.Add(10 * lab.Days)); at = at.Add(17 * time.Minute) {
		rich(l.Tenant, s, fmt.Sprint("id-", at.Unix()), at, "")
	}
	u := &lab.Unruly{Forgetful: l.Tenant}
	l.RunsOf(u, 3, s)
	u.Answer = func(_ int, q entra.Query) lab.Answer {
		if q.Form == entra.FormV1 {
			return lab.Answer{}
		}
		return out
	}
	isPoor := func(q entra.Query) bool { return q.Form == entra.FormV1 }
	down := time.Now()
	read := l.Progress(s).Watermark
	forms := len(logs.Of(s).Forms)
	for time.Since(down) < 4*time.Hour {
		asked := count(u)
		_, err := l.RunOf(u, 8*time.Minute, s)
		questions := u.Questions(asked)
		poor := slices.ContainsFunc(questions, isPoor)
		switch since := time.Since(down); {
		case since < time.Hour || forms == 1:
			require.False(l, poor, "nothing poor is read within an hour")
			require.Equal(l, read, l.Progress(s).Watermark)
		case since > 80*time.Minute:
			require.NoError(l, err)
			require.True(l, poor)
			require.WithinDuration(l, time.Now(), l.Progress(s).Watermark, 15*time.Minute)
			require.Equal(l, 1, len(questions)-len(slices.DeleteFunc(slices.Clone(questions),
				func(q entra.Query) bool { return !isPoor(q) })), "one probe a run: %v", questions)
		}
		time.Sleep(5 * time.Minute)
	}
	if forms > 1 {
		require.Positive(l, l.Progress(s).Thin)
		require.True(l, isThin(l.Hours(s)[entra.FloorHour(down.Add(2*time.Hour))]))
	}
	u.Answer = nil
	l.RunsOf(u, 1, s)
	time.Sleep(80 * time.Minute) // the hour in which it came back ends
	l.RunsOf(u, 3, s)
	p := l.Progress(s)
	require.Zero(l, p.Thin)
	require.Zero(l, p.Changed)
	age(l, u, s)
	require.Zero(l, atTruth(l, s, lab.Start.Add(-lab.Days)))
	require.NotContains(l, l.Logged.String(), "panic")
}

// TestWhereBothFormsAreRefusedTheErrorIsBetas.
func TestWhereBothFormsAreRefusedTheErrorIsBetas(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start.Add(lab.Days), time.Hour)
		u := &lab.Unruly{Forgetful: l.Tenant}
		l.RunsOf(u, 2)
		u.Answer = func(_ int, q entra.Query) lab.Answer {
			if q.Form == entra.FormV1 {
				return lab.Answer{Err: &entra.Error{Code: entra.CodePermission, Doing: "read", Why: "v1.0 says 403"}}
			}
			return outages["refused"]
		}
		down := time.Now()
		for time.Since(down) < 3*time.Hour {
			_, err := l.RunOf(u, 8*time.Minute)
			if time.Since(down) > 65*time.Minute {
				require.ErrorContains(l, err, "beta says 400")
				require.NotContains(l, err.Error(), "v1.0 says 403")
				require.Contains(l, l.Progress(lab.Stream).LastError, "beta says 400")
			}
			time.Sleep(20 * time.Minute)
		}
	})
}

// TestAPoorPageNeverReplacesARicherRecord, whether the record is the same or has changed since.
func TestAPoorPageNeverReplacesARicherRecord(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Backfill = lab.Days
		hour := entra.FloorHour(lab.Start.Add(-5 * time.Hour))
		rich(l.Tenant, lab.Stream, "same", hour.Add(time.Minute), "")
		rich(l.Tenant, lab.Stream, "changed", hour.Add(2*time.Minute), "before")
		rich(l.Tenant, lab.Stream, "new", hour.Add(30*time.Minute), "late")
		u := &lab.Unruly{Forgetful: l.Tenant}
		late := func(_ int, r entra.Record) bool { return r.ID == "new" }
		u.Answer = func(int, entra.Query) lab.Answer { return lab.Answer{Hides: late} }
		l.RunsOf(u, 1)
		before, _ := contents(l, entra.WindowOf(lab.Stream, hour))
		was := slices.Clone(l.Tenant.Records[lab.Stream])
		rich(l.Tenant, lab.Stream, "changed", hour.Add(2*time.Minute), "since")
		u.Answer = func(int, entra.Query) lab.Answer { return lab.Answer{Form: entra.FormV1} }
		for n := range 3 {
			_, err := l.Collector(l.Store, u).Range(l.Context(), lab.Execution(), []entra.Stream{lab.Stream}, hour,
				hour.Add(time.Hour), lab.Budget)
			require.NoError(l, err)
			current, earlier := contents(l, entra.WindowOf(lab.Stream, hour))
			require.Subset(l, current, before, "run %d: what was rich is", n)
			require.Len(l, current, 3)
			require.Len(l, earlier, 1, "the changed one's v1.0 content is kept beside it")
			cov := l.Hours(lab.Stream)[hour]
			require.True(l, cov.Thin())
			require.EqualValues(l, 1, cov.Changed)
			lab.CheckLedger(l.T, l.Store, lab.Stream)
			time.Sleep(time.Minute)
		}
		u.Answer = nil
		l.RunsOf(u, 2)
		cov := l.Hours(lab.Stream)[hour]
		require.False(l, cov.Thin())
		require.EqualValues(l, 1, cov.Enriched, "the new one, which came poorly")
		require.EqualValues(l, 2, cov.Changed)
		require.NotEqual(l, was, l.Tenant.Records[lab.Stream])
		require.Zero(l, atTruth(l, lab.Stream, lab.Start.Add(-lab.Days)))
	})
}

// TestTwoFormsOfOneRecordInOneWalkStoreTheRicherOneAsCurrent, on one page in both orders and on
// two.
func TestTwoFormsOfOneRecordInOneWalkStoreTheRicherOneAsCurrent(t *testing.T) {
	for _, size := range []int{1, 2} {
		for _, richFirst := range []bool{true, false} {
			t.Run(name("pages of", size, "rich first", richFirst), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) {
					l.Options.Backfill, l.Tenant.PageSize = lab.Days, size
					at := lab.Start.Add(-5 * time.Hour)
					rich(l.Tenant, lab.Stream, "twice", at, "")
					rich := l.Tenant.Records[lab.Stream][0]
					both := []entra.Record{lab.Poor(lab.Stream, rich), rich}
					if richFirst {
						slices.Reverse(both)
					}
					l.Tenant.Records[lab.Stream] = both
					u := &lab.Unruly{Forgetful: l.Tenant, Mixed: size == 1}
					_, err := l.RunOf(u, lab.Budget)
					require.NoError(l, err)
					current, earlier := contents(l, entra.WindowOf(lab.Stream, at))
					require.Equal(l, []string{string(rich.Raw)}, current)
					require.Subset(l, []string{string(lab.Poor(lab.Stream, rich).Raw)}, earlier,
						"it tells nothing that the richer one does not")
					cov := l.Hours(lab.Stream)[entra.FloorHour(at)]
					require.Equal(l, int64(1), cov.New)
					require.Zero(l, cov.Changed)
					require.LessOrEqual(l, cov.Enriched, int64(1))
					l.RunsOf(u, 2)
					lab.CheckLedger(l.T, l.Store, lab.Stream)
				})
			})
		}
	}
}
