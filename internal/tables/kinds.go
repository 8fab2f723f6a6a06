package tables

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// kinds are the columns of the rows of one kind, and their types.
type kinds map[string]string

// eachColumn yields the columns of a row, with their types and values.
func eachColumn(body []byte, yield func(name, edmType string, value gjson.Result)) {
	types := make(map[string]string)
	row := gjson.ParseBytes(body)
	row.ForEach(func(name, v gjson.Result) bool {
		if of, ok := strings.CutSuffix(name.Str, "@odata.type"); ok {
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

// kindsOf are the columns of a row that has all of its kind.
func kindsOf(body []byte) kinds {
	out := make(kinds)
	eachColumn(body, func(name, edmType string, _ gjson.Result) { out[name] = edmType })
	return out
}

// wrong says which columns of a row are none of its kind, or of another type; empty: none. Columns
// that are not there are not missed.
func (k kinds) wrong(body []byte) string {
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

// The kinds of the rows of the ledger's table are what is written of values that have everything.
var (
	coverageKinds = mustKinds(encodeCoverage(filled[archive.Coverage]()))
	progressKinds = mustKinds(encodeProgress(filled[archive.Progress]()))
	leaseKinds    = kindsOf(encodeLease("x", filled[archive.Lease]()))
	sealKinds     = kindsOf(encodeSeal(filled[seal.Seal]()))
	revisionKinds = kindsOf(revisionRow(archive.Progress{}, "x"))
	wishKinds     = kinds{"Holder": "Edm.String", "Work": "Edm.String"}
	listKinds     = listColumns()
)

func mustKinds(body []byte, err error) kinds {
	if err != nil {
		panic(err) // a row of ours has a JSON form
	}
	return kindsOf(body)
}

// listColumns are the columns of a list of a seal.
func listColumns() kinds {
	out := kinds{"Codec": "Edm.String", "After": "Edm.String", "DatesCodec": "Edm.String", "Dates": "Edm.Binary",
		"Parts": "Edm.Int32"}
	for i := range chunksPerRow {
		out[chunkName(i)] = "Edm.Binary"
	}
	return out
}

// filled is a value of which every field is something.
func filled[T any]() (out T) {
	fill(reflect.ValueOf(&out).Elem())
	return out
}

func fill(v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(0, 0)))
	case v.Type() == reflect.TypeFor[entra.Stream]():
		v.SetString("x")
	case v.Type() == reflect.TypeFor[time.Duration]():
		v.SetInt(int64(time.Hour))
	case v.CanInt():
		v.SetInt(1)
	case v.CanUint():
		v.SetUint(1)
	case v.Kind() == reflect.Bool:
		v.SetBool(true)
	case v.Kind() == reflect.String:
		v.SetString("x")
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case v.Kind() == reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0))
	case v.Kind() == reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	}
}
