// Package logs describes the logs of a tenant: one file a log, all that the program knows of it, as
// data. What collects, stores, searches, downloads and documents logs asks this package, and no
// other place lists them.
package logs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Log is what the program knows of one log.
type Log struct {
	Stream entra.Stream // its name: a setting's value, a file name and a table key, so it never changes
	Title  string       // what it holds, in a few words
	OptIn  bool         // collected only where ARCHIVE_STREAMS names it
	// Delivered says that it can't be read from its source: who has the log sends its records, so none
	// of its hours is ever complete.
	Delivered bool

	// How its source has it.
	Source       Source
	Collection   string   // below auditLogs/, as signIns
	EventType    string   // of sign-ins: the word of signInEventTypes
	Unfiltered   bool     // the collection gives it without a filter by EventType
	Forms        []string // in which Graph gives its records, the richest first: entra.FormBeta, entra.FormV1
	TimeProperty string   // the record's property that dates it
	Ordered      bool     // $orderby works: pages come oldest record first
	Strict       bool     // the time filter knows gt and lt, not ge and le
	Licensed     bool     // needs Microsoft Entra ID P1 or P2
	Permission   string   // the least application permission that reads it
	Alternative  string   // a permission that some tenants ask for in place of Permission; may be empty
	Optional     *Grant   // a permission without which records are poorer; may be nil

	// How it is stored and searched.
	Table      string   // its tables' names begin with it; lower-case letters
	Shape      string   // of its records, in the words of odata.ParseShape
	Columns    []Column // promoted ones
	GroupedBy  []string // the properties by which the portal groups its records; empty: it does not
	KnownWords bool     // its categories, services and activities are those of package reference
	SignsIn    bool     // a record may prove that a user signed in

	// CallerRole is the app role, beside the one to ask, of callers who are given records of it;
	// empty: the one to ask is enough.
	CallerRole string

	// Outcome is the column that tells two records of one id and one second apart: a sign-in that is
	// interrupted and one that succeeds may share their id. Empty: the log has none.
	Outcome string

	Files []File // that the portal offers for download
}

// OutcomeOf is what the log's records with these columns had for a result; empty where the log has
// no outcome, or the record none.
func (l *Log) OutcomeOf(columns []entra.Column) string {
	for i := range columns {
		if c := &columns[i]; l.Outcome != "" && c.Name == l.Outcome {
			if c.IsInt {
				return strconv.Itoa(int(c.Int))
			}
			return strings.ToLower(c.Text)
		}
	}
	return ""
}

// Grant is a permission without which records lack a property.
type Grant struct {
	Name, For, Without string
	Instead            []string // wider permissions that disclose it, too
	Property           string   // of the record
}

// Column is one promoted column: a copy of a property, by which people look for a record.
type Column struct {
	Path    string // of the property, as status/errorCode
	Name    string // of the column: PascalCase, as ErrorCode
	Since   int    // the first set of columns that has it; 0 counts as 1
	Indexed bool   // records are looked for by it over long times: who did it
	// Usual are values without a column, because most records have one of them: no search filters
	// by those, and they would cost the most.
	Usual []string
}

// File is one of the files that the portal offers for download.
type File struct {
	Name    string   // the portal's, without the dates: of the download, and of the file
	Former  []string // names by which the download can be asked for, too
	Each    string   // path of the list of which each element makes a row; empty: a record makes one
	Columns []FileColumn
}

// FileColumn is one column of a file. Path leads into the record, or, if it begins with a point,
// into the element of the list; alternatives are separated by |, and the first that is there
// counts.
type FileColumn struct {
	Name string
	Path string
	As   Writing
}

// Writing is how a value is written into a cell.
type Writing string

// The writings. Those without a path look at the whole record.
const (
	AsIs        Writing = ""
	AsTime      Writing = "time"      // in UTC, as the portal's files have it
	AsStatus    Writing = "status"    // the portal's word for a sign-in's error code
	AsLocation  Writing = "location"  // city, state, country
	AsActorType Writing = "actorType" // of an audit: User or Application
	AsBeyond    Writing = "beyond"    // what of an audit found no place in other columns
)

// All lists the logs. It is the only list of them.
func All() []*Log { return catalogue.all }

// Collected lists the logs that are read from their source.
func Collected() []*Log {
	return slices.DeleteFunc(slices.Clone(All()), func(l *Log) bool { return l.Delivered })
}

// Streams are the names of the logs that are read from their source.
func Streams() []entra.Stream {
	var out []entra.Stream
	for _, l := range Collected() {
		out = append(out, l.Stream)
	}
	return out
}

// DefaultStreams are archived unless ARCHIVE_STREAMS says otherwise.
func DefaultStreams() []entra.Stream {
	var out []entra.Stream
	for _, l := range All() {
		if !l.OptIn {
			out = append(out, l.Stream)
		}
	}
	return out
}

// Of is the description of a stream. An unknown stream gets one with a source alone, by which
// nothing can be read, stored or searched: Parse lets none in.
func Of(s entra.Stream) *Log {
	if l, ok := catalogue.byStream[s]; ok {
		return l.Log
	}
	return &Log{Stream: s, Source: MicrosoftGraph()}
}

// Parse finds a stream by its exact name.
func Parse(name string) (entra.Stream, error) {
	s := entra.Stream(name)
	if _, ok := catalogue.byStream[s]; ok {
		return s, nil
	}
	names := make([]string, 0, len(All()))
	for _, l := range All() {
		names = append(names, string(l.Stream))
	}
	return "", fmt.Errorf("unknown stream %q: accepted are %s", name, strings.Join(names, ", "))
}

// Collections are the logs by Graph's names of the collections: of each, the one that it gives
// without a filter by type.
func Collections() map[string]*Log {
	out := make(map[string]*Log)
	for _, l := range All() {
		if l.Unfiltered {
			out[l.Collection] = l
		}
	}
	return out
}

// OfEventType finds the log of sign-ins of one type.
func OfEventType(name string) (*Log, bool) {
	for _, l := range All() {
		if l.EventType == name && name != "" {
			return l, true
		}
	}
	return nil, false
}

// EventTypes are the types of sign-ins.
func EventTypes() []string {
	var out []string
	for _, l := range All() {
		if l.EventType != "" {
			out = append(out, l.EventType)
		}
	}
	return out
}

// IsSignIns reports whether the log's records are Graph signIn objects.
func (l *Log) IsSignIns() bool { return l.Collection == signIns }

// Form is the richest form in which Graph gives the log's records.
func (l *Log) Form() string {
	if len(l.Forms) == 0 {
		return ""
	}
	return l.Forms[0]
}

// Poorer is the poorer one of two forms. One that the log does not come in is poorer than all.
func (l *Log) Poorer(a, b string) string {
	at := slices.Index(l.Forms, a)
	if at >= 0 && (slices.Index(l.Forms, b) < 0 || slices.Index(l.Forms, b) > at) {
		return b
	}
	return a
}

// ColumnSet numbers the set of columns that the log's rows are written with now; a later set has a
// greater number.
func (l *Log) ColumnSet() int {
	set := 1
	for _, c := range l.Columns {
		set = max(set, c.Since)
	}
	return set
}

// IndexedColumns are the names of the columns by which the log's records are looked for over long
// times.
func (l *Log) IndexedColumns() []string {
	var out []string
	for _, c := range l.Columns {
		if c.Indexed {
			out = append(out, c.Name)
		}
	}
	return out
}

// ColumnPaths are the columns by the path of what they copy.
func (l *Log) ColumnPaths() map[string]Column {
	out := make(map[string]Column, len(l.Columns))
	for _, c := range l.Columns {
		out[c.Path] = c
	}
	return out
}

// Since is the first set of columns that has one by its name; 0: there is none of that name.
func (l *Log) Since(name string) int {
	for _, c := range l.Columns {
		if c.Name == name {
			return max(c.Since, 1)
		}
	}
	return 0
}

// Earliest is before every record of Entra, or of Azure Active Directory as it was called: what says
// that it is older has no time of its own.
func Earliest() time.Time { return time.Date(2010, time.January, 1, 0, 0, 0, 0, time.UTC) }

// ParseRecord decodes what the archive needs of one record of a stream; errors are
// entra.ParseRecord's.
func ParseRecord(s entra.Stream, raw []byte) (entra.Record, error) {
	return entra.ParseRecord(layoutOf(s), raw)
}

// ScanPage splits a page of a stream; errors are entra.ScanPage's.
func ScanPage(s entra.Stream, body []byte) (entra.PageParts, error) {
	return entra.ScanPage(layoutOf(s), body)
}

func layoutOf(s entra.Stream) *entra.Layout {
	if l, ok := catalogue.byStream[s]; ok {
		return l.layout
	}
	return &entra.Layout{}
}
