package rows

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTransactionsKeepTheServicesLimits(t *testing.T) {
	var batches []Batch
	for i := range 1000 {
		b := Batch{Size: 100 << (i % 12)}
		for range 1 + i%3 {
			b.actions = append(b.actions, Action{})
		}
		batches = append(batches, b)
	}
	total := 0
	for _, actions := range pack(batches) {
		require.LessOrEqual(t, len(actions), MaxOperations)
		total += len(actions)
	}
	require.Equal(t, 1999, total)
	large := []Batch{{actions: make([]Action, 1), Size: 3 << 20}, {actions: make([]Action, 1), Size: 3 << 20}}
	require.Len(t, pack(large), 2)
}

func TestABatchIsNeverCut(t *testing.T) {
	var batches []Batch
	for range 60 {
		var b Batch
		b.Add(Action{Kind: Insert, Row: []byte("{}")})
		b.Add(Action{Kind: Insert, Row: []byte("{}")})
		batches = append(batches, b)
	}
	transactions := pack(batches)
	require.Len(t, transactions, 2)
	require.Len(t, transactions[0], 100)
	require.Len(t, transactions[1], 20)
}

func TestATransactionThatReplacesIsKeptSmall(t *testing.T) {
	row := make([]byte, 600<<10)
	var insertion, replacement Batch
	insertion.Add(Action{Kind: Insert, Row: row})
	replacement.Add(Action{Kind: Put, Row: row})
	require.Len(t, pack([]Batch{insertion, insertion}), 1)
	require.Len(t, pack([]Batch{insertion, replacement}), 2)
}
