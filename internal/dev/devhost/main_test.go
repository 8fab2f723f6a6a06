package devhost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestMain lets the test binary play the handler, so that real processes crash.
func TestMain(m *testing.M) {
	if mode := os.Getenv("DEVHOST_TEST_HANDLER"); mode == "scripted" {
		playScript(os.Getenv("DEVHOST_TEST_MARK"))
		return
	} else if mode != "" {
		playHandler(mode)
		return
	}
	if root := os.Getenv("DEVHOST_TEST_HOST"); root != "" {
		playHost(root)
		return
	}
	os.Exit(m.Run())
}

// playHost is a devhost process of its own, for a test that kills it.
func playHost(root string) {
	h, err := Load(Options{
		AppRoot: root, Listen: "127.0.0.1:0", Out: os.Stdout, NoTimers: true, Environ: []string{},
		Settings: map[string]string{"Schedule": "0 */5 * * * *", "DEVHOST_TEST_HANDLER": "good"},
	})
	if err == nil {
		err = h.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
}

var epoch = time.Date(2026, 11, 20, 10, 2, 0, 0, time.UTC)

// manualClock moves only when a test says so.
type manualClock struct {
	mu     sync.Mutex
	change *sync.Cond
	now    time.Time
	timers map[*manualTimer]bool
}

type manualTimer struct {
	at time.Time
	c  chan time.Time
}

func newManualClock() *manualClock {
	c := &manualClock{now: epoch, timers: map[*manualTimer]bool{}}
	c.change = sync.NewCond(&c.mu)
	return c
}

func (c *manualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *manualClock) After(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &manualTimer{at: c.now.Add(d), c: make(chan time.Time, 1)}
	if d <= 0 {
		t.c <- c.now
	} else {
		c.timers[t] = true
	}
	c.change.Broadcast()
	return t.c, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, t)
	}
}

// set moves the clock without firing anything that is due later.
func (c *manualClock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
	for t := range c.timers {
		if !t.at.After(now) {
			t.c <- now
			delete(c.timers, t)
		}
	}
}

// reach waits until something is to fire exactly then, and goes there.
func (c *manualClock) reach(t *testing.T, at time.Time) {
	t.Helper()
	give := time.AfterFunc(20*time.Second, c.change.Broadcast)
	defer give.Stop()
	limit := time.Now().Add(19 * time.Second)
	c.mu.Lock()
	for !c.waits(at) && time.Now().Before(limit) {
		c.change.Wait()
	}
	found := c.waits(at)
	c.mu.Unlock()
	require.True(t, found, "nothing ever waited for %s", at)
	c.set(at)
}

func (c *manualClock) waits(at time.Time) bool {
	for t := range c.timers {
		if t.at.Equal(at) {
			return true
		}
	}
	return false
}

// console collects output and lets a test wait for a text in it.
type console struct {
	mu  sync.Mutex
	buf bytes.Buffer
	hit chan struct{}
}

func newConsole() *console { return &console{hit: make(chan struct{})} }

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.hit)
	c.hit = make(chan struct{})
	return c.buf.Write(p)
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

func (c *console) await(t *testing.T, text string) { c.awaitCount(t, text, 1) }

func (c *console) awaitCount(t *testing.T, text string, n int) {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		c.mu.Lock()
		seen, hit := strings.Count(c.buf.String(), text), c.hit
		c.mu.Unlock()
		if seen >= n {
			return
		}
		select {
		case <-hit:
		case <-limit:
			require.Fail(t, "never printed", "%q (%d times) in:\n%s", text, n, c.String())
		}
	}
}

const (
	goodHost = `{"version":"2.0","functionTimeout":"00:10:00",` +
		`"customHandler":{"description":{"defaultExecutablePath":"handler","arguments":["--set","%GREETING%"]},` +
		`"enableProxyingHttpRequest":true}}`
	fiveMinute = `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"%Schedule%"}]}`
	anyHTTP    = `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","authLevel":"anonymous",` +
		`"route":"v1/things/{id?}"},{"type":"http","direction":"out","name":"res"}]}`
)

