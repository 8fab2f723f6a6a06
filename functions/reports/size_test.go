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
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/reports"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// counted is an archive whose ledger counts the records of hours.
type counted struct {
	archive
	hours map[time.Time]int64
}

func (a counted) Progress(ctx context.Context, s entra.Stream) (ledger.Progress, error) {
	p, err := a.archive.Progress(ctx, s)
	p.Records = 1000
	return p, err
}

func (a counted) Windows(ctx context.Context, s entra.Stream, from, to time.Time) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		for cov, err := range a.archive.Windows(ctx, s, from, to) {
			cov.Records = a.hours[cov.Start]
			if !yield(cov, err) {
				return
			}
		}
	}
}

// TestAReportWhoseFileTakesTooLongIsRefusedAndItsPartsAreTheFile, from the oldest part to the newest:
// within each the newest row comes first.
func TestAReportWhoseFileTakesTooLongIsRefusedAndItsPartsAreTheFile(t *testing.T) {
	a := counted{hours: make(map[time.Time]int64)}
	var all []map[string]any
	for hour, n := range map[int]int{1: 4, 2: 3, 7: 2, 11: 5} {
		a.hours[begin.Add(time.Duration(hour)*time.Hour)] = int64(n)
		for i := range n {
			all = append(all, map[string]any{"id": fmt.Sprintf("%02d-%d", hour, i), "activityDisplayName": "Add user",
				"activityDateTime": begin.Add(time.Duration(hour*60+i) * time.Minute).Format(time.RFC3339)})
		}
	}
	a.archive = archive{searchtest.New(t, logs.DirectoryAudits, begin, all...)}
	accept := "" // a header of the request
	ask := func(most int64) func(address string) (int, string) {
		sources := &report.Sources{Archive: a, Streams: streams.New([]entra.Stream{logs.DirectoryAudits}, nil),
			Directory: none{}, Now: a.Now}
		host, err := web.Serve(slog.New(slog.DiscardHandler), "", reports.New(reports.Config{Sources: sources,
			Secrets: a, Now: a.Now, Slice: time.Minute, MostRecords: most}))
		require.NoError(t, err)
		server := httptest.NewServer(host)
		t.Cleanup(server.Close)
		return func(address string) (int, string) {
			if address[0] == '/' {
				address = server.URL + address
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
			require.NoError(t, err)
			req.Header.Set("Accept", accept)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			return resp.StatusCode, string(body)
		}
	}
	const address = "/api/reports/auditEvents?$format=csv"
	status, whole := ask(100)(address)
	require.Equal(t, http.StatusOK, status, whole)
	rows := func(body string) int { return strings.Count(strings.TrimSpace(body), "\n") }
	require.Equal(t, 14, rows(whole))
	few := ask(6)
	status, body := few(address)
	require.Equal(t, http.StatusUnprocessableEntity, status, body)
	require.Equal(t, "answerTooLong", gjson.Get(body, "error.code").Str)
	got := 0
	for _, part := range gjson.Get(body, "error.details.#.target").Array() {
		status, body := few(part.Str)
		require.Equal(t, http.StatusOK, status, "%s: %s", part, body)
		got += rows(body)
		for line := range strings.Lines(body) {
			require.Contains(t, whole, strings.TrimSpace(strings.TrimPrefix(line, "\ufeff")))
		}
	}
	require.Equal(t, 14, got, "no record is in two parts, or in none")
	accept = "text/csv"
	status, same := few("/api/reports/auditEvents")
	require.Equal(t, http.StatusUnprocessableEntity, status)
	require.Equal(t, gjson.Get(body, "error.details.#.message").Raw, gjson.Get(same, "error.details.#.message").Raw)
	for _, part := range gjson.Get(same, "error.details.#.target").Array() {
		require.Contains(t, part.Str, "format=csv", "a part is a file wherever its address is followed")
	}
}
