package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/simtenant"
	"github.com/entraledger/entraledger/internal/simtenant/generate"
	"github.com/entraledger/entraledger/internal/tables"
)

// playHandler makes the test binary be the handler, so that a test can kill a real process.
const playHandler = "ENTRALEDGER_TEST_IS_HANDLER"

func TestMain(m *testing.M) {
	if os.Getenv(playHandler) != "" {
		main()
	}
	azuritetest.Main(m)
}

const envelope = `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},"Metadata":{"sys":{"MethodName":"archivelogs"}}}`

// system is a tenant, a storage account and the environment that ties a handler to them.
type system struct {
	*testing.T
	tenant *simtenant.Tenant
	graph  *httptest.Server
	store  *tables.Store
	env    map[string]string
}

func newSystem(t *testing.T, cfg simtenant.Config) *system {
	tenant, err := simtenant.New(cfg)
	require.NoError(t, err)
	graph := httptest.NewServer(tenant)
	t.Cleanup(graph.Close)
	account := azuritetest.Account(t)
	store, err := tables.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	return &system{T: t, tenant: tenant, graph: graph, store: store, env: map[string]string{
		"ARCHIVE_STORAGE": account, "GRAPH_ENDPOINT": graph.URL, "GRAPH_REQUESTS_PER_10S": "100000,1", "ARCHIVE_BACKFILL": "5000d",
		"IDENTITY_ENDPOINT": graph.URL + simtenant.IdentityPath, "IDENTITY_HEADER": "simtenant",
	}}
}

// process is a handler in a process of its own.
type process struct {
	*testing.T
	cmd    *exec.Cmd
	url    string
	stdout *lockedBuffer
	stderr *lockedBuffer
	ended  chan struct{}
}

