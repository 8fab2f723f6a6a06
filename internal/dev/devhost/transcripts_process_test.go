package devhost

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// processApp are the functions of the cases of processes and timeouts.
func processApp(host string) map[string]string {
	timer := func(schedule string) string {
		return `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"` + schedule + `"}]}`
	}
	get := `,"methods":["get"]`
	return map[string]string{
		"host.json":       host,
		"a/function.json": timer("0 0 7 * * *"), "b/function.json": timer("0 0 7 * * *"),
		"c/function.json":     timer("0 0 7 * * *"),
		"every/function.json": timer("*/5 * * * * *"),
		"hello/function.json": httpJSON("hello/{x?}", get), "slow/function.json": httpJSON("slow/{x?}", get),
	}
}

// played starts the host of a process case with what its handler does at its start.
func (c transcript) played(t *testing.T, wait bool, more ...func(*Options)) *rig {
	t.Helper()
	files := processApp(goodHost)
	if c.Control.Startup != nil {
		files["mark.startup"] = string(c.Control.Startup)
	}
	if c.Control.Rules != nil {
		files["mark.rules"] = string(c.Control.Rules)
	}
	if strings.Contains(string(c.raw), "initializationTimeout") { // 5 s there
		files["host.json"] = strings.Replace(goodHost, `"enableProxying`,
			`"initializationTimeout":"00:00:01","enableProxying`, 1)
	}
	s := scriptedSetup(files)
	s.now = adminStart
	keys := s.change
	s.change = func(o *Options) {
		keys(o)
		for _, change := range more {
			change(o)
		}
	}
	if wait {
		return startReady(t, s)
	}
	return start(t, s)
}

// count is how many events of a kind the transcript has, without those of the host itself.
func (c transcript) count(t *testing.T, kind string) int {
	t.Helper()
	n := 0
	for _, e := range c.Handler {
		if e.Ev == kind && e.URL != "/" && e.URL != "/every" {
			n++
		}
	}
	return n
}

// alive compares whether the host still runs with what the real one did. One that ends does so soon.
func (c transcript) alive(t *testing.T, r *rig) {
	t.Helper()
	if !c.HostAliveAtEnd {
		require.Error(t, r.end(t))
		return
	}
	require.NoError(t, r.life.Err())
	require.Contains(t, string(r.get(t, "/admin/host/status").body), `"state":`)
}

// told is a status that the real host answered, of what a case noted beside the rest.
func (c transcript) told(t *testing.T, path string) int {
	t.Helper()
	line := strings.Fields(gjson.GetBytes(c.Extra, path).Str)
	require.Greater(t, len(line), 2)
	require.Equal(t, "HTTP/1.1", line[0])
	return number(line[1])
}

// later asks in the background.
func (r *rig) later(t *testing.T, path string) chan wire {
	got := make(chan wire, 1)
	go func() { got <- r.get(t, path) }()
	return got
}

// begin asks for what streams, and returns when the answer has begun.
func (r *rig) begin(t *testing.T, path string) io.Reader {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.URL()+path, nil)
	require.NoError(t, err)
	req.Header.Set("x-functions-key", "mk")
	resp, err := new(http.Transport).RoundTrip(req)
	require.NoError(t, err)
	t.Cleanup(func() { resp.Body.Close() })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	return resp.Body
}

