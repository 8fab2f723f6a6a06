package collect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/collect"
	archivecollect "github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

var now = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)

// quiet is a tenant without records.
type quiet struct{}

func (quiet) Now(context.Context) (time.Time, error) { return now, nil }
func (quiet) Ordered(entra.Stream) bool              { return true }
func (quiet) Pages(context.Context, entra.Query) iter.Seq2[entra.Page, error] {
	return func(func(entra.Page, error) bool) {}
}

// held is an archive of two streams, of which another execution has the first one.
func held(t *testing.T, slice time.Duration) (*httptest.Server, func()) {
	return heldFor(t, quiet{}, slice)
}

func heldFor(t *testing.T, tenant archivecollect.Source, slice time.Duration) (*httptest.Server, func()) {
	store, err := tablestest.New(tables.Config{ConnectionString: azuritetest.Account(t)})
	require.NoError(t, err)
	other := ledger.Lease{Execution: ledger.Execution{ID: "4711", Work: "archivelogs"}, Fence: 1,
		Length: ledger.LeaseLength, Base: now, Stamp: now}
	begin := now.Truncate(time.Hour).Add(-3 * time.Hour)
	p, err := store.Commit(t.Context(), other, ledger.Progress{Stream: logs.DirectoryAudits, Begin: begin,
		Backfilled: begin, TailBegin: begin,
		Watermark: now.Truncate(time.Hour), SealedTo: begin, SteppedAt: now, BackfilledAt: now, LastRunAt: now}, nil,
		nil)
	require.NoError(t, err)
	which := []entra.Stream{logs.DirectoryAudits, logs.Provisioning}
	collector := archivecollect.New(tenant, store, nil, archivecollect.Options{Simulated: true, Backfill: time.Hour},
		func() time.Time {
			return now
		}, slog.New(slog.DiscardHandler))
	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		collect.New(collect.Config{Collector: collector, Jobs: store,
			Streams: streams.New(which, store), Now: func() time.Time { return now }, Slice: slice}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return server, func() {
		other.Length = 0 // it gives the stream back
		_, err := store.Commit(t.Context(), other, p, nil, nil)
		require.NoError(t, err)
	}
}

func ask(t *testing.T, method, address, body string) (*http.Response, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(text, &answer), "%s", text)
	return resp, answer
}

func row(t *testing.T, answer map[string]any, i int) map[string]any {
	rows := answer["value"].([]any)
	require.Greater(t, len(rows), i, "%v", answer)
	return rows[i].(map[string]any)
}

// TestAJobWaitsForAStreamThatAnotherExecutionHas: it is answered with 202, says who has the stream,
// and continues when it is free.
func TestAJobWaitsForAStreamThatAnotherExecutionHas(t *testing.T) {
	for name, body := range map[string]string{
		"as the timer": "",
		"a range":      `{"from": "2026-11-21T11:00:00Z", "to": "2026-11-21T13:00:00Z"}`,
	} {
		t.Run(name, func(t *testing.T) {
			server, giveBack := held(t, time.Second)
			resp, answer := ask(t, http.MethodPost, server.URL+"/api/collect", body)
			require.Equal(t, http.StatusAccepted, resp.StatusCode, "%v", answer)
			require.Equal(t, "running", answer["status"])
			require.NotEmpty(t, resp.Header.Get("Retry-After"))
			require.Equal(t, "archivelogs has the stream (execution 4711)", row(t, answer, 0)["waitingFor"])
			require.NotContains(t, row(t, answer, 0), "error")
			require.NotContains(t, row(t, answer, 1), "waitingFor", "nobody has the other one")

			next := resp.Header.Get("Location")
			resp, answer = ask(t, http.MethodGet, next, "")
			require.Equal(t, http.StatusAccepted, resp.StatusCode, "it waits on: %v", answer)
			giveBack()
			for range 30 {
				if resp, answer = ask(t, http.MethodGet, next, ""); resp.StatusCode != http.StatusAccepted {
					break
				}
			}
			require.Equal(t, http.StatusOK, resp.StatusCode, "%v", answer)
			require.Equal(t, "done", answer["status"], "%v", answer)
			require.NotContains(t, row(t, answer, 0), "waitingFor")
		})
	}
}

