package turns_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/turns"
)

// rested is how long Yield rests after some work.
func rested(ctx context.Context, worked time.Duration) time.Duration {
	time.Sleep(worked)
	began := time.Now()
	turns.Yield(ctx)
	return time.Since(began)
}

func TestLongWorkRestsWhileShortWorkIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var process turns.Turns
		ctx, end := process.Long(t.Context())
		defer end()
		require.Zero(t, rested(ctx, time.Second), "there is nobody to give way to")
		short := process.Short()
		require.Zero(t, rested(ctx, time.Millisecond), "it has hardly begun")
		require.Equal(t, 10*time.Millisecond, rested(ctx, 9*time.Millisecond), "as long as it worked")
		require.Equal(t, 200*time.Millisecond, rested(ctx, time.Minute), "but never for long")
		_, endOther := process.Long(t.Context())
		require.Equal(t, 20*time.Millisecond, rested(ctx, 10*time.Millisecond), "two share what is left")
		endOther()
		time.AfterFunc(13*time.Millisecond, short)
		require.Equal(t, 3*time.Millisecond, rested(ctx, 10*time.Millisecond), "it goes on as soon as it may")
		require.Zero(t, rested(ctx, time.Second))
	})
}

func TestARestEndsWithItsWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var process turns.Turns
		defer process.Short()()
		working, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer stop()
		ctx, end := process.Long(working)
		defer end()
		require.Equal(t, 10*time.Millisecond, rested(ctx, 40*time.Millisecond))
		require.Zero(t, rested(t.Context(), time.Second), "what is no long work never rests")
	})
}
