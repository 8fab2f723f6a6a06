package devhost

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// timerCase is a host with one timer.
type timerCase struct {
	function, schedule string
	more, retry        string // of the binding, of the function
	now                time.Time
	status             json.RawMessage // stored before; nil: none
	rules              []rule
}

func (c timerCase) start(t *testing.T) *rig {
	t.Helper()
	files := map[string]string{
		"host.json": strings.Replace(goodHost, "00:10:00", "-1", 1),
		c.function + "/function.json": `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"` +
			c.schedule + `"` + c.more + `}]` + c.retry + `}`,
	}
	if c.status != nil {
		files["state/"+c.function+".status.json"] = string(c.status)
	}
	if c.rules != nil {
		data, err := json.Marshal(c.rules)
		require.NoError(t, err)
		files["mark.rules"] = string(data)
	}
	s := scriptedSetup(files)
	s.now = c.now
	keys := s.change
	s.change = func(o *Options) {
		keys(o)
		o.NoTimers = false
	}
	return startScheduled(t, s)
}

// moment reads a time of the transcripts.
func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return at.UTC()
}

// sameEnvelopes compares what a timer's handler saw.
func (r *rig) sameEnvelopes(t *testing.T, want []event) {
	t.Helper()
	got := r.awaitEvents(t, len(want), "req")
	require.Len(t, got, len(want))
	for i := range want {
		if want[i].URL != "" { // some transcripts leave it out
			require.Equal(t, want[i].URL, got[i].URL)
		}
		sameEnvelope(t, want[i], got[i])
	}
}

// sameStatus compares the stored status with the transcript's, to the second.
func (r *rig) sameStatus(t *testing.T, function string, want json.RawMessage) {
	t.Helper()
	var status, got Status
	require.NoError(t, json.Unmarshal(want, &status))
	same := func(a, b time.Time) bool { return a.Truncate(time.Second).Equal(b.Truncate(time.Second)) }
	require.Eventually(t, func() bool {
		data, err := os.ReadFile(filepath.Join(r.root, "state", function+".status.json"))
		return err == nil && json.Unmarshal(data, &got) == nil && same(got.Last, status.Last) &&
			same(got.Next, status.Next) && same(got.LastUpdated, status.LastUpdated)
	}, 20*time.Second, 2*time.Millisecond, "%s", want)
}

var hostStart = time.Date(2026, 11, 25, 22, 30, 19, 0, time.UTC)

func playTimers(t *testing.T, c *conformance) {
	var before struct {
		Pdue json.RawMessage `json:"statusBefore_pdue"`
	}
	c.play(t, "timer-01-startup", func(t *testing.T, one transcript) {
		one.in(t, &before)
		var status map[string]string
		require.NoError(t, json.Unmarshal(before.Pdue, &status))
		status["LastUpdated"] = status["Last"]
		data, err := json.Marshal(status)
		require.NoError(t, err)
		before.Pdue = data
	})
	for name, timer := range map[string]timerCase{
		"timer-03-five":    {function: "five", schedule: "0 */2 * * * *"},
		"timer-03-minute":  {function: "minute", schedule: "0 * * * * *"},
		"timer-03-pdue":    {function: "pdue", schedule: "0 0 * * * *", status: before.Pdue},
		"timer-03-startup": {function: "startup", schedule: "0 0 5 * * *", more: `,"runOnStartup":true`},
	} {
		timer.now = hostStart
		c.alone(t, name, func(t *testing.T, one transcript) {
			r := timer.start(t)
			for i, run := range one.Invocations {
				if due := moment(t, run.T).Truncate(time.Second); due.After(r.clock.Now()) {
					r.clock.reach(t, due)
				}
				r.awaitEvents(t, i+1, "req")
			}
			r.sameEnvelopes(t, one.Invocations)
			r.sameStatus(t, timer.function, one.Status)
		})
	}
	c.alone(t, "timer-03-nomonitor", func(t *testing.T, one transcript) {
		r := timerCase{function: "nomonitor", schedule: "0 */2 * * * *", more: `,"useMonitor":false`,
			now: hostStart}.start(t)
		r.clock.reach(t, hostStart.Truncate(2*time.Minute).Add(2*time.Minute))
		r.awaitEvents(t, 1, "req")
		require.Equal(t, `"404"`, string(one.Status))
		require.NoFileExists(t, filepath.Join(r.root, "state", "nomonitor.status.json"))
	})
	c.alone(t, "timer-03-span", func(t *testing.T, one transcript) {
		r := timerCase{function: "span", schedule: "00:00:20", now: hostStart}.start(t)
		for i := range one.Invocations {
			r.clock.reach(t, hostStart.Add(time.Duration(i+1)*20*time.Second))
			r.out.awaitCount(t, "Executed span (Succeeded", i+1)
		}
		r.sameEnvelopes(t, one.Invocations)
		require.Equal(t, `"404"`, string(one.Status))
		require.NoFileExists(t, filepath.Join(r.root, "state", "span.status.json"))
	})
	c.alone(t, "timer-02-overrun", playOverrun)
	playRestarts(t, c)
	c.alone(t, "timer-10-two-manual-runs", func(t *testing.T, one transcript) {
		r := timerCase{function: "overlap", schedule: "0 0 7 * * *", now: adminStart,
			rules: []rule{{Path: "^/overlap", Gate: true}}}.start(t)
		for _, input := range []string{"1", "2"} {
			before := len(r.events(t, "req"))
			require.Equal(t, http.StatusAccepted, r.byHand(t, "/admin/functions/overlap", "mk", "application/json",
				`{"input":"`+input+`"}`).status)
			r.awaitEvents(t, before+1, "req")
		}
		require.Empty(t, r.events(t, "res-close"), "both run")
		var runs []event
		for _, e := range one.HandlerSaw {
			if e.Ev == "req" {
				runs = append(runs, e)
			}
		}
		r.sameEnvelopes(t, runs)
		write(t, r.root, "mark.open.1", "")
		write(t, r.root, "mark.open.2", "")
		r.awaitEvents(t, 2, "res-close")
	})
	c.alone(t, "timer-11-retry", playRetries)
}

