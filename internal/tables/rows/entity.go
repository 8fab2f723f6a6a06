package rows

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
)

// Entity is one row to be written: its key, the JSON for the wire and its size in the table.
type Entity struct {
	Key    string
	Body   []byte
	Stored int64
}

// Builder writes an entity's JSON and counts its size in the table: 4 bytes, 2 for each character
// of the keys, and for each property 8, 2 for each character of its name, and its value.
type Builder struct {
	key    string
	body   []byte
	stored int64
}

// NewEntity begins an entity. capacity is how many bytes of JSON are expected.
func NewEntity(partition, key string, capacity int) *Builder {
	b := &Builder{key: key, body: make([]byte, 0, capacity)}
	b.body = append(b.body, `{"PartitionKey":`...)
	b.body = appendText(b.body, partition)
	b.body = append(b.body, `,"RowKey":`...)
	b.body = appendText(b.body, key)
	b.stored = 4 + 2*int64(len(partition)+len(key))
	return b
}

func (b *Builder) name(name, edmType string) {
	b.body = append(b.body, ',', '"')
	if edmType != "" {
		b.body = append(b.body, name...)
		b.body = append(b.body, typeMark+`":"`...)
		b.body = append(b.body, edmType...)
		b.body = append(b.body, `","`...)
	}
	b.body = append(b.body, name...)
	b.body = append(b.body, '"', ':')
	b.stored += 8 + 2*int64(len(name))
}

// Text adds an Edm.String.
func (b *Builder) Text(name, value string) {
	b.name(name, "")
	b.body = appendText(b.body, value)
	b.stored += 4 + 2*int64(units(value))
}

// GUID adds an Edm.Guid, which has 16 bytes where a text would have 76. value is one for which
// IsGUID is true.
func (b *Builder) GUID(name, value string) {
	b.name(name, guidType)
	b.body = appendText(b.body, value)
	b.stored += 16
}

// IsGUID reports whether a text is a GUID in small letters: any other spelling would not come back
// as it was.
func IsGUID(text string) bool {
	if len(text) != 36 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// Int32 adds an Edm.Int32.
func (b *Builder) Int32(name string, value int32) {
	b.name(name, "")
	b.body = strconv.AppendInt(b.body, int64(value), 10)
	b.stored += 4
}

// Bool adds an Edm.Boolean.
func (b *Builder) Bool(name string, value bool) {
	b.name(name, "")
	b.body = strconv.AppendBool(b.body, value)
	b.stored++
}

// Time adds an Edm.DateTime.
func (b *Builder) Time(name string, value time.Time) {
	b.name(name, timeType)
	b.body = append(b.body, '"')
	b.body = value.UTC().AppendFormat(b.body, TimeFormat)
	b.body = append(b.body, '"')
	b.stored += 8
}

// Binary adds an Edm.Binary of at most MaxProperty bytes.
func (b *Builder) Binary(name string, value []byte) {
	b.name(name, binaryType)
	b.body = append(b.body, '"')
	b.body = base64.StdEncoding.AppendEncode(b.body, value)
	b.body = append(b.body, '"')
	b.stored += 4 + int64(len(value))
}

// Chunks adds as much of the bytes as fits a row, in the columns of ChunkName, and returns the
// rest.
func (b *Builder) Chunks(data []byte) []byte {
	for i := 0; i < ChunksPerRow && len(data) > 0; i++ {
		chunk := data[:min(len(data), MaxProperty)]
		data = data[len(chunk):]
		b.Binary(ChunkName(i), chunk)
	}
	return data
}

// chunkName is the prefix of the columns of bytes that may need more than one.
const chunkName = "Record"

// ChunkName is Record, Record1, Record2, ...
func ChunkName(i int) string {
	if i == 0 {
		return chunkName
	}
	return chunkName + strconv.Itoa(i)
}

// Done ends the entity.
func (b *Builder) Done() Entity {
	return Entity{Key: b.key, Body: append(b.body, '}'), Stored: b.stored}
}

// appendText writes a JSON string. Most values need no escape and are copied.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // a string always has a JSON form
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// units is the length in UTF-16, in which Table Storage counts.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// Properties collects an entity's columns by name; they are written in the order of their names.
// Zero values are left out, to keep rows small.
type Properties map[string]any

// Number adds an Edm.Int64.
func (p Properties) Number(name string, n int64) {
	if n != 0 {
		p.Must(name, n)
	}
}

// Must adds an Edm.Int64 even where it is 0.
func (p Properties) Must(name string, n int64) { p.typed(name, int64Type, aztables.EDMInt64(n)) }

func (p Properties) typed(name, edmType string, value any) {
	p[name], p[name+typeMark] = value, edmType
}

// Int adds an Edm.Int32.
func (p Properties) Int(name string, n int) {
	if n != 0 {
		p[name] = int32(n)
	}
}

// Time adds an Edm.DateTime.
func (p Properties) Time(name string, t time.Time) {
	if !t.IsZero() {
		p.typed(name, timeType, aztables.EDMDateTime(t.UTC()))
	}
}

// Text adds an Edm.String.
func (p Properties) Text(name, s string) {
	if s != "" {
		p[name] = s
	}
}

// Flag adds an Edm.Boolean that is true.
func (p Properties) Flag(name string, is bool) {
	if is {
		p[name] = true
	}
}

// Binary adds an Edm.Binary; none where data is nil.
func (p Properties) Binary(name string, data []byte) {
	if data != nil {
		p.typed(name, binaryType, aztables.EDMBinary(data))
	}
}

// Entity is the JSON for the wire.
func (p Properties) Entity(partition, row string) ([]byte, error) {
	out := maps.Clone(p)
	out["PartitionKey"], out["RowKey"] = partition, row
	body, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("write row %s: %w", row, err)
	}
	return body, nil
}
