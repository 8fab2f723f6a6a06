package tables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

var _ archive.Records = (*Store)(nil)

// The table service gives rows in ascending order only, and says nothing while it searches. So a reading goes through slices of
// time: each is read whole, given in the order that was asked for, and followed by how far the reading is. Slices grow where
// little is found and shrink where much is.
const (
	firstSlice    = time.Hour
	firstFiltered = 24 * time.Hour
	longestSlice  = 31 * 24 * time.Hour
	shortest      = time.Second
	sliceRows     = 2000 // more make a slice shorter
)

// Read is archive.Records's.
func (s *Store) Read(ctx context.Context, r archive.Reading) iter.Seq2[archive.Archived, error] {
	return func(yield func(archive.Archived, error) bool) {
		read := &reading{Store: s, Reading: r, width: firstSlice}
		if len(r.Columns) > 0 {
			read.width = firstFiltered // little is expected
		}
		read.low, read.high = timeKey(r.From), timeKey(r.To)
		if r.After != "" && r.NewestFirst {
			read.high = min(read.high, r.After)
		} else if r.After != "" {
			read.low = max(read.low, r.After)
		}
		for read.low < read.high {
			found, err := read.slice(ctx)
			if err != nil {
				yield(archive.Archived{}, err)
				return
			}
			for _, rec := range found {
				if !yield(rec, nil) {
					return
				}
			}
			if !yield(archive.Archived{Place: read.place()}, nil) {
				return
			}
		}
	}
}

// timeKey bounds row keys by a time.
func timeKey(t time.Time) string { return t.UTC().Format(timeFormat) }

// reading is what is left to be read: row keys in [low, high).
type reading struct {
	*Store
	archive.Reading
	low, high string
	width     time.Duration
}

func (r *reading) place() string {
	if r.NewestFirst {
		return r.high
	}
	return r.low
}

// keyTime is the time with which a bound begins.
func keyTime(bound string) (time.Time, error) {
	if len(bound) < len(timeFormat) {
		return time.Time{}, fmt.Errorf("read place %q: it begins with no time", bound)
	}
	return time.Parse(timeFormat, bound[:len(timeFormat)])
}

// next is the next slice: within one month, because each has a table of its own.
func (r *reading) next() (from, below string, err error) {
	low, err := keyTime(r.low)
	if err != nil {
		return "", "", err
	}
	high, err := keyTime(r.high)
	if err != nil {
		return "", "", err
	}
	if r.NewestFirst {
		if r.high == timeKey(high) {
			high = high.Add(-entra.Tick) // the last moment within
		}
		begin := high.Add(entra.Tick - r.width)
		if month := time.Date(high.Year(), high.Month(), 1, 0, 0, 0, 0, time.UTC); begin.Before(month) {
			begin = month
		}
		return max(timeKey(begin), r.low), r.high, nil
	}
	end := low.Add(r.width)
	if month := time.Date(low.Year(), low.Month()+1, 1, 0, 0, 0, 0, time.UTC); end.After(month) {
		end = month
	}
	return r.low, min(timeKey(end), r.high), nil
}

// slice reads the next slice and moves the bound behind it.
func (r *reading) slice(ctx context.Context) ([]archive.Archived, error) {
	for {
		from, below, err := r.next()
		if err != nil {
			return nil, err
		}
		most := sliceRows
		if r.width <= shortest {
			most = 0
		}
		records, whole, err := r.read(ctx, from, below, most)
		if err != nil {
			return nil, err
		}
		if !whole {
			r.width = max(r.width/4, shortest)
			continue
		}
		if len(records) < sliceRows/8 {
			r.width = min(2*r.width, longestSlice)
		}
		if r.NewestFirst {
			r.high = from
			slices.Reverse(records)
		} else {
			r.low = below
		}
		return records, nil
	}
}

var errTooMany = errors.New("the slice has too many rows")

