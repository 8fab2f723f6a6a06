package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

const (
	fifty         = 50
	instanceBytes = 512_000_000 // of the smallest instance; the host's share is not taken off
	mostMB        = 200         // that the program may hold, whatever is asked
)

// TestEveryFunctionHoldsWithFiftyCallersInTheSmallestInstance asks each operation of each function 50
// times at once, of a process that may have 512 MB. Nothing fails: an answer is given, or refused
// with 429 and the time to come back. All of it stays within what the program may hold.
func TestEveryFunctionHoldsWithFiftyCallersInTheSmallestInstance(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 5, Users: 100, Apps: 20, Days: 5,
		Exactly: map[entra.Stream]int{logs.SignInsInteractiveUser: fiftyRecords,
			logs.SignInsNonInteractiveUser: 1000}}})
	s.tenant.Freeze(s.tenant.Now().Add(10 * time.Minute))
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.interactiveUser,signIns.nonInteractiveUser," +
		"customSecurityAttributeAudits"
	s.env["HTTP_ATTRIBUTE_AUDITS"] = "allow"
	s.env["GOGC"] = "100"          // tests run with more
	s.env["GOMEMLIMIT"] = "180MiB" // as infra/modules/app.bicep has it for 512 MB
	p := s.start()
	limited := p.limitMemory(instanceBytes)
	for _, timer := range []string{"archivelogs", "snapshotdirectory", "indexarchive"} {
		status, body, err := p.invoke(timer)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", body)
	}
	audit := s.anAudit()
	cases := attributeCases()
	slices.SortStableFunc(cases, func(a, b attributeCase) int { return strings.Compare(a.of, b.of) })
	cases = slices.DeleteFunc(cases, func(c attributeCase) bool { // its files may not be built
		return strings.HasPrefix(c.of, "GET /api/ui")
	})
	cases = slices.CompactFunc(cases, func(a, b attributeCase) bool { return a.of == b.of }) // one of each operation
	for _, query := range []string{"InteractiveSignIns?format=csv", "InteractiveSignIns?format=ndjson"} {
		cases = append(cases, attributeCase{ask: "GET /api/downloads/" + query})
	}
	for _, query := range []string{"$top=1000", "$count=true", "$filter=contains(userDisplayName,'nobody at all')"} {
		cases = append(cases, attributeCase{ask: "GET /api/auditLogs/signIns?" + query})
	}
	cases = append(cases, attributeCase{ask: "GET /api/auditLogs/signIns?aggregate=24h&" +
		"$filter=signInEventTypes/any(t: t eq 'nonInteractiveUser')"})
	answers := map[int]int{}
	for _, c := range cases {
		method, address := c.fill(audit)
		for _, status := range p.askedAtOnce(method, address, c.body) {
			answers[status]++
		}
	}
	t.Logf("memory limit: %s; answers by status: %v; peak: %d MB", limited, answers, p.residentPeak())
	require.Positive(t, answers[http.StatusOK])
	require.Positive(t, answers[http.StatusTooManyRequests])
	require.Less(t, p.residentPeak(), mostMB)
	select {
	case <-p.ended:
		require.Fail(t, "the process has ended", "%s%s", p.stdout, p.stderr)
	default:
	}
	require.NotContains(t, p.stdout.String(), `"msg":"panic"`)
	require.NotContains(t, p.stdout.String(), "a function hangs")
}

// anAudit is one that the archive has.
func (s *system) anAudit() gjson.Result {
	for raw := range s.tenant.Truth(logs.CustomSecurityAttributeAudits) {
		return gjson.ParseBytes(slices.Clone(raw))
	}
	require.Fail(s, "the tenant has no audit")
	return gjson.Result{}
}

// askedAtOnce asks one question 50 times at once. Each is answered, and none with a failure of ours.
func (p *process) askedAtOnce(method, address, body string) []int {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: fifty}}
	defer client.CloseIdleConnections()
	var (
		group sync.WaitGroup
		got   [fifty]reply
	)
	for i := range got {
		group.Go(func() {
			req, err := http.NewRequestWithContext(p.Context(), method, p.url+address, strings.NewReader(body))
			if err != nil {
				got[i].err = err
				return
			}
			resp, err := client.Do(req)
			if err != nil {
				got[i].err = err
				return
			}
			defer resp.Body.Close()
			head, err := io.ReadAll(io.LimitReader(resp.Body, 1000))
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
			}
			got[i] = reply{resp.StatusCode, resp.Header, string(head), err}
		})
	}
	group.Wait()
	var out []int
	for _, one := range got {
		require.NoError(p, one.err, "%s %s\n%s", method, address, p.stderr)
		require.Less(p, one.status, http.StatusInternalServerError, "%s %s: %s", method, address, one.body)
		if one.status == http.StatusTooManyRequests {
			require.NotEmpty(p, one.header.Get("Retry-After"))
			require.Equal(p, "tooManyRequests", gjson.Get(one.body, "error.code").Str)
		}
		out = append(out, one.status)
	}
	return out
}

// residentPeak is the most memory that the process had resident, in 10^6 bytes.
func (p *process) residentPeak() int {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(p, err)
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	require.NoError(p, err)
	return kib * 1024 / 1_000_000
}

// limitMemory puts a process into a cgroup of its own, beyond whose memory the kernel kills it, where
// the machine lets a test do that. It says what limits the process.
func (p *process) limitMemory(bytes int) string {
	pid := p.cmd.Process.Pid
	for _, kind := range []struct{ name, root, limit string }{
		{"cgroup v2", "/sys/fs/cgroup", "memory.max"},
		{"cgroup v1", "/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
	} {
		folder := filepath.Join(kind.root, fmt.Sprintf("entraledger-test-%d", pid))
		if os.Mkdir(folder, 0o755) != nil {
			continue
		}
		write := func(name string, n int) error {
			return os.WriteFile(filepath.Join(folder, name), []byte(strconv.Itoa(n)), 0o600)
		}
		p.Cleanup(func() {
			p.kill() // no cgroup with a process in it can be removed
			require.Eventually(p, func() bool { return os.Remove(folder) == nil }, 10*time.Second, 10*time.Millisecond)
		})
		if _, err := os.Stat(filepath.Join(folder, kind.limit)); err != nil { // no cgroup, or no memory in it
			continue
		}
		require.NoError(p, write(kind.limit, bytes))
		require.NoError(p, write("cgroup.procs", pid))
		return kind.name
	}
	return "GOMEMLIMIT alone, and its peak was looked at: a cgroup could not be made"
}
