package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/blobs"
	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/dev/devhost"
	"github.com/entraledger/entraledger/internal/dev/memstorage/memtest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

const envelope = `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":null,"IsPastDue":false}},` +
	`"Metadata":{"sys":{"MethodName":"archivelogs"}}}`

// system is a tenant, a storage account and the environment that ties a handler to them.
type system struct {
	*testing.T
	tenant *simtenant.Tenant
	graph  *httptest.Server
	store  *tablestest.Store
	heads  *blobs.Store
	env    map[string]string
	log    lockedBuffer // of what runs in the test's own process
}

// newSystem has its storage account in memory.
func newSystem(t *testing.T, cfg simtenant.Config) *system {
	return newSystemOn(t, memtest.Account(t), cfg)
}

// newSystemOnAzurite is for the journeys that show that all of it works on Azure's own emulator.
func newSystemOnAzurite(t *testing.T, cfg simtenant.Config) *system {
	return newSystemOn(t, azuritetest.Account(t), cfg)
}

func newSystemOn(t *testing.T, account string, cfg simtenant.Config) *system {
	cfg.IdentityHeader = identityHeader
	tenant, err := simtenant.New(cfg)
	require.NoError(t, err)
	graph := httptest.NewServer(tenant)
	t.Cleanup(graph.Close)
	store, err := tablestest.New(tables.Config{ConnectionString: account})
	require.NoError(t, err)
	heads, err := blobs.New(blobs.Config{ConnectionString: account})
	require.NoError(t, err)
	// Its requests would be counted and its faults be used up: a test of its own has the preflight
	// of a first run.
	_, err = store.SaveJob(t.Context(), jobs.Job{Kind: preflight.Kind, ID: version, State: []byte("[]"), Done: true,
		Created: time.Now(), Updated: time.Now()})
	require.NoError(t, err)
	s := &system{T: t, tenant: tenant, graph: graph, store: store, heads: heads, env: map[string]string{
		"ARCHIVE_STORAGE": account, "GRAPH_ENDPOINT": graph.URL, "GRAPH_REQUESTS_PER_10S": "100000,1",
		"ARCHIVE_BACKFILL":  "5000d",
		"IDENTITY_ENDPOINT": graph.URL + simtenant.IdentityPath, "IDENTITY_HEADER": identityHeader,
	}}
	s.watch("the log", s.log.String)
	return s
}

// GetToken asks the tenant. The managed identity of azidentity would not do: its cache is the
// process's, and each test has a tenant of its own.
func (s *system) GetToken(ctx context.Context, _ policy.TokenRequestOptions) (azcore.AccessToken, error) {
	var answer struct {
		Token string `json:"access_token"`
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.env["IDENTITY_ENDPOINT"]+
		"?api-version=2019-08-01&resource=graph", nil)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	req.Header.Set("X-IDENTITY-HEADER", s.env["IDENTITY_HEADER"])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return azcore.AccessToken{}, err
	}
	defer resp.Body.Close()
	err = json.NewDecoder(resp.Body).Decode(&answer)
	return azcore.AccessToken{Token: answer.Token, ExpiresOn: time.Now().Add(time.Hour)}, err
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

func (s *system) start() *process { return s.startBinary(os.Args[0]) }

// startBinary starts a handler that was built before, or the test's own.
func (s *system) startBinary(path string) *process {
	port := freePort(s.T)
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), playHandler+"=1", "FUNCTIONS_CUSTOMHANDLER_PORT="+strconv.Itoa(port))
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	p := &process{T: s.T, cmd: cmd, url: fmt.Sprintf("http://127.0.0.1:%d", port), stdout: &lockedBuffer{},
		stderr: &lockedBuffer{}, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = p.stdout, p.stderr
	require.NoError(s, cmd.Start())
	go func() {
		_ = cmd.Wait() // its exit code is asked for by who cares
		close(p.ended)
	}()
	s.watch("standard output", p.stdout.String)
	s.watch("standard error", p.stderr.String)
	s.Cleanup(p.kill)
	require.Eventually(s, p.listens, 30*time.Second, 25*time.Millisecond, "the handler does not listen: %s", p.stderr)
	return p
}

// listens tells whether the process answers, and is it that does: another program may have its port,
// and answer with whatever it was sent, a key among it.
func (p *process) listens() bool {
	if !strings.Contains(p.stdout.String(), `"address":"`+strings.TrimPrefix(p.url, "http://")+`"`) {
		return false
	}
	resp, err := http.Get(p.url + "/")
	if err == nil {
		resp.Body.Close()
	}
	return err == nil
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
}

// lockedBuffer collects a process's output.
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
	port, err := devhost.FreePort()
	require.NoError(t, err)
	return port
}

// fire invokes the timer as the Functions host does.
func (p *process) fire() (int, map[string]any, error) { return p.invoke("archivelogs") }

// invoke invokes a timer as the Functions host does.
func (p *process) invoke(timer string) (int, map[string]any, error) {
	req, err := http.NewRequest(http.MethodPost, p.url+"/"+timer, io.NopCloser(strings.NewReader(envelope))) // chunked
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

// archived reads back every hash that is stored of a stream: current and earlier contents, with
// what they sum to.
func (s *system) archived(stream entra.Stream) map[entra.Hash]int {
	out := make(map[entra.Hash]int)
	for hour := range s.hours(stream) {
		for rec, err := range s.store.Records(s.Context(), entra.Window{Stream: stream, Start: hour}) {
			require.NoError(s, err)
			out[rec.Hash]++
		}
	}
	return out
}

// hours are those in which the tenant has a record.
func (s *system) hours(stream entra.Stream) map[time.Time]bool {
	hours := make(map[time.Time]bool)
	for raw := range s.tenant.Truth(stream) {
		rec, err := logs.ParseRecord(stream, raw)
		require.NoError(s, err)
		hours[entra.FloorHour(rec.Time)] = true
	}
	return hours
}

// requireArchived compares every record that the tenant serves of streams up to the lag with what
// is stored, hash by hash. No streams: the default ones.
func (s *system) requireArchived(streams ...entra.Stream) {
	until := s.tenant.Now().Add(-6 * time.Minute)
	if len(streams) == 0 {
		streams = logs.DefaultStreams()
	}
	for _, stream := range streams {
		want := make(map[entra.Hash]int)
		for raw := range s.tenant.Truth(stream) {
			rec, err := logs.ParseRecord(stream, raw)
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

func (s *system) countStored(stream entra.Stream) int {
	n := 0
	for _, times := range s.archived(stream) {
		n += times
	}
	return n
}
