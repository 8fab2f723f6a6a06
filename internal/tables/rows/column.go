package rows

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"time"
	"unicode/utf8"
)

// Types of columns, as the service names them.
const (
	binaryType = "Edm.Binary"
	guidType   = "Edm.Guid"
	int64Type  = "Edm.Int64"
	timeType   = "Edm.DateTime"

	// typeMark ends the name of the member that gives a column's type.
	typeMark = "@odata.type"

	quotedBinary = `"` + binaryType + `"`
	quotedGUID   = `"` + guidType + `"`
	quotedTime   = `"` + timeType + `"`
)

// Column is a column of a row as its JSON has it: slices of the row.
type Column struct {
	Name, Value []byte
	EDM         []byte // the quoted type, where it is given
}

// Text is the column's value, where it is a text.
func (c Column) Text() (string, bool) {
	if len(c.Value) < 2 || c.Value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(c.Value, '\\') < 0 {
		return string(c.Value[1 : len(c.Value)-1]), true
	}
	var text string
	return text, json.Unmarshal(c.Value, &text) == nil
}

// Time is the column's value, where it is a time.
func (c Column) Time() (time.Time, bool) {
	plain := c.Plain()
	if t, ok := ParseTick(plain); ok {
		return t, true
	}
	t, err := time.Parse(time.RFC3339Nano, string(plain))
	return t.UTC(), err == nil
}

// Plain is the value without its quotes where it is a text without escapes; nil otherwise.
func (c Column) Plain() []byte {
	if len(c.Value) < 2 || c.Value[0] != '"' || bytes.IndexByte(c.Value, '\\') >= 0 {
		return nil
	}
	return c.Value[1 : len(c.Value)-1]
}

// ChunkNumber is ChunkName's reverse; -1 for another name.
func ChunkNumber(name []byte) int {
	rest, ok := bytes.CutPrefix(name, []byte(chunkName))
	switch {
	case !ok || len(rest) > 2:
		return -1
	case len(rest) == 0:
		return 0
	}
	n, err := strconv.Atoi(string(rest))
	if err != nil || n < 1 || n >= ChunksPerRow || rest[0] == '0' {
		return -1
	}
	return n
}

// StoredSize counts a column that was read as Builder counts one that is written.
func (c Column) StoredSize() int64 {
	size := 8 + 2*int64(len(c.Name))
	switch {
	case string(c.EDM) == quotedBinary || c.EDM == nil && ChunkNumber(c.Name) >= 0:
		plain := c.Plain()
		return size + 4 + int64(base64.StdEncoding.DecodedLen(len(plain))-padding(plain))
	case string(c.EDM) == quotedTime:
		return size + 8
	case string(c.EDM) == quotedGUID:
		return size + 16
	}
	if plain := c.Plain(); plain != nil && !bytes.ContainsFunc(plain, notASCII) {
		return size + 4 + 2*int64(len(plain))
	}
	if text, ok := c.Text(); ok {
		return size + 4 + 2*int64(units(text))
	}
	return size + 4
}

func notASCII(r rune) bool { return r >= utf8.RuneSelf }

// padding counts the = at the end of a base64 text.
func padding(text []byte) int { return len(text) - len(bytes.TrimRight(text, "=")) }
