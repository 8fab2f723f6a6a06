package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
)

// A job is the order for a child process: one line of JSON on its standard input. The input then
// stays open while the parent lives, so that its children end when the parent is killed.
type job struct {
	Role     string        `json:"role"`
	Records  int           `json:"records"`
	Users    int           `json:"users"` // of the simulated tenant; 0: 2,000
	Apps     int           `json:"apps"`  // likewise; 0: 60
	Seed     uint64        `json:"seed"`
	Gzip     bool          `json:"gzip"`           // the simulated tenant compresses its answers, as Graph does
	Now      time.Time     `json:"now"`            // the simulated tenant's clock
	Limit    time.Duration `json:"limit"`          // when the child gives up
	Graph    string        `json:"graph"`          // base URL of the simulated tenant
	Identity string        `json:"identity"`       // its managed-identity endpoint
	Header   string        `json:"header"`         // the secret that the endpoint asks for
	Tables   string        `json:"tables"`         // connection string
	Parallel int           `json:"parallel"`       // upserts at a time, of the obvious program
	Way      string        `json:"way,omitempty"`  // of reading back
	Span     time.Duration `json:"span,omitempty"` // likewise, of the archive
	Profile  string        `json:"profile"`        // file for a CPU profile; empty: none
}

// outcome is a measured child's answer: one line of JSON on its standard output.
type outcome struct {
	Records       int64   `json:"records"`
	Seconds       float64 `json:"seconds"`
	CPUSeconds    float64 `json:"cpuSeconds"` // user and system, of the whole process
	PeakMB        float64 `json:"peakMB"`     // most resident memory, in 10^6 bytes
	TableRequests int64   `json:"tableRequests"`
	Refused       int64   `json:"refused,omitempty"` // records that the table server refused
	Stopped       string  `json:"stopped,omitempty"` // why the work ended early
	Floor         *floor  `json:"floor,omitempty"`

	Snapshot *directory.Snapshot `json:"snapshot,omitempty"` // what was taken
}

// child is a process that was started from this same program.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
}

// startChild runs this program again in another role. Cancelling ctx kills it.
func startChild(ctx context.Context, j job) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program's own file: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "child")
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 5 * time.Second
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", j.Role, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", j.Role, err)
	}
	// A closed input asks the child to end, which lets it end what it started itself; only then it
	// is killed.
	cmd.Cancel = stdin.Close
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", j.Role, err)
	}
	c := &child{cmd: cmd, stdin: stdin, stdout: bufio.NewReader(stdout)}
	line, err := json.Marshal(j)
	if err == nil {
		_, err = stdin.Write(append(line, '\n'))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("tell %s its job: %w", j.Role, err), c.stop())
	}
	return c, nil
}

// read waits for the child's line and decodes it.
func (c *child) read(v any) error {
	line, err := c.stdout.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the process ended without an answer: %w", errors.Join(err, c.stop()))
	}
	return json.Unmarshal(line, v)
}

// stop closes the child's input, at which it ends, and waits for it.
func (c *child) stop() error {
	_ = c.stdin.Close() // closed already when the context ended
	kill := time.AfterFunc(10*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	return c.cmd.Wait()
}

// measure runs one competitor to its end.
func measure(ctx context.Context, j job) (outcome, error) {
	// The child ends by itself at its limit; this is for the case that it does not.
	ctx, cancel := context.WithTimeout(ctx, j.Limit+30*time.Second)
	defer cancel()
	c, err := startChild(ctx, j)
	if err != nil {
		return outcome{}, err
	}
	var got outcome
	if err := c.read(&got); err != nil {
		return outcome{}, fmt.Errorf("run %s: %w", j.Role, err)
	}
	if err := c.stop(); err != nil {
		return outcome{}, fmt.Errorf("run %s: %w", j.Role, err)
	}
	return got, nil
}

// runChild is the whole life of a child process.
func runChild(roles map[string]func(context.Context, job, io.Writer) error) error {
	input := bufio.NewReader(os.Stdin)
	line, err := input.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	var j job
	if err := json.Unmarshal(line, &j); err != nil {
		return fmt.Errorf("read the job: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, input) // ends when the parent closes it or is gone
		cancel()
		// What does not end by then would outlive the benchmark.
		time.AfterFunc(8*time.Second, func() { os.Exit(1) })
	}()
	role, ok := roles[j.Role]
	if !ok {
		return fmt.Errorf("no role %q", j.Role)
	}
	if err := role(ctx, j, os.Stdout); err != nil {
		return fmt.Errorf("%s: %w", j.Role, err)
	}
	return nil
}

// competitor makes a role of a program that is measured.
func competitor(work func(context.Context, job) (outcome, error)) func(context.Context, job, io.Writer) error {
	return func(ctx context.Context, j job, out io.Writer) error {
		ctx, cancel := context.WithTimeout(ctx, j.Limit)
		defer cancel()
		began := time.Now()
		finish, err := profile(j.Profile)
		if err != nil {
			return err
		}
		result, err := work(ctx, j)
		finish()
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err != nil {
			result.Stopped = fmt.Sprintf("stopped after %s", j.Limit)
		}
		result.Seconds = time.Since(began).Seconds()
		result.CPUSeconds = cpuSeconds()
		result.PeakMB = peakMB()
		return json.NewEncoder(out).Encode(result)
	}
}

// profile writes a CPU profile to a file until the returned function is called.
func profile(path string) (finish func(), err error) {
	if path == "" {
		return func() {}, nil
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, fmt.Errorf("write the profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		if err := file.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "bench: write the profile:", err)
		}
	}, nil
}
