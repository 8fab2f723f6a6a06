package archive_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// TestAWishThatWasForAnEarlierHolderMakesNobodyYield: who wished has had its turn, or is gone.
func TestAWishThatWasForAnEarlierHolderMakesNobodyYield(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-days), start.Add(time.Hour), 10*time.Minute)
		require.NoError(l, l.store.Wish(l.Context(), stream, archive.Execution{ID: "gone", Work: "purge"}))
		time.Sleep(3 * time.Second)
		next := l.start(l.store, l.slowly(20, 2*time.Second), 0, 8*time.Minute)
		<-next.done
		require.NoError(l, next.err)
		require.False(l, next.report.Streams[0].Yielded)
		require.True(l, next.report.Finished)
	})
}

// TestARunThatLostAStreamBeforeItsFirstCommitIsNotFinished: it has read nothing of what it was to
// read, though nothing is left to backfill. A job goes on.
func TestARunThatLostAStreamBeforeItsFirstCommitIsNotFinished(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-days), start.Add(days), 10*time.Minute)
		_, err := l.run()
		require.NoError(l, err)
		time.Sleep(time.Hour)
		store, w := l.process()
		var (
			once   sync.Once
			second *background
		)
		w.before = func(r *memstorage.Request) {
			if r.IsWrite() && r.Tables()[0] == "coverage" {
				once.Do(func() {
					second = l.start(l.store, l.tenant, 0, 8*time.Minute)
					<-second.done
				})
			}
		}
		first := l.start(store, l.tenant, 0, 8*time.Minute)
		<-first.done
		require.NoError(l, second.err)
		require.True(l, second.report.Finished)
		require.NoError(l, first.err)
		require.True(l, first.report.Streams[0].Overtaken)
		require.Equal(l, second.by, first.report.Streams[0].By)
		require.False(l, first.report.Finished)
	})
}

// TestAPurgeAndAnIndexWaitOnWhereAnotherIsQuicker: between their look and their first commit
// another execution takes the stream.
func TestAPurgeAndAnIndexWaitOnWhereAnotherIsQuicker(t *testing.T) {
	purge := func(l *lab, store *tablestest.Store) error {
		months, err := archive.NewPurger(store, l.heads, archive.Retention{Default: archive.LeastRetention}).Run(l.Context(), execution(), stream, time.Now())
		require.NotEmpty(l, months)
		return err
	}
	index := func(l *lab, store *tablestest.Store) error {
		report, err := archive.UpdateIndex(l.Context(), store, execution(), stream, false, time.Now().Add(8*time.Minute))
		require.Positive(l, report.Days)
		require.False(l, report.Left)
		return err
	}
	for name, work := range map[string]func(*lab, *tablestest.Store) error{"purge": purge, "index": index} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.tenant.fill(stream, start.Add(-2*days), start.Add(days), time.Hour)
				_, err := l.run()
				require.NoError(l, err)
				time.Sleep(20 * days)
				_, err = l.run()
				require.NoError(l, err)
				time.Sleep(40 * days)
				store, w := l.process()
				var (
					once    sync.Once
					quicker *background
				)
				w.before = func(r *memstorage.Request) {
					if r.IsWrite() && r.Tables()[0] == "coverage" {
						once.Do(func() {
							quicker = l.start(l.store, l.slowly(5, 3*time.Second), 0, 8*time.Minute)
							time.Sleep(10 * time.Second)
							require.Equal(l, quicker.by.ID, l.lease().ID)
						})
					}
				}
				require.NoError(l, work(l, store))
				<-quicker.done
			})
		})
	}
}
