package infra_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const lockID = archiveID + "/providers/Microsoft.Authorization/locks/keep-the-archive"

// hanging starts a destroy that hangs on a private endpoint, with the archive's lock lifted.
func hanging(t *testing.T, more ...fault) (*cloud, *exec.Cmd, *bytes.Buffer) {
	c := toDestroy(t, func(s *subscription) {
		s.Faults = append([]fault{{Call: "pep-archive-blob", Hangs: true, Times: 1}}, more...)
	})
	cmd, out := c.command("destroy.sh", "--resource-group", "rg-ledger", "--yes"), &bytes.Buffer{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // as a terminal does: the signal goes to all of them
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	c.uses(0)
	require.NotContains(t, c.names(), "keep-the-archive")
	return c, cmd, out
}

// uses waits until a fault was met as often as it may be.
func (c *cloud) uses(fault int) {
	c.Helper()
	require.Eventually(c, func() bool { return c.state().Faults[fault].Times == 0 }, time.Minute, 5*time.Millisecond)
}

func TestAnInterruptedDestroyPutsTheLockBack(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(signal.String(), func(t *testing.T) {
			c, cmd, out := hanging(t)
			require.NoError(t, syscall.Kill(-cmd.Process.Pid, signal))
			require.Error(t, cmd.Wait())
			require.Contains(t, out.String(), "STOP: interrupted")
			require.Contains(t, out.String(), "the lock of stledgerx1y2z3w4a is back")
			require.Contains(t, c.names(), "keep-the-archive")
			text, code := c.destroy()
			require.Zero(t, code, text)
			require.Equal(t, keptArchive, c.names())
		})
	}
}

func TestASecondSignalDoesNotKeepTheLockFromBeingPutBack(t *testing.T) {
	for _, second := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(second.String(), func(t *testing.T) {
			goOn := filepath.Join(t.TempDir(), "go on")
			c, cmd, out := hanging(t, fault{Call: "--method put", Until: goOn, Times: 1})
			require.NoError(t, syscall.Kill(-cmd.Process.Pid, syscall.SIGINT))
			c.uses(1)
			require.NoError(t, syscall.Kill(-cmd.Process.Pid, second))
			require.NoError(t, os.WriteFile(goOn, nil, 0o600))
			require.Error(t, cmd.Wait())
			require.Contains(t, out.String(), "the lock of stledgerx1y2z3w4a is back")
			require.Contains(t, out.String(), "STOP: interrupted")
			require.Contains(t, c.names(), "keep-the-archive", out)
		})
	}
}

// TestASignalToTheScriptAloneEndsItAtOnce sends it as a service manager does: az does not get it.
func TestASignalToTheScriptAloneEndsItAtOnce(t *testing.T) {
	c, cmd, out := hanging(t)
	began := time.Now()
	require.NoError(t, syscall.Kill(cmd.Process.Pid, syscall.SIGTERM))
	require.Error(t, cmd.Wait())
	require.Less(t, time.Since(began), 40*time.Second, "az hangs for a minute")
	require.Contains(t, c.names(), "keep-the-archive", out)
}

func TestADestroyWhoseReaderGoesAwayPutsTheLockBack(t *testing.T) {
	c := toDestroy(t, nil)
	cmd := c.command("destroy.sh", "--resource-group", "rg-ledger", "--yes")
	cmd.Args = []string{"bash", "-c", `bash "$@" | sed -n '/lifting/q'; exit "${PIPESTATUS[0]}"`, "-", cmd.Args[1],
		"--resource-group", "rg-ledger", "--yes"}
	out, err := cmd.CombinedOutput()
	require.Error(t, err, string(out))
	require.Contains(t, c.names(), "keep-the-archive", string(out))
}

// TestTheLockIsReadBackAfterItWasPut lets Azure answer to the first tries as it should not.
func TestTheLockIsReadBackAfterItWasPut(t *testing.T) {
	for name, f := range map[string]fault{
		"it says yes, and does nothing": {Answers: "{}", Times: 2},
		"it does not find the account":  {Says: "(ResourceNotFound) The Resource was not found.", Times: 1},
		"it refuses":                    {Says: "(AuthorizationFailed) no", Times: 2},
		"it does it, and says no":       {Says: "(Conflict) not now", Times: 1, After: true},
	} {
		t.Run(name, func(t *testing.T) {
			f.Call = "--method put --url " + lockID
			c := toDestroy(t, func(s *subscription) { s.Faults = []fault{f} })
			out, code := c.destroy()
			require.Zero(t, code, out)
			require.Contains(t, out, "the lock of stledgerx1y2z3w4a is back")
			require.Equal(t, keptArchive, c.names())
			require.Zero(t, c.state().Faults[0].Times)
		})
	}
}

