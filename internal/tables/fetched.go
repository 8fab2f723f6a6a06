package tables

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/tables/rows"
)

// fetchedRow is what a query gives of a row; absent columns are empty.
type fetchedRow struct {
	PartitionKey, RowKey string
	ID                   string
	ETag                 string
	Hash                 []byte
	Codec                string
	FirstSeen            time.Time
	Superseded           time.Time
	Came                 time.Time
	Spells               string
	Parts                int
	Origin               string    // of an arrival
	Reason               string    // of a quarantine row
	LastSeen             time.Time // likewise

	data     []byte        // the row's part of the record
	columns  []rows.Column // all but the keys and data, and but what the service adds
	hasParts bool
	bad      string // a column whose value is not of the kind that is written; empty: there is none

	etag   rows.Column
	hash   rows.Column
	chunks [rows.ChunksPerRow]rows.Column // what data is decoded from
	buffer []byte                         // what Hash and data are slices of
}

// scan reads a row. What it holds of the row before is overwritten; its columns are good as long as
// body is. With withData it reads the row's part of the record, too. False: body is no JSON object.
func (row *fetchedRow) scan(body []byte, withData bool) bool {
	last := row.PartitionKey
	*row = fetchedRow{columns: row.columns[:0], buffer: row.buffer[:0]}
	var typed, edm []byte
	ok := rows.Members(body, func(name, value []byte) bool {
		if of, isType := bytes.CutSuffix(name, typeMark); isType {
			typed, edm = of, value
			row.retype(typed, edm)
			return true
		}
		col := rows.Column{Name: name, Value: value}
		if bytes.Equal(typed, name) {
			col.EDM = edm
		}
		row.take(col, last)
		return true
	})
	row.decode(withData)
	return ok
}

// typeMark ends the name of a member that gives a column's type.
var typeMark = []byte("@odata.type")

// retype gives a column its type where that follows the value.
func (row *fetchedRow) retype(name, edm []byte) {
	for i := range row.columns {
		if bytes.Equal(row.columns[i].Name, name) {
			row.columns[i].EDM = edm
		}
	}
}

// take reads one column; last is the partition of the row before.
func (row *fetchedRow) take(col rows.Column, last string) {
	if string(col.Value) == "null" {
		return
	}
	fits := true
	switch string(col.Name) {
	case "PartitionKey":
		if row.PartitionKey = last; string(col.Plain()) != last { // most rows have their neighbour's
			row.PartitionKey, fits = col.Text()
		}
		row.mark(col, fits)
	case "RowKey":
		row.RowKey, fits = col.Text()
		row.mark(col, fits)
	case "odata.etag":
		row.etag = col
	case "Timestamp":
	default:
		row.takeOwn(col)
	}
}

// takeOwn reads a column that is neither a key nor the service's.
func (row *fetchedRow) takeOwn(col rows.Column) {
	fits := true
	switch string(col.Name) {
	case "Id":
		row.ID, fits = col.Text()
	case "Hash":
		row.hash = col
	case "Codec":
		row.Codec, fits = codecIn(col)
	case "FirstSeen":
		row.FirstSeen, fits = col.Time()
	case "Superseded":
		row.Superseded, fits = col.Time()
	case "Came":
		row.Came, fits = col.Time()
	case "LastSeen":
		row.LastSeen, fits = col.Time()
	case "Spells":
		row.Spells, fits = col.Text()
	case "Origin":
		row.Origin, fits = col.Text()
	case "Reason":
		row.Reason, fits = col.Text()
	case "Parts":
		n, err := strconv.Atoi(string(col.Value))
		row.Parts, row.hasParts, fits = n, true, err == nil
	default:
		if bytes.HasPrefix(col.Name, []byte("odata.")) {
			return
		}
		if i := rows.ChunkNumber(col.Name); i >= 0 {
			row.chunks[i] = col
			return
		}
	}
	row.mark(col, fits)
	row.columns = append(row.columns, col)
}

// codecIn is the value of the column Codec; known values allocate nothing.
func codecIn(c rows.Column) (string, bool) {
	switch string(c.Plain()) {
	case codecZstd:
		return codecZstd, true
	case codecNone:
		return codecNone, true
	}
	return c.Text()
}

func (row *fetchedRow) mark(col rows.Column, fits bool) {
	if !fits && row.bad == "" {
		row.bad = string(col.Name)
	}
}

// decode decodes the hash, and with withData the row's part of the record.
func (row *fetchedRow) decode(withData bool) {
	need := base64.StdEncoding.DecodedLen(len(row.hash.Value))
	if withData {
		for _, c := range row.chunks {
			need += base64.StdEncoding.DecodedLen(len(c.Value))
		}
	}
	if cap(row.buffer) < need {
		row.buffer = make([]byte, 0, need)
	}
	if row.hash.Value != nil {
		row.append(row.hash)
		row.Hash = row.buffer[:len(row.buffer):len(row.buffer)]
	}
	if !withData {
		return
	}
	from, last := len(row.buffer), 0
	for i, c := range row.chunks {
		if c.Value == nil {
			continue
		}
		if i > last+1 || i > 0 && row.chunks[0].Value == nil {
			row.mark(c, false) // one before it is missing
		}
		last = i
		row.append(c)
	}
	if row.data = row.buffer[from:]; row.chunks[0].Value == nil {
		row.data = nil
	}
}

// append decodes a binary column behind what is decoded already.
func (row *fetchedRow) append(c rows.Column) {
	plain := c.Plain()
	to := row.buffer[len(row.buffer):cap(row.buffer)]
	if plain == nil || len(to) < base64.StdEncoding.DecodedLen(len(plain)) {
		row.mark(c, false)
		return
	}
	n, err := base64.StdEncoding.Decode(to, plain)
	row.mark(c, err == nil)
	row.buffer = row.buffer[:len(row.buffer)+n]
}

// storedSize counts a row that was read as rows.Builder counts one that is written.
func (row *fetchedRow) storedSize() int64 {
	size := 4 + 2*int64(len(row.PartitionKey)+len(row.RowKey))
	for _, c := range row.columns {
		size += c.StoredSize()
	}
	for _, c := range row.chunks {
		if c.Value != nil {
			size += c.StoredSize()
		}
	}
	return size
}

// column finds a column by its name.
func (row *fetchedRow) column(name string) (rows.Column, bool) {
	for _, c := range row.columns {
		if string(c.Name) == name {
			return c, true
		}
	}
	return rows.Column{}, false
}

// parseRow reads a row but for the record's bytes.
func parseRow(body []byte) (fetchedRow, error) { return parse(body, false) }

// parseWholeRow also reads the record's bytes.
func parseWholeRow(body []byte) (fetchedRow, error) { return parse(body, true) }

func parse(body []byte, withData bool) (fetchedRow, error) {
	var row fetchedRow
	switch {
	case !row.scan(body, withData):
		return row, errors.New("read a row: it is no JSON object")
	case row.bad != "":
		return row, fmt.Errorf("read row %s: its column %s is not of the kind that is written", row.RowKey, row.bad)
	}
	row.ETag, _ = row.etag.Text()
	return row, nil
}

// data joins the bytes of a record's rows, in order.
func data(of []fetchedRow) []byte {
	if len(of) == 1 {
		return of[0].data
	}
	var all []byte
	for _, row := range of {
		all = append(all, row.data...)
	}
	return all
}
