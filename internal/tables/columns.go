package tables

import (
	"encoding/json"
	"strconv"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// columnSet is the latest set of promoted columns of which a row has exactly those that its record
// makes; 0: of none.
func columnSet(log *logs.Log, rec entra.Record, row fetchedRow) int {
	values := make(map[string]string, len(rec.Columns))
	for _, col := range rec.Columns {
		if values[col.Name] = col.Text; col.IsInt {
			values[col.Name] = strconv.Itoa(int(col.Int))
		}
	}
	for set := log.ColumnSet(); set > 0; set-- {
		if hasColumns(log, set, values, row) {
			return set
		}
	}
	return 0
}

// hasColumns tells whether a row has the columns of a set, with the values, and none of a later
// one.
func hasColumns(log *logs.Log, set int, values map[string]string, row fetchedRow) bool {
	for _, c := range log.Columns {
		want, promoted := values[c.Name]
		is, there := row.props[c.Name]
		if promoted = promoted && max(c.Since, 1) <= set; promoted != there {
			return false
		}
		if !there {
			continue
		}
		var text string
		if json.Unmarshal(is, &text) != nil {
			text = string(is)
		}
		if text != want {
			return false
		}
	}
	return true
}
