package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/logs"
)

// intendedRestart is the host's exit code for an intended restart:
// WorkerConstants.IntentionalRestartExitCode.
const intendedRestart = 200

// reply is what a request came to.
type reply struct {
	status int
	header http.Header
	body   string
	err    error
}

// begin sends a request and does not wait for its answer.
func (p *process) begin(method, path, body string) <-chan reply {
	out := make(chan reply, 1)
	go func() {
		req, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
		if err != nil {
			out <- reply{err: err}
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			out <- reply{err: err}
			return
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		out <- reply{resp.StatusCode, resp.Header, string(text), err}
	}()
	return out
}

// stopDuring sends a request, and a signal once the tenant has been asked n times for it. Nothing
// of that may be logged as an error.
func (s *system) stopDuring(p *process, n int, method, path, body string) reply {
	got := s.signalDuring(p, n, method, path, body)
	require.NotContains(s, p.stdout.String(), `"level":"ERROR"`)
	return got
}

func (s *system) signalDuring(p *process, n int, method, path, body string) reply {
	before := len(s.tenant.Requests())
	answered := p.begin(method, path, body)
	require.Eventually(s, func() bool {
		return len(s.tenant.Requests()) >= before+n
	}, 30*time.Second, time.Millisecond, "%s", p.stdout)
	require.NoError(s, p.cmd.Process.Signal(syscall.SIGTERM))
	got := <-answered
	<-p.ended
	require.NoError(s, got.err, "the answer was not cut: %s", p.stdout)
	require.Equal(s, intendedRestart, p.cmd.ProcessState.ExitCode(), "%s%s", p.stdout, p.stderr)
	require.Empty(s, p.stderr.String())
	return got
}

// requireFree checks that no execution has a stream, so that the next one need not wait.
func (s *system) requireFree() {
	for _, stream := range logs.DefaultStreams() {
		_, lease, err := s.store.State(s.Context(), stream)
		require.NoError(s, err)
		require.Zero(s, lease.Length, "%s: given back", stream)
	}
}

// slowly delays every page, so that a signal comes in the middle of one.
func (s *system) slowly(each time.Duration) {
	for _, stream := range logs.DefaultStreams() {
		s.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Stream: stream, Delay: each})
	}
}

func TestASignalStopsTheHandlerAndTheHostTakesItForARestart(t *testing.T) {
	s := newSystem(t, brief())
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		p := s.start()
		require.NoError(t, p.cmd.Process.Signal(signal))
		<-p.ended
		require.Equal(t, intendedRestart, p.cmd.ProcessState.ExitCode(), "%s", signal)
		require.Empty(t, p.stderr.String())
		require.Contains(t, p.stdout.String(), `"msg":"stopped"`)
	}
}

func TestASignalInTheMiddleOfARunKeepsWhatIsCommittedAndLeavesTheStreamsFree(t *testing.T) {
	s := newSystem(t, brief())
	s.slowly(40 * time.Millisecond)
	p := s.start()
	got := s.stopDuring(p, 12, http.MethodPost, "/archivelogs", envelope)
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Contains(t, got.body, "the next run goes on")
	require.Contains(t, p.stdout.String(), `"msg":"invocation handed over"`)
	require.NotContains(t, p.stdout.String(), `"msg":"invocation done"`)
	s.requireFree()
	kept := 0
	for _, stream := range logs.DefaultStreams() {
		kept += s.countStored(stream)
	}
	require.Positive(t, kept, "records were committed")

	s.tenant.ClearFaults()
	p = s.start()
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", p.stdout)
	s.requireArchived()
	for _, row := range p.coverage() {
		require.Equal(t, "current", row["status"], "%v", row)
	}
}

