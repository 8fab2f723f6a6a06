// Package records is how records are read back.
package records

import (
	"context"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Reading asks for the records of a stream dated [From, To), in the order of time.
type Reading struct {
	Stream      entra.Stream
	From, To    time.Time
	NewestFirst bool
	Columns     [][]entra.Column // each has to have one that equals; nil: all records
	Versions    bool             // earlier versions of changed records, too
	After       string           // a Place: what lies beyond it is read; empty: from the begin
	// Limit is about how many records whoever asks will take, so that not many more are fetched; 0:
	// all. The reading does not end there.
	Limit int
}

// Archived is one record as it is read back, or only how far the reading is.
type Archived struct {
	Key        entra.Key
	Raw        []byte // exactly as received; nil: no record lies between the last Place and this one
	FirstSeen  time.Time
	Superseded time.Time // of an earlier version: when a later content took its place
	Origin     string    // of one that was not read from its source: the text of its entra.Origin
	Place      string    // where a reading continues after this record
	// Tampered says in one sentence why the record can't be given: its row is not what was written.
	// Raw is nil then, and the dates may be wrong; the key is the row's as far as it has one, Row
	// its row key. Empty: it is as it was received.
	Tampered string
	Row      string
}

// Seeking asks at which moments of [From, To) a stream may have a record with one of some ids.
type Seeking struct {
	Stream   entra.Stream
	From, To time.Time
	IDs      []string
}

// Sought is what the keys of rows tell.
type Sought struct {
	At []time.Time // each once, in order: the record of one of the ids is at one of these, or is not there
	// Unsure: some row's key does not tell its id. Only reading all of the time shows whose it is.
	Unsure bool
}

// Reader reads the archive back.
type Reader interface {
	// Read yields records in order and in constant memory, and, between them, how far it is. A
	// month that is not there has no records. An altered record is yielded as Tampered, and the
	// reading continues.
	Read(ctx context.Context, r Reading) iter.Seq2[Archived, error]
	// Seek reads the keys of rows alone: about a tenth of what Read fetches of them.
	Seek(ctx context.Context, s Seeking) (Sought, error)
}
