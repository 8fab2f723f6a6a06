package tables_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func TestStreamsWithALedgerAreFoundByAnyOfItsRows(t *testing.T) {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	got, err := store.Archived(t.Context())
	require.NoError(t, err, "there is no table yet")
	require.Empty(t, got)
	at := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	for _, s := range []entra.Stream{logs.CustomSecurityAttributeAudits, logs.SignInsInteractiveUser} {
		_, err := store.Commit(t.Context(), ledger.Lease{}, ledger.Progress{Stream: s, TailBegin: at, Watermark: at},
			nil, nil)
		require.NoError(t, err)
	}
	got, err = store.Archived(t.Context())
	require.NoError(t, err)
	require.Equal(t, []entra.Stream{logs.SignInsInteractiveUser, logs.CustomSecurityAttributeAudits}, got)
}
