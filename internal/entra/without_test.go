package entra_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

func TestAnErrorWithoutItsCancelledPartsIsWhatFailedByItself(t *testing.T) {
	tampered := &entra.Error{Code: entra.CodeTampered, Doing: "read row x", Why: "somebody changed it"}
	refused := errors.New("refused")
	cut := fmt.Errorf("read y: %w", context.Canceled)
	for name, c := range map[string]struct {
		err  error
		left string // empty: nothing
	}{
		"nothing":         {nil, ""},
		"a stop":          {context.Canceled, ""},
		"a stop in words": {fmt.Errorf("run: %w", cut), ""},
		"several stops": {errors.Join(cut,
			fmt.Errorf("z: %w", errors.Join(cut, context.Canceled))), ""},
		"a call that was stopped on the way": {&net.OpError{Op: "dial", Net: "tcp", Err: cut}, ""},
		"a failure":                          {refused, "refused"},
		"a failure in words":                 {fmt.Errorf("run: %w", refused), "run: refused"},
		"a deadline, which is not meant":     {context.DeadlineExceeded, "context deadline exceeded"},
		"a failure beside stops":             {errors.Join(cut, refused, context.Canceled), "refused"},
		"two failures beside a stop": {errors.Join(refused, cut, tampered),
			"refused\nread row x: somebody changed it"},
		"a failure beside a stop, in words": {fmt.Errorf("run: %w", errors.Join(cut, refused)), "run: refused"},
		"in words that end otherwise":       {fmt.Errorf("%w (of run 3)", errors.Join(cut, refused)), "refused"},
		"failures alone": {errors.Join(refused, tampered),
			"refused\nread row x: somebody changed it"},
		"a finding that a stop led to": {&entra.Error{Code: entra.CodeBehind, Doing: "keep up with x",
			Why: "no step for 3h", Err: cut},
			"keep up with x: no step for 3h"},
	} {
		t.Run(name, func(t *testing.T) {
			left := entra.Without(c.err, context.Canceled)
			if c.left == "" {
				require.NoError(t, left)
				return
			}
			require.EqualError(t, left, c.left)
		})
	}
	left := entra.Without(fmt.Errorf("run: %w", errors.Join(cut, tampered)), context.Canceled)
	require.Equal(t, entra.CodeTampered, entra.CodeOf(left))
	require.NotErrorIs(t, left, context.Canceled)
	require.NoError(t, entra.Without(errors.Join(cut, context.DeadlineExceeded), context.Canceled,
		context.DeadlineExceeded))
}
