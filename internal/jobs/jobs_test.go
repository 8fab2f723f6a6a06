package jobs_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

type state struct{ To, At int }

func newRunner(t *testing.T) *jobs.Runner[state] {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	return &jobs.Runner[state]{Kind: "count", Store: store, Now: time.Now, Slice: time.Minute,
		Work: func(_ context.Context, s state) (state, bool, error) {
			s.At++
			return s, s.At >= s.To, nil
		}}
}

func TestAJobThatIsShortNeedsNoRow(t *testing.T) {
	r := newRunner(t)
	job, s, err := r.Start(t.Context(), state{To: 1})
	require.NoError(t, err)
	require.True(t, job.Done)
	require.Equal(t, 1, s.At)
	_, _, err = r.Continue(t.Context(), job.ID)
	require.Equal(t, entra.CodeNotFound, entra.CodeOf(err))
	_, _, err = r.Continue(t.Context(), "no/such?job")
	require.Equal(t, entra.CodeNotFound, entra.CodeOf(err))
}

func TestALongJobGoesOnWithEachRequest(t *testing.T) {
	r := newRunner(t)
	job, _, err := r.Start(t.Context(), state{To: 4})
	require.NoError(t, err)
	for at := 2; at <= 4; at++ {
		require.False(t, job.Done)
		var s state
		job, s, err = r.Continue(t.Context(), job.ID)
		require.NoError(t, err)
		require.Equal(t, at, s.At)
	}
	require.True(t, job.Done)
	_, s, err := r.Continue(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, 4, s.At, "what is done stays done")
}

func TestASliceIsDoneByOneRequestOnly(t *testing.T) {
	r := newRunner(t)
	job, _, err := r.Start(t.Context(), state{To: 100})
	require.NoError(t, err)
	var (
		working, most atomic.Int32
		group         sync.WaitGroup
		slow          = *r
	)
	slow.Work = func(_ context.Context, s state) (state, bool, error) {
		most.Store(max(most.Load(), working.Add(1)))
		defer working.Add(-1)
		s.At++
		return s, false, nil
	}
	for range 8 {
		group.Go(func() {
			_, _, err := slow.Continue(t.Context(), job.ID)
			require.NoError(t, err)
		})
	}
	group.Wait()
	require.EqualValues(t, 1, most.Load())
}

func TestASliceThatFailsLeavesTheJobAsItWas(t *testing.T) {
	r := newRunner(t)
	job, _, err := r.Start(t.Context(), state{To: 3})
	require.NoError(t, err)
	broken := *r
	broken.Work = func(_ context.Context, s state) (state, bool, error) { return s, false, errors.New("no") }
	_, _, err = broken.Continue(t.Context(), job.ID)
	require.ErrorContains(t, err, "no")
	_, s, err := r.Continue(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, 2, s.At, "another request may try at once")
}

// found is a state whose parts are shared by copies of it.
type found struct {
	At     int
	Counts map[string]int
	Named  []string
}

// TestASliceThatIsCutLeavesTheJobAsItWas also where the work had changed what the state refers to:
// the next slice would count it twice.
func TestASliceThatIsCutLeavesTheJobAsItWas(t *testing.T) {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	cut := false
	ctx, end := context.WithCancel(t.Context())
	r := &jobs.Runner[found]{Kind: "count", Store: store, Now: time.Now, Slice: time.Minute,
		Work: func(ctx context.Context, s found) (found, bool, error) {
			s.Counts["differs"]++
			s.Named[0] += "; likewise"
			if cut {
				end()
				return s, false, ctx.Err()
			}
			s.At++
			return s, s.At == 2, nil
		}}
	job, _, err := r.Start(ctx, found{Counts: map[string]int{}, Named: []string{"row 1"}})
	require.NoError(t, err)
	before, err := store.Job(t.Context(), "count", job.ID)
	require.NoError(t, err)
	cut = true
	_, _, err = r.Continue(ctx, job.ID)
	require.ErrorIs(t, err, context.Canceled)
	after, err := store.Job(t.Context(), "count", job.ID)
	require.NoError(t, err)
	require.JSONEq(t, string(before.State), string(after.State))
	require.False(t, after.Done)
	require.True(t, after.WorkingUntil.Before(time.Now()), "another request may try at once")
	cut = false
	_, s, err := r.Continue(t.Context(), job.ID)
	require.NoError(t, err)
	require.Equal(t, found{At: 2, Counts: map[string]int{"differs": 2}, Named: []string{"row 1; likewise; likewise"}},
		s)
}

// TestASliceWhoseTimeIsOverAsksItsCallerToComeAgain; what failed by itself keeps its words.
func TestASliceWhoseTimeIsOverAsksItsCallerToComeAgain(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		code entra.Code
	}{
		"late": {context.DeadlineExceeded, entra.CodeUnavailable},
		"refused and late": {errors.Join(&entra.Error{Code: entra.CodePermission, Doing: "read x"},
			context.DeadlineExceeded), entra.CodePermission},
		"not foreseen and late": {errors.Join(errors.New("no"), context.DeadlineExceeded), entra.CodeInternal},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRunner(t)
			r.Slice = -time.Hour // it is over at once
			r.Work = func(ctx context.Context, s state) (state, bool, error) {
				<-ctx.Done()
				return s, false, c.err
			}
			_, _, err := r.Start(t.Context(), state{To: 1})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, c.code, entra.CodeOf(err))
		})
	}
}
