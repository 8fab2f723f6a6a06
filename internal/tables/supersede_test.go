package tables_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// requests counts what goes to the service.
type requests struct {
	http.RoundTripper
	n atomic.Int64
}

func (r *requests) RoundTrip(req *http.Request) (*http.Response, error) {
	r.n.Add(1)
	return r.RoundTripper.RoundTrip(req)
}

// TestManyRecordsAreSupersededByFewRequests: a query for all rows, and a transaction for each
// fifty, not a request a record.
func TestManyRecordsAreSupersededByFewRequests(t *testing.T) {
	counted := &requests{RoundTripper: memstorage.New(time.Now)}
	store, err := tablestest.New(tables.Config{ConnectionString: memstorage.New(time.Now).ConnectionString(),
		HTTP: &http.Client{Transport: counted}})
	require.NoError(t, err)
	var old []entra.Record
	var changes []collect.Change
	for i := range 200 {
		rec := signIn(t, fmt.Sprint(i), i, "old")
		old = append(old, rec)
		changes = append(changes, collect.Change{Kind: collect.Supersede, Record: signIn(t, fmt.Sprint(i), i, "new"),
			Was: rec.Hash})
	}
	_, err = store.Insert(t.Context(), window, old, seen)
	require.NoError(t, err)
	counted.n.Store(0)
	_, err = store.Apply(t.Context(), window, changes, seen.Add(time.Hour))
	require.NoError(t, err)
	require.Less(t, counted.n.Load(), int64(30))
	current, earlier := contents(t, store)
	require.Len(t, current, 200)
	require.Len(t, earlier, 200)
}
