package devhost

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func scheduled(o *Options) { o.NoTimers = false }

func at(minute, second int) time.Time {
	return time.Date(2026, 11, 20, 10, minute, second, 0, time.UTC)
}

func (r *rig) savedStatus(t *testing.T) Status {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(r.root, "state", "Tick.status.json"))
	require.NoError(t, err)
	var s Status
	require.NoError(t, json.Unmarshal(data, &s))
	return s
}

func (r *rig) open(t *testing.T) { write(t, r.root, "mark.open", "") }

func TestATimerFiresOnItsScheduleWithTheHostsRequest(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", change: scheduled})
	r.clock.reach(t, at(5, 0))
	r.out.await(t, "Executed Tick (Succeeded")
	r.clock.reach(t, at(10, 0))
	r.out.awaitCount(t, "Executed Tick (Succeeded", 2)
	list := r.requests(t)
	require.Len(t, list, 2)
	q := list[1]
	require.Equal(t, "POST /Tick", q.Method+" "+q.Path)
	require.True(t, q.Chunked)
	require.Equal(t, []string{"application/json; charset=utf-8"}, q.Header["Content-Type"])
	require.Equal(t, []string{"Azure-Functions-Host/" + hostVersion}, q.Header["User-Agent"])
	require.Equal(t, []string{hostVersion}, q.Header["X-Azure-Functions-Hostversion"])
	require.Len(t, q.Header["X-Azure-Functions-Invocationid"][0], 36)
	require.Equal(t, "Tick", q.Body.Metadata.Sys["MethodName"])
	require.Nil(t, q.Body.Metadata.RetryContext)
	require.False(t, q.Body.Data.Timer.IsPastDue)
	require.Equal(t, "0001-01-01T00:00:00+00:00", list[0].Body.Data.Timer.ScheduleStatus.Last)
	require.Equal(t, "2026-11-20T10:05:00+00:00", q.Body.Data.Timer.ScheduleStatus.Last)
	require.Equal(t, "2026-11-20T10:10:00+00:00", q.Body.Data.Timer.ScheduleStatus.Next)
}

func TestTheFirstStartEverWritesTheStatusAndDoesNotRun(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", change: scheduled})
	r.clock.reach(t, at(4, 0).Add(time.Minute)) // the loop waits for 10:05, so it has begun
	r.out.await(t, "Executed Tick")
	require.Equal(t, []string{"schedule"}, reasons(r.out.String()))
}

func reasons(log string) (list []string) {
	for line := range strings.Lines(log) {
		if _, rest, ok := strings.Cut(line, "Executing Tick (Reason="); ok {
			reason, _, _ := strings.Cut(rest, ",")
			list = append(list, reason)
		}
	}
	return list
}

func TestMissedOccurrencesMakeOnePastDueRun(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", change: scheduled})
	r.clock.reach(t, at(5, 0))
	r.out.await(t, "Executed Tick (Succeeded")
	r.clock.reach(t, at(10, 0)) // its timer is set, so the status of 10:05 is saved
	r.out.awaitCount(t, "Executed Tick (Succeeded", 2)
	r.stop()
	require.NoError(t, r.end(t))

	later := startReady(t, setup{mode: "good", change: scheduled, root: r.root, now: at(47, 0)})
	later.out.await(t, "Executed Tick (Succeeded")
	later.clock.reach(t, at(50, 0))
	later.out.awaitCount(t, "Executed Tick (Succeeded", 2)
	require.Equal(t, []string{"pastDue", "schedule"}, reasons(later.out.String()))
	list := later.requests(t)
	require.True(t, list[2].Body.Data.Timer.IsPastDue)
	require.False(t, list[3].Body.Data.Timer.IsPastDue)
}

func TestAChangedScheduleMakesNoPastDueRun(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", change: scheduled})
	r.clock.reach(t, at(5, 0))
	r.out.await(t, "Executed Tick (Succeeded")
	r.stop()
	require.NoError(t, r.end(t))

	later := startReady(t, setup{mode: "good", change: scheduled, root: r.root, now: at(47, 0),
		settings: map[string]string{"Schedule": "0 */7 * * * *"}})
	later.clock.reach(t, at(49, 0))
	later.out.await(t, "Executed Tick (Succeeded")
	require.Equal(t, []string{"schedule"}, reasons(later.out.String()))
}

func TestARunCutOffByShutdownIsPastDueAtTheNextStart(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "hang", change: scheduled})
	r.clock.reach(t, at(5, 0))
	r.out.await(t, "Executing Tick")
	r.stop()
	require.NoError(t, r.end(t))
	require.Contains(t, r.out.String(), "devhost is shutting down")
	require.Equal(t, at(5, 0), r.savedStatus(t).Next)

	later := startReady(t, setup{mode: "good", change: scheduled, root: r.root, now: at(6, 0)})
	later.out.await(t, "Executed Tick (Succeeded")
	require.Equal(t, []string{"pastDue"}, reasons(later.out.String()))
}

func TestAnOverrunDelaysTheNextOccurrenceWhichThenFiresOnce(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "gate", change: scheduled, files: map[string]string{
		"host.json":          strings.Replace(goodHost, "00:10:00", "-1", 1),
		"Tick/function.json": fiveMinute,
	}})
	r.clock.reach(t, at(5, 0))
	r.out.await(t, "run begins")
	r.clock.set(at(17, 0))
	r.open(t)
	r.out.awaitCount(t, "Executed Tick (Succeeded", 2)
	r.clock.reach(t, at(20, 0))
	r.out.awaitCount(t, "Executed Tick (Succeeded", 3)
	require.Len(t, r.requests(t), 3)
}

