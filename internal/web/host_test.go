package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// timerBody is what the host sends for a timer, double encoding included.
const timerBody = `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":true}},
	"Metadata":{"sys":"{\"MethodName\":\"archivelogs\"}","RetryContext":{"RetryCount":2,"MaxRetryCount":4}}}`

// timer is a timer function.
func timer(name string, run web.Timer) web.Function {
	return web.Function{Name: name, Timer: run, Trigger: []byte(`{"bindings":[{"type":"timerTrigger","name":"timer"}]}`)}
}

// function is an HTTP function with a route and its methods.
func function(name, route, methods string, operations ...web.Operation) web.Function {
	return web.Function{Name: name, Operations: operations,
		Trigger: []byte(`{"bindings":[{"type":"httpTrigger","route":"` +
			route + `","methods":[` + methods + `],"authLevel":"function"},{"type":"http","direction":"out"}]}`)}
}

// serve runs a host with one timer and one HTTP function over a real socket and returns its log
// too.
func serve(t *testing.T, run web.Timer) (*httptest.Server, *logged) {
	server, _, log := serveHost(t, run)
	return server, log
}

func serveHost(t *testing.T, run web.Timer, more ...web.Function) (*httptest.Server, *web.Host, *logged) {
	var log logged
	things := func(_ context.Context, r web.Request) (web.Answer, error) {
		if r.Path("id") == "panic" {
			panic("a fault")
		}
		return web.Object(map[string]string{"id": r.Path("id")}), nil
	}
	host, err := web.Serve(web.NewLogger(&log, slog.LevelInfo), "", append(more, timer("archivelogs", run),
		function("things", "things/{id}", `"get"`, web.Operation{Role: web.RoleRead, Do: things}))...)
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return server, host, &log
}

// logged is what the server logs, which a test reads while the server may write.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func call(t *testing.T, server *httptest.Server, method, path, body string) (int, http.Header, map[string]any) {
	req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("X-Azure-Functions-InvocationId", "5c2e")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	var answer map[string]any
	require.NoError(t, json.NewDecoder(resp.Body).Decode(&answer), "the host needs a JSON body")
	require.Contains(t, resp.Header.Get("Content-Type"), "application/json", "the host needs the content type")
	return resp.StatusCode, resp.Header, answer
}

func ok(context.Context) (web.Result, error) {
	return web.Result{Summary: "six streams done"}, nil
}

func TestATimerThatWorkedAnswersWithItsSummary(t *testing.T) {
	var invocation string
	server, log := serve(t, func(ctx context.Context) (web.Result, error) {
		invocation = web.Invocation(ctx)
		return ok(ctx)
	})
	status, _, answer := call(t, server, http.MethodPost, "/archivelogs", timerBody)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, map[string]any{"Outputs": map[string]any{}, "Logs": []any{"six streams done"}, "ReturnValue": nil},
		answer)
	require.Equal(t, "5c2e", invocation)
	for line := range strings.Lines(log.String()) {
		require.Contains(t, line, `"invocationId":"5c2e"`)
	}
	require.Contains(t, log.String(), `"pastDue":true`)
	require.Contains(t, log.String(), `"retry":2`)
}

func TestATimerThatFailedAnswersNo2xxAndLoggedWhy(t *testing.T) {
	server, log := serve(t, func(context.Context) (web.Result, error) {
		return web.Result{}, &entra.Error{Code: entra.CodeThrottled, Doing: "read x", Why: "429", Remedy: "wait"}
	})
	status, _, answer := call(t, server, http.MethodPost, "/archivelogs", timerBody)
	require.Equal(t, http.StatusTooManyRequests, status)
	require.Contains(t, answer, "error")
	require.Contains(t, log.String(), "read x: 429; wait")
}

