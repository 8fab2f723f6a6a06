package archive_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// filledPoorly is an archive that a version before has filled from v1.0 and sealed, of which the
// ledger notes no form, and a tenant that has the records in beta.
func (l *lab) filledPoorly(s entra.Stream, back, step time.Duration) *unruly {
	l.Helper()
	l.options.Backfill = back
	l.tenant.keeps = 60 * days
	l.tenant.fill(s, start.Add(-back).Add(time.Hour), start.Add(10*days), step)
	l.tenant.enrich(s)
	u := &unruly{forgetful: l.tenant, answer: func(int, entra.Query) answer { return answer{form: entra.FormV1} }}
	l.age(u, s)
	l.forgetForms(s)
	u.answer = nil
	return u
}

// forgetForms makes the ledger what a version before leaves: every second hour has no form.
func (l *lab) forgetForms(s entra.Stream) {
	l.Helper()
	p := l.progress(s)
	var rows []archive.Coverage
	for _, cov := range l.hours(s) {
		if cov.Start.Hour()%2 == 0 {
			cov.Form, cov.ColumnSet = "", 0
			rows = append(rows, cov)
		}
	}
	p.EnrichedTo, p.Thin, p.ThinFrom, p.ThinTo = time.Time{}, 0, time.Time{}, time.Time{}
	for chunk := range slices.Chunk(rows, archive.MaxCommit) {
		l.write(p, chunk...)
		p = l.progress(s)
	}
}

// enriched holds an archive against the tenant: everything is there in beta, and every v1.0 content
// beside it.
func (l *lab) enriched(s entra.Stream, from time.Time) {
	l.Helper()
	require.LessOrEqual(l, l.atTruth(s, from), 1, "but for the hour of the oldest record")
	p := l.progress(s)
	require.Zero(l, p.Thin)
	require.Zero(l, p.Changed, "no false change")
	for _, cov := range l.hours(s) {
		current, earlier := l.contents(cov.Window)
		require.EqualValues(l, len(earlier), cov.Enriched, "%s", cov.Window)
		require.False(l, cov.Thin(), "%s", cov.Window)
		if len(earlier) == 0 {
			continue // read from beta from the first
		}
		require.Len(l, earlier, len(current))
		for i, text := range current {
			require.Equal(l, string(poor(s, parsed(s, text)).Raw), earlier[i])
		}
		require.Equal(l, entra.FormBeta, cov.Form)
		if cov.Seals > 1 && s == stream {
			last, err := l.store.Seal(l.Context(), s, cov.LastSeal)
			require.NoError(l, err)
			reason, _, _ := strings.Cut(last.Reason, "; nothing is known of it") // the hour of the oldest record
			require.Equal(l, fmt.Sprintf("%d records came in a richer form after the seal", len(earlier)), reason)
		}
	}
}

// TestAnArchiveOfV1IsBroughtToBeta, every record counted as enriched and none as changed.
func TestAnArchiveOfV1IsBroughtToBeta(t *testing.T) {
	for _, s := range []entra.Stream{stream, other} {
		t.Run(string(s), func(t *testing.T) {
			inLab(t, func(l *lab) {
				u := l.filledPoorly(s, 9*days, 3*time.Hour)
				asked := u.count()
				time.Sleep(time.Hour) // the newest hour ends
				report, err := l.runOf(u, 8*time.Minute, s)
				require.NoError(l, err)
				b := report.Streams[0].Balance
				require.True(l, b.Holds())
				require.Zero(l, b.Changed)
				l.enriched(s, start.Add(-9*days))
				var sum int64
				for _, cov := range l.hours(s) {
					sum += cov.Enriched
				}
				require.Equal(l, sum, b.Enriched)
				require.Greater(l, sum, int64(70))
				require.LessOrEqual(l, u.count()-asked, 6, "a span is one question: %v", u.questions(asked))
				asked = u.count()
				l.runsOf(u, 2, s)
				require.LessOrEqual(l, u.count()-asked, 3, "once: %v", u.questions(asked))
			})
		})
	}
}

