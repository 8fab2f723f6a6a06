// Package derive has what is computed from records and can be computed again: views of the hours,
// days and months of a stream, and the one runner that brings them up to date.
package derive

import (
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Unit is the span of time that a view is made of at once.
type Unit int

// The units of views.
const (
	Hour Unit = iota
	Day
	Month
)

// Start is when the unit that contains t begins.
func (u Unit) Start(t time.Time) time.Time {
	t = t.UTC()
	switch u {
	case Day:
		return t.Truncate(24 * time.Hour)
	case Month:
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	}
	return entra.FloorHour(t)
}

// End is the end of the unit with a start.
func (u Unit) End(start time.Time) time.Time {
	switch u {
	case Day:
		return start.AddDate(0, 0, 1)
	case Month:
		return start.AddDate(0, 1, 0)
	}
	return start.Add(time.Hour)
}

// When says from when on a period is made.
type When int

const (
	// Settled periods are made once all of their hours had their last pass, or are lost for good.
	Settled When = iota
	// Read periods are made as soon as an hour of them is sealed the first time, of the hours that
	// are, and again whenever their revision changes.
	Read
)

// Needs says what a view is computed from.
type Needs int

// What a view may need of a content.
const (
	Columns Needs = iota // key and promoted columns
	Records              // the record's bytes, too
)

// View is something that is computed from the records of a stream, a period at a time.
type View struct {
	Name    string // letters and digits: its rows are kept under it
	Version int    // from 1; it rises when Of gives other rows of the same records
	Unit    Unit
	When    When
	Needs   Needs
	// Of computes the rows of a period; their keys differ. It is pure.
	Of func(p Period, contents iter.Seq[Content]) ([]Row, error)
	// Merge joins a row's content with the stored one, for a view whose rows only grow: a late
	// write hides nothing of them, and they may hold more than the records do. grown tells whether
	// the sum is more than what is stored. nil: a period's rows take the place of those before.
	Merge func(stored, made []byte) (sum []byte, grown bool)
	// Streams tells of which streams it is made; nil: of all.
	Streams func(s entra.Stream) bool
	// Over is the view of whose rows it is made, in place of records: one of shorter periods that
	// stands before it among the views. Of gets each row as a content with nothing but Raw. nil:
	// it is made of records.
	Over func() View
	// Aside: a report counts nothing of it.
	Aside bool
	// Counts tells which rows a report counts; nil: all.
	Counts func(key string) bool
}

// Period is one hour, day or month of a stream.
type Period struct {
	Stream     entra.Stream
	Start, End time.Time
}

// Period is the view's period of a stream that contains t.
func (v View) Period(s entra.Stream, t time.Time) Period {
	start := v.Unit.Start(t)
	return Period{Stream: s, Start: start, End: v.Unit.End(start)}
}

// Content is one content of a record, earlier versions included, as a view gets it.
type Content struct {
	Key     entra.Key // of one with a Problem maybe zero
	Version bool      // a later content took its place
	Columns []entra.Column
	Raw     []byte // exactly as received, where the view needs records; good until the next content
	Problem string // why it can't be read; empty: it is as it was received
}

// Row is one row of a period of a view.
type Row struct {
	Key     string // within the period
	Content []byte
}

// Revision says which state of the ledger something was made of. It changes with every seal of one
// of a period's hours.
type Revision struct {
	LastSeal int64 // number of the newest entry of the log of any of the hours
	Seals    int64 // how often they had been sealed, all together
}

// Together is what the rows of a period are all together, so that one that is altered or missing
// shows. Sum does not depend on their order.
type Together struct {
	Rows int
	Sum  uint64
}
