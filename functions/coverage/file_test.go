package coverage_test

import (
	"context"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/coverage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// many is a ledger of more hours than are held at once, which counts those that were read.
type many struct {
	ledger.Reader
	read atomic.Int64
}

func (m *many) Windows(_ context.Context, s entra.Stream, from, _ time.Time) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		for n := m.read.Add(1); n < 100_000; n = m.read.Add(1) {
			of := entra.Window{Stream: s, Start: from.Add(time.Duration(n) * time.Hour)}
			if !yield(ledger.Coverage{Window: of, State: ledger.WindowComplete}, nil) {
				return
			}
		}
	}
}

// TestAFileOfHoursIsWrittenWhileTheyAreRead: an archive of a decade has a hundred thousand.
func TestAFileOfHoursIsWrittenWhileTheyAreRead(t *testing.T) {
	a := begin(t, logs.Provisioning)
	hours := &many{Reader: a.store}
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", coverage.New(coverage.Config{Ledger: hours,
		Gaps: search.NewGaps(a.store), Streams: streams.New([]entra.Stream{a.progress.Stream}, a.store),
		Secrets: a.store, Now: func() time.Time { return a.now }}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	defer server.Close()
	resp, err := http.Head(server.URL + "/api/coverage/provisioning?$format=csv")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, `attachment; filename="coverage-provisioning.csv"`, resp.Header.Get("Content-Disposition"))
	require.Less(t, hours.read.Load(), int64(1_000), "no more is read than what is sent")
}