// playOverrun has runs of 25 s that are due every 10 s: each begins when the one before has ended.
func playOverrun(t *testing.T, one transcript) {
	var runs []event
	for _, e := range one.Ten {
		if e.Ev == "req" {
			runs = append(runs, e)
		}
	}
	begun := func(e event) string {
		m := regexp.MustCompile(`"UtcNow":"([^".]+)`).FindStringSubmatch(e.Body.(string))
		require.NotNil(t, m)
		return m[1]
	}
	r := timerCase{function: "ten", schedule: "*/10 * * * * *", now: hostStart,
		rules: []rule{{Path: "^/ten", Gate: true}}}.start(t)
	for i, run := range runs {
		at := moment(t, run.T).Truncate(time.Second)
		if i == 0 {
			r.clock.reach(t, at)
		} else {
			r.clock.set(at)
			write(t, r.root, "mark.open."+strconv.Itoa(i), "")
		}
		got := r.awaitEvents(t, i+1, "req")
		require.Equal(t, begun(run), strings.TrimSuffix(begun(got[i]), "Z"))
	}
	r.sameEnvelopes(t, runs)
}

// playRestarts has hosts that find what one before them stored.
func playRestarts(t *testing.T, c *conformance) {
	c.alone(t, "timer-04-restart-past-due", func(t *testing.T, one transcript) {
		for i, schedule := range []string{"0 * * * * *", "0 */2 * * * *"} {
			run := one.Invocations[i]
			var body struct{ Data struct{ Timer timerInfo } }
			require.NoError(t, json.Unmarshal([]byte(run.Body.(string)), &body))
			status, err := json.Marshal(body.Data.Timer.ScheduleStatus)
			require.NoError(t, err)
			name := strings.TrimPrefix(run.URL, "/")
			r := timerCase{function: name, schedule: schedule, now: moment(t, run.T), status: status}.start(t)
			r.sameEnvelopes(t, one.Invocations[i:i+1])
			if i == 0 {
				require.JSONEq(t, string(one.StatusBefore), string(status))
				r.sameStatus(t, name, one.StatusAfter)
			}
		}
	})
	c.alone(t, "timer-05-schedule-changed", func(t *testing.T, one transcript) {
		r := timerCase{function: "minute", schedule: "15 */7 * * * *", status: one.StatusBefore,
			now: time.Date(2026, 11, 25, 22, 44, 24, 0, time.UTC)}.start(t)
		r.sameStatus(t, "minute", one.StatusAfter)
		r.clock.reach(t, time.Date(2026, 11, 25, 22, 49, 15, 0, time.UTC))
		require.Len(t, r.awaitEvents(t, 1, "req"), 1, "there was no run at once")
	})
	c.alone(t, "timer-06-failed-run-moves-on", func(t *testing.T, one transcript) {
		run := one.Invocations[0]
		due := moment(t, run.T).Truncate(time.Second)
		r := timerCase{function: "five", schedule: "0 */2 * * * *", now: due.Add(-time.Minute),
			rules: []rule{{Path: "^/five", Status: 500}}}.start(t)
		r.clock.reach(t, due)
		require.False(t, r.awaitEnd(t, "five", "").Succeeded)
		r.sameEnvelopes(t, one.Invocations)
		r.sameStatus(t, "five", one.Status)
	})
}

