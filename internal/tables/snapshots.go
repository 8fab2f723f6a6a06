package tables

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

var _ directory.Store = (*Store)(nil)

const (
	snapshotsTable     = "snapshots"
	snapshotsPartition = "directory"
	snapshotID         = "20060102T150405Z"
)

// snapshotTable holds the rows of one snapshot, so that dropping it is dropping a table.
func snapshotTable(id string) string { return "snapshot" + id }

// snapshotKey puts the newest first.
func snapshotKey(at time.Time) string { return fmt.Sprintf("%010d", 9_999_999_999-at.Unix()) }

// SaveSnapshot is directory.Store's.
func (s *Store) SaveSnapshot(ctx context.Context, snap directory.Snapshot) (directory.Snapshot, error) {
	began, err := time.Parse(snapshotID, snap.ID)
	if err != nil {
		return snap, fmt.Errorf("write snapshot %s: %w", snap.ID, err)
	}
	revision := snap.Revision
	snap.Revision = ""
	doc, err := json.Marshal(snap)
	if err != nil {
		return snap, fmt.Errorf("write snapshot %s: %w", snap.ID, err)
	}
	b := newRow(snapshotsPartition, snapshotKey(began), len(doc)*2+1024)
	b.text("Snapshot", snap.ID)
	b.text("Stage", string(snap.Stage))
	b.text("Phase", string(snap.Phase))
	b.time("AsOf", snap.AsOf)
	b.time("Finished", orYear1601(snap.Finished))
	b.int32("Users", int32(snap.Users))
	b.int32("Credentials", int32(snap.Credentials))
	if !snap.StepAt.IsZero() {
		b.time("StepAt", snap.StepAt)
	}
	if snap.By != "" {
		b.text("By", snap.By)
	}
	if snap.Behind != nil {
		b.text("Behind", clip(snap.Behind.Message))
	}
	if snap.LastError != "" {
		b.text("LastError", clip(snap.LastError))
	}
	b.binary(checkColumn, snapshotRowCheck(snapshotKey(began), doc))
	if rest := b.document(s.codec, doc); rest > 0 {
		return snap, fmt.Errorf("write snapshot %s: its row would have %d bytes too many", snap.ID, rest)
	}
	snap.Revision, err = s.replace(ctx, snapshotsTable, "write snapshot "+snap.ID, b.done().body, revision)
	if errors.Is(err, errRowMoved) {
		return snap, directory.ErrOvertaken
	}
	return snap, err
}

// document adds a document, compressed, and returns how many bytes of it did not fit.
func (b *rowBuilder) document(c *codec, doc []byte) int {
	data, name, free := c.encode(nil, doc)
	defer free()
	b.text("Codec", name)
	if chunks := (len(data) + maxProperty - 1) / maxProperty; chunks > 1 {
		b.int32("Chunks", int32(chunks))
	}
	return len(b.chunks(data))
}

// docColumns are the columns of a row whose document is one chunk, as nearly all are; Chunks tells the others. What is not
// asked for does not travel.
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

// parseDocument reads a row and its document. Where it has more chunks than were asked for, the
// whole row is read.
func (s *Store) parseDocument(ctx context.Context, table, partition string, body []byte) (docRow, []byte, error) {
	var row docRow
	if err := json.Unmarshal(body, &row); err != nil {
		return row, nil, fmt.Errorf("read a row of %s: %w", table, err)
	}
	if row.Chunks > 1 && row.Record1 == nil {
		whole, err := s.service.NewClient(table).GetEntity(ctx, partition, row.RowKey, nil)
		if err != nil {
			return row, nil, s.explain("read table "+table, err)
		}
		chunked := docRow{}
		if err := json.Unmarshal(whole.Value, &chunked); err != nil {
			return row, nil, fmt.Errorf("read row %s of %s: %w", row.RowKey, table, err)
		}
		chunked.ETag = cmp.Or(row.ETag, chunked.ETag)
		row = chunked
	}
	data := row.Record
	for _, more := range [][]byte{row.Record1, row.Record2, row.Record3, row.Record4, row.Record5, row.Record6, row.Record7, row.Record8, row.Record9, row.Record10} {
		data = append(data, more...)
	}
	if row.Codec == "" {
		return row, nil, nil // it was read without its document
	}
	doc, err := s.decode(ctx, table, data, row.Codec)
	if err != nil {
		return row, nil, fmt.Errorf("read row %s of %s: %w", row.RowKey, table, err)
	}
	return row, doc, nil
}