// TestBringingAnArchiveToBetaIsResumable: a run is killed at a write, two run at once, then others.
func TestBringingAnArchiveToBetaIsResumable(t *testing.T) {
	for at := 1; at <= 33; at += 4 {
		t.Run(fmt.Sprint("write ", at), func(t *testing.T) {
			inLab(t, func(l *lab) {
				u := l.filledPoorly(stream, 2*days, 2*time.Hour)
				l.tenant.pageSize = 4
				l.killed(u, at, at%8 == 1)
				time.Sleep(2 * time.Minute)
				one, two := l.start(l.store, u, 0, 8*time.Minute), l.start(l.store, u, 0, 8*time.Minute)
				<-one.done
				<-two.done
				require.NoError(l, errors.Join(one.err, two.err))
				time.Sleep(20 * time.Minute)
				l.runsOf(u, 3)
				l.enriched(stream, start.Add(-2*days))
			})
		})
	}
}

// TestWhatHappenedToRecordsBetweenTheForms: one record changed, one has another time, one is not in
// beta any more, one is out of reach.
func TestWhatHappenedToRecordsBetweenTheForms(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.rich(stream, "old", start.Add(-40*days), "")
		l.options.Backfill, l.tenant.keeps = 45*days, 60*days
		u := l.filledPoorlyMore(45 * days)
		all := l.tenant.records[stream]
		changed, moved, gone := all[len(all)-60], all[len(all)-70], all[len(all)-80]
		l.tenant.replace(stream, changed.Key, parsed(stream, strings.Replace(string(changed.Raw), `"content":""`, `"content":"other"`, 1)))
		hidden := func(r entra.Record) bool { return r.Key == moved.Key || r.Key == gone.Key }
		l.tenant.rich(stream, moved.ID, moved.Time.Add(time.Second), "")
		u.answer = func(int, entra.Query) answer {
			return answer{hides: func(_ int, r entra.Record) bool { return hidden(r) }}
		}
		asked := u.count()
		report, err := l.runOf(u, 8*time.Minute)
		require.NoError(l, err)
		require.True(l, report.Streams[0].Holds())
		require.EqualValues(l, 1, report.Streams[0].Changed)
		for _, q := range u.questions(asked) {
			require.False(l, q.From.Before(start.Add(-32*days)), "what no tenant has is not asked for: %v", q)
		}
		hours := l.hours(stream)
		of := func(r entra.Record) archive.Coverage { return hours[entra.FloorHour(r.Time)] }
		require.EqualValues(l, 1, of(changed).Changed)
		require.Zero(l, of(changed).Enriched)
		require.False(l, isThin(of(changed)))
		require.EqualValues(l, 2, of(moved).Records, "both are kept")
		for _, r := range []entra.Record{moved, gone} {
			require.True(l, isThin(of(r)), "beta does not show all of it")
		}
		require.True(l, isThin(hours[entra.FloorHour(start.Add(-40*days))]))
		p := l.progress(stream)
		require.EqualValues(l, 1+2+olderThan(hours, start.Add(-31*days)), p.Thin)
		asked = u.count()
		l.runsOf(u, 3)
		require.LessOrEqual(l, u.count()-asked, 4, "it is not read for ever: %v", u.questions(asked))
		checkLedger(l.T, l.store, stream)
		v := verification(l)
		require.True(l, v.Intact())
	})
}

func isThin(cov archive.Coverage) bool { return cov.Thin() }

// olderThan counts the thin hours before a time, but for the one of the oldest record.
func olderThan(hours map[time.Time]archive.Coverage, at time.Time) (n int) {
	for _, cov := range hours {
		if cov.Thin() && cov.Start.Before(at) && cov.Start.After(start.Add(-39*days)) {
			n++
		}
	}
	return n
}

func (l *lab) filledPoorlyMore(back time.Duration) *unruly {
	l.tenant.fill(stream, start.Add(-20*days), start.Add(10*days), 5*time.Hour)
	l.tenant.enrich(stream)
	// All have the richer form once only.
	for i, rec := range l.tenant.records[stream] {
		if strings.Count(string(rec.Raw), beyond) == 2 {
			l.tenant.records[stream][i] = parsed(stream, strings.Replace(string(rec.Raw), beyond+`"multiFactorAuthentication"`, "", 1))
		}
	}
	l.options.Backfill = back
	u := &unruly{forgetful: l.tenant, answer: func(int, entra.Query) answer { return answer{form: entra.FormV1} }}
	l.age(u)
	l.forgetForms(stream)
	u.answer = nil
	return u
}

