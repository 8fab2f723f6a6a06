package archive_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// background is a run beside the test's own.
type background struct {
	by     archive.Execution
	report archive.Report
	err    error
	ended  time.Time
	done   chan struct{}
}

// start begins a run with the budget of a timer, with a machine's clock that is off by some time.
func (l *lab) start(store *tablestest.Store, source archive.Source, off, budget time.Duration) *background {
	b := &background{by: execution(), done: make(chan struct{})}
	c := archive.NewCollector(source, store, l.heads, l.options, func() time.Time { return time.Now().Add(off) }, l.logger())
	go func() {
		defer close(b.done)
		b.report, b.err = c.Run(l.Context(), b.by, []entra.Stream{stream}, budget)
		b.ended = time.Now()
	}()
	return b
}

// slowly is a tenant of its own over the same records: every page takes a while.
func (l *lab) slowly(pageSize int, takes time.Duration) *forgetful {
	f := *l.tenant
	f.pageSize, f.pageTakes = pageSize, takes
	return &f
}

func (l *lab) lease() archive.Lease {
	_, lease, err := l.store.State(l.Context(), stream)
	require.NoError(l, err)
	return lease
}

func TestASecondExecutionWaitsAndThenDoesItsWork(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-20*time.Hour), start.Add(time.Hour), 10*time.Minute)
		l.options.Backfill = days
		l.tenant.ordered = false // it has to be drained: the holder can't yield before
		first := l.start(l.store, l.slowly(10, 10*time.Second), 0, 8*time.Minute)
		time.Sleep(15 * time.Second)
		require.Equal(l, first.by.ID, l.lease().ID)
		second := l.start(l.store, l.tenant, 0, 8*time.Minute)
		time.Sleep(5 * time.Second)
		require.Equal(l, first.by.ID, l.lease().ID, "two have not the stream at once")
		wish, err := l.store.Wished(l.Context(), stream)
		require.NoError(l, err)
		require.Equal(l, second.by, wish.Execution, "whoever waits says so")
		<-first.done
		<-second.done
		require.NoError(l, first.err)
		require.NoError(l, second.err)
		require.False(l, second.report.Streams[0].Overtaken)
		require.True(l, second.report.Finished)
		require.Less(l, second.ended.Sub(first.ended), 10*time.Second)
		require.Equal(l, second.by.ID, l.progress(stream).Run)
		checkLedger(l.T, l.store, stream)
		l.checkClaims(stream)
	})
}

func TestAnExecutionWhoseTimeIsOverSaysWhoHasTheStream(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-20*time.Hour), start.Add(time.Hour), 10*time.Minute)
		l.tenant.ordered, l.options.Backfill = false, days
		first := l.start(l.store, l.slowly(10, 20*time.Second), 0, 8*time.Minute)
		time.Sleep(50 * time.Second)
		second := l.start(l.store, l.tenant, 0, 20*time.Second)
		<-second.done
		require.NoError(l, second.err, "it is no failure by itself")
		s := second.report.Streams[0]
		require.True(l, s.Overtaken)
		require.Equal(l, first.by, s.By, "the executions are told from each other")
		require.NotEqual(l, first.by.ID, second.by.ID)
		require.False(l, second.report.Finished)
		_, err := archive.NewPurger(l.store, nil, archive.Retention{Default: archive.LeastRetention}).Plan(l.Context(), stream, time.Now())
		require.NoError(l, err, "who only looks waits for nobody")
		<-first.done
		require.NoError(l, first.err)
	})
}

