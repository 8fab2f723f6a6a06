package collect_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// cause is something that keeps a stream from moving.
type stalling struct {
	name    string
	prepare func(l *lab.Lab)                   // before each run; nil: nothing
	tenant  func(l *lab.Lab, f *lab.Forgetful) // what is wrong with the tenant; nil: nothing
	atOnce  bool                               // every run fails, not only the first after a while
	borne   bool                               // not before it has lasted an hour
	code    entra.Code
	words   []string
}

func refused(code entra.Code, why string) func(*lab.Lab, *lab.Forgetful) {
	return func(_ *lab.Lab, f *lab.Forgetful) {
		f.Fails = func(entra.Stream) error {
			return &entra.Error{Code: code, Doing: "read signIns from Graph", Why: why}
		}
	}
}

var stallings = []stalling{
	{name: "another execution has the stream all the time", prepare: lab.HoldIt, code: entra.CodeBehind,
		words: []string{"keep up with signIns.interactiveUser", "no run has made a step since 2026-11-21T14:35:00Z",
			"reindex has the stream (execution forty-two)"}},
	{name: "no page comes within the budget", tenant: func(_ *lab.Lab, f *lab.Forgetful) { f.PageTakes = time.Hour },
		code: entra.CodeBehind,
		words: []string{"keep up with signIns.interactiveUser", "no run has made a step since",
			"the last run's time was over before its first step", "context deadline exceeded"}},
	{name: "the newest hours of an unordered stream are never drained", code: entra.CodeBehind,
		tenant: func(_ *lab.Lab, f *lab.Forgetful) { f.InOrder, f.PageSize, f.PageTakes = false, 1, 50*time.Second },
		words:  []string{"keep up with signIns.interactiveUser", "the last run's time was over before its first step"}},
	{name: "all records bear one time, and the budget ends before they are read", code: entra.CodeBehind,
		tenant: func(l *lab.Lab, f *lab.Forgetful) {
			f.Records[lab.Stream] = nil
			for i := range 300 {
				f.Add(lab.Stream, fmt.Sprint("same-", i), lab.Start, "")
			}
			f.PageSize, f.PageTakes = 20, 10*time.Second
		},
		words: []string{"keep up with signIns.interactiveUser", "the last run's time was over before its first step"}},
	{name: "the token is refused", tenant: refused(entra.CodeToken, "Entra refuses the app a token (AADSTS7000222)"),
		atOnce: true, code: entra.CodeToken,
		words: []string{"read signIns from Graph", "AADSTS7000222"}},
	{name: "the licence is gone", tenant: refused(entra.CodeLicence, "the tenant has no P1"), atOnce: true, borne: true,
		code: entra.CodeLicence, words: []string{"the tenant has no P1"}},
	{name: "Graph throttles for ever", tenant: refused(entra.CodeThrottled, "Graph answers 429"), atOnce: true,
		code: entra.CodeThrottled, words: []string{"Graph answers 429"}},
	{name: "Graph is down", tenant: refused(entra.CodeUnavailable, "Graph answers 503"), atOnce: true,
		code: entra.CodeUnavailable, words: []string{"Graph answers 503"}},
	{name: "the pages go round in circles", atOnce: true, code: entra.CodeBrokenAnswer,
		tenant: func(_ *lab.Lab, f *lab.Forgetful) {
			f.Fails = func(entra.Stream) error {
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
			lab.In(t, func(l *lab.Lab) { c.stall(l) })
		})
	}
}

func (c stalling) stall(l *lab.Lab) {
	l.Options.AlertAfter, l.Options.Backfill = lab.Alert, 5*time.Hour
	l.Tenant.Fill(lab.Stream, lab.Start.Add(-5*time.Hour), lab.Start.Add(lab.Days), 4*time.Minute)
	l.Runs(5*time.Minute, lab.Start.Add(6*time.Minute))
	moved := l.Progress(lab.Stream)
	f := *l.Tenant
	f.Records = map[entra.Stream][]entra.Record{lab.Stream: append([]entra.Record{}, l.Tenant.Records[lab.Stream]...)}
	if c.tenant != nil {
		c.tenant(l, &f)
	}
	begun := time.Now()
	failed := time.Duration(-1) // how long after the last step a run failed first
	for n := 0; time.Since(lab.Start) < lab.Alert+time.Hour; n++ {
		if c.prepare != nil {
			c.prepare(l)
		}
		_, err := l.Collector(l.Store, &f).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream}, 20*time.Second)
		p := l.Progress(lab.Stream)
		stands := time.Since(moved.SteppedAt)
		if c.borne && time.Since(begun) < time.Hour {
			require.NoError(l, err, "a refusal in a row of good answers may be a slip")
			require.Equal(l, begun.Unix(), p.RefusedSince.Unix())
			require.Contains(l, l.Logged.String(), c.words[0])
		} else if c.atOnce || stands > lab.Alert {
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
	require.Equal(l, c.atOnce, failed < lab.Alert)
	recovers(l)
}

