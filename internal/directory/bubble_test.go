package directory_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/entraledger/entraledger/internal/dev/azurite/azuritetest"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/tables"
)

// inBubble runs a test beside others, in a bubble: its time passes only where everybody in it
// waits, so that Graph's ceilings cost none. Tests in bubbles have no subtests.
func inBubble(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	t.Parallel() // nothing is shared
	synctest.Test(t, test)
}

// subtest runs one case of a test in a bubble.
func subtest(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { inBubble(t, test) })
}

// onEachStorage runs a test with storage accounts in memory, and with some in Azurite, where what
// it waits for takes its time.
func onEachStorage(t *testing.T, test func(t *testing.T, account func(*testing.T) tables.Config)) {
	t.Helper()
	t.Parallel()
	subtest(t, "in memory", func(t *testing.T) { test(t, inMemory) })
	t.Run("in Azurite", func(t *testing.T) {
		t.Parallel()
		test(t, func(t *testing.T) tables.Config { return tables.Config{ConnectionString: azuritetest.Account(t)} })
	})
}

// inMemory is an empty account in memory.
func inMemory(*testing.T) tables.Config {
	account := memstorage.New(nil)
	return tables.Config{ConnectionString: account.ConnectionString(), HTTP: account.Client()}
}

// pipes is a network that has one server. Its connections are held in memory, which a bubble needs:
// whoever waits for a socket is not seen to wait.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// serve serves a handler until the test ends.
func serve(t *testing.T, handler http.Handler) *http.Transport {
	p := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	server := &http.Server{Handler: handler}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(p) // it ends with the server
	}()
	t.Cleanup(func() {
		_ = server.Close() // its connections are the test's own
		<-done
	})
	return &http.Transport{DialContext: p.dial, DisableKeepAlives: true}
}

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case p.conns <- far:
		return near, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept is net.Listener's.
func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close is net.Listener's.
func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr is net.Listener's.
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }
