package discard

import (
	"strings"
	"unicode/utf16"
	"unsafe"

	"github.com/tidwall/gjson"
)

// entitySize is what Table Storage bills for an entity, by Microsoft's published formula: 4 bytes,
// 2 for each character of both keys, and for each property 8, 2 for each character of its name, and
// its value.
func entitySize(entity []byte) int64 {
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(entity), len(entity)))
	type property struct {
		name  string
		value gjson.Result
	}
	size := int64(4)
	properties := make([]property, 0, 32)
	types := make(map[string]string, 8)
	doc.ForEach(func(name, value gjson.Result) bool {
		switch plain, annotated := strings.CutSuffix(name.Str, "@odata.type"); {
		case annotated:
			types[plain] = value.Str
		case name.Str == "PartitionKey" || name.Str == "RowKey":
			size += 2 * characters(value.Str)
		case strings.HasPrefix(name.Str, "odata.") || name.Str == "Timestamp":
		default:
			properties = append(properties, property{name.Str, value})
		}
		return true
	})
	for _, p := range properties {
		size += 8 + 2*characters(p.name) + valueSize(p.value, types[p.name])
	}
	return size
}

func valueSize(value gjson.Result, edm string) int64 {
	switch edm {
	case "Edm.Binary":
		padding := strings.Count(value.Str[max(0, len(value.Str)-2):], "=")
		return 4 + int64(len(value.Str)/4*3-padding)
	case "Edm.Int64", "Edm.DateTime", "Edm.Double":
		return 8
	case "Edm.Guid":
		return 16
	}
	switch value.Type {
	case gjson.True, gjson.False:
		return 1
	case gjson.Number:
		if strings.ContainsAny(value.Raw, ".eE") {
			return 8
		}
		return 4
	default:
		return 4 + 2*characters(value.Str)
	}
}

// characters counts UTF-16 units, which is what the service stores.
func characters(s string) int64 {
	var n int64
	for _, r := range s {
		n += int64(utf16.RuneLen(r))
	}
	return n
}
