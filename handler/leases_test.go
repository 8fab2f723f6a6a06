package main

import (
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/logs"
)

// endLeases makes the leases of a process that was killed end within a second, so that a test does
// not wait for the two minutes.
func (s *system) endLeases() {
	service, err := aztables.NewServiceClientFromConnectionString(s.env["ARCHIVE_STORAGE"], nil)
	require.NoError(s, err)
	for _, stream := range logs.Streams() {
		_, lease, err := s.store.State(s.Context(), stream)
		require.NoError(s, err)
		if !lease.Held() {
			continue
		}
		body, err := aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: string(stream), RowKey: "lease"},
			Properties: map[string]any{"Seconds": int32(1)}}.MarshalJSON()
		require.NoError(s, err)
		_, err = service.NewClient("coverage").UpsertEntity(s.Context(), body,
			&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeMerge})
		require.NoError(s, err)
	}
}
