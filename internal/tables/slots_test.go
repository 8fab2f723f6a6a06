package tables_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

func TestSlotsOfSeveralProcessesNeverComeCloser(t *testing.T) {
	account := azuritetest.Account(t)
	from := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	const every, processes, each = 2500 * time.Millisecond, 4, 10
	var (
		mu    sync.Mutex
		slots []time.Time
		group sync.WaitGroup
	)
	for range processes {
		store, err := tablestest.New(tables.Config{ConnectionString: account})
		require.NoError(t, err)
		mine := store.Slots("archive")
		group.Go(func() {
			for range each {
				at, err := mine.NextSlot(t.Context(), from, every)
				require.NoError(t, err)
				mu.Lock()
				slots = append(slots, at)
				mu.Unlock()
			}
		})
	}
	group.Wait()
	slices.SortFunc(slots, time.Time.Compare)
	require.Len(t, slots, processes*each)
	require.Equal(t, from, slots[0])
	for i, at := range slots[1:] {
		require.GreaterOrEqual(t, at.Sub(slots[i]), every)
	}
	require.Less(t, slots[len(slots)-1].Sub(from), every*(processes*each+1), "and none is wasted")
}
