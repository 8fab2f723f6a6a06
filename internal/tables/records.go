package tables

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

// Insert is archive.Store's. The records' sizes are checked before anything is written.
func (s *Store) Insert(ctx context.Context, w entra.Window, recs []entra.Record, seen time.Time) (archive.Tally, error) {
	var tally archive.Tally
	with, err := s.encoderFor(ctx, w, recs...)
	if err != nil {
		return tally, err
	}
	batches := make([]batch, 0, len(recs))
	for _, rec := range recs {
		enc, err := s.codec.encodeRecord(with, w, rec, seen, time.Time{})
		if err != nil {
			return archive.Tally{}, err
		}
		batches = append(batches, enc.batch(aztables.TransactionTypeAdd))
		tally.Records++
		tally.Bytes += int64(len(rec.Raw))
		tally.StoredBytes += enc.stored()
	}
	return tally, s.submitAll(ctx, TableName(w), batches)
}

func (e encoded) batch(kind aztables.TransactionType) batch {
	b := batch{size: e.size, mixed: kind != aztables.TransactionTypeAdd}
	for _, l := range e.lines {
		b.actions = append(b.actions, aztables.TransactionAction{ActionType: kind, Entity: l.body})
	}
	return b
}

func (e encoded) stored() int64 {
	var sum int64
	for _, l := range e.lines {
		sum += l.stored
	}
	return sum
}

// Stored is archive.Store's: a query of keys and hashes only.
func (s *Store) Stored(ctx context.Context, w entra.Window, first, last entra.Key) (map[entra.Key]archive.Stored, error) {
	out := make(map[entra.Key]archive.Stored)
	from, below := timeRange(first.Time, last.Time)
	err := s.query(ctx, TableName(w), partitionKey(w), from, below, "RowKey,Hash,Id", func(body []byte) error {
		row, err := parseRow(body)
		if err != nil {
			return err
		}
		at, err := parseRowKey(row.RowKey)
		if err != nil || at.part > 0 {
			return err
		}
		if !at.whole {
			at.key.ID = row.ID
		}
		has := out[at.key]
		if at.isVersion {
			has.Earlier = append(has.Earlier, at.version)
		} else {
			has.HasFirst = true
			copy(has.Current[:], row.Hash)
		}
		out[at.key] = has
		return nil
	})
	return out, err
}

// Apply is archive.Store's. Each change is one transaction's part that is written whole or not at all.
func (s *Store) Apply(ctx context.Context, w entra.Window, changes []archive.Change, seen time.Time) (archive.Tally, error) {
	var tally archive.Tally
	batches := make([]batch, 0, len(changes))
	for _, change := range changes {
		var (
			b     batch
			added archive.Tally
			err   error
		)
		switch change.Kind {
		case archive.InsertCurrent, archive.KeepVersion:
			b, added, err = s.insertion(ctx, w, change, seen)
		case archive.Supersede:
			b, added, err = s.supersede(ctx, w, change, seen)
		}
		if err != nil {
			return archive.Tally{}, err
		}
		batches = append(batches, b)
		tally.Records += added.Records
		tally.Versions += added.Versions
		tally.Bytes += added.Bytes
		tally.StoredBytes += added.StoredBytes
	}
	return tally, s.submitAll(ctx, TableName(w), batches)
}

func (s *Store) insertion(ctx context.Context, w entra.Window, change archive.Change, seen time.Time) (batch, archive.Tally, error) {
	tally := archive.Tally{Records: 1, Bytes: int64(len(change.Record.Raw))}
	kind, superseded := aztables.TransactionTypeAdd, time.Time{}
	if change.Kind == archive.KeepVersion {
		// A killed run may have written the same version; writing it again changes nothing.
		tally.Records, tally.Versions = 0, 1
		kind, superseded = aztables.TransactionTypeInsertReplace, seen
	}
	with, err := s.encoderFor(ctx, w, change.Record)
	if err != nil {
		return batch{}, tally, err
	}
	enc, err := s.codec.encodeRecord(with, w, change.Record, seen, superseded)
	tally.StoredBytes = enc.stored()
	return enc.batch(kind), tally, err
}

// supersede keeps the current row as an earlier version and puts the new content in its place, if nobody else was
// quicker.
func (s *Store) supersede(ctx context.Context, w entra.Window, change archive.Change, seen time.Time) (batch, archive.Tally, error) {
	rk, _ := rowKey(change.Record.Key)
	rows, err := s.rowsOf(ctx, w, rk)
	if err != nil {
		return batch{}, archive.Tally{}, err
	}
	was, err := s.decodeRecord(ctx, w, rows)
	if err != nil {
		return batch{}, archive.Tally{}, fmt.Errorf("read %s in table %s: %w", rk, TableName(w), err)
	}
	if was.Hash != change.Was {
		return batch{}, archive.Tally{}, archive.ErrMoved
	}
	with, err := s.encoderFor(ctx, w)
	if err != nil {
		return batch{}, archive.Tally{}, err
	}
	old, err := s.codec.encodeRecord(with, w, was, rows[0].FirstSeen, seen)
	if err != nil {
		return batch{}, archive.Tally{}, err
	}
	var again []fetchedRow
	if change.Again {
		if again, err = s.rowsOf(ctx, w, versionKey(rk, change.Record.Hash)); err != nil {
			return batch{}, archive.Tally{}, err
		}
		seen = again[0].FirstSeen
	}
	current, err := s.codec.encodeRecord(with, w, change.Record, seen, time.Time{})
	if err != nil {
		return batch{}, archive.Tally{}, err
	}
	// Adding the earlier version is refused where somebody else has superseded the same content: that, and not only
	// the ETag, which Azurite does not look at for a replacement within a transaction, keeps two runs apart.
	b := old.batch(aztables.TransactionTypeAdd)
	replaced := current.batch(aztables.TransactionTypeInsertReplace)
	etag := azcore.ETag(rows[0].ETag)
	replaced.actions[0].ActionType, replaced.actions[0].IfMatch = aztables.TransactionTypeUpdateReplace, &etag
	b.actions, b.size = append(b.actions, replaced.actions...), b.size+replaced.size
	b.mixed = true
	if len(rows) > len(current.lines) {
		b.drop(rows[len(current.lines):])
	}
	b.drop(again)
	if b.size >= maxTransaction-operationOverhead {
		// Old and new content together do not fit one transaction, so they can't change places in one.
		return batch{}, archive.Tally{}, &archive.TooLarge{Key: change.Record.Key, Hash: change.Record.Hash, Size: b.size}
	}
	tally := archive.Tally{StoredBytes: old.stored() + current.stored() - sizeOf(rows) - sizeOf(again)}
	if again == nil {
		tally.Versions, tally.Bytes = 1, int64(len(change.Record.Raw))
	}
	return b, tally, nil
}

