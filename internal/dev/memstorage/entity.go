package memstorage

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/tidwall/gjson"
)

// The service's limits of one entity.
const (
	maxEntity     = 1 << 20
	maxProperty   = 64 << 10
	maxProperties = 252
	maxKey        = 512 // UTF-16 units
	maxName       = 255
)

// property is one column of an entity as it goes over the wire.
type property struct {
	name string
	edm  string // Edm.String, Edm.Int32, Edm.Int64, Edm.Double, Edm.Boolean, Edm.DateTime, Edm.Guid, Edm.Binary
	raw  string // its JSON
}

// row is an entity. It is never changed: a write puts another one in its place.
type row struct {
	partition, key string
	properties     []property
	stamp          time.Time
}

const stampFormat = "2006-01-02T15:04:05.0000000Z"

func (r *row) etag() string {
	return `W/"datetime'` + url.QueryEscape(r.stamp.Format(stampFormat)) + `'"`
}

// less orders rows by their keys.
func compareKeys(a, b *row) int {
	if c := strings.Compare(a.partition, b.partition); c != 0 {
		return c
	}
	return strings.Compare(a.key, b.key)
}

// parseEntity reads an entity's JSON. Keys that are not in it stay empty.
func parseEntity(body []byte) (*row, *fault) {
	if !gjson.ValidBytes(body) {
		return nil, invalidInput("An error occurred while processing this request: the entity is no JSON.")
	}
	doc := gjson.ParseBytes(body)
	types := make(map[string]string)
	doc.ForEach(func(name, value gjson.Result) bool {
		if of, ok := strings.CutSuffix(name.Str, "@odata.type"); ok {
			types[of] = value.Str
		}
		return true
	})
	out := &row{}
	var failed *fault
	doc.ForEach(func(name, value gjson.Result) bool {
		switch {
		case strings.HasPrefix(name.Str, "odata.") || strings.HasSuffix(name.Str, "@odata.type") ||
			name.Str == "Timestamp" ||
			value.Type == gjson.Null:
		case name.Str == "PartitionKey":
			out.partition = value.Str
		case name.Str == "RowKey":
			out.key = value.Str
		default:
			var p property
			if p, failed = parseProperty(name.Str, types[name.Str], value); failed == nil {
				out.properties = append(out.properties, p)
			}
		}
		return failed == nil
	})
	return out, failed
}

var propertyName = regexp.MustCompile(`^[\pL_][\pL\pN_]*$`)

func parseProperty(name, edm string, value gjson.Result) (property, *fault) {
	p := property{name: name, edm: edm, raw: value.Raw}
	switch {
	case len(name) > maxName:
		return p, badRequest("PropertyNameTooLong", "The property name exceeds the maximum allowed length (255).")
	case !propertyName.MatchString(name):
		return p, badRequest("PropertyNameInvalid", "The property name is invalid.")
	case p.edm != "":
	case value.Type == gjson.String:
		p.edm = "Edm.String"
	case value.Type == gjson.True || value.Type == gjson.False:
		p.edm = "Edm.Boolean"
	case value.Type == gjson.Number && strings.ContainsAny(value.Raw, ".eE"):
		p.edm = "Edm.Double"
	case value.Type == gjson.Number:
		p.edm = "Edm.Int32"
	}
	if _, err := p.value(); err != nil {
		return p, invalidInput("An error occurred while processing this request: " + name + " is no " + p.edm + ".")
	}
	return p, p.check(value)
}

// earliest is the first moment that an Edm.DateTime of the service can hold.
var earliest = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)

// check enforces the limits of one value.
func (p property) check(value gjson.Result) *fault {
	switch p.edm {
	case "Edm.String":
		if units(value.Str) > maxProperty/2 {
			return propertyTooLarge
		}
	case "Edm.Binary":
		if decodedLen(value.Str) > maxProperty {
			return propertyTooLarge
		}
	case "Edm.DateTime":
		if t, _ := time.Parse(time.RFC3339Nano, value.Str); t.Before(earliest) || t.Year() > 9999 {
			return badRequest("OutOfRangeInput", "The '"+p.name+"' parameter of value '"+value.Str+"' is out of range.")
		}
	}
	return nil
}