func playProcesses(t *testing.T, c *conformance) {
	exit := func(code int) *int { return &code }
	c.alone(t, "proc-exit0-while-idle", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		r.play(t, []rule{{Path: "^/a$", Exit: exit(0)}})
		r.run(t, "a")
		require.False(t, r.awaitEnd(t, "a", "").Succeeded)
		require.Equal(t, one.told(t, "httpAfter.status"), r.get(t, "/api/hello").status)
		require.Equal(t, one.told(t, "adminAfter"),
			r.byHand(t, "/admin/functions/a", "mk", "application/json", `{"input":""}`).status)
		const running = `"state":"Running"`
		require.Contains(t, gjson.GetBytes(one.Extra, "health").Str, running)
		require.Contains(t, string(r.get(t, "/admin/host/status").body), running)
		require.Len(t, r.events(t, "start"), one.count(t, "start"))
		one.alive(t, r)
	})
	c.alone(t, "proc-exit1-at-start", func(t *testing.T, one transcript) {
		r := one.played(t, false)
		one.alive(t, r)
		require.Len(t, r.events(t, "start"), one.count(t, "start"))
		require.Contains(t, r.out.String(), "second warn reason | third error reason | fourth fail reason")
	})
	c.alone(t, "proc-exit200-at-start", func(t *testing.T, one transcript) {
		r := one.played(t, false)
		r.awaitEvents(t, one.count(t, "start"), "start")
		one.alive(t, r)
	})
	c.alone(t, "proc-exit200-while-idle", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		r.play(t, []rule{{Path: "^/a$", Exit: exit(200)}})
		for i := range 3 {
			id := r.lastID("a")
			r.run(t, "a")
			r.awaitEnd(t, "a", id)
			r.out.awaitCount(t, "handler ready", i+2)
		}
		require.Equal(t, one.told(t, "status"), r.get(t, "/api/hello").status)
		one.alive(t, r)
	})
	c.alone(t, "proc-exit3-mid-http-get", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		require.Equal(t, one.told(t, "status"), r.get(t, "/api/hello").status)
		one.alive(t, r)
		require.Len(t, r.events(t, "req"), one.count(t, "req"))
		require.Len(t, r.events(t, "exit"), one.count(t, "exit"))
	})
	c.alone(t, "proc-exit3-mid-http-once", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		r.play(t, []rule{{Path: "die", Exit: exit(3), Once: true}})
		require.Equal(t, one.told(t, "status"), r.get(t, "/api/hello/die").status)
		require.Len(t, r.events(t, "req"), one.count(t, "req"))
		require.Len(t, r.events(t, "start"), one.count(t, "start"))
		one.alive(t, r)
	})
	c.alone(t, "proc-exit3-mid-timer", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		r.play(t, []rule{{Path: "^/a$", Exit: exit(3), DelayMs: 500}})
		r.run(t, "a")
		require.False(t, r.awaitEnd(t, "a", "").Succeeded)
		require.Equal(t, one.told(t, "status"), r.get(t, "/api/hello").status)
		require.Len(t, r.events(t, "req"), one.count(t, "req"), "the run is not repeated")
		one.alive(t, r)
	})
	c.alone(t, "proc-kill9-three-times", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		for i := range 3 {
			r.out.awaitCount(t, "handler ready", i+1)
			require.NoError(t, r.KillHandler())
		}
		one.alive(t, r)
		require.Len(t, r.events(t, "start"), one.count(t, "start"))
	})
	c.alone(t, "proc-listens-after-8s", func(t *testing.T, one transcript) {
		r := one.played(t, false)
		r.awaitEvents(t, 1, "start")
		require.Equal(t, one.told(t, "result.status"), r.get(t, "/api/hello").status)
		require.Len(t, r.events(t, "req"), one.count(t, "req"))
		one.alive(t, r)
	})
	c.alone(t, "proc-never-listens", func(t *testing.T, one transcript) {
		r := one.played(t, false)
		r.awaitEvents(t, 1, "start")
		require.Equal(t, one.told(t, "request.status"), r.get(t, "/api/hello").status)
		one.alive(t, r)
		require.Len(t, r.events(t, "start"), one.count(t, "start"))
	})
	playDrains(t, c)
}

// interrupted is how a host ended that got a SIGINT: what it waited, and what a request got that ran.
type interrupted struct {
	SignalToHost string
	HostGoneMs   int
	Request      struct{ Status string }
}

func (c transcript) interrupted(t *testing.T) (end interrupted) {
	t.Helper()
	require.NoError(t, json.Unmarshal(c.Extra, &end))
	require.Equal(t, "SIGINT", end.SignalToHost)
	require.False(t, c.HostAliveAtEnd)
	return end
}

func draining(o *Options) { o.Drain, o.NoTimers = true, false }

