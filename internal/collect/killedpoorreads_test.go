package collect_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestAKilledPoorReadLeavesNoHourCalledRich: beta is refused; a run stores v1.0 records into an
// hour that the ledger calls beta, and dies before it counts them. The next run, still on v1.0,
// counts them, and the hour stays "beta".
func TestAKilledPoorReadLeavesNoHourCalledRich(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprint("write ", at, stored), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) { poorKilled(l, at, stored, 3*time.Hour) })
			})
		}
	}
}

// TestAKilledPoorReadIsNotCountedAsChanged: as above, but beta comes back before the next run.
func TestAKilledPoorReadIsNotCountedAsChanged(t *testing.T) {
	for at := 1; at <= 12; at++ {
		for _, stored := range []bool{false, true} {
			t.Run(fmt.Sprint("write ", at, stored), func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) { poorKilled(l, at, stored, 0) })
			})
		}
	}
}

func poorKilled(l *lab.Lab, at int, stored bool, more time.Duration) {
	l.Options.Backfill = lab.Days
	for at := lab.Start.Add(-lab.Days); at.Before(lab.Start.Add(10 * lab.Days)); at = at.Add(7 * time.Minute) {
		rich(l.Tenant, lab.Stream, fmt.Sprint("id-", at.Unix()), at, "")
	}
	u := &lab.Unruly{Forgetful: l.Tenant}
	l.RunsOf(u, 2)
	u.Answer = func(_ int, q entra.Query) lab.Answer {
		if q.Form == entra.FormV1 {
			return lab.Answer{}
		}
		return outages["refused"]
	}
	down := time.Now()
	for time.Since(down) < 59*time.Minute {
		_, _ = l.RunOf(u, 8*time.Minute)
		time.Sleep(5 * time.Minute)
	}
	// Beta was refused for an hour: this run reads v1.0, into the hour in which beta was read last,
	// too.
	died := killed(l, u, at, stored)
	l.Log("died ", died)
	time.Sleep(5 * time.Minute)
	if more > 0 {
		for since := time.Now(); time.Since(since) < more; {
			_, _ = l.RunOf(u, 8*time.Minute)
			time.Sleep(15 * time.Minute)
		}
	}
	u.Answer = nil
	l.RunsOf(u, 3)
	time.Sleep(80 * time.Minute)
	l.RunsOf(u, 3)
	time.Sleep(5 * time.Hour)
	l.RunsOf(u, 3)
	p := l.Progress(lab.Stream)
	for hour, cov := range l.Hours(lab.Stream) {
		current, _ := contents(l, cov.Window)
		thin := 0
		for _, text := range current {
			if !slices.Contains([]string{}, text) &&
				string(lab.Poor(lab.Stream, lab.Parsed(lab.Stream, text)).Raw) == text {
				thin++
			}
		}
		if !cov.Thin() {
			require.Zero(l, thin, "%s is called %s, and %d of %d records are in v1.0's form", hour, cov.Form, thin,
				len(current))
		}
		require.Zero(l, cov.Changed, "%s has false changes (enriched %d)", hour, cov.Enriched)
	}
	require.Zero(l, p.Changed)
}

