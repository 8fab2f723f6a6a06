package devhost

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTheHandlerDoesNotOutliveAKilledHost(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	out := newConsole()
	host := exec.Command(self)
	host.Env = append(os.Environ(), "DEVHOST_TEST_HOST="+
		appFiles(t, map[string]string{"Tick/function.json": fiveMinute}))
	host.Stdout, host.WaitDelay = out, time.Second
	require.NoError(t, host.Start())
	out.await(t, "handler ready")
	pid, err := strconv.Atoi(regexp.MustCompile(`pid (\d+)`).FindStringSubmatch(out.String())[1])
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pid, 0), "the handler runs")
	require.NoError(t, host.Process.Kill())
	_ = host.Wait() // it reports the kill
	require.Eventually(t, func() bool { return gone(pid) }, 10*time.Second, 5*time.Millisecond)
}

// gone counts a dead but unreaped process as gone.
func gone(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || regexp.MustCompile(`\) [ZX] `).Match(stat)
}
