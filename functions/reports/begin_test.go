package reports_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/reports"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// slow is an archive that gives some records, and the others when it is told to go on.
type slow struct {
	archive
	read *atomic.Int64
	goOn chan struct{}
}

func (a slow) Read(ctx context.Context, r records.Reading) iter.Seq2[records.Archived, error] {
	return func(yield func(records.Archived, error) bool) {
		for rec, err := range a.archive.Read(ctx, r) {
			if a.read.Add(1) > 15 {
				select {
				case <-a.goOn:
				case <-ctx.Done():
					yield(records.Archived{}, ctx.Err())
					return
				}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// TestAReportsFileBeginsBeforeItsFirstRow though no record has one: a load balancer waits for minutes.
func TestAReportsFileBeginsBeforeItsFirstRow(t *testing.T) {
	var all []map[string]any
	for i := range 40 {
		all = append(all, map[string]any{"id": fmt.Sprint(i), "category": "Policy", "activityDisplayName": "Add policy",
			"activityDateTime": begin.Add(time.Duration(i) * 20 * time.Minute).Format(time.RFC3339)})
	}
	a := slow{archive{searchtest.New(t, logs.DirectoryAudits, begin, all...)}, new(atomic.Int64), make(chan struct{})}
	sources := &report.Sources{Archive: a, Streams: streams.New([]entra.Stream{logs.DirectoryAudits}, nil),
		Directory: none{}, Now: a.Now}
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", reports.New(reports.Config{Sources: sources, Secrets: a,
		Now: a.Now, Slice: time.Nanosecond}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	defer server.Close()
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet,
		server.URL+"/api/reports/ssgmGroupActivityEvents?$format=csv", nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err, "nothing comes before all was read")
	defer resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	close(a.goOn)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(body), "\n"), "%s", body)
}
