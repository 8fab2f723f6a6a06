package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func TestASecondExecutionWaitsAndThenDoesItsWork(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-20*time.Hour), lab.Start.Add(time.Hour), 10*time.Minute)
		l.Options.Backfill = lab.Days
		l.Tenant.InOrder = false // it has to be drained: the owner can't yield before
		first := l.Start(l.Store, l.Slowly(10, 10*time.Second), 0, 8*time.Minute)
		time.Sleep(15 * time.Second)
		require.Equal(l, first.By.ID, l.Lease().ID)
		second := l.Start(l.Store, l.Tenant, 0, 8*time.Minute)
		time.Sleep(5 * time.Second)
		require.Equal(l, first.By.ID, l.Lease().ID, "two have not the stream at once")
		wish, err := l.Store.LatestRequest(l.Context(), lab.Stream)
		require.NoError(l, err)
		require.Equal(l, second.By, wish.Execution, "whoever waits says so")
		<-first.Done
		<-second.Done
		require.NoError(l, first.Err)
		require.NoError(l, second.Err)
		require.False(l, second.Report.Streams[0].Overtaken)
		require.True(l, second.Report.Finished)
		require.Less(l, second.Ended.Sub(first.Ended), 10*time.Second)
		require.Equal(l, second.By.ID, l.Progress(lab.Stream).Run)
		lab.CheckLedger(l.T, l.Store, lab.Stream)
		l.CheckClaims(lab.Stream)
	})
}

func TestAnExecutionWhoseTimeIsOverSaysWhoHasTheStream(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-20*time.Hour), lab.Start.Add(time.Hour), 10*time.Minute)
		l.Tenant.InOrder, l.Options.Backfill = false, lab.Days
		first := l.Start(l.Store, l.Slowly(10, 20*time.Second), 0, 8*time.Minute)
		time.Sleep(50 * time.Second)
		second := l.Start(l.Store, l.Tenant, 0, 20*time.Second)
		<-second.Done
		require.NoError(l, second.Err, "it is no failure by itself")
		s := second.Report.Streams[0]
		require.True(l, s.Overtaken)
		require.Equal(l, first.By, s.By, "the executions are told from each other")
		require.NotEqual(l, first.By.ID, second.By.ID)
		require.False(l, second.Report.Finished)
		_, err := purge.New(l.Store, l.Store, nil, purge.Retention{Default: purge.LeastRetention}).Plan(l.Context(),
			lab.Stream,
			time.Now())
		require.NoError(l, err, "who only looks waits for nobody")
		<-first.Done
		require.NoError(l, first.Err)
	})
}

func TestAnOwnerYieldsAtItsNextPageWhenAnotherExecutionRequestsTheLease(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(time.Hour), 5*time.Minute)
		first := l.Start(l.Store, l.Slowly(50, 10*time.Second), 0, 20*time.Minute)
		time.Sleep(35 * time.Second)
		asked := time.Now()
		second := l.Start(l.Store, l.Tenant, 0, 8*time.Minute)
		<-first.Done
		require.NoError(l, first.Err)
		require.True(l, first.Report.Streams[0].Yielded)
		require.False(l, first.Report.Finished)
		require.Less(l, first.Ended.Sub(asked), 25*time.Second, "a look, and the page under way")
		<-second.Done
		require.NoError(l, second.Err)
		require.True(l, second.Report.Finished, "it goes on where the first one stood")
		require.False(l, l.Lease().Held())
		lab.CheckLedger(l.T, l.Store, lab.Stream)
		l.CheckClaims(lab.Stream)
	})
}

