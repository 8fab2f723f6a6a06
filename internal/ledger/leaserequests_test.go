package ledger_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// TestALeaseRequestForAnEarlierOwnerIsIgnored: the sender of that request had its turn, or ended.
func TestALeaseRequestForAnEarlierOwnerIsIgnored(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start.Add(time.Hour), 10*time.Minute)
		require.NoError(l, l.Store.RequestLease(l.Context(), lab.Stream, ledger.Execution{ID: "gone", Work: "purge"}))
		time.Sleep(3 * time.Second)
		next := l.Start(l.Store, l.Slowly(20, 2*time.Second), 0, 8*time.Minute)
		<-next.Done
		require.NoError(l, next.Err)
		require.False(l, next.Report.Streams[0].Yielded)
		require.True(l, next.Report.Finished)
	})
}

// TestARunThatLostAStreamBeforeItsFirstCommitIsNotFinished: it has read nothing of what it was to
// read, though nothing is left to backfill. A job continues.
func TestARunThatLostAStreamBeforeItsFirstCommitIsNotFinished(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start.Add(lab.Days), 10*time.Minute)
		_, err := l.Run()
		require.NoError(l, err)
		time.Sleep(time.Hour)
		store, w := l.Process()
		var (
			once   sync.Once
			second *lab.Background
		)
		w.Before = func(r *memstorage.Request) {
			if r.IsWrite() && r.Tables()[0] == "coverage" {
				once.Do(func() {
					second = l.Start(l.Store, l.Tenant, 0, 8*time.Minute)
					<-second.Done
				})
			}
		}
		first := l.Start(store, l.Tenant, 0, 8*time.Minute)
		<-first.Done
		require.NoError(l, second.Err)
		require.True(l, second.Report.Finished)
		require.NoError(l, first.Err)
		require.True(l, first.Report.Streams[0].Overtaken)
		require.Equal(l, second.By, first.Report.Streams[0].By)
		require.False(l, first.Report.Finished)
	})
}

// TestAPurgeAndAnIndexWaitOnWhereAnotherIsQuicker: between their check and their first commit
// another execution acquires the lease.
func TestAPurgeAndAnIndexWaitOnWhereAnotherIsQuicker(t *testing.T) {
	purge := func(l *lab.Lab, store *tablestest.Store) error {
		months, err := purge.New(store, store, l.Heads, purge.Retention{Default: purge.LeastRetention}).Run(l.Context(),
			lab.Execution(), lab.Stream, time.Now())
		require.NotEmpty(l, months)
		return err
	}
	index := func(l *lab.Lab, store *tablestest.Store) error {
		report, err := derive.Update(l.Context(), store, lab.Execution(), lab.Stream, false,
			time.Now().Add(8*time.Minute))
		require.Positive(l, report.Days)
		require.False(l, report.Left)
		return err
	}
	for name, work := range map[string]func(*lab.Lab, *tablestest.Store) error{"purge": purge, "index": index} {
		t.Run(name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), time.Hour)
				_, err := l.Run()
				require.NoError(l, err)
				time.Sleep(20 * lab.Days)
				_, err = l.Run()
				require.NoError(l, err)
				time.Sleep(40 * lab.Days)
				store, w := l.Process()
				var (
					once    sync.Once
					quicker *lab.Background
				)
				w.Before = func(r *memstorage.Request) {
					if r.IsWrite() && r.Tables()[0] == "coverage" {
						once.Do(func() {
							quicker = l.Start(l.Store, l.Slowly(5, 3*time.Second), 0, 8*time.Minute)
							time.Sleep(10 * time.Second)
							require.Equal(l, quicker.By.ID, l.Lease().ID)
						})
					}
				}
				require.NoError(l, work(l, store))
				<-quicker.Done
			})
		})
	}
}
