package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/devhost"
)

// TestMain lets the test binary play Core Tools.
func TestMain(m *testing.M) {
	if os.Getenv("LOCALRUN_TEST_FUNC") != "" {
		playCoreTools(os.Args[1:])
		return
	}
	os.Exit(m.Run())
}

// playCoreTools does what the real host does, as far as a local run sees it: the lines of its log are
// those of the shared transcripts.
func playCoreTools(args []string) {
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	var file struct{ Values map[string]string }
	text, err := os.ReadFile("local.settings.json")
	if err != nil || json.Unmarshal(text, &file) != nil || args[0] != "start" || args[1] != "--port" {
		fmt.Println("can't start:", err, args)
		os.Exit(2)
	}
	fmt.Println("runtime", file.Values["FUNCTIONS_WORKER_RUNTIME"], "storage", os.Getenv("AzureWebJobsStorage"))
	var mu sync.Mutex
	asked := 0
	serve := func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		name, byHand := strings.CutPrefix(r.URL.Path, "/admin/functions/")
		switch {
		case byHand:
			w.WriteHeader(http.StatusAccepted)
			fmt.Printf("[2026-11-26T10:00:00.000Z] Executing 'Functions.%s' (Reason='Timer fired at "+
				"10:00', Id=other)\n", name)
			fmt.Printf("[2026-11-26T10:00:00.000Z] Executing 'Functions.%s' (Reason='This function was "+
				"programmatically "+
				"called via the host APIs.', Id=%d)\n", name, asked)
			fmt.Printf("[2026-11-26T10:00:00.000Z] Executed 'Functions.%s' (Failed, Id=other, Duration=1ms)\n", name)
			end := "Succeeded"
			if name == "purgearchive" {
				end = "Failed"
			}
			fmt.Printf("[2026-11-26T10:00:00.000Z] Executed 'Functions.%s' (%s, Id=%d, Duration=1ms)\n", name, end,
				asked)
		case asked == 1:
			fmt.Fprint(w, `{"state":"Initialized"}`)
		default:
			fmt.Fprint(w, `{"state":"Running"}`)
		}
	}
	go func() {
		fmt.Println(http.ListenAndServe("127.0.0.1:"+args[2], http.HandlerFunc(serve)))
		os.Exit(3)
	}()
	<-interrupted
	fmt.Println("drained")
}

// coreToolsOnPath puts a program named func on the PATH.
func coreToolsOnPath(t *testing.T, version string) {
	t.Helper()
	folder := t.TempDir()
	self, err := os.Executable()
	require.NoError(t, err)
	script := fmt.Sprintf("#!/bin/sh\nif [ \"$1\" = --version ]; then echo '%s'; exit; fi\n"+
		"LOCALRUN_TEST_FUNC=1 exec '%s' \"$@\"\n", version, self)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "func"), []byte(script), 0o755))
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
}

func TestCoreToolsThatAreMissingOrTooOldAreNamedWithWhatToInstall(t *testing.T) {
	for version, want := range map[string]string{
		"4.0.7512": "it is version 4.0.7512, whose host sends HTTP in envelopes", "3.9.9": "it is version 3.9.9",
		"a new one": `it says "a new one"`, "Welcome!\n4.0.1": "it is version 4.0.1",
	} {
		coreToolsOnPath(t, version)
		_, err := findCoreTools(t.Context())
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "install Azure Functions Core Tools 4.1.0 or later (npm install -g "+
			"azure-functions-core-tools@4")
		require.NotContains(t, err.Error(), "\n")
	}
	for _, version := range []string{"4.1.0", "4.14.0", "5.0.0-preview.1", "10.0.0", "A new version is out.\n4.2.1\n"} {
		coreToolsOnPath(t, version)
		_, err := findCoreTools(t.Context())
		require.NoError(t, err, version)
	}
	t.Setenv("PATH", t.TempDir())
	_, err := findCoreTools(t.Context())
	require.ErrorContains(t, err, "find func: it is not on the PATH; install Azure Functions Core Tools 4.1.0 or later")
}