func (c stalling) check(l *lab.Lab, err error, p ledger.Progress) {
	require.Equal(l, c.code, entra.CodeOf(err), "%v", err)
	for _, words := range c.words {
		require.ErrorContains(l, err, words)
	}
	require.Equal(l, ledger.StatusFailing, p.Status(time.Now(), lab.Alert))
	if c.prepare != nil {
		// A run without the lease does not write the stream's row: later requests answer it by
		// themselves.
		require.ErrorContains(l, p.Stalled(time.Now(), lab.Alert, nil), c.words[0])
		return
	}
	for _, words := range c.words {
		require.Contains(l, p.LastError, words)
	}
	require.Equal(l, c.code, p.LastErrorCode)
}

// recovers: with the cause gone, the next run reads everything, and all is green again.
func recovers(l *lab.Lab) {
	time.Sleep(3 * time.Minute)
	_, err := l.Run()
	require.NoError(l, err)
	p := l.Progress(lab.Stream)
	require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), lab.Alert))
	require.NoError(l, p.Stalled(time.Now(), lab.Alert, nil))
	time.Sleep(11 * time.Minute)
	_, err = l.Run()
	require.NoError(l, err)
}

// TestABackfillThatMakesNoStepFailsTheTimer while the newest hours are read as ever.
func TestABackfillThatMakesNoStepFailsTheTimer(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.AlertAfter = lab.Alert
		l.Tenant.InOrder, l.Tenant.PageSize = false, 10
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start, 20*time.Minute)
		l.Tenant.Fill(lab.Stream, lab.Start, lab.Start.Add(lab.Days), 4*time.Minute)
		var last error
		for time.Since(lab.Start) < lab.Alert+40*time.Minute {
			l.Tenant.PageTakes = 2 * time.Second
			_, last = l.Collector(l.Store, l.Tenant).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
				15*time.Second)
			p := l.Progress(lab.Stream)
			require.WithinDuration(l, time.Now(), p.Watermark, 10*time.Minute, "the newest hours are read")
			if time.Since(p.BackfilledAt) < lab.Alert {
				require.NoError(l, last)
			}
			time.Sleep(30 * time.Minute)
		}
		require.Equal(l, entra.CodeBehind, entra.CodeOf(last))
		require.ErrorContains(l, last, "read the past of signIns.interactiveUser: no run has made a step since")
		p := l.Progress(lab.Stream)
		require.True(l, p.Backfilling())
		require.Equal(l, ledger.StatusFailing, p.Status(time.Now(), lab.Alert))
		require.Contains(l, p.LastError, "read the past of")
		l.Tenant.PageTakes = 0
		recovers(l)
	})
}

// TestAStreamWithoutProgressDelaysNoOther: the timer's error names the one, and the others are
// read.
func TestAStreamWithoutProgressDelaysNoOther(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.AlertAfter, l.Options.Backfill = lab.Alert, 5*time.Hour
		for _, s := range []entra.Stream{lab.Stream, lab.Other} {
			l.Tenant.Fill(s, lab.Start.Add(-5*time.Hour), lab.Start.Add(lab.Days), 4*time.Minute)
		}
		l.Runs(5*time.Minute, lab.Start.Add(6*time.Minute), lab.Stream, lab.Other)
		for time.Since(lab.Start) < lab.Alert+20*time.Minute {
			lab.HoldIt(l)
			_, err := l.Collector(l.Store, l.Tenant).Run(l.Context(), lab.Execution(),
				[]entra.Stream{lab.Stream, lab.Other},
				20*time.Second)
			if time.Since(lab.Start) > lab.Alert+10*time.Minute {
				require.ErrorContains(l, err, "1 of 2 streams failed: keep up with signIns.interactiveUser")
			}
			time.Sleep(10 * time.Minute)
		}
		p := l.Progress(lab.Other)
		require.WithinDuration(l, time.Now(), p.Watermark, 20*time.Minute)
		require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), lab.Alert))
	})
}

func TestNothingToReadYetIsNoWarning(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.AlertAfter = lab.Alert
		for range 5 { // a tenant without a record, and runs that find nothing new
			_, err := l.Run(lab.Stream, lab.Other)
			require.NoError(l, err)
			time.Sleep(20 * time.Second)
		}
		l.Runs(time.Hour, lab.Start.Add(10*time.Hour))
		require.NotContains(l, l.Logged.String(), "level=WARN")
		require.NotContains(l, l.Logged.String(), "level=ERROR")
	})
}