func playDrains(t *testing.T, c *conformance) {
	c.alone(t, "proc-drain-api", playDrainAPI)
	c.alone(t, "proc-shutdown-sigint-idle", func(t *testing.T, one transcript) {
		require.Less(t, one.interrupted(t).HostGoneMs, 1_000)
		r := one.played(t, true, draining)
		r.stop()
		require.NoError(t, r.end(t), "at once: the clock stands still")
		require.Len(t, r.events(t, "req"), one.count(t, "req"))
	})
	for _, name := range []string{"proc-shutdown-sigint-running-timer", "proc-shutdown-sigint-drain"} {
		c.alone(t, name, func(t *testing.T, one transcript) {
			require.Less(t, one.interrupted(t).HostGoneMs, 1_000, "a run by hand is not waited for")
			r := one.played(t, true, draining)
			r.play(t, []rule{{Path: "^/a$", DelayMs: 30_000}})
			r.run(t, "a")
			r.awaitEvents(t, 1, "req")
			r.stop()
			require.NoError(t, r.end(t), "at once: the clock stands still")
			require.Len(t, r.events(t, "req"), one.count(t, "req"))
			for _, e := range r.events(t, "res-close") {
				require.False(t, e.Finished)
			}
		})
	}
	c.alone(t, "proc-shutdown-sigint-running-http", func(t *testing.T, one transcript) {
		var asked []string
		for _, e := range one.Handler {
			if e.Ev == "req" && e.URL != "/" {
				asked = append(asked, e.URL)
			}
		}
		require.Greater(t, one.interrupted(t).HostGoneMs, int(drainLimit.Milliseconds()), "it waits for HTTP")
		r := one.played(t, true, draining)
		r.play(t, []rule{{Path: "hello", Gate: true}})
		got := r.later(t, "/api/hello")
		r.awaitEvents(t, 1, "req")
		r.stop()
		r.out.await(t, "draining")
		r.clock.reach(t, adminStart.Truncate(5*time.Second).Add(5*time.Second))
		for i, e := range r.awaitEvents(t, 2, "req") {
			require.Equal(t, asked[i], e.URL, "timers go on meanwhile")
		}
		write(t, r.root, "mark.open.1", "")
		require.Equal(t, strings.Fields(one.interrupted(t).Request.Status)[1], strconv.Itoa((<-got).status))
		require.NoError(t, r.end(t))
	})
	c.alone(t, "shutdown-02-sigint-scheduled-run", func(t *testing.T, one transcript) {
		var shut struct{ HostGoneMs int }
		one.in(t, &shut)
		require.InDelta(t, 10_000, shut.HostGoneMs, 500)
		r := one.played(t, true, draining)
		r.play(t, []rule{{Path: "^/every", DelayMs: 30_000}})
		at := adminStart.Truncate(5 * time.Second).Add(5 * time.Second)
		r.clock.reach(t, at)
		r.awaitEvents(t, 1, "req")
		r.stop()
		r.clock.reach(t, at.Add(drainLimit))
		require.NoError(t, r.end(t))
	})
}

func playDrainAPI(t *testing.T, one transcript) {
	var told struct{ Extra []string }
	one.in(t, &told)
	r := one.played(t, true, draining)
	r.play(t, []rule{{Path: "hello", Gate: true}, {Path: "^/a$", Gate: true}})
	r.run(t, "a")
	r.awaitEvents(t, 1, "req")
	got := r.later(t, "/api/hello")
	r.awaitEvents(t, 2, "req")
	head := " HTTP/1.1\r\nHost: h\r\nx-functions-key: mk\r\nConnection: close\r\n"
	same := func(want string, got wire) {
		require.Equal(t, strings.Fields(want)[1], strconv.Itoa(got.status))
		if _, body, ok := strings.Cut(want, "{"); ok {
			require.JSONEq(t, "{"+body, string(got.body))
		}
	}
	same(told.Extra[0], r.send(t, "POST /admin/host/drain"+head+"Content-Length: 0\r\n\r\n"))
	same(told.Extra[1], r.get(t, "/admin/host/drain/status"))
	write(t, r.root, "mark.open.1", "")
	same(told.Extra[2], <-got)
	require.Eventually(t, func() bool { return r.busy.Load() == 0 }, 20*time.Second, time.Millisecond)
	same(told.Extra[3], r.get(t, "/admin/host/drain/status"))
	write(t, r.root, "mark.open.2", "")
	same(told.Extra[4], r.get(t, "/api/hello"))
	r.clock.set(adminStart.Add(time.Minute))
	r.loops.Wait()
	for _, e := range r.events(t, "req") {
		require.NotEqual(t, "/every", e.URL, told.Extra[5])
	}
	one.alive(t, r)
}
