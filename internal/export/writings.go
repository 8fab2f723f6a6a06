package export

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/reference"
)

// cell is the text of a column for a record, and for an element of its list.
func cell(c logs.FileColumn, record, element gjson.Result) string {
	switch c.As {
	case logs.AsTime:
		return utc(find(record, element, c.Path).String())
	case logs.AsStatus:
		return signInStatus(record)
	case logs.AsLocation:
		return location(record)
	case logs.AsActorType:
		return actorType(record)
	case logs.AsBeyond:
		return beyond(record)
	}
	return text(find(record, element, c.Path))
}

// signInStatus is the portal's word for how a sign-in ended. It is empty where the record has no
// error code: such a record says nothing of it.
func signInStatus(record gjson.Result) string {
	v := record.Get("status.errorCode")
	code, err := strconv.ParseInt(v.String(), 10, 64) // as a number, or a text of digits
	if err != nil {
		return ""
	}
	return reference.SignInStatus(code)
}

func location(record gjson.Result) string {
	var parts []string
	for _, name := range []string{"city", "state", "countryOrRegion"} {
		if v := record.Get("location." + name).String(); v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ", ")
}

// utc writes a time as the portal's files do; what is no time stays as it is.
func utc(v string) string {
	t, err := entra.ParseTime(v)
	if err != nil {
		return v
	}
	return t.Format(time.RFC3339Nano)
}

func actorType(record gjson.Result) string {
	switch {
	case record.Get("initiatedBy.user").IsObject():
		return "User"
	case record.Get("initiatedBy.app").IsObject():
		return "Application"
	}
	return ""
}

// beyond is what of an audit record finds no place in the other columns: nothing is left out in
// silence.
func beyond(record gjson.Result) string {
	targets := record.Get("targetResources").Array()
	more := len(targets) > logs.AuditTargets || len(record.Get("additionalDetails").Array()) > logs.AuditDetails
	for _, t := range targets[:min(len(targets), logs.AuditTargets)] {
		more = more || len(t.Get("modifiedProperties").Array()) > logs.AuditProperties
	}
	if !more {
		return ""
	}
	return `{"targetResources":` + orEmpty(record.Get("targetResources")) +
		`,"additionalDetails":` + orEmpty(record.Get("additionalDetails")) + `}`
}

func orEmpty(v gjson.Result) string {
	if v.Raw == "" {
		return "[]"
	}
	return v.Raw
}
