package main

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/devhost"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/web"
)

// panicking is the value of playHandler with which the test binary plays a handler whose functions
// panic.
const panicking = "panics"

// panickingFunctions are functions that panic in every place where one can, and two that don't.
// release ends the one that waits.
func panickingFunctions() []web.Function {
	release := make(chan struct{})
	answer := func(context.Context, web.Request) (web.Answer, error) { return web.Object("fine"), nil }
	functions := []web.Function{}
	for name, do := range map[string]func(context.Context, web.Request) (web.Answer, error){
		"fine": answer,
		"release": func(ctx context.Context, r web.Request) (web.Answer, error) {
			close(release)
			return answer(ctx, r)
		},
		"waits": func(ctx context.Context, r web.Request) (web.Answer, error) {
			<-release
			return answer(ctx, r)
		},
		"panics": func(context.Context, web.Request) (web.Answer, error) { panic("in the function") },
		"panicsbeside": func(ctx context.Context, r web.Request) (web.Answer, error) {
			group := parallel.New()
			group.Go(func() error { panic("in a goroutine") })
			if err := group.Wait(); err != nil {
				return web.Answer{}, err
			}
			return answer(ctx, r)
		},
		"panicslater": func(context.Context, web.Request) (web.Answer, error) {
			wait := parallel.Later(func() (string, error) { panic("in a goroutine that is waited for later") })
			text, err := wait()
			return web.Object(text), err
		},
	} {
		functions = append(functions, web.Function{Name: name,
			Operations: []web.Operation{{Role: web.RoleRead, Do: do}},
			Trigger: []byte(`{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","route":"` + name +
				`","methods":["get"],"authLevel":"function"},{"type":"http","direction":"out","name":"res"}]}`)})
	}
	timer := func(name string, run web.Timer) {
		functions = append(functions, web.Function{Name: name, Timer: run, Trigger: []byte(`{"bindings":[{"type":` +
			`"timerTrigger","direction":"in","name":"timer","schedule":"0 0 7 * * *"}]}`)})
	}
	timer("tick", func(context.Context) (web.Result, error) { panic("in a timer's run") })
	timer("tickbeside", func(context.Context) (web.Result, error) {
		group := parallel.New()
		group.Go(func() error { panic("in a goroutine of a timer's run") })
		return web.Result{}, group.Wait()
	})
	return functions
}

// playPanics serves the functions that panic, as a process of its own.
func playPanics() error {
	host, err := web.Serve(web.NewLogger(os.Stdout, slog.LevelInfo), "", panickingFunctions()...)
	if err != nil {
		return err
	}
	return http.ListenAndServe(net.JoinHostPort("127.0.0.1", os.Getenv("FUNCTIONS_CUSTOMHANDLER_PORT")), host)
}

// TestAFunctionThatPanicsIsSurvivedByTheOthers also where the panic is in a goroutine: the host sees
// no crash, the process stays the same, and what waits in it goes on.
func TestAFunctionThatPanicsIsSurvivedByTheOthers(t *testing.T) {
	root := t.TempDir()
	text, err := os.ReadFile("../host.json")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "host.json"), text, 0o644))
	for _, f := range panickingFunctions() {
		require.NoError(t, os.Mkdir(filepath.Join(root, f.Name), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(root, f.Name, "function.json"), f.Trigger, 0o644))
	}
	program, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(program, filepath.Join(root, "handler")))
	var log lockedBuffer
	host, err := devhost.Load(devhost.Options{AppRoot: root, Listen: "127.0.0.1:0", NoTimers: true, Out: &log,
		Settings: map[string]string{playHandler: panicking}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Run(ctx) }()
	defer func() {
		stop()
		require.NoError(t, <-ended)
	}()
	select {
	case <-host.Ready():
	case err := <-ended:
		require.NoError(t, err)
	}
	process := host.HandlerPID()
	waits := make(chan string, 1)
	go func() { waits <- askPlainly(t, host.URL()+"/api/waits") }()
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "Executing waits") }, 20*time.Second,
		5*time.Millisecond)
	for range 3 { // the third crash would stop the host
		for _, name := range []string{"panics", "panicsbeside", "panicslater"} {
			require.Contains(t, askPlainly(t, host.URL()+"/api/"+name), `500 {"error":{"code":"internalError"`, name)
			require.Equal(t, `200 "fine"`, askPlainly(t, host.URL()+"/api/fine"))
		}
		for _, name := range []string{"tick", "tickbeside"} {
			run, err := host.Trigger(t.Context(), name)
			require.NoError(t, err)
			require.False(t, run.Succeeded, name)
			require.Contains(t, run.Cause, "answered 500", name)
		}
	}
	require.Equal(t, `200 "fine"`, askPlainly(t, host.URL()+"/api/release"))
	require.Equal(t, `200 "fine"`, <-waits, "what was in progress goes on")
	require.Equal(t, process, host.HandlerPID(), "it is the same process")
	require.Equal(t, 1, strings.Count(log.String(), "handler started"))
}

// askPlainly is a GET's status and body.
func askPlainly(t *testing.T, address string) string {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		return err.Error()
	}
	req.Header.Set("x-functions-key", "devfunctionkey")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return strconv.Itoa(resp.StatusCode) + " " + strings.TrimSpace(string(body))
}
