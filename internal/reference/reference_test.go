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
}
