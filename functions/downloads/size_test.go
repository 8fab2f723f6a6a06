package downloads_test

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

	"github.com/entraledger/entraledger/functions/downloads"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// countedArchive is an archive whose ledger counts its records, as a collector's does.
type countedArchive struct {
	*searchtest.Archive
	hours map[time.Time]int64
	read  int // windows that were asked for
}

func (a *countedArchive) Progress(ctx context.Context, s entra.Stream) (ledger.Progress, error) {
	p, err := a.Archive.Progress(ctx, s)
	for _, n := range a.hours {
		p.Records += n
	}
	return p, err
}

func (a *countedArchive) Windows(
	_ context.Context, s entra.Stream, from, to time.Time,
) iter.Seq2[ledger.Coverage, error] {
	return func(yield func(ledger.Coverage, error) bool) {
		a.read++
		for at := from; at.Before(to); at = at.Add(time.Hour) {
			cov := ledger.Coverage{Window: entra.Window{Stream: s, Start: at}}
			cov.Records = a.hours[at]
			if !yield(cov, nil) {
				return
			}
		}
	}
}

func newCounted(t *testing.T, most int64) (*countedArchive, string) {
	a := &countedArchive{hours: make(map[time.Time]int64)}
	var all []map[string]any
	for hour, n := range map[int]int{1: 2, 2: 3, 5: 1, 9: 8, 20: 2} { // of the day
		a.hours[begin.Add(time.Duration(hour)*time.Hour)] = int64(n)
		for i := range n {
			all = append(all, signIn(fmt.Sprintf("%02d-%d", hour, i), hour*60+i*7))
		}
	}
	a.Archive = searchtest.New(t, stream, begin, all...)
	known := streams.New([]entra.Stream{stream}, nil)
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", downloads.New(downloads.Config{Archive: a, Streams: known,
		Gaps: search.NewGaps(a), Now: a.Now, MostRecords: most}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return a, server.URL + "/api/downloads/InteractiveSignIns?format=ndjson"
}

// TestAFileThatTakesTooLongIsRefusedBeforeItBeginsAndItsPartsAreTheFile: each address of the error is
// answered, and one behind the other they have every record once.
func TestAFileThatTakesTooLongIsRefusedBeforeItBeginsAndItsPartsAreTheFile(t *testing.T) {
	for _, query := range []string{"", "&from=2026-11-21T01:30:00Z", "&$filter=" +
		"createdDateTime+lt+2026-11-21T20:00:00Z+and+startswith(userDisplayName,'A')"} {
		_, whole := newCounted(t, 1000)
		resp, want, err := get(t, whole+query)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode)
		_, address := newCounted(t, 5)
		resp, body, err := get(t, address+query)
		require.NoError(t, err)
		require.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode, body)
		failed := gjson.Get(body, "error")
		require.Equal(t, "answerTooLong", failed.Get("code").Str)
		require.Contains(t, failed.Get("message").Str, "records have to be read for it, and one file may take 5")
		parts := failed.Get("details").Array()
		require.Greater(t, len(parts), 3)
		var got strings.Builder
		for _, part := range parts {
			require.Equal(t, "answerTooLong", part.Get("code").Str)
			resp, body, err := get(t, part.Get("target").Str)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", part, body)
			got.WriteString(body)
		}
		require.Equal(t, want, got.String())
	}
}

func TestHEADOfAFileThatTakesTooLongIsRefusedToo(t *testing.T) {
	_, address := newCounted(t, 5)
	resp, err := http.Head(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusUnprocessableEntity, resp.StatusCode)
}

func TestAnArchiveThatIsSmallEnoughIsNotCountedHourByHour(t *testing.T) {
	a, address := newCounted(t, 16)
	resp, body, err := get(t, address)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, 16, strings.Count(body, "\n"))
	require.Zero(t, a.read)
}

// TestRangeAndIfNoneMatchGiveTheWholeFile: a file is written while it is read, and has no length and
// no version before that.
func TestRangeAndIfNoneMatchGiveTheWholeFile(t *testing.T) {
	_, address := newCounted(t, 1000)
	for name, value := range map[string]string{"Range": "bytes=10-20", "If-None-Match": "*",
		"If-Modified-Since": "Sat, 21 Nov 2026 00:00:00 GMT"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		req.Header.Set(name, value)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, name)
		require.Equal(t, 16, strings.Count(string(body), "\n"), name)
	}
}
