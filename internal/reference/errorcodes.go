package reference

import (
	_ "embed"
	"fmt"
	"strconv"
	"sync"
)

// The portal's words for how a sign-in ended.
const (
	Success     = "Success"
	Interrupted = "Interrupted"
	Failure     = "Failure"
)

// ErrorCode is a code of a sign-in's status. Name, meaning and remedy are empty where no source has
// them.
type ErrorCode struct {
	Code    int    `json:"errorCode"`
	Name    string `json:"name,omitempty"`
	Status  string `json:"status"` // Success, Interrupted or Failure
	Meaning string `json:"meaning,omitempty"`
	Remedy  string `json:"remedy,omitempty"`
	// StatusSource is where the status is from: workbook or errorReference.
	StatusSource string `json:"statusSource"`
}

// errorCodes is the one table of what a code of a sign-in means, and of how the sign-in ended.
//
// A status from "workbook" is that of Microsoft's workbooks SignIns and SignInFailureAnalysis
// (github.com/microsoft/Application-Insights-Workbooks, commit 1ea1c77b): 26 codes are "Pending user
// action", which the portal calls Interrupted, and every other code but 0 is a failure. One from
// "errorReference" is of a code that the workbooks do not name, and that
// learn.microsoft.com/entra/identity-platform/reference-error-codes describes as a step of a sign-in
// that goes on. Names are those of that page; meanings and remedies are in our words. 53009, 70046
// and 90025 are not on the page: their meanings are the texts of the service itself
// (login.microsoftonline.com/error), as github.com/f-bader/EntraID-ErrorCodes collects them.
//
//go:embed errorcodes.tsv
var errorCodes string

// ErrorCodes are those of which something is known, in ascending order.
func ErrorCodes() ([]ErrorCode, error) {
	var out []ErrorCode
	for _, cells := range table(errorCodes, 6) {
		code, err := strconv.Atoi(cells[0])
		if err != nil {
			return nil, fmt.Errorf("read the list of error codes: %w", err)
		}
		out = append(out, ErrorCode{code, cells[1], cells[2], cells[4], cells[5], cells[3]})
	}
	return out, nil
}

// statuses are those of the table, by code. A download asks for one with each record.
var statuses = sync.OnceValue(func() map[int64]string {
	out := make(map[int64]string)
	all, _ := ErrorCodes() // the table is part of the program, and a test reads it
	for _, c := range all {
		out[int64(c.Code)] = c.Status
	}
	return out
})

// SignInStatus is how a sign-in with an error code ended, in the portal's words. A code that is not
// in the table is a failure, as in Microsoft's workbooks.
func SignInStatus(code int64) string {
	if status, ok := statuses()[code]; ok {
		return status
	}
	return Failure
}
