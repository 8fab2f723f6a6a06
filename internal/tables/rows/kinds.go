package rows

import (
	"fmt"
	"strings"

	"github.com/tidwall/gjson"
)

// Kinds are the columns of the rows of one kind, and their types.
type Kinds map[string]string

// eachColumn yields the columns of a row, with their types and values.
func eachColumn(body []byte, yield func(name, edmType string, value gjson.Result)) {
	types := make(map[string]string)
	row := gjson.ParseBytes(body)
	row.ForEach(func(name, v gjson.Result) bool {
		if of, ok := strings.CutSuffix(name.Str, typeMark); ok {
			types[of] = v.Str
		}
		return true
	})
	row.ForEach(func(name, v gjson.Result) bool {
		switch {
		case name.Str == "PartitionKey", name.Str == "RowKey", name.Str == "Timestamp", strings.Contains(name.Str,
			"odata."):
			return true
		}
		edmType := types[name.Str]
		switch {
		case edmType != "":
		case v.Type == gjson.Number && strings.ContainsAny(v.Raw, ".eE"):
			edmType = "Edm.Double"
		case v.Type == gjson.Number:
			edmType = "Edm.Int32"
		case v.IsBool():
			edmType = "Edm.Boolean"
		case v.Type == gjson.String:
			edmType = "Edm.String"
		}
		yield(name.Str, edmType, v)
		return true
	})
}

// KindsOf are the columns of a row that has all of its kind.
func KindsOf(body []byte) Kinds {
	out := make(Kinds)
	eachColumn(body, func(name, edmType string, _ gjson.Result) { out[name] = edmType })
	return out
}

// Wrong says which columns of a row are none of its kind, or of another type; empty: none. Columns
// that are not there are not missed.
func (k Kinds) Wrong(body []byte) string {
	var wrong []string
	eachColumn(body, func(name, edmType string, _ gjson.Result) {
		switch want, ok := k[name]; {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("it has a column %s, which this version does not write", name))
		case want != edmType:
			wrong = append(wrong, fmt.Sprintf("its column %s is of type %s, not %s", name, edmType, want))
		}
	})
	return strings.Join(wrong, "; ")
}