// appFiles writes an app whose executable is this test binary.
func appFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	if _, ok := files["host.json"]; !ok {
		write(t, root, "host.json", goodHost)
	}
	for name, text := range files {
		write(t, root, name, text)
	}
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(root, "handler")))
	return root
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	path := filepath.Join(root, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// rig is a running host with its handler.
type rig struct {
	*Host
	clock *manualClock
	out   *console
	root  string
	ended chan error
	stop  context.CancelFunc
}

// setup is what differs between tests.
type setup struct {
	mode     string
	files    map[string]string
	root     string // of an earlier rig, instead of files
	settings map[string]string
	now      time.Time
	change   func(*Options)
}

func start(t *testing.T, s setup) *rig {
	t.Helper()
	if s.root == "" {
		if s.files == nil {
			s.files = map[string]string{"Tick/function.json": fiveMinute, "Things/function.json": anyHTTP}
		}
		s.root = appFiles(t, s.files)
	}
	r := &rig{clock: newManualClock(), out: newConsole(), root: s.root, ended: make(chan error, 1)}
	if !s.now.IsZero() {
		r.clock.now = s.now
	}
	settings := map[string]string{
		"Schedule": "0 */5 * * * *", "GREETING": "hello", "DEVHOST_TEST_HANDLER": s.mode,
		"DEVHOST_TEST_MARK": filepath.Join(s.root, "mark"),
		// The race detector sleeps a second at every exit by default.
		"GORACE": "atexit_sleep_ms=0",
		// Under -cover a child complains on stderr where it has no folder for this.
		"GOCOVERDIR": t.TempDir(),
	}
	for name, value := range s.settings {
		settings[name] = value
	}
	opts := Options{
		AppRoot: s.root, StateDir: filepath.Join(s.root, "state"), Listen: "127.0.0.1:0",
		Settings: settings, Environ: []string{}, Out: r.out, Clock: r.clock, NoTimers: true,
	}
	if s.change != nil {
		s.change(&opts)
	}
	host, err := Load(opts)
	require.NoError(t, err)
	r.Host = host
	ctx, cancel := context.WithCancel(t.Context())
	r.stop = cancel
	go func() { r.ended <- host.Run(ctx); close(r.ended) }()
	t.Cleanup(func() {
		cancel()
		<-r.ended
		if t.Failed() {
			t.Log(r.out.String())
		}
	})
	return r
}

func startReady(t *testing.T, s setup) *rig {
	t.Helper()
	r := start(t, s)
	select {
	case <-r.Ready():
	case err := <-r.ended:
		require.Fail(t, "ended before it was ready", "%v\n%s", err, r.out)
	case <-time.After(20 * time.Second):
		require.Fail(t, "never ready", r.out.String())
	}
	return r
}

// trigger runs the timer Tick and returns its outcome.
func (r *rig) trigger(t *testing.T) Invocation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	inv, err := r.Trigger(ctx, "Tick")
	require.NoError(t, err, r.out.String())
	return inv
}

// end waits for Run's own result.
func (r *rig) end(t *testing.T) error {
	t.Helper()
	select {
	case err := <-r.ended:
		return err
	case <-time.After(20 * time.Second):
		require.Fail(t, "still running", r.out.String())
		return nil
	}
}

// request is what the playing handler saw, as it wrote it into Logs.
type request struct {
	Method, Path string
	Header       map[string][]string
	Chunked      bool
	Body         struct {
		Data struct {
			Timer struct {
				ScheduleStatus *struct{ Last, Next, LastUpdated string }
				IsPastDue      bool
			} `json:"timer"`
		}
		Metadata struct {
			Sys          map[string]string `json:"sys"`
			RetryContext *struct {
				RetryCount, MaxRetryCount int
				Exception                 struct {
					Message        string
					InnerException struct{ Message string }
				}
			}
		}
	}
}

// requests reads every envelope of the handler, in order.
func (r *rig) requests(t *testing.T) (list []request) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.root, "mark"))
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		var q request
		require.NoError(t, json.Unmarshal([]byte(line), &q), line)
		list = append(list, q)
	}
	return list
}
