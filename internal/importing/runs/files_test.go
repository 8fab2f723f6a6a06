package runs_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/dev/keptfiles"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/purge"
)

// TestAFileOfAnyOrderNeedsLittleMemory: the spool of a file that names its hours in turn is written
// in small parts.
func TestAFileOfAnyOrderNeedsLittleMemory(t *testing.T) {
	const (
		count, hours = 30_000, 500
		most         = 24 << 20
	)
	path := filepath.Join(t.TempDir(), "large.jsonl")
	f, err := os.Create(path)
	require.NoError(t, err)
	padding := strings.Repeat("x", 1000)
	for i := range count {
		at := now.Add(-time.Duration((i*7919)%hours) * time.Hour).Truncate(time.Hour).Format(time.RFC3339)
		_, err := fmt.Fprintf(f, `{"id":"a%d","activityDateTime":%q,"activityDisplayName":"%s","result":"success"}`+
			"\n",
			i, at, padding)
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	var added, largest atomic.Int64
	look := func() {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		largest.Store(max(largest.Load(), int64(m.HeapAlloc)))
	}
	r := runner(t, adder(func(_ context.Context, _ entra.Stream, _ time.Time, recs []entra.Record,
		_ entra.Origin) (arrivals.Result, error) {
		if added.Add(int64(len(recs)))%1000 < 60 {
			look()
		}
		return arrivals.Result{Added: len(recs)}, nil
	}))
	r.Memory, r.Every = 1<<20, 4<<20
	calls := 0
	ctx, die := context.WithCancel(t.Context())
	r.Now = func() time.Time {
		if calls++; calls%5000 == 0 {
			look()
		}
		if calls == count*2/3 {
			die()
		}
		return now
	}
	look()
	before := largest.Load()
	_, err = r.Import(ctx, of(path))
	require.ErrorIs(t, err, context.Canceled)
	got, err := r.Import(t.Context(), of(path))
	require.NoError(t, err)
	require.Less(t, calls, count*5/4, "the second run read on where the first one was")
	require.EqualValues(t, count, got.Added)
	require.EqualValues(t, count, added.Load())
	require.Less(t, largest.Load()-before, int64(most))
	t.Logf("a file of %d MB took %d KB of memory at most", got.Bytes>>20, (largest.Load()-before)>>10)
}

// TestHalfAFile adds what is whole and says where it ends; the whole file, later, adds the rest.
func TestHalfAFile(t *testing.T) {
	all := some(10)
	body := keptfiles.Envelopes(all)
	store, to := archive(t, purge.Retention{})
	half, err := runner(t, to).Import(t.Context(), of(write(t, "half.jsonl", body[:len(body)/2+50])))
	require.NoError(t, err)
	require.NotNil(t, half.Cut)
	require.Less(t, half.Cut.At, int64(len(body)/2+50))
	require.Equal(t, "{", string(body[half.Cut.At]))
	require.Positive(t, half.Added)
	require.False(t, half.Whole())
	whole, err := runner(t, to).Import(t.Context(), of(write(t, "whole.jsonl", body)))
	require.NoError(t, err)
	require.True(t, whole.Whole())
	require.EqualValues(t, len(all), half.Added+whole.Added)
	require.Equal(t, half.Added, whole.Present)
	require.Len(t, contents(t, store), len(all))
}
