package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// RowKey is archive.Store's.
func (*Store) RowKey(k entra.Key) string {
	key, _ := rowKey(k)
	return key
}

// Insert is archive.Store's. The records' sizes are checked before anything is written.
func (s *Store) Insert(ctx context.Context, w entra.Window, recs []entra.Record, seen time.Time) (archive.Contents, error) {
	var added archive.Contents
	with, err := s.encoderFor(ctx, w, recs...)
	if err != nil {
		return added, err
	}
	batches := make([]batch, 0, len(recs))
	for _, rec := range recs {
		enc, err := s.codec.encodeRecord(with, w, rec, dates{first: seen})
		if err != nil {
			return archive.Contents{}, err
		}
		batches = append(batches, enc.batch(aztables.TransactionTypeAdd))
		added.Records++
		added.Bytes += int64(len(rec.Raw))
		added.StoredBytes += enc.stored()
		added.Sum.Add(archive.SumOf(enc.lines[0].rowKey, rec.Hash))
	}
	return added, s.submitAll(ctx, TableName(w), batches)
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
	err := s.query(ctx, TableName(w), partitionKey(w), from, below, "RowKey,Hash,Id,FirstSeen,Came", func(body []byte) error {
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
			has.HasFirst, has.Since = true, row.since()
			copy(has.Current[:], row.Hash)
		}
		out[at.key] = has
		return nil
	})
	return out, err
}

// Apply is archive.Store's. Each change is one transaction's part that is written whole or not at all.
func (s *Store) Apply(ctx context.Context, w entra.Window, changes []archive.Change, seen time.Time) (archive.Contents, error) {
	var sum archive.Contents
	superseded, err := s.superseded(ctx, w, changes)
	if err != nil {
		return sum, err
	}
	batches := make([]batch, 0, len(changes))
	for _, change := range changes {
		var (
			b     batch
			added archive.Contents
			err   error
		)
		switch change.Kind {
		case archive.InsertCurrent, archive.KeepVersion:
			b, added, err = s.insertion(ctx, w, change, seen)
		case archive.Supersede:
			b, added, err = s.supersede(ctx, w, change, seen, superseded)
		}
		if err != nil {
			return archive.Contents{}, err
		}
		batches = append(batches, b)
		sum.Records += added.Records
		sum.Versions += added.Versions
		sum.Bytes += added.Bytes
		sum.StoredBytes += added.StoredBytes
		sum.Sum.Add(added.Sum)
	}
	return sum, s.submitAll(ctx, TableName(w), batches)
}

func (s *Store) insertion(ctx context.Context, w entra.Window, change archive.Change, seen time.Time) (batch, archive.Contents, error) {
	var added archive.Contents
	added.Records, added.Bytes = 1, int64(len(change.Record.Raw))
	when := dates{first: seen}
	if change.Kind == archive.KeepVersion {
		added.Records, added.Versions = 0, 1
		if when.superseded = change.Until; when.superseded.IsZero() {
			when.superseded = seen
		}
	}
	with, err := s.encoderFor(ctx, w, change.Record)
	if err != nil {
		return batch{}, added, err
	}
	enc, err := s.codec.encodeRecord(with, w, change.Record, when)
	if err != nil {
		return batch{}, added, err
	}
	added.StoredBytes = enc.stored()
	added.Sum = archive.SumOf(s.RowKey(change.Record.Key), change.Record.Hash)
	return enc.batch(aztables.TransactionTypeAdd), added, nil
}

