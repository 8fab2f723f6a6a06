package parallel_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/parallel"
)

var errOwn = errors.New("its own error")

// endings are the ways in which work ends, and the code of what is told of each.
var endings = map[string]struct {
	work func() error
	want func(*testing.T, error)
}{
	"done":       {func() error { return nil }, func(t *testing.T, err error) { require.NoError(t, err) }},
	"an error":   {func() error { return errOwn }, func(t *testing.T, err error) { require.Equal(t, errOwn, err) }},
	"a panic":    {func() error { panic("secret") }, isFault},
	"panic(nil)": {func() error { panic(nil) }, isFault}, //nolint:govet // what somebody may write
	"an index":   {func() error { var none []int; return errors.New(string(rune(none[len(none)]))) }, isFault},
}

func isFault(t *testing.T, err error) {
	require.Equal(t, entra.CodeInternal, entra.CodeOf(err))
	require.NotContains(t, err.Error(), "secret", "a caller does not see the cause")
}

func TestHoweverWorkEndsItsEndIsTold(t *testing.T) {
	for name, c := range endings {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			parallel.Start(c.work, func(err error) { ended <- err })
			c.want(t, <-ended)
		})
		t.Run(name+", later", func(t *testing.T) {
			value, err := parallel.Later(func() (int, error) { return 7, c.work() })()
			c.want(t, err)
			if err == nil {
				require.Equal(t, 7, value)
			}
		})
		t.Run(name+", in a group", func(t *testing.T) {
			group, ctx := parallel.WithContext(context.Background())
			group.Go(c.work)
			group.Go(func() error { return nil })
			c.want(t, group.Wait())
			require.Error(t, ctx.Err(), "others of the group are told to end")
		})
	}
}

func TestOneFaultLeavesTheRestOfAGroup(t *testing.T) {
	group := parallel.New()
	group.SetLimit(2)
	done := make(chan int, 20)
	for i := range 20 {
		group.Go(func() error {
			if i%2 == 0 {
				panic(i)
			}
			done <- i
			return nil
		})
	}
	isFault(t, group.Wait())
	require.Len(t, done, 10)
}
