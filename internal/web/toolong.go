package web

import (
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// detail is a part, as OData has details of an error: OData JSON Format 4.01, section 21.1.
type detail struct {
	Code    entra.Code `json:"code" text:"That of the error"`
	Message string     `json:"message" text:"Which part"`
	Target  string     `json:"target" text:"Where it is had"`
}

// Part is a part of an answer, which can be had by itself.
type Part struct {
	Text    string
	Address string // of those that an error names

	of     Request
	values map[string]string
}

// TooLong is the error of an answer that takes longer than one may.
type TooLong struct {
	Failed *entra.Error
	Parts  []Part
	More   int // parts that are not named
}

// mostParts bounds the parts that an error names.
const mostParts = 100

// PartOf is a part of what a request asks for: a time, and the values of parameters that ask for it.
func PartOf(r Request, from, to time.Time, records int64, values map[string]string) Part {
	return Part{Text: fmt.Sprintf("from %s to %s, about %d records", Time(from), Time(to), records), of: r, values: values}
}

// TooLongFile is the error of a file for which more records have to be read than one may take.
func TooLongFile(records, most int64, longest time.Duration, parts []Part) *TooLong {
	named := slices.Clone(parts[:min(len(parts), mostParts)])
	for i := range named { // a link may be stored: of the others none is written
		named[i].Address = named[i].of.Link(named[i].values)
	}
	return &TooLong{Parts: named, More: len(parts) - len(named), Failed: &entra.Error{Code: entra.CodeTooLong,
		Doing: "write the file",
		Why: fmt.Sprintf("about %d records have to be read for it, and one file may take %d, in about %s", records,
			most, longest),
		Remedy: fmt.Sprintf("ask for its %d parts, one after the other: error.details has their addresses",
			len(parts))}}
}

// Error is the failure's line.
func (e *TooLong) Error() string { return e.Failed.Error() }

// Unwrap gives the failure.
func (e *TooLong) Unwrap() error { return e.Failed }

// details are the parts.
func (e *TooLong) details() []detail {
	var out []detail
	for _, p := range e.Parts {
		out = append(out, detail{e.Failed.Code, p.Text, p.Address})
	}
	if e.More > 0 && len(out) > 0 {
		out[len(out)-1].Message += fmt.Sprintf("; %d more follow it", e.More)
	}
	return out
}
