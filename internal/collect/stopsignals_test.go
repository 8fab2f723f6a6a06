package collect_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// stoppedWire is the connection of a process that receives a stop signal during one of its
// requests.
type stoppedWire struct {
	lab.Wire
	at      int           // the request
	after   time.Duration // the delay until the stop
	carried bool          // it is executed all the same
	stop    context.CancelFunc

	counting sync.Mutex
	asked    int
}

func (w *stoppedWire) RoundTrip(req *http.Request) (*http.Response, error) {
	w.counting.Lock()
	w.asked++
	now := w.asked == w.at
	w.counting.Unlock()
	if !now {
		if err := req.Context().Err(); err != nil {
			return nil, err
		}
		return w.Wire.RoundTrip(req)
	}
	time.Sleep(w.after)
	if w.carried {
		_, _ = w.Wire.RoundTrip(req) // its answer is not heard
	}
	w.stop()
	return nil, context.Canceled
}

// TestAStopIsNeverTheStreamsFailure whichever request it comes in, and also where the run's time
// was over before.
func TestAStopIsNeverTheStreamsFailure(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, carried := range []bool{false, true} {
			t.Run(fmt.Sprintf("its time is over %v, the request is carried out %v", late, carried), func(t *testing.T) {
				for at := 1; at <= 38; at++ {
					t.Run(fmt.Sprint(at), func(t *testing.T) {
						lab.In(t, func(l *lab.Lab) { stoppedAt(l, at, late, carried) })
					})
				}
			})
		}
	}
}

func stoppedAt(l *lab.Lab, at int, late, carried bool) {
	const short = 10 * time.Second
	after := time.Duration(0)
	if late {
		after = 2 * short
	}
	l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), 10*time.Minute)
	_, err := l.Run()
	require.NoError(l, err)
	time.Sleep(4 * time.Hour)
	before := l.Progress(lab.Stream)
	ctx, stop := context.WithCancel(l.Context())
	defer stop()
	w := &stoppedWire{Wire: lab.Wire{Service: l.Service}, at: at, after: after, carried: carried, stop: stop}
	store, err := tablestest.New(tables.Config{ConnectionString: l.Service.ConnectionString(),
		HTTP: &http.Client{Transport: w}})
	require.NoError(l, err)
	report, err := l.Collector(store, l.Tenant).Run(ctx, lab.Execution(), []entra.Stream{lab.Stream}, short)
	require.Error(l, ctx.Err(), "the run makes so many requests")
	require.NoError(l, err)
	require.False(l, report.Finished)
	p := l.Progress(lab.Stream)
	require.Equal(l, before.LastError, p.LastError)
	require.NotEqual(l, ledger.StatusFailing, p.Status(time.Now(), 0))
	require.NotContains(l, l.Logged.String(), "level=ERROR")
	require.False(l, l.Lease().Held(), "given back")
	if report.Stepped() {
		require.True(l, p.Watermark.After(before.Watermark) || p.Passed != before.Passed || p.Records > before.Records,
			"something was kept")
	}
	time.Sleep(ledger.LateWrites)
	report, err = l.Run()
	require.NoError(l, err)
	require.True(l, report.Stepped())
	lab.CheckLedger(l.T, l.Store, lab.Stream)
}

// TestWhatFailsBesideAStopIsTheStreamsFailure, in its own words alone.
func TestWhatFailsBesideAStopIsTheStreamsFailure(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), 10*time.Minute)
		_, err := l.Run()
		require.NoError(l, err)
		time.Sleep(time.Hour)
		ctx, stop := context.WithCancel(l.Context())
		l.Tenant.Fails = func(entra.Stream) error {
			stop()
			return errors.Join(fmt.Errorf("wait for a turn: %w", ctx.Err()),
				&entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read signIns from Graph", Why: "the answer is cut"})
		}
		_, err = l.Collector(l.Store, l.Tenant).Run(ctx, lab.Execution(), []entra.Stream{lab.Stream}, lab.Budget)
		require.Equal(l, entra.CodeBrokenAnswer, entra.CodeOf(err), "%v", err)
		require.NotContains(l, err.Error(), "canceled")
		p := l.Progress(lab.Stream)
		require.Equal(l, "read signIns from Graph: the answer is cut", p.LastError)
		require.Equal(l, ledger.StatusFailing, p.Status(time.Now(), 0))
	})
}

// TestAStreamWithoutProgressBecauseEachRunIsStoppedFailsTheTimer like any other stream without
// progress.
func TestAStreamWithoutProgressBecauseEachRunIsStoppedFailsTheTimer(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.AlertAfter = lab.Alert
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), 10*time.Minute)
		_, err := l.Run()
		require.NoError(l, err)
		stops := func() (collect.Report, error) {
			ctx, stop := context.WithCancel(l.Context())
			l.Tenant.Fails = func(entra.Stream) error {
				stop()
				return ctx.Err()
			}
			return l.Collector(l.Store, l.Tenant).Run(ctx, lab.Execution(), []entra.Stream{lab.Stream}, lab.Budget)
		}
		for since := time.Now(); time.Since(since) < lab.Alert; time.Sleep(35 * time.Minute) {
			report, err := stops()
			require.NoError(l, err)
			require.False(l, report.Stepped())
		}
		_, err = stops()
		require.Equal(l, entra.CodeBehind, entra.CodeOf(err))
		require.ErrorContains(l, err, "no run has made a step since")
		require.ErrorContains(l, err, "the last run was stopped before its first step, because its process ended")
		require.Error(l, entra.Without(err, context.Canceled), "that it stands still is more than its cause")
	})
}