func TestAFailedRunMovesTheScheduleOn(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "500", change: scheduled})
	r.clock.reach(t, at(5, 0))
	r.out.await(t, "Executed Tick (Failed")
	r.clock.reach(t, at(10, 0))
	r.out.awaitCount(t, "Executed Tick (Failed", 2)
	require.Len(t, r.requests(t), 2)
}

func TestRunOnStartupFiresAtTheStart(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good", change: scheduled, files: map[string]string{
		"Tick/function.json": `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer",` +
			`"schedule":"0 */5 * * * *","runOnStartup":true}]}`,
	}})
	r.out.await(t, "Executed Tick (Succeeded")
	r.clock.reach(t, at(5, 0))
	r.out.awaitCount(t, "Executed Tick (Succeeded", 2)
	require.Equal(t, []string{"startup", "schedule"}, reasons(r.out.String()))
}

func TestWithoutAMonitorThereIsNoStatus(t *testing.T) {
	t.Parallel()
	for name, binding := range map[string]string{
		"useMonitor false": `"schedule":"0 */5 * * * *","useMonitor":false`,
		"below a minute":   `"schedule":"*/10 * * * * *"`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := startReady(t, setup{mode: "good", change: scheduled, files: map[string]string{
				"Tick/function.json": `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer",` + binding +
					`}]}`,
			}})
			require.True(t, r.trigger(t).Succeeded)
			require.Nil(t, r.requests(t)[0].Body.Data.Timer.ScheduleStatus)
			require.NoFileExists(t, filepath.Join(r.root, "state", "Tick.status.json"))
		})
	}
}

func TestARetryPolicyRepeatsAFailedRunWithItsContext(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "fail twice", change: scheduled, files: map[string]string{
		"Tick/function.json": `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 */5 * * * *"}],
			"retry":{"strategy":"fixedDelay","maxRetryCount":2,"delayInterval":"00:00:30"}}`,
	}})
	for _, moment := range []time.Time{at(5, 0), at(5, 30), at(6, 0)} {
		r.clock.reach(t, moment)
	}
	r.out.await(t, "Executed Tick (Succeeded")
	list := r.requests(t)
	require.Len(t, list, 3)
	ids := map[string]bool{}
	for i, q := range list {
		require.Equal(t, i, q.Body.Metadata.RetryContext.RetryCount)
		require.Equal(t, 2, q.Body.Metadata.RetryContext.MaxRetryCount)
		ids[q.Header["X-Azure-Functions-Invocationid"][0]] = true
	}
	require.Contains(t, list[1].Body.Metadata.RetryContext.Exception.InnerException.Message, "answered 500")
	require.Len(t, ids, 3, "each try is a new request")
}

func TestRetriesEndAtTheirLimit(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "500", files: map[string]string{
		"Tick/function.json": `{"bindings":[{"type":"timerTrigger","direction":"in","name":"timer","schedule":"0 */5 * * * *"}],
			"retry":{"strategy":"exponentialBackoff","maxRetryCount":2,"minimumInterval":"00:00:05","maximumInterval":"00:01:00"}}`,
	}})
	done := make(chan Invocation, 1)
	go func() {
		inv, _ := r.Trigger(t.Context(), "Tick")
		done <- inv
	}()
	r.clock.reach(t, at(2, 5))
	r.clock.reach(t, at(2, 15))
	inv := <-done
	require.False(t, inv.Succeeded)
	require.Equal(t, 3, inv.Attempts)
}

func TestAnAnswerThatFailsIsLoggedWithFunctionIdAndCause(t *testing.T) {
	t.Parallel()
	for mode, cause := range map[string]string{
		"empty":           "the real host would hang here until functionTimeout and then kill the process",
		"no content":      "the real host would hang here",
		"null":            "the real host would hang here",
		"no content type": "Invalid HttpResponseMessage",
		"broken json":     "can't read",
		"redirect":        "never redirect",
		"500":             "answered 500",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			r := startReady(t, setup{mode: mode})
			inv := r.trigger(t)
			require.False(t, inv.Succeeded)
			require.Contains(t, inv.Cause, cause)
			require.Contains(t, r.out.String(), "Executed Tick (Failed, Id="+inv.ID+", Duration=0ms): "+inv.Cause)
			require.Len(t, r.requests(t), 1, "no policy, no second try")
		})
	}
}

func TestASuccessfulRunReportsItsOutputsAndLogs(t *testing.T) {
	t.Parallel()
	r := startReady(t, setup{mode: "good"})
	inv := r.trigger(t)
	require.True(t, inv.Succeeded, inv.Cause)
	require.Equal(t, []string{"12 records"}, inv.Logs)
	require.Equal(t, "1", string(inv.Outputs["o"]))
	require.Equal(t, "7", string(inv.ReturnValue))
	require.Contains(t, r.out.String(), "Tick ["+inv.ID+"] 12 records")
	_, err := r.Trigger(t.Context(), "Things")
	require.ErrorContains(t, err, "no enabled timer function")
}