func TestAHolderYieldsAtItsNextPageWhenSomebodyWishes(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(time.Hour), 5*time.Minute)
		first := l.start(l.store, l.slowly(50, 10*time.Second), 0, 20*time.Minute)
		time.Sleep(35 * time.Second)
		asked := time.Now()
		second := l.start(l.store, l.tenant, 0, 8*time.Minute)
		<-first.done
		require.NoError(l, first.err)
		require.True(l, first.report.Streams[0].Yielded)
		require.False(l, first.report.Finished)
		require.Less(l, first.ended.Sub(asked), 25*time.Second, "a look, and the page under way")
		<-second.done
		require.NoError(l, second.err)
		require.True(l, second.report.Finished, "it goes on where the first one stood")
		require.False(l, l.lease().Held())
		checkLedger(l.T, l.store, stream)
		l.checkClaims(stream)
	})
}

// TestALeaseThatNobodyGivesBackIsTakenOverWhenItEnds, by the storage service's clock alone: the
// machines' and the storage service's are minutes apart.
func TestALeaseThatNobodyGivesBackIsTakenOverWhenItEnds(t *testing.T) {
	for _, off := range [][3]time.Duration{{}, {4 * time.Minute, -4 * time.Minute, 0}, {-4 * time.Minute, 4 * time.Minute, time.Minute}, {-3 * time.Minute, -3 * time.Minute, 3 * time.Minute}} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.storage = off[2]
				l.tenant.fill(stream, start.Add(-15*time.Hour), start.Add(time.Hour), 10*time.Minute)
				store, w := l.process()
				w.diesAt, w.stored = 12, true
				dead := l.start(store, l.slowly(20, 10*time.Second), off[0], 8*time.Minute)
				<-dead.done
				held := l.lease()
				require.True(l, held.Held())
				require.Equal(l, dead.by.ID, held.ID)
				require.Equal(l, archive.LeaseLength, held.Length)
				time.Sleep(archive.LeaseLength - held.Age - 10*time.Second)
				early := l.start(l.store, l.tenant, off[1], time.Second)
				<-early.done
				require.NoError(l, early.err)
				require.True(l, early.report.Streams[0].Overtaken, "not before its end")
				next := l.start(l.store, l.tenant, off[1], 8*time.Minute)
				time.Sleep(15 * time.Second)
				synctest.Wait()
				require.Equal(l, next.by.ID, l.lease().ID, "two minutes after it was renewed last somebody else has it")
				<-next.done
				require.NoError(l, next.err)
				require.Greater(l, l.lease().Fence, held.Fence)
				time.Sleep(11 * time.Minute)
				_, err := l.run()
				require.NoError(l, err)
				checkLedger(l.T, l.store, stream)
				l.checkClaims(stream)
			})
		})
	}
}

// TestAHolderThatStoodStillCommitsNothingAfterItLostTheStream: its connection hangs for longer than
// its lease.
func TestAHolderThatStoodStillCommitsNothingAfterItLostTheStream(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-15*time.Hour), start.Add(time.Hour), 10*time.Minute)
		store, w := l.process()
		var once sync.Once
		commits := 0
		w.before = func(r *memstorage.Request) {
			if r.IsWrite() && r.Tables()[0] == "coverage" {
				if commits++; commits == 5 {
					once.Do(func() { time.Sleep(50 * time.Second); time.Sleep(archive.LeaseLength) })
				}
			}
		}
		first := l.start(store, l.slowly(20, time.Second), 0, 8*time.Minute)
		time.Sleep(archive.LeaseLength + 15*time.Second)
		second := l.start(l.store, l.tenant, 0, 30*time.Second)
		<-second.done
		require.NoError(l, second.err)
		require.True(l, second.report.Finished)
		after := l.progress(stream)
		<-first.done
		require.NoError(l, first.err)
		require.True(l, first.report.Streams[0].Overtaken)
		require.Equal(l, second.by, first.report.Streams[0].By)
		require.Equal(l, after, l.progress(stream), "no commit of the first one's was made")
		time.Sleep(11 * time.Minute)
		_, err := l.run()
		require.NoError(l, err)
		checkLedger(l.T, l.store, stream)
		l.checkClaims(stream)
	})
}