// TestAWalkOfEnrichingThatEndsEarlyLeavesNoHourThin.
func TestAWalkOfEnrichingThatEndsEarlyLeavesNoHourThin(t *testing.T) {
	for _, short := range shortfalls() {
		t.Run(short.name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				u := l.filledPoorly(stream, 9*days, 3*time.Hour)
				l.tenant.pageSize = 10
				time.Sleep(time.Hour) // the newest hour ends
				u.answer = once(short, 0)
				l.runsOf(u, 2)
				l.enriched(stream, start.Add(-9*days))
			})
		})
	}
}

// outages are the ways in which the richest form may be refused.
var outages = map[string]answer{
	"refused":     {err: &entra.Error{Code: entra.CodeRefused, Doing: "read", Why: "beta says 400"}},
	"not found":   {err: &entra.Error{Code: entra.CodeNotFound, Doing: "read", Why: "beta says 404"}},
	"unavailable": {err: &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "beta says 503"}},
	"silent":      {takes: 24 * time.Hour},
}

// TestWhereBetaIsRefusedV1IsReadAfterAnHour, and read again from beta when that comes back.
func TestWhereBetaIsRefusedV1IsReadAfterAnHour(t *testing.T) {
	for title, out := range outages {
		for _, s := range []entra.Stream{stream, logs.SignInsNonInteractiveUser} {
			t.Run(name(title, s), func(t *testing.T) {
				inLab(t, func(l *lab) { l.fallsBack(s, out) })
			})
		}
	}
}

func (l *lab) fallsBack(s entra.Stream, out answer) {
	l.options.Backfill = days
	for at := start.Add(-days); at.Before(start.Add(10 * days)); at = at.Add(17 * time.Minute) {
		l.tenant.rich(s, fmt.Sprint("id-", at.Unix()), at, "")
	}
	u := &unruly{forgetful: l.tenant}
	l.runsOf(u, 3, s)
	u.answer = func(_ int, q entra.Query) answer {
		if q.Form == entra.FormV1 {
			return answer{}
		}
		return out
	}
	isPoor := func(q entra.Query) bool { return q.Form == entra.FormV1 }
	down := time.Now()
	read := l.progress(s).Watermark
	forms := len(logs.Of(s).Forms)
	for time.Since(down) < 4*time.Hour {
		asked := u.count()
		_, err := l.runOf(u, 8*time.Minute, s)
		questions := u.questions(asked)
		poor := slices.ContainsFunc(questions, isPoor)
		switch since := time.Since(down); {
		case since < time.Hour || forms == 1:
			require.False(l, poor, "nothing poor is read within an hour")
			require.Equal(l, read, l.progress(s).Watermark)
		case since > 80*time.Minute:
			require.NoError(l, err)
			require.True(l, poor)
			require.WithinDuration(l, time.Now(), l.progress(s).Watermark, 15*time.Minute)
			require.Equal(l, 1, len(questions)-len(slices.DeleteFunc(slices.Clone(questions), func(q entra.Query) bool { return !isPoor(q) })), "one probe a run: %v", questions)
		}
		time.Sleep(5 * time.Minute)
	}
	if forms > 1 {
		require.Positive(l, l.progress(s).Thin)
		require.True(l, isThin(l.hours(s)[entra.FloorHour(down.Add(2*time.Hour))]))
	}
	u.answer = nil
	l.runsOf(u, 1, s)
	time.Sleep(80 * time.Minute) // the hour in which it came back ends
	l.runsOf(u, 3, s)
	p := l.progress(s)
	require.Zero(l, p.Thin)
	require.Zero(l, p.Changed)
	l.age(u, s)
	require.Zero(l, l.atTruth(s, start.Add(-days)))
	require.NotContains(l, l.log.String(), "panic")
}

