package verify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

func put(t *testing.T, table *aztables.Client, entity aztables.EDMEntity) {
	delete(entity.Properties, "Timestamp")
	body, err := entity.MarshalJSON()
	require.NoError(t, err)
	_, err = table.UpsertEntity(t.Context(), body,
		&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace})
	require.NoError(t, err)
}

// TestWhatIsDoneToASealedArchiveIsNamed by a hand that can write every table.
func TestWhatIsDoneToASealedArchiveIsNamed(t *testing.T) {
	tn, store, heads, service := lab.SealedArchive(t, 200, 72*time.Hour)
	coverage := service.NewClient("coverage")
	entry := func(n int) aztables.EDMEntity {
		got, err := coverage.GetEntity(t.Context(), string(lab.Stream), fmt.Sprintf("seal!%010d", n), nil)
		require.NoError(t, err)
		var e aztables.EDMEntity
		require.NoError(t, e.UnmarshalJSON(got.Value))
		return e
	}
	cases := []struct {
		name  string
		do    func(t *testing.T) (undo func(t *testing.T), row string)
		diffs []verify.Difference
	}{
		{"a flipped bit", func(t *testing.T) (func(*testing.T), string) {
			table, e := lab.Row(t, tn, service, 17)
			was := slices.Clone(e.Properties["Record"].(aztables.EDMBinary))
			e.Properties["Record"].(aztables.EDMBinary)[len(was)/2] ^= 1
			put(t, table, e)
			return func(t *testing.T) { e.Properties["Record"] = was; put(t, table, e) }, e.RowKey
		}, []verify.Difference{verify.DiffAltered}},
		{"another content with its right hash", func(t *testing.T) (func(*testing.T), string) {
			table, e := lab.Row(t, tn, service, 18)
			was, hash, codec := e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"]
			forged := []byte(tn.Records[lab.Stream][18][:len(tn.Records[lab.Stream][18])-1] + ` }`)
			sum := entra.HashOf(forged)
			e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = aztables.EDMBinary(forged),
				aztables.EDMBinary(sum[:]), "none"
			put(t, table, e)
			return func(t *testing.T) {
				e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = was, hash, codec
				put(t, table, e)
			}, e.RowKey
		}, []verify.Difference{verify.DiffAltered}},
		{"a deleted row", func(t *testing.T) (func(*testing.T), string) {
			table, e := lab.Row(t, tn, service, 30)
			_, err := table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
			require.NoError(t, err)
			return func(t *testing.T) { put(t, table, e) }, e.RowKey
		}, []verify.Difference{verify.DiffRemoved}},
		{"an inserted row", func(t *testing.T) (func(*testing.T), string) {
			table, e := lab.Row(t, tn, service, 40)
			raw := lab.Record(lab.Stream, "id-forged",
				lab.Start.Sub(lab.TimeOf(lab.Stream, tn.Records[lab.Stream][40])),
				"forged")
			sum := entra.HashOf([]byte(raw))
			e.RowKey = e.RowKey[:29] + "id-forged"
			e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = aztables.EDMBinary(raw),
				aztables.EDMBinary(sum[:]), "none"
			put(t, table, e)
			return func(t *testing.T) {
				_, err := table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
				require.NoError(t, err)
			}, e.RowKey
		}, []verify.Difference{verify.DiffAdded}},
		{"an inserted row dated after the seal", func(t *testing.T) (func(*testing.T), string) {
			table, e := lab.Row(t, tn, service, 40)
			raw := lab.Record(lab.Stream, "id-forged",
				lab.Start.Sub(lab.TimeOf(lab.Stream, tn.Records[lab.Stream][40])),
				"forged")
			sum := entra.HashOf([]byte(raw))
			e.RowKey = e.RowKey[:29] + "id-forged"
			e.Properties["Record"], e.Properties["Hash"], e.Properties["Codec"] = aztables.EDMBinary(raw),
				aztables.EDMBinary(sum[:]), "none"
			e.Properties["FirstSeen"] = aztables.EDMDateTime(tn.Clock.Add(time.Hour))
			put(t, table, e)
			return func(t *testing.T) {
				_, err := table.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
				require.NoError(t, err)
			}, e.RowKey
		}, []verify.Difference{verify.DiffAdded}},
		{"an entry of the log", func(t *testing.T) (func(*testing.T), string) {
			e := entry(3)
			was := e.Properties["Leaves"]
			e.Properties["Leaves"] = "12345"
			put(t, coverage, e)
			return func(t *testing.T) { e.Properties["Leaves"] = was; put(t, coverage, e) }, ""
		}, []verify.Difference{verify.DiffLog}},
		{"an entry that is not there", func(t *testing.T) (func(*testing.T), string) {
			e := entry(5)
			_, err := coverage.DeleteEntity(t.Context(), e.PartitionKey, e.RowKey, nil)
			require.NoError(t, err)
			return func(t *testing.T) { put(t, coverage, e) }, ""
		}, []verify.Difference{verify.DiffLog}},
		{"a head that says more", func(t *testing.T) (func(*testing.T), string) {
			heads.All = append(heads.All, seal.Head{Stream: lab.Stream, Size: 100_000})
			return func(*testing.T) { heads.All = heads.All[:len(heads.All)-1] }, ""
		}, []verify.Difference{verify.DiffLog}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			undo, key := c.do(t)
			findings, _ := lab.Verify(t, store, heads)
			found := lab.Tampering(findings)
			require.NotEmpty(t, found)
			for _, f := range found {
				require.Contains(t, c.diffs, f.Difference, "%+v", f)
				if key != "" {
					require.Equal(t, key, f.Row, "%+v", f)
				}
				require.NotEmpty(t, f.Detail)
			}
			if key != "" {
				require.Len(t, found, 1)
			}
			undo(t)
			findings, _ = lab.Verify(t, store, heads)
			require.Empty(t, lab.Tampering(findings), "all is well again")
		})
	}
}
