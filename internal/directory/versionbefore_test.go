package directory_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
)

// TestASnapshotOfTheVersionBeforeAnswers: its rows have no checks, and its own row no sums.
func TestASnapshotOfTheVersionBeforeAnswers(t *testing.T) {
	inVault(t, func(v *vault) {
		v.asBefore()
		require.Empty(v, v.flaws())
		for _, partition := range answered {
			require.NoError(v, v.answers(partition), partition)
		}
		v.tenant.Freeze(now.Add(24 * time.Hour))
		v.table = "snapshot" + v.take().ID
		require.Empty(v, v.flaws())
		for _, row := range v.service.Rows(v.table) {
			require.NotEmpty(v, row.Raw("Check"))
		}
	})
}

// asBefore takes away what a version before does not write.
func (v *vault) asBefore() {
	for _, table := range []string{v.table, "snapshots"} {
		for _, row := range v.service.Rows(table) {
			v.change(table, row.Partition, row.Key,
				func(row map[string]any) { delete(row, "Check"); delete(row, "Check@odata.type") })
		}
	}
	snap, err := v.reader.Current(v.Context())
	require.NoError(v, err)
	snap.Sums = nil
	_, err = v.store.SaveSnapshot(v.Context(), snap)
	require.NoError(v, err)
}

// TestARowThatTheVersionBeforeWroteAmongOthersIsNoFlaw: an upgrade comes in the middle of a
// reading.
func TestARowThatTheVersionBeforeWroteAmongOthersIsNoFlaw(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		v := newVault(t)
		v.tenant.Freeze(now.Add(24 * time.Hour))
		v.wrap = func(s directory.Store) directory.Store { return older{s, v} }
		v.table = "snapshot" + v.take().ID
		require.Empty(t, v.flaws())
		require.NoError(t, v.answers("read-users"))
		require.NoError(t, v.answers("users"))
		snap, err := v.reader.Current(t.Context())
		require.NoError(t, err)
		require.Positive(t, snap.Sums["read-users"].Unchecked)
		require.Zero(t, snap.Sums["users"].Unchecked)
		v.remove(v.table, "read-users", v.first("read-users"))
		require.Len(t, v.flaws(), 1)
	})
}

// older writes the users as a version before does.
type older struct {
	directory.Store
	v *vault
}

func (o older) Put(ctx context.Context, id, partition string, rows []directory.Row) error {
	err := o.Store.Put(ctx, id, partition, rows)
	if partition == "read-users" && err == nil {
		for _, row := range rows {
			o.v.change("snapshot"+id, partition, row.Key,
				func(row map[string]any) { delete(row, "Check"); delete(row, "Check@odata.type") })
		}
	}
	return err
}
