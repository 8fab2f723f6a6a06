package archive_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestAKilledPoorReadLeavesNoHourCalledRich: beta is refused; a run stores v1.0 records into an
// hour that the ledger calls beta, and dies before it counts them. The next run, still on v1.0,
// counts them, and the hour stays "beta".
func TestAKilledPoorReadLeavesNoHourCalledRich(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprint("write ", at, stored), func(t *testing.T) {
				inLab(t, func(l *lab) { l.poorKilled(at, stored, 3*time.Hour) })
			})
		}
	}
}

// TestAKilledPoorReadIsNotCountedAsChanged: as above, but beta comes back before the next run.
func TestAKilledPoorReadIsNotCountedAsChanged(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprint("write ", at, stored), func(t *testing.T) {
				inLab(t, func(l *lab) { l.poorKilled(at, stored, 0) })
			})
		}
	}
}

func (l *lab) poorKilled(at int, stored bool, more time.Duration) {
	l.options.Backfill = days
	for at := start.Add(-days); at.Before(start.Add(10 * days)); at = at.Add(7 * time.Minute) {
		l.tenant.rich(stream, fmt.Sprint("id-", at.Unix()), at, "")
	}
	u := &unruly{forgetful: l.tenant}
	l.runsOf(u, 2)
	u.answer = func(_ int, q entra.Query) answer {
		if q.Form == entra.FormV1 {
			return answer{}
		}
		return outages["refused"]
	}
	down := time.Now()
	for time.Since(down) < 59*time.Minute {
		_, _ = l.runOf(u, 8*time.Minute)
		time.Sleep(5 * time.Minute)
	}
	// Beta was refused for an hour: this run reads v1.0, into the hour in which beta was read last,
	// too.
	died := l.killed(u, at, stored)
	l.Log("died ", died)
	time.Sleep(5 * time.Minute)
	if more > 0 {
		for since := time.Now(); time.Since(since) < more; {
			_, _ = l.runOf(u, 8*time.Minute)
			time.Sleep(15 * time.Minute)
		}
	}
	u.answer = nil
	l.runsOf(u, 3)
	time.Sleep(80 * time.Minute)
	l.runsOf(u, 3)
	time.Sleep(5 * time.Hour)
	l.runsOf(u, 3)
	p := l.progress(stream)
	for hour, cov := range l.hours(stream) {
		current, _ := l.contents(cov.Window)
		thin := 0
		for _, text := range current {
			if !slices.Contains([]string{}, text) && string(poor(stream, parsed(stream, text)).Raw) == text {
				thin++
			}
		}
		if !cov.Thin() {
			require.Zero(l, thin, "%s is called %s, and %d of %d records are in v1.0's form", hour, cov.Form, thin, len(current))
		}
		require.Zero(l, cov.Changed, "%s has false changes (enriched %d)", hour, cov.Enriched)
	}
	require.Zero(l, p.Changed)
}

// TestAnUpgradeAfterAKilledRunCountsNoChange: the version before was killed by the deployment after
// it had stored rows of an hour that has no row in the ledger; then this version reads on.
func TestAnUpgradeAfterAKilledRunCountsNoChange(t *testing.T) {
	for _, s := range []entra.Stream{stream} {
		t.Run(string(s), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Backfill = days
				l.tenant.fill(s, start.Add(-days), start.Add(-65*time.Minute), 17*time.Minute)
				hour := entra.FloorHour(start.Add(time.Hour))
				for i := range 8 {
					l.tenant.rich(s, fmt.Sprint("x-", i), hour.Add(time.Duration(i)*time.Minute), "")
				}
				u := &unruly{forgetful: l.tenant}
				l.runsOf(u, 2, s)
				l.forgetForms(s)
				l.until(hour.Add(12 * time.Minute))
				// The version before stored the first four and died.
				for _, rec := range l.tenant.records[s] {
					if rec.Time.Before(hour) || rec.Time.After(hour.Add(3*time.Minute)) {
						continue
					}
					old := poor(s, rec)
					old.Columns = slices.DeleteFunc(slices.Clone(old.Columns), func(c entra.Column) bool { return logs.Of(s).Since(c.Name) > 1 })
					l.plant(old)
				}
				l.dies(hour.Add(-time.Hour), hour.Add(5*time.Minute))
				time.Sleep(20 * time.Minute)
				l.runsOf(u, 3, s)
				time.Sleep(4*time.Hour + 20*time.Minute)
				l.runsOf(u, 3, s)
				cov := l.hours(s)[hour]
				l.Logf("%d new %d changed %d enriched %d versions, set %d", cov.New, cov.Changed, cov.Enriched, cov.Versions, cov.ColumnSet)
				require.Zero(l, cov.Changed, "false changes")
				v := verification(l)
				require.True(l, v.Intact(), "%v", v.Counts)
			})
		})
	}
}

