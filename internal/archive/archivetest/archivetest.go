// Package archivetest has what tests of several packages need of an archive.
package archivetest

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
)

var executions atomic.Int64

// Execution is a new one.
func Execution() archive.Execution {
	return archive.Execution{ID: fmt.Sprint("execution ", executions.Add(1)), Work: "a test"}
}

// Later is a store for runs that begin long after the one before has ended or was killed: its lease
// has expired, and none of its writes is under way any more.
type Later struct{ archive.Store }

// State is archive.LeaseStore's.
func (l Later) State(ctx context.Context, s entra.Stream) (archive.Progress, archive.Lease, error) {
	p, lease, err := l.Store.State(ctx, s)
	lease.Age = archive.LeaseLength
	lease.ReadAt = lease.ReadAt.Add(time.Duration(executions.Load()) * archive.LateWrites)
	return p, lease, err
}