// TestWhereBothFormsAreRefusedTheErrorIsBetas.
func TestWhereBothFormsAreRefusedTheErrorIsBetas(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-days), start.Add(days), time.Hour)
		u := &unruly{forgetful: l.tenant}
		l.runsOf(u, 2)
		u.answer = func(_ int, q entra.Query) answer {
			if q.Form == entra.FormV1 {
				return answer{err: &entra.Error{Code: entra.CodePermission, Doing: "read", Why: "v1.0 says 403"}}
			}
			return outages["refused"]
		}
		down := time.Now()
		for time.Since(down) < 3*time.Hour {
			_, err := l.runOf(u, 8*time.Minute)
			if time.Since(down) > 65*time.Minute {
				require.ErrorContains(l, err, "beta says 400")
				require.NotContains(l, err.Error(), "v1.0 says 403")
				require.Contains(l, l.progress(stream).LastError, "beta says 400")
			}
			time.Sleep(20 * time.Minute)
		}
	})
}

// TestAPoorPageNeverTakesARicherRecordsPlace, whether the record is the same or has changed since.
func TestAPoorPageNeverTakesARicherRecordsPlace(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Backfill = days
		hour := entra.FloorHour(start.Add(-5 * time.Hour))
		l.tenant.rich(stream, "same", hour.Add(time.Minute), "")
		l.tenant.rich(stream, "changed", hour.Add(2*time.Minute), "before")
		l.tenant.rich(stream, "new", hour.Add(30*time.Minute), "late")
		u := &unruly{forgetful: l.tenant}
		late := func(_ int, r entra.Record) bool { return r.ID == "new" }
		u.answer = func(int, entra.Query) answer { return answer{hides: late} }
		l.runsOf(u, 1)
		before, _ := l.contents(entra.WindowOf(stream, hour))
		was := slices.Clone(l.tenant.records[stream])
		l.tenant.rich(stream, "changed", hour.Add(2*time.Minute), "since")
		u.answer = func(int, entra.Query) answer { return answer{form: entra.FormV1} }
		for n := range 3 {
			_, err := l.collector(l.store, u).Range(l.Context(), execution(), []entra.Stream{stream}, hour, hour.Add(time.Hour), budget)
			require.NoError(l, err)
			current, earlier := l.contents(entra.WindowOf(stream, hour))
			require.Subset(l, current, before, "run %d: what was rich is", n)
			require.Len(l, current, 3)
			require.Len(l, earlier, 1, "the changed one's v1.0 content is kept beside it")
			cov := l.hours(stream)[hour]
			require.True(l, cov.Thin())
			require.EqualValues(l, 1, cov.Changed)
			checkLedger(l.T, l.store, stream)
			time.Sleep(time.Minute)
		}
		u.answer = nil
		l.runsOf(u, 2)
		cov := l.hours(stream)[hour]
		require.False(l, cov.Thin())
		require.EqualValues(l, 1, cov.Enriched, "the new one, which came poorly")
		require.EqualValues(l, 2, cov.Changed)
		require.NotEqual(l, was, l.tenant.records[stream])
		require.Zero(l, l.atTruth(stream, start.Add(-days)))
	})
}

// TestTwoFormsOfOneRecordInOneWalk, on one page in both orders and on two.
func TestTwoFormsOfOneRecordInOneWalk(t *testing.T) {
	for _, size := range []int{1, 2} {
		for _, richFirst := range []bool{true, false} {
			t.Run(name("pages of", size, "rich first", richFirst), func(t *testing.T) {
				inLab(t, func(l *lab) {
					l.options.Backfill, l.tenant.pageSize = days, size
					at := start.Add(-5 * time.Hour)
					l.tenant.rich(stream, "twice", at, "")
					rich := l.tenant.records[stream][0]
					both := []entra.Record{poor(stream, rich), rich}
					if richFirst {
						slices.Reverse(both)
					}
					l.tenant.records[stream] = both
					u := &unruly{forgetful: l.tenant, mixed: size == 1}
					_, err := l.runOf(u, budget)
					require.NoError(l, err)
					current, earlier := l.contents(entra.WindowOf(stream, at))
					require.Equal(l, []string{string(rich.Raw)}, current)
					require.Subset(l, []string{string(poor(stream, rich).Raw)}, earlier, "it tells nothing that the richer one does not")
					cov := l.hours(stream)[entra.FloorHour(at)]
					require.Equal(l, int64(1), cov.New)
					require.Zero(l, cov.Changed)
					require.LessOrEqual(l, cov.Enriched, int64(1))
					l.runsOf(u, 2)
					checkLedger(l.T, l.store, stream)
				})
			})
		}
	}
}
