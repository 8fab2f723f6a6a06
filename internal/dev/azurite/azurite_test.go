package azurite_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite"
)

// parentVariable makes the test binary a program that starts Azurite, prints its pid and waits to
// be killed.
const parentVariable = "ENTRALEDGER_TEST_PARENT"

func TestMain(m *testing.M) {
	if os.Getenv(parentVariable) != "" {
		server, err := azurite.Start(context.Background(), azurite.Options{})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(server.PID())
		<-server.Done()
		return
	}
	os.Exit(m.Run())
}

func TestTheDevelopmentAccountAcceptsTablesAndNamesThem(t *testing.T) {
	server, err := azurite.Start(t.Context(), azurite.Options{})
	require.NoError(t, err)
	t.Cleanup(server.Stop)
	service, err := aztables.NewServiceClientFromConnectionString(server.ConnectionString(azurite.DevelopmentAccount),
		nil)
	require.NoError(t, err)
	for _, name := range []string{"provisioning202611", "coverage"} {
		_, err = service.CreateTable(t.Context(), name, nil)
		require.NoError(t, err)
	}
	names, err := server.Tables(t.Context(), azurite.DevelopmentAccount)
	require.NoError(t, err)
	require.Equal(t, []string{"coverage", "provisioning202611"}, names)

	server.Stop()
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", server.Port))
	require.NoError(t, err, "Stop left the port taken")
	require.NoError(t, l.Close())
}

func TestAPortInUseIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	port := l.Addr().(*net.TCPAddr).Port
	_, err = azurite.Start(t.Context(), azurite.Options{Port: port})
	require.ErrorContains(t, err, fmt.Sprintf("port %d of 127.0.0.1 is in use", port))
}

func TestAMissingInstallationNamesTheCommandToRun(t *testing.T) {
	_, err := azurite.Start(t.Context(), azurite.Options{Root: t.TempDir()})
	require.ErrorContains(t, err, "make setup")
	require.NotContains(t, err.Error(), "\n")
}

func TestAnInstallationIsStaleWhereTheLockfileIsNewer(t *testing.T) {
	root := t.TempDir()
	write := func(path string, at time.Time) {
		path = filepath.Join(root, "tools", "azurite", filepath.FromSlash(path))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		require.NoError(t, os.Chtimes(path, at, at))
	}
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	require.False(t, azurite.Installed(root))
	write("package-lock.json", now)
	require.False(t, azurite.Installed(root), "npm did not finish")
	write("node_modules/.package-lock.json", now.Add(time.Minute))
	require.True(t, azurite.Installed(root))
	write("package-lock.json", now.Add(time.Hour))
	require.False(t, azurite.Installed(root))
}

func TestOnLinuxAzuriteDiesWithAParentThatIsKilled(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Log("only Linux ties a child's life to its parent's")
		return
	}
	self, err := os.Executable()
	require.NoError(t, err)
	parent := exec.Command(self)
	parent.Env = append(os.Environ(), parentVariable+"=1")
	out, err := parent.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, parent.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err, line)
	require.False(t, gone(pid))

	require.NoError(t, parent.Process.Kill())
	require.Error(t, parent.Wait())
	require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 20*time.Millisecond)
}

// gone reports whether a process has ended; an unreaped zombie has.
func gone(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(rest, "Z")
}
