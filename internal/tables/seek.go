package tables

import (
	"context"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// seekColumns are what is fetched of a row to see whose it is.
const seekColumns = "PartitionKey,RowKey"

// Seek is records.Reader's. It asks for the rows that Read asks for, month by month.
func (a *Archive) Seek(ctx context.Context, s records.Seeking) (records.Sought, error) {
	var out records.Sought
	ends := make(map[string]bool) // of the keys that are sought, behind the time
	for _, id := range s.IDs {
		key, _ := rowKey(entra.Key{ID: id})
		ends[key[len(rows.TimeFormat):]] = true
	}
	var row fetchedRow
	read := &reading{client: a.client, asked: records.Reading{Stream: s.Stream, From: s.From, To: s.To}}
	read.low, read.high = timeKey(s.From), timeKey(s.To)
	for read.low < read.high {
		low, err := keyTime(read.low)
		if err != nil {
			return out, err
		}
		below := min(timeKey(monthOf(low).AddDate(0, 1, 0)), read.high)
		query, err := read.query(read.low, below, rows.PageRows)
		if err != nil {
			return out, err
		}
		query.Columns = seekColumns
		for page, err := range a.client.Pages(ctx, read.table, query) {
			if err != nil {
				return out, err
			}
			for _, body := range page.Rows {
				row.scan(body, false)
				meet(&out, &row, ends)
			}
		}
		read.low = below
	}
	return out, nil
}

// meet adds what a row's key tells. A key that is none of ours, or that does not have the id whole,
// may be anyone's.
func meet(out *records.Sought, row *fetchedRow, ends map[string]bool) {
	at, err := parseRowKey(row.RowKey)
	if err != nil || !at.whole || !row.isInPlace() {
		out.Unsure = true
		return
	}
	end, _, _ := strings.Cut(row.RowKey[len(rows.TimeFormat):], "!")
	if n := len(out.At); ends[end] && (n == 0 || !out.At[n-1].Equal(at.key.Time)) {
		out.At = append(out.At, at.key.Time)
	}
}