// value is the property's value for comparisons: string, bool, float64, int64, time.Time, or the
// bytes of a binary.
func (p property) value() (any, error) {
	doc := gjson.Parse(p.raw)
	switch p.edm {
	case "Edm.String", "Edm.Guid":
		return doc.Str, kind(doc.Type == gjson.String)
	case "Edm.Boolean":
		return doc.Bool(), kind(doc.IsBool())
	case "Edm.Int32":
		n, err := strconv.ParseInt(doc.Raw, 10, 32)
		return n, err
	case "Edm.Int64":
		return strconv.ParseInt(doc.String(), 10, 64)
	case "Edm.Double":
		return strconv.ParseFloat(doc.String(), 64)
	case "Edm.DateTime":
		return time.Parse(time.RFC3339Nano, doc.Str)
	case "Edm.Binary":
		b, err := base64.StdEncoding.DecodeString(doc.Str)
		return binary(b), err
	}
	return nil, fmt.Errorf("read %s: type %q is not known", p.name, p.edm)
}

type binary string

func kind(ok bool) error {
	if !ok {
		return fmt.Errorf("it is of another type")
	}
	return nil
}

// check enforces the limits of a whole entity.
func (r *row) check() *fault {
	for name, key := range map[string]string{"PartitionKey": r.partition, "RowKey": r.key} {
		if units(key) > maxKey {
			return keyTooLarge
		}
		if strings.ContainsFunc(key, forbiddenInKey) {
			return badRequest("OutOfRangeInput", "The '"+name+"' parameter of value '"+key+"' is out of range.")
		}
	}
	if len(r.properties) > maxProperties {
		return tooManyProperties
	}
	if r.size() > maxEntity {
		return entityTooLarge
	}
	return nil
}

func forbiddenInKey(c rune) bool {
	return c == '/' || c == '\\' || c == '#' || c == '?' || c <= 0x1f || c >= 0x7f && c <= 0x9f
}

// size is what the service counts for an entity, in bytes.
func (r *row) size() int {
	size := 4 + 2*(units(r.partition)+units(r.key))
	for _, p := range r.properties {
		size += 8 + 2*units(p.name)
		switch p.edm {
		case "Edm.String":
			size += 4 + 2*units(gjson.Parse(p.raw).Str)
		case "Edm.Binary":
			size += 4 + decodedLen(strings.Trim(p.raw, `"`))
		case "Edm.Guid":
			size += 16
		case "Edm.Boolean":
			size++
		case "Edm.Int32":
			size += 4
		default:
			size += 8
		}
	}
	return size
}

// decodedLen is the number of bytes in a base64 text.
func decodedLen(text string) int {
	return base64.StdEncoding.DecodedLen(len(text)) - strings.Count(text[max(0, len(text)-2):], "=")
}

// units is a text's length in UTF-16.
func units(s string) int {
	n := 0
	for _, c := range s {
		n += max(1, utf16.RuneLen(c))
	}
	return n
}

// merged is the row with another one's properties over its own.
func (r *row) merged(over *row) *row {
	out := *over
	out.properties = slices.Clone(over.properties)
	for _, p := range r.properties {
		if !slices.ContainsFunc(over.properties, func(o property) bool { return o.name == p.name }) {
			out.properties = append(out.properties, p)
		}
	}
	return &out
}

// appendTo writes the row's JSON with minimal metadata. An empty selection means all properties.
func (r *row) appendTo(b []byte, selected []string) []byte {
	take := func(name string) bool { return len(selected) == 0 || slices.Contains(selected, name) }
	b = append(b, `{"odata.etag":`...)
	b = strconv.AppendQuote(b, r.etag())
	if take("PartitionKey") {
		b = append(b, `,"PartitionKey":`...)
		b = appendText(b, r.partition)
	}
	if take("RowKey") {
		b = append(b, `,"RowKey":`...)
		b = appendText(b, r.key)
	}
	if take("Timestamp") {
		b = append(b, `,"Timestamp":"`+r.stamp.Format(stampFormat)+`"`...)
	}
	for _, p := range r.properties {
		if !take(p.name) {
			continue
		}
		switch p.edm {
		case "Edm.Int64", "Edm.DateTime", "Edm.Guid", "Edm.Binary":
			b = append(b, `,"`+p.name+`@odata.type":"`+p.edm+`"`...)
		}
		b = append(b, `,"`+p.name+`":`+p.raw...)
	}
	return append(b, '}')
}

func appendText(b []byte, s string) []byte { return gjson.AppendJSONString(b, s) }
