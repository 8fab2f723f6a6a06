package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync/atomic"
	"time"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Archive keeps records, their ledger with its log of seals, and the quarantine.
type Archive struct {
	client  *rows.Client
	codec   *codec
	commits atomic.Int64 // made by this process; numbers their marks
}

// refused is an error of the kernel as the archive's users know it.
func refused(err error) error {
	no, ok := errors.AsType[*rows.Refused](err)
	switch {
	case !ok:
		return err
	case errors.Is(no, rows.ErrExists):
		return fmt.Errorf("%s: %w", no.Doing, collect.ErrExists)
	case errors.Is(no, rows.ErrMoved), errors.Is(no, rows.ErrNoRow):
		return fmt.Errorf("%s: %w", no.Doing, ledger.ErrMoved)
	}
	return err
}

// RowKey is collect.Store's.
func (*Archive) RowKey(k entra.Key) string {
	key, _ := rowKey(k)
	return key
}

// Insert is collect.Store's. The records' sizes are checked before anything is written.
func (a *Archive) Insert(ctx context.Context, w entra.Window, recs []entra.Record,
	seen time.Time) (ledger.Contents, error) {
	var added ledger.Contents
	with, err := a.codec.encoderFor(ctx, w, recs...)
	if err != nil {
		return added, err
	}
	batches := make([]rows.Batch, 0, len(recs))
	for _, rec := range recs {
		enc, err := a.codec.encodeRecord(with, w, rec, dates{first: seen})
		if err != nil {
			return ledger.Contents{}, err
		}
		batches = append(batches, enc.batch(rows.Insert))
		added.Records++
		added.Bytes += int64(len(rec.Raw))
		added.StoredBytes += enc.stored()
		added.Sum.Add(ledger.SumOf(enc.lines[0].Key, rec.Hash))
	}
	return added, refused(a.client.SubmitAll(ctx, TableName(w), batches))
}

// storedColumns are the columns that show whether a record is stored, and with which contents.
const storedColumns = "RowKey,Hash,Id,FirstSeen,Came"

// Stored is collect.Store's: a query of keys and hashes only.
func (a *Archive) Stored(ctx context.Context, w entra.Window,
	first, last entra.Key) (map[entra.Key]collect.Stored, error) {
	out := make(map[entra.Key]collect.Stored)
	from, below := timeRange(first.Time, last.Time)
	query := rows.Query{Filter: rows.In(partitionKey(w), from, below), Columns: storedColumns}
	for body, err := range a.client.Scan(ctx, TableName(w), query) {
		if err != nil {
			return out, err
		}
		row, at, err := parseFirst(body)
		if err != nil {
			return out, err
		}
		if at.part > 0 || at.arrived {
			continue
		}
		if !at.whole {
			at.key.ID = row.ID
		}
		has := out[at.key]
		if at.isVersion {
			has.Earlier = append(has.Earlier, at.version)
		} else {
			has.HasFirst, has.Since = true, row.since()
			copy(has.Current[:], row.Hash)
		}
		out[at.key] = has
	}
	return out, nil
}

// parseFirst reads a row without the record's bytes, and its key.
func parseFirst(body []byte) (fetchedRow, place, error) {
	row, err := parseRow(body)
	if err != nil {
		return row, place{}, err
	}
	at, err := parseRowKey(row.RowKey)
	return row, at, err
}

// Apply is collect.Store's. Each change is one transaction's part that is written whole or not at
// all.
func (a *Archive) Apply(ctx context.Context, w entra.Window, changes []collect.Change,
	seen time.Time) (ledger.Contents, error) {
	var sum ledger.Contents
	fetched, err := a.superseded(ctx, w, changes)
	if err != nil {
		return sum, err
	}
	batches := make([]rows.Batch, 0, len(changes))
	for _, change := range changes {
		var (
			b     rows.Batch
			added ledger.Contents
			err   error
		)
		switch change.Kind {
		case collect.InsertCurrent, collect.KeepVersion:
			b, added, err = a.insertion(ctx, w, change, seen)
		case collect.Supersede:
			b, added, err = a.supersede(ctx, w, change, seen, fetched)
		}
		if err != nil {
			return ledger.Contents{}, err
		}
		batches = append(batches, b)
		sum.Records += added.Records
		sum.Versions += added.Versions
		sum.Bytes += added.Bytes
		sum.StoredBytes += added.StoredBytes
		sum.Sum.Add(added.Sum)
	}
	return sum, refused(a.client.SubmitAll(ctx, TableName(w), batches))
}