// noted is what Core Tools print, while they print.
type noted struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (n *noted) Write(p []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(p)
}

func (n *noted) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

func TestCoreToolsRunTheAppWithTheLocalRunsSettings(t *testing.T) {
	coreToolsOnPath(t, "4.1.0")
	program, err := findCoreTools(t.Context())
	require.NoError(t, err)
	port, err := devhost.FreePort()
	require.NoError(t, err)
	app, log := t.TempDir(), &noted{}
	c, err := newCoreTools(program, app, port, handlerSettings{storage: "UseDevelopmentStorage=true",
		graph: "http://127.0.0.1:7080", identityHeader: "secret", backfill: "30d"}, log)
	require.NoError(t, err)
	info, err := os.Stat(filepath.Join(app, "local.settings.json"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())
	text, err := os.ReadFile(filepath.Join(app, "local.settings.json"))
	require.NoError(t, err)
	require.Contains(t, string(text), `"GRAPH_ENDPOINT": "http://127.0.0.1:7080"`)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	select {
	case <-c.Ready():
	case err := <-ended:
		require.Fail(t, "ended", "%v\n%s", err, log)
	case <-time.After(20 * time.Second):
		require.Fail(t, "never ready", log.String())
	}
	require.Contains(t, log.String(), "runtime custom storage UseDevelopmentStorage=true\n")
	out, err := c.Fire(ctx, "archivelogs")
	require.NoError(t, err)
	require.Equal(t, outcome{succeeded: true}, out)
	out, err = c.Fire(ctx, "purgearchive")
	require.NoError(t, err)
	require.Equal(t, outcome{cause: "the host says that purgearchive failed; see .local/handler.log"}, out)
	stop()
	require.NoError(t, <-ended)
	require.Contains(t, log.String(), "drained\n", "an interrupt, which the host heeds")
}

func TestCoreToolsThatEndByThemselvesEndTheRun(t *testing.T) {
	coreToolsOnPath(t, "4.1.0")
	log := &noted{}
	c, err := newCoreTools(os.Getenv("PATH"), t.TempDir(), 0, handlerSettings{}, log)
	require.NoError(t, err)
	require.ErrorContains(t, c.Run(t.Context()), "install Azure Functions Core Tools")
	program, err := findCoreTools(t.Context())
	require.NoError(t, err)
	c.program = program
	require.NoError(t, os.Remove(filepath.Join(c.app, "local.settings.json")))
	require.ErrorContains(t, c.Run(t.Context()), "they ended by themselves: exit status 2")
}

// TestARunThatCoreToolsRefuseDoesNotTakeTheNextOnesEnd, nor one that nobody waits for any more; a line
// without an end is forgotten.
func TestARunThatCoreToolsRefuseDoesNotTakeTheNextOnesEnd(t *testing.T) {
	refuse := true
	c := &coreTools{out: &noted{}, client: &http.Client{}}
	end := func() {
		fmt.Fprint(c, strings.Repeat("x", 2*longestLine), "\nExecuting 'Functions.purge' (Reason='This function was "+
			"programmatically called via the host APIs.', Id=1)\r\nExecuted 'Functions.purge' (Succe")
		fmt.Fprint(c, "eded, Id=1, Duration=1ms)\r\n")
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		end()
	}))
	defer server.Close()
	var err error
	_, port, _ := strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	c.port, err = strconv.Atoi(port)
	require.NoError(t, err)
	_, err = c.Fire(t.Context(), "purge")
	require.ErrorContains(t, err, "it answered 503")
	ended, stop := context.WithCancel(t.Context())
	stop()
	_, err = c.Fire(ended, "purge")
	require.ErrorIs(t, err, context.Canceled)
	refuse = false
	limited, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	out, err := c.Fire(limited, "purge")
	require.NoError(t, err)
	require.True(t, out.succeeded)
	fmt.Fprint(c, strings.Repeat("x", 3*longestLine))
	require.LessOrEqual(t, len(c.pending), longestLine)
}
