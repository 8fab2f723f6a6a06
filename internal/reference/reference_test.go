package reference_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/reference"
)

func TestTheListsAreWhole(t *testing.T) {
	activities := reference.Activities()
	require.Greater(t, len(activities), 1100)
	for _, a := range activities {
		require.NotEmpty(t, a.Service)
		require.NotEmpty(t, a.Activity)
	}
	codes, err := reference.ErrorCodes()
	require.NoError(t, err)
	require.Greater(t, len(codes), 60)
	last := -1
	for _, c := range codes {
		require.Greater(t, c.Code, last, "in order, each once")
		require.Contains(t, []string{"Success", "Interrupted", "Failure"}, c.Status, "%d", c.Code)
		require.NotEmpty(t, c.Name)
		require.NotEmpty(t, c.Meaning)
		last = c.Code
	}
}
