package archive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// alert is how long a stream may stand still in these tests.
const alert = 3 * time.Hour

// cause is something that keeps a stream from moving.
type stalling struct {
	name    string
	prepare func(l *lab)               // before each run; nil: nothing
	tenant  func(l *lab, f *forgetful) // what is wrong with the tenant; nil: nothing
	atOnce  bool                       // every run fails, not only the first after a while
	borne   bool                       // not before it has lasted an hour
	code    entra.Code
	words   []string
}

// holdIt takes the stream as an execution that never gives it back.
func holdIt(l *lab) {
	p, lease, err := l.store.State(l.Context(), stream)
	require.NoError(l, err)
	lease.Execution, lease.Length = archive.Execution{ID: "forty-two", Work: "reindex"}, archive.LeaseLength
	lease.Fence++
	_, err = l.store.Commit(l.Context(), lease, p, nil, nil)
	require.NoError(l, err)
}

func refused(code entra.Code, why string) func(*lab, *forgetful) {
	return func(_ *lab, f *forgetful) {
		f.fails = func(entra.Stream) error {
			return &entra.Error{Code: code, Doing: "read signIns from Graph", Why: why}
		}
	}
}

var stallings = []stalling{
	{name: "another execution has the stream all the time", prepare: holdIt, code: entra.CodeBehind,
		words: []string{"keep up with signIns.interactiveUser", "no run has made a step since 2026-11-21T14:35:00Z", "reindex has the stream (execution forty-two)"}},
	{name: "no page comes within the budget", tenant: func(_ *lab, f *forgetful) { f.pageTakes = time.Hour }, code: entra.CodeBehind,
		words: []string{"keep up with signIns.interactiveUser", "no run has made a step since", "the last run's time was over before its first step", "context deadline exceeded"}},
	{name: "the newest hours of an unordered stream are never drained", code: entra.CodeBehind,
		tenant: func(_ *lab, f *forgetful) { f.ordered, f.pageSize, f.pageTakes = false, 1, 50*time.Second },
		words:  []string{"keep up with signIns.interactiveUser", "the last run's time was over before its first step"}},
	{name: "all records bear one time, and the budget ends before they are read", code: entra.CodeBehind,
		tenant: func(l *lab, f *forgetful) {
			f.records[stream] = nil
			for i := range 300 {
				f.add(stream, fmt.Sprint("same-", i), start, "")
			}
			f.pageSize, f.pageTakes = 20, 10*time.Second
		},
		words: []string{"keep up with signIns.interactiveUser", "the last run's time was over before its first step"}},
	{name: "the token is refused", tenant: refused(entra.CodeToken, "Entra refuses the app a token (AADSTS7000222)"), atOnce: true, code: entra.CodeToken,
		words: []string{"read signIns from Graph", "AADSTS7000222"}},
	{name: "the licence is gone", tenant: refused(entra.CodeLicence, "the tenant has no P1"), atOnce: true, borne: true, code: entra.CodeLicence, words: []string{"the tenant has no P1"}},
	{name: "Graph throttles for ever", tenant: refused(entra.CodeThrottled, "Graph answers 429"), atOnce: true, code: entra.CodeThrottled, words: []string{"Graph answers 429"}},
	{name: "Graph is down", tenant: refused(entra.CodeUnavailable, "Graph answers 503"), atOnce: true, code: entra.CodeUnavailable, words: []string{"Graph answers 503"}},
	{name: "the pages go round in circles", atOnce: true, code: entra.CodeBrokenAnswer,
		tenant: func(_ *lab, f *forgetful) {
			f.fails = func(entra.Stream) error {
				return fmt.Errorf("the next link was met before: %w", entra.ErrPagingLost)
			}
		},
		words: []string{"paging from 2026-11-21T14:30:00Z was lost 3 times in a row", "the next link was met before"}},
}

// TestAStreamThatMakesNoStepFailsTheTimer, whatever the cause, and status and lastError say it in
// the same words.
func TestAStreamThatMakesNoStepFailsTheTimer(t *testing.T) {
	for _, c := range stallings {
		t.Run(c.name, func(t *testing.T) {
			inLab(t, func(l *lab) { c.stall(l) })
		})
	}
}