// parseSnapshot reads a snapshot's row. One that can't be understood is named: nobody can go on
// with it, nor answer from it.
func (s *Store) parseSnapshot(ctx context.Context, body []byte) (directory.Snapshot, error) {
	row, doc, err := s.parseDocument(ctx, snapshotsTable, snapshotsPartition, body)
	var snap directory.Snapshot
	if err == nil && doc == nil {
		err = errors.New("it has no document")
	}
	if err == nil && row.Check != nil && !bytes.Equal(row.Check, snapshotRowCheck(row.RowKey, doc)) {
		err = errors.New("its document is not the one that was written")
	}
	if err == nil {
		err = json.Unmarshal(doc, &snap)
	}
	if err == nil {
		err = checkSnapshot(snap, row.RowKey)
	}
	snap.Revision = row.ETag
	if errors.As(err, new(*entra.Error)) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return snap, err
	}
	if err != nil {
		return snap, garbage(row.RowKey, err)
	}
	return snap, nil
}

// checkSnapshot looks at what everybody relies on.
func checkSnapshot(snap directory.Snapshot, key string) error {
	began, err := time.Parse(snapshotID, snap.ID)
	switch {
	case err != nil:
		return fmt.Errorf("it says that it is snapshot %q", clip(snap.ID))
	case snapshotKey(began) != key:
		return fmt.Errorf("it says that it is snapshot %s, whose key is %s", snap.ID, snapshotKey(began))
	case !slices.Contains([]directory.Stage{directory.Reading, directory.Whole, directory.Dropped}, snap.Stage):
		return fmt.Errorf("its stage is %q", snap.Stage)
	case snap.AsOf.IsZero():
		return errors.New("it has no begin")
	}
	return nil
}

func garbage(key string, why error) error {
	e := &entra.Error{Code: entra.CodeTampered, Doing: "read row " + clip(key) + " of table " + snapshotsTable, Why: why.Error(),
		Remedy: "if a newer version of the app wrote it, deploy that one; else delete the row, " +
			"and the next run takes a new snapshot", Err: why}
	if n, err := strconv.ParseInt(key, 10, 64); err == nil {
		id := time.Unix(9_999_999_999-n, 0).UTC().Format(snapshotID)
		e.Doing += " (snapshot " + id + ")"
		e.Remedy = "if a newer version of the app wrote it, deploy that one; else delete the row and table " +
			snapshotTable(id) + ", and the next run takes a new snapshot"
	}
	return e
}

// Snapshots is directory.Store's.
func (s *Store) Snapshots(ctx context.Context, top int) ([]directory.Snapshot, error) {
	var out []directory.Snapshot
	err := s.eachSnapshot(ctx, "", top, func(snap directory.Snapshot) bool {
		out = append(out, snap)
		return len(out) < top
	})
	return out, err
}

// eachSnapshot goes through what is known of snapshots, the newest first, from a key on.
func (s *Store) eachSnapshot(ctx context.Context, from string, atATime int, more func(directory.Snapshot) bool) error {
	enough := errors.New("enough")
	filter := fmt.Sprintf("PartitionKey eq '%s' and RowKey ge '%s'", snapshotsPartition, from)
	top := int32(atATime)
	err := s.listWith(ctx, snapshotsTable, &aztables.ListEntitiesOptions{Filter: &filter, Top: &top}, func(body []byte) error {
		snap, err := s.parseSnapshot(ctx, body)
		if err == nil && !more(snap) {
			return enough
		}
		return err
	})
	if errors.Is(err, enough) || errors.Is(err, errNoTable) {
		return nil
	}
	return err
}