// TestASignalAtTheStartOfARunFailsItAndNothingElse: a success would hide that each run is stopped.
func TestASignalAtTheStartOfARunFailsItAndNothingElse(t *testing.T) {
	s := newSystem(t, brief())
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Delay: 10 * time.Second})
	for _, timer := range []string{"archivelogs", "snapshotdirectory"} {
		p := s.start()
		got := s.signalDuring(p, 1, http.MethodPost, "/"+timer, envelope)
		require.Equal(t, http.StatusServiceUnavailable, got.status, "%s: %s", timer, got.body)
		require.Contains(t, got.body, "run "+timer+": it was stopped before it could do anything")
		require.Contains(t, got.body, "the next run goes on")
		require.Equal(t, 1, strings.Count(p.stdout.String(), `"level":"ERROR"`), "that the invocation failed: %s",
			p.stdout)
	}
	s.requireFree()
	s.tenant.ClearFaults()
	p := s.start()
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", p.stdout)
	for _, row := range p.coverage() {
		require.Equal(t, "current", row["status"], "%v", row)
		require.NotContains(t, row, "lastError")
	}
}

func TestASignalLetsAnAnswerBeCompleted(t *testing.T) {
	s := newSystem(t, brief())
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Stream: logs.Provisioning, Delay: 300 * time.Millisecond})
	got := s.stopDuring(s.start(), 1, http.MethodGet, "/api/preflight", "")
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Contains(t, got.body, `"status":"ok"`)
}

// TestASignalInTheMiddleOfACollectionByHandHandsTheJobOver stops work that would take minutes; its
// caller continues with the link.
func TestASignalInTheMiddleOfACollectionByHandHandsTheJobOver(t *testing.T) {
	s := newSystem(t, brief())
	s.slowly(1500 * time.Millisecond)
	got := s.stopDuring(s.start(), 4, http.MethodPost, "/api/collect", "")
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	s.requireFree()

	s.tenant.ClearFaults()
	job, err := url.Parse(got.header.Get("Location"))
	require.NoError(t, err)
	p := s.start()
	status, answer := p.ask(http.MethodGet, job.Path, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "done", answer["status"], "%v", answer)
	s.requireArchived()
}

// TestASignalInALaterSliceOfACollectionByHandHandsTheJobOverOnceMore though that slice could do
// nothing.
func TestASignalInALaterSliceOfACollectionByHandHandsTheJobOverOnceMore(t *testing.T) {
	s := newSystem(t, brief())
	s.slowly(1500 * time.Millisecond)
	got := s.stopDuring(s.start(), 4, http.MethodPost, "/api/collect", "")
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	job, err := url.Parse(got.header.Get("Location"))
	require.NoError(t, err)

	s.tenant.ClearFaults()
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Delay: 20 * time.Second})
	got = s.stopDuring(s.start(), 1, http.MethodGet, job.Path, "")
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	require.Contains(t, got.header.Get("Location"), job.Path)

	s.tenant.ClearFaults()
	status, answer := s.start().ask(http.MethodGet, job.Path, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "done", answer["status"], "%v", answer)
	s.requireArchived()
}

// TestASignalInTheMiddleOfASnapshotByHandHandsTheJobOver as that of a collection does.
func TestASignalInTheMiddleOfASnapshotByHandHandsTheJobOver(t *testing.T) {
	s := newSystem(t, brief())
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.Slow, Stream: simtenant.Users, Delay: time.Minute})
	got := s.stopDuring(s.start(), 1, http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	require.Contains(t, got.body, `"status":"running"`)
	require.NotContains(t, got.body, "lastError")

	s.tenant.ClearFaults()
	job, err := url.Parse(got.header.Get("Location"))
	require.NoError(t, err)
	status, answer := s.start().ask(http.MethodGet, job.Path, "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "whole", answer["status"], "%v", answer)
}

func TestASignalThatCutsAnAnswerAsksItsCallerToComeAgain(t *testing.T) {
	s := newSystem(t, brief())
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.slowly(time.Minute)
	got := s.stopDuring(s.start(), 1, http.MethodGet, "/api/preflight", "")
	require.Equal(t, http.StatusServiceUnavailable, got.status, got.body)
	require.NotEmpty(t, got.header.Get("Retry-After"))
	var answer map[string]map[string]any
	require.NoError(t, json.Unmarshal([]byte(got.body), &answer))
	require.Equal(t, "serviceUnavailable", answer["error"]["code"])
	require.Contains(t, answer["error"]["message"], "ask again")
}