// insertion inserts a content, as the current one or as an earlier version.
func (a *Archive) insertion(ctx context.Context, w entra.Window, change collect.Change,
	seen time.Time) (rows.Batch, ledger.Contents, error) {
	var added ledger.Contents
	added.Records, added.Bytes = 1, int64(len(change.Record.Raw))
	when := dates{first: seen}
	if change.Kind == collect.KeepVersion {
		added.Records, added.Versions = 0, 1
		if when.superseded = change.Until; when.superseded.IsZero() {
			when.superseded = seen
		}
	}
	with, err := a.codec.encoderFor(ctx, w, change.Record)
	if err != nil {
		return rows.Batch{}, added, err
	}
	enc, err := a.codec.encodeRecord(with, w, change.Record, when)
	if err != nil {
		return rows.Batch{}, added, err
	}
	added.StoredBytes = enc.stored()
	added.Sum = ledger.SumOf(a.RowKey(change.Record.Key), change.Record.Hash)
	return enc.batch(rows.Insert), added, nil
}

// Restamp is collect.Store's.
func (a *Archive) Restamp(ctx context.Context, w entra.Window, contents []seal.Leaf, seen time.Time) error {
	table, partition := TableName(w), partitionKey(w)
	read := func(key string) (rows.Row, error) {
		return a.client.Get(ctx, table, partition, key, "read row "+key+" of table "+table)
	}
	for _, l := range contents {
		key := l.Key
		got, err := read(key)
		if err != nil {
			return refused(err)
		}
		row, err := parseRow(got.Body)
		if err != nil {
			return fmt.Errorf("read row %s of table %s: %w", key, table, err)
		}
		if !bytes.Equal(row.Hash, l.Hash[:]) {
			key = versionKey(l.Key, l.Hash)
			if got, err = read(key); err != nil {
				return refused(err)
			}
		}
		b := rows.NewEntity(partition, key, 128)
		b.Time("FirstSeen", seen)
		err = a.client.Merge(ctx, table, "date row "+key+" of table "+table, b.Done().Body, got.Revision)
		if err != nil {
			return refused(err)
		}
	}
	return nil
}

// rowsOf reads the rows of the record whose first row has the key.
func (a *Archive) rowsOf(ctx context.Context, w entra.Window, first string) ([]fetchedRow, error) {
	var out []fetchedRow
	for n, count := 0, 1; n < count; n++ {
		key := first
		if n > 0 {
			key = partKey(first, n)
		}
		got, err := a.client.Get(ctx, TableName(w), partitionKey(w), key, "read row "+key+" of table "+TableName(w))
		if err != nil {
			return nil, refused(err)
		}
		row, err := parseWholeRow(got.Body)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			count = max(1, row.Parts)
		}
		row.ETag = got.Revision
		out = append(out, row)
	}
	return out, nil
}

// sizeOf is the size of rows as the table counts them.
func sizeOf(of []fetchedRow) int64 {
	var sum int64
	for _, row := range of {
		sum += row.storedSize()
	}
	return sum
}

// Count is collect.Store's.
func (a *Archive) Count(ctx context.Context, w entra.Window) (ledger.Contents, error) {
	var sum ledger.Contents
	err := a.records(ctx, w, func(at place, of []fetchedRow) error {
		size, err := a.codec.decodedSize(ctx, TableName(w), data(of), of[0].Codec)
		sum.Bytes += size
		sum.StoredBytes += sizeOf(of)
		switch {
		case at.arrived:
			sum.Eclipsed += one(of[0].eclipsed())
			return err
		case at.isVersion:
			sum.Versions++
		default:
			sum.Records++
		}
		sum.Sum.Add(contentSum(of[0], at))
		return err
	})
	return sum, err
}

// contentSum is the sum over a content, as its first row has it.
func contentSum(row fetchedRow, at place) ledger.Sum {
	var hash entra.Hash
	copy(hash[:], row.Hash)
	return ledger.SumOf(recordKey(row.RowKey, at), hash)
}

// recordKey is the key of the current row of the record to which a row belongs.
func recordKey(key string, at place) string {
	if at.isVersion {
		return key[:strings.LastIndex(key, versionMark)]
	}
	return key
}

// sumColumns are what is summed up of a content.
const sumColumns = "PartitionKey,RowKey,Hash"

// StoredByHour is collect.Store's: a query of keys and hashes, which costs nothing for a month
// without a table.
func (a *Archive) StoredByHour(ctx context.Context, stream entra.Stream,
	from, to time.Time) (map[time.Time]ledger.HourContents, error) {
	out := make(map[time.Time]ledger.HourContents)
	err := a.eachContent(ctx, stream, from, to, sumColumns, func(table string, row fetchedRow, at place) error {
		hour := entra.FloorHour(at.key.Time)
		sum := out[hour]
		if at.arrived {
			sum.Arrivals++
			out[hour] = sum
			return nil
		}
		if len(row.Hash) != len(entra.Hash{}) {
			return fmt.Errorf("read row %s of table %s: its hash has %d bytes", row.RowKey, table, len(row.Hash))
		}
		sum.Count++
		sum.Sum.Add(contentSum(row, at))
		out[hour] = sum
		return nil
	})
	return out, err
}

