package collect_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// refusing is a storage account that refuses one of the transactions on the ledger's table, and
// goes on.
type refusing struct {
	base http.RoundTripper
	nth  int
	seen int
}

func (f *refusing) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "$batch") {
		return f.base.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if strings.Contains(string(body), "coverage(") || strings.Contains(string(body), "/coverage") {
		if f.seen++; f.seen == f.nth {
			return nil, errReset{}
		}
	}
	return f.base.RoundTrip(r)
}

// errReset is not tried again by the client.
type errReset struct{}

func (errReset) Error() string { return "the connection was reset" }
func (errReset) NonRetriable() {}

// TestAfterACommitThatFailedTheProgressIsOneThatIsRead: the end of the run writes what it knows, and
// an archive that begins later than its backfill would be taken for altered.
func TestAfterACommitThatFailedTheProgressIsOneThatIsRead(t *testing.T) {
	for nth := 1; nth <= 8; nth++ {
		t.Run(fmt.Sprint("commit ", nth), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Backfill = 11 * lab.Days
				l.Tenant.Keeps, l.Tenant.InOrder, l.Tenant.PageSize = 60*lab.Days, true, 8
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-9*lab.Days), lab.Start, 7*time.Hour)
				wire := &refusing{base: l.Service.Client().Transport, nth: nth}
				store, err := tablestest.New(tables.Config{ConnectionString: l.Service.ConnectionString(),
					HTTP: &http.Client{Transport: wire}})
				require.NoError(t, err)
				_, _ = l.Collector(store, l.Tenant).Run(l.Context(), lab.Execution(), lab.OrStream(nil), lab.Budget)
				require.GreaterOrEqual(t, wire.seen, nth)
				l.Progress(lab.Stream)
				time.Sleep(20 * time.Minute)
				l.Runs(10*time.Minute, time.Now().Add(time.Hour))
				atTruth(l, lab.Stream, lab.Start.Add(-9*lab.Days))
			})
		})
	}
}
