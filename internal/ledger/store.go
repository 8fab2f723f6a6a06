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
	// RequestLease stores a request for a stream's lease; LatestRequest reads the newest one, a
	// zero one if there is none.
	RequestLease(ctx context.Context, s entra.Stream, by Execution) error
	LatestRequest(ctx context.Context, s entra.Stream) (LeaseRequest, error)
	// Commit writes coverage rows, entries of the stream's log, the lease and the progress row in
	// one transaction, unless another commit came after the progress row was read (ErrMoved), and
	// returns the new row. Rows and entries are up to MaxCommit together. After an error other than
	// ErrMoved the transaction may have been applied, or be applied later.
	Commit(ctx context.Context, l Lease, p Progress, rows []Coverage, seals []seal.Seal) (Progress, error)
}

// MaxCommit is how many coverage rows and log entries fit one commit: Table Storage allows 100
// operations in a transaction, and the progress row, its guard and the lease need four.
const MaxCommit = 96

// ErrMoved says that a row is not as it was read: another execution, or a late request, changed it.
var ErrMoved = errors.New("row was changed by somebody else")
