package tables

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// The index of a month is a table; PartitionKey is the stream. RowKey is <column>!<value>!<day> for
// a value of a column, whose Hours says in which hours of the day it is there, and
// id!<bucket>!<day> for a part of the day's ids: for each the first bytes of its SHA-256, and its
// hour. day!<day> says that the day is indexed, as of which seals, and what its rows are all
// together. In the ledger's table a row says up to which entry of the log the index was brought.
// Each row has a check.
const (
	dayMark = "day!"
	idMark  = derive.IDMark
	idBytes = derive.IDBytes
)

// indexRow is a row of the index: its key, and what it holds.
type indexRow struct {
	key   string
	hours derive.Hours // of a value
	ids   []byte       // of a bucket
}

func newIndexRow(key string, content []byte) indexRow {
	is := derive.ParseIndexed(content)
	return indexRow{key: key, hours: is.Hours, ids: is.IDs}
}

// content is what a row's check is of.
func (r indexRow) content() []byte { return derive.Indexed{Hours: r.hours, IDs: r.ids}.Content() }

func (r indexRow) check(table string, stream entra.Stream) []byte {
	return checkOf(table, string(stream), r.key, r.content())
}

func (r indexRow) encode(table string, stream entra.Stream) ([]byte, error) {
	b := rows.NewEntity(string(stream), r.key, len(r.ids)*4/3+256)
	if r.ids == nil {
		b.Int32("Hours", int32(r.hours))
	}
	if rest := b.Chunks(r.ids); len(rest) > 0 {
		return nil, fmt.Errorf("index row %s of %s: its ids take %d bytes too many", r.key, stream, len(rest))
	}
	b.Binary(checkColumn, r.check(table, stream))
	return b.Done().Body, nil
}

// parseIndexRow reads a row that was written by encode. Nothing of one that differs from its check
// can be believed; one that can't be read differs.
func parseIndexRow(table string, stream entra.Stream, body []byte) (indexRow, checkState) {
	row := gjson.ParseBytes(body)
	out := indexRow{key: row.Get("RowKey").Str}
	if strings.HasPrefix(out.key, idMark) {
		ids, ok := rows.ChunksOf(row)
		if !ok || len(ids)%idBytes != 0 {
			return out, differs
		}
		if out.ids = ids; ids == nil {
			out.ids = []byte{}
		}
	} else {
		hours, ok := rows.WholeNumber(row.Get("Hours"))
		if !ok || hours < 0 || hours >= 1<<24 {
			return out, differs
		}
		out.hours = derive.Hours(hours)
	}
	return out, compareCheck(row, out.check(table, stream))
}

// with adds what another row of the same key holds.
func (r indexRow) with(other indexRow) (sum indexRow, grown bool) {
	all, grown := derive.Indexed{Hours: r.hours, IDs: r.ids}.With(derive.Indexed{Hours: other.hours, IDs: other.ids})
	return indexRow{key: r.key, hours: all.Hours, ids: all.IDs}, grown
}

// indexRows are a day's rows as they are stored, in the order of their keys.
func indexRows(day string, made []derive.Row) []indexRow {
	out := make([]indexRow, len(made))
	for i, row := range made {
		column, value, _ := strings.Cut(row.Key, "!")
		out[i] = newIndexRow(column+"!"+rows.Escape(value)+"!"+day, row.Content)
	}
	slices.SortFunc(out, func(a, b indexRow) int { return strings.Compare(a.key, b.key) })
	return out
}

// indexedDay is the row that says that a day is indexed: as of which seals, by which version of the
// index, and what rows its records make, with the sum of their checks. The first version says
// nothing of itself.
type indexedDay struct {
	derive.Revision
	version int
	rows    int
	sum     uint64
}

// versionColumn names the version of a view, where it is not the first.
const versionColumn = "Version"

// versioned adds a version to what a check is of.
func versioned(content []byte, version int) []byte {
	if version > 1 {
		content = fmt.Append(content, " version ", version)
	}
	return content
}

