package collect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestRefusalsFailRunsOnlyWhenTheyLast, of a stream that had good answers.
func TestRefusalsFailRunsOnlyWhenTheyLast(t *testing.T) {
	for i, code := range []entra.Code{entra.CodeLicence, entra.CodePermission, entra.CodeRefused, entra.CodeNotFound} {
		s := kinds()[i%2] // one with two forms, one without
		t.Run(name(code, s), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) { bears(l, code, s) })
		})
	}
}

func bears(l *lab.Lab, code entra.Code, s entra.Stream) {
	l.Options.Backfill = lab.Days
	l.Tenant.Fill(s, lab.Start.Add(-lab.Days), lab.Start.Add(3*lab.Days), time.Hour)
	l.Tenant.Fill(lab.Other, lab.Start.Add(-lab.Days), lab.Start.Add(3*lab.Days), time.Hour)
	no := lab.Answer{Err: &entra.Error{Code: code, Doing: "read", Why: "Graph says no"}}
	u := &lab.Unruly{Forgetful: l.Tenant, Answer: func(_ int, q entra.Query) lab.Answer {
		if q.Stream == s {
			return no
		}
		return lab.Answer{}
	}}
	_, err := l.RunOf(u, 8*time.Minute, s, lab.Other)
	require.Equal(l, code, entra.CodeOf(err), "a stream that was never read fails at once")
	require.ErrorContains(l, err, "1 of 2 streams failed")
	p := l.Progress(lab.Other)
	require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), 0), "the other one is read")

	refuse := u.Answer
	u.Answer = nil
	time.Sleep(5 * time.Minute)
	l.RunsOf(u, 1, s, lab.Other)
	for n := range 100 { // one run of 50 is refused
		if u.Answer = nil; n%50 == 20 {
			u.Answer = refuse
		}
		_, err := l.RunOf(u, 8*time.Minute, s, lab.Other)
		require.NoError(l, err)
		p := l.Progress(s)
		require.Equal(l, n%50 == 20, !p.RefusedSince.IsZero())
		require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), 0))
		time.Sleep(5 * time.Minute)
	}
	// Good pages, then a refusal, in every run: the newest minutes are read, their pass is refused.
	u.Answer = func(_ int, q entra.Query) lab.Answer {
		if q.Stream == s && q.To.Sub(q.From) >= time.Hour {
			return no
		}
		return lab.Answer{}
	}
	time.Sleep(2 * time.Hour)
	lasts(l, u, s, code)
	u.Answer = nil
	l.RunsOf(u, 1, s, lab.Other)
	u.Answer = refuse
	lasts(l, u, s, code)
	u.Answer = nil
	l.RunsOf(u, 2, s, lab.Other)
	require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), 0))
	p = l.Progress(s)
	require.Zero(l, p.RefusedSince)
	time.Sleep(4 * time.Hour)
	l.RunsOf(u, 3, s, lab.Other)
	atTruth(l, s, lab.Start.Add(-lab.Days).Add(time.Hour))
}

// lasts lets refusals last for two hours: for 59 minutes no run fails, then every one does.
func lasts(l *lab.Lab, u *lab.Unruly, s entra.Stream, code entra.Code) {
	l.Helper()
	var since time.Time
	failed := 0
	for begun := time.Now(); time.Since(begun) < 2*time.Hour; time.Sleep(7 * time.Minute) {
		_, err := l.RunOf(u, 8*time.Minute, s, lab.Other)
		p := l.Progress(s)
		if p.RefusedSince.IsZero() {
			require.NoError(l, err)
			continue // nothing was refused yet
		}
		if since.IsZero() {
			since = p.RefusedSince
		}
		require.Equal(l, since, p.RefusedSince)
		if time.Since(since) < 59*time.Minute {
			require.NoError(l, err)
			require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), 0))
			continue
		}
		if err == nil && len(logs.Of(s).Forms) > 1 {
			require.NotZero(l, p.PoorSince) // the poorer form is read
			continue
		}
		failed++
		require.Equal(l, code, entra.CodeOf(err))
		require.ErrorContains(l, err, "1 of 2 streams failed: read: Graph says no")
		require.Equal(l, ledger.StatusFailing, p.Status(time.Now(), 0))
		require.Contains(l, p.LastError, "Graph says no")
	}
	require.Positive(l, failed)
	p := l.Progress(lab.Other)
	require.WithinDuration(l, time.Now(), p.Watermark, 15*time.Minute, "the other stream goes on")
}

// TestAWalkOfEmptyPagesEnds, and proves nothing by itself.
func TestAWalkOfEmptyPagesEnds(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		t.Run(name("ordered", ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill, l.Tenant.Keeps, l.Tenant.InOrder = 20*lab.Days, 60*lab.Days, ordered
				l.Tenant.PageSize = 2
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-19*lab.Days), lab.Start, 5*time.Hour)
				n := 0
				u := &lab.Unruly{Forgetful: l.Tenant, Answer: func(_ int, q entra.Query) lab.Answer {
					if n++; n <= 2 { // the newest hours, and the first walk through the past
						return lab.Answer{Hides: func(int, entra.Record) bool { return true }}
					}
					return lab.Answer{}
				}}
				age(l, u)
				require.LessOrEqual(l, atTruth(l, lab.Stream, lab.Start.Add(-20*lab.Days)), 1)
			})
		})
	}
}

// TestPagesOfBadRecordsGoToQuarantine, and the hours around them are what they are.
func TestPagesOfBadRecordsGoToQuarantine(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		t.Run(name("ordered", ordered), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill, l.Tenant.InOrder, l.Tenant.PageSize = 9*lab.Days, ordered, 5
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-9*lab.Days).Add(time.Hour), lab.Start, 5*time.Hour)
				bad := func(page entra.Page) entra.Page {
					for i := range 4 {
						raw := []byte(`{"id":"bad-` + string(rune('a'+i)) + `"}`)
						rec, err := logs.ParseRecord(lab.Stream, raw)
						require.Error(l, err)
						page.Records = append(page.Records, entra.Parsed{Record: rec, Err: err})
					}
					return page
				}
				u := &lab.Unruly{Forgetful: l.Tenant, Before: func(q entra.Query) []entra.Page {
					return []entra.Page{bad(entra.Page{Date: time.Now(), Form: q.Form}), {Date: time.Now()},
						bad(entra.Page{Date: time.Now()})}
				}}
				age(l, u)
				require.LessOrEqual(l, atTruth(l, lab.Stream, lab.Start.Add(-9*lab.Days)), 1)
				p := l.Progress(lab.Stream)
				require.EqualValues(l, 4, p.Quarantined)
			})
		})
	}
}
