package tables

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/rows"
	"github.com/entraledger/entraledger/internal/verify"
)

// The index of a month is a table; PartitionKey is the stream. RowKey is <column>!<value>!<day> for
// a value of a column, whose Hours says in which hours of the day it is there, and
// id!<bucket>!<day> for a part of the day's ids: for each the first bytes of its SHA-256, and its
// hour. day!<day> says that the day is indexed, as of which seals, and what its rows are all
// together. In the ledger's table a row says up to which entry of the log the index was brought.
// Each row has a check.
const (
	dayMark     = "day!"
	idMark      = "id!"
	idBuckets   = 64
	idHashBytes = 5
	idBytes     = idHashBytes + 1
)

func idHash(id string) (bucket string, hash []byte) {
	sum := sha256.Sum256([]byte(id))
	return fmt.Sprintf("%02d", sum[0]%idBuckets), sum[1 : 1+idHashBytes]
}

// dayIndex is what a day's records hold.
type dayIndex struct {
	columns []string
	values  map[string]derive.Hours // by <column>!<value>
	ids     map[string][]byte       // by bucket
}

func newDayIndex(stream entra.Stream) *dayIndex {
	return &dayIndex{columns: logs.Of(stream).IndexedColumns(), values: make(map[string]derive.Hours),
		ids: make(map[string][]byte)}
}

// take adds a content. Of one that can't be read only the id is known, as its key has it.
func (d *dayIndex) take(got verify.Inspected, rec entra.Record) error {
	if got.Problem == "" {
		d.addRecord(rec)
		return nil
	}
	if at, err := parseRowKey(got.Row); err == nil && at.whole && at.part == 0 {
		d.add(at.key.ID, at.key.Time.Hour(), func(string) string { return "" })
	}
	return nil
}

// add adds a content of a record. column gives the text of a column; empty: there is none.
func (d *dayIndex) add(id string, hour int, column func(name string) string) {
	bucket, hash := idHash(id)
	d.ids[bucket] = append(append(d.ids[bucket], hash...), byte(hour))
	for _, name := range d.columns {
		if text := column(name); text != "" {
			d.values[name+"!"+rows.Escape(entra.Clip(text, maxIDLength))] |= 1 << hour
		}
	}
}

// addRecord adds a record by what its bytes say.
func (d *dayIndex) addRecord(rec entra.Record) {
	d.add(rec.ID, rec.Time.Hour(), func(name string) string {
		for _, col := range rec.Columns {
			if col.Name == name && !col.IsInt {
				return col.Text
			}
		}
		return ""
	})
}

// indexRow is a row of the index: its key, and what it holds.
type indexRow struct {
	key   string
	hours derive.Hours // of a value
	ids   []byte       // of a bucket
}

// content is what a row's check is of.
func (r indexRow) content() []byte {
	if r.ids == nil {
		return binary.BigEndian.AppendUint32([]byte("hours"), uint32(r.hours))
	}
	return append([]byte("ids"), r.ids...)
}

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

// with adds what another row of the same key holds: what the index knows only grows, so an older
// state of a day that is written late hides nothing.
func (r indexRow) with(other indexRow) (sum indexRow, grown bool) {
	sum = indexRow{key: r.key, hours: r.hours | other.hours, ids: other.ids}
	grown = sum.hours != other.hours
	known := make(map[[idBytes]byte]bool)
	for one := range slices.Chunk(other.ids, idBytes) {
		if len(one) == idBytes {
			known[[idBytes]byte(one)] = true
		}
	}
	for one := range slices.Chunk(r.ids, idBytes) {
		if !known[[idBytes]byte(one)] {
			sum.ids, grown = append(slices.Clip(sum.ids), one...), true
		}
	}
	if r.ids != nil && sum.ids == nil {
		sum.ids = []byte{}
	}
	return sum, grown
}

// rows are the day's rows of the index, in the order of their keys.
func (d *dayIndex) rows(day string) []indexRow {
	var out []indexRow
	for value, hours := range d.values {
		out = append(out, indexRow{key: value + "!" + day, hours: hours})
	}
	for bucket, ids := range d.ids {
		out = append(out, indexRow{key: idMark + bucket + "!" + day, ids: inOrder(ids)})
	}
	slices.SortFunc(out, func(a, b indexRow) int { return strings.Compare(a.key, b.key) })
	return out
}

// inOrder sorts the ids of a bucket, so that the row is the same in whatever order the records
// came.
func inOrder(ids []byte) []byte {
	all := slices.Collect(slices.Chunk(ids, idBytes))
	slices.SortFunc(all, bytes.Compare)
	return bytes.Join(all, nil)
}

// indexedDay is the row that says that a day is indexed: as of which seals, and how many rows its
// records make, with the sum of their checks.
type indexedDay struct {
	derive.IndexedDay
	rows int
	sum  uint64
}

func newIndexedDay(table string, stream entra.Stream, state derive.IndexedDay, rows []indexRow) indexedDay {
	out := indexedDay{IndexedDay: state, rows: len(rows)}
	for _, row := range rows {
		out.sum += number64(row.check(table, stream))
	}
	return out
}

func (d indexedDay) check(table string, stream entra.Stream, key string) []byte {
	content := fmt.Append([]byte("day"), d.LastSeal, " ", d.Seals, " ", d.rows, " ", d.sum)
	return checkOf(table, string(stream), key, content)
}

func (d indexedDay) encode(table string, stream entra.Stream, key string) []byte {
	b := rows.NewEntity(string(stream), key, 256)
	b.Text("LastSeal", fmt.Sprint(d.LastSeal))
	b.Text("Seals", fmt.Sprint(d.Seals))
	b.Int32("Rows", int32(d.rows))
	b.Binary("Sum", binary.BigEndian.AppendUint64(nil, d.sum))
	b.Binary(checkColumn, d.check(table, stream, key))
	return b.Done().Body
}

// parseIndexedDay reads a row that was written by encode, or by a version before.
func parseIndexedDay(table string, stream entra.Stream, body []byte) (key string, out indexedDay, state checkState) {
	row := gjson.ParseBytes(body)
	key = row.Get("RowKey").Str
	var ok, more bool
	out.LastSeal, ok = rows.WholeNumber(row.Get("LastSeal"))
	out.Seals, more = rows.WholeNumber(row.Get("Seals"))
	if ok = ok && more; !ok || out.LastSeal < 0 || out.Seals < 0 {
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

// indexedCheck is the check of the row that says how far the index was brought.
func indexedCheck(stream entra.Stream, entries int64) []byte {
	return checkOf(coverageTable, string(stream), indexedMark, fmt.Append(nil, entries))
}

// parseIndexed reads the row that says how far the index was brought.
func parseIndexed(stream entra.Stream, body []byte) (entries int64, state checkState) {
	row := gjson.ParseBytes(body)
	entries, ok := rows.WholeNumber(row.Get("Entries"))
	if !ok || entries < 0 {
		return 0, differs
	}
	return entries, compareCheck(row, indexedCheck(stream, entries))
}

// dayOf is the day at the end of a row key of the index.
func dayOf(month time.Time, rowKey string) (time.Time, bool) {
	at := strings.LastIndexByte(rowKey, '!')
	day, err := time.Parse(monthFormat+"02", month.Format(monthFormat)+rowKey[at+1:])
	return day, err == nil
}
