package streams_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
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

func TestStreamsThatHaveALedgerStandBehindThoseThatAreCollected(t *testing.T) {
	l := &ledgers{has: []entra.Stream{entra.DirectoryAudits, entra.Provisioning}}
	k := streams.New([]entra.Stream{entra.SignInsInteractiveUser, entra.Provisioning}, l)
	for range 3 {
		all, err := k.All(t.Context())
		require.NoError(t, err)
		require.Equal(t, []entra.Stream{entra.SignInsInteractiveUser, entra.Provisioning, entra.DirectoryAudits}, all)
	}
	require.Equal(t, 1, l.asked, "it is remembered")
	require.False(t, k.Collects(entra.DirectoryAudits))
	require.True(t, k.Collects(entra.Provisioning))
	require.Equal(t, []entra.Stream{entra.SignInsInteractiveUser, entra.Provisioning}, k.Collected())
}

func TestAStreamThatIsCollectedIsKnownWithoutARequest(t *testing.T) {
	l := &ledgers{err: errors.New("the storage account can't be reached")}
	k := streams.New([]entra.Stream{entra.Provisioning}, l)
	require.NoError(t, k.Check(t.Context(), entra.Provisioning))
	require.Zero(t, l.asked)

	require.ErrorIs(t, k.Check(t.Context(), entra.DirectoryAudits), l.err)
	l.err = nil
	err := k.Check(t.Context(), entra.DirectoryAudits)
	require.Equal(t, entra.CodeNotFound, entra.CodeOf(err), "a failure is not remembered")
	require.ErrorContains(t, err, "archived are [provisioning]")
}