func TestAnUnforeseenErrorIsLoggedAndNotShown(t *testing.T) {
	server, log := serve(t, func(context.Context) (web.Result, error) {
		return web.Result{}, errors.New("AccountKey=abc")
	})
	status, _, answer := call(t, server, http.MethodPost, "/archivelogs", timerBody)
	require.Equal(t, http.StatusInternalServerError, status)
	require.NotContains(t, answer["error"].(map[string]any)["message"], "AccountKey")
	require.Contains(t, log.String(), "invocation failed")
}

func TestWhatTheHostShouldNeverSendGetsAClearAnswer(t *testing.T) {
	server, _ := serve(t, ok)
	cases := []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"ready", "GET", "/", "", 200, ""},
		{"unknown timer", "POST", "/ArchiveLogs", timerBody, 404, "no such function"},
		{"timer with GET", "GET", "/archivelogs", "", 405, "POST"},
		{"empty body", "POST", "/archivelogs", "", 400, "envelope"},
		{"broken envelope", "POST", "/archivelogs", `{"Data":`, 400, "envelope"},
		{"no Data", "POST", "/archivelogs", `{"Metadata":{}}`, 400, "Data"},
		{"Data is a text", "POST", "/archivelogs", `{"Data":"x"}`, 400, "envelope"},
		{"timer as a text", "POST", "/archivelogs", `{"Data":{"timer":"{\"IsPastDue\":false}"}}`, 200, ""},
		{"no Metadata", "POST", "/archivelogs", `{"Data":{"timer":null}}`, 200, ""},
		{"huge body", "POST", "/archivelogs", `{"Data":{"timer":"` + strings.Repeat("x", 2<<20) + `"}}`, 400,
			"envelope"},
		{"unknown route", "GET", "/api/nothing", "", 404, "no such function"},
		{"wrong method", "POST", "/api/things/7", "", 405, "GET"},
		{"HTTP function", "GET", "/api/things/7", "", 200, ""},
		{"panic", "GET", "/api/things/panic", "", 500, "fault"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			status, header, answer := call(t, server, c.method, c.path, c.body)
			require.Equal(t, c.status, status)
			if status == http.StatusMethodNotAllowed {
				require.NotEmpty(t, header.Get("Allow"))
			}
			if c.says != "" {
				require.Contains(t, answer["error"].(map[string]any)["message"], c.says)
			}
		})
	}
}

func TestAPanicInATimerFailsTheInvocationAndNotTheProcess(t *testing.T) {
	server, log := serve(t, func(context.Context) (web.Result, error) { panic("a fault") })
	status, _, _ := call(t, server, http.MethodPost, "/archivelogs", timerBody)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, log.String(), "a fault")
	status, _, _ = call(t, server, http.MethodGet, "/", "")
	require.Equal(t, http.StatusOK, status)
}

// stoppedRun is a timer's run in progress when the process receives a stop signal, with its result;
// it returns the answer, and what was logged.
func stoppedRun(t *testing.T, end func(context.Context) (web.Result, error)) (int, map[string]any, string) {
	running := make(chan struct{})
	server, host, log := serveHost(t, func(ctx context.Context) (web.Result, error) {
		close(running)
		<-ctx.Done()
		return end(ctx)
	})
	go func() {
		<-running
		host.Stop()
	}()
	status, _, answer := call(t, server, http.MethodPost, "/archivelogs", timerBody)
	other, _, _ := call(t, server, http.MethodGet, "/api/things/7", "")
	require.Equal(t, http.StatusOK, other, "HTTP functions answer on")
	require.Equal(t, 1, strings.Count(log.String(), `"msg":"invocation begins"`))
	require.Equal(t, 2, strings.Count(log.String(), `"msg":"invocation `), "one line says how it ended: %s", log)
	return status, answer, log.String()
}