// versionOf reads a version.
func versionOf(row gjson.Result) (int, bool) {
	column := row.Get(versionColumn)
	if !rows.Given(column) {
		return 1, true
	}
	n, ok := rows.WholeNumber(column)
	return int(n), ok && n > 1
}

func putVersion(b *rows.Builder, version int) {
	if version > 1 {
		b.Int32(versionColumn, int32(version))
	}
}

func newIndexedDay(table string, stream entra.Stream, state derive.Revision, rows []indexRow) indexedDay {
	out := indexedDay{Revision: state, version: derive.Index().Version, rows: len(rows)}
	for _, row := range rows {
		out.sum += number64(row.check(table, stream))
	}
	return out
}

func (d indexedDay) check(table string, stream entra.Stream, key string) []byte {
	content := fmt.Append([]byte("day"), d.LastSeal, " ", d.Seals, " ", d.rows, " ", d.sum)
	return checkOf(table, string(stream), key, versioned(content, d.version))
}

func (d indexedDay) encode(table string, stream entra.Stream, key string) []byte {
	b := rows.NewEntity(string(stream), key, 256)
	b.Text("LastSeal", fmt.Sprint(d.LastSeal))
	b.Text("Seals", fmt.Sprint(d.Seals))
	putVersion(b, d.version)
	b.Int32("Rows", int32(d.rows))
	b.Binary("Sum", binary.BigEndian.AppendUint64(nil, d.sum))
	b.Binary(checkColumn, d.check(table, stream, key))
	return b.Done().Body
}

// parseIndexedDay reads a row that was written by encode, or by a version before.
func parseIndexedDay(table string, stream entra.Stream, body []byte) (key string, out indexedDay, state checkState) {
	row := gjson.ParseBytes(body)
	key = row.Get("RowKey").Str
	var ok, more, known bool
	out.LastSeal, ok = rows.WholeNumber(row.Get("LastSeal"))
	out.Seals, more = rows.WholeNumber(row.Get("Seals"))
	out.version, known = versionOf(row)
	if !ok || !more || !known || out.LastSeal < 0 || out.Seals < 0 {
		return key, out, differs
	}
	if !rows.Given(row.Get(checkColumn)) {
		return key, out, unchecked
	}
	rows, ok := rows.WholeNumber(row.Get("Rows"))
	sum, err := base64.StdEncoding.DecodeString(row.Get("Sum").Str)
	if !ok || err != nil || len(sum) != checkBytes {
		return key, out, differs
	}
	out.rows, out.sum = int(rows), number64(sum)
	return key, out, compareCheck(row, out.check(table, stream, key))
}

// encodeIndexed is the row that says how far the index was brought.
func encodeIndexed(stream entra.Stream, entries int64, version int) []byte {
	b := rows.NewEntity(string(stream), indexedMark, 128)
	b.Text("Entries", fmt.Sprint(entries))
	putVersion(b, version)
	b.Binary(checkColumn, indexedCheck(stream, entries, version))
	return b.Done().Body
}

// indexedCheck is the check of the row that says how far the index was brought.
func indexedCheck(stream entra.Stream, entries int64, version int) []byte {
	return checkOf(coverageTable, string(stream), indexedMark, versioned(fmt.Append(nil, entries), version))
}

// parseIndexed reads the row that says how far the index was brought. What another version brought
// is nothing.
func parseIndexed(stream entra.Stream, body []byte) (entries int64, state checkState) {
	row := gjson.ParseBytes(body)
	entries, ok := rows.WholeNumber(row.Get("Entries"))
	version, known := versionOf(row)
	if !ok || !known || entries < 0 {
		return 0, differs
	}
	if state = compareCheck(row, indexedCheck(stream, entries, version)); version != derive.Index().Version {
		entries = 0
	}
	return entries, state
}

// dayOf is the day at the end of a row key of the index.
func dayOf(month time.Time, rowKey string) (time.Time, bool) {
	at := strings.LastIndexByte(rowKey, '!')
	day, err := time.Parse(monthFormat+"02", month.Format(monthFormat)+rowKey[at+1:])
	return day, err == nil
}
