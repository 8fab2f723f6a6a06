package snapshots_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
)

// hostsWords are what the Functions host writes; %s is the program's path.
var hostsWords = struct{ ended, gaveUp, timeOut string }{
	// The host's source, WorkerProcess: the message of WorkerProcessExitException.
	"%s exited with code %d (0x%X)",
	// The host's source, HttpFunctionInvocationDispatcher.
	"Exceeded http worker restart retry count. Shutting down Functions Host",
	// A transcript of a host that killed a slow timer; the test reads it there.
	"A function timeout has occurred. Restarting worker process executing invocationId '<guid>'.",
}

// overQuota is what a workspace says where the day's cap is reached. Source: learn.microsoft.com,
// "Set daily cap on Log Analytics workspace".
const overQuota = "The data collection stopped due to daily limit of free data reached. Ingestion status = OverQuota"

// happening is a number of rows of a table, some time ago.
type happening struct {
	table string
	row   row
	ago   time.Duration
	times int
}

const playedApp = "func-ledger-7vewlqxk"

func requests(function string, success bool, ago time.Duration, times int) happening {
	return happening{"AppRequests", row{"AppRoleName": playedApp, "Name": function, "Success": success}, ago, times}
}

func messages(text string, times int) happening {
	return happening{"AppTraces", row{"AppRoleName": playedApp, "Message": text}, 10 * time.Minute, times}
}

func exceptions(text string, times int) happening {
	return happening{"AppExceptions", row{"AppRoleName": playedApp, "OuterMessage": text}, 10 * time.Minute, times}
}

// ofOther is the same of another app in the workspace.
func ofOther(h happening) happening {
	h.row["AppRoleName"] = "func-other"
	return h
}

func exit(code int) string {
	return fmt.Sprintf(hostsWords.ended, "/home/site/wwwroot/handler", code, code)
}

// tryingAgain is the line that the handler logs before it asks Graph again.
func tryingAgain(code entra.Code) string {
	var b bytes.Buffer
	slog.New(slog.NewJSONHandler(&b, nil)).Info("trying again", "doing", "read signIns.interactiveUser", "code", code,
		"after", "10s", "error", "...")
	return b.String()
}

// fourTimers are runs of all timers, the first one that long ago.
func fourTimers(ago time.Duration, without string) (out []happening) {
	for _, name := range []string{"archivelogs", "snapshotdirectory", "indexarchive", "purgearchive"} {
		if name != without {
			out = append(out, requests(name, true, ago, 1), requests(name, true, time.Minute, 1))
		}
	}
	return out
}

