package deliveries

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// Quarantine keeps what can't be filed. Rows are keyed by the hash of what they hold, so what is put
// aside twice is there once.
type Quarantine interface {
	Quarantine(ctx context.Context, stream entra.Stream, rejected []collect.Rejected, seen time.Time) error
}

// Into is the archive's log of Identity Manager.
type Into struct {
	Adder *arrivals.Adder
	Aside Quarantine
	Now   func() time.Time
}

const work = "deliver"

// Add is Archive's.
func (i Into) Add(ctx context.Context, hour time.Time, records []entra.Record, origin entra.Origin) (Added, error) {
	by := ledger.Execution{ID: uuid.NewString(), Work: work}
	out, err := i.Adder.Add(ctx, by, logs.IdentityManager, hour, records, origin)
	return Added{Added: out.Added, Present: out.Present, TooLarge: out.TooLarge}, err
}

// Quarantine is Archive's.
func (i Into) Quarantine(ctx context.Context, rejected []Rejected) error {
	all := make([]collect.Rejected, len(rejected))
	for n, r := range rejected {
		all[n] = collect.Rejected{Raw: r.Raw, Hash: entra.HashOf(r.Raw), Reason: r.Reason}
	}
	return i.Aside.Quarantine(ctx, logs.IdentityManager, all, i.Now())
}
