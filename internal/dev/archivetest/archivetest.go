// Package archivetest has what tests of several packages need of an archive.
package archivetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

var executions atomic.Int64

// Execution is a new one.
func Execution() ledger.Execution {
	return ledger.Execution{ID: fmt.Sprint("execution ", executions.Add(1)), Work: "a test"}
}

// Later is a store for runs that begin long after the one before has ended or was killed: its lease
// has expired, and none of its writes is in progress any more.
type Later struct{ collect.Store }

// State is ledger.LeaseStore's.
func (l Later) State(ctx context.Context, s entra.Stream) (ledger.Progress, ledger.Lease, error) {
	p, lease, err := l.Store.State(ctx, s)
	lease.Age = ledger.LeaseLength
	lease.ReadAt = lease.ReadAt.Add(time.Duration(executions.Load()) * ledger.LateWrites)
	return p, lease, err
}
