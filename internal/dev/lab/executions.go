package lab

import (
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// Background is a run beside the test's own.
type Background struct {
	By     ledger.Execution
	Report collect.Report
	Err    error
	Ended  time.Time
	Done   chan struct{}
}

// Start begins a run with the budget of a timer, with a machine's clock that is off by some time.
func (l *Lab) Start(store *tablestest.Store, source collect.Source, off, budget time.Duration) *Background {
	b := &Background{By: Execution(), Done: make(chan struct{})}
	c := collect.New(source, store, l.Heads, l.Options, func() time.Time { return time.Now().Add(off) }, l.logger())
	go func() {
		defer close(b.Done)
		b.Report, b.Err = c.Run(l.Context(), b.By, []entra.Stream{Stream}, budget)
		b.Ended = time.Now()
	}()
	return b
}

// Slowly is a tenant of its own over the same records: every page is slow.
func (l *Lab) Slowly(pageSize int, takes time.Duration) *Forgetful {
	f := *l.Tenant
	f.PageSize, f.PageTakes = pageSize, takes
	return &f
}

func (l *Lab) Lease() ledger.Lease {
	_, lease, err := l.Store.State(l.Context(), Stream)
	require.NoError(l, err)
	return lease
}

// Alert is how long a stream may make no progress in these tests.
const Alert = 3 * time.Hour

// HoldIt acquires the stream as an execution that never releases it.
func HoldIt(l *Lab) {
	p, lease, err := l.Store.State(l.Context(), Stream)
	require.NoError(l, err)
	lease.Execution, lease.Length = ledger.Execution{ID: "forty-two", Work: "reindex"}, ledger.LeaseLength
	lease.Fence++
	_, err = l.Store.Commit(l.Context(), lease, p, nil, nil)
	require.NoError(l, err)
}
