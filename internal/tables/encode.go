package tables

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/klauspost/compress/zstd"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

const (
	// maxParts is how many rows a record may have, so that they fit one transaction in base64.
	maxParts = 4
	// bytesPerRow is how much of a record one row has.
	bytesPerRow = rows.ChunksPerRow * rows.MaxProperty
)

// encoded is a record as rows; all of them are written in one transaction.
type encoded struct {
	lines []rows.Entity
}

// encodeRecord makes the rows of a record, compressed by with (nil: without a dictionary).
func (c *codec) encodeRecord(with *zstd.Encoder, w entra.Window, rec entra.Record, when dates) (encoded, error) {
	rk, _ := rowKey(rec.Key)
	if !when.superseded.IsZero() {
		rk = versionKey(rk, rec.Hash)
	}
	return c.encodeAs(with, w, rec, rk, when)
}

// encodeAs makes the rows of a record under a key.
func (c *codec) encodeAs(with *zstd.Encoder, w entra.Window, rec entra.Record, rk string, when dates) (encoded,
	error) {
	data, codecName, free := c.encode(with, rec.Raw)
	defer free()
	if len(data) > maxParts*bytesPerRow {
		return encoded{}, &collect.TooLarge{Key: rec.Key, Hash: rec.Hash, Size: len(data)}
	}
	_, whole := rowKey(rec.Key)
	var out encoded
	parts := max(1, (len(data)+bytesPerRow-1)/bytesPerRow)
	for n := range parts {
		b := rows.NewEntity(partitionKey(w), rk, len(data)*4/3+1024)
		if n == 0 {
			describe(b, rec, whole, codecName, when)
			if parts > 1 {
				b.Int32("Parts", int32(parts))
			}
		} else {
			b = rows.NewEntity(partitionKey(w), partKey(rk, n), len(data)*4/3+1024)
		}
		data = b.Chunks(data)
		l := b.Done()
		if l.Stored > rows.MaxEntity {
			return encoded{}, &collect.TooLarge{Key: rec.Key, Hash: rec.Hash, Size: int(l.Stored)}
		}
		out.lines = append(out.lines, l)
	}
	return out, nil
}

// describe adds everything but the record's bytes to a record's first row.
func describe(b *rows.Builder, rec entra.Record, whole bool, codecName string, when dates) {
	if !whole {
		b.Text("Id", rec.ID)
	}
	when.describe(b)
	b.Binary("Hash", rec.Hash[:])
	b.Text("Codec", codecName)
	for _, col := range rec.Columns {
		switch {
		case col.IsInt:
			b.Int32(col.Name, col.Int)
		case isGUIDColumn(col):
			b.GUID(col.Name, col.Text)
		default:
			b.Text(col.Name, col.Text)
		}
	}
}

// batch is the record's rows, each written in the same way.
func (e encoded) batch(kind rows.ActionKind) rows.Batch {
	var b rows.Batch
	for _, l := range e.lines {
		b.Add(rows.Action{Kind: kind, Row: l.Body})
	}
	return b
}

// stored is the size of the rows as the table counts them.
func (e encoded) stored() int64 {
	var sum int64
	for _, l := range e.lines {
		sum += l.Stored
	}
	return sum
}

// bigRows spreads bytes over as many rows as they need; describe adds to the first one what it says
// of them all.
func bigRows(partition, key string, data []byte, describe func(b *rows.Builder, first bool)) []rows.Entity {
	parts := max(1, (len(data)+bytesPerRow-1)/bytesPerRow)
	lines := make([]rows.Entity, parts)
	for n := range lines {
		rk := key
		if n > 0 {
			rk = partKey(key, n)
		}
		b := rows.NewEntity(partition, rk, min(len(data), bytesPerRow)*4/3+1024)
		describe(b, n == 0)
		if n == 0 {
			b.Int32("Parts", int32(parts))
		}
		data = b.Chunks(data)
		lines[n] = b.Done()
	}
	return lines
}

// submitLastFirst writes rows one by one: the first row, which marks the record as whole, comes
// last.
func submitLastFirst(ctx context.Context, client *rows.Client, table string, kind rows.ActionKind,
	lines []rows.Entity) error {
	for n := len(lines) - 1; n >= 0; n-- {
		if err := client.Submit(ctx, table, rows.Action{Kind: kind, Row: lines[n].Body}); err != nil {
			return err
		}
	}
	return nil
}

// rawOf is the record that rows hold, in memory of its own, checked against its hash.
func (c *codec) rawOf(ctx context.Context, w entra.Window, of []fetchedRow) ([]byte, error) {
	first := &of[0]
	raw, err := c.decode(ctx, TableName(w), data(of), first.Codec)
	if err != nil {
		return nil, alteredRecord(w, first.RowKey, err)
	}
	if first.Codec == codecNone {
		raw = bytes.Clone(raw) // the row's memory is used again
	}
	if hash := entra.HashOf(raw); string(first.Hash) != string(hash[:]) {
		return nil, alteredRecord(w, first.RowKey,
			fmt.Errorf("its bytes have the hash %x, not %x as written: the row was altered", hash, first.Hash))
	}
	return raw, nil
}

// decodeRecord is the record that rows hold, checked against its hash.
func (c *codec) decodeRecord(ctx context.Context, w entra.Window, of []fetchedRow) (entra.Record, error) {
	raw, err := c.rawOf(ctx, w, of)
	if err != nil {
		return entra.Record{}, err
	}
	rec, err := logs.ParseRecord(w.Stream, raw)
	if err != nil {
		return rec, alteredRecord(w, of[0].RowKey, err)
	}
	return rec, nil
}

// alteredRecord is the error about a record's row that is not what was written. An error of the
// service, or of a context that has ended, stays what it is.
func alteredRecord(w entra.Window, row string, err error) error {
	_, known := errors.AsType[*entra.Error](err)
	if known || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("read row %s of table %s: %w", row, TableName(w), err)
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: "read row " + row + " of table " + TableName(w),
		Why: err.Error(), Err: err,
		Remedy: "GET /api/verify names all such rows; everything else goes on"}
}
