package verify

import (
	"context"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// Evidence is the part of a Store that verification reads. It writes nothing, and does not end at
// what it finds wrong: what can't be read is yielded as such. An error is one of reading.
type Evidence interface {
	ledger.Reader
	Beside
	ledger.MemberLists
	// Inspect reads every row of the windows of [from, to), in order, and recomputes what it says.
	Inspect(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[Inspected, error]
	// Guards reads the rows of a stream's ledger that are neither of hours nor of its log.
	Guards(ctx context.Context, s entra.Stream) (Guards, error)
	// LedgerRows lists the rows of the hours of [from, to) in order; a zero bound is none.
	LedgerRows(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[LedgerRow, error]
	// LogRows lists the rows of a stream's log from an entry on, in order.
	LogRows(ctx context.Context, s entra.Stream, from int64) iter.Seq2[LogRow, error]
	// KeptLists gives what was kept beside seals of hours of [from, to), by their numbers.
	KeptLists(ctx context.Context, s entra.Stream, from, to time.Time, seals []seal.Seal) (map[int64]SealList, error)
}

// Beside finds what is wrong with rows beside the records and the ledger.
type Beside interface {
	// Flaws are those of a stream: of the days of [from, to), or, without a span, of what is about
	// no time.
	Flaws(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[Flaw, error]
	// StrayFlaws are rows of tables of the archive that are no known stream's.
	StrayFlaws(ctx context.Context) iter.Seq2[Flaw, error]
	// SnapshotFlaws are those of the directory's snapshots.
	SnapshotFlaws(ctx context.Context) iter.Seq2[Flaw, error]
	// ReaderFlaws are those of readers, of whom the app keeps what they were told.
	ReaderFlaws(ctx context.Context) iter.Seq2[Flaw, error]
	// QuestionFlaws are those of the questions that links stand for.
	QuestionFlaws(ctx context.Context) iter.Seq2[Flaw, error]
}

// Inspected is one content of a record as its rows are now.
type Inspected struct {
	seal.Leaf
	Hour    time.Time // of the window that it is in
	Row     string    // its row key
	Problem string    // what is wrong with the row by itself; empty: nothing
	// Raw is the record, where it could be read: good until the next row, which may use its memory
	// again. Columns are those that it makes, as long.
	Raw     []byte
	Columns []entra.Column
	// Set is the latest set of promoted columns that the row has as the record says; 0: none.
	Set int
	// Foreign is a column that this version does not write; a later one may. Empty: it has none.
	Foreign string
	// Stored is the size of its rows by the table's count; 0: unknown.
	Stored int64
	// Needs names the dictionary without which the row can't be read, as table!number, where that
	// is the problem.
	Needs string
}

// LedgerRow is the row of an hour as it is stored.
type LedgerRow struct {
	ledger.Coverage
	Key     string
	Problem string    // what is wrong with the row by itself; empty: nothing
	Read    bool      // Coverage is what the row says
	Written time.Time // by the storage service's clock
}

// LogRow is an entry of a log as it is stored.
type LogRow struct {
	seal.Seal
	Key     string
	Problem string // what is wrong with the row by itself; empty: nothing
	Read    bool   // Seal is what the row says
}

// Guards are the rows of a ledger that are neither of hours nor of the log.
type Guards struct {
	Lease     ledger.Lease
	HasLease  bool    // it is there and can be read
	Revisions []int64 // of the rows that have the progress row's revision
	Flaws     []Flaw
}

// SealList is what was kept beside a seal.
type SealList struct {
	ledger.KeptList
	Row     string // key of its first row; empty: there is none
	Problem string // why it can't be read; empty: it can
}

// Flaw is something that is wrong with rows beside the records and the ledger.
type Flaw struct {
	Difference Difference
	Table, Row string    // where; a row of another partition than the stream's is named with it
	Hour       time.Time // zero: about no hour
	Detail     string    // one sentence
}

// HeadLister reads the heads of the logs.
type HeadLister interface {
	// Heads lists a stream's heads by size.
	Heads(ctx context.Context, s entra.Stream) iter.Seq2[seal.Head, error]
}
