package web_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// askedByOneWhoLeaves is what is logged of a request whose caller goes away before it is answered.
func askedByOneWhoLeaves(t *testing.T, stop bool, do func(context.Context, web.Request) (web.Answer, error)) string {
	var log logged
	host, err := web.Serve(web.NewLogger(&log, slog.LevelInfo), "",
		function("things", "things", `"get"`, web.Operation{Role: web.RoleRead, Do: do}))
	require.NoError(t, err)
	if stop {
		host.Stop()
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	ask(t, host, httptest.NewRecorder(), gone)
	return log.String()
}

// ask sends a request of which the answer may be cut off.
func ask(t *testing.T, host *web.Host, w http.ResponseWriter, ctx context.Context) {
	defer func() {
		if cause := recover(); cause != nil {
			require.Equal(t, http.ErrAbortHandler, cause)
		}
	}()
	host.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/things", nil))
}

// deaf is a connection whose other end is gone.
type deaf struct{ http.ResponseWriter }

func (deaf) Write([]byte) (int, error) { return 0, syscall.EPIPE }

func TestACallerWhoTakesNoMoreOfAFileHungUp(t *testing.T) {
	var log logged
	host, err := web.Serve(web.NewLogger(&log, slog.LevelInfo), "", function("things", "things", `"get"`,
		web.Operation{Role: web.RoleRead, Do: func(context.Context, web.Request) (web.Answer, error) {
			return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
				_, err := w.Write([]byte("a"))
				return err
			}), nil
		}}))
	require.NoError(t, err)
	ask(t, host, deaf{httptest.NewRecorder()}, t.Context())
	require.Regexp(t, hungUp, log.String())
}

const hungUp = `^\{[^\n]*"level":"INFO","msg":"the caller hung up","function":"things","method":"GET"\}\n$`

func failing(with func(error) error) func(context.Context, web.Request) (web.Answer, error) {
	return func(ctx context.Context, _ web.Request) (web.Answer, error) { return web.Answer{}, with(ctx.Err()) }
}

func TestACallerWhoHangsUpIsNoFailure(t *testing.T) {
	for name, do := range map[string]func(context.Context, web.Request) (web.Answer, error){
		"the end itself": failing(func(end error) error { return end }),
		"with words":     failing(func(end error) error { return fmt.Errorf("read x: %w", end) }),
		"as a known error": failing(func(end error) error {
			return &entra.Error{Code: entra.CodeUnavailable, Doing: "read x", Err: end}
		}),
		"of several": failing(func(end error) error { return errors.Join(end, fmt.Errorf("read x: %w", end)) }),
		"in a file":  inFile(func(ctx context.Context) error { return ctx.Err() }),
	} {
		t.Run(name, func(t *testing.T) {
			require.Regexp(t, hungUp, askedByOneWhoLeaves(t, false, do))
		})
	}
}

func inFile(end func(context.Context) error) func(context.Context, web.Request) (web.Answer, error) {
	type row struct {
		Name string `json:"name"`
	}
	return func(ctx context.Context, _ web.Request) (web.Answer, error) {
		return web.File("rows.csv", nil, func(yield func(row) error) error {
			return errors.Join(yield(row{"a"}), end(ctx))
		}), nil
	}
}

func TestWhatFailsBesideAHangUpStaysAFailure(t *testing.T) {
	failed := &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read y"}
	log := askedByOneWhoLeaves(t, false, failing(func(end error) error { return errors.Join(end, failed) }))
	require.Contains(t, log, `"level":"WARN","msg":"request failed"`)
	require.Contains(t, log, `"status":502,"code":"brokenAnswer","error":"read y"`)
	log = askedByOneWhoLeaves(t, false, failing(func(error) error { return errors.New("a fault") }))
	require.Contains(t, log, `"level":"ERROR","msg":"request failed"`)
	require.Contains(t, log, `"status":500,"code":"internalError","error":"a fault"`)
	require.Contains(t, askedByOneWhoLeaves(t, false, inFile(func(context.Context) error { return failed })),
		`"level":"WARN","msg":"a download broke off","error":"read y"`)
}

func TestARequestThatTheEndOfTheProcessCutsOffFails(t *testing.T) {
	log := askedByOneWhoLeaves(t, true, failing(func(end error) error { return fmt.Errorf("read x: %w", end) }))
	require.Contains(t, log, `"level":"WARN","msg":"request failed"`)
	require.Contains(t, log, `"status":503,"code":"serviceUnavailable",`+
		`"error":"answer the request: this process ends; ask again"`)
	require.Contains(t, askedByOneWhoLeaves(t, true, inFile(func(ctx context.Context) error { return ctx.Err() })),
		`"level":"WARN","msg":"a download broke off","error":"context canceled"`)
}

// TestACallerWhoLeavesWhatIsAnsweredAllTheSameHungUp: a job keeps what was done of it, and nobody
// reads how far it is.
func TestACallerWhoLeavesWhatIsAnsweredAllTheSameHungUp(t *testing.T) {
	answered := func(context.Context, web.Request) (web.Answer, error) {
		return web.Object(map[string]string{"status": "running"}), nil
	}
	require.Regexp(t, hungUp, askedByOneWhoLeaves(t, false, answered))
	require.Empty(t, askedByOneWhoLeaves(t, true, answered), "the process ends, and the answer is given")
}
