package archive_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestRefusalsFailRunsOnlyWhenTheyLast, of a stream that had good answers.
func TestRefusalsFailRunsOnlyWhenTheyLast(t *testing.T) {
	for i, code := range []entra.Code{entra.CodeLicence, entra.CodePermission, entra.CodeRefused, entra.CodeNotFound} {
		s := kinds()[i%2] // one with two forms, one without
		t.Run(name(code, s), func(t *testing.T) {
			inLab(t, func(l *lab) { l.bears(code, s) })
		})
	}
}

func (l *lab) bears(code entra.Code, s entra.Stream) {
	l.options.Backfill = days
	l.tenant.fill(s, start.Add(-days), start.Add(3*days), time.Hour)
	l.tenant.fill(other, start.Add(-days), start.Add(3*days), time.Hour)
	no := answer{err: &entra.Error{Code: code, Doing: "read", Why: "Graph says no"}}
	u := &unruly{forgetful: l.tenant, answer: func(_ int, q entra.Query) answer {
		if q.Stream == s {
			return no
		}
		return answer{}
	}}
	_, err := l.runOf(u, 8*time.Minute, s, other)
	require.Equal(l, code, entra.CodeOf(err), "a stream that was never read fails at once")
	require.ErrorContains(l, err, "1 of 2 streams failed")
	p := l.progress(other)
	require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), 0), "the other one is read")

	refuse := u.answer
	u.answer = nil
	time.Sleep(5 * time.Minute)
	l.runsOf(u, 1, s, other)
	for n := range 100 { // one run of 50 is refused
		if u.answer = nil; n%50 == 20 {
			u.answer = refuse
		}
		_, err := l.runOf(u, 8*time.Minute, s, other)
		require.NoError(l, err)
		p := l.progress(s)
		require.Equal(l, n%50 == 20, !p.RefusedSince.IsZero())
		require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), 0))
		time.Sleep(5 * time.Minute)
	}
	// Good pages, then a refusal, in every run: the newest minutes are read, their pass is refused.
	u.answer = func(_ int, q entra.Query) answer {
		if q.Stream == s && q.To.Sub(q.From) >= time.Hour {
			return no
		}
		return answer{}
	}
	time.Sleep(2 * time.Hour)
	l.lasts(u, s, code)
	u.answer = nil
	l.runsOf(u, 1, s, other)
	u.answer = refuse
	l.lasts(u, s, code)
	u.answer = nil
	l.runsOf(u, 2, s, other)
	require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), 0))
	p = l.progress(s)
	require.Zero(l, p.RefusedSince)
	time.Sleep(4 * time.Hour)
	l.runsOf(u, 3, s, other)
	l.atTruth(s, start.Add(-days).Add(time.Hour))
}

// lasts lets refusals last for two hours: for 59 minutes no run fails, then every one does.
func (l *lab) lasts(u *unruly, s entra.Stream, code entra.Code) {
	l.Helper()
	var since time.Time
	failed := 0
	for begun := time.Now(); time.Since(begun) < 2*time.Hour; time.Sleep(7 * time.Minute) {
		_, err := l.runOf(u, 8*time.Minute, s, other)
		p := l.progress(s)
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
			require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), 0))
			continue
		}
		if err == nil && len(logs.Of(s).Forms) > 1 {
			require.NotZero(l, p.PoorSince) // the poorer form is read
			continue
		}
		failed++
		require.Equal(l, code, entra.CodeOf(err))
		require.ErrorContains(l, err, "1 of 2 streams failed: read: Graph says no")
		require.Equal(l, archive.StatusFailing, p.Status(time.Now(), 0))
		require.Contains(l, p.LastError, "Graph says no")
	}
	require.Positive(l, failed)
	p := l.progress(other)
	require.WithinDuration(l, time.Now(), p.Watermark, 15*time.Minute, "the other stream goes on")
}

// TestAWalkOfEmptyPagesEnds, and tells nothing by itself.
func TestAWalkOfEmptyPagesEnds(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		t.Run(name("ordered", ordered), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Backfill, l.tenant.keeps, l.tenant.ordered = 20*days, 60*days, ordered
				l.tenant.pageSize = 2
				l.tenant.fill(stream, start.Add(-19*days), start, 5*time.Hour)
				n := 0
				u := &unruly{forgetful: l.tenant, answer: func(_ int, q entra.Query) answer {
					if n++; n <= 2 { // the newest hours, and the first walk through the past
						return answer{hides: func(int, entra.Record) bool { return true }}
					}
					return answer{}
				}}
				l.age(u)
				require.LessOrEqual(l, l.atTruth(stream, start.Add(-20*days)), 1)
			})
		})
	}
}

// TestPagesOfBadRecordsGoToQuarantine, and the hours around them are what they are.
func TestPagesOfBadRecordsGoToQuarantine(t *testing.T) {
	for _, ordered := range []bool{true, false} {
		t.Run(name("ordered", ordered), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Backfill, l.tenant.ordered, l.tenant.pageSize = 9*days, ordered, 5
				l.tenant.fill(stream, start.Add(-9*days).Add(time.Hour), start, 5*time.Hour)
				bad := func(page entra.Page) entra.Page {
					for i := range 4 {
						raw := []byte(`{"id":"bad-` + string(rune('a'+i)) + `"}`)
						rec, err := logs.ParseRecord(stream, raw)
						require.Error(l, err)
						page.Records = append(page.Records, entra.Parsed{Record: rec, Err: err})
					}
					return page
				}
				u := &unruly{forgetful: l.tenant, before: func(q entra.Query) []entra.Page {
					return []entra.Page{bad(entra.Page{Date: time.Now(), Form: q.Form}), {Date: time.Now()}, bad(entra.Page{Date: time.Now()})}
				}}
				l.age(u)
				require.LessOrEqual(l, l.atTruth(stream, start.Add(-9*days)), 1)
				p := l.progress(stream)
				require.EqualValues(l, 4, p.Quarantined)
			})
		})
	}
}