// alertCases say what makes each rule fire, and what does not.
var alertCases = []struct {
	rule, what string
	fires      bool
	happened   []happening
}{
	{"archive-stale", "nothing runs", true, nil},
	{"archive-stale", "a run succeeded within the hour", false, []happening{requests("archivelogs", true,
		50*time.Minute, 1)}},
	{"archive-stale", "a run succeeded before that", true, []happening{requests("archivelogs", true, 70*time.Minute,
		5)}},
	{"archive-stale", "runs fail", true, []happening{requests("archivelogs", false, 5*time.Minute, 9)}},
	{"archive-stale", "another function runs", true, []happening{requests("indexarchive", true, 5*time.Minute, 9)}},
	{"archive-stale", "another app runs", true, []happening{ofOther(requests("archivelogs", true, 5*time.Minute, 9))}},

	{"timers-silent", "all timers run", false, fourTimers(47*time.Hour, "")},
	{"timers-silent", "a timer was silent for two days", true, fourTimers(47*time.Hour, "purgearchive")},
	{"timers-silent", "the archive's timer was", true, fourTimers(41*time.Hour, "archivelogs")},
	{"timers-silent", "an app that is there since yesterday, and its purge is yet to come", false,
		fourTimers(39*time.Hour, "purgearchive")},
	{"timers-silent", "its runs fail, but it is not silent", false,
		append(fourTimers(47*time.Hour, "purgearchive"), requests("purgearchive", false, time.Hour, 1))},
	{"timers-silent", "another app's timer runs", true,
		append(fourTimers(47*time.Hour, "purgearchive"), ofOther(requests("purgearchive", true, time.Hour, 1)))},
	{"timers-silent", "nothing runs: archive-stale tells that", false, nil},

	{"invocations-failed", "three failed", true, []happening{requests("indexarchive", false, 20*time.Minute, 3)}},
	{"invocations-failed", "one each of three timers failed", true, []happening{requests("archivelogs", false,
		time.Minute, 1),
		requests("snapshotdirectory", false, time.Minute, 1), requests("purgearchive", false, time.Minute, 1)}},
	{"invocations-failed", "two failed", false, []happening{requests("archivelogs", false, 20*time.Minute, 2)}},
	{"invocations-failed", "one of three failed before that", false, []happening{requests("archivelogs", false,
		20*time.Minute, 2), requests("archivelogs", false, 40*time.Minute, 1)}},
	{"invocations-failed", "they succeeded", false, []happening{requests("archivelogs", true, 20*time.Minute, 9)}},
	{"invocations-failed", "a caller's requests failed", false, []happening{requests("query", false, 20*time.Minute,
		9)}},
	{"invocations-failed", "another app's failed", false, []happening{ofOther(requests("archivelogs", false,
		20*time.Minute, 9))}},

	{"throttled", "20 times", true, []happening{messages(tryingAgain(entra.CodeThrottled), 20)}},
	{"throttled", "19 times", false, []happening{messages(tryingAgain(entra.CodeThrottled), 19)}},
	{"throttled", "Graph has faults of its own", false, []happening{messages(tryingAgain(entra.CodeUnavailable), 99)}},
	{"throttled", "throttled, and given up", false, []happening{messages(`{"msg":"given up","code":"throttled"}`, 99)}},

	{"handler-restarting", "it ended by itself", true, []happening{exceptions(exit(2), 3)}},
	{"handler-restarting", "it panicked, and the host wrote that as a message", true, []happening{messages(exit(14),
		3)}},
	{"handler-restarting", "twice", false, []happening{exceptions(exit(2), 2)}},
	{"handler-restarting", "the platform ended it", false, []happening{exceptions(exit(143), 9)}},
	{"handler-restarting", "it asked to be started again", false, []happening{exceptions(exit(200), 9),
		messages(exit(200), 9)}},
	{"handler-restarting", "the host gave up", true, []happening{messages(hostsWords.gaveUp, 3)}},
	{"handler-restarting", "runs take too long", true, []happening{messages(hostsWords.timeOut, 2),
		exceptions(hostsWords.timeOut, 1)}},
	{"handler-restarting", "the time-out is spoken of", false, []happening{messages("functionTimeout is 00:10:00", 9)}},
	{"handler-restarting", "another program ended", false, []happening{exceptions(strings.ReplaceAll(exit(2),
		"handler", "dotnet"), 9)}},
	{"handler-restarting", "another app's ended", false, []happening{ofOther(exceptions(exit(2), 9)),
		ofOther(messages(exit(2), 9))}},

	{"log-cap", "the cap is reached", true, []happening{operation("Ingestion", overQuota, 5*time.Hour)}},
	{"log-cap", "yesterday", false, []happening{operation("Ingestion", overQuota, 7*time.Hour)}},
	{"log-cap", "in other letters", true, []happening{operation("INGESTION", strings.ToLower(overQuota), time.Hour)}},
	{"log-cap", "something else is said of ingestion", false, []happening{operation("Ingestion",
		"Data of type AppTraces was truncated", time.Hour)}},
	{"log-cap", "of something else", false, []happening{operation("Agent", overQuota, time.Hour)}},
}

func operation(category, detail string, ago time.Duration) happening {
	return happening{"_LogOperation", row{"Category": category, "Detail": detail}, ago, 1}
}

