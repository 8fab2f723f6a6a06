package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/tools/bench/discard"
)

// benchAccount and benchKey are the account that the discarding table server goes by; it checks no
// signature.
const (
	benchAccount = "bench"
	benchKey     = "YmVuY2g="
)

// addresses is what the server process answers first.
type addresses struct {
	Graph    string `json:"graph"`
	Identity string `json:"identity"`
	Header   string `json:"header"`
	Tables   string `json:"tables"`  // connection string of the discarding table server
	Control  string `json:"control"` // GET reads the counts, POST sets everything to zero
}

// counts is what the server process saw since the last reset.
type counts struct {
	GraphRequests int64            `json:"graphRequests"` // of log pages
	Tables        discard.Counters `json:"tables"`
}

// identityHeader is the secret of the tenant's token endpoint.
const identityHeader = "bench"

// newTenant is a simulated tenant with a number of interactive sign-ins in 29 days, none of them in
// the last hour, which a collector may leave to its next run. Its clock does not move.
func newTenant(j job) (*simtenant.Tenant, error) {
	tenant, err := simtenant.New(simtenant.Config{
		Generate: &generate.Config{
			Seed: j.Seed, Users: cmp.Or(j.Users, 2000), Apps: cmp.Or(j.Apps, 60), Days: 29, Policies: 12,
			End:     j.Now.Add(-time.Hour),
			Exactly: map[entra.Stream]int{logs.SignInsInteractiveUser: j.Records},
		},
		Now: j.Now, NoGzip: !j.Gzip, IdentityHeader: identityHeader,
	})
	if err != nil {
		return nil, fmt.Errorf("make up the tenant: %w", err)
	}
	tenant.Freeze(j.Now)
	return tenant, nil
}

// serve is the server process: the simulated tenant and the discarding table server, each on its
// own socket.
func serve(ctx context.Context, j job, out io.Writer) error {
	tenant, err := newTenant(j)
	if err != nil {
		return err
	}
	var pages atomic.Int64
	graph := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/auditLogs/") {
			pages.Add(1)
		}
		tenant.ServeHTTP(w, r)
	})
	forget := discard.New("coverage", "dictionaries")
	control := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			forget.Reset()
			pages.Store(0)
		}
		_ = json.NewEncoder(w).Encode(counts{pages.Load(), forget.Counters()})
	})
	var sites [3]string
	for i, handler := range []http.Handler{graph, forget, control} {
		site, err := listen(ctx, handler)
		if err != nil {
			return err
		}
		sites[i] = site
	}
	answer := addresses{
		Graph: sites[0], Identity: sites[0] + simtenant.IdentityPath, Header: identityHeader, Control: sites[2],
		Tables: fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;TableEndpoint=%s/%[1]s;",
			benchAccount, benchKey, sites[1]),
	}
	if err := json.NewEncoder(out).Encode(answer); err != nil {
		return fmt.Errorf("tell the addresses: %w", err)
	}
	<-ctx.Done()
	return nil
}

// serveBulk is a process with a table server that remembers everything.
func serveBulk(ctx context.Context, _ job, out io.Writer) error {
	site, err := listen(ctx, discard.NewKeepingAll("coverage", "dictionaries", "secrets", "quarantine"))
	if err != nil {
		return err
	}
	connection := fmt.Sprintf("DefaultEndpointsProtocol=http;AccountName=%s;AccountKey=%s;TableEndpoint=%s/%[1]s;",
		benchAccount, benchKey, site)
	if err := json.NewEncoder(out).Encode(connection); err != nil {
		return fmt.Errorf("tell the address: %w", err)
	}
	<-ctx.Done()
	return nil
}

// listen serves a handler on a free port of the loopback until ctx ends, and returns its base URL.
func listen(ctx context.Context, handler http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen on the loopback: %w", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	// A server that fails shows as a client's error, which has the better words.
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), nil
}

// readCounts asks the server process; a POST sets the counts to zero and drops all tables.
func readCounts(ctx context.Context, method, control string) (counts, error) {
	var c counts
	request, err := http.NewRequestWithContext(ctx, method, control, nil)
	if err != nil {
		return c, fmt.Errorf("read the counts: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return c, fmt.Errorf("read the counts: %w", err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&c); err != nil {
		return c, fmt.Errorf("read the counts: %w", err)
	}
	return c, nil
}
