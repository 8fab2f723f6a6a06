package tables_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// likeEachOther makes records that share what a tenant's policies put into each of its sign-ins.
func likeEachOther(t *testing.T, n int) []entra.Record {
	random := rand.New(rand.NewPCG(1, 2))
	var policies strings.Builder
	for range 24 {
		fmt.Fprintf(&policies, `{"id":"%016x%016x","result":"notApplied"},`, random.Uint64(), random.Uint64())
	}
	recs := make([]entra.Record, n)
	for i := range recs {
		recs[i] = signIn(t, fmt.Sprintf("id-%04d", i), i, policies.String())
	}
	return recs
}

func TestADictionaryShrinksRecordsAndIsReadByAnotherProcess(t *testing.T) {
	account := azuritetest.Account(t)
	store, err := tablestest.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	recs := likeEachOther(t, 100)
	w := recs[0].Window(logs.SignInsInteractiveUser)
	before, err := store.Insert(t.Context(), w, recs[:5], time.Now())
	require.NoError(t, err)
	after, err := store.Insert(t.Context(), w, recs[5:10], time.Now())
	require.NoError(t, err)
	require.InDelta(t, before.StoredBytes, after.StoredBytes, 20, "too little was seen to make one")
	_, err = store.Insert(t.Context(), w, recs[10:95], time.Now())
	require.NoError(t, err)
	after, err = store.Insert(t.Context(), w, recs[95:], time.Now())
	require.NoError(t, err)
	require.Less(t, 2*after.StoredBytes, before.StoredBytes)

	other, err := tablestest.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	current, _ := contents(t, other)
	require.Len(t, current, 100, "records with and without the dictionary")
	counted, err := other.Count(t.Context(), w)
	require.NoError(t, err)
	require.EqualValues(t, 100, counted.Records)

	again := likeEachOther(t, 101)[100:]
	more, err := other.Insert(t.Context(), w, again, time.Now())
	require.NoError(t, err)
	require.Less(t, more.StoredBytes, before.StoredBytes/10, "the other process goes on with the same dictionary")
}

func TestATamperedOrLostDictionaryIsSaidInOneLine(t *testing.T) {
	account := azuritetest.Account(t)
	store, err := tablestest.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	recs := likeEachOther(t, 80)
	w := recs[0].Window(logs.SignInsInteractiveUser)
	_, err = store.Insert(t.Context(), w, recs, time.Now())
	require.NoError(t, err)

	service, err := aztables.NewServiceClientFromConnectionString(account, nil)
	require.NoError(t, err)
	table := service.NewClient("dictionaries")
	page, err := table.NewListEntitiesPager(nil).NextPage(t.Context())
	require.NoError(t, err)
	require.Len(t, page.Entities, 1)
	var row aztables.EDMEntity
	require.NoError(t, row.UnmarshalJSON(page.Entities[0]))
	content := row.Properties["Dictionary"].(aztables.EDMBinary)
	content[100] ^= 1
	body, err := row.MarshalJSON()
	require.NoError(t, err)
	_, err = table.UpdateEntity(t.Context(), body, nil)
	require.NoError(t, err)

	readAll := func() error {
		other, err := tablestest.New(tables.Config{ConnectionString: account})
		require.NoError(t, err)
		for _, err := range other.Records(t.Context(), w) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	err = readAll()
	require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "%v", err)
	require.NotContains(t, err.Error(), "\n")

	_, err = table.DeleteEntity(t.Context(), row.PartitionKey, row.RowKey, nil)
	require.NoError(t, err)
	err = readAll()
	require.Equal(t, entra.CodeTampered, entra.CodeOf(err), "%v", err)
	require.ErrorContains(t, err, "restore")
}
