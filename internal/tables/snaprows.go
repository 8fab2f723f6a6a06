package tables

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// docColumns are the columns of a row whose document is one chunk, as nearly all are; Chunks marks
// the others. Unrequested columns are not transferred.
const docColumns = "RowKey,Codec,Chunks,Record," + checkColumn

// docRow is a row with a document.
type docRow struct {
	RowKey string
	ETag   string `json:"odata.etag"`
	Codec  string
	Chunks int
	Check  []byte

	Record, Record1, Record2, Record3, Record4, Record5, Record6, Record7, Record8, Record9, Record10 []byte
}

// data are the document's bytes, as they are stored.
func (row docRow) data() []byte {
	return slices.Concat(row.Record, row.Record1, row.Record2, row.Record3, row.Record4, row.Record5, row.Record6,
		row.Record7, row.Record8, row.Record9, row.Record10)
}

// parseDocument reads a row and its document. Where it has more chunks than were asked for, the
// whole row is read.
func (d *Directory) parseDocument(ctx context.Context, table, partition string, body []byte) (docRow, []byte, error) {
	var row docRow
	if err := json.Unmarshal(body, &row); err != nil {
		return row, nil, fmt.Errorf("read a row of %s: %w", table, err)
	}
	if row.Chunks > 1 && row.Record1 == nil {
		whole, err := d.client.Get(ctx, table, partition, row.RowKey, "read table "+table)
		if err != nil {
			return row, nil, err
		}
		chunked := docRow{}
		if err := json.Unmarshal(whole.Body, &chunked); err != nil {
			return row, nil, fmt.Errorf("read row %s of %s: %w", row.RowKey, table, err)
		}
		chunked.ETag = cmp.Or(row.ETag, chunked.ETag)
		row = chunked
	}
	if row.Codec == "" {
		return row, nil, nil // it was read without its document
	}
	doc, err := d.codec.decode(ctx, table, row.data(), row.Codec)
	if err != nil {
		return row, nil, fmt.Errorf("read row %s of %s: %w", row.RowKey, table, err)
	}
	return row, doc, nil
}

// DropRows is directory.Store's.
func (d *Directory) DropRows(ctx context.Context, id string) error {
	return d.client.DropTable(ctx, snapshotTable(id))
}

// Put is directory.Store's.
func (d *Directory) Put(ctx context.Context, id, partition string, put []directory.Row) error {
	table := snapshotTable(id)
	if len(put) == 0 {
		return d.client.EnsureTable(ctx, table)
	}
	batches := make([]rows.Batch, 0, len(put))
	at := make(map[string]int, len(put))
	for _, row := range put {
		key := rows.Escape(row.Key)
		body, err := d.encodeRow(table, partition, row)
		if err != nil {
			return err
		}
		var made rows.Batch
		made.Add(rows.Action{Kind: rows.Put, Row: body})
		if i, ok := at[key]; ok {
			batches[i] = made // a transaction may name a row once
			continue
		}
		at[key] = len(batches)
		batches = append(batches, made)
	}
	return d.client.SubmitAll(ctx, table, batches)
}

// encodeRow writes a row of a snapshot's table.
func (d *Directory) encodeRow(table, partition string, row directory.Row) ([]byte, error) {
	key := rows.Escape(row.Key)
	b := rows.NewEntity(partition, key, len(row.Doc)+1024)
	addColumns(b, row.Columns)
	b.Binary(checkColumn, snapshotCheck(table, partition, key, row.Doc, columnsOf(row.Columns)))
	if rest := d.codec.document(b, row.Doc); rest > 0 {
		return nil, fmt.Errorf("write row %s: its document has %d bytes too many", row.Key, rest)
	}
	return b.Done().Body, nil
}

// Add is directory.Store's. It makes no table: one that is gone was dropped with its snapshot.
func (d *Directory) Add(ctx context.Context, id, partition string, row directory.Row) error {
	table := snapshotTable(id)
	body, err := d.encodeRow(table, partition, row)
	if err == nil {
		err = d.client.Add(ctx, table, "write row "+rows.Clip(row.Key)+" of table "+table, body)
	}
	switch {
	case errors.Is(err, rows.ErrExists):
		return nil
	case rows.IsDropped(err):
		return directory.ErrNoSnapshot
	}
	return err
}

// addColumns adds the columns beside a row's document.
func addColumns(b *rows.Builder, columns []directory.Column) {
	for _, col := range columns {
		switch v := col.Value.(type) {
		case string:
			b.Text(col.Name, rows.Clip(v))
		case bool:
			b.Bool(col.Name, v)
		case time.Time:
			b.Time(col.Name, rows.Storable(v))
		default:
			panic(fmt.Sprintf("write column %s: no %T has a column", col.Name, v))
		}
	}
}

