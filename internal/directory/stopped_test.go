package directory_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/snapshot"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// told is when a process is told to stop: within one of the calls that it makes to the tenant and
// to the storage account.
type told struct {
	mu   sync.Mutex
	left int // calls until then
	stop context.CancelFunc
}

// call tells whether a call is carried out.
func (c *told) call(ctx context.Context) error {
	c.mu.Lock()
	c.left--
	if c.left == 0 {
		c.stop()
	}
	c.mu.Unlock()
	return ctx.Err()
}

// after has a process told to stop within its nth call.
func (c *told) after(ctx context.Context, n int) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, c.stop = context.WithCancel(ctx)
	c.left = n
	return ctx
}

// toldSource is the tenant as a process that is told to stop sees it.
type toldSource struct {
	snapshots.Source
	*told
}

func (s toldSource) Now(ctx context.Context) (time.Time, error) {
	if err := s.call(ctx); err != nil {
		return time.Time{}, err
	}
	return s.Source.Now(ctx)
}

func (s toldSource) Objects(ctx context.Context, q collections.Query, link string) (collections.Page, error) {
	if err := s.call(ctx); err != nil {
		return collections.Page{}, fmt.Errorf("read %s from Graph: %w", q.Collection.Word, err)
	}
	return s.Source.Objects(ctx, q, link)
}

func (s toldSource) Count(ctx context.Context, q collections.Query) (int64, error) {
	if err := s.call(ctx); err != nil {
		return 0, err
	}
	return s.Source.Count(ctx, q)
}

// toldWire is the connection of such a process to the storage account.
type toldWire struct {
	http.RoundTripper
	*told
}

func (w toldWire) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := w.call(req.Context()); err != nil {
		return nil, err
	}
	return w.RoundTripper.RoundTrip(req)
}

// newStopped is a night whose processes can be told to stop.
func newStopped(t *testing.T) (*night, *told) {
	account, calls := memstorage.New(nil), &told{}
	n := newNightOn(t, tables.Config{ConnectionString: account.ConnectionString(), HTTP: account.Client()})
	store, err := tablestest.New(tables.Config{ConnectionString: account.ConnectionString(),
		HTTP: &http.Client{Transport: toldWire{account.Client().Transport, calls}}})
	require.NoError(t, err)
	n.from, n.into = toldSource{n.source, calls}, store
	return n, calls
}

// requireUnharmed checks that no snapshot says that it failed.
func (n *night) requireUnharmed() {
	n.Helper()
	snaps, err := n.store.Snapshots(n.Context(), 10)
	require.NoError(n, err)
	if len(snaps) == 0 {
		return // none was begun
	}
	said := n.shown()
	require.Contains(n, []string{"reading", "whole"}, said.Status)
	require.Empty(n, said.LastError)
	require.Nil(n, said.LastFailure)
}

// TestAStopIsNoFailureOfTheSnapshot whichever call it comes in. The run is handed over if it made a
// step; a run that could do nothing fails, and the row says nothing of that.
func TestAStopIsNoFailureOfTheSnapshot(t *testing.T) {
	t.Parallel()
	const calls = 60
	for at := 1; at <= calls; at++ {
		subtest(t, fmt.Sprint(at), func(t *testing.T) {
			n, told := newStopped(t)
			ctx := told.after(n.Context(), at)
			result, err := n.fireUntil(ctx, 0)
			require.Error(t, ctx.Err(), "a run makes so many calls")
			n.requireUnharmed()
			stepped := false
			if snaps, reading := n.store.Snapshots(n.Context(), 1); len(snaps) > 0 {
				require.NoError(t, reading)
				first := directory.Phase(collections.Users)
				stepped = snaps[0].Phase != first || snaps[0].Link != ""
			}
			if stepped {
				require.NoError(t, err)
				require.True(t, result.HandedOver)
			} else {
				require.Equal(t, entra.CodeUnavailable, entra.CodeOf(err))
				require.ErrorContains(t, err, "stopped before it could do anything")
				require.ErrorContains(t, err, "the next run goes on")
			}
			told.after(n.Context(), 0)
			summary, err := n.fire(5 * time.Minute)
			require.NoError(t, err)
			require.Contains(t, summary, "is whole: 50 users")
			n.requireUnharmed()
		})
	}
}