// drop adds the deletion of rows.
func (b *batch) drop(rows []fetchedRow) {
	for _, row := range rows {
		b.actions = append(b.actions, aztables.TransactionAction{
			ActionType: aztables.TransactionTypeDelete, Entity: newRow(row.PartitionKey, row.RowKey, 256).done().body})
		b.size += operationOverhead
	}
}

func sizeOf(rows []fetchedRow) int64 {
	var sum int64
	for _, row := range rows {
		sum += row.size
	}
	return sum
}

// rowsOf reads the rows of the record whose first row has the key.
func (s *Store) rowsOf(ctx context.Context, w entra.Window, first string) ([]fetchedRow, error) {
	var rows []fetchedRow
	for n, count := 0, 1; n < count; n++ {
		key := first
		if n > 0 {
			key = partKey(first, n)
		}
		got, err := s.service.NewClient(TableName(w)).GetEntity(ctx, partitionKey(w), key, nil)
		if err != nil {
			return nil, s.explain("read row "+key+" of table "+TableName(w), err)
		}
		row, err := parseWholeRow(got.Value)
		if err != nil {
			return nil, err
		}
		if n == 0 {
			count = max(1, row.Parts)
		}
		row.ETag = string(got.ETag)
		rows = append(rows, row)
	}
	return rows, nil
}

// Count is archive.Store's.
func (s *Store) Count(ctx context.Context, w entra.Window) (archive.Tally, error) {
	var tally archive.Tally
	err := s.records(ctx, w, func(at place, rows []fetchedRow) error {
		if at.isVersion {
			tally.Versions++
		} else {
			tally.Records++
		}
		size, err := s.decodedSize(ctx, TableName(w), data(rows), rows[0].Codec)
		tally.Bytes += size
		tally.StoredBytes += sizeOf(rows)
		return err
	})
	return tally, err
}

// StoredByHour is archive.Store's: a query of keys alone, which costs nothing for a month without a table.
func (s *Store) StoredByHour(ctx context.Context, stream entra.Stream, from, to time.Time) (map[time.Time]int64, error) {
	out := make(map[time.Time]int64)
	err := s.eachMonth(stream, from, to, func(table, first, below string) error {
		return s.queryRange(ctx, table, first, below, "PartitionKey,RowKey", func(body []byte) error {
			row, err := parseRow(body)
			if err != nil {
				return err
			}
			at, err := parseRowKey(row.RowKey)
			if err == nil && at.part == 0 {
				out[entra.FloorHour(at.key.Time)]++
			}
			return err
		})
	})
	return out, err
}

// records yields every record of a window with its rows, earlier versions included, in the order of their keys.
func (s *Store) records(ctx context.Context, w entra.Window, yield func(place, []fetchedRow) error) error {
	var (
		rows []fetchedRow
		at   place
	)
	flush := func() error {
		if len(rows) == 0 {
			return nil
		}
		defer func() { rows = nil }()
		return yield(at, rows)
	}
	err := s.query(ctx, TableName(w), partitionKey(w), "0", "~", "", func(body []byte) error {
		row, err := parseWholeRow(body)
		if err != nil {
			return err
		}
		here, err := parseRowKey(row.RowKey)
		if err != nil {
			return err
		}
		if here.part == 0 {
			if err := flush(); err != nil {
				return err
			}
			at = here
		}
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return err
	}
	return flush()
}

// StoredRecord is a record as it was read back, checked against its hash.
type StoredRecord struct {
	entra.Record
	FirstSeen  time.Time
	Superseded time.Time // when a later content took its place; zero for the current one
}

// Records reads a window back in the order of time, earlier versions included. It stops at the first error.
func (s *Store) Records(ctx context.Context, w entra.Window) iter.Seq2[StoredRecord, error] {
	return func(yield func(StoredRecord, error) bool) {
		stopped := errors.New("the reader has enough")
		err := s.records(ctx, w, func(_ place, rows []fetchedRow) error {
			rec, err := s.decodeRecord(ctx, w, rows)
			if err != nil {
				return fmt.Errorf("read table %s: %w", TableName(w), err)
			}
			if !yield(StoredRecord{Record: rec, FirstSeen: rows[0].FirstSeen, Superseded: rows[0].Superseded}, nil) {
				return stopped
			}
			return nil
		})
		if err != nil && !errors.Is(err, stopped) {
			yield(StoredRecord{}, err)
		}
	}
}
