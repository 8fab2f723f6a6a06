package collect

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// Source yields the records of a stream.
type Source interface {
	// Now is the tenant's clock. It decides what is due; the clock of the machine decides nothing.
	Now(ctx context.Context) (time.Time, error)
	// Ordered reports whether the stream's pages come oldest record first.
	Ordered(s entra.Stream) bool
	// Pages reads the records that a query asks for. A page may be empty. The sequence ends after
	// its first error: entra.ErrPagingLost asks for a new read from the last record stored,
	// entra.ErrTooWide for a narrower span. An error with entra.CodeRefused, CodeNotFound,
	// CodeLicence or CodePermission is a refusal that was given more than once.
	Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error]
}

// RecordStore is where records are stored, window by window.
type RecordStore interface {
	// RowKey is the key of a record's row: the Key of its leaf.
	RowKey(k entra.Key) string
	// Insert stores new records of one window, no key twice. If any of them is there already it
	// fails with ErrExists; others may then have been stored.
	Insert(ctx context.Context, w entra.Window, recs []entra.Record, seen time.Time) (ledger.Contents, error)
	// Stored lists what is stored of a window from key first to key last, both included.
	Stored(ctx context.Context, w entra.Window, first, last entra.Key) (map[entra.Key]Stored, error)
	// Contents reads the current contents under keys of one window, each checked against its hash;
	// a key that is not stored, or whose row was altered, is left out.
	Contents(ctx context.Context, w entra.Window, keys []entra.Key) (map[entra.Key][]byte, error)
	// History reads the contents of the records of a window that have earlier versions, by their
	// rows' keys.
	History(ctx context.Context, w entra.Window) (map[string]History, error)
	// Apply executes changes, each whole or not at all. It overwrites only what was compared.
	// ErrExists and ErrMoved: another writer changed it; compare again. A *TooLarge or *Altered
	// names a change that cannot be made.
	Apply(ctx context.Context, w entra.Window, changes []Change, seen time.Time) (ledger.Contents, error)
	// Count sums up what is stored of a window.
	Count(ctx context.Context, w entra.Window) (ledger.Contents, error)
	// StoredByHour sums up the contents in the windows of [from, to) that have any, by their start.
	StoredByHour(ctx context.Context, s entra.Stream, from, to time.Time) (map[time.Time]ledger.HourContents, error)
}

// QuarantineStore keeps what can't be filed.
type QuarantineStore interface {
	// Quarantine keeps bytes that can't be filed. The same bytes are kept once.
	Quarantine(ctx context.Context, s entra.Stream, rejected []Rejected, seen time.Time) error
	// InQuarantine counts a stream's records in quarantine.
	InQuarantine(ctx context.Context, s entra.Stream) (int64, error)
}

// Store is where streams are collected into: records, what could not be filed, the ledger, and the
// log of seals.
type Store interface {
	RecordStore
	QuarantineStore
	arrivals.Store
	// Progress reads a stream's row; a zero row with the stream's name if there is none.
	Progress(ctx context.Context, s entra.Stream) (ledger.Progress, error)
	// LogSize counts the entries of a stream's log from the first on, as far as none is missing.
	// most is how many there should be: where that one is there and none follows, nothing is
	// counted.
	LogSize(ctx context.Context, s entra.Stream, most int64) (int64, error)
}

// Errors of a RecordStore that ask for another look rather than for help.
var (
	ErrExists = errors.New("record is stored already")
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

// Altered names a record that Apply can't put in the place of the stored one, because that one's
// row is not what was written: to replace it would cover that up. Nothing of the call was stored.
type Altered struct {
	Key  entra.Key
	Hash entra.Hash
	Err  error // of the row
}

func (e *Altered) Error() string {
	return "the stored row of the record is not what was written, and stays as it is: " + e.Err.Error()
}

// Unwrap gives the error its code.
func (e *Altered) Unwrap() error {
	return &entra.Error{Code: entra.CodeTampered, Doing: "store another content of a record", Why: e.Error(),
		Err:    e.Err,
		Remedy: "what came is in quarantine, and everything else goes on; GET /api/verify names the row"}
}

// Stored is what the store has under one key.
type Stored struct {
	Current  entra.Hash
	Since    time.Time    // the stamp under which the current content was read
	Earlier  []entra.Hash // of earlier versions: their first VersionHashBytes only, the rest zero
	HasFirst bool         // there is a current row
}

// History is what is stored of one record.
type History struct {
	Current []byte
	Earlier map[entra.Hash][]byte
}

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
	Until  time.Time  // KeepVersion: from when on a later content was current; zero: from when the record was seen
}

// Rejected is a record that can't be filed.
type Rejected struct {
	Raw    []byte
	Hash   entra.Hash
	Reason string
}
