//go:build soak

package verify_test

import (
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/verify"
)

// TestSoakAMonthOfRecordsOneBitOneRow: in a month of 200,000 records one bit is flipped, one row
// deleted, one inserted.
func TestSoakAMonthOfRecordsOneBitOneRow(t *testing.T) {
	began := time.Now()
	tn, store, heads, service := lab.SealedArchive(t, 200_000, 29*24*time.Hour)
	t.Logf("archived and sealed in %s", time.Since(began).Round(time.Second))

	table, flipped := lab.Row(t, tn, service, 17_777)
	flipped.Properties["Record"].(aztables.EDMBinary)[20] ^= 1
	put(t, table, flipped)
	table, deleted := lab.Row(t, tn, service, 111_111)
	_, err := table.DeleteEntity(t.Context(), deleted.PartitionKey, deleted.RowKey, nil)
	require.NoError(t, err)
	table, inserted := lab.Row(t, tn, service, 160_000)
	raw := lab.Record(lab.Stream, "id-forged", lab.Start.Sub(lab.TimeOf(lab.Stream, tn.Records[lab.Stream][160_000])),
		"forged")
	sum := entra.HashOf([]byte(raw))
	inserted.RowKey = inserted.RowKey[:29] + "id-forged"
	inserted.Properties["Record"], inserted.Properties["Hash"], inserted.Properties["Codec"] = aztables.EDMBinary(raw),
		aztables.EDMBinary(sum[:]), "none"
	put(t, table, inserted)

	began = time.Now()
	findings, records := lab.Verify(t, store, heads)
	t.Logf("%d records verified in %s", records, time.Since(began).Round(time.Second))
	named := make(map[string]verify.Difference)
	for _, f := range lab.Tampering(findings) {
		named[f.Row] = f.Difference
	}
	require.Equal(t, map[string]verify.Difference{
		flipped.RowKey: verify.DiffAltered, deleted.RowKey: verify.DiffRemoved, inserted.RowKey: verify.DiffAdded,
	}, named)
	require.EqualValues(t, 200_000, records)
}
