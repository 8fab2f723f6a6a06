// Package arrivals adds records to the archive that were not read from their source: out of files
// that were kept elsewhere, or delivered by who has the log. Only what is missing is added, nothing
// is superseded, and each record says where it came from.
package arrivals

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/sealing"
)

// Result is what became of the records of one call: Added + Present + len(TooLarge) is their number.
type Result struct {
	Added    int         // stored by this call
	Present  int         // there already: read from the source, or by an earlier arrival, or twice in the call
	TooLarge []entra.Key // can't be stored whole; the caller puts them aside
	Sealed   bool        // the hour's newest seal covers them; otherwise a later run seals it
}

// Adder adds records to streams.
type Adder struct {
	store     Store
	heads     sealing.HeadWriter // nil: none
	retention purge.Retention
	clock     func() time.Time
	log       *slog.Logger
}

// New makes an Adder. heads is nil where there is no place for them; clock is the machine's, which
// is compared with the storage service's.
func New(store Store, heads sealing.HeadWriter, retention purge.Retention, clock func() time.Time,
	log *slog.Logger) *Adder {
	return &Adder{store: store, heads: heads, retention: retention, clock: clock, log: log}
}

// Store is where records are added.
type Store interface {
	ledger.LeaseStore
	sealing.Store
}

// Add adds the records of one hour of a stream that are missing, and has the hour sealed again. The
// records are those of logs.ParseRecord, all with times in the hour; two of one id, second and
// outcome are one, and the first that was stored stays. It waits for the stream's lease until ctx
// ends, keeps it for this hour alone, and gives it back. It can be repeated, also after it was
// interrupted anywhere: what is there is Present.
//
// Errors: entra.CodeNotKept (the month was purged, or would be dropped at once), entra.CodeBadRequest
// (a record of another hour, an origin that can't be stored), entra.CodeConflict (a *ledger.Held:
// ctx ended before the stream was free), entra.CodeTampered (the hour is not what was sealed).
func (a *Adder) Add(ctx context.Context, by ledger.Execution, stream entra.Stream, hour time.Time,
	records []entra.Record, origin entra.Origin) (Result, error) {
	return Result{}, errors.ErrUnsupported
}

// Tend counts what interrupted calls of Add have left in a stream, and seals what is not sealed. A
// stream that is collected needs none: each run of collect does the same.
func (a *Adder) Tend(ctx context.Context, by ledger.Execution, stream entra.Stream) error {
	return errors.ErrUnsupported
}