// supersede keeps the current row as an earlier version and puts the new content in its place, if nobody else was
// quicker.
func (s *Store) supersede(ctx context.Context, w entra.Window, change archive.Change, seen time.Time, fetched map[string][]fetchedRow) (batch, archive.Contents, error) {
	var err error
	rk, _ := rowKey(change.Record.Key)
	rows, ok := fetched[rk]
	if !ok {
		rows, err = s.rowsOf(ctx, w, rk)
	}
	if err != nil {
		return batch{}, archive.Contents{}, err
	}
	was, err := s.decodeRecord(ctx, w, rows)
	if entra.CodeOf(err) == entra.CodeTampered && err != nil {
		return batch{}, archive.Contents{}, &archive.Altered{Key: change.Record.Key, Hash: change.Record.Hash, Err: err}
	}
	if err != nil {
		return batch{}, archive.Contents{}, fmt.Errorf("read %s in table %s: %w", rk, TableName(w), err)
	}
	if was.Hash != change.Was {
		return batch{}, archive.Contents{}, archive.ErrMoved
	}
	with, err := s.encoderFor(ctx, w)
	if err != nil {
		return batch{}, archive.Contents{}, err
	}
	old, err := s.codec.encodeRecord(with, w, was, rows[0].dates().supersededAt(seen))
	if errors.Is(err, archive.ErrTooLarge) {
		// It was small enough when it was stored; the dictionary since made is none for it. The new
		// content can't take its place.
		return batch{}, archive.Contents{}, &archive.TooLarge{Key: change.Record.Key, Hash: change.Record.Hash, Size: len(was.Raw)}
	}
	if err != nil {
		return batch{}, archive.Contents{}, err
	}
	var again []fetchedRow
	when := dates{first: seen}
	if change.Again {
		if again, err = s.rowsOf(ctx, w, versionKey(rk, change.Record.Hash)); err != nil {
			return batch{}, archive.Contents{}, err
		}
		when = again[0].dates().cameAgain(seen)
	}
	current, err := s.codec.encodeRecord(with, w, change.Record, when)
	if err != nil {
		return batch{}, archive.Contents{}, err
	}
	// Adding the earlier version is refused where somebody else has superseded the same content: that, and not only
	// the ETag, which Azurite does not look at for a replacement within a transaction, keeps two runs apart.
	b := old.batch(aztables.TransactionTypeAdd)
	b.replace(current, rows)
	b.drop(again)
	if b.size >= maxTransaction-operationOverhead {
		// Old and new content together do not fit one transaction, so they can't change places in one.
		return batch{}, archive.Contents{}, &archive.TooLarge{Key: change.Record.Key, Hash: change.Record.Hash, Size: b.size}
	}
	added := archive.Contents{}
	added.StoredBytes = old.stored() + current.stored() - sizeOf(rows) - sizeOf(again)
	if again == nil {
		added.Versions, added.Bytes, added.Sum = 1, int64(len(change.Record.Raw)), archive.SumOf(rk, change.Record.Hash)
	}
	return b, added, nil
}

// replace puts a record's rows in the place of those that were read, if they are still there as
// they were.
func (b *batch) replace(with encoded, rows []fetchedRow) {
	for i, l := range with.lines {
		action := aztables.TransactionAction{ActionType: aztables.TransactionTypeAdd, Entity: l.body}
		if i < len(rows) {
			etag := azcore.ETag(rows[i].ETag)
			action.ActionType, action.IfMatch = aztables.TransactionTypeUpdateReplace, &etag
		}
		b.actions = append(b.actions, action)
	}
	b.size += with.size
	b.mixed = true
	if len(rows) > len(with.lines) {
		b.drop(rows[len(with.lines):])
	}
}

// Restamp is archive.Store's.
func (s *Store) Restamp(ctx context.Context, w entra.Window, contents []seal.Leaf, seen time.Time) error {
	client := s.service.NewClient(TableName(w))
	for _, l := range contents {
		key := l.Key
		got, err := client.GetEntity(ctx, partitionKey(w), key, nil)
		if err == nil {
			var row fetchedRow
			if row, err = parseRow(got.Value); err == nil && !bytes.Equal(row.Hash, l.Hash[:]) {
				key = versionKey(l.Key, l.Hash)
				got, err = client.GetEntity(ctx, partitionKey(w), key, nil)
			}
		}
		if err != nil {
			return s.explain("read row "+key+" of table "+TableName(w), err)
		}
		b := newRow(partitionKey(w), key, 128)
		b.time("FirstSeen", seen)
		_, err = client.UpdateEntity(ctx, b.done().body, &aztables.UpdateEntityOptions{IfMatch: &got.ETag, UpdateMode: aztables.UpdateModeMerge})
		if err != nil {
			return s.explain("date row "+key+" of table "+TableName(w), err)
		}
	}
	return nil
}

