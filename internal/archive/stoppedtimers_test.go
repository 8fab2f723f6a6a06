package archive_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/archivelogs"
	"github.com/entraledger/entraledger/functions/indexarchive"
	"github.com/entraledger/entraledger/functions/purgearchive"
	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// requireHandedOver checks that a timer's run ended well although it was stopped.
func requireHandedOver(l *lab, summary string, result web.Result, err error) {
	l.Helper()
	require.NoError(l, err)
	require.True(l, result.HandedOver)
	require.Contains(l, result.Summary, summary)
}

// requireNothingDone checks that it failed, because it was stopped before it could do anything.
func requireNothingDone(l *lab, function string, result web.Result, err error) {
	l.Helper()
	require.False(l, result.HandedOver)
	require.Equal(l, entra.CodeUnavailable, entra.CodeOf(err))
	require.ErrorContains(l, err, "run "+function+": it was stopped before it could do anything")
	require.ErrorContains(l, err, "the next run goes on")
}

// requireDone checks that the run after it did the rest.
func requireDone(l *lab, summary string, result web.Result, err error) {
	l.Helper()
	require.NoError(l, err)
	require.False(l, result.HandedOver)
	require.Contains(l, result.Summary, summary)
}

func TestAStoppedRunOfArchivelogsIsHandedOverOnlyAfterAStepAndNotBehind(t *testing.T) {
	for name, c := range map[string]struct {
		page  int           // that the stop comes in
		alert time.Duration // ARCHIVE_ALERT_AFTER
		check func(*lab, web.Result, error)
	}{
		"at the first page": {1, 24 * time.Hour, func(l *lab, r web.Result, err error) { requireNothingDone(l, "archivelogs", r, err) }},
		"at the third page": {3, 24 * time.Hour, func(l *lab, r web.Result, err error) {
			requireHandedOver(l, "1 streams, 2 pages: 200 records fetched", r, err)
		}},
		"at the third page, and still behind": {3, 3 * time.Hour, func(l *lab, r web.Result, err error) {
			require.False(l, r.HandedOver)
			require.Equal(l, entra.CodeBehind, entra.CodeOf(err))
			require.ErrorContains(l, err, "keep up with "+string(stream))
		}},
		"at the first page, and behind": {1, 3 * time.Hour, func(l *lab, _ web.Result, err error) {
			require.Equal(l, entra.CodeBehind, entra.CodeOf(err))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Backfill, l.options.Passes = time.Hour, []time.Duration{}
				l.tenant.fill(stream, start.Add(-time.Hour), start.Add(11*time.Hour), time.Minute)
				_, err := l.run()
				require.NoError(l, err)
				time.Sleep(10 * time.Hour)
				run := func(ctx context.Context) (web.Result, error) {
					return archivelogs.New(archivelogs.Config{Preflight: func(context.Context) {}, Collector: l.collector(l.store, l.tenant),
						Streams: []entra.Stream{stream}, Budget: budget, AlertAfter: c.alert}).Timer(ctx)
				}
				ctx, stop := context.WithCancel(l.Context())
				pages := 0
				l.tenant.fails = func(entra.Stream) error {
					if pages++; pages == c.page {
						time.Sleep(time.Second) // the pages before are stored
						stop()
					}
					return ctx.Err()
				}
				result, err := run(ctx)
				c.check(l, result, err)
				l.tenant.fails = nil
				result, err = run(l.Context())
				requireDone(l, "1 streams", result, err)
			})
		})
	}
}

// stoppedIndexer is told to stop when it comes to a day.
type stoppedIndexer struct {
	*tablestest.Store
	left int // days until then
	stop context.CancelFunc
	err  error // what else is wrong with that day
}

func (s *stoppedIndexer) IndexDay(ctx context.Context, d archive.Day, state archive.IndexedDay, again bool) (int, error) {
	if s.left--; s.left < 0 {
		s.stop()
		return 0, errors.Join(ctx.Err(), s.err)
	}
	return s.Store.IndexDay(ctx, d, state, again)
}

func TestAStoppedRunOfIndexarchiveIsHandedOverOnlyAfterADay(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-2*days), start.Add(days), time.Hour)
		_, err := l.run()
		require.NoError(l, err)
		time.Sleep(20 * days)
		_, err = l.run()
		require.NoError(l, err)
		run := func(left int, failed error) (web.Result, error) {
			ctx, stop := context.WithCancel(l.Context())
			defer stop()
			store := &stoppedIndexer{l.store, left, stop, failed}
			return indexarchive.New(indexarchive.Config{Store: store, Streams: streams.New([]entra.Stream{stream}, nil), Budget: budget}).Timer(ctx)
		}
		result, err := run(0, nil)
		requireNothingDone(l, "indexarchive", result, err)
		result, err = run(2, nil)
		requireHandedOver(l, "2 days indexed", result, err)
		failed := &entra.Error{Code: entra.CodeTampered, Doing: "index a day", Why: "somebody changed the row of progress"}
		_, err = run(2, failed)
		require.EqualError(l, err, failed.Error(), "what failed by itself, alone")
		require.False(l, l.lease().Held())
		holdIt(l)
		ctx, stop := context.WithCancel(l.Context())
		time.AfterFunc(10*time.Second, stop)
		result, err = indexarchive.New(indexarchive.Config{Store: l.store, Streams: streams.New([]entra.Stream{stream}, nil), Budget: budget}).Timer(ctx)
		requireNothingDone(l, "indexarchive", result, err)
		time.Sleep(archive.LeaseLength)
		result, err = run(1000, nil)
		requireDone(l, "days indexed", result, err)
	})
}

// stoppedPurger is told to stop when it drops a month, before or after.
type stoppedPurger struct {
	*tablestest.Store
	before, after context.CancelFunc
}

func (s *stoppedPurger) DropMonth(ctx context.Context, stream entra.Stream, month time.Time) error {
	if s.before(); ctx.Err() != nil {
		return ctx.Err()
	}
	err := s.Store.DropMonth(ctx, stream, month)
	s.after()
	return err
}

func TestAStoppedRunOfPurgearchiveIsHandedOverOnlyAfterAMonth(t *testing.T) {
	inNovember(t, func(l *lab) {
		l.sealOctober()
		run := func(ctx context.Context, before, after context.CancelFunc) (web.Result, error) {
			purger := archive.NewPurger(&stoppedPurger{l.store, before, after}, l.heads, archive.Retention{Default: archive.LeastRetention})
			return purgearchive.New(purgearchive.Config{Purger: purger, Streams: streams.New([]entra.Stream{stream}, nil), Budget: budget,
				Clock: func(context.Context) (time.Time, error) { return time.Now(), nil }}).Timer(ctx)
		}
		nothing := func() {}
		ctx, stop := context.WithCancel(l.Context())
		result, err := run(ctx, stop, nothing)
		requireNothingDone(l, "purgearchive", result, err)
		require.False(l, l.lease().Held())
		ctx, stop = context.WithCancel(l.Context())
		result, err = run(ctx, nothing, stop)
		requireHandedOver(l, "dropped 2026-10 of "+string(stream), result, err)
		require.False(l, l.lease().Held())
		result, err = run(l.Context(), nothing, nothing)
		requireDone(l, "", result, err)
		require.Empty(l, l.left(october))
		// The clock is the first that is asked.
		ctx, stop = context.WithCancel(l.Context())
		stop()
		result, err = purgearchive.New(purgearchive.Config{Budget: budget, Clock: func(ctx context.Context) (time.Time, error) { return time.Time{}, ctx.Err() }}).Timer(ctx)
		requireNothingDone(l, "purgearchive", result, err)
	})
}
