// Package reference knows what the audit log records and what the error codes of sign-ins mean, as
// Microsoft documents them.
package reference

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// Activity is what an audit record can be of.
type Activity struct {
	Service  string `json:"service"`
	Category string `json:"category"`
	Activity string `json:"activity"`
}

// ErrorCode is a code of a sign-in's status.
type ErrorCode struct {
	Code    int    `json:"errorCode"`
	Name    string `json:"name"`
	Status  string `json:"status"` // as the portal shows it: Success, Interrupted, Failure
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy,omitempty"`
}

// The lists. Sources:
// learn.microsoft.com/entra/identity/monitoring-health/reference-audit-activities, and
// learn.microsoft.com/entra/identity-platform/reference-error-codes, in our words.
var (
	//go:embed auditactivities.tsv
	activities string
	//go:embed errorcodes.tsv
	errorCodes string
)

// Activities are all that are known.
func Activities() []Activity {
	var out []Activity
	for _, cells := range table(activities, 3) {
		out = append(out, Activity{cells[0], cells[1], cells[2]})
	}
	return out
}

// ErrorCodes are those that are seen often.
func ErrorCodes() ([]ErrorCode, error) {
	var out []ErrorCode
	for _, cells := range table(errorCodes, 5) {
		code, err := strconv.Atoi(cells[0])
		if err != nil {
			return nil, fmt.Errorf("read the list of error codes: %w", err)
		}
		out = append(out, ErrorCode{code, cells[1], cells[2], cells[3], cells[4]})
	}
	return out, nil
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