// read reads the records with row keys in [from, below); whole is false where there are more than most rows.
func (r *reading) read(ctx context.Context, from, below string, most int) (records []archive.Archived, whole bool, err error) {
	begin, err := keyTime(from)
	if err != nil {
		return nil, false, err
	}
	last, err := keyTime(below)
	if err != nil {
		return nil, false, err
	}
	w := entra.Window{Stream: r.Stream, Start: entra.FloorHour(begin)}
	if below == timeKey(last) {
		last = last.Add(-entra.Tick)
	}
	filter := fmt.Sprintf("PartitionKey ge %s and PartitionKey le %s and RowKey ge %s and RowKey lt %s%s", quote(partitionKey(w)),
		quote(last.UTC().Format(entra.HourFormat)), quote(from), quote(below), columnFilter(r.Columns))
	var rows []fetchedRow
	n := 0
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		rec, err := r.record(ctx, w, rows)
		rows = rows[:0]
		if err == nil && rec.Raw != nil {
			records = append(records, rec)
		}
		return err
	}
	err = r.listWith(ctx, TableName(w), &aztables.ListEntitiesOptions{Filter: &filter}, func(body []byte) error {
		if n++; most > 0 && n > most {
			return errTooMany
		}
		row, err := parseWholeRow(body)
		if err != nil {
			return err
		}
		if !strings.Contains(row.RowKey, partMark) {
			if err := flush(); err != nil {
				return err
			}
		}
		rows = append(rows, row)
		return nil
	})
	switch {
	case errors.Is(err, errTooMany):
		return nil, false, nil
	case errors.Is(err, errNoTable):
		return nil, true, nil
	case err != nil:
		return nil, false, err
	}
	return records, true, flush()
}

// record puts a record together from its rows. Without a record is what was not asked for: an earlier version.
func (r *reading) record(ctx context.Context, w entra.Window, rows []fetchedRow) (archive.Archived, error) {
	first := rows[0]
	p, err := parseRowKey(first.RowKey)
	if err != nil || p.part > 0 || p.isVersion && !r.Versions {
		return archive.Archived{}, err
	}
	if first.Parts > len(rows) { // the others have no columns, so a filter left them out
		if rows, err = r.allParts(ctx, w, first); err != nil {
			return archive.Archived{}, err
		}
	}
	raw, err := r.decode(ctx, TableName(w), data(rows), first.Codec)
	if err == nil && string(first.Hash) != string(hashOf(raw)) {
		err = errors.New("its bytes do not have the hash that was written")
	}
	if err != nil {
		return archive.Archived{}, &entra.Error{Code: entra.CodeTampered, Doing: "read row " + first.RowKey + " of " + TableName(w), Err: err,
			Remedy: "the row was altered since it was written: GET /api/verify names all such rows"}
	}
	rec := archive.Archived{Key: p.key, Raw: raw, FirstSeen: first.FirstSeen, Superseded: first.Superseded, Place: first.RowKey}
	if !p.whole {
		rec.Key.ID = first.ID
	}
	if !r.NewestFirst {
		rec.Place += `"` // behind its parts, which follow with !p, and before every other key
	}
	return rec, nil
}

func hashOf(raw []byte) []byte {
	h := entra.HashOf(raw)
	return h[:]
}

func (r *reading) allParts(ctx context.Context, w entra.Window, first fetchedRow) ([]fetchedRow, error) {
	rows := []fetchedRow{first}
	err := r.query(ctx, TableName(w), first.PartitionKey, partKey(first.RowKey, 0), partKey(first.RowKey, 999), "", func(body []byte) error {
		row, err := parseWholeRow(body)
		rows = append(rows, row)
		return err
	})
	return rows, err
}

// columnFilter writes conditions on columns in the filter language of the table service.
func columnFilter(all [][]entra.Column) string {
	var b strings.Builder
	for _, any := range all {
		var or []string
		for _, col := range any {
			switch {
			case col.IsInt:
				or = append(or, fmt.Sprintf("%s eq %d", col.Name, col.Int))
			case strings.HasSuffix(col.Name, "Id") && isGUID(col.Text):
				or = append(or, col.Name+" eq guid"+quote(col.Text))
			default:
				or = append(or, col.Name+" eq "+quote(col.Text))
			}
		}
		b.WriteString(" and (" + strings.Join(or, " or ") + ")")
	}
	return b.String()
}
