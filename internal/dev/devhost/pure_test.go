package devhost

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAScheduleGivesItsNextOccurrenceInUTC(t *testing.T) {
	from := time.Date(2026, 11, 20, 10, 2, 3, 500, time.UTC) // a Friday
	cases := map[string]string{
		"0 */5 * * * *":     "2026-11-20T10:05:00Z",
		"*/5 * * * *":       "2026-11-20T10:05:00Z",
		"30 0 3 * * *":      "2026-11-21T03:00:30Z",
		"0 0 9 * * MON-FRI": "2026-11-23T09:00:00Z",
		"0 0 0 1 * 1":       "2027-02-01T00:00:00Z", // day AND weekday, as NCRONTAB has it
		"0 0 0 29 2 *":      "2028-02-29T00:00:00Z",
		"00:10:00":          "2026-11-20T10:12:03.0000005Z",
		"1.00:00:00":        "2026-11-21T10:02:03.0000005Z",
	}
	for text, want := range cases {
		s, err := parseSchedule(text)
		require.NoError(t, err, text)
		require.Equal(t, want, s.next(from).Format(time.RFC3339Nano), text)
	}
}

func TestWhatIsNotNCRONTABIsRefused(t *testing.T) {
	for _, text := range []string{"", "* * *", "@daily", "TZ=UTC 0 * * * *", "0 0 0 ? * *", "0 0 0 L * *",
		"61 * * * * *", "00:00:00", "00:60:00", "0:0"} {
		_, err := parseSchedule(text)
		require.Error(t, err, text)
	}
}

func TestAnIntervalAndAScheduleBelowAMinuteHaveNoStatus(t *testing.T) {
	for text, want := range map[string]bool{"*/10 * * * * *": false, "0,30 0 * * * *": false, "0 * * * * *": true,
		"00:00:59": false, "00:05:00": false} {
		s, err := parseSchedule(text)
		require.NoError(t, err)
		require.Equal(t, want, s.monitored(epoch), text)
	}
}

func TestTimeSpansReadAsDotNetReadsThem(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"00:00:30": 30 * time.Second, "01:02": time.Hour + 2*time.Minute,
		"2.03:04:05.25": 51*time.Hour + 4*time.Minute + 5*time.Second + 250*time.Millisecond,
	} {
		d, err := parseTimeSpan(text)
		require.NoError(t, err)
		require.Equal(t, want, d)
	}
}

func TestAHostStartDecidesAboutPastDueRuns(t *testing.T) {
	s, err := parseSchedule("0 */5 * * * *")
	require.NoError(t, err)
	at := func(clock string) time.Time {
		v, err := time.Parse("15:04:05", clock)
		require.NoError(t, err)
		return time.Date(2026, 11, 20, v.Hour(), v.Minute(), v.Second(), 0, time.UTC)
	}
	cases := []struct {
		name     string
		now      time.Time
		previous *Status
		want     startPlan
	}{
		{"first start ever: written, no run", at("10:02:00"), nil,
			startPlan{Status{Next: at("10:05:00"), LastUpdated: at("10:02:00")}, true, false}},
		{"nothing missed", at("10:04:00"), &Status{Last: at("10:00:00"), Next: at("10:05:00"),
			LastUpdated: at("10:00:00")},
			startPlan{Status{at("10:00:00"), at("10:05:00"), at("10:00:00")}, false, false}},
		{"many missed: one run", at("11:44:00"), &Status{Last: at("10:00:00"), Next: at("10:05:00"),
			LastUpdated: at("10:00:00")},
			startPlan{Status{at("10:00:00"), at("10:05:00"), at("10:00:00")}, false, true}},
		{"never ran, missed its first", at("10:06:00"), &Status{Next: at("10:05:00"), LastUpdated: at("10:02:00")},
			startPlan{Status{Next: at("10:05:00"), LastUpdated: at("10:02:00")}, false, true}},
		{"schedule changed: recomputed, no run", at("11:44:00"), &Status{Last: at("10:00:00"), Next: at("10:30:00"),
			LastUpdated: at("10:00:00")},
			startPlan{Status{Next: at("11:45:00"), LastUpdated: at("10:00:00")}, true, false}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { require.Equal(t, c.want, planStart(c.now, s, c.previous)) })
	}
}