// cutting is a tenant that can be made to keep its caller waiting until that goes away: for the
// time, or for pages.
type cutting struct {
	quiet
	clock, pages atomic.Pointer[context.CancelFunc] // nil: it answers at once
}

func (c *cutting) Now(ctx context.Context) (time.Time, error) {
	if away := c.clock.Load(); away != nil {
		(*away)()
		<-ctx.Done()
		return time.Time{}, ctx.Err()
	}
	return c.quiet.Now(ctx)
}

func (c *cutting) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	away := c.pages.Load()
	if away == nil {
		return c.quiet.Pages(ctx, q)
	}
	return func(yield func(entra.Page, error) bool) {
		(*away)()
		<-ctx.Done()
		yield(entra.Page{}, fmt.Errorf("read %s from Graph: %w", q.Stream, ctx.Err()))
	}
}

// TestASliceThatIsCutLeavesTheJobToTheNextOne whether its caller goes away, the process ends, or
// its time is over.
func TestASliceThatIsCutLeavesTheJobToTheNextOne(t *testing.T) {
	for name, body := range map[string]string{
		"as the timer": "",
		"a range":      `{"from": "2026-11-21T11:00:00Z", "to": "2026-11-21T13:00:00Z"}`,
	} {
		for at, where := range map[string]func(*cutting) *atomic.Pointer[context.CancelFunc]{
			"at its begin":     func(c *cutting) *atomic.Pointer[context.CancelFunc] { return &c.clock },
			"while it is read": func(c *cutting) *atomic.Pointer[context.CancelFunc] { return &c.pages },
		} {
			t.Run(name+", "+at, func(t *testing.T) {
				tenant := &cutting{}
				server, giveBack := heldFor(t, tenant, time.Second)
				resp, answer := ask(t, http.MethodPost, server.URL+"/api/collect", body)
				require.Equal(t, http.StatusAccepted, resp.StatusCode, "%v", answer)
				next, err := url.Parse(resp.Header.Get("Location"))
				require.NoError(t, err)
				giveBack()
				ctx, away := context.WithCancel(t.Context())
				where(tenant).Store(&away)
				w := httptest.NewRecorder()
				server.Config.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, next.Path, nil).WithContext(ctx))
				require.Error(t, ctx.Err(), "the slice was cut")
				require.Equal(t, http.StatusAccepted, w.Code, "%s", w.Body)
				require.Contains(t, w.Body.String(), `"status":"running"`)
				require.NotContains(t, w.Body.String(), "canceled")

				where(tenant).Store(nil)
				for range 30 {
					if resp, answer = ask(t, http.MethodGet, server.URL+next.Path,
						""); resp.StatusCode != http.StatusAccepted {
						break
					}
				}
				require.Equal(t, "done", answer["status"], "%v", answer)
			})
		}
	}
}

// TestAFirstSliceThatIsCutAtItsBeginMakesNoJob: nothing was done that another could continue from.
func TestAFirstSliceThatIsCutAtItsBeginMakesNoJob(t *testing.T) {
	tenant := &cutting{}
	server, _ := heldFor(t, tenant, time.Second)
	ctx, away := context.WithCancel(t.Context())
	tenant.clock.Store(&away)
	w := httptest.NewRecorder()
	server.Config.Handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/collect", nil).WithContext(ctx))
	require.Equal(t, http.StatusServiceUnavailable, w.Code, "%s", w.Body)
	require.Contains(t, w.Body.String(), "ask again")
}

func TestWhatIsNotCollectedIsRefused(t *testing.T) {
	server, _ := held(t, time.Second)
	for body, says := range map[string]string{
		`{"streams": ["signIns.interactiveUser"]}`: "archived are [directoryAudits provisioning]",
		`{"streams": "directoryAudits"}`:           "accepted is nothing, or",
		`{"from": "2026-11-21T11:00:00Z"}`:         "a range needs both",
	} {
		resp, answer := ask(t, http.MethodPost, server.URL+"/api/collect", body)
		require.Equal(t, http.StatusBadRequest, resp.StatusCode, body)
		require.Contains(t, answer["error"].(map[string]any)["message"], says)
	}
}
