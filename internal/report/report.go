// Package report makes reports of what is archived: rows of records, sums over days or over a whole
// time, and counts of the directory's snapshots. Each report is declared once, as one value in a
// file of its own, and has its line in all.go; names, columns, docs and paging come from there.
package report

import (
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

// Report is one report. It is made in one of four ways (Each, Daily, Whole, Snapshots), or says why
// it is not (Gone, Unknown, NoData).
type Report struct {
	Name   string // in its address; compared without regard to case
	Text   string // what it has, in one sentence without a full stop
	Source string // what it is made of, in words

	Legacy          bool // its name is one of the first reports API's of Azure AD
	LicenseRequired bool // as that API said of it

	Gone    string // it is not made any more (410): what replaced it
	Unknown string // it can't be known of any tenant: why
	NoData  string // why it is unknown as long as none of its logs was ever read; empty: the log says

	Columns []Column
	From    []From        // the logs that it reads
	Merges  []From        // further ones, where the caller asks for both
	Before  time.Duration // how much of the time before the asked one has to be read, too

	// Each gives the rows of one record. The report then comes in pages straight from the archive,
	// the newest record first.
	Each func(Record) []Row
	// Discloses tells whether a record of Each says what the report is about; nil: all do.
	Discloses func(Record) bool
	Withheld  string // why records don't

	Daily     func() Sums            // sums of each day
	Whole     func(Window) Sums      // sums over all of the time, which several requests may need
	Snapshots func([]Snapshot) []Row // what snapshots of the directory counted
}

// From is a log that a report reads, and which of its records.
type From struct {
	Stream entra.Stream
	Filter string // in the filter language of the log; empty: all
}

// Record is a record of one of a report's logs.
type Record struct {
	Stream entra.Stream
	Time   time.Time
	ID     string
	Raw    []byte
	Doc    gjson.Result // the same, parsed
}

// Text is a property by its path, as status.errorCode; empty where it is not there or null.
func (r Record) Text(path string) string { return r.Doc.Get(path).String() }

// Row is a row's values by the names of columns: string, int64, bool or []string. An empty text, an
// empty list and nil are left out.
type Row map[string]any

// Kind is what the values of a column are.
type Kind int

// The kinds of columns.
const (
	Text Kind = iota
	Number
	Flag
	Texts
	Time
)

// Column is a column of a report.
type Column struct {
	Name string
	Text string // what it means, without a full stop
	Kind Kind
	Ours bool // the first reports API is not known to have had it
}

// Sums adds up records. Its JSON form is all that is kept of it between two requests.
type Sums interface {
	// Add adds a record. Those of one log come oldest first.
	Add(Record)
	// Rows are what was summed up, in the order of keys.
	Rows() []Keyed
	// Doubt says what of the sums is not known, and whether nothing is; empty: all is known.
	Doubt() (text string, nothing bool)
}

// Keyed is a row, and its place among the others.
type Keyed struct {
	Key string
	Row Row
}

// Snapshot is what a snapshot of the directory counted.
type Snapshot = directory.UserCount

// Window is a time that is asked about, [From, To).
type Window struct{ From, To time.Time }

// reads are the logs that are read for a question.
func (r *Report) reads(merged bool) []From {
	if !merged {
		return r.From
	}
	return append(append([]From(nil), r.From...), r.Merges...)
}

// Streams are the logs that a report may give records of.
func (r *Report) Streams(merged bool) []entra.Stream {
	var out []entra.Stream
	for _, f := range r.reads(merged) {
		out = append(out, f.Stream)
	}
	return out
}

// Ours are the names of the columns that the first reports API is not known to have had.
func (r *Report) Ours() []string {
	var out []string
	for _, c := range r.Columns {
		if c.Ours {
			out = append(out, c.Name)
		}
	}
	return out
}

// Names are the names of the columns.
func (r *Report) Names() []string {
	var out []string
	for _, c := range r.Columns {
		out = append(out, c.Name)
	}
	return out
}