// TestALeaseThatIsNotReleasedIsAcquiredWhenItExpires, by the storage service's clock alone: the
// machines' and the storage service's are minutes apart.
func TestALeaseThatIsNotReleasedIsAcquiredWhenItExpires(t *testing.T) {
	for _, off := range [][3]time.Duration{{}, {4 * time.Minute, -4 * time.Minute, 0},
		{-4 * time.Minute, 4 * time.Minute, time.Minute}, {-3 * time.Minute, -3 * time.Minute, 3 * time.Minute}} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Storage = off[2]
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-15*time.Hour), lab.Start.Add(time.Hour), 10*time.Minute)
				store, w := l.Process()
				w.DiesAt, w.Stored = 12, true
				dead := l.Start(store, l.Slowly(20, 10*time.Second), off[0], 8*time.Minute)
				<-dead.Done
				held := l.Lease()
				require.True(l, held.Held())
				require.Equal(l, dead.By.ID, held.ID)
				require.Equal(l, ledger.LeaseLength, held.Length)
				time.Sleep(ledger.LeaseLength - held.Age - 10*time.Second)
				early := l.Start(l.Store, l.Tenant, off[1], time.Second)
				<-early.Done
				require.NoError(l, early.Err)
				require.True(l, early.Report.Streams[0].Overtaken, "not before its end")
				next := l.Start(l.Store, l.Tenant, off[1], 8*time.Minute)
				time.Sleep(15 * time.Second)
				synctest.Wait()
				require.Equal(l, next.By.ID, l.Lease().ID, "two minutes after it was renewed last somebody else has it")
				<-next.Done
				require.NoError(l, next.Err)
				require.Greater(l, l.Lease().Fence, held.Fence)
				time.Sleep(11 * time.Minute)
				_, err := l.Run()
				require.NoError(l, err)
				lab.CheckLedger(l.T, l.Store, lab.Stream)
				l.CheckClaims(lab.Stream)
			})
		})
	}
}

// TestAnOwnerThatWasFrozenCommitsNothingAfterItLostTheLease: its connection hangs for longer than
// its lease.
func TestAnOwnerThatWasFrozenCommitsNothingAfterItLostTheLease(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-15*time.Hour), lab.Start.Add(time.Hour), 10*time.Minute)
		store, w := l.Process()
		var once sync.Once
		commits := 0
		w.Before = func(r *memstorage.Request) {
			if r.IsWrite() && r.Tables()[0] == "coverage" {
				if commits++; commits == 5 {
					once.Do(func() { time.Sleep(50 * time.Second); time.Sleep(ledger.LeaseLength) })
				}
			}
		}
		first := l.Start(store, l.Slowly(20, time.Second), 0, 8*time.Minute)
		time.Sleep(ledger.LeaseLength + 15*time.Second)
		second := l.Start(l.Store, l.Tenant, 0, 30*time.Second)
		<-second.Done
		require.NoError(l, second.Err)
		require.True(l, second.Report.Finished)
		after := l.Progress(lab.Stream)
		<-first.Done
		require.NoError(l, first.Err)
		require.True(l, first.Report.Streams[0].Overtaken)
		require.Equal(l, second.By, first.Report.Streams[0].By)
		require.Equal(l, after, l.Progress(lab.Stream), "no commit of the first one's was made")
		time.Sleep(11 * time.Minute)
		_, err := l.Run()
		require.NoError(l, err)
		lab.CheckLedger(l.T, l.Store, lab.Stream)
		l.CheckClaims(lab.Stream)
	})
}

func TestACommitUnderALeaseThatIsLostIsRefused(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start.Add(lab.Days), time.Hour)
		_, err := l.Run()
		require.NoError(l, err)
		p, lease, err := l.Store.State(l.Context(), lab.Stream)
		require.NoError(l, err)
		_, err = l.Store.Commit(l.Context(), lease, p, nil, nil) // another execution acquires the lease
		require.NoError(l, err)
		after := l.Progress(lab.Stream)
		for _, late := range []func() error{
			func() error { _, err := l.Store.Commit(l.Context(), lease, p, nil, nil); return err },
			func() error {
				cov := l.Hours(lab.Stream)[entra.FloorHour(lab.Start.Add(-3*time.Hour))]
				cov.Records = 99
				_, err := l.Store.Commit(l.Context(), lease, p, []ledger.Coverage{cov}, nil)
				return err
			},
		} {
			require.ErrorIs(l, late(), ledger.ErrMoved)
			require.Equal(l, after, l.Progress(lab.Stream))
		}
		lab.CheckLedger(l.T, l.Store, lab.Stream)
	})
}