func TestACommitUnderALeaseThatIsLostIsRefused(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-days), start.Add(days), time.Hour)
		_, err := l.run()
		require.NoError(l, err)
		p, lease, err := l.store.State(l.Context(), stream)
		require.NoError(l, err)
		_, err = l.store.Commit(l.Context(), lease, p, nil, nil) // somebody else takes the stream
		require.NoError(l, err)
		after := l.progress(stream)
		for _, late := range []func() error{
			func() error { _, err := l.store.Commit(l.Context(), lease, p, nil, nil); return err },
			func() error {
				cov := l.hours(stream)[entra.FloorHour(start.Add(-3*time.Hour))]
				cov.Records = 99
				_, err := l.store.Commit(l.Context(), lease, p, []archive.Coverage{cov}, nil)
				return err
			},
		} {
			require.ErrorIs(l, late(), archive.ErrMoved)
			require.Equal(l, after, l.progress(stream))
		}
		checkLedger(l.T, l.store, stream)
	})
}

// TestAPurgeAndACollectorTellEachOtherApart: each says what the other does.
func TestAPurgeAndACollectorTellEachOtherApart(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(days), time.Hour)
		_, err := l.run()
		require.NoError(l, err)
		p, lease, err := l.store.State(l.Context(), stream)
		require.NoError(l, err)
		lease.Execution, lease.Length = archive.Execution{ID: "seven", Work: "purge"}, archive.LeaseLength
		lease.Fence++
		_, err = l.store.Commit(l.Context(), lease, p, nil, nil)
		require.NoError(l, err)
		waiting, stop := context.WithTimeout(l.Context(), 10*time.Second)
		defer stop()
		_, err = archive.UpdateIndex(waiting, l.store, execution(), stream, true, time.Now().Add(10*time.Second))
		require.NoError(l, err, "nothing is sealed, so nobody waits")
		report, err := l.collector(l.store, l.tenant).Run(l.Context(), execution(), []entra.Stream{stream}, 5*time.Second)
		require.NoError(l, err)
		require.Equal(l, archive.Execution{ID: "seven", Work: "purge"}, report.Streams[0].By)
		held := &archive.Held{Stream: stream, By: l.lease()}
		require.Equal(l, entra.CodeConflict, entra.CodeOf(held))
		require.EqualError(l, held, "work on signIns.interactiveUser: purge has it (execution seven, holder "+fmt.Sprint(lease.Fence)+"); nothing is lost: it goes on where that one ends; a holder that died gives way after two minutes")
		require.False(l, errors.Is(held, archive.ErrMoved))
	})
}

// unheard carries out the first commit, or not, and ends the process's work before the answer
// comes.
type unheard struct {
	*tablestest.Store
	stored bool
	end    func()
}

func (u *unheard) Commit(ctx context.Context, l archive.Lease, p archive.Progress, rows []archive.Coverage, seals []seal.Seal) (archive.Progress, error) {
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
			inLab(t, func(l *lab) {
				l.tenant.fill(stream, start.Add(-2*days), start.Add(days), time.Hour)
				_, err := l.run()
				require.NoError(l, err)
				time.Sleep(20 * days)
				_, err = l.run()
				require.NoError(l, err)
				ctx, end := context.WithCancel(l.Context())
				before := l.lease().Fence
				_, err = archive.UpdateIndex(ctx, &unheard{Store: l.store, stored: stored, end: end}, execution(), stream, false, time.Now().Add(time.Minute))
				require.ErrorIs(l, err, context.Canceled)
				require.Equal(l, before+1, l.lease().Fence)
				require.False(l, l.lease().Held())
				report, err := archive.UpdateIndex(l.Context(), l.store, execution(), stream, false, time.Now().Add(time.Second))
				require.NoError(l, err)
				require.Positive(l, report.Days)
				require.False(l, report.Left)
				checkLedger(l.T, l.store, stream)
			})
		})
	}
}
