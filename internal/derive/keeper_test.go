package derive_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/ledger"
)

// TestALateWriteOfAnEditionTouchesNoLaterOne: a keeper refuses a stamp that follows none that is
// stored, and a run that stood still deletes nothing of those after it.
func TestALateWriteOfAnEditionTouchesNoLaterOne(t *testing.T) {
	store := lab.NewStore(t)
	view := contents("contents", 1, derive.Hour, derive.Read)
	keeper, period := store.Kept(view), view.Period(lab.Stream, lab.November)
	stamp := func(edition int64, tag string) (derive.Stamp, error) {
		open := derive.Stamp{State: derive.StampOpen, Edition: edition, Tag: tag}
		return keeper.PutStamp(t.Context(), period, open)
	}
	first, err := stamp(3, "")
	require.NoError(t, err)
	again, err := stamp(3, "")
	require.NoError(t, err, "it was written, and the answer lost")
	require.Equal(t, first, again)
	_, err = stamp(4, "")
	require.ErrorIs(t, err, ledger.ErrMoved)
	later, err := stamp(5, first.Tag)
	require.NoError(t, err)
	_, err = stamp(3, first.Tag)
	require.ErrorIs(t, err, ledger.ErrMoved)
	stamps, err := keeper.Stamps(t.Context(), lab.Stream, period.Start, period.End)
	require.NoError(t, err)
	require.Equal(t, later, stamps[period.Start])

	kept := []derive.Row{contentRow(1, "a/?", "with what a key can't have"), contentRow(1, "b", "")}
	together, err := keeper.PutRows(t.Context(), derive.Draft{Period: period, Edition: 5}, kept)
	require.NoError(t, err)
	for _, edition := range []int64{3, 6} {
		_, err = keeper.PutRows(t.Context(), derive.Draft{Period: period, Edition: edition}, []derive.Row{{Key: "c"}})
		require.NoError(t, err)
	}
	for _, edition := range []int64{3, 5} {
		require.NoError(t, keeper.DropStale(t.Context(), derive.Draft{Period: period, Edition: edition}))
		rows, is, err := keeper.Rows(t.Context(), period, 5)
		require.NoError(t, err)
		require.Equal(t, kept, rows)
		require.Equal(t, together, is)
	}
	for edition, left := range map[int64]int{3: 0, 6: 1} {
		rows, _, err := keeper.Rows(t.Context(), period, edition)
		require.NoError(t, err)
		require.Len(t, rows, left)
	}
}

// TestAMarkIsOfOneVersion: another one begins anew.
func TestAMarkIsOfOneVersion(t *testing.T) {
	store := lab.NewStore(t)
	view := contents("contents", 1, derive.Hour, derive.Read)
	require.NoError(t, store.Kept(view).SetMark(t.Context(), lab.Stream, 7))
	for version, want := range map[int]int64{1: 7, 2: 0} {
		view.Version = version
		mark, err := store.Kept(view).Mark(t.Context(), lab.Stream)
		require.NoError(t, err)
		require.Equal(t, want, mark)
	}
}