// TestAPurgeAndACollectorTellEachOtherApart: each says what the other does.
func TestAPurgeAndACollectorTellEachOtherApart(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), time.Hour)
		_, err := l.Run()
		require.NoError(l, err)
		p, lease, err := l.Store.State(l.Context(), lab.Stream)
		require.NoError(l, err)
		lease.Execution, lease.Length = ledger.Execution{ID: "seven", Work: "purge"}, ledger.LeaseLength
		lease.Fence++
		_, err = l.Store.Commit(l.Context(), lease, p, nil, nil)
		require.NoError(l, err)
		waiting, stop := context.WithTimeout(l.Context(), 10*time.Second)
		defer stop()
		_, err = derive.Update(waiting, l.Store, lab.Execution(), lab.Stream, true, time.Now().Add(10*time.Second))
		require.NoError(l, err, "nothing is sealed, so nobody waits")
		report, err := l.Collector(l.Store, l.Tenant).Run(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
			5*time.Second)
		require.NoError(l, err)
		require.Equal(l, ledger.Execution{ID: "seven", Work: "purge"}, report.Streams[0].By)
		held := &ledger.Held{Stream: lab.Stream, By: l.Lease()}
		require.Equal(l, entra.CodeConflict, entra.CodeOf(held))
		require.EqualError(l, held,
			"work on signIns.interactiveUser: purge has it (execution seven, holder "+fmt.Sprint(lease.Fence)+
				"); nothing is lost: it goes on where that one ends; a holder that died gives way after two minutes")
		require.False(l, errors.Is(held, ledger.ErrMoved))
	})
}

// unheard carries out the first commit, or not, and ends the process's work before the answer
// comes.
type unheard struct {
	*tablestest.Store
	stored bool
	end    func()
}

func (u *unheard) Commit(ctx context.Context, l ledger.Lease, p ledger.Progress, rows []ledger.Coverage,
	seals []seal.Seal) (ledger.Progress, error) {
	if u.end == nil {
		return u.Store.Commit(ctx, l, p, rows, seals)
	}
	if u.stored {
		if _, err := u.Store.Commit(ctx, l, p, rows, seals); err != nil {
			return p, err
		}
	}
	u.end()
	u.end = nil
	return p, ctx.Err()
}

// TestWorkThatIsStoppedAtItsFirstCommitLeavesTheStreamFree: the next run need not wait for the end
// of a lease.
func TestWorkThatIsStoppedAtItsFirstCommitLeavesTheStreamFree(t *testing.T) {
	for _, stored := range []bool{true, false} {
		t.Run(fmt.Sprintf("stored %v", stored), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), time.Hour)
				_, err := l.Run()
				require.NoError(l, err)
				time.Sleep(20 * lab.Days)
				_, err = l.Run()
				require.NoError(l, err)
				ctx, end := context.WithCancel(l.Context())
				before := l.Lease().Fence
				_, err = derive.Update(ctx, &unheard{Store: l.Store, stored: stored, end: end}, lab.Execution(),
					lab.Stream,
					false, time.Now().Add(time.Minute))
				require.ErrorIs(l, err, context.Canceled)
				require.Equal(l, before+1, l.Lease().Fence)
				require.False(l, l.Lease().Held())
				report, err := derive.Update(l.Context(), l.Store, lab.Execution(), lab.Stream, false,
					time.Now().Add(time.Second))
				require.NoError(l, err)
				require.Positive(l, report.Days)
				require.False(l, report.Left)
				lab.CheckLedger(l.T, l.Store, lab.Stream)
			})
		})
	}
}
