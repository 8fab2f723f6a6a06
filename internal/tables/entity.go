package tables

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Limits of Table Storage, enforced here because Azurite does not enforce all of them.
const (
	maxProperty    = 64 << 10 // bytes of a binary property
	maxEntity      = 1 << 20  // bytes of a row, as the service counts them
	maxOperations  = 100      // of a transaction
	maxTransaction = 4 << 20  // bytes of a transaction's body

	// chunksPerRow keeps a row below 1 MiB in base64 too, which is what Azurite measures: 11 x 64
	// KiB is 704 KiB.
	chunksPerRow = 11
	// maxParts is how many rows a record may have, so that they fit one transaction in base64.
	maxParts = 4
	// maxMixed bounds a transaction that does more than insert: Azurite refuses a replacement in a
	// larger one.
	maxMixed = 1 << 20
	// operationOverhead is what the SDK writes around one row in a transaction: boundary, request
	// line, headers.
	operationOverhead = 700
)

// line is one row to be written: its key, the JSON for the wire and its size in the table.
type line struct {
	rowKey string
	body   []byte
	stored int64
}

// encoded is a record as rows; all of them are written in one transaction.
type encoded struct {
	lines []line
	size  int // on the wire
}

// encodeRecord makes the rows of a record, compressed by with (nil: without a dictionary).
func (c *codec) encodeRecord(with *zstd.Encoder, w entra.Window, rec entra.Record, when dates) (encoded, error) {
	data, codecName, free := c.encode(with, rec.Raw)
	defer free()
	if len(data) > maxParts*chunksPerRow*maxProperty {
		return encoded{}, &archive.TooLarge{Key: rec.Key, Hash: rec.Hash, Size: len(data)}
	}
	rk, whole := rowKey(rec.Key)
	if !when.superseded.IsZero() {
		rk = versionKey(rk, rec.Hash)
	}
	var out encoded
	parts := max(1, (len(data)+chunksPerRow*maxProperty-1)/(chunksPerRow*maxProperty))
	for n := range parts {
		b := newRow(partitionKey(w), rk, len(data)*4/3+1024)
		if n == 0 {
			b.describe(rec, whole, codecName, when)
			if parts > 1 {
				b.int32("Parts", int32(parts))
			}
		} else {
			b = newRow(partitionKey(w), partKey(rk, n), len(data)*4/3+1024)
		}
		data = b.chunks(data)
		l := b.done()
		if l.stored > maxEntity {
			return encoded{}, &archive.TooLarge{Key: rec.Key, Hash: rec.Hash, Size: int(l.stored)}
		}
		out.lines = append(out.lines, l)
		out.size += len(l.body) + operationOverhead
	}
	return out, nil
}

// describe adds everything but the record's bytes.
func (b *rowBuilder) describe(rec entra.Record, whole bool, codecName string, when dates) {
	if !whole {
		b.text("Id", rec.ID)
	}
	when.describe(b)
	b.binary("Hash", rec.Hash[:])
	b.text("Codec", codecName)
	for _, col := range rec.Columns {
		switch {
		case col.IsInt:
			b.int32(col.Name, col.Int)
		case strings.HasSuffix(col.Name, "Id") && isGUID(col.Text):
			b.guid(col.Name, col.Text)
		default:
			b.text(col.Name, col.Text)
		}
	}
}

// rowBuilder writes an entity's JSON and counts its size in the table: 4 bytes, 2 for each
// character of the keys, and for each property 8, 2 for each character of its name, and its value.
type rowBuilder struct {
	rowKey string
	body   []byte
	stored int64
}

func newRow(partition, row string, capacity int) *rowBuilder {
	b := &rowBuilder{rowKey: row, body: make([]byte, 0, capacity)}
	b.body = append(b.body, `{"PartitionKey":`...)
	b.body = appendText(b.body, partition)
	b.body = append(b.body, `,"RowKey":`...)
	b.body = appendText(b.body, row)
	b.stored = 4 + 2*int64(len(partition)+len(row))
	return b
}