// Snapshot is directory.Store's.
func (s *Store) Snapshot(ctx context.Context, id string) (directory.Snapshot, error) {
	began, err := time.Parse(snapshotID, id)
	if err != nil {
		return directory.Snapshot{}, directory.ErrNoSnapshot
	}
	got, err := s.service.NewClient(snapshotsTable).GetEntity(ctx, snapshotsPartition, snapshotKey(began), nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		return directory.Snapshot{}, directory.ErrNoSnapshot
	}
	if err != nil {
		return directory.Snapshot{}, s.explain("read snapshot "+id, err)
	}
	snap, err := s.parseSnapshot(ctx, got.Value)
	snap.Revision = string(got.ETag)
	return snap, err
}

// CurrentAt is directory.Store's.
func (s *Store) CurrentAt(ctx context.Context, at time.Time) (directory.Snapshot, error) {
	var found directory.Snapshot
	err := s.eachSnapshot(ctx, snapshotKey(at), 5, func(snap directory.Snapshot) bool {
		if !snap.Finished.IsZero() && !snap.Finished.After(at) {
			found = snap
		}
		return found.ID == ""
	})
	if err == nil && found.ID == "" {
		return found, directory.ErrNoSnapshot
	}
	return found, err
}

// DropRows is directory.Store's.
func (s *Store) DropRows(ctx context.Context, id string) error {
	return s.dropTable(ctx, snapshotTable(id))
}

// Put is directory.Store's.
func (s *Store) Put(ctx context.Context, id, partition string, rows []directory.Row) error {
	table := snapshotTable(id)
	if len(rows) == 0 {
		return s.ensureTable(ctx, table)
	}
	batches := make([]batch, 0, len(rows))
	at := make(map[string]int, len(rows))
	for _, row := range rows {
		key := escape(row.Key)
		b := newRow(partition, key, len(row.Doc)+1024)
		b.columns(row.Columns)
		b.binary(checkColumn, snapshotCheck(table, partition, key, row.Doc, columnsOf(row.Columns)))
		if rest := b.document(s.codec, row.Doc); rest > 0 {
			return fmt.Errorf("write row %s: its document has %d bytes too many", row.Key, rest)
		}
		action := aztables.TransactionAction{ActionType: aztables.TransactionTypeInsertReplace, Entity: b.done().body}
		made := batch{actions: []aztables.TransactionAction{action}, size: len(action.Entity) + operationOverhead, mixed: true}
		if i, ok := at[key]; ok {
			batches[i] = made // a transaction may name a row once
			continue
		}
		at[key] = len(batches)
		batches = append(batches, made)
	}
	return s.submitAll(ctx, table, batches)
}

func (b *rowBuilder) columns(columns []directory.Column) {
	for _, col := range columns {
		switch v := col.Value.(type) {
		case string:
			b.text(col.Name, clip(v))
		case bool:
			b.bool(col.Name, v)
		case time.Time:
			b.time(col.Name, orYear1601(v))
		default:
			panic(fmt.Sprintf("write column %s: no %T has a column", col.Name, v))
		}
	}
}

// Delete is directory.Store's.
func (s *Store) Delete(ctx context.Context, id, partition string, keys []string) error {
	table := snapshotTable(id)
	for _, key := range keys { // one by one: they are few, and one that is gone would fail a transaction
		_, err := s.service.NewClient(table).DeleteEntity(ctx, partition, escape(key), nil)
		if err != nil && !isCode(err, "ResourceNotFound", "TableNotFound", "TableBeingDeleted") {
			return s.explain("delete row "+clip(key)+" of table "+table, err)
		}
	}
	return nil
}

