package tables

import (
	"context"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/preflight"
)

var _ preflight.Storage = (*Store)(nil)

const probeTable = "preflight"

// ProbeTables is preflight.Storage's.
func (s *Store) ProbeTables(ctx context.Context) error {
	const doing = "write, read and delete a row"
	key := uuid.NewString()
	if _, err := s.replace(ctx, probeTable, doing, newRow("probe", key, 128).done().body, ""); err != nil {
		return err
	}
	table := s.service.NewClient(probeTable)
	if _, err := table.GetEntity(ctx, "probe", key, nil); err != nil {
		return s.explain(doing, err)
	}
	_, err := table.DeleteEntity(ctx, "probe", key, nil)
	return s.explain(doing, err)
}