func (b *rowBuilder) name(name, edmType string) {
	b.body = append(b.body, ',', '"')
	if edmType != "" {
		b.body = append(b.body, name...)
		b.body = append(b.body, `@odata.type":"`...)
		b.body = append(b.body, edmType...)
		b.body = append(b.body, `","`...)
	}
	b.body = append(b.body, name...)
	b.body = append(b.body, '"', ':')
	b.stored += 8 + 2*int64(len(name))
}

func (b *rowBuilder) text(name, value string) {
	b.name(name, "")
	b.body = appendText(b.body, value)
	b.stored += 4 + 2*int64(units(value))
}

// guid takes 16 bytes where a text would take 76.
func (b *rowBuilder) guid(name, value string) {
	b.name(name, "Edm.Guid")
	b.body = appendText(b.body, value)
	b.stored += 16
}

// isGUID tells whether a text is a GUID as Graph writes them; any other spelling would not come
// back as it was.
func isGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

func (b *rowBuilder) int32(name string, value int32) {
	b.name(name, "")
	b.body = strconv.AppendInt(b.body, int64(value), 10)
	b.stored += 4
}

func (b *rowBuilder) bool(name string, value bool) {
	b.name(name, "")
	b.body = strconv.AppendBool(b.body, value)
	b.stored++
}

func (b *rowBuilder) time(name string, value time.Time) {
	b.name(name, "Edm.DateTime")
	b.body = append(b.body, '"')
	b.body = value.UTC().AppendFormat(b.body, timeFormat)
	b.body = append(b.body, '"')
	b.stored += 8
}

func (b *rowBuilder) binary(name string, value []byte) {
	b.name(name, "Edm.Binary")
	b.body = append(b.body, '"')
	b.body = base64.StdEncoding.AppendEncode(b.body, value)
	b.body = append(b.body, '"')
	b.stored += 4 + int64(len(value))
}

// chunks adds as much of a record's bytes as a row takes and returns the rest.
func (b *rowBuilder) chunks(data []byte) []byte {
	for i := 0; i < chunksPerRow && len(data) > 0; i++ {
		chunk := data[:min(len(data), maxProperty)]
		data = data[len(chunk):]
		b.binary(chunkName(i), chunk)
	}
	return data
}

// chunkName is Record, Record1, Record2, ...
func chunkName(i int) string {
	if i == 0 {
		return "Record"
	}
	return "Record" + strconv.Itoa(i)
}

func (b *rowBuilder) done() line {
	return line{rowKey: b.rowKey, body: append(b.body, '}'), stored: b.stored}
}

// appendText writes a JSON string. Most values need no escape and are copied.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// units is the length in UTF-16, in which Table Storage counts.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// rawOf is the record that rows hold, in memory of its own, checked against its hash.
func (s *Store) rawOf(ctx context.Context, w entra.Window, rows []fetchedRow) ([]byte, error) {
	first := &rows[0]
	raw, err := s.decode(ctx, TableName(w), data(rows), first.Codec)
	if err != nil {
		return nil, alteredRecord(w, first.RowKey, err)
	}
	if first.Codec == codecNone {
		raw = bytes.Clone(raw) // the row's memory is used again
	}
	if hash := entra.HashOf(raw); string(first.Hash) != string(hash[:]) {
		return nil, alteredRecord(w, first.RowKey, fmt.Errorf("its bytes have the hash %x, not %x as written: the row was altered", hash, first.Hash))
	}
	return raw, nil
}

// decodeRecord is the record that rows hold, checked against its hash.
func (s *Store) decodeRecord(ctx context.Context, w entra.Window, rows []fetchedRow) (entra.Record, error) {
	raw, err := s.rawOf(ctx, w, rows)
	if err != nil {
		return entra.Record{}, err
	}
	rec, err := logs.ParseRecord(w.Stream, raw)
	if err != nil {
		return rec, alteredRecord(w, rows[0].RowKey, err)
	}
	return rec, nil
}

// alteredRecord is the error about a record's row that is not what was written. An error of the
// service, or of a context that has ended, stays what it is.
func alteredRecord(w entra.Window, row string, err error) error {
	if _, ok := errors.AsType[*entra.Error](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("read row %s of table %s: %w", row, TableName(w), err)
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: "read row " + row + " of table " + TableName(w), Why: err.Error(), Err: err,
		Remedy: "GET /api/verify names all such rows; everything else goes on"}
}
