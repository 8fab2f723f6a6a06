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
}

// PartOf is a part of what a request asks for: a time, and the values of parameters that ask for it.
func PartOf(r Request, from, to time.Time, records int64, values map[string]string) Part {
	return Part{Text: fmt.Sprintf("from %s to %s, about %d records", Time(from), Time(to), records), of: r,
		values: values}
}

// TooLongFile is the error of a file for which more records have to be read than one may take. rest is
// how many parts the last one has; 0: it is one itself.
func TooLongFile(records, most int64, longest time.Duration, parts []Part, rest int) *TooLong {
	remedy := fmt.Sprintf("ask for its %d parts, one after the other: error.details has their addresses", len(parts))
	if rest > 0 {
		remedy += fmt.Sprintf("; the last one is refused, too, and names the %d that it has", rest)
	}
	parts = slices.Clone(parts)
	for i := range parts { // a link may be stored: none is written of what is not named
		parts[i].Address = parts[i].of.Link(parts[i].values)
	}
	return &TooLong{Parts: parts, Failed: &entra.Error{Code: entra.CodeTooLong, Doing: "write the file",
		Why: fmt.Sprintf("about %d records have to be read for it, and one file may take %d, in about %s", records,
			most, longest), Remedy: remedy}}
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
	return out
}
