// Package archive copies the tenant's logs into a store and keeps the ledger of what was copied. It knows two
// interfaces: where records come from (Source) and where they go (Store).
package archive

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// Source yields the records of a stream.
type Source interface {
	// Now is the tenant's clock. It decides what is due; the clock of the machine decides nothing.
	Now(ctx context.Context) (time.Time, error)
	// Ordered tells whether the stream's pages come oldest record first.
	Ordered(s entra.Stream) bool
	// Pages reads the records dated [from, to). A page may be empty. The sequence ends after its first error;
	// entra.ErrPagingLost asks for a new read from the last record stored.
	Pages(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[entra.Page, error]
}

// Store keeps records, the ledger and what could not be filed.
type Store interface {
	// Insert stores new records of one window, no key twice. If any of them is there already it fails with
	// ErrExists; others may then have been stored.
	Insert(ctx context.Context, w entra.Window, recs []entra.Record, seen time.Time) (Tally, error)
	// Stored lists what is stored of a window from key first to key last, both included.
	Stored(ctx context.Context, w entra.Window, first, last entra.Key) (map[entra.Key]Stored, error)
	// Apply carries out changes, each whole or not at all. ErrExists and ErrMoved: somebody else wrote; compare again.
	Apply(ctx context.Context, w entra.Window, changes []Change, seen time.Time) (Tally, error)
	// Count sums up what is stored of a window.
	Count(ctx context.Context, w entra.Window) (Tally, error)
	// StoredByHour counts records and earlier versions, together, in the windows of [from, to) that have any, by their start.
	StoredByHour(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time]int64, error)
	// Quarantine keeps bytes that can't be filed. The same bytes are kept once.
	Quarantine(ctx context.Context, s entra.Stream, rejected []Rejected, seen time.Time) error
	// InQuarantine counts a stream's records in quarantine.
	InQuarantine(ctx context.Context, s entra.Stream) (int64, error)

	// Progress reads a stream's row; a zero row with the stream's name where there is none.
	Progress(ctx context.Context, s entra.Stream) (Progress, error)
	// Windows lists the coverage rows of [from, to) in order.
	Windows(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[Coverage, error]
	// Commit writes coverage rows, entries of the stream's log and the progress row in one transaction, if the
	// progress row is still the one that was read (ErrMoved otherwise), and returns it as it is now. Rows and
	// entries are up to MaxCommit together.
	Commit(ctx context.Context, p Progress, rows []Coverage, seals []seal.Seal) (Progress, error)

	// Leaves lists what is stored of the windows of [from, to), by their start, in no particular order.
	Leaves(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time][]seal.Leaf, error)
	// Seal reads one entry of a stream's log.
	Seal(ctx context.Context, s entra.Stream, number int64) (seal.Seal, error)
	// KeepLeaves keeps, beside a seal, what is needed to name a record that is altered or missing later.
	KeepLeaves(ctx context.Context, s seal.Seal, leaves []seal.Leaf) error
}

// Heads keeps the heads of the logs where whoever can write the tables can't rewrite them.
type Heads interface {
	// PutHead writes a head once. One of the same stream and size that says otherwise gives an error with
	// entra.CodeTampered.
	PutHead(ctx context.Context, h seal.Head) error
	// Heads lists a stream's heads by size.
	Heads(ctx context.Context, s entra.Stream) iter.Seq2[seal.Head, error]
}

// MaxCommit is how many coverage rows and log entries fit one commit: Table Storage takes 100 operations in a transaction, and the
// progress row and its guard need three.
const MaxCommit = 97

// Errors of a Store that ask for another look rather than for help.
var (
	ErrExists = errors.New("record is stored already")
	ErrMoved  = errors.New("row was changed by somebody else")
	// ErrTooLarge says that a record can't be stored whole; it goes to quarantine.
	ErrTooLarge = errors.New("record is too large to be stored whole")
)

// TooLarge names the record that Insert or Apply refused. Nothing of the call was stored.
type TooLarge struct {
	Key  entra.Key
	Hash entra.Hash
	Size int // compressed bytes
}

func (e *TooLarge) Error() string { return ErrTooLarge.Error() }

// Is makes errors.Is(err, ErrTooLarge) true.
func (e *TooLarge) Is(target error) bool { return target == ErrTooLarge }

// Stored is what the store has under one key.
type Stored struct {
	Current  entra.Hash
	Earlier  []entra.Hash // of earlier versions: their first VersionHashBytes only, the rest zero
	HasFirst bool         // there is a current row
}

// VersionHashBytes is how much of a hash names an earlier version.
const VersionHashBytes = 8

// ChangeKind says what a Change does to its key.
type ChangeKind int

// The kinds of change.
const (
	InsertCurrent ChangeKind = iota // the key's first row
	KeepVersion                     // an earlier version beside the current row
	Supersede                       // the current row becomes an earlier version, Record the current one
)

// Change is one step that makes the store hold what was fetched.
type Change struct {
	Kind   ChangeKind
	Record entra.Record
	Was    entra.Hash // Supersede: the current row that was compared with
	Again  bool       // Supersede: Record is stored as an earlier version, which now becomes the current one again
}

// Rejected is a record that can't be filed.
type Rejected struct {
	Raw    []byte
	Hash   entra.Hash
	Reason string
}