// drop adds the deletion of rows.
func (b *batch) drop(rows []fetchedRow) {
	for _, row := range rows {
		etag := azcore.ETag(row.ETag)
		b.actions = append(b.actions, aztables.TransactionAction{ActionType: aztables.TransactionTypeDelete, IfMatch: &etag,
			Entity: newRow(row.PartitionKey, row.RowKey, 256).done().body})
		b.size += operationOverhead
	}
}

func sizeOf(rows []fetchedRow) int64 {
	var sum int64
	for _, row := range rows {
		sum += row.storedSize()
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
func (s *Store) Count(ctx context.Context, w entra.Window) (archive.Contents, error) {
	var sum archive.Contents
	err := s.records(ctx, w, func(at place, rows []fetchedRow) error {
		if at.isVersion {
			sum.Versions++
		} else {
			sum.Records++
		}
		size, err := s.decodedSize(ctx, TableName(w), data(rows), rows[0].Codec)
		sum.Bytes += size
		sum.StoredBytes += sizeOf(rows)
		sum.Sum.Add(contentSum(rows[0], at))
		return err
	})
	return sum, err
}

// contentSum is the sum over a content, as its first row has it.
func contentSum(row fetchedRow, at place) archive.Sum {
	var hash entra.Hash
	copy(hash[:], row.Hash)
	return archive.SumOf(recordKey(row.RowKey, at), hash)
}

// recordKey is the key of the current row of the record to which a row belongs.
func recordKey(key string, at place) string {
	if at.isVersion {
		return key[:strings.LastIndex(key, versionMark)]
	}
	return key
}

// StoredByHour is archive.Store's: a query of keys and hashes, which costs nothing for a month
// without a table.
func (s *Store) StoredByHour(ctx context.Context, stream entra.Stream, from, to time.Time) (map[time.Time]archive.HourContents, error) {
	out := make(map[time.Time]archive.HourContents)
	err := s.eachMonth(stream, from, to, func(table, first, below string) error {
		return s.queryRange(ctx, table, first, below, "PartitionKey,RowKey,Hash", func(body []byte) error {
			row, err := parseRow(body)
			if err != nil {
				return err
			}
			at, err := parseRowKey(row.RowKey)
			if err != nil || at.part > 0 {
				return err
			}
			if len(row.Hash) != len(entra.Hash{}) {
				return fmt.Errorf("read row %s of table %s: its hash has %d bytes", row.RowKey, table, len(row.Hash))
			}
			hour := entra.FloorHour(at.key.Time)
			sum := out[hour]
			sum.Count++
			sum.Sum.Add(contentSum(row, at))
			out[hour] = sum
			return nil
		})
	})
	return out, err
}

// records yields every record of a window with its rows, earlier versions included, in the order of
// their keys. The rows are good until yield returns.
func (s *Store) records(ctx context.Context, w entra.Window, yield func(place, []fetchedRow) error) error {
	return s.recordsIn(ctx, w, "0", "~", yield)
}

// recordsIn is records for the row keys of [from, below).
func (s *Store) recordsIn(ctx context.Context, w entra.Window, from, below string, yield func(place, []fetchedRow) error) error {
	var open group
	flush := func() error {
		defer open.drop()
		if open.used == 0 {
			return nil
		}
		for i := range open.rows() {
			if row := &open.rows()[i]; row.bad != "" {
				return alteredRecord(w, row.RowKey, fmt.Errorf("its column %s is not of the kind that is written", row.bad))
			}
		}
		at, err := parseRowKey(open.first().RowKey)
		if err != nil || at.part > 0 { // a part of a record that is not there is none
			return err
		}
		return yield(at, open.rows())
	}
	err := s.query(ctx, TableName(w), partitionKey(w), from, below, "", func(body []byte) error {
		if open.takes(body) {
			return nil
		}
		if err := flush(); err != nil {
			return err
		}
		open.begin()
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