// playRetries compares the tries of a run that fails. Of the exponential policy devhost leaves the
// random part of the pauses out.
func playRetries(t *testing.T, one transcript) {
	for _, policy := range []struct {
		function, retry string
		pauses          []time.Duration
		tries           []event
	}{
		{"retryfix", `"fixedDelay","maxRetryCount":2,"delayInterval":"00:00:03"`,
			[]time.Duration{3 * time.Second, 3 * time.Second}, one.RetryFix},
		{"retryexp", `"exponentialBackoff","maxRetryCount":3,"minimumInterval":"00:00:02","maximumInterval":"00:00:08"`,
			[]time.Duration{2 * time.Second, 4 * time.Second, 8 * time.Second}, one.RetryExp},
	} {
		r := timerCase{function: policy.function, schedule: "0 0 6 * * *", now: adminStart,
			rules: []rule{{Path: "retry", Status: 500}}, retry: `,"retry":{"strategy":` + policy.retry + `}`}.start(t)
		r.run(t, policy.function)
		for _, pause := range policy.pauses {
			r.clock.reach(t, r.clock.Now().Add(pause))
		}
		require.False(t, r.awaitEnd(t, policy.function, "").Succeeded)
		got := r.events(t, "req")
		require.Len(t, got, len(policy.tries))
		sameEnvelope(t, policy.tries[0], got[0])
		ids := map[any]bool{}
		for i, want := range policy.tries {
			context := regexp.MustCompile(`"RetryCount":\d+,"MaxRetryCount":\d+`)
			require.Equal(t, context.FindString(want.Body.(string)), context.FindString(got[i].Body.(string)))
			ids[got[i].Headers["X-Azure-Functions-Invocationid"]] = true
			if i == 0 {
				continue
			}
			for _, part := range []string{
				`"Handled":false,"ClassName":"Microsoft.Azure.WebJobs.Host.FunctionInvocationException"`,
				`"Message":"Exception while executing function: Functions.` + policy.function + `"`} {
				require.Contains(t, want.Body, part)
				require.Contains(t, got[i].Body, part)
			}
		}
		require.Len(t, ids, len(policy.tries), "each try has an id of its own")
	}
}

// playConsole compares the levels of what the handler prints.
func playConsole(t *testing.T, c *conformance) {
	c.alone(t, "http-62-stdout-stderr", func(t *testing.T, one transcript) {
		var rules []rule
		require.NoError(t, json.Unmarshal(one.Rules, &rules))
		rules[0].Stdout += "\n"
		r := startReady(t, scriptedSetup(playedApp()))
		r.play(t, rules)
		require.Equal(t, one.got(t).wired(t, "GET").status, r.get(t, "/api/preflight").status)
		sameLines(t, r, one.HostLog)
		r.out.awaitCount(t, "the host treats the handler's line above specially", 3)
	})
	c.alone(t, "log-01-lines", func(t *testing.T, one transcript) {
		var log []string
		one.in(t, &log)
		out, errs := "", ""
		for i := range len(log) - 1 {
			text := regexp.MustCompile(`^\S+ {7}`).ReplaceAllString(log[i+1], "")
			switch {
			case strings.Contains(text, "<178 more>"):
				text = "LLL" + strings.Repeat("L", 200_016)
			case strings.Contains(text, "Host.Function.Console"):
				text = ""
			}
			if strings.HasSuffix(log[i], "info: Host.Function.Console[0]") {
				out += text + "\n"
			} else if strings.HasSuffix(log[i], "fail: Host.Function.Console[0]") {
				errs += text + "\n"
			}
		}
		require.Contains(t, errs, "panic: x\n\ngoroutine 1 [running]:\n\tmain.go:1\n")
		r := startReady(t, scriptedSetup(playedApp()))
		r.play(t, []rule{{Path: "hello", Stdout: out, Stderr: errs}})
		require.Equal(t, http.StatusOK, r.get(t, "/api/hello").status)
		sameLines(t, r, log)
		r.out.await(t, strings.Repeat("L", 200_019)+"\n")
	})
}

// sameLines waits for every line of the console, at its level.
func sameLines(t *testing.T, r *rig, log []string) {
	t.Helper()
	levels := map[string]string{"info": levelInformation, "warn": levelWarning, "fail": levelError}
	lines := 0
	for i, line := range log[:len(log)-1] {
		m := regexp.MustCompile(`(info|warn|fail): Host\.Function\.Console\[0\]$`).FindStringSubmatch(line)
		text := regexp.MustCompile(`^\S+ {7}`).ReplaceAllString(log[i+1], "")
		if m == nil || strings.Contains(text, "Console[0]") || strings.Contains(text, " more>") {
			continue
		}
		lines++
		if e, ok := readEntry(text); ok {
			text = e.text // devhost makes JSON readable
		}
		r.out.await(t, " "+(levels[m[1]] + strings.Repeat(" ", 11))[:11]+" handler  "+text+"\n")
	}
	require.Greater(t, lines, 5)
}
