package indexarchive_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/indexarchive"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// stoppedIndexer receives a stop signal when it reaches a day.
type stoppedIndexer struct {
	*tablestest.Store
	left int // days until then
	stop context.CancelFunc
	err  error // what else is wrong with that day
}

// Kept is derive.Store's.
func (s *stoppedIndexer) Kept(v derive.View) derive.Keeper { return stoppedKeeper{s.Store.Kept(v), s} }

type stoppedKeeper struct {
	derive.Keeper
	by *stoppedIndexer
}

func (k stoppedKeeper) PutRows(ctx context.Context, d derive.Draft, made []derive.Row) (derive.Together, error) {
	s := k.by
	if s.left--; s.left < 0 {
		s.stop()
		return derive.Together{}, errors.Join(ctx.Err(), s.err)
	}
	return k.Keeper.PutRows(ctx, d, made)
}

func TestAStoppedRunOfIndexarchiveIsHandedOverOnlyAfterADay(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-2*lab.Days), lab.Start.Add(lab.Days), time.Hour)
		_, err := l.Run()
		require.NoError(l, err)
		time.Sleep(20 * lab.Days)
		_, err = l.Run()
		require.NoError(l, err)
		run := func(left int, failed error) (web.Result, error) {
			ctx, stop := context.WithCancel(l.Context())
			defer stop()
			store := &stoppedIndexer{l.Store, left, stop, failed}
			return indexarchive.New(indexarchive.Config{Store: store, Streams: streams.New([]entra.Stream{lab.Stream},
				nil), Budget: lab.Budget}).Timer(ctx)
		}
		result, err := run(0, nil)
		lab.RequireNothingDone(l, "indexarchive", result, err)
		result, err = run(2, nil)
		lab.RequireHandedOver(l, "2 days indexed", result, err)
		failed := &entra.Error{Code: entra.CodeTampered, Doing: "index a day",
			Why: "somebody changed the row of progress"}
		_, err = run(2, failed)
		require.EqualError(l, err, failed.Error(), "what failed by itself, alone")
		require.False(l, l.Lease().Held())
		lab.HoldIt(l)
		ctx, stop := context.WithCancel(l.Context())
		time.AfterFunc(10*time.Second, stop)
		result, err = indexarchive.New(indexarchive.Config{Store: l.Store,
			Streams: streams.New([]entra.Stream{lab.Stream}, nil), Budget: lab.Budget}).Timer(ctx)
		lab.RequireNothingDone(l, "indexarchive", result, err)
		time.Sleep(ledger.LeaseLength)
		result, err = run(1000, nil)
		lab.RequireDone(l, "days indexed", result, err)
	})
}
