package purgearchive_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/purgearchive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// stoppedPurger receives a stop signal when it drops a month, before or after.
type stoppedPurger struct {
	*tablestest.Store
	before, after context.CancelFunc
}

func (s *stoppedPurger) DropMonth(ctx context.Context, stream entra.Stream, month time.Time) error {
	if s.before(); ctx.Err() != nil {
		return ctx.Err()
	}
	return s.Store.DropMonth(ctx, stream, month)
}

func (s *stoppedPurger) DropViews(ctx context.Context, stream entra.Stream, month time.Time) error {
	err := s.Store.DropViews(ctx, stream, month)
	s.after()
	return err
}

func TestAStoppedRunOfPurgearchiveIsHandedOverOnlyAfterAMonth(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		l.SealOctober()
		run := func(ctx context.Context, before, after context.CancelFunc) (web.Result, error) {
			store := &stoppedPurger{l.Store, before, after}
			purger := purge.New(store, store, l.Heads, purge.Retention{Default: purge.LeastRetention})
			return purgearchive.New(purgearchive.Config{Purger: purger, Streams: streams.New([]entra.Stream{lab.Stream},
				nil), Budget: lab.Budget,
				Clock: func(context.Context) (time.Time, error) { return time.Now(), nil }}).Timer(ctx)
		}
		nothing := func() {}
		ctx, stop := context.WithCancel(l.Context())
		result, err := run(ctx, stop, nothing)
		lab.RequireNothingDone(l, "purgearchive", result, err)
		require.False(l, l.Lease().Held())
		ctx, stop = context.WithCancel(l.Context())
		result, err = run(ctx, nothing, stop)
		lab.RequireHandedOver(l, "dropped 2026-10 of "+string(lab.Stream), result, err)
		require.False(l, l.Lease().Held())
		result, err = run(l.Context(), nothing, nothing)
		lab.RequireDone(l, "", result, err)
		require.Empty(l, l.Left(lab.October))
		// The clock is the first that is asked.
		ctx, stop = context.WithCancel(l.Context())
		stop()
		result, err = purgearchive.New(purgearchive.Config{Budget: lab.Budget,
			Clock: func(ctx context.Context) (time.Time, error) {
				return time.Time{}, ctx.Err()
			}}).Timer(ctx)
		lab.RequireNothingDone(l, "purgearchive", result, err)
	})
}
