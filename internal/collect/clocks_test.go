package collect_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// TestADateOfGraphThatIsWrongMovesNothing: a Date of 40 days ahead once marked everything as read
// up to there.
func TestADateOfGraphThatIsWrongMovesNothing(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-5*lab.Days), lab.Start.Add(2*lab.Days), 10*time.Minute)
		l.Runs(5*time.Minute, lab.Start.Add(15*time.Minute))
		l.Graph = 40 * lab.Days
		report, err := l.Run()
		require.NoError(l, err)
		require.WithinDuration(l, time.Now(), report.Now, time.Second, "the other two clocks decide")
		require.Contains(l, l.Logged.String(), "Microsoft Graph's clock says 2026-12-31T")
		p := l.Progress(lab.Stream)
		require.False(l, p.Watermark.After(time.Now()), "%s", p.Watermark)
		require.False(l, p.SealedTo.After(time.Now()))
		l.Graph = 0
		l.Runs(5*time.Minute, lab.Start.Add(time.Hour))
		require.WithinDuration(l, time.Now(), l.Progress(lab.Stream).Watermark, 11*time.Minute, "and reading goes on")
		l.CheckClaims(lab.Stream)
	})
}

func TestWhereNoTwoClocksAgreeTheRunFailsAndNothingMoves(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), 10*time.Minute)
		_, err := l.Run()
		require.NoError(l, err)
		before := l.Progress(lab.Stream)
		time.Sleep(time.Hour)
		for _, off := range [][3]time.Duration{{40 * lab.Days, -time.Hour, 0},
			{0, 20 * time.Minute, -20 * time.Minute}} {
			l.Graph, l.Storage, l.Machine = off[0], off[1], off[2]
			pages := l.Tenant.Served.Load()
			_, err = l.Run()
			require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
			require.ErrorContains(l, err, "no two of three clocks agree")
			require.Equal(l, pages, l.Tenant.Served.Load(), "Graph is asked for nothing")
			require.Equal(l, before, l.Progress(lab.Stream))
		}
		l.Graph, l.Storage, l.Machine = 0, 0, 0
		_, err = l.Run()
		require.NoError(l, err)
	})
}

// TestAWatermarkAheadOfNowIsAnErrorAndNothingThatCameSinceIsMissed: an archive that a wrong clock
// has marked already.
func TestAWatermarkAheadOfNowIsAnErrorAndNothingThatCameSinceIsMissed(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-3*lab.Days), lab.Start.Add(3*lab.Days), 10*time.Minute)
		l.Runs(5*time.Minute, lab.Start.Add(15*time.Minute))
		p := l.Progress(lab.Stream)
		p.Watermark = p.Watermark.Add(40 * lab.Days)
		l.Write(p)
		time.Sleep(6 * time.Hour)
		_, err := l.Run()
		require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
		require.ErrorContains(l, err, "a clock was wrong")
		p = l.Progress(lab.Stream)
		require.Equal(l, ledger.StatusFailing, p.Status(time.Now(), 0))
		require.Contains(l, p.LastError, "the mark is set back to")
		require.False(l, p.Watermark.After(time.Now()))
		l.Runs(5*time.Minute, time.Now().Add(10*time.Minute))
		p = l.Progress(lab.Stream)
		require.Equal(l, ledger.StatusCurrent, p.Status(time.Now(), 0))
		whole := 0
		for _, cov := range l.Hours(lab.Stream) {
			if cov.Whole() && cov.Start.After(lab.Start) {
				whole++
			}
		}
		require.Equal(l, 5, whole, "the hours since are read after all")
		l.CheckClaims(lab.Stream)
	})
}

// TestMachinesWhoseClocksDifferByMinutesWorkAsOne: each instance has its own.
func TestMachinesWhoseClocksDifferByMinutesWorkAsOne(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(2*lab.Days), 10*time.Minute)
		for i, now := 0, lab.Start; now.Before(lab.Start.Add(9 * time.Hour)); i, now = i+1, now.Add(20*time.Minute) {
			l.Until(now)
			l.Machine = []time.Duration{0, 4 * time.Minute, -4 * time.Minute, -3 * time.Minute}[i%4]
			l.Storage = []time.Duration{0, 2 * time.Minute}[i%2]
			_, err := l.Run()
			require.NoError(l, err)
		}
		p := l.Progress(lab.Stream)
		require.WithinDuration(l, time.Now(), p.Watermark, 31*time.Minute)
		require.Empty(l, p.Suspects)
		require.Zero(l, p.Doubts)
		l.CheckClaims(lab.Stream)
		lab.CheckLedger(l.T, l.Store, lab.Stream)
		require.NotContains(l, l.Logged.String(), "level=WARN", "minutes are nothing to warn of")
	})
}
