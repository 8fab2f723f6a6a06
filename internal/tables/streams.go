package tables

import (
	"context"
	"slices"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Archived lists the streams that have a ledger, whether they are still collected or not, in the
// order of logs.All. Any row of a ledger counts: one whose progress row was deleted is not hidden
// by that.
func (a *Archive) Archived(ctx context.Context) ([]entra.Stream, error) {
	var all []entra.Stream
	for _, l := range logs.All() {
		all = append(all, l.Stream)
	}
	has := make([]bool, len(all))
	group, asking := parallel.WithContext(ctx)
	for i, stream := range all {
		group.Go(func() (err error) {
			has[i], err = a.client.Any(asking, coverageTable, "PartitionKey eq "+rows.Quote(string(stream)))
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
