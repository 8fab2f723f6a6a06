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
		require.Equal(t, http.StatusInternalServerError, r.get(t, "/api/hello").status)
		r.run(t, "a")
		require.Contains(t, string(r.get(t, "/admin/host/status").body), `"state":"Running"`)
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
		require.Equal(t, http.StatusOK, r.get(t, "/api/hello").status)
		one.alive(t, r)
	})
	c.alone(t, "proc-exit3-mid-http-get", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		require.Equal(t, http.StatusInternalServerError, r.get(t, "/api/hello").status)
		one.alive(t, r)
		require.Len(t, r.events(t, "req"), one.count(t, "req"))
		require.Len(t, r.events(t, "exit"), one.count(t, "exit"))
	})
	c.alone(t, "proc-exit3-mid-http-once", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		r.play(t, []rule{{Path: "die", Exit: exit(3), Once: true}})
		require.Equal(t, http.StatusOK, r.get(t, "/api/hello/die").status)
		require.Len(t, r.events(t, "req"), one.count(t, "req"))
		require.Len(t, r.events(t, "start"), one.count(t, "start"))
		one.alive(t, r)
	})
	c.alone(t, "proc-exit3-mid-timer", func(t *testing.T, one transcript) {
		r := one.played(t, true)
		r.play(t, []rule{{Path: "^/a$", Exit: exit(3), DelayMs: 500}})
		r.run(t, "a")
		require.False(t, r.awaitEnd(t, "a", "").Succeeded)
		require.Equal(t, http.StatusOK, r.get(t, "/api/hello").status)
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
		require.Equal(t, http.StatusOK, r.get(t, "/api/hello").status)
		require.Len(t, r.events(t, "req"), one.count(t, "req"))
		one.alive(t, r)
	})
	c.alone(t, "proc-never-listens", func(t *testing.T, one transcript) {
		r := one.played(t, false)
		r.awaitEvents(t, 1, "start")
		require.Equal(t, http.StatusInternalServerError, r.get(t, "/api/hello").status)
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

// timedOut starts a host whose functionTimeout is that of the transcripts.
func timedOut(t *testing.T, more map[string]string) *rig {
	files := processApp(strings.Replace(goodHost, "00:10:00", "00:00:08", 1))
	for name, text := range more {
		files[name] = text
	}
	s := scriptedSetup(files)
	s.now = adminStart
	keys := s.change
	s.change = func(o *Options) {
		keys(o)
		o.HangOnEmpty = true
	}
	return startReady(t, s)
}

// overtime moves the clock past functionTimeout of what began at a time, and past the end of the
// process.
func (r *rig) overtime(t *testing.T, began time.Time) {
	t.Helper()
	r.clock.reach(t, began.Add(8*time.Second))
	r.out.await(t, "exceeded functionTimeout")
	require.NotZero(t, r.HandlerPID())
	r.clock.reach(t, began.Add(8*time.Second+killGrace))
}

// processes are the addresses that each process of the handler saw, in their order.
func (r *rig) processes(t *testing.T) (list [][]string) {
	for _, e := range r.events(t, "start", "req") {
		if e.Ev == "start" {
			list = append(list, nil)
			continue
		}
		list[len(list)-1] = append(list[len(list)-1], e.URL)
	}
	return list
}

// processesOf are those of the transcript.
func (c transcript) processesOf() [][]string {
	list := [][]string{nil}
	for _, e := range c.HandlerSaw {
		switch {
		case e.Ev == "start":
			list = append(list, nil)
		case e.Ev == "req" && e.URL != "/":
			list[len(list)-1] = append(list[len(list)-1], e.URL)
		}
	}
	return list
}

func playTimeouts(t *testing.T, c *conformance) {
	c.alone(t, "timeout-01-http-slow", func(t *testing.T, one transcript) {
		var got struct{ ClientGot []answered }
		one.in(t, &got)
		r := timedOut(t, nil)
		r.play(t, one.Rules)
		slow := r.later(t, "/api/slow")
		r.awaitEvents(t, 1, "req")
		hello := r.later(t, "/api/hello")
		r.awaitEvents(t, 2, "req")
		r.clock.set(adminStart.Add(2 * time.Second))
		r.run(t, "b")
		r.awaitEvents(t, 3, "req")
		sameStatus(t, got.ClientGot[1].Text, <-hello)
		r.overtime(t, adminStart)
		sameStatus(t, got.ClientGot[0].Text, <-slow)
		require.False(t, r.awaitEnd(t, "slow", "").Succeeded)
		require.False(t, r.awaitEnd(t, "b", "").Succeeded, "all that runs in the process fails")
		r.awaitEvents(t, 4, "req")
		sameStatus(t, got.ClientGot[2].Text, r.get(t, "/api/hello/after"))
		require.Equal(t, one.processesOf(), r.processes(t))
	})
	for _, name := range []string{"timeout-02-timer-slow", "timeout-03-envelope-empty-200", "timeout-04-envelope-204",
		"timeout-05-envelope-null"} {
		c.alone(t, name, func(t *testing.T, one transcript) {
			function := strings.TrimPrefix(one.processesOf()[0][0], "/")
			r := timedOut(t, nil)
			r.play(t, one.Rules)
			if name == "timeout-03-envelope-empty-200" { // its rule has a path, and nothing to answer
				r.play(t, []rule{{Path: "^/" + function, Status: http.StatusOK}})
			}
			r.run(t, function)
			r.awaitEvents(t, 1, "req")
			r.overtime(t, adminStart)
			got := r.awaitEnd(t, function, "")
			require.False(t, got.Succeeded)
			require.Contains(t, got.Cause, "exceeded functionTimeout")
			r.out.awaitCount(t, "handler ready", 2)
			require.Len(t, r.events(t, "req"), 1, "a timer's run is not repeated")
			require.Zero(t, strings.Count(r.out.String(), "failure 1"))
		})
	}
	c.alone(t, "timeout-06-http-streaming-20s", func(t *testing.T, one transcript) {
		r := timedOut(t, nil)
		r.play(t, endless(0))
		rest := r.begin(t, "/api/slow")
		r.overtime(t, adminStart)
		_, err := io.ReadAll(rest)
		require.Error(t, err, "the answer breaks off")
		r.out.awaitCount(t, "handler ready", 2)
		require.Len(t, r.events(t, "req"), 1, "what has begun is not sent again")
	})
	c.alone(t, "timeout-07-four-kills-in-a-row", func(t *testing.T, one transcript) {
		var got struct{ ClientGot []answered }
		one.in(t, &got)
		require.GreaterOrEqual(t, len(got.ClientGot), 3)
		r := timedOut(t, nil)
		r.play(t, one.Rules)
		began := adminStart
		seen := map[string]bool{}
		for i, want := range got.ClientGot {
			path := "/api/slow/" + strconv.Itoa(i+1)
			answer := r.later(t, path)
			seen[path] = true
			require.Eventually(t, func() bool {
				all := r.processes(t)
				return len(all) == i+1 && sameSet(seen, all[i])
			}, 20*time.Second, 2*time.Millisecond, "process %d sees all that was asked for before, again", i+1)
			r.overtime(t, began)
			sameStatus(t, want.Text, <-answer)
			r.out.awaitCount(t, "handler ready", i+2)
			began = r.clock.Now()
		}
		require.NotContains(t, r.out.String(), "failure 1")
		require.NoError(t, r.life.Err())
	})
	c.alone(t, "misc-01", playMisc)
}

func sameSet(want map[string]bool, got []string) bool {
	found := map[string]bool{}
	for _, path := range got {
		found[path] = want[path]
	}
	return len(found) == len(want) && len(got) == len(want)
}

// endless streams until it is cut; length is announced where it is not 0.
func endless(length int) []rule {
	headers := map[string]any{"Content-Type": "text/csv"}
	if length > 0 {
		headers["Content-Length"] = length
	}
	return []rule{{Path: "slow", Headers: headers, Stream: &stream{Bytes: 1 << 30, Chunk: 10, EveryMs: 200}}}
}

// playMisc has streams that functionTimeout cuts, a GET that is sent to the next process, too, many
// requests at once, and functions that are disabled by setting.
func playMisc(t *testing.T, one transcript) {
	var misc struct {
		Dis2       string
		DtimerRuns int
		Parallel   struct {
			N        int
			Statuses []string
		}
		Poison struct {
			Client   string
			Arrivals []string
			Starts   int
		}
	}
	one.in(t, &misc)
	for _, length := range []int{0, 1 << 30} {
		r := timedOut(t, nil)
		r.play(t, endless(length))
		rest := r.begin(t, "/api/slow")
		r.overtime(t, adminStart)
		_, err := io.ReadAll(rest)
		require.Error(t, err)
	}
	files := processApp(strings.Replace(goodHost, "00:10:00", "00:00:08", 1))
	s := scriptedSetup(files)
	s.now = adminStart
	s.settings = map[string]string{"AzureWebJobs_every_Disabled": "true", "AzureWebJobs.hello.Disabled": "true"}
	keys := s.change
	s.change = func(o *Options) {
		keys(o)
		o.NoTimers = false
	}
	r := startReady(t, s)
	require.Equal(t, strings.Fields(misc.Dis2)[1], strconv.Itoa(r.get(t, "/api/hello").status))
	answers := make([]chan wire, misc.Parallel.N)
	for i := range answers {
		answers[i] = r.later(t, "/api/slow/"+strconv.Itoa(i))
	}
	for _, answer := range answers {
		require.Equal(t, strings.Fields(misc.Parallel.Statuses[0])[1], strconv.Itoa((<-answer).status))
	}
	r.play(t, []rule{{Path: "slow", DelayMs: 30_000}})
	before, starts := len(r.events(t, "req")), len(r.events(t, "start"))
	poison := r.later(t, "/api/slow")
	r.awaitEvents(t, before+1, "req")
	r.overtime(t, adminStart)
	require.Equal(t, strings.Fields(misc.Poison.Client)[1], strconv.Itoa((<-poison).status))
	arrivals := r.awaitEvents(t, before+len(misc.Poison.Arrivals), "req")[before:]
	require.NotEqual(t, arrivals[0].Pid, arrivals[1].Pid)
	require.Len(t, r.events(t, "start"), starts+misc.Poison.Starts)
	for _, e := range r.events(t, "req") {
		require.NotEqual(t, "/every", e.URL)
	}
	require.Zero(t, misc.DtimerRuns)
}