// TestAStoppedRunThatKeptSomethingIsHandedOver also where what it was doing then failed for nothing
// but the stop.
func TestAStoppedRunThatKeptSomethingIsHandedOver(t *testing.T) {
	status, answer, log := stoppedRun(t, func(ctx context.Context) (web.Result, error) {
		err := errors.Join(fmt.Errorf("read x: %w", ctx.Err()), ctx.Err())
		return web.Ended(ctx, "archivelogs", "3 of 6 streams", true, err)
	})
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "stopped, because this process ends; the next run goes on from there: 3 of 6 streams",
		answer["Logs"].([]any)[0])
	require.Contains(t, log, `"msg":"invocation handed over"`)
	require.NotContains(t, log, `"level":"ERROR"`)
}

func TestAStoppedRunThatKeptNothingFails(t *testing.T) {
	status, answer, log := stoppedRun(t, func(ctx context.Context) (web.Result, error) {
		return web.Ended(ctx, "archivelogs", "", false, fmt.Errorf("read x: %w", ctx.Err()))
	})
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, log, `"msg":"invocation failed"`)
	for _, says := range []string{"run archivelogs: it was stopped before it could do anything",
		"the next run goes on"} {
		require.Contains(t, answer["error"].(map[string]any)["message"], says)
		require.Contains(t, log, says)
	}
}

// TestWhatFailedBesideAStopStaysAFailure, in its own words alone.
func TestWhatFailedBesideAStopStaysAFailure(t *testing.T) {
	tampered := &entra.Error{Code: entra.CodeTampered, Doing: "index directoryAudits",
		Why: "somebody changed the row of progress"}
	for name, beside := range map[string]error{"alone": nil, "beside a stop": context.Canceled,
		"beside a stop in words": fmt.Errorf("index provisioning: %w", context.Canceled)} {
		t.Run(name, func(t *testing.T) {
			status, answer, log := stoppedRun(t, func(ctx context.Context) (web.Result, error) {
				return web.Ended(ctx, "indexarchive", "2 days indexed", true, errors.Join(beside, tampered))
			})
			require.Equal(t, http.StatusConflict, status)
			require.Equal(t, tampered.Error(), answer["error"].(map[string]any)["message"])
			require.Contains(t, log, `"error":"index directoryAudits: somebody changed the row of progress"`)
			require.Contains(t, log, `"stopped":true`)
			require.NotContains(t, log, "canceled")
		})
	}
}

// TestWithoutAStopAnErrorStaysWhatItIs also where it says that something was cancelled.
func TestWithoutAStopAnErrorStaysWhatItIs(t *testing.T) {
	server, log := serve(t, func(ctx context.Context) (web.Result, error) {
		return web.Ended(ctx, "archivelogs", "", true, fmt.Errorf("read x: %w", context.Canceled))
	})
	status, _, _ := call(t, server, http.MethodPost, "/archivelogs", timerBody)
	require.Equal(t, http.StatusInternalServerError, status)
	require.Contains(t, log.String(), "invocation failed")
	require.Contains(t, log.String(), "read x: context canceled")
}

// TestAnAddressThatIsTooLongIsRefusedAndLoggedOnce also where no function is asked for.
func TestAnAddressThatIsTooLongIsRefusedAndLoggedOnce(t *testing.T) {
	for _, path := range []string{"/api/things?who=", "/", "/archivelogs?"} {
		server, log := serve(t, ok)
		address := server.URL + path + strings.Repeat("a", 8300)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		require.NoError(t, err)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		require.NoError(t, err)
		require.Equal(t, http.StatusRequestURITooLong, resp.StatusCode)
		require.Contains(t, string(body), "at most are 8177; ask with POST .../$query")
		var line struct {
			Level, Msg, Code, Method string
			Status                   int
		}
		require.NoError(t, json.Unmarshal([]byte(log.String()), &line), "one line: %s", log)
		require.Equal(t, []any{"INFO", "request refused", "requestTooLarge", "GET", 414},
			[]any{line.Level, line.Msg, line.Code, line.Method, line.Status})
	}
}
