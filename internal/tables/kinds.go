package tables

import (
	"reflect"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// The kinds of the rows of the ledger's table are what is written of values that have everything.
var (
	coverageKinds = mustKinds(encodeCoverage(filled[ledger.Coverage]()))
	progressKinds = mustKinds(encodeProgress(filled[ledger.Progress]()))
	leaseKinds    = rows.KindsOf(encodeLease("x", filled[ledger.Lease]()))
	sealKinds     = rows.KindsOf(encodeSeal(filled[seal.Seal]()))
	revisionKinds = rows.KindsOf(revisionRow(ledger.Progress{}, "x"))
	requestKinds  = rows.Kinds{"Holder": "Edm.String", "Work": "Edm.String"}
	listKinds     = listColumns()
)

func mustKinds(body []byte, err error) rows.Kinds {
	if err != nil {
		panic(err) // a row of ours has a JSON form
	}
	return rows.KindsOf(body)
}

// listColumns are the columns of a list of a seal.
func listColumns() rows.Kinds {
	out := rows.Kinds{"Codec": "Edm.String", "After": "Edm.String", "DatesCodec": "Edm.String", "Dates": "Edm.Binary",
		"Parts": "Edm.Int32"}
	for i := range rows.ChunksPerRow {
		out[rows.ChunkName(i)] = "Edm.Binary"
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
