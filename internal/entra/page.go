package entra

import (
	"errors"
	"time"
)

// Page is one answer of a source: its records in the order in which they came.
type Page struct {
	Records []Parsed
	Date    time.Time // the tenant's clock when it answered; zero if the source does not report it
	Form    string    // the form of the records, as FormV1; empty: the source does not report it

	// Free gives the records' memory back to the source, which uses it for a later page; nil:
	// nothing to give back.
	Free func()
}

// Done releases the page: none of it is used any more.
func (p Page) Done() {
	if p.Free != nil {
		p.Free()
	}
}

// The forms in which Microsoft Graph gives records: the richer one has properties that the other
// lacks.
const (
	FormV1   = "v1.0"
	FormBeta = "beta"
)

// Query is what a source is asked for: the records of a stream dated [From, To).
type Query struct {
	Stream   Stream
	From, To time.Time
	// Form is one of the stream's forms; empty: the richest.
	Form string
	// Divisible says that the asker can ask for less. A source that does not answer for the whole
	// span then gives ErrTooWide at once, where it would else ask the same again.
	Divisible bool
}

// ErrTooWide says that a source did not answer for the span it was asked for, and may for a
// narrower one.
var ErrTooWide = errors.New("the span is too wide for the source")

// ErrPagingLost says that a walk through pages can't continue (the paging token expired, or the
// source repeats itself) and has to begin again at the last record that was stored. Nothing is
// wrong with the stream itself.
var ErrPagingLost = errors.New("paging was lost")
