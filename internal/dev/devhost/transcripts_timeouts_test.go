package devhost

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

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
		require.Regexp(t, `^HTTP/1\.1 200 OK\r\n`, one.got(t).Text)
		require.NotContains(t, one.got(t).Text, "\r\n0\r\n", "it breaks off")
		require.Equal(t, [][]string{{"/api/slow"}, nil}, one.processesOf())
		r := timedOut(t, nil)
		r.play(t, endless(0))
		rest := r.begin(t, "/api/slow")
		r.overtime(t, adminStart)
		_, err := io.ReadAll(rest)
		require.Error(t, err, "the answer breaks off")
		r.out.awaitCount(t, "handler ready", 2)
		require.Equal(t, one.processesOf(), r.processes(t), "what has begun is not sent again")
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
