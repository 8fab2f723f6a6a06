package rows

import (
	"encoding/base64"
	"strconv"

	"github.com/tidwall/gjson"
)

// Given reports whether a row has a column: a requested column that is not there may come as null.
func Given(column gjson.Result) bool { return column.Exists() && column.Type != gjson.Null }

// ChunksOf are the bytes in the columns Record, Record1, ... of a row; false where they can't be
// read.
func ChunksOf(row gjson.Result) (data []byte, ok bool) {
	for i := range ChunksPerRow {
		column := row.Get(ChunkName(i))
		if !Given(column) {
			break
		}
		chunk, err := base64.StdEncoding.DecodeString(column.Str)
		if err != nil || column.Type != gjson.String {
			return nil, false
		}
		data = append(data, chunk...)
	}
	return data, true
}

// WholeNumber reads a column that holds a whole number, as Edm.Int32 or as a text.
func WholeNumber(column gjson.Result) (int64, bool) {
	text := column.Raw
	if column.Type == gjson.String {
		text = column.Str
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil
}

// Number is an Edm.Int64, which comes as a text.
type Number int64

// UnmarshalJSON reads a number, with quotes or without.
func (n *Number) UnmarshalJSON(data []byte) error {
	text, err := strconv.Unquote(string(data))
	if err != nil {
		text = string(data)
	}
	v, err := strconv.ParseInt(text, 10, 64)
	*n = Number(v)
	return err
}
