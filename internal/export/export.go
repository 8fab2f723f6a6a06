// Package export knows the files that the Entra portal offers for download: which log each is of,
// whether a record makes one row or several, and which columns it has.
package export

import (
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
)

// File is one of the files.
type File struct {
	Stream entra.Stream
	logs.File
}

// TamperedColumn is the last column of every file: why a record is missing. It is in every file,
// because a reader with fixed columns would fail on a file with one more. It is the last, because
// the others are the portal's.
const TamperedColumn = "entraledger.tampered"

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

// TamperedRow is the one row of an altered record: the id and time from its row key, and why it is
// missing. Its number of elements is unknown.
func (f File) TamperedRow(rec records.Archived) []string {
	out := make([]string, len(f.Columns)+1)
	for i, c := range f.Columns {
		for path := range strings.SplitSeq(c.Path, "|") {
			switch {
			case path == "id" && c.As == "":
				out[i] = rec.Key.ID
			case path == logs.Of(f.Stream).TimeProperty && c.As == logs.AsTime && !rec.Key.Time.IsZero():
				out[i] = rec.Key.Time.UTC().Format(time.RFC3339Nano)
			}
		}
	}
	out[len(f.Columns)] = "row " + rec.Row + ": " + rec.Tampered
	return out
}

func (f File) row(record, element gjson.Result) []string {
	out := make([]string, len(f.Columns)+1)
	for i, c := range f.Columns {
		out[i] = cell(c, record, element)
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

// text is a value in a cell: lists of texts separated by commas, everything else that is no simple
// value as JSON.
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

// Names are the columns' names: the portal's, in its order, and TamperedColumn.
func (f File) Names() []string {
	names := make([]string, len(f.Columns)+1)
	for i, c := range f.Columns {
		names[i] = c.Name
	}
	names[len(f.Columns)] = TamperedColumn
	return names
}

// Find finds a file by its name or a former one, without regard to case.
func Find(name string) (File, bool) {
	is := func(other string) bool { return strings.EqualFold(other, name) }
	for _, f := range Files() {
		if is(f.Name) || slices.ContainsFunc(f.Former, is) {
			return f, true
		}
	}
	return File{}, false
}

// FileName is the portal's name of the file with the records of [from, to): with the first day and
// the last one, in UTC.
func (f File) FileName(from, to time.Time, format string) string {
	last := to.Add(-1)
	if last.Before(from) {
		last = from
	}
	return f.Name + "_" + from.UTC().Format(time.DateOnly) + "_" + last.UTC().Format(time.DateOnly) + "." + format
}

// Files are all that the portal offers.
func Files() []File {
	var out []File
	for _, log := range logs.All() {
		for _, f := range log.Files {
			out = append(out, File{log.Stream, f})
		}
	}
	return out
}
