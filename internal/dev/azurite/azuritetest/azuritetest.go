// Package azuritetest gives each test an empty storage account on one Azurite for each test binary.
package azuritetest

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/entraledger/entraledger/internal/dev/azurite"
	"github.com/entraledger/entraledger/internal/dev/memstorage/memtest"
)

// accountsPerServer is how many tests of one binary can ask for an account; Azurite learns the
// names at its start.
const accountsPerServer = 400

// shared is the test binary's Azurite, started by the first test that needs it.
var shared struct {
	sync.Mutex
	server *azurite.Server
	next   int
}

// Main runs a package's tests and stops their Azurite. Call it from TestMain.
func Main(m *testing.M) {
	code := m.Run()
	shared.Lock()
	if shared.server != nil {
		shared.server.Stop()
	}
	os.Exit(code)
}

// Account is the connection string of an account that no other test uses. The test fails where
// Azurite can't start. With -short, which make check gives, the account is in memory: one suite
// says that both answer alike (internal/dev/memstorage).
func Account(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		return memtest.Account(t)
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = start(t)
	}
	if shared.next++; shared.next > accountsPerServer {
		t.Fatalf("more than %d tests of one package ask for an account; raise accountsPerServer", accountsPerServer)
	}
	return shared.server.ConnectionString(name(shared.next))
}

// start starts Azurite from a thread that lives as long as the test binary: the kernel ends a child
// with the thread that started it.
func start(t testing.TB) *azurite.Server {
	t.Helper()
	type started struct {
		server *azurite.Server
		err    error
	}
	result := make(chan started)
	go func() {
		runtime.LockOSThread()
		var names []string
		for i := range accountsPerServer {
			names = append(names, name(i+1))
		}
		server, err := azurite.Start(t.Context(), azurite.Options{Accounts: names, Blobs: true})
		result <- started{server, err}
		if err == nil {
			<-server.Done()
		}
	}()
	got := <-result
	if got.err != nil {
		t.Fatal(got.err)
	}
	return got.server
}

func name(i int) string { return fmt.Sprintf("test%04d", i) }
