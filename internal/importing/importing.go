// Package importing reads files of Entra's logs that people kept, and gives each record in the form
// that Microsoft Graph gives it, as near as the file has it. It is pure: it knows readers, not
// files, and stores nothing. What a form lacks is absent from the record; what a rule changes is
// listed in rules.go, and everything else stays byte for byte.
package importing

import (
	"fmt"

	"github.com/entraledger/entraledger/internal/entra"
)

// Format is a kind of file. Without one, the shape of each entry decides.
type Format string

// The formats.
const (
	AnyFormat    Format = ""
	Envelope     Format = "envelope"      // of diagnostic settings: storage, or the body of an event
	LogAnalytics Format = "log-analytics" // rows of the tables, as JSON lines, query answers or CSV
	Portal       Format = "portal"        // the portal's JSON, which is Graph's form
	Extractor    Format = "extractor"     // Microsoft-Extractor-Suite, and what PowerShell's cmdlets give
	Capture      Format = "capture"       // of an event hub, in Avro
)

// Formats are all formats, in the order of the documentation.
func Formats() []Format { return []Format{Envelope, LogAnalytics, Portal, Extractor, Capture} }

// ParseFormat finds a format by its name; empty is AnyFormat.
func ParseFormat(name string) (Format, error) {
	if name == "" {
		return AnyFormat, nil
	}
	for _, f := range Formats() {
		if string(f) == name {
			return f, nil
		}
	}
	return "", fmt.Errorf("unknown format %q: accepted are %v", entra.Clip(name, 40), Formats())
}

// Reason is why an entry can't be imported. It is part of the summary's JSON.
type Reason string

// The reasons that an entry itself gives.
const (
	NotJSON      Reason = "notJson"      // it is no JSON value
	TooLong      Reason = "tooLong"      // it is longer than MaxEntry
	UnknownShape Reason = "unknownShape" // it is an entry of no known format
	OtherFormat  Reason = "otherFormat"  // it is an entry of another format than the one that was asked for
	UnknownLog   Reason = "unknownLog"   // its log can't be told, or the archive has no such log
	NoID         Reason = "noId"
	NoTime       Reason = "noTime" // it has no time of its own; when it was delivered does not count
)

// MaxEntry bounds one entry of a file, in bytes. The largest records known have some 50 KB, and an
// event hub's batch 1 MiB.
const MaxEntry = 8 << 20

// Entry is one entry of a file: a record in Graph's form, or why it can't be imported. What it
// holds is valid until the next one is read.
type Entry struct {
	At      int64 // where it begins: a byte of the unpacked file, or of Avro the number of the event
	Stream  entra.Stream
	Tenant  string       // that the entry names as its own; empty: it names none
	Record  entra.Record // parsed, in Graph's form
	Changed bool         // a rule changed it: its bytes are not a part of the file
	LeftOut []string     // columns and members that Graph's record has no place for

	Refused Reason // empty: it can be imported
	Detail  string // of a refusal
}

// Cut is the error of a file that ends, or can't be read on, within an entry. Everything before At
// is whole.
type Cut struct {
	At   int64
	Unit string // of At: "byte" or "event"
	Why  string
}

func (c *Cut) Error() string {
	return fmt.Sprintf("the file is whole up to %s %d, and not after: %s", c.Unit, c.At, c.Why)
}

// Options say how a file is to be read.
type Options struct {
	Format Format       // AnyFormat: each entry's shape decides
	Log    entra.Stream // of entries that do not tell their log; empty: none
	Name   string       // of the file: a portal's download names its log
}