// TestHoursOfAShortTenantAreNotBelievedOnOneWord: a tenant that keeps seven days; hours that were
// six days old when the backfill read them have no later read that can still see them.
func TestHoursOfAShortTenantAreNotBelievedOnOneWord(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Backfill, l.options.Passes = 30*days, nil
		l.tenant.keeps = 7 * days
		l.tenant.fill(stream, start.Add(-30*days), start.Add(20*days), 23*time.Minute)
		u := &unruly{forgetful: l.tenant}
		from, to := entra.FloorHour(start.Add(-6*days-18*time.Hour)), entra.FloorHour(start.Add(-6*days-4*time.Hour))
		hidden := 0
		u.answer = func(_ int, q entra.Query) answer {
			if q.To.Sub(q.From) < days || q.To.Before(to) {
				return answer{}
			}
			return answer{hides: func(_ int, r entra.Record) bool {
				h := !r.Time.Before(from) && r.Time.Before(to)
				if h {
					hidden++
				}
				return h
			}}
		}
		l.runsOf(u, 1) // one run's walks are wrong
		u.answer = nil
		l.Log("hidden ", hidden)
		l.runs(3*time.Hour, start.Add(8*days), stream)
		p := l.progress(stream)
		l.Log(p.SealedTo, p.Begin)
		missing, silent := 0, 0
		hours := l.hours(stream)
		stored, err := l.store.StoredByHour(l.Context(), stream, from, to)
		require.NoError(l, err)
		for h := from; h.Before(to); h = h.Add(time.Hour) {
			cov := hours[h]
			if stored[h].Count == 0 {
				missing++
				if cov.State == archive.WindowSealed && cov.ReadsDiffer() == "" && !cov.InPart() {
					silent++
				}
			}
		}
		require.Zero(l, silent, "of %d hours without their records, so many are sealed as complete", missing)
	})
}

// TestOneThrottledQuestionIsNoRefusalOfBeta: a run out of time, a pause, one 429: no refusal of
// beta was ever seen, and v1.0 is read.
func TestOneThrottledQuestionIsNoRefusalOfBeta(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Backfill = days
		l.tenant.fill(stream, start.Add(-days), start.Add(9*days), 17*time.Minute)
		u := &unruly{forgetful: l.tenant}
		l.runsOf(u, 2)
		u.answer = func(int, entra.Query) answer { return answer{takes: 10 * time.Minute} }
		_, err := l.runOf(u, time.Minute) // out of time: the limiter, or one slow answer
		require.NoError(l, err)
		time.Sleep(2 * days) // nobody runs it
		n := u.count()
		u.answer = func(i int, _ entra.Query) answer {
			if i == n {
				return answer{err: &entra.Error{Code: entra.CodeThrottled, Doing: "read", Why: "Graph answers 429"}}
			}
			return answer{}
		}
		_, _ = l.runOf(u, 8*time.Minute)
		poorly := 0
		for _, q := range u.questions(n) {
			if q.Form == entra.FormV1 {
				poorly++
			}
		}
		require.Zero(l, poorly, "beta was never refused; %d thin hours", l.progress(stream).Thin)
	})
}
