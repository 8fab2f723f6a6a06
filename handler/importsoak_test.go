//go:build soak

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/logs"
)

// mostImportMemory is what an import of a file of any size may take, in kilobytes.
const mostImportMemory = 200 << 10

// largeFile writes sign-ins of 1,000 hours in turn until the file has a size, and returns their
// number.
func largeFile(t *testing.T, path string, size int64) (count int) {
	f, err := os.Create(path)
	require.NoError(t, err)
	out := bufio.NewWriterSize(f, 1<<20)
	policies := strings.Repeat(`{"id":"8872f6fb-da88-4b63-bcc7-17247669596b","displayName":"Require MFA for administrators",`+
		`"enforcedGrantControls":["Mfa"],"enforcedSessionControls":[],"result":"notApplied","conditionsSatisfied":1},`,
		20)
	for written := int64(0); written < size; count++ {
		at := time.Date(2024, 2, 1, (count*7919)%1000, count%60, count%59, 0, time.UTC).
			Format("2006-01-02T15:04:05.0000000+00:00")
		n, err := fmt.Fprintf(out, `{"time":"2024-02-01T00:00:00Z","category":"SignInLogs","tenantId":%q,`+
			`"properties":{"id":"%08d-aaaa","createdDateTime":%q,"userId":"u%d","userPrincipalName":"u%d@contoso.example",`+
			`"status":{"errorCode":0},"appliedConditionalAccessPolicies":[%s]}}`+"\r\n",
			simtenant.ID, count, at, count%5000, count%5000, policies[:len(policies)-1])
		require.NoError(t, err)
		written += int64(n)
	}
	require.NoError(t, out.Flush())
	require.NoError(t, f.Close())
	return count
}

// TestSoakAnImportOfALargeFile of SOAK_IMPORT_MB (1,024 by default), in no order: each process
// takes less than 200 MB, one that is killed while it reads goes on where it was, and so does one
// that is killed while it adds.
func TestSoakAnImportOfALargeFile(t *testing.T) {
	size := int64(1024)
	if text := os.Getenv("SOAK_IMPORT_MB"); text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		require.NoError(t, err, "SOAK_IMPORT_MB")
		size = n
	}
	s, _ := importable(t)
	folder, file := t.TempDir(), filepath.Join(t.TempDir(), "PT1H.json")
	count := largeFile(t, file, size<<20)
	state := func() (offset int64) {
		found, _ := filepath.Glob(filepath.Join(folder, "*", "state.json"))
		for _, path := range found {
			var is struct {
				Note struct{ Place struct{ Offset int64 } }
			}
			text, err := os.ReadFile(path)
			if err == nil && json.Unmarshal(text, &is) == nil {
				offset = is.Note.Place.Offset
			}
		}
		return offset
	}
	imported := func() int64 {
		p, err := s.store.Progress(t.Context(), logs.SignInsInteractiveUser)
		require.NoError(t, err)
		return p.Imported
	}
	run := func(name string, kill func() bool) (out string) {
		began := time.Now()
		cmd := exec.Command(os.Args[0], "import", "--json", "--spool", folder, "--by", "ann", file)
		cmd.Env = append(os.Environ(), playHandler+"=1")
		for name, value := range s.env {
			cmd.Env = append(cmd.Env, name+"="+value)
		}
		var text, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &text, &errs
		require.NoError(t, cmd.Start())
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		for kill != nil && !kill() {
			select {
			case err := <-ended:
				require.FailNow(t, "it ended before it was killed", "%s: %v\n%s", name, err, errs.String())
			case <-time.After(20 * time.Millisecond):
			}
		}
		if kill != nil {
			require.NoError(t, cmd.Process.Kill())
		}
		err := <-ended
		usage := cmd.ProcessState.SysUsage().(*syscall.Rusage)
		t.Logf("%s: %s, %d MB at most, read up to %d MB, %d records added", name, time.Since(began).Round(time.Second),
			usage.Maxrss>>10, state()>>20, imported())
		require.Less(t, usage.Maxrss, int64(mostImportMemory))
		if kill == nil {
			require.NoError(t, err, errs.String())
		}
		return text.String()
	}
	run("killed while it read", func() bool { return state() > 0 })
	at := state()
	run("killed while it read on", func() bool { return state() > at })
	run("killed while it added", func() bool { return imported() > 0 })
	got := summary(t, run("to its end", nil))
	require.EqualValues(t, count, got.Total.Records)
	require.EqualValues(t, count, got.Total.Added+got.Total.Present)
	require.EqualValues(t, count, imported())
}
