// Package reference knows what Microsoft documents of the logs: what audits record, the properties of
// records, what error codes mean, and which applications are Microsoft's own.
package reference

import (
	_ "embed"
	"strings"
)

// Activity is what an audit record can be of.
type Activity struct {
	Service  string `json:"service"`
	Category string `json:"category"`
	Activity string `json:"activity"`
}

// activities are those of learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities.
//
//go:embed auditactivities.tsv
var activities string

// Activities are all that are known.
func Activities() []Activity {
	var out []Activity
	for _, cells := range table(activities, 3) {
		out = append(out, Activity{cells[0], cells[1], cells[2]})
	}
	return out
}

// table cuts a text into lines, without the first, and lines into cells.
func table(text string, columns int) [][]string {
	var out [][]string
	first := true
	for line := range strings.Lines(text) {
		if cells := strings.SplitN(strings.TrimRight(line, "\r\n"), "\t", columns); !first && len(cells) == columns {
			out = append(out, cells)
		}
		first = false
	}
	return out
}
