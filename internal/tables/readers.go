package tables

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Readers keeps the cursors of callers who ask by a name: a row each in one partition, under the
// name in folded case.
type Readers struct {
	client *rows.Client
}

const (
	readersPartition = "reader"
	// longestKey and keptOfLonger bound row keys well below the service's 512 characters: an escaped
	// letter may take 12.
	longestKey   = 400
	keptOfLonger = 300
)

// readerKey is the row key of a reader. In place of what a long one has too much stands a hash.
func readerKey(key string) string {
	row := rows.Escape(key)
	if len(row) <= longestKey {
		return row
	}
	sum := sha256.Sum256([]byte(key))
	return row[:keptOfLonger] + "!" + hex.EncodeToString(sum[:16])
}

// readerPlace names a reader's row in errors.
func readerPlace(row string) string {
	return fmt.Sprintf("row %s of table %s", rows.Clip(row), readersTable)
}

// Reader is cursors.Store's.
func (r *Readers) Reader(ctx context.Context, key string) (cursors.Reader, error) {
	got, err := r.client.Get(ctx, readersTable, readersPartition, readerKey(key), "read a reader")
	if rows.IsMissing(err) {
		return cursors.Reader{}, cursors.ErrNoReader
	}
	if err != nil {
		return cursors.Reader{}, err
	}
	reader, err := parseReader(got.Body)
	reader.Revision = got.Revision
	return reader, err
}

// SaveReader is cursors.Store's.
func (r *Readers) SaveReader(ctx context.Context, reader cursors.Reader) (cursors.Reader, error) {
	revision, err := r.client.Replace(ctx, readersTable, "write a reader", encodeReader(reader), reader.Revision)
	if errors.Is(err, rows.ErrMoved) {
		return reader, cursors.ErrMoved
	}
	if err == nil {
		reader.Revision, reader.Place = revision, readerPlace(readerKey(reader.Key))
	}
	return reader, err
}

// DeleteReader is cursors.Store's.
func (r *Readers) DeleteReader(ctx context.Context, key string) error {
	err := r.client.Delete(ctx, readersTable, readersPartition, readerKey(key), "delete a reader")
	if rows.IsMissing(err) || rows.IsDropped(err) {
		return cursors.ErrNoReader
	}
	return err
}

// ListReaders is cursors.Store's.
func (r *Readers) ListReaders(ctx context.Context, after string, top int) ([]cursors.Reader, error) {
	var out []cursors.Reader
	filter := "PartitionKey eq " + rows.Quote(readersPartition) + " and RowKey gt " + rows.Quote(readerKey(after))
	for body, err := range r.client.Scan(ctx, readersTable, rows.Query{Filter: filter, Top: min(top, rows.PageRows)}) {
		if err != nil {
			return nil, err
		}
		reader, err := parseReader(body)
		if err != nil {
			return nil, err
		}
		if out = append(out, reader); len(out) == top {
			break
		}
	}
	return out, nil
}

// encodeReader writes a reader's row.
func encodeReader(reader cursors.Reader) []byte {
	key := readerKey(reader.Key)
	columns := []directory.Column{{Name: "Name", Value: reader.Name}, {Name: "Cursor", Value: reader.Cursor},
		{Name: "AsOf", Value: reader.AsOf}, {Name: "Moved", Value: reader.Moved}}
	b := rows.NewEntity(readersPartition, key, len(reader.Cursor)+1024)
	addColumns(b, columns)
	b.Binary(checkColumn, readerCheck(key, columnsOf(columns)))
	return b.Done().Body
}

// readerCheck is the check of a reader's row over its columns, as columnsOf and columnsIn write
// them.
func readerCheck(key string, columns []byte) []byte {
	return checkOf(readersTable, readersPartition, key, columns)
}

// parseReader reads a reader's row. The error about one that is not what was written says how it is
// forgotten.
func parseReader(body []byte) (cursors.Reader, error) {
	row := gjson.ParseBytes(body)
	rowKey := row.Get("RowKey").Str
	var columns struct {
		ETag         string `json:"odata.etag"`
		Name, Cursor string
		AsOf, Moved  time.Time
	}
	err := json.Unmarshal(body, &columns)
	key, wrongName := cursors.KeyOf(columns.Name)
	check := compareCheck(row, readerCheck(rowKey, columnsIn(row)))
	why := ""
	switch {
	case err != nil:
		why = "its columns can't be read"
	case check == unchecked:
		why = "it has no check, though it was written with one"
	case check == differs:
		why = "its check is of another row, or of other columns"
	case wrongName != nil || readerKey(key) != rowKey:
		why = "its name is not the one of its key"
	}
	if why != "" {
		return cursors.Reader{}, alteredReader(rowKey, why)
	}
	return cursors.Reader{Key: key, Name: columns.Name, Cursor: columns.Cursor, AsOf: columns.AsOf.UTC(),
		Moved: columns.Moved.UTC(), Place: readerPlace(rowKey), Revision: columns.ETag}, nil
}

// alteredReader is the error about a row that is not what was written. Its name is what its key
// says, if that can be the key of a reader.
func alteredReader(rowKey, why string) error {
	name, err := rows.Unescape(rowKey)
	if err == nil {
		var key string
		if key, err = cursors.KeyOf(name); err == nil && readerKey(key) == rowKey {
			return cursors.Altered(name, readerPlace(rowKey), why)
		}
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: "read " + readerPlace(rowKey),
		Why: "it is not what was written: " + why, Remedy: "delete the row: the reader that asks next then has " +
			"everything; find out who changed it"}
}
