package entra_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

// TestAnErrorLosesTheAddressOfItsRequest: an address may hold names and signatures.
func TestAnErrorLosesTheAddressOfItsRequest(t *testing.T) {
	inner := &url.Error{Op: "parse", URL: "https://proxy/?sig=inner", Err: context.DeadlineExceeded}
	err := fmt.Errorf("body: %w", &url.Error{Op: "Get", URL: "https://x/users(alice)?sig=outer", Err: inner})
	require.EqualError(t, entra.WithoutAddress(err), "Get: parse: context deadline exceeded")
	require.ErrorIs(t, entra.WithoutAddress(err), context.DeadlineExceeded)
	other := errors.New("other")
	require.Equal(t, other, entra.WithoutAddress(other))
	require.NoError(t, entra.WithoutAddress(nil))
}
