package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// neededCoreTools is the first version whose host passes HTTP requests on as they are; those before
// send envelopes. See internal/web/oldhost.go.
var neededCoreTools = [3]int{4, 1, 0}

const installCoreTools = "install Azure Functions Core Tools 4.1.0 or later (npm install -g " +
	"azure-functions-core-tools@4; learn.microsoft.com/azure/azure-functions/functions-run-local)"

// coreTools runs the app on Azure Functions Core Tools: the real host, on this machine. It asks
// callers for no keys.
type coreTools struct {
	program string
	app     string // the folder of host.json
	port    int
	env     []string
	out     io.Writer
	client  *http.Client
	ready   chan struct{}

	mu      sync.Mutex
	pending []byte
	waiting []*handRun
}

// handRun is a run by hand until the host says how it ended.
type handRun struct {
	function string
	id       string // of the invocation, once the host has named it
	ended    chan outcome
}

// findCoreTools returns the program, or in one line what to install.
func findCoreTools(ctx context.Context) (string, error) {
	program, err := exec.LookPath("func")
	if err != nil {
		return "", errors.New("find func: it is not on the PATH; " + installCoreTools)
	}
	said, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w; %s", program, err, installCoreTools)
	}
	version := strings.TrimSpace(string(said))
	m := regexp.MustCompile(`(?m)^(\d+)\.(\d+)\.(\d+)`).FindStringSubmatch(version) // notices may stand before it
	if m == nil {
		return "", fmt.Errorf("ask %s for its version: it says %.50q; %s", program, version, installCoreTools)
	}
	for i, needed := range neededCoreTools {
		part, err := strconv.Atoi(m[i+1])
		if err != nil || part < needed {
			return "", fmt.Errorf("use %s: it is version %s, whose host sends HTTP in envelopes; %s", program, m[0],
				installCoreTools)
		}
		if part > needed {
			break
		}
	}
	return program, nil
}

// newCoreTools writes the settings where Core Tools look for them.
func newCoreTools(program, app string, port int, s handlerSettings, out io.Writer) (*coreTools, error) {
	values := map[string]string{"FUNCTIONS_WORKER_RUNTIME": "custom", "AzureWebJobsStorage": s.storage}
	for _, setting := range s.list() {
		name, value, _ := strings.Cut(setting, "=")
		values[name] = value
	}
	text, err := json.MarshalIndent(map[string]any{"IsEncrypted": false, "Values": values}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the settings of Core Tools: %w", err)
	}
	if err := os.WriteFile(filepath.Join(app, "local.settings.json"), text, 0o600); err != nil {
		return nil, fmt.Errorf("write the settings of Core Tools: %w", err)
	}
	env := s.environment(os.Environ())
	for _, name := range []string{"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage"} {
		env = append(env, name+"="+values[name])
	}
	return &coreTools{program: program, app: app, port: port, env: env, out: out, ready: make(chan struct{}),
		// A proxy of the environment must not be used for loopback.
		client: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}}, nil
}

// URL is the public base address.
func (c *coreTools) URL() string { return "http://127.0.0.1:" + strconv.Itoa(c.port) }

// Ready is closed when the host runs.
func (c *coreTools) Ready() <-chan struct{} { return c.ready }

// coreToolsGrace is how long Core Tools may need to end: a drain waits 10 s for a scheduled run.
const coreToolsGrace = 15 * time.Second

// Run starts Core Tools and returns when they have ended. The end of ctx ends them with an
// interrupt, since the host ignores a SIGTERM.
func (c *coreTools) Run(ctx context.Context) error {
	cmd := exec.Command(c.program, "start", "--port", strconv.Itoa(c.port))
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.app, c.env, c, c
	cmd.WaitDelay = time.Second
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w; %s", c.program, err, installCoreTools)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	asking, stop := context.WithCancel(ctx)
	defer stop()
	go c.awaitRunning(asking)
	select {
	case err := <-ended:
		if err == nil {
			err = errors.New("exit code 0")
		}
		return fmt.Errorf("keep Core Tools running: they ended by themselves: %w", err)
	case <-ctx.Done():
	}
	interrupt(cmd)
	select {
	case <-ended:
	case <-time.After(coreToolsGrace):
		kill(cmd)
		<-ended
	}
	return nil
}

// awaitRunning asks the host for its state until it runs.
func (c *coreTools) awaitRunning(ctx context.Context) {
	for ctx.Err() == nil {
		var status struct{ State string }
		if body, err := c.send(ctx, http.MethodGet, "/admin/host/status", ""); err == nil &&
			json.Unmarshal(body, &status) == nil && status.State == "Running" {
			close(c.ready)
			return
		}
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
		}
	}
}

func (c *coreTools) send(ctx context.Context, method, path, body string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.URL()+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-functions-key", masterKey)
	resp, err := c.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= http.StatusBadRequest {
		err = fmt.Errorf("it answered %s", resp.Status)
	}
	return answer, err
}

// Fire runs a timer function by hand, and waits until the host says in its log how it ended.
func (c *coreTools) Fire(ctx context.Context, function string) (outcome, error) {
	run := &handRun{function: function, ended: make(chan outcome, 1)}
	c.mu.Lock()
	c.waiting = append(c.waiting, run)
	c.mu.Unlock()
	defer c.forget(run) // or it would take the next run of its function for its own
	if _, err := c.send(ctx, http.MethodPost, "/admin/functions/"+function, `{"input":""}`); err != nil {
		return outcome{}, fmt.Errorf("run %s on Core Tools: %w", function, err)
	}
	select {
	case out := <-run.ended:
		return out, nil
	case <-ctx.Done():
		return outcome{}, ctx.Err()
	}
}

func (c *coreTools) forget(run *handRun) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(w *handRun) bool { return w == run })
}

// longestLine bounds what is kept of a line that does not end, in bytes.
const longestLine = 1 << 20

var (
	executing = regexp.MustCompile(`Executing 'Functions\.(\w+)' \(Reason='This function was programmatically ` +
		`called.*Id=([^),]+)`)
	executed = regexp.MustCompile(`Executed 'Functions\.(\w+)' \((Succeeded|Failed), Id=([^),]+)`)
)

// Write takes what Core Tools print: it goes to the log, and says how runs by hand end.
func (c *coreTools) Write(p []byte) (int, error) {
	if _, err := c.out.Write(p); err != nil {
		return 0, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pending = append(c.pending, p...)
	for {
		end := bytes.IndexByte(c.pending, '\n')
		if end < 0 {
			c.pending = c.pending[max(0, len(c.pending)-longestLine):]
			return len(p), nil
		}
		c.read(string(c.pending[:end]))
		c.pending = c.pending[end+1:]
	}
}

// read follows one line of the host's log.
func (c *coreTools) read(line string) {
	if m := executing.FindStringSubmatch(line); m != nil {
		for _, run := range c.waiting {
			if run.id == "" && strings.EqualFold(run.function, m[1]) {
				run.id = m[2]
				return
			}
		}
	}
	m := executed.FindStringSubmatch(line)
	if m == nil {
		return
	}
	for i, run := range c.waiting {
		if run.id == m[3] {
			out := outcome{succeeded: m[2] == "Succeeded"}
			if !out.succeeded {
				out.cause = "the host says that " + m[1] + " failed; see .local/handler.log"
			}
			run.ended <- out
			c.waiting = append(c.waiting[:i], c.waiting[i+1:]...)
			return
		}
	}
}
