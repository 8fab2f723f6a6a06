package tables

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// The check of a row of a snapshot has three parts: of its key, of its document and of the columns
// beside it, each together with the key. So a reader of a part of a row can check that part.
const (
	keyCheck     = 4
	docCheck     = 6
	columnsCheck = 6
	wholeCheck   = keyCheck + docCheck + columnsCheck
)

// snapshotCheck is the check of a row. columns is canonical, as columnsOf and columnsIn write it.
func snapshotCheck(table, partition, key string, doc, columns []byte) []byte {
	out := make([]byte, 0, wholeCheck)
	out = append(out, checkOf(table, partition, key)[:keyCheck]...)
	out = append(out, docCheckOf(table, partition, key, doc)...)
	return append(out, checkOf(table, partition, key, []byte("columns"), columns)[:columnsCheck]...)
}

func docCheckOf(table, partition, key string, doc []byte) []byte {
	return checkOf(table, partition, key, []byte("document"), doc)[:docCheck]
}

// canonical writes columns so that a row that is written and one that was read have the same.
func canonical(columns map[string]string) []byte {
	var b []byte
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		b = fmt.Appendf(b, "%d %s %d %s\n", len(name), name, len(columns[name]), columns[name])
	}
	return b
}

// columnsOf are the columns of a row that is written.
func columnsOf(columns []directory.Column) []byte {
	out := make(map[string]string, len(columns))
	for _, col := range columns {
		switch v := col.Value.(type) {
		case string:
			out[col.Name] = rows.Clip(v)
		case time.Time:
			out[col.Name] = rows.Storable(v).UTC().Format(rows.TimeFormat)
		default:
			out[col.Name] = fmt.Sprint(v)
		}
	}
	return canonical(out)
}

// columnsIn are the columns of a row that was read.
func columnsIn(row gjson.Result) []byte {
	out, times := make(map[string]string), make(map[string]bool)
	row.ForEach(func(name, v gjson.Result) bool {
		if of, ok := strings.CutSuffix(name.Str, "@odata.type"); ok {
			times[of] = v.Str == "Edm.DateTime"
			return true
		}
		switch {
		case name.Str == "PartitionKey", name.Str == "RowKey", name.Str == "Timestamp",
			strings.HasPrefix(name.Str, "odata."),
			name.Str == "Codec", name.Str == "Chunks", name.Str == checkColumn, strings.HasPrefix(name.Str, "Record"):
			return true
		}
		out[name.Str] = v.String()
		return true
	})
	for name, is := range times {
		if at, err := time.Parse(time.RFC3339Nano, out[name]); is && err == nil {
			out[name] = at.UTC().Format(rows.TimeFormat)
		}
	}
	return canonical(out)
}

// checkRead compares what was read of a row of a snapshot with the row's check: its key, and its
// document where it was read.
func checkRead(table, partition string, body []byte, doc []byte, withDoc, must bool) string {
	row := gjson.ParseBytes(body)
	key, column := row.Get("RowKey").Str, row.Get(checkColumn)
	if !rows.Given(column) {
		if must {
			return "it has no check, though it was written with one"
		}
		return ""
	}
	check, err := base64.StdEncoding.DecodeString(column.Str)
	switch {
	case err != nil || len(check) != wholeCheck:
		return "its check is not one that Entra Ledger writes"
	case !bytes.Equal(check[:keyCheck], checkOf(table, partition, key)[:keyCheck]):
		return "it was not written under this key"
	case withDoc && !bytes.Equal(check[keyCheck:keyCheck+docCheck], docCheckOf(table, partition, key, doc)):
		return "its document is not the one that was written"
	}
	return ""
}

// alteredRow is the error about a row of a snapshot that is not what was written.
func alteredRow(table, partition, key, why string) error {
	return &entra.Error{Code: entra.CodeTampered,
		Doing: "read row " + rows.Clip(key) + " of table " + table + ", partition " + partition, Why: why,
		Err:    directory.ErrAltered,
		Remedy: "POST /api/snapshot takes a new snapshot; find out who changed the row"}
}

// sum128 adds checks up, in whatever order they come.
type sum128 struct{ high, low uint64 }

func (s *sum128) add(check []byte) {
	var carry uint64
	s.low, carry = bits.Add64(s.low, number64(check[8:]), 0)
	s.high, _ = bits.Add64(s.high, number64(check), carry)
}

func (s *sum128) String() string { return fmt.Sprintf("%016x%016x", s.high, s.low) }

// rowSums counts the rows of a snapshot by partition, and adds up their checks.
type rowSums map[string]*rowSum

type rowSum struct {
	directory.RowSum
	sum sum128
}

func (r rowSums) add(partition string, check gjson.Result) {
	of, ok := r[partition]
	if !ok {
		of = &rowSum{}
		r[partition] = of
	}
	of.Rows++
	if bytes, err := base64.StdEncoding.DecodeString(check.Str); rows.Given(check) && err == nil &&
		len(bytes) == wholeCheck {
		of.sum.add(bytes)
		return
	}
	of.Unchecked++
}

func (r rowSums) sums() map[string]directory.RowSum {
	out := make(map[string]directory.RowSum, len(r))
	for partition, of := range r {
		of.Sum = of.sum.String()
		out[partition] = of.RowSum
	}
	return out
}

// Sums is directory.Store's: a query of keys and checks.
func (d *Directory) Sums(ctx context.Context, id string) (map[string]directory.RowSum, error) {
	sums := make(rowSums)
	query := rows.Query{Columns: "PartitionKey,RowKey," + checkColumn}
	for body, err := range d.client.Scan(ctx, snapshotTable(id), query) {
		if err != nil {
			return sums.sums(), err
		}
		row := gjson.ParseBytes(body)
		sums.add(row.Get("PartitionKey").Str, row.Get(checkColumn))
	}
	return sums.sums(), nil
}

// snapshotRowCheck is the check of a snapshot's own row.
func snapshotRowCheck(key string, doc []byte) []byte {
	return checkOf(snapshotsTable, snapshotsPartition, key, doc)
}