func TestARunThatBeginsAMomentEarlyDoesNotFireTwice(t *testing.T) {
	s, err := parseSchedule("0 */5 * * * *")
	require.NoError(t, err)
	occurrence := time.Date(2026, 11, 20, 10, 5, 0, 0, time.UTC)
	require.Equal(t, occurrence.Add(5*time.Minute), following(s, occurrence.Add(-time.Millisecond), occurrence).Next)
	require.Equal(t, occurrence.Add(15*time.Minute), following(s, occurrence.Add(11*time.Minute), occurrence).Next)
}

func TestAnAnswerIsJudgedAsTheHostJudgesIt(t *testing.T) {
	const asJSON = "application/json; charset=utf-8"
	cases := []struct {
		name, contentType, body string
		status                  int
		ok, hangs               bool
		cause                   string
	}{
		{"full answer", asJSON, `{"Outputs":{"a":1},"Logs":["x"],"ReturnValue":null}`, 200, true, false, ""},
		{"empty object", asJSON, ` {} `, 201, true, false, ""},
		{"null members", asJSON, `{"Outputs":null,"Logs":null}`, 200, true, false, ""},
		{"empty body", asJSON, ``, 200, false, true,
			"an empty body: the real host would hang here until functionTimeout and then kill the process"},
		{"blank body", asJSON, " \n", 200, false, true, "would hang here"},
		{"body null", asJSON, `null`, 202, false, true, "the body null: the real host would hang here"},
		{"no content", "", ``, 204, false, true, "answered 204"},
		{"missing type", "", `{}`, 200, false, false, "Invalid HttpResponseMessage"},
		{"sniffed type", "text/plain; charset=utf-8", `{}`, 200, false, false,
			"set application/json before WriteHeader"},
		{"problem type", "application/problem+json", `{}`, 200, false, false, "Invalid HttpResponseMessage"},
		{"broken JSON", asJSON, `{"Outputs":`, 200, false, false, `can't read`},
		{"text after JSON", asJSON, `{} {}`, 200, false, false, `body: {} {}`},
		{"array", asJSON, `[]`, 200, false, false, "not an object"},
		{"logs that are no strings", asJSON, `{"Logs":[1]}`, 200, false, false, "can't read"},
		{"redirect", "", ``, 302, false, false, "never redirect"},
		{"client error", asJSON, `{"Logs":["why"]}`, 404, false, false,
			"answered 404 Not Found: the host ignores body and Logs"},
		{"server error", "text/plain", `boom`, 500, false, false, "body: boom"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := judge(c.status, http.Header{"Content-Type": {c.contentType}}, []byte(c.body))
			require.Equal(t, c.ok, v.succeeded)
			require.Equal(t, c.hangs, v.hangs)
			require.Contains(t, v.cause, c.cause)
			require.Equal(t, c.ok, v.cause == "", "a failure has a cause: %s", v.cause)
		})
	}
}

func TestEnvelopeValuesAreEncodedByTheHostsOneRule(t *testing.T) {
	cases := []struct {
		value any
		want  string
	}{
		{map[string]int{"a": 1}, `{"a":1}`},
		{struct{ A int }{1}, `{"A":1}`},
		{[]byte("hi"), `"aGk="`},
		{epoch, `"2026-11-20T10:02:00+00:00"`},
		{"hello", `"\"hello\""`},
		{`{"a":1}`, `"\"{\\\"a\\\":1}\""`},
		{1, `"1"`},
		{true, `"true"`},
		{[]int{1, 2}, `"[1,2]"`},
	}
	for _, c := range cases {
		got, err := encodeValue(c.value)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got))
	}
}

func TestATimerEnvelopeIsWhatTheHostSends(t *testing.T) {
	input := "7"
	call := timerCall{function: "SyncAudit", binding: "timer", cron: true, input: &input, now: epoch, guid: "g",
		status: &Status{Next: epoch, LastUpdated: epoch.Add(1200 * time.Microsecond)}, pastDue: true,
		retry: &retryContext{RetryCount: 1, MaxRetryCount: 2, Exception: failedTry("SyncAudit", "i", "answered 500")}}
	body, err := call.body()
	require.NoError(t, err)
	require.Equal(t, `{"Data":{"timer":{"Schedule":{"AdjustForDST":true},"ScheduleStatus":{"Last":"0001-01-01T00:00:00+00:00","Next":"2026-11-20T10:02:00+00:00","LastUpdated":"2026-11-20T10:02:00.0012+00:00"},"IsPastDue":true}},`+
		`"Metadata":{"RetryContext":{"RetryCount":1,"MaxRetryCount":2,"Exception":{"InstanceId":"i","MethodName":"Host.Functions.SyncAudit","Handled":false,"ClassName":"Microsoft.Azure.WebJobs.Host.FunctionInvocationException","Message":"Exception while executing function: Functions.SyncAudit","Data":null,"InnerException":{"Message":"answered 500"}},"Instance":null,"State":{}},"sys":{"MethodName":"SyncAudit","UtcNow":"2026-11-20T10:02:00Z","RandGuid":"g"},"timer":"\"7\""}}`, string(body))
	bare, err := timerCall{function: "F", binding: "t", now: epoch}.body()
	require.NoError(t, err)
	require.Contains(t, string(bare), `"ScheduleStatus":null,"IsPastDue":false`)
	require.NotContains(t, string(bare), "RetryContext")
}

