// Package devhost does on a developer's machine what the Azure Functions host
// 4.x does for a custom handler, and judges the handler's answers as strictly.
package devhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/entraledger/entraledger/internal/web/router"
)

// Options says what to run and how. Only AppRoot is required.
type Options struct {
	AppRoot  string            // the folder that holds host.json
	StateDir string            // timer statuses; empty keeps them in memory only
	Listen   string            // public address; default 127.0.0.1:7071, port 0 picks a free one
	Settings map[string]string // app settings; what Environ holds wins over them
	Environ  []string          // NAME=value; nil means os.Environ()

	FunctionKey string // default devfunctionkey
	MasterKey   string // default devmasterkey

	Out     io.Writer // logs of host and handler; nil discards them
	RawLogs bool      // print the handler's lines as they are
	// SIGTERM this long before SIGKILL at shutdown; the real host sends none, the platform may
	Grace       time.Duration
	NoTimers    bool // run timer functions only on request
	HangOnEmpty bool // hang on an empty answer until functionTimeout, as the real host does
	// Drain makes the host wait at its end as the real one does: for requests, and up to 10 s for scheduled runs
	Drain bool
	Clock Clock // default SystemClock
}

func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:7071"
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.FunctionKey == "" {
		o.FunctionKey = "devfunctionkey"
	}
	if o.MasterKey == "" {
		o.MasterKey = "devmasterkey"
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Clock == nil {
		o.Clock = SystemClock{}
	}
	return o
}

// Host is one emulated Functions host. Run may be called once.
type Host struct {
	opts      Options
	app       *app
	log       *journal
	routes    router.Router
	timers    map[string]*timer
	store     *statusStore
	outcomes  *outcomes
	super     *supervisor
	client    *http.Client
	transport *http.Transport
	started   time.Time

	life  context.Context // ends when the host stops, with the reason as cause
	stop  context.CancelCauseFunc
	gone  context.Context // ends when the last process has ended for good
	end   context.CancelCauseFunc
	ready chan struct{}

	busy       atomic.Int64  // requests and scheduled runs in progress
	drained    chan struct{} // closed when timers fire no more
	stopFiring func()

	mu      sync.Mutex
	url     string
	closing bool
	work    sync.WaitGroup
	loops   sync.WaitGroup // of timers; none is added once drained is closed
}

// Load reads and checks the app. The error joins every Problem found, one a line.
func Load(opts Options) (*Host, error) {
	opts = opts.withDefaults()
	env := newEnvironment(opts.Environ, opts.Settings)
	a, err := loadApp(opts.AppRoot, env)
	if err != nil {
		return nil, err
	}
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	h := &Host{
		opts: opts, app: a,
		log:       &journal{out: opts.Out, raw: opts.RawLogs, clock: opts.Clock},
		routes:    newRouter(a.functions),
		timers:    map[string]*timer{},
		store:     newStatusStore(opts.StateDir),
		outcomes:  newOutcomes(),
		client:    newEnvelopeClient(),
		transport: &http.Transport{DisableCompression: true},
		ready:     make(chan struct{}),
		drained:   make(chan struct{}),
		started:   opts.Clock.Now(),
	}
	h.life, h.stop = context.WithCancelCause(context.Background())
	h.gone, h.end = context.WithCancelCause(context.Background())
	h.stopFiring = sync.OnceFunc(func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		close(h.drained)
	})
	h.super = newSupervisor(a, port, opts, env, h.log)
	h.super.onExit = func() {
		h.client.CloseIdleConnections()
		h.transport.CloseIdleConnections()
	}
	for _, f := range a.functions {
		if f.timer != nil && !f.disabled {
			h.timers[f.name] = newTimer(f, opts.Clock.Now())
		}
	}
	return h, nil
}

var errStopped = errors.New("devhost is shutting down")

// Run listens, starts the handler and serves until ctx ends (nil) or the host's
// rules stop it (an error). The handler is dead when Run returns.
func (h *Host) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", h.opts.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s: %w; stop what uses the port or choose another with --listen", h.opts.Listen,
			err)
	}
	h.mu.Lock()
	h.url = "http://" + listener.Addr().String()
	h.mu.Unlock()
	h.announce()
	console := &lineWriter{emit: func(line string) { h.log.host(levelWarning, "%s", line) }}
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(console, "", 0)}
	defer context.AfterFunc(ctx, func() { h.leave(server) })()
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.stop(fmt.Errorf("serve %s: %w", h.URL(), err))
		}
	}()
	h.background(h.begins)
	if err := h.super.run(h.life); err != nil {
		h.stop(err)
	}
	<-h.life.Done()
	h.end(context.Cause(h.life)) // who waits for the handler waits in vain, and is told
	closing, cancel := context.WithTimeout(context.Background(), lastAnswers)
	_ = server.Shutdown(closing)
	cancel()
	_ = server.Close() // what is still open has lost its handler
	<-served
	h.mu.Lock()
	h.closing = true
	h.mu.Unlock()
	h.work.Wait()
	h.super.onExit()
	if cause := context.Cause(h.life); !errors.Is(cause, errStopped) {
		h.log.host(levelError, "%v", cause)
		return cause
	}
	return nil
}

const (
	// lastAnswers is how long a caller may take for the answer that the host has ended.
	lastAnswers = 500 * time.Millisecond
	// drainLimit is how long the end of the host waits for scheduled runs.
	drainLimit = 10 * time.Second
)