func (c stalling) stall(l *lab) {
	l.options.AlertAfter, l.options.Backfill = alert, 5*time.Hour
	l.tenant.fill(stream, start.Add(-5*time.Hour), start.Add(days), 4*time.Minute)
	l.runs(5*time.Minute, start.Add(6*time.Minute))
	moved := l.progress(stream)
	f := *l.tenant
	f.records = map[entra.Stream][]entra.Record{stream: append([]entra.Record{}, l.tenant.records[stream]...)}
	if c.tenant != nil {
		c.tenant(l, &f)
	}
	begun := time.Now()
	failed := time.Duration(-1) // how long after the last step a run failed first
	for n := 0; time.Since(start) < alert+time.Hour; n++ {
		if c.prepare != nil {
			c.prepare(l)
		}
		_, err := l.collector(l.store, &f).Run(l.Context(), execution(), []entra.Stream{stream}, 20*time.Second)
		p := l.progress(stream)
		stands := time.Since(moved.SteppedAt)
		if c.borne && time.Since(begun) < time.Hour {
			require.NoError(l, err, "a refusal in a row of good answers may be a slip")
			require.Equal(l, begun.Unix(), p.RefusedSince.Unix())
			require.Contains(l, l.log.String(), c.words[0])
		} else if c.atOnce || stands > alert {
			c.check(l, err, p)
		} else {
			require.NoError(l, err, "%s after the last step", stands)
			require.Equal(l, moved.LastSuccessAt, p.LastSuccessAt, "a budget's end is no success by itself")
		}
		if err != nil && failed < 0 {
			failed = stands
		}
		time.Sleep(35 * time.Minute)
	}
	require.Equal(l, c.atOnce, failed < alert)
	l.recovers()
}

func (c stalling) check(l *lab, err error, p archive.Progress) {
	require.Equal(l, c.code, entra.CodeOf(err), "%v", err)
	for _, words := range c.words {
		require.ErrorContains(l, err, words)
	}
	require.Equal(l, archive.StatusFailing, p.Status(time.Now(), alert))
	if c.prepare != nil {
		// Whoever has not the stream writes nothing to its row: what is asked later says it by
		// itself.
		require.ErrorContains(l, p.Stalled(time.Now(), alert, nil), c.words[0])
		return
	}
	for _, words := range c.words {
		require.Contains(l, p.LastError, words)
	}
	require.Equal(l, c.code, p.LastErrorCode)
}

// recovers: with the cause gone, the next run reads everything, and all is green again.
func (l *lab) recovers() {
	time.Sleep(3 * time.Minute)
	_, err := l.run()
	require.NoError(l, err)
	p := l.progress(stream)
	require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), alert))
	require.NoError(l, p.Stalled(time.Now(), alert, nil))
	time.Sleep(11 * time.Minute)
	_, err = l.run()
	require.NoError(l, err)
}

// TestABackfillThatMakesNoStepFailsTheTimer while the newest hours are read as ever.
func TestABackfillThatMakesNoStepFailsTheTimer(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.AlertAfter = alert
		l.tenant.ordered, l.tenant.pageSize = false, 10
		l.tenant.fill(stream, start.Add(-2*days), start, 20*time.Minute)
		l.tenant.fill(stream, start, start.Add(days), 4*time.Minute)
		var last error
		for time.Since(start) < alert+40*time.Minute {
			l.tenant.pageTakes = 2 * time.Second
			_, last = l.collector(l.store, l.tenant).Run(l.Context(), execution(), []entra.Stream{stream}, 15*time.Second)
			p := l.progress(stream)
			require.WithinDuration(l, time.Now(), p.Watermark, 10*time.Minute, "the newest hours are read")
			if time.Since(p.BackfilledAt) < alert {
				require.NoError(l, last)
			}
			time.Sleep(30 * time.Minute)
		}
		require.Equal(l, entra.CodeBehind, entra.CodeOf(last))
		require.ErrorContains(l, last, "read the past of signIns.interactiveUser: no run has made a step since")
		p := l.progress(stream)
		require.True(l, p.Backfilling())
		require.Equal(l, archive.StatusFailing, p.Status(time.Now(), alert))
		require.Contains(l, p.LastError, "read the past of")
		l.tenant.pageTakes = 0
		l.recovers()
	})
}

// TestAStreamThatStandsStillHoldsUpNoOther: the timer's error names the one, and the others are
// read.
func TestAStreamThatStandsStillHoldsUpNoOther(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.AlertAfter, l.options.Backfill = alert, 5*time.Hour
		for _, s := range []entra.Stream{stream, other} {
			l.tenant.fill(s, start.Add(-5*time.Hour), start.Add(days), 4*time.Minute)
		}
		l.runs(5*time.Minute, start.Add(6*time.Minute), stream, other)
		for time.Since(start) < alert+20*time.Minute {
			holdIt(l)
			_, err := l.collector(l.store, l.tenant).Run(l.Context(), execution(), []entra.Stream{stream, other}, 20*time.Second)
			if time.Since(start) > alert+10*time.Minute {
				require.ErrorContains(l, err, "1 of 2 streams failed: keep up with signIns.interactiveUser")
			}
			time.Sleep(10 * time.Minute)
		}
		p := l.progress(other)
		require.WithinDuration(l, time.Now(), p.Watermark, 20*time.Minute)
		require.Equal(l, archive.StatusCurrent, p.Status(time.Now(), alert))
	})
}

func TestNothingToReadYetIsNoWarning(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.AlertAfter = alert
		for range 5 { // a tenant without a record, and runs that find nothing new
			_, err := l.run(stream, other)
			require.NoError(l, err)
			time.Sleep(20 * time.Second)
		}
		l.runs(time.Hour, start.Add(10*time.Hour))
		require.NotContains(l, l.log.String(), "level=WARN")
		require.NotContains(l, l.log.String(), "level=ERROR")
	})
}
