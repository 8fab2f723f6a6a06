package devhost

import (
	"fmt"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// launch is how the handler is started, the same at every restart.
type launch struct {
	executable string
	arguments  []string
	dir        string
	env        []string
}

// process is one life of the handler.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when the fields below are final
	code   int
	stderr tail

	mu  sync.Mutex
	why string // set when the emulator itself ended it
}

// start runs the handler. It keeps one thread for the handler's whole life,
// because Linux ends the child together with the thread that started it. gone
// is called before the end can be seen from outside.
func (l launch) start(log *journal, gone func()) (*process, error) {
	p := &process{exited: make(chan struct{})}
	stdout := &lineWriter{emit: func(line string) { log.handler(false, line) }}
	stderr := &lineWriter{emit: func(line string) { p.stderr.add(line); log.handler(true, line) }}
	p.cmd = exec.Command(l.executable, l.arguments...)
	p.cmd.Dir, p.cmd.Env = l.dir, l.env
	p.cmd.Stdout, p.cmd.Stderr = stdout, stderr
	p.cmd.SysProcAttr = childAttributes()
	// A grandchild that inherited the pipes must not hold up the restart.
	p.cmd.WaitDelay = time.Second
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		_ = p.cmd.Wait() // the exit code is read below, and nothing else is of use
		stdout.flush()
		stderr.flush()
		p.code = exitCode(p.cmd)
		gone()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start handler %s: %w; check that it is built for this machine", l.executable, err)
	}
	return p, nil
}

// exitCode reports a death by signal as 128 + signal, as .NET does.
func exitCode(cmd *exec.Cmd) int {
	state := cmd.ProcessState
	if state.ExitCode() >= 0 {
		return state.ExitCode()
	}
	if status, ok := state.Sys().(interface{ Signal() syscall.Signal }); ok {
		return 128 + int(status.Signal())
	}
	return 1
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// kill ends the process at once and stores why; the first reason stays.
func (p *process) kill(why string) {
	p.note(why)
	_ = p.cmd.Process.Kill() // it fails only where the process is gone already
}

func (p *process) note(why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.why == "" {
		p.why = why
	}
}

func (p *process) reason() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.why
}

// end kills the process as the host does at shutdown. With a grace period it
// gets SIGTERM first, which the real host does not send; the platform may.
func (p *process) end(why string, grace time.Duration) {
	p.note(why)
	if grace > 0 && p.cmd.Process.Signal(syscall.SIGTERM) == nil {
		select {
		case <-p.exited:
		case <-time.After(grace):
		}
	}
	p.kill(why)
	<-p.exited
}

// obituary says how the process ended, for logs and failed invocations.
func (p *process) obituary() string {
	text := fmt.Sprintf("handler process %d exited with code %d", p.pid(), p.code)
	if why := p.reason(); why != "" {
		text += " (" + why + ")"
	}
	if last := p.stderr.String(); last != "" {
		text += "; last stderr lines: " + last
	}
	return text
}
