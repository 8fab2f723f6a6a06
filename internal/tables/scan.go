package tables

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"
)

// Rows are read by one scan over their JSON, which says where each value is. Decoding them by
// reflection, and into a map for the columns, costs more than decompressing and hashing the record.

// jsonString is the position behind the text that begins at b[at], and whether it holds an escape;
// -1 where it does not end.
func jsonString(b []byte, at int) (end int, escaped bool) {
	for end = at + 1; ; end++ {
		quote := bytes.IndexByte(b[end:], '"')
		if quote < 0 {
			return -1, escaped
		}
		slash := bytes.IndexByte(b[end:end+quote], '\\')
		if slash < 0 {
			return end + quote + 1, escaped
		}
		escaped = true
		end += slash + 1 // the escaped character is none that ends the text
		if end >= len(b) {
			return -1, escaped
		}
	}
}

// jsonSpace is the position of the next character that is no white space.
func jsonSpace(b []byte, at int) int {
	for at < len(b) && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t') {
		at++
	}
	return at
}

// jsonValue is the position behind the value that begins at b[at]; -1 where it does not end. It
// finds bounds, and does not say whether what is within them is valid.
func jsonValue(b []byte, at int) int {
	if at >= len(b) {
		return -1
	}
	switch b[at] {
	case '"':
		end, _ := jsonString(b, at)
		return end
	case '{', '[':
		depth := 0
		for at < len(b) {
			switch b[at] {
			case '"':
				if at, _ = jsonString(b, at); at < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
		return -1
	}
	end := at
	for end < len(b) && b[end] != ',' && b[end] != '}' && b[end] != ']' && b[end] > ' ' {
		end++
	}
	if end == at {
		return -1
	}
	return end
}

// jsonMembers calls yield with the name, without its quotes, and the value of each member of the
// object b; false where b is none. It ends early where yield returns false.
func jsonMembers(b []byte, yield func(name, value []byte) bool) bool {
	at := jsonSpace(b, 0)
	if at >= len(b) || b[at] != '{' {
		return false
	}
	if at = jsonSpace(b, at+1); at < len(b) && b[at] == '}' {
		return true
	}
	for at < len(b) && b[at] == '"' {
		nameEnd, _ := jsonString(b, at)
		if nameEnd < 0 {
			return false
		}
		name := b[at+1 : nameEnd-1]
		if at = jsonSpace(b, nameEnd); at >= len(b) || b[at] != ':' {
			return false
		}
		at = jsonSpace(b, at+1)
		end := jsonValue(b, at)
		if end < 0 {
			return false
		}
		if !yield(name, b[at:end:end]) {
			return true
		}
		at = jsonSpace(b, end)
		switch {
		case at < len(b) && b[at] == ',':
			at = jsonSpace(b, at+1)
		default:
			return at < len(b) && b[at] == '}'
		}
	}
	return false
}

// jsonElements appends the elements of the array b to out; false where b is none.
func jsonElements(b []byte, out [][]byte) ([][]byte, bool) {
	if len(b) == 0 || b[0] != '[' {
		return out, false
	}
	at := jsonSpace(b, 1)
	if at < len(b) && b[at] == ']' {
		return out, true
	}
	for {
		end := jsonValue(b, at)
		if end < 0 {
			return out, false
		}
		out = append(out, b[at:end:end])
		if at = jsonSpace(b, end); at >= len(b) || b[at] != ',' {
			return out, at < len(b) && b[at] == ']'
		}
		at = jsonSpace(b, at+1)
	}
}

// column is a column of a row as its JSON has it: slices of the row.
type column struct {
	name, value []byte
	edm         []byte // the quoted type, where it is given
}

// text is the column's value, where it is a text.
func (c column) text() (string, bool) {
	if len(c.value) < 2 || c.value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(c.value, '\\') < 0 {
		return string(c.value[1 : len(c.value)-1]), true
	}
	var text string
	return text, json.Unmarshal(c.value, &text) == nil
}

// codec is the column's value; those that are known take no memory.
func (c column) codec() (string, bool) {
	switch string(c.plain()) {
	case codecZstd:
		return codecZstd, true
	case codecNone:
		return codecNone, true
	}
	return c.text()
}

// time is the column's value, where it is a time.
func (c column) time() (time.Time, bool) {
	plain := c.plain()
	if t, ok := parseTick(plain); ok {
		return t, true
	}
	t, err := time.Parse(time.RFC3339Nano, string(plain))
	return t.UTC(), err == nil
}

// plain is the value without its quotes where it is a text without escapes; nil otherwise.
func (c column) plain() []byte {
	if len(c.value) < 2 || c.value[0] != '"' || bytes.IndexByte(c.value, '\\') >= 0 {
		return nil
	}
	return c.value[1 : len(c.value)-1]
}

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
	Reason               string    // of a quarantine row
	LastSeen             time.Time // likewise

	data     []byte   // the row's part of the record
	columns  []column // all but the keys and data, and but what the service adds
	hasParts bool
	bad      string // a column whose value is not of the kind that is written; empty: there is none

	etag   column
	hash   column
	chunks [chunksPerRow]column // what data is decoded from
	buffer []byte               // what Hash and data are slices of
}

// scan reads a row. What it holds of the row before is overwritten; its columns are good as long as
// body is. With withData it reads the row's part of the record, too. False: body is no JSON object.
func (row *fetchedRow) scan(body []byte, withData bool) bool {
	last := row.PartitionKey
	*row = fetchedRow{columns: row.columns[:0], buffer: row.buffer[:0]}
	var typed, edm []byte
	ok := jsonMembers(body, func(name, value []byte) bool {
		if of, isType := bytes.CutSuffix(name, typeMark); isType {
			typed, edm = of, value
			row.retype(typed, edm)
			return true
		}
		col := column{name: name, value: value}
		if bytes.Equal(typed, name) {
			col.edm = edm
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
		if bytes.Equal(row.columns[i].name, name) {
			row.columns[i].edm = edm
		}
	}
}

// take takes one column; last is the partition of the row before.
func (row *fetchedRow) take(col column, last string) {
	if string(col.value) == "null" {
		return
	}
	fits := true
	switch string(col.name) {
	case "PartitionKey":
		if row.PartitionKey = last; string(col.plain()) != last { // most rows have their neighbour's
			row.PartitionKey, fits = col.text()
		}
		row.mark(col, fits)
		return
	case "RowKey":
		row.RowKey, fits = col.text()
		row.mark(col, fits)
		return
	case "odata.etag":
		row.etag = col
		return
	case "Timestamp":
		return
	case "Id":
		row.ID, fits = col.text()
	case "Hash":
		row.hash = col
	case "Codec":
		row.Codec, fits = col.codec()
	case "FirstSeen":
		row.FirstSeen, fits = col.time()
	case "Superseded":
		row.Superseded, fits = col.time()
	case "Came":
		row.Came, fits = col.time()
	case "LastSeen":
		row.LastSeen, fits = col.time()
	case "Spells":
		row.Spells, fits = col.text()
	case "Reason":
		row.Reason, fits = col.text()
	case "Parts":
		n, err := strconv.Atoi(string(col.value))
		row.Parts, row.hasParts, fits = n, true, err == nil
	default:
		if bytes.HasPrefix(col.name, []byte("odata.")) {
			return
		}
		if i := chunkNumber(col.name); i >= 0 {
			row.chunks[i] = col
			return
		}
	}
	row.mark(col, fits)
	row.columns = append(row.columns, col)
}

func (row *fetchedRow) mark(col column, fits bool) {
	if !fits && row.bad == "" {
		row.bad = string(col.name)
	}
}

// chunkNumber is chunkName's reverse; -1 for another name.
func chunkNumber(name []byte) int {
	rest, ok := bytes.CutPrefix(name, []byte("Record"))
	switch {
	case !ok || len(rest) > 2:
		return -1
	case len(rest) == 0:
		return 0
	}
	n, err := strconv.Atoi(string(rest))
	if err != nil || n < 1 || n >= chunksPerRow || rest[0] == '0' {
		return -1
	}
	return n
}

// decode decodes the hash, and with withData the row's part of the record.
func (row *fetchedRow) decode(withData bool) {
	need := base64.StdEncoding.DecodedLen(len(row.hash.value))
	if withData {
		for _, c := range row.chunks {
			need += base64.StdEncoding.DecodedLen(len(c.value))
		}
	}
	if cap(row.buffer) < need {
		row.buffer = make([]byte, 0, need)
	}
	if row.hash.value != nil {
		row.append(row.hash)
		row.Hash = row.buffer[:len(row.buffer):len(row.buffer)]
	}
	if !withData {
		return
	}
	from, last := len(row.buffer), 0
	for i, c := range row.chunks {
		if c.value == nil {
			continue
		}
		if i > last+1 || i > 0 && row.chunks[0].value == nil {
			row.mark(c, false) // one before it is missing
		}
		last = i
		row.append(c)
	}
	if row.data = row.buffer[from:]; row.chunks[0].value == nil {
		row.data = nil
	}
}

// append decodes a binary column behind what is decoded already.
func (row *fetchedRow) append(c column) {
	plain := c.plain()
	to := row.buffer[len(row.buffer):cap(row.buffer)]
	if plain == nil || len(to) < base64.StdEncoding.DecodedLen(len(plain)) {
		row.mark(c, false)
		return
	}
	n, err := base64.StdEncoding.Decode(to, plain)
	row.mark(c, err == nil)
	row.buffer = row.buffer[:len(row.buffer)+n]
}

// storedSize counts a row that was read as rowBuilder counts one that is written.
func (row *fetchedRow) storedSize() int64 {
	size := 4 + 2*int64(len(row.PartitionKey)+len(row.RowKey))
	for _, c := range row.columns {
		size += c.storedSize()
	}
	for _, c := range row.chunks {
		if c.value != nil {
			size += c.storedSize()
		}
	}
	return size
}

func (c column) storedSize() int64 {
	size := 8 + 2*int64(len(c.name))
	switch {
	case string(c.edm) == `"Edm.Binary"` || c.edm == nil && chunkNumber(c.name) >= 0:
		plain := c.plain()
		return size + 4 + int64(base64.StdEncoding.DecodedLen(len(plain))-padding(plain))
	case string(c.edm) == `"Edm.DateTime"`:
		return size + 8
	case string(c.edm) == `"Edm.Guid"`:
		return size + 16
	}
	if plain := c.plain(); plain != nil && !bytes.ContainsFunc(plain, notASCII) {
		return size + 4 + 2*int64(len(plain))
	}
	if text, ok := c.text(); ok {
		return size + 4 + 2*int64(units(text))
	}
	return size + 4
}

func notASCII(r rune) bool { return r >= utf8.RuneSelf }

// padding counts the = at the end of a base64 text.
func padding(text []byte) int { return len(text) - len(bytes.TrimRight(text, "=")) }

// column finds a column by its name.
func (row *fetchedRow) column(name string) (column, bool) {
	for _, c := range row.columns {
		if string(c.name) == name {
			return c, true
		}
	}
	return column{}, false
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
	row.ETag, _ = row.etag.text()
	return row, nil
}

// data joins the bytes of a record's rows, in order.
func data(rows []fetchedRow) []byte {
	if len(rows) == 1 {
		return rows[0].data
	}
	var all []byte
	for _, row := range rows {
		all = append(all, row.data...)
	}
	return all
}
