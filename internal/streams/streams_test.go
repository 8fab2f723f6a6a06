package streams_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/streams"
)

// ledgers counts how often it is asked.
type ledgers struct {
	has   []entra.Stream
	err   error
	asked int
}

func (l *ledgers) Archived(context.Context) ([]entra.Stream, error) {
	l.asked++
	return l.has, l.err
}

func TestStreamsWithALedgerFollowThoseThatAreCollected(t *testing.T) {
	l := &ledgers{has: []entra.Stream{logs.DirectoryAudits, logs.Provisioning}}
	k := streams.New([]entra.Stream{logs.SignInsInteractiveUser, logs.Provisioning}, l)
	for range 3 {
		all, err := k.All(t.Context())
		require.NoError(t, err)
		require.Equal(t, []entra.Stream{logs.SignInsInteractiveUser, logs.Provisioning, logs.DirectoryAudits}, all)
	}
	require.Equal(t, 1, l.asked, "it is remembered")
	require.False(t, k.Collects(logs.DirectoryAudits))
	require.True(t, k.Collects(logs.Provisioning))
	require.Equal(t, []entra.Stream{logs.SignInsInteractiveUser, logs.Provisioning}, k.Collected())
}

func TestAStreamThatIsCollectedIsKnownWithoutARequest(t *testing.T) {
	l := &ledgers{err: errors.New("the storage account can't be reached")}
	k := streams.New([]entra.Stream{logs.Provisioning}, l)
	require.NoError(t, k.Check(t.Context(), logs.Provisioning))
	require.Zero(t, l.asked)

	require.ErrorIs(t, k.Check(t.Context(), logs.DirectoryAudits), l.err)
	l.err = nil
	err := k.Check(t.Context(), logs.DirectoryAudits)
	require.Equal(t, entra.CodeNotFound, entra.CodeOf(err), "a failure is not remembered")
	require.ErrorContains(t, err, "archived are [provisioning]")
}