func TestConsoleLinesGetTheHostsLevel(t *testing.T) {
	require.Equal(t, levelInformation, consoleLevel(false, "error of sorts"))
	require.Equal(t, levelError, consoleLevel(true, "boom"))
	require.Equal(t, levelWarning, consoleLevel(true, "a WARNing"))
}

func TestAStructuredLineIsMadeReadable(t *testing.T) {
	e, ok := readEntry(`{"time":"2026-11-20T10:00:00.5+01:00","level":"ERROR","msg":"two\nlines","n":1,"s":"a b","o":{"x": 1},"t":""}`)
	require.True(t, ok)
	require.Equal(t, entry{at: "09:00:00.500", level: levelError, text: `two\nlines n=1 s="a b" o={"x": 1} t=""`}, e)
	for _, line := range []string{"plain", `{"level":"INFO"}`, `{"msg":`, `["msg"]`} {
		_, ok := readEntry(line)
		require.False(t, ok, line)
	}
}

func TestLinesAreCutWhereTheyEndNotWhereTheyArrive(t *testing.T) {
	var lines []string
	w := &lineWriter{emit: func(line string) { lines = append(lines, line) }}
	for _, part := range []string{"a", "b\r\nc", "\n\nrest"} {
		_, err := w.Write([]byte(part))
		require.NoError(t, err)
	}
	w.flush()
	require.Equal(t, []string{"ab", "c", "", "rest"}, lines)
}

func TestTheThirdFailureWithinThirtyMinutesOfTheOneBeforeStops(t *testing.T) {
	cases := []struct {
		name   string
		after  []time.Duration
		stopAt int // index of the failure that stops, -1 for none
	}{
		{"three at once", []time.Duration{0, 0, 0}, 2},
		{"29 minutes apart", []time.Duration{0, 29 * time.Minute, 29 * time.Minute}, 2},
		{"the second forgets the first", []time.Duration{0, 31 * time.Minute, time.Minute}, -1},
		{"and counts anew", []time.Duration{0, time.Minute, 31 * time.Minute, time.Minute, time.Minute}, 4},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var count crashCount
			at, stopped := epoch, -1
			for i, gap := range c.after {
				at = at.Add(gap)
				if count.note(at) && stopped < 0 {
					stopped = i
				}
			}
			require.Equal(t, c.stopAt, stopped)
		})
	}
}

func TestAnExitCodeDecidesAboutTheRestart(t *testing.T) {
	require.Equal(t, stayDown, react(0, false))
	require.Equal(t, restartAsked, react(200, false))
	require.Equal(t, restart, react(200, true))
	require.Equal(t, restartCounted, react(1, false))
	require.Equal(t, restartCounted, react(137, false))
	require.Equal(t, restartCounted, react(143, false), "an end by SIGTERM that the handler did not take")
	require.Equal(t, restart, react(137, true))
}

func TestARetryPolicySaysWhetherAndWhen(t *testing.T) {
	read := func(text string) *retryPolicy {
		var j retryJSON
		require.NoError(t, json.Unmarshal([]byte(text), &j))
		p, err := j.policy()
		require.NoError(t, err)
		return p
	}
	fixed := read(`{"strategy":"fixedDelay","maxRetryCount":2,"delayInterval":"00:00:30"}`)
	require.Equal(t, []bool{true, true, false}, []bool{fixed.again(1), fixed.again(2), fixed.again(3)})
	require.Equal(t, 30*time.Second, fixed.delay(2))
	growing := read(`{"strategy":"exponentialBackoff","maxRetryCount":-1,"minimumInterval":"00:00:05","maximumInterval":"00:00:30"}`)
	require.True(t, growing.again(1000))
	require.Equal(t, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second,
		30 * time.Second},
		[]time.Duration{growing.delay(1), growing.delay(2), growing.delay(3), growing.delay(4), growing.delay(1000)})
	require.False(t, (*retryPolicy)(nil).again(1))
}