// Delete is directory.Store's.
func (d *Directory) Delete(ctx context.Context, id, partition string, keys []string) error {
	table := snapshotTable(id)
	for _, key := range keys { // one by one: they are few, and one that is gone would fail a transaction
		err := d.client.Delete(ctx, table, partition, rows.Escape(key), "delete row "+rows.Clip(key)+" of table "+table)
		if err != nil && !rows.IsMissing(err) && !rows.IsDropped(err) {
			return err
		}
	}
	return nil
}

// Rows is directory.Store's.
func (d *Directory) Rows(ctx context.Context, id string, r directory.Range) iter.Seq2[directory.Row, error] {
	return func(yield func(directory.Row, error) bool) {
		table, given := snapshotTable(id), 0
		query := rows.Query{Filter: rangeFilter(r), Top: r.Top, Columns: docColumns, MustExist: true}
		if r.KeysOnly {
			query.Columns = "RowKey," + checkColumn
		}
		for body, err := range d.client.Scan(ctx, table, query) {
			if errors.Is(err, rows.ErrNoTable) {
				err = directory.ErrNoSnapshot
			}
			if err != nil {
				yield(directory.Row{}, err)
				return
			}
			key, doc, err := d.readRow(ctx, table, r, body)
			if errors.Is(err, rows.ErrNoRow) {
				continue // it was deleted since it was listed
			}
			if entra.CodeOf(err) == entra.CodeTampered && r.Altered != nil {
				r.Altered(err)
				continue
			}
			if err != nil {
				yield(directory.Row{}, err)
				return
			}
			given++
			if !yield(directory.Row{Key: key, Doc: doc}, nil) || given == r.Top {
				return
			}
		}
	}
}

// readRow reads a row of a snapshot, and checks what was read of it. Where it takes a request of
// its own, the row (rows.ErrNoRow) or the snapshot (directory.ErrNoSnapshot) may be gone by then.
func (d *Directory) readRow(ctx context.Context, table string, r directory.Range,
	body []byte) (key string, doc []byte, err error) {
	row, doc, err := d.parseDocument(ctx, table, r.Partition, body)
	if err != nil {
		if rows.IsDropped(err) {
			return "", nil, directory.ErrNoSnapshot
		}
		if errors.Is(err, rows.ErrNoRow) || errors.As(err, new(*entra.Error)) || ctx.Err() != nil {
			return "", nil, err
		}
		return "", nil, alteredRow(table, r.Partition, rows.KeyOf(body).Row, "it can't be read: "+err.Error())
	}
	if row.Codec == "" && !r.KeysOnly {
		return "", nil, alteredRow(table, r.Partition, row.RowKey, "it has no document")
	}
	if why := checkRead(table, r.Partition, body, doc, !r.KeysOnly, r.Checked); why != "" {
		return "", nil, alteredRow(table, r.Partition, row.RowKey, why)
	}
	if key, err = rows.Unescape(row.RowKey); err != nil {
		return "", nil, alteredRow(table, r.Partition, row.RowKey, "its key is not one that Entra Ledger writes")
	}
	return key, doc, nil
}

// rangeFilter writes a range in the filter language of the table service.
func rangeFilter(r directory.Range) string {
	parts := []string{"PartitionKey eq " + rows.Quote(r.Partition)}
	if r.From != "" {
		parts = append(parts, "RowKey ge "+rows.Quote(rows.Escape(r.From)))
	}
	if r.After != "" {
		parts = append(parts, "RowKey gt "+rows.Quote(rows.Escape(r.After)))
	}
	if r.Below != "" {
		parts = append(parts, "RowKey lt "+rows.Quote(rows.Escape(r.Below)))
	}
	for _, group := range r.Where {
		var or []string
		for _, c := range group {
			or = append(or, c.Column+" "+c.Op+" "+rows.Literal(c.Value))
		}
		parts = append(parts, "("+strings.Join(or, " or ")+")")
	}
	return strings.Join(parts, " and ")
}

// Row is directory.Store's.
func (d *Directory) Row(ctx context.Context, id, partition, key string, checked bool) (directory.Row, error) {
	table := snapshotTable(id)
	// The key is in the filter, not in the address: a caller may request any text.
	one := directory.Range{Partition: partition, From: key, Below: key + "!", Top: 1, Checked: checked}
	for row, err := range d.Rows(ctx, id, one) {
		if err != nil {
			return row, err
		}
		if row.Key == key {
			return row, nil
		}
	}
	return directory.Row{}, fmt.Errorf("read row %s of %s: %w", rows.Clip(key), table, directory.ErrNoRow)
}