// TestAStopAfterTheRunsTimeIsNoFailureOfTheSnapshot: what then ends the run is the end of its time.
func TestAStopAfterTheRunsTimeIsNoFailureOfTheSnapshot(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		ctx, stop := context.WithCancel(n.Context())
		from := n.from
		n.from = pages{from, func(ctx context.Context, _ collections.Query, _ string) (collections.Page, error) {
			page, err := hung(ctx)
			stop()
			return page, err
		}}
		_, err := n.fireUntil(ctx, 0)
		require.ErrorContains(t, err, "stopped before it could do anything")
		n.requireUnharmed()
	})
}

// TestWhatFailsBesideAStopIsTheSnapshotsFailure, in its own words alone.
func TestWhatFailsBesideAStopIsTheSnapshotsFailure(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		ctx, stop := context.WithCancel(n.Context())
		broken := &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read users from Graph", Why: "the answer is cut"}
		n.from = pages{n.from, func(ctx context.Context, _ collections.Query, _ string) (collections.Page, error) {
			stop()
			return collections.Page{}, errors.Join(fmt.Errorf("wait for a turn: %w", ctx.Err()), broken)
		}}
		_, err := n.fireUntil(ctx, 0)
		require.EqualError(t, err, broken.Error())
		require.Equal(t, broken.Error(), n.shown().LastError)
		require.Equal(t, "failing", n.shown().Status)
	})
}

// TestASnapshotThatStandsStillBecauseEachRunIsStoppedFailsTheTimer as any other that stands still.
func TestASnapshotThatStandsStillBecauseEachRunIsStoppedFailsTheTimer(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.begin()
		stops := func(after time.Duration) error {
			ctx, stop := context.WithCancel(n.Context())
			n.from = pages{n.source, func(ctx context.Context, _ collections.Query, _ string) (collections.Page,
				error) {
				stop()
				return hung(ctx)
			}}
			_, err := n.fireUntil(ctx, after)
			return err
		}
		for _, after := range []time.Duration{10 * time.Minute, time.Hour} {
			require.ErrorContains(t, stops(after), "stopped before it could do anything")
			require.NotEqual(t, "stalled", n.shown().Status)
		}
		err := stops(alertAfter + 10*time.Minute)
		require.Equal(t, entra.CodeBehind, entra.CodeOf(err))
		require.ErrorContains(t, err, noStep)
		require.ErrorContains(t, err, "the last run was stopped before its end, because its process ended")
		require.Equal(t, "stalled", n.shown().Status)
		require.Equal(t, err.Error(), n.shown().LastError)
	})
}

// TestASnapshotByHandThatIsStoppedGoesOnWithItsLink as a collection does.
func TestASnapshotByHandThatIsStoppedGoesOnWithItsLink(t *testing.T) {
	for _, at := range []int{1, 2, 6, 20} {
		subtest(t, fmt.Sprint(at), func(t *testing.T) {
			n, told := newStopped(t)
			host, err := web.Serve(slog.New(slog.DiscardHandler), "",
				snapshot.New(snapshot.Config{Snapshotter: n.snapshotter(),
					Reader: n.reader, Jobs: n.store, Now: n.tenant.Now, Slice: time.Minute}))
			require.NoError(t, err)
			ask := func(ctx context.Context, method, path string) *httptest.ResponseRecorder {
				w := httptest.NewRecorder()
				host.ServeHTTP(w, httptest.NewRequest(method, path, nil).WithContext(ctx))
				return w
			}
			ctx := told.after(n.Context(), at)
			w := ask(ctx, http.MethodPost, "/api/snapshot")
			require.Error(t, ctx.Err(), "it was stopped")
			n.requireUnharmed()
			if at <= 2 { // nothing was begun
				require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s", w.Body)
				require.Contains(t, w.Body.String(), "ask again")
				return
			}
			require.Equal(t, http.StatusAccepted, w.Code, "%s", w.Body)
			require.Contains(t, w.Body.String(), `"status":"running"`)
			job, err := url.Parse(w.Header().Get("Location"))
			require.NoError(t, err)

			ctx = told.after(n.Context(), 4) // the next slice is stopped, too
			w = ask(ctx, http.MethodGet, job.Path)
			require.Equal(t, http.StatusAccepted, w.Code, "%s", w.Body)
			told.after(n.Context(), 0)
			w = ask(n.Context(), http.MethodGet, job.Path)
			require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
			require.Contains(t, w.Body.String(), `"status":"whole"`)
			n.requireUnharmed()
		})
	}
}