// TestAnUpgradeAfterAKilledRunCountsNoChange: the version before was killed by the deployment after
// it had stored rows of an hour that has no row in the ledger; then this version reads on.
func TestAnUpgradeAfterAKilledRunCountsNoChange(t *testing.T) {
	for _, s := range []entra.Stream{lab.Stream} {
		t.Run(string(s), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill = lab.Days
				l.Tenant.Fill(s, lab.Start.Add(-lab.Days), lab.Start.Add(-65*time.Minute), 17*time.Minute)
				hour := entra.FloorHour(lab.Start.Add(time.Hour))
				for i := range 8 {
					rich(l.Tenant, s, fmt.Sprint("x-", i), hour.Add(time.Duration(i)*time.Minute), "")
				}
				u := &lab.Unruly{Forgetful: l.Tenant}
				l.RunsOf(u, 2, s)
				dropForms(l, s)
				l.Until(hour.Add(12 * time.Minute))
				// The version before stored the first four and died.
				for _, rec := range l.Tenant.Records[s] {
					if rec.Time.Before(hour) || rec.Time.After(hour.Add(3*time.Minute)) {
						continue
					}
					old := lab.Poor(s, rec)
					old.Columns = slices.DeleteFunc(slices.Clone(old.Columns),
						func(c entra.Column) bool { return logs.Of(s).Since(c.Name) > 1 })
					l.Plant(old)
				}
				l.Dies(hour.Add(-time.Hour), hour.Add(5*time.Minute))
				time.Sleep(20 * time.Minute)
				l.RunsOf(u, 3, s)
				time.Sleep(4*time.Hour + 20*time.Minute)
				l.RunsOf(u, 3, s)
				cov := l.Hours(s)[hour]
				l.Logf("%d new %d changed %d enriched %d versions, set %d", cov.New, cov.Changed, cov.Enriched,
					cov.Versions,
					cov.ColumnSet)
				require.Zero(l, cov.Changed, "false changes")
				v := lab.Verification(l)
				require.True(l, v.Intact(), "%v", v.Counts)
			})
		})
	}
}

// TestOneReadDoesNotConfirmHoursOfATenantWithShortRetention: a tenant that keeps seven days; hours
// that were six days old when the backfill read them have no later read that can still see them.
func TestOneReadDoesNotConfirmHoursOfATenantWithShortRetention(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Backfill, l.Options.Passes = 30*lab.Days, nil
		l.Tenant.Keeps = 7 * lab.Days
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-30*lab.Days), lab.Start.Add(20*lab.Days), 23*time.Minute)
		u := &lab.Unruly{Forgetful: l.Tenant}
		from, to := entra.FloorHour(lab.Start.Add(-6*lab.Days-18*time.Hour)),
			entra.FloorHour(lab.Start.Add(-6*lab.Days-4*time.Hour))
		hidden := 0
		u.Answer = func(_ int, q entra.Query) lab.Answer {
			if q.To.Sub(q.From) < lab.Days || q.To.Before(to) {
				return lab.Answer{}
			}
			return lab.Answer{Hides: func(_ int, r entra.Record) bool {
				h := !r.Time.Before(from) && r.Time.Before(to)
				if h {
					hidden++
				}
				return h
			}}
		}
		l.RunsOf(u, 1) // one run's walks are wrong
		u.Answer = nil
		l.Log("hidden ", hidden)
		l.Runs(3*time.Hour, lab.Start.Add(8*lab.Days), lab.Stream)
		p := l.Progress(lab.Stream)
		l.Log(p.SealedTo, p.Begin)
		missing, silent := 0, 0
		hours := l.Hours(lab.Stream)
		stored, err := l.Store.StoredByHour(l.Context(), lab.Stream, from, to)
		require.NoError(l, err)
		for h := from; h.Before(to); h = h.Add(time.Hour) {
			cov := hours[h]
			if stored[h].Count == 0 {
				missing++
				if cov.State == ledger.WindowSealed && cov.ReadsDiffer() == "" && !cov.InPart() {
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
	lab.In(t, func(l *lab.Lab) {
		l.Options.Backfill = lab.Days
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start.Add(9*lab.Days), 17*time.Minute)
		u := &lab.Unruly{Forgetful: l.Tenant}
		l.RunsOf(u, 2)
		u.Answer = func(int, entra.Query) lab.Answer { return lab.Answer{Takes: 10 * time.Minute} }
		_, err := l.RunOf(u, time.Minute) // out of time: the limiter, or one slow answer
		require.NoError(l, err)
		time.Sleep(2 * lab.Days) // no run
		n := count(u)
		u.Answer = func(i int, _ entra.Query) lab.Answer {
			if i == n {
				return lab.Answer{Err: &entra.Error{Code: entra.CodeThrottled, Doing: "read", Why: "Graph answers 429"}}
			}
			return lab.Answer{}
		}
		_, _ = l.RunOf(u, 8*time.Minute)
		poorly := 0
		for _, q := range u.Questions(n) {
			if q.Form == entra.FormV1 {
				poorly++
			}
		}
		require.Zero(l, poorly, "beta was never refused; %d thin hours", l.Progress(lab.Stream).Thin)
	})
}
