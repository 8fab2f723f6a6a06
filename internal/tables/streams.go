package tables

import (
	"context"
	"errors"
	"slices"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Archived lists the streams that have a ledger, whether they are still collected or not, in the
// order of logs.All. Any row of a ledger counts: one whose progress row somebody took away
// is not hidden by that.
func (s *Store) Archived(ctx context.Context) ([]entra.Stream, error) {
	all := logs.Streams()
	has := make([]bool, len(all))
	group, asking := errgroup.WithContext(ctx)
	for i, stream := range all {
		group.Go(func() (err error) {
			has[i], err = s.hasRows(asking, stream)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	var out []entra.Stream
	for i, stream := range all {
		if has[i] {
			out = append(out, stream)
		}
	}
	return slices.Clip(out), nil
}

// hasRows asks for the first row of a partition.
func (s *Store) hasRows(ctx context.Context, stream entra.Stream) (bool, error) {
	var (
		filter, columns, one = "PartitionKey eq " + quote(string(stream)), "RowKey", int32(1)
		found                = errors.New("there is one")
	)
	options := &aztables.ListEntitiesOptions{Filter: &filter, Select: &columns, Top: &one}
	err := s.listWith(ctx, coverageTable, options, func([]byte) error { return found })
	if errors.Is(err, errNoTable) {
		return false, nil
	}
	if errors.Is(err, found) {
		return true, nil
	}
	return false, err
}