func (s *system) start() *process {
	port := freePort(s.T)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), playHandler+"=1", "FUNCTIONS_CUSTOMHANDLER_PORT="+strconv.Itoa(port))
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	p := &process{T: s.T, cmd: cmd, url: fmt.Sprintf("http://127.0.0.1:%d", port), stdout: &lockedBuffer{}, stderr: &lockedBuffer{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	require.NoError(s, cmd.Start())
	go func() {
		_ = cmd.Wait() // its exit code is asked for by who cares
		close(p.ended)
	}()
	s.Cleanup(p.kill)
	require.Eventually(s, func() bool {
		resp, err := http.Get(p.url + "/")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	}, 30*time.Second, 25*time.Millisecond, "the handler does not listen: %s", p.stderr)
	return p
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// lockedBuffer takes a process's output.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func freePort(t *testing.T) int {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

// fire invokes the timer as the Functions host does.
func (p *process) fire() (int, map[string]any, error) {
	req, err := http.NewRequest(http.MethodPost, p.url+"/archivelogs", io.NopCloser(strings.NewReader(envelope))) // chunked
	require.NoError(p, err)
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("X-Azure-Functions-InvocationId", "5c2e7b0a")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	var answer map[string]any
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return resp.StatusCode, answer, err
}

func (p *process) coverage() []map[string]any {
	resp, err := http.Get(p.url + "/api/coverage")
	require.NoError(p, err)
	defer resp.Body.Close()
	var answer struct{ Value []map[string]any }
	require.NoError(p, json.NewDecoder(resp.Body).Decode(&answer))
	return answer.Value
}

// archived reads back every hash that is stored of a stream: current and earlier contents, with what they sum to.
func (s *system) archived(stream entra.Stream) map[entra.Hash]int {
	out := make(map[entra.Hash]int)
	hours := make(map[time.Time]bool)
	for raw := range s.tenant.Truth(stream) {
		rec, err := entra.ParseRecord(stream, raw)
		require.NoError(s, err)
		hours[entra.FloorHour(rec.Time)] = true
	}
	for hour := range hours {
		for rec, err := range s.store.Records(s.Context(), entra.Window{Stream: stream, Start: hour}) {
			require.NoError(s, err)
			out[rec.Hash]++
		}
	}
	return out
}

// requireArchived compares every record that the tenant serves up to the lag with what is stored, hash by hash.
func (s *system) requireArchived() {
	until := s.tenant.Now().Add(-6 * time.Minute)
	for _, stream := range entra.DefaultStreams() {
		want := make(map[entra.Hash]int)
		for raw := range s.tenant.Truth(stream) {
			rec, err := entra.ParseRecord(stream, raw)
			require.NoError(s, err)
			if rec.Time.Before(until) {
				want[rec.Hash] = 1
			}
		}
		got := s.archived(stream)
		for hash, n := range got {
			require.Equal(s, 1, n, "%s: %x is stored twice", stream, hash[:8])
			if _, ok := want[hash]; !ok {
				delete(got, hash) // younger than the comparison, or not the tenant's
			}
		}
		require.Equal(s, len(want), len(got), "%s: what is served and what is stored", stream)
	}
}

// TestEveryRecordOfTheSamplesLiesInTheTablesByteForByte is the main job on records that nobody here made up.
func TestEveryRecordOfTheSamplesLiesInTheTablesByteForByte(t *testing.T) {
	s := newSystem(t, simtenant.Config{Records: filepath.Join("..", "..", "shared", "samples")})
	s.env["ARCHIVE_BACKFILL"] = "3000d"
	p := s.start()
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v %s", answer, p.stdout)
	s.requireArchived()
	records := 0.0
	for _, row := range p.coverage() {
		require.Equal(t, "current", row["status"], "%v", row)
		require.Zero(t, row["windowsMissing"], "%v", row)
		require.Zero(t, row["quarantined"], "%v", row)
		records += row["records"].(float64) + row["versions"].(float64)
	}
	distinct := 0
	for _, stream := range entra.DefaultStreams() {
		distinct += len(s.archived(stream))
	}
	require.EqualValues(t, distinct, records, "the ledger counts what is there")
}

func small() simtenant.Config {
	return simtenant.Config{Generate: &generate.Config{Seed: 7, Users: 40, Apps: 6, Days: 29, Policies: 4}}
}

func TestAThirtyDayBackfillOfASmallTenantCostsFewRequests(t *testing.T) {
	s := newSystem(t, small())
	s.env["ARCHIVE_BACKFILL"] = "30d"
	p := s.start()
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", p.stdout)
	s.requireArchived()
	requests := make(map[entra.Stream]int)
	for _, r := range s.tenant.Requests() {
		requests[r.Stream]++
	}
	for _, stream := range entra.DefaultStreams() {
		require.LessOrEqual(t, requests[stream], s.tenant.Count(stream)/1000+10, stream)
	}
	for _, line := range strings.Split(strings.TrimSpace(p.stdout.String()), "\n") {
		require.True(t, json.Valid([]byte(line)), "a line of stdout is one JSON object: %s", line)
	}
	require.Empty(t, p.stderr.String())
}

// TestKilledInTheMiddleOfTheBackfillTheNextProcessLeavesTheSameTables kills the process without notice, several times.
func TestKilledInTheMiddleOfTheBackfillTheNextProcessLeavesTheSameTables(t *testing.T) {
	s := newSystem(t, small())
	for _, after := range []int{4, 9, 15} {
		p := s.start()
		killAfter := len(s.tenant.Requests()) + after
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _, _ = p.fire() // its connection breaks
		}()
		for len(s.tenant.Requests()) < killAfter {
			select {
			case <-done:
				killAfter = 0 // nothing is left to interrupt
			default:
				runtime.Gosched()
			}
		}
		require.NoError(t, p.cmd.Process.Signal(syscall.SIGKILL))
		<-done
	}
	p := s.start()
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%s", p.stdout)
	s.requireArchived()
	for _, row := range p.coverage() {
		require.EqualValues(t, s.countStored(entra.Stream(row["stream"].(string))), row["records"].(float64)+row["versions"].(float64), "%v", row)
	}
}

func (s *system) countStored(stream entra.Stream) int {
	n := 0
	for _, times := range s.archived(stream) {
		n += times
	}
	return n
}

func TestAStreamThatFailsHoldsUpNoOther(t *testing.T) {
	cases := []struct {
		kind simtenant.Kind
		code string
		says string
	}{
		{simtenant.NoLicence, "licenceMissing", "P1 or P2"},
		{simtenant.NoPermission, "permissionMissing", "AuditLog.Read.All"},
	}
	for _, c := range cases {
		t.Run(string(c.kind), func(t *testing.T) {
			s := newSystem(t, small())
			s.tenant.Inject(simtenant.Fault{Kind: c.kind, Stream: entra.SignInsServicePrincipal})
			p := s.start()
			status, answer, err := p.fire()
			require.NoError(t, err)
			require.GreaterOrEqual(t, status, 400, "the platform has to see it")
			require.Contains(t, fmt.Sprint(answer), c.says)
			require.Contains(t, p.stdout.String(), c.says, "the reason is in the log")
			for _, row := range p.coverage() {
				if row["stream"] == string(entra.SignInsServicePrincipal) {
					require.Equal(t, "failing", row["status"])
					require.Equal(t, c.code, row["lastError"].(map[string]any)["code"])
				} else {
					require.Equal(t, "current", row["status"], "%v", row)
				}
			}
			s.tenant.ClearFaults()
			status, _, err = p.fire()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
			s.requireArchived()
		})
	}
}

// TestFaultsOfGraphLoseAndDoubleNothing walks the faults that pass by themselves.
func TestFaultsOfGraphLoseAndDoubleNothing(t *testing.T) {
	for _, kind := range simtenant.Kinds() {
		if slices.Contains([]simtenant.Kind{simtenant.NoPermission, simtenant.Slow}, kind) {
			continue // one does not pass, the other is a matter of minutes
		}
		t.Run(string(kind), func(t *testing.T) {
			s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 50, Apps: 4, Days: 20, Policies: 2}})
			s.tenant.Inject(simtenant.Fault{Kind: kind, After: 7, Count: 2, Delay: 3 * time.Minute, RetryAfter: "0"})
			s.env["ARCHIVE_STREAMS"] = "signIns.interactiveUser,signIns.nonInteractiveUser,provisioning"
			p := s.start()
			status, answer, err := p.fire()
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status, "%v", answer)
			s.tenant.ClearFaults()
			for _, stream := range []entra.Stream{entra.SignInsInteractiveUser, entra.SignInsNonInteractiveUser, entra.Provisioning} {
				want, got := 0, s.archived(stream)
				for raw := range s.tenant.Truth(stream) {
					rec, err := entra.ParseRecord(stream, raw)
					require.NoError(t, err)
					if rec.Time.Before(s.tenant.Now().Add(-10 * time.Minute)) {
						require.Equal(t, 1, got[rec.Hash], "%s %s", stream, rec.ID)
						want++
					}
				}
				require.Positive(t, want)
			}
		})
	}
}

