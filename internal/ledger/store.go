package ledger

import (
	"context"
	"errors"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
)

// LeaseStore keeps the lease, and refuses commits of those that do not have it.
type LeaseStore interface {
	// State reads a stream's row and its lease as they are at one moment. A progress row that is
	// gone while the stream has a ledger is an error with entra.CodeTampered.
	State(ctx context.Context, s entra.Stream) (Progress, Lease, error)
	// Wish marks that an execution waits for a stream's lease; Wished reads the newest mark, a zero
	// one where there is none.
	Wish(ctx context.Context, s entra.Stream, by Execution) error
	Wished(ctx context.Context, s entra.Stream) (Wish, error)
	// Commit writes coverage rows, entries of the stream's log, the lease and the progress row in
	// one transaction, if nobody has committed since the progress row was read (ErrMoved
	// otherwise), and returns it as it is now. Rows and entries are up to MaxCommit together. After
	// an error other than ErrMoved it may have been written, or be written later.
	Commit(ctx context.Context, l Lease, p Progress, rows []Coverage, seals []seal.Seal) (Progress, error)
}

// MaxCommit is how many coverage rows and log entries fit one commit: Table Storage takes 100
// operations in a transaction, and the progress row, its guard and the lease need four.
const MaxCommit = 96

// ErrMoved says that a row is not as it was read: another execution, or a late request, changed it.
var ErrMoved = errors.New("row was changed by somebody else")