// leafColumns are what is sealed of a content.
const leafColumns = "PartitionKey,RowKey,Hash,FirstSeen,Superseded,Came,Spells,Origin"

// Leaves is collect.Store's: a query of keys, hashes and dates.
func (a *Archive) Leaves(ctx context.Context, stream entra.Stream,
	from, to time.Time) (map[time.Time][]seal.Leaf, error) {
	out := make(map[time.Time][]seal.Leaf)
	err := a.eachContent(ctx, stream, from, to, leafColumns, func(_ string, row fetchedRow, at place) error {
		l, err := row.leaf(at)
		if err != nil {
			return err
		}
		hour := entra.FloorHour(at.key.Time)
		out[hour] = append(out[hour], l)
		return nil
	})
	return out, err
}

// eachContent yields the first row of each content of [from, to), with some of its columns.
func (a *Archive) eachContent(ctx context.Context, stream entra.Stream, from, to time.Time, columns string,
	yield func(table string, row fetchedRow, at place) error) error {
	for month := range monthsOf(stream, from, to) {
		for body, err := range a.client.Scan(ctx, month.table, rows.Query{Filter: month.filter(), Columns: columns}) {
			if err != nil {
				return err
			}
			row, at, err := parseFirst(body)
			if err != nil {
				return err
			}
			if at.part > 0 {
				continue
			}
			if err := yield(month.table, row, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// recordMonth is what a span of time has of one month's table: the partitions of [first, below).
type recordMonth struct{ table, first, below string }

func (m recordMonth) filter() string { return rows.Spanning(m.first, m.below) }

// monthsOf yields the months of [from, to).
func monthsOf(stream entra.Stream, from, to time.Time) iter.Seq[recordMonth] {
	return func(yield func(recordMonth) bool) {
		for start := entra.FloorHour(from); start.Before(to); {
			end := time.Date(start.Year(), start.Month()+1, 1, 0, 0, 0, 0, time.UTC)
			if end.After(to) {
				end = to
			}
			below := end.UTC().Format(entra.HourFormat)
			if end.After(entra.FloorHour(end)) {
				below += "~"
			}
			table := TableName(entra.Window{Stream: stream, Start: start})
			if !yield(recordMonth{table, start.Format(entra.HourFormat), below}) {
				return
			}
			start = end
		}
	}
}

// records yields every record of a window with its rows, earlier versions included, in the order of
// their keys. The rows are good until yield returns.
func (a *Archive) records(ctx context.Context, w entra.Window, yield func(place, []fetchedRow) error) error {
	return a.recordsIn(ctx, w, "0", "~", yield)
}

// recordsIn is records for the row keys of [from, below).
func (a *Archive) recordsIn(ctx context.Context, w entra.Window, from, below string,
	yield func(place, []fetchedRow) error) error {
	var open group
	flush := func() error {
		defer open.drop()
		if open.used == 0 {
			return nil
		}
		for i := range open.rows() {
			if row := &open.rows()[i]; row.bad != "" {
				return alteredRecord(w, row.RowKey, fmt.Errorf("its column %s is not of the kind that is written",
					row.bad))
			}
		}
		at, err := parseRowKey(open.first().RowKey)
		if err != nil || at.part > 0 { // a part of a record that is not there is none
			return err
		}
		return yield(at, open.rows())
	}
	for body, err := range a.client.Scan(ctx, TableName(w), rows.Query{Filter: rows.In(partitionKey(w), from, below)}) {
		if err != nil {
			return err
		}
		if open.adds(body) {
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		open.begin()
	}
	return flush()
}

// StoredRecord is a record as it was read back, checked against its hash.
type StoredRecord struct {
	entra.Record
	FirstSeen  time.Time
	Superseded time.Time // when a later content replaced it; zero for the current one
}

// Records reads a window back in the order of time, earlier versions included. It stops at the
// first error.
func (a *Archive) Records(ctx context.Context, w entra.Window) iter.Seq2[StoredRecord, error] {
	return func(yield func(StoredRecord, error) bool) {
		err := a.records(ctx, w, func(_ place, of []fetchedRow) error {
			rec, err := a.codec.decodeRecord(ctx, w, of)
			if err != nil {
				return fmt.Errorf("read table %s: %w", TableName(w), err)
			}
			if !yield(StoredRecord{Record: rec, FirstSeen: of[0].FirstSeen, Superseded: of[0].Superseded}, nil) {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(StoredRecord{}, err)
		}
	}
}