// leave ends the host when it is told to, at once or when it is drained: requests are answered, and
// scheduled runs have 10 s to end. For runs by hand the host does not wait.
func (h *Host) leave(server *http.Server) {
	defer h.stop(errStopped)
	if !h.opts.Drain {
		return
	}
	h.log.host(levelInformation, "draining")
	_ = server.Shutdown(h.life)
	h.stopFiring()
	ended := make(chan struct{})
	go func() {
		h.loops.Wait()
		close(ended)
	}()
	limit, stop := h.opts.Clock.After(drainLimit)
	defer stop()
	select {
	case <-ended:
	case <-limit:
	case <-h.life.Done():
	}
}

// begins waits for the handler, then lets the timers run.
func (h *Host) begins() {
	if _, err := h.super.await(h.life); err != nil {
		h.giveUp(err)
		return
	}
	close(h.ready)
	if h.opts.NoTimers {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.drained:
		return
	default:
	}
	for _, t := range h.timers {
		h.loops.Add(1)
		h.work.Add(1) // begins is work itself, so that nobody has waited for all of it yet
		go func() {
			defer h.work.Done()
			defer h.loops.Done()
			h.loop(h.life, t)
		}()
	}
}

// enter registers work that Run waits for, until h.work.Done; once the host is
// closing there is no entry.
func (h *Host) enter() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.closing {
		h.work.Add(1)
	}
	return !h.closing
}

// background runs work that Run waits for; once the host is closing it does nothing.
func (h *Host) background(work func()) bool {
	if !h.enter() {
		return false
	}
	go func() {
		defer h.work.Done()
		work()
	}()
	return true
}

func (h *Host) announce() {
	h.log.write("devhost listening on " + h.URL())
	for _, f := range h.app.functions {
		line := fmt.Sprintf("  %-22s ", f.name)
		switch {
		case f.disabled:
			line += "disabled"
		case f.timer != nil:
			line += "timer " + f.timer.schedule.text
		default:
			methods := "any method"
			if len(f.http.methods) > 0 {
				methods = strings.Join(f.http.methods, ",")
			}
			line += fmt.Sprintf("%s %s/%s (%s)", methods, h.URL(), f.http.path, f.http.authLevel)
		}
		h.log.write(line)
		if f.ignored != "" {
			h.log.host(levelWarning, "%s: %s", f.file, f.ignored)
		}
	}
	h.log.write(fmt.Sprintf("  keys: x-functions-key: %s (function), %s (master)", h.opts.FunctionKey,
		h.opts.MasterKey))
}

// URL is the public base address, such as http://127.0.0.1:7071; empty until
// Run listens.
func (h *Host) URL() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.url
}

// Ready is closed when Run listens and the handler answered for the first time.
// It stays open where that never happens: wait for Run's error beside it.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Trigger runs a timer function now, as the admin route does, and waits for its outcome. A failed
// run is an Invocation with Succeeded false, not an error. Where ctx ends first, the run continues.
func (h *Host) Trigger(ctx context.Context, function string) (Invocation, error) {
	f := h.function(function)
	if f == nil || h.timers[f.name] == nil {
		return Invocation{}, fmt.Errorf("trigger %s: it is no enabled timer function; see GET /admin/functions",
			function)
	}
	outcome := make(chan Invocation, 1)
	started := h.background(func() {
		inv, _ := h.runTimer(h.life, h.timers[f.name], occasion{reason: byHand, input: new(string)})
		outcome <- inv
	})
	if !started {
		return Invocation{}, fmt.Errorf("trigger %s: %w", function, errStopped)
	}
	select {
	case inv := <-outcome:
		return inv, nil
	case <-ctx.Done():
		return Invocation{}, fmt.Errorf("trigger %s: %w", function, ctx.Err())
	}
}

// newRouter holds the routes of the functions that are not disabled.
func newRouter(functions []*function) router.Router {
	var routes []router.Route
	for _, f := range functions {
		if f.http != nil && !f.disabled {
			routes = append(routes, router.Route{Function: f.name, Template: f.http.template, Methods: f.http.methods})
		}
	}
	return router.New(routes)
}

// find returns nil for an unknown path and for a method that is not listed: the host answers 404 to
// both.
func (h *Host) find(method, escapedPath string) *function {
	m, ok := h.routes.Find(method, escapedPath)
	if !ok {
		return nil
	}
	return h.function(m.Route.Function)
}

// function finds a function by name, without regard to case.
func (h *Host) function(name string) *function {
	for _, f := range h.app.functions {
		if strings.EqualFold(f.name, name) {
			return f
		}
	}
	return nil
}

// HandlerPID is the process id of the handler that runs now, 0 where none does.
func (h *Host) HandlerPID() int {
	_, p := h.super.readiness()
	if p == nil {
		return 0
	}
	select {
	case <-p.exited:
		return 0
	default:
		return p.pid()
	}
}

// KillHandler kills the handler with SIGKILL, as a crash would, and waits until
// it is gone. The crash rules count it.
func (h *Host) KillHandler() error {
	_, p := h.super.readiness()
	if p == nil || h.HandlerPID() == 0 {
		return errors.New("kill handler: none is running")
	}
	p.kill(whyAsked)
	<-p.exited
	return nil
}
