package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// app is the program itself, in a process of its own.
type app struct {
	cmd *exec.Cmd
	url string
}

// buildHandler builds the program from the source that this module was built with.
func buildHandler(ctx context.Context, binary string) error {
	root, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}",
		"github.com/entraledger/entraledger").Output()
	if err != nil {
		return fmt.Errorf("find the handler's source: %w", err)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary, "./handler")
	cmd.Dir = strings.TrimSpace(string(root))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the handler: %w: %s", err, out)
	}
	return nil
}

// startApp starts the program with the settings of an instance of 512 MB, and waits until it answers.
func startApp(ctx context.Context, l loaded) (*app, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, l.binary)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "GOMEMLIMIT=" + loadMemory,
		"FUNCTIONS_CUSTOMHANDLER_PORT=" + strconv.Itoa(port), "ARCHIVE_STORAGE=" + l.storage,
		"ARCHIVE_STREAMS=signIns.interactiveUser,signIns.nonInteractiveUser", "ARCHIVE_RUN_BUDGET=1m",
		"GRAPH_ENDPOINT=" + l.at.Graph, "GRAPH_REQUESTS_PER_10S=1000000,1",
		"IDENTITY_ENDPOINT=" + l.at.Identity, "IDENTITY_HEADER=" + l.at.Header}
	if l.procs > 0 {
		cmd.Env = append(cmd.Env, "GOMAXPROCS="+strconv.Itoa(l.procs))
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the handler: %w", err)
	}
	a := &app{cmd, fmt.Sprintf("http://127.0.0.1:%d", port)}
	for range 200 {
		if resp, err := http.Get(a.url + "/"); err == nil {
			resp.Body.Close()
			return a, nil
		}
		time.Sleep(25 * time.Millisecond) // as the Functions host does
	}
	a.stop()
	return nil, errors.New("start the handler: it does not answer")
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}

func (a *app) stop() {
	_ = a.cmd.Process.Kill() // it may have ended
	_ = a.cmd.Wait()
}

// peakMB is the most memory that the process had resident, in 10^6 bytes; 0 where there is no /proc.
func (a *app) peakMB() float64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", a.cmd.Process.Pid)) // without one it is not known
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kib * 1024 / 1e6
		}
	}
	return 0
}

// ticksASecond is the unit of /proc/<pid>/stat: USER_HZ, which is 100 on every Linux that Go runs on.
const ticksASecond = 100

// cpuSeconds is the processor time of the process so far, user and system; 0 where there is no /proc.
func (a *app) cpuSeconds() float64 {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid)) // likewise
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / ticksASecond
}