func TestALockThatCantBePutBackIsShoutedAbout(t *testing.T) {
	refused := fault{Call: "--method put", Says: "(AuthorizationFailed) no", Times: -1}
	byHand := "put it back: az lock create --name 'keep-the-archive' --lock-type CanNotDelete " +
		"--resource '" + archiveID + "' --notes 'The archive of Entra Ledger.'"
	t.Run("at the end, where all went well otherwise", func(t *testing.T) {
		c := toDestroy(t, func(s *subscription) { s.Faults = []fault{refused} })
		out, code := c.destroy()
		require.Equal(t, 1, code, "who runs it in a script has to notice")
		require.Contains(t, out, "NOT back yet, and is tried again at the end. Azure says: (AuthorizationFailed) no")
		require.Contains(t, out, "STOP: all is deleted that was to be, and the archive is without its lock")
		require.Contains(t, out, byHand)
		require.NotContains(t, c.names(), "vnet-ledger-x1y2z3w4", "the rest is deleted")
		out, _ = c.destroy()
		require.Contains(t, out, "It has no lock; to make one: az lock create")
		// A deployment makes it again: it was never given up.
		c.deployed()
		require.Contains(t, c.names(), "keep-the-archive")
	})
	t.Run("beside what went wrong", func(t *testing.T) {
		c := toDestroy(t, func(s *subscription) {
			s.Faults = []fault{refused, {Call: "pep-archive-blob", Says: "(Conflict) not now", Times: 1}}
		})
		out, code := c.destroy()
		require.Equal(t, 1, code)
		require.Contains(t, out, "ATTENTION: the archive is without its lock. Azure says: (AuthorizationFailed) no")
		require.Contains(t, out, byHand)
		require.Contains(t, out, "STOP: pep-archive-blob-ledger-x1y2z3w4 was not deleted. Azure says: "+
			"(Conflict) not now")
	})
	t.Run("until the end, when Azure takes it", func(t *testing.T) {
		c := toDestroy(t, func(s *subscription) {
			s.Faults = []fault{{Call: refused.Call, Says: refused.Says, Times: 5}}
		})
		out, code := c.destroy()
		require.Zero(t, code, out)
		require.Contains(t, out, "NOT back yet")
		require.Equal(t, keptArchive, c.names())
	})
}

func TestEachOfSeveralLocksIsPutBackAsItWas(t *testing.T) {
	other := archiveID + "/providers/Microsoft.Authorization/locks/do not touch"
	c := toDestroy(t, func(s *subscription) {
		s.put(other, arm{"properties": arm{"level": "ReadOnly", "notes": `Ada's "own"`}})
	})
	before := c.state()
	out, code := c.destroy()
	require.Zero(t, code, out)
	for _, id := range []string{lockID, other} {
		require.Equal(t, before.get(id)["properties"], c.state().get(id)["properties"])
	}
}

func TestALockOfTheCompanysIsNeverLifted(t *testing.T) {
	company := rgID + "/providers/Microsoft.Authorization/locks/company"
	lock := func(s *subscription) { s.put(company, arm{"properties": arm{"level": "CanNotDelete"}}) }
	t.Run("it stops the destroy with its name", func(t *testing.T) {
		c := toDestroy(t, lock)
		out, code := c.destroy()
		require.Equal(t, 1, code)
		require.Contains(t, out, "ScopeLocked")
		require.Contains(t, out, "az lock list --resource-group rg-ledger")
	})
	t.Run("nor where the archive's own lock is", func(t *testing.T) {
		c := toDestroy(t, func(s *subscription) {
			s.Faults = []fault{{Call: "pep-archive-blob", Says: "(Conflict) not now", Times: 1}}
		})
		_, code := c.destroy()
		require.Equal(t, 1, code)
		c.change(lock)
		out, code := c.destroy()
		require.Equal(t, 1, code)
		require.Contains(t, out, "ScopeLocked")
		require.Contains(t, c.names(), "company")
		require.Contains(t, c.names(), "keep-the-archive")
		require.NotContains(t, c.state().Log, "rest --method delete --url "+company+
			"?api-version=2020-05-01 --output none --only-show-errors")
	})
}

// TestALockThatWasLiftedIsFeltForAWhileAndOneThatIsBackIsNot: a lock that Azure still sees passes
// by itself, and one that is there does not.
func TestALockThatWasLiftedIsFeltForAWhileAndOneThatIsBackIsNot(t *testing.T) {
	c := toDestroy(t, func(s *subscription) {
		s.Faults = []fault{{Call: "pep-archive-blob", Says: "(ScopeLocked) not now", Times: 3},
			{Call: "components/appi", Says: "(ScopeLocked) not now", Times: 4}}
	})
	out, code := c.destroy()
	require.Equal(t, 1, code)
	require.Contains(t, out, "STOP: appi-ledger-x1y2z3w4 was not deleted")
	require.Equal(t, 0, c.state().Faults[0].Times)
	require.Equal(t, 3, c.state().Faults[1].Times)
}
