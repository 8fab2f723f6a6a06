package devhost

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

const (
	pollEvery   = 25 * time.Millisecond
	crashWindow = 30 * time.Minute
	mostCrashes = 3
)

// crashCount applies the rule of three: a failure counts on top of the one
// before when it follows within 30 minutes.
type crashCount struct {
	n    int
	last time.Time
}

// note counts a failure and reports whether the host gives up.
func (c *crashCount) note(at time.Time) (stop bool) {
	if at.Sub(c.last) > crashWindow {
		c.n = 0
	}
	c.n, c.last = c.n+1, at
	return c.n >= mostCrashes
}

// reaction is what follows a process's end.
type reaction int

const (
	restart reaction = iota
	restartAsked
	restartCounted
	stayDown
)

// Exit codes that the host does not count as a crash. Source: WorkerConstants of
// Azure/azure-functions-host.
const (
	exitSuccess            = 0
	exitIntentionalRestart = 200
)

// react decides by exit code; killed means that functionTimeout ended it. An end by a signal is a
// crash like any other: 143 after SIGTERM, 137 after SIGKILL.
func react(code int, killed bool) reaction {
	switch {
	case killed:
		return restart
	case code == exitIntentionalRestart:
		return restartAsked
	case code == exitSuccess:
		return stayDown
	}
	return restartCounted
}

const (
	whyTimeout  = "killed: an invocation exceeded functionTimeout"
	whyShutdown = "killed: devhost is shutting down"
	whyNotReady = "killed: it did not answer within initializationTimeout"
	whyAsked    = "killed on request"
)

// supervisor keeps the handler running by the host's rules.
type supervisor struct {
	launch      launch
	port        int
	initTimeout time.Duration
	grace       time.Duration
	clock       Clock
	log         *journal
	onExit      func() // drops connections to a dead process

	mu      sync.Mutex
	current *process
	ready   chan struct{} // closed while requests may be sent
}

func newSupervisor(a *app, port int, opts Options, env environment, log *journal) *supervisor {
	vars := environment{}
	for name, value := range env {
		vars[name] = value
	}
	for _, name := range []string{"FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"} {
		vars[name] = strconv.Itoa(port)
	}
	id := newGUID()
	for _, name := range []string{"FUNCTIONS_CUSTOMHANDLER_WORKER_ID", "FUNCTIONS_HTTPWORKER_ID"} {
		vars[name] = id
	}
	vars["FUNCTIONS_APP_ROOT_PATH"] = a.root
	return &supervisor{
		launch: launch{executable: a.executable, arguments: a.arguments, dir: a.workingDir, env: vars.list()},
		port:   port, initTimeout: a.initTimeout, grace: opts.Grace, clock: opts.Clock, log: log,
		ready: make(chan struct{}),
	}
}

// handedOut has a listener for each port that this process gave to a handler, which may not listen
// yet, or be between two of its processes. It listens at another address of the loopback, so that
// other processes see that the port is taken; where there is none but 127.0.0.1, it is nil.
var handedOut sync.Map

// FreePort finds a port as the host does: one for its whole life. It is below those that the system
// hands out by itself, so that no connection takes it before the handler does.
func FreePort() (int, error) {
	const low, high, tries = 20_000, 32_000, 50
	err := errors.New("all that were tried are taken")
	for range tries {
		port := low + rand.IntN(high-low)
		guard, guardErr := net.Listen("tcp", net.JoinHostPort("127.0.0.2", strconv.Itoa(port)))
		if errors.Is(guardErr, syscall.EADDRINUSE) {
			continue
		}
		if _, taken := handedOut.LoadOrStore(port, guard); taken {
			continue
		}
		var l net.Listener
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port for the handler: %w", err)
}

func (s *supervisor) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// run starts and restarts the handler until ctx ends (nil) or the crash rules
// stop the host (an error). The process is gone when run returns.
func (s *supervisor) run(ctx context.Context) error {
	var crashes crashCount
	for {
		next, cause := s.life(ctx)
		if ctx.Err() != nil {
			return nil
		}
		switch next {
		case restartAsked:
			s.log.host(levelInformation, "%s; it asked for a restart, which is not counted as an error", cause)
			continue
		case restart:
			s.log.host(levelWarning, "%s; restarting it, not counted as an error", cause)
			continue
		case stayDown:
			s.log.host(levelError,
				"%s; the host does not restart a handler that exits with 0, every later invocation fails with "+
					"connection refused", cause)
			s.open()
			<-ctx.Done()
			return nil
		}
		if crashes.note(s.clock.Now()) {
			return fmt.Errorf("keep the handler running: %s; that was failure %d, each within 30 min of the one "+
				"before, and the host stops: correct the handler", cause, crashes.n)
		}
		s.log.host(levelError, "%s; restarting it (failure %d of %d)", cause, crashes.n, mostCrashes)
	}
}

// life is one process from its start to its end.
func (s *supervisor) life(ctx context.Context) (reaction, string) {
	// A request that saw the process end finds the gate shut and waits for the next one.
	p, err := s.launch.start(s.log, s.shut)
	if err != nil {
		return restartCounted, err.Error()
	}
	s.mu.Lock()
	s.current = p
	s.mu.Unlock()
	s.log.host(levelInformation, "handler started: %s, pid %d, port %d", s.launch.executable, p.pid(), s.port)
	began := time.Now()
	if s.awaitAnswer(ctx, p) {
		s.log.host(levelInformation, "handler ready after %d ms", time.Since(began).Milliseconds())
		s.open()
		select {
		case <-p.exited:
		case <-ctx.Done():
		}
	}
	if ctx.Err() != nil {
		p.end(whyShutdown, s.grace)
	}
	<-p.exited
	s.shut() // again: it may have ended just before open
	s.onExit()
	return react(p.code, p.reason() == whyTimeout), p.obituary()
}

// awaitAnswer polls GET / until any HTTP answer arrives. It returns false when the process ended,
// was killed because it was too slow, or ctx ended.
func (s *supervisor) awaitAnswer(ctx context.Context, p *process) bool {
	ctx, cancel := context.WithTimeout(ctx, s.initTimeout)
	defer cancel()
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if s.answers(ctx, &client) {
			return true
		}
		select {
		case <-p.exited:
			return false
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				p.kill(whyNotReady)
			}
			return false
		}
	}
}

// answers counts any HTTP status as ready, and any transport error but a
// refused connection too: both prove that something listens.
func (s *supervisor) answers(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.address()+"/", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err == nil {
		_ = resp.Body.Close()
		return true
	}
	return ctx.Err() == nil && !isDialError(err)
}

func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}

func (s *supervisor) open() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ready)
}

func (s *supervisor) shut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ready:
		s.ready = make(chan struct{})
	default:
	}
}

func (s *supervisor) readiness() (<-chan struct{}, *process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready, s.current
}

var errNeverReady = errors.New("wait for the handler: it was not ready within 4 times initializationTimeout, " +
	"and the host stops")

// await holds a trigger back until the handler is ready and returns the process
// it will speak to. The limit is four times initializationTimeout.
func (s *supervisor) await(ctx context.Context) (*process, error) {
	limit := time.NewTimer(4 * s.initTimeout)
	defer limit.Stop()
	ready, _ := s.readiness()
	select {
	case <-ready:
		_, p := s.readiness()
		return p, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-limit.C:
		return nil, errNeverReady
	}
}
