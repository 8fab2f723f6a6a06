package tables

import (
	"context"
	"time"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// fewRows is how many rows are read one by one; more are read by one query over their span.
const fewRows = 3

// superseded reads the rows whose place other contents will take, by key, where there are so many
// that a query over their span costs less than a request for each. Those that are not in it are
// read when their turn comes.
func (s *Store) superseded(ctx context.Context, w entra.Window, changes []archive.Change) (map[string][]fetchedRow, error) {
	wanted := make(map[string]bool)
	var first, last time.Time
	for _, change := range changes {
		if change.Kind != archive.Supersede {
			continue
		}
		at := change.Record.Time
		if len(wanted) == 0 || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		wanted[s.RowKey(change.Record.Key)] = true
	}
	out := make(map[string][]fetchedRow, len(wanted))
	if len(wanted) <= fewRows {
		return out, nil
	}
	from, below := timeRange(first, last)
	err := s.recordsIn(ctx, w, from, below, func(_ place, rows []fetchedRow) error {
		rk := rows[0].RowKey
		if wanted[rk] && rows[0].etag.value != nil && len(rows) == max(1, rows[0].Parts) {
			out[rk] = keepRows(rows)
		}
		return nil
	})
	return out, err
}
