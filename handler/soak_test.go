//go:build soak

package main

import (
	"bufio"
	"fmt"
	"iter"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestSoak walks more seeds of what TestWhateverHappensTheArchiveEndsAsTheTenant walks, until their
// number or the time is up: make soak SEEDS=1000 FOR=40m.
func TestSoak(t *testing.T) {
	seeds, err := strconv.ParseUint(os.Getenv("SEEDS"), 10, 64)
	require.NoError(t, err, "SEEDS")
	lasts, err := time.ParseDuration(os.Getenv("FOR"))
	require.NoError(t, err, "FOR")
	end := time.Now().Add(lasts)
	walked := uint64(0)
	for ; walked < seeds && time.Now().Before(end); walked++ {
		seed := chaosSeeds + walked
		if !t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { chaos(t, seed) }) {
			break
		}
	}
	t.Logf("%d seeds walked, from %d on", walked, chaosSeeds)
}

// TestSoakAClientFollowsManyUsers is TestAClientFollowsEveryPageWhileANewSnapshotLands with more of
// them. A hundred thousand are walked in tools/bench, because Azurite goes through all rows for
// every page.
func TestSoakAClientFollowsManyUsers(t *testing.T) {
	walkWhileASnapshotLands(t, 15_000, 999)
}

// TestSoakADownloadOfManyRecordsIsTheTenantsTruth compares a file of SOAK_RECORDS sign-ins (200,000
// by default) with the tenant line for line, and bounds what the handler grows by while it streams
// it.
func TestSoakADownloadOfManyRecordsIsTheTenantsTruth(t *testing.T) {
	records := 200_000
	if text := os.Getenv("SOAK_RECORDS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(t, err, "SOAK_RECORDS")
		records = n
	}
	stream := logs.SignInsInteractiveUser
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 77, Users: 2000, Days: 28,
		Exactly: map[entra.Stream]int{stream: records}}})
	s.env["ARCHIVE_STREAMS"], s.env["ARCHIVE_RUN_BUDGET"] = string(stream), "20m"
	s.tenant.Freeze(s.tenant.Now().Add(10 * time.Minute))
	p := s.start()
	status, body, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", body)
	before := p.residentMB()
	resp, err := http.Get(p.url + "/api/downloads/InteractiveSignIns?format=ndjson")
	require.NoError(t, err)
	defer resp.Body.Close()
	// Lines of one second have no order, so each second's are compared as a set.
	next, stop := iter.Pull(s.tenant.Truth(stream))
	defer stop()
	lines, n := bufio.NewScanner(resp.Body), 0
	lines.Buffer(nil, 1<<24)
	open := map[string]int{}
	for lines.Scan() {
		n++
		open[lines.Text()]++
		raw, ok := next()
		require.True(t, ok, "the file has more lines than the tenant records")
		open[string(raw)]--
		for _, line := range []string{lines.Text(), string(raw)} {
			if open[line] == 0 {
				delete(open, line)
			}
		}
		require.Less(t, len(open), 10_000, "line %d is not the tenant's", n)
	}
	require.NoError(t, lines.Err())
	require.Empty(t, open)
	require.Equal(t, records, n)
	t.Logf("%d lines; the handler held %d MB before and at most %d MB while it wrote them", n, before, p.residentMB())
	require.Less(t, p.residentMB(), before+150)
}

// residentMB is the most memory that the process has had resident.
func (p *process) residentMB() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(p, err)
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kb, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(p, err)
	return kb / 1000
}