// Rows is directory.Store's.
func (s *Store) Rows(ctx context.Context, id string, r directory.Range) iter.Seq2[directory.Row, error] {
	return func(yield func(directory.Row, error) bool) {
		table, enough, given := snapshotTable(id), errors.New("enough"), 0
		options := &aztables.ListEntitiesOptions{}
		filter := rangeFilter(r)
		options.Filter = &filter
		if r.Top > 0 {
			top := int32(r.Top)
			options.Top = &top
		}
		columns := docColumns
		if r.KeysOnly {
			columns = "RowKey," + checkColumn
		}
		options.Select = &columns
		err := s.listWith(ctx, table, options, func(body []byte) error {
			key, doc, err := s.readRow(ctx, table, r, body)
			if entra.CodeOf(err) == entra.CodeTampered && r.Altered != nil {
				r.Altered(err)
				return nil
			}
			if err != nil {
				return err
			}
			if !yield(directory.Row{Key: key, Doc: doc}, nil) {
				return enough
			}
			if given++; given == r.Top {
				return enough
			}
			return nil
		})
		switch {
		case err == nil || errors.Is(err, enough):
		case errors.Is(err, errNoTable):
			yield(directory.Row{}, directory.ErrNoSnapshot)
		default:
			yield(directory.Row{}, err)
		}
	}
}

// readRow reads a row of a snapshot, and checks what was read of it.
func (s *Store) readRow(ctx context.Context, table string, r directory.Range, body []byte) (key string, doc []byte, err error) {
	row, doc, err := s.parseDocument(ctx, table, r.Partition, body)
	if err != nil {
		if errors.As(err, new(*entra.Error)) || ctx.Err() != nil {
			return "", nil, err
		}
		return "", nil, alteredRow(table, r.Partition, headOfRow(body), "it can't be read: "+err.Error())
	}
	if row.Codec == "" && !r.KeysOnly {
		return "", nil, alteredRow(table, r.Partition, row.RowKey, "it has no document")
	}
	if why := checkRead(table, r.Partition, body, doc, !r.KeysOnly, r.Checked); why != "" {
		return "", nil, alteredRow(table, r.Partition, row.RowKey, why)
	}
	if key, err = unescape(row.RowKey); err != nil {
		return "", nil, alteredRow(table, r.Partition, row.RowKey, "its key is not one that Entra Ledger writes")
	}
	return key, doc, nil
}

// headOfRow is a row's key, whatever the rest of it is.
func headOfRow(body []byte) string { return gjson.GetBytes(body, "RowKey").String() }

// rangeFilter writes a range in the filter language of the table service.
func rangeFilter(r directory.Range) string {
	parts := []string{"PartitionKey eq " + quote(r.Partition)}
	if r.From != "" {
		parts = append(parts, "RowKey ge "+quote(escape(r.From)))
	}
	if r.Below != "" {
		parts = append(parts, "RowKey lt "+quote(escape(r.Below)))
	}
	for _, any := range r.Where {
		var or []string
		for _, c := range any {
			or = append(or, c.Column+" "+c.Op+" "+literal(c.Value))
		}
		parts = append(parts, "("+strings.Join(or, " or ")+")")
	}
	return strings.Join(parts, " and ")
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func literal(v any) string {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v)
	case time.Time:
		return "datetime'" + orYear1601(v).UTC().Format(timeFormat) + "'"
	default:
		return quote(fmt.Sprint(v))
	}
}

// Row is directory.Store's.
func (s *Store) Row(ctx context.Context, id, partition, key string, checked bool) (directory.Row, error) {
	table := snapshotTable(id)
	// The filter, not the address, takes the key: a caller may ask for any text.
	for row, err := range s.Rows(ctx, id, directory.Range{Partition: partition, From: key, Below: key + "!", Top: 1, Checked: checked}) {
		if err != nil {
			return row, err
		}
		if row.Key == key {
			return row, nil
		}
	}
	return directory.Row{}, fmt.Errorf("read row %s of %s: %w", clip(key), table, directory.ErrNoRow)
}
