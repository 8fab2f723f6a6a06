// Package export knows the files that the Entra portal offers for download: which log each is of, whether a record makes one
// row or several, and which columns it has.
package export

import (
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// File is one of the files.
type File struct {
	Name    string // of the download, and of the file
	Stream  entra.Stream
	Each    string // path of the list of which each element makes a row; empty: a record makes one
	Columns []Column
}

// Column is one column of a file. Path leads into the record, or, where it begins with a point, into the element of the list;
// alternatives stand with | between, of which the first that is there counts.
type Column struct {
	Name string
	Path string
	of   func(record, element gjson.Result) string // instead of Path
}

// Rows makes the rows of a record: the texts of its columns.
func (f File) Rows(record gjson.Result, yield func([]string) error) error {
	if f.Each == "" {
		return yield(f.row(record, gjson.Result{}))
	}
	for _, element := range record.Get(f.Each).Array() {
		if err := yield(f.row(record, element)); err != nil {
			return err
		}
	}
	return nil
}

func (f File) row(record, element gjson.Result) []string {
	out := make([]string, len(f.Columns))
	for i, c := range f.Columns {
		if c.of != nil {
			out[i] = c.of(record, element)
			continue
		}
		out[i] = text(find(record, element, c.Path))
	}
	return out
}

func find(record, element gjson.Result, paths string) gjson.Result {
	for path := range strings.SplitSeq(paths, "|") {
		from := record
		if rest, ok := strings.CutPrefix(path, "."); ok {
			from, path = element, rest
		}
		if v := from.Get(path); v.Exists() && v.Type != gjson.Null {
			return v
		}
	}
	return gjson.Result{}
}

// text is a value as it stands in a cell: lists of texts with commas between, everything else that is no simple value as JSON.
func text(v gjson.Result) string {
	if v.IsArray() {
		var parts []string
		for _, e := range v.Array() {
			parts = append(parts, text(e))
		}
		return strings.Join(parts, ", ")
	}
	if v.Type == gjson.Null {
		return ""
	}
	return v.String()
}

// Names are the columns' names.
func (f File) Names() []string {
	names := make([]string, len(f.Columns))
	for i, c := range f.Columns {
		names[i] = c.Name
	}
	return names
}

// Find finds a file by its name, without regard to case.
func Find(name string) (File, bool) {
	for _, f := range Files() {
		if strings.EqualFold(f.Name, name) {
			return f, true
		}
	}
	return File{}, false
}

// Files are all that the portal offers.
func Files() []File {
	return []File{
		{Name: "InteractiveSignIns", Stream: entra.SignInsInteractiveUser, Columns: userSignIns()},
		{Name: "InteractiveSignInsAuthDetails", Stream: entra.SignInsInteractiveUser, Each: "authenticationDetails", Columns: authenticationDetails()},
		{Name: "NonInteractiveSignIns", Stream: entra.SignInsNonInteractiveUser, Columns: userSignIns()},
		{Name: "NonInteractiveSignInsAuthDetails", Stream: entra.SignInsNonInteractiveUser, Each: "authenticationDetails", Columns: authenticationDetails()},
		{Name: "ApplicationSignIns", Stream: entra.SignInsServicePrincipal, Columns: workloadSignIns()},
		{Name: "MSISignIns", Stream: entra.SignInsManagedIdentity, Columns: workloadSignIns()},
		{Name: "AuditLogs", Stream: entra.DirectoryAudits, Columns: audits()},
		{Name: "ProvisioningLogs", Stream: entra.Provisioning, Columns: provisioning()},
		{Name: "ProvisioningLogs_Steps", Stream: entra.Provisioning, Each: "provisioningSteps", Columns: []Column{
			{Name: "Change ID", Path: "changeId"}, {Name: "Log ID", Path: "id"}, {Name: "Step name", Path: ".name"}, {Name: "Step type", Path: ".provisioningStepType"},
			{Name: "Step status", Path: ".status"}, {Name: "Description", Path: ".description"}, {Name: "Details", Path: ".details"},
		}},
		{Name: "ProvisioningLogs_ModifiedProperties", Stream: entra.Provisioning, Each: "modifiedProperties", Columns: []Column{
			{Name: "Change ID", Path: "changeId"}, {Name: "Log ID", Path: "id"}, {Name: "Property name", Path: ".displayName"}, {Name: "Old value", Path: ".oldValue"}, {Name: "New value", Path: ".newValue"},
		}},
	}
}

// signInStatus is the portal's word for an error code. Source: learn.microsoft.com/entra/identity/monitoring-health/
// concept-sign-in-log-activity-details: 50074, 50076, 50140 and their like interrupt a sign-in rather than ending it.
func signInStatus(record, _ gjson.Result) string {
	switch code := record.Get("status.errorCode").Int(); code {
	case 0:
		return "Success"
	case 50055, 50057, 50072, 50074, 50076, 50079, 50097, 50125, 50127, 50129, 50140, 50143, 50144, 50158, 51006, 52004, 65001, 81010, 81012, 81014, 700084:
		return "Interrupted"
	default:
		return "Failure"
	}
}

func location(record, _ gjson.Result) string {
	var parts []string
	for _, name := range []string{"city", "state", "countryOrRegion"} {
		if v := record.Get("location." + name).String(); v != "" {
			parts = append(parts, v)
		}
	}
	return strings.Join(parts, ", ")
}

// utc writes a time as the portal's files do; what is no time stays as it is.
func utc(path string) func(record, element gjson.Result) string {
	return func(record, element gjson.Result) string {
		v := find(record, element, path).String()
		t, err := entra.ParseTime(v)
		if err != nil {
			return v
		}
		return t.Format(time.RFC3339Nano)
	}
}