// fires reports whether a rule fires after an event: its query sees the rows of its window.
func fires(t *testing.T, rule *predicted, happened []happening) bool {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	window := time.Duration(minutes[textOf(rule.at("windowSize"))]) * time.Minute
	require.Positive(t, window)
	tables := map[string][]row{}
	for _, h := range happened {
		if h.ago > window {
			continue
		}
		h.row["TimeGenerated"] = now.Add(-h.ago)
		tables[h.table] = append(tables[h.table], slices.Repeat([]row{h.row}, h.times)...)
	}
	criterion := &predicted{Properties: rule.list("criteria.allOf")[0].(map[string]any)}
	rows, err := answer(textOf(criterion.at("query")), tables, now)
	require.NoError(t, err)
	threshold := criterion.at("threshold").(float64)
	switch criterion.at("operator") {
	case "LessThan":
		return float64(len(rows)) < threshold
	case "GreaterThanOrEqual":
		return float64(len(rows)) >= threshold
	}
	require.Fail(t, "another operator")
	return false
}

// rulesByName are a case's alert rules, by their names without the app's.
func rulesByName(s *snapshot) map[string]*predicted {
	out := map[string]*predicted{}
	for _, r := range s.of(alertRules) {
		name := strings.TrimPrefix(r.name(), "alert-")
		out[name[:max(0, strings.LastIndex(name, "-"+s.base+"-"))]] = r
	}
	return out
}

func TestEachAlertFiresWhenItShouldAndNotOtherwise(t *testing.T) {
	rules, seen := rulesByName(load(t, plain)), map[string]bool{}
	for _, c := range alertCases {
		require.Contains(t, rules, c.rule)
		require.Equal(t, c.fires, fires(t, rules[c.rule], c.happened), "%s: %s", c.rule, c.what)
		seen[fmt.Sprint(c.rule, c.fires)] = true
	}
	require.Len(t, seen, 2*len(rules), "each rule has a case in which it fires, and one in which it does not")
}

// TestAlertsKnowEveryTimer: one that is not named is never missed.
func TestAlertsKnowEveryTimer(t *testing.T) {
	rules := rulesByName(load(t, plain))
	var timers []string
	for name, f := range functions(t) {
		if f.Bindings[0].Type == "timerTrigger" {
			timers = append(timers, name)
		}
	}
	require.Len(t, timers, 4)
	for _, name := range timers {
		require.True(t, fires(t, rules["timers-silent"], fourTimers(47*time.Hour, name)), name)
		require.True(t, fires(t, rules["invocations-failed"], []happening{requests(name, false, time.Minute, 3)}), name)
	}
}

// TestTheWordsThatAlertsAskForAreThoseThatAreWritten compares them with where they are written.
func TestTheWordsThatAlertsAskForAreThoseThatAreWritten(t *testing.T) {
	retry, err := os.ReadFile(filepath.Join(root, "internal", "graph", "retry.go"))
	require.NoError(t, err)
	require.Contains(t, string(retry), `"trying again", "doing", doing, "code", entra.CodeOf(err),`)
	var host struct {
		CustomHandler struct {
			Description struct{ DefaultExecutablePath string }
		}
	}
	data, err := os.ReadFile(filepath.Join(root, "host.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &host))
	require.Equal(t, host.CustomHandler.Description.DefaultExecutablePath, filepath.Base(strings.Fields(exit(2))[0]))

	file, err := os.Open(filepath.Join(root, "..", "shared", "samples", "host", "transcripts.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	found := 0
	for lines.Scan() {
		var c struct {
			Case       string
			Transcript json.RawMessage
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &c))
		if c.Case == "timeout-02-timer-slow" {
			var transcript struct{ HostLog []string }
			require.NoError(t, json.Unmarshal(c.Transcript, &transcript))
			require.True(t, slices.ContainsFunc(transcript.HostLog,
				func(line string) bool { return strings.HasSuffix(line, hostsWords.timeOut) }))
			found++
		}
	}
	require.NoError(t, lines.Err())
	require.Equal(t, 1, found)
}