func TestASettingThatCantBeUnderstoodStopsTheStartWithOneLine(t *testing.T) {
	var out, errs bytes.Buffer
	code := run(t.Context(), func(name string) string {
		return map[string]string{"AZURE_CLOUD": "Mars", "ARCHIVE_STORAGE": "UseDevelopmentStorage=true"}[name]
	}, &out, &errs)
	require.Equal(t, 1, code)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
	require.Contains(t, errs.String(), "AZURE_CLOUD")
}

func TestAPortInUseIsOneLine(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	var out, errs bytes.Buffer
	code := run(t.Context(), func(name string) string {
		return map[string]string{"FUNCTIONS_CUSTOMHANDLER_PORT": port, "ARCHIVE_STORAGE": "UseDevelopmentStorage=true"}[name]
	}, &out, &errs)
	require.Equal(t, 1, code)
	require.Contains(t, errs.String(), port)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
}

func TestASignalStopsTheHandlerAndNeverWithZero(t *testing.T) {
	s := newSystem(t, small())
	p := s.start()
	require.NoError(t, p.cmd.Process.Signal(syscall.SIGTERM))
	<-p.ended
	require.Equal(t, exitStopped, p.cmd.ProcessState.ExitCode())
	require.NotZero(t, exitStopped)
}

func TestAStorageAccountThatCantBeReachedFailsTheRunWithOneLine(t *testing.T) {
	s := newSystem(t, small())
	s.env["ARCHIVE_STORAGE"] = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=c2VjcmV0;TableEndpoint=http://127.0.0.1:1/x"
	s.env["ARCHIVE_STREAMS"] = "provisioning"
	p := s.start()
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Contains(t, fmt.Sprint(answer), "ARCHIVE_STORAGE")
	require.NotContains(t, p.stdout.String()+p.stderr.String(), "c2VjcmV0", "no key in a log")
}

func TestATokenThatIsRefusedFailsTheRunWithOneLine(t *testing.T) {
	s := newSystem(t, small())
	s.env["IDENTITY_HEADER"] = "wrong"
	p := s.start()
	status, answer, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, fmt.Sprint(answer), "managed identity")

	s = newSystem(t, small())
	s.env["ARCHIVE_STREAMS"] = "provisioning"
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.TokenExpired})
	p = s.start()
	status, answer, err = p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, fmt.Sprint(answer), "AZURE_CLOUD")
	require.NotContains(t, p.stdout.String(), "eyJ", "no token in a log")
}

func TestTheHandlerListensOnLoopbackOnly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	port := freePort(t)
	done := make(chan error, 1)
	go func() {
		done <- serve(ctx, port, http.NotFoundHandler(), slog.New(slog.DiscardHandler))
	}()
	require.Eventually(t, func() bool {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			conn.Close()
		}
		return err == nil
	}, 10*time.Second, 10*time.Millisecond)
	other, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port))
	require.NoError(t, err, "other addresses are free")
	other.Close()
	cancel()
	require.NoError(t, <-done)
}
