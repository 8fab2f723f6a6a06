package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// definitionOf is a flow's definition with these actions and the variable n, which is 0.
func definitionOf(actions string) []byte {
	return fmt.Appendf(nil, `{"$schema": "…", "contentVersion": "1.0.0.0", "parameters": {"p": {"type": "String"}},
		"triggers": {"Recurrence": {"type": "Recurrence", "recurrence": {}}},
		"actions": {"N": {"type": "InitializeVariable", "runAfter": {},
			"inputs": {"variables": [{"name": "n", "type": "integer", "value": 0}]}}, %s}}`, actions)
}

func TestAFlowIsRefusedAsAnImportRefusesIt(t *testing.T) {
	const (
		request = `"type": "Http", "inputs": {"method": "GET", "uri": "a"`
		loop    = `"type": "Until", "expression": "@equals(1, 1)", "actions": {},`
	)
	for _, c := range [][2]string{
		{`"A": {` + request + `}, "retryPolicy": {"type": "none"}}`, "A: could not find member retryPolicy"},
		{`"A": {` + request + `, "retries": 3}}`, "A inputs: could not find member retries"},
		{`"A": {` + request + `, "retryPolicy": {"type": "default"}}}`, "retryPolicy of type default"},
		{`"A": {` + request + `, "retryPolicy": {"type": "fixed", "count": 3, "interval": "PT1S"}}}`,
			"interval from PT5S to P1D"},
		{`"A": {` + request + `, "retryPolicy": {"type": "fixed", "count": 91, "interval": "PT5S"}}}`,
			"from 1 to 90"},
		{`"A": {` + request + `, "retryPolicy": {"type": "fixed", "count": 3, "interval": "20"}}}`,
			"interval from PT5S"},
		{`"A": {` + request + `, "retryPolicy": {"type": "none", "times": 3}}}`, "could not find member times"},
		{`"A": {"type": "Fetch"}`, "no action of type Fetch"},
		{`"A": {"type": "Query", "inputs": {"from": [], "where": "@equals(1, 1)"}}`, "no action of type Query"},
		{`"` + strings.Repeat("A", 81) + `": {"type": "Compose", "inputs": 1}`, "a name of 81 letters"},
		{`"A": {"type": "Compose", "inputs": "@concat('` + strings.Repeat("a", 8200) + `')"}`,
			"an expression of 8211 letters"},
		{`"A": {"type": "Compose", "inputs": 1, "runAfter": {"B": ["Succeeded"]}}`,
			"runs after B, which is not beside it"},
		{`"A": {"type": "Compose", "inputs": 1, "runAfter": {"N": ["Done"]}}`, "runs after status Done"},
		{`"A": {"type": "Compose", "inputs": "@lower('A')"}`, "no function lower"},
		{`"A": {"type": "Compose", "inputs": "@concat('A"}`, "does not end"},
		{`"A": {"type": "Compose", "inputs": "@concat('a' 'b')"}`, "comma"},
		{`"A": {"type": "Compose", "inputs": "a @{parameters('p')}"}`, "the player has no @{"},
		{`"A": {"type": "Compose", "inputs": "@parameters('q')"}`, "parameters('q') is not there"},
		{`"A": {"type": "Compose", "inputs": "@item()"}`, "item('') is not there"},
		{`"A": {"type": "Compose", "inputs": "@outputs('B')"}, "B": {"type": "Compose", "inputs": 1}`,
			"outputs('B') is not there by then"},
		{`"A": {"type": "SetVariable", "inputs": {"name": "m", "value": 1}}`, "variable m is not initialized"},
		{`"A": {"type": "SetVariable", "inputs": {"name": "n", "value": "@length(variables('n'))"}}`,
			"can't be set from itself"},
		{`"A": {"type": "Compose", "inputs": 1, "operationOptions": "Sequential"}`,
			"A: operationOptions Sequential"},
		{`"A": {` + loop + ` "limit": {"count": 0, "timeout": "PT1H"}}`, "a count from 1 to 5000"},
		{`"A": {` + loop + ` "limit": {"count": 6000, "timeout": "PT1H"}}`, "a count from 1 to 5000"},
		{`"A": {` + loop + ` "limit": {"count": 1}}`, `"" is no duration`},
		{`"A": {"type": "If", "expression": {}, "actions": {}, "else": {"actions": {
			"N": {"type": "Compose", "inputs": 1}}}}`,
			"two of this name"},
		{`"A": {"type": "If", "expression": {}, "actions": {
			"B": {"type": "InitializeVariable", "inputs": {"variables": [{}]}}}}`,
			"at the top"},
		{`"A": {"type": "Foreach", "foreach": "@parameters('p')", "actions": {
			"B": {"type": "If", "expression": {}, "actions": {
				"C": {"type": "Terminate", "inputs": {"runStatus": "Failed"}}}}}}`,
			"C: Terminate can't appear inside"},
		{`"A": {"type": "Terminate", "inputs": {"runStatus": "Failed", "runError": {"text": "a"}}}`,
			"could not find member text"},
	} {
		require.Contains(t, strings.Join(refusals(definitionOf(c[0])), "\n"), c[1], c[0])
	}
	require.Empty(t, refusals(definitionOf(`"A": {`+request+`, "retryPolicy": {"type": "none"}}}`)))
	require.Contains(t, refusals([]byte(`{"action": {}}`)), "definition: could not find member action")
	require.Contains(t, refusals([]byte(`{"parameters": {"a": {"default": 1}}}`)),
		"parameter a: could not find member default")
	require.Contains(t, refusals([]byte(`{"triggers": {"a": {"every": 1}}}`)), "trigger a: could not find member every")
}

// TestARetryPolicyBesideTheInputsOfAFlowIsRefused changes each flow as it is.
func TestARetryPolicyBesideTheInputsOfAFlowIsRefused(t *testing.T) {
	for _, name := range []string{"weekly-inactive-users", "expiring-credential-tickets"} {
		content, err := os.ReadFile("../infra/flows/" + name + ".json")
		require.NoError(t, err)
		var file struct {
			Properties struct{ Definition map[string]any }
		}
		require.NoError(t, json.Unmarshal(content, &file))
		pages := asObject(asObject(file.Properties.Definition["actions"])["All_pages"])
		ask := asObject(asObject(pages["actions"])["Ask"])
		ask["retryPolicy"] = asObject(ask["inputs"])["retryPolicy"]
		require.NotEmpty(t, ask["retryPolicy"])
		changed, err := json.Marshal(file.Properties.Definition)
		require.NoError(t, err)
		require.Equal(t, []string{"Ask: could not find member retryPolicy"}, refusals(changed))
	}
}

// played is a run of actions, with what the requests of its Http actions are answered.
func played(t *testing.T, actions string, answers ...flowAnswer) (*flow, flowEnd, *int) {
	f, asked := newFlow(t, definitionOf(actions)), new(int)
	f.elsewhere = func(string, map[string]any) flowAnswer {
		*asked++
		return answers[min(*asked, len(answers))-1]
	}
	return f, f.run(), asked
}

const askOnce = `"Ask": {"type": "Http", "inputs": {"method": "GET", "uri": "a", "retryPolicy": {"type": "none"}}}`

func TestALoopGoesOnAfterAnActionInItFailed(t *testing.T) {
	const loop = `"Loop": {"type": "Until", "expression": "@equals(variables('n'), 1)", 
		"limit": {"count": %d, "timeout": "PT1H"}, "runAfter": {"N": ["Succeeded"]}, %s
		"actions": {` + askOnce + `, 
			"Count": {"type": "IncrementVariable", "inputs": {"name": "n", "value": 1},
				"runAfter": {"Ask": ["Succeeded"]}}}}`
	f, end, asked := played(t, fmt.Sprintf(loop, 200, ""), flowAnswer{status: http.StatusInternalServerError})
	require.Equal(t, 200, *asked, "a failed action alone ends no loop")
	require.Equal(t, succeeded, end.status, "and its limit is no failure")
	require.Equal(t, succeeded, f.results["Loop"].status)

	f, end, asked = played(t, fmt.Sprintf(loop, 7, `"operationOptions": "FailWhenLimitsReached",`),
		flowAnswer{status: 500})
	require.Equal(t, 7, *asked)
	require.Equal(t, failed, end.status)
	require.Equal(t, timedOut, f.results["Loop"].status)

	f, end, asked = played(t, fmt.Sprintf(loop, 7, ""), flowAnswer{status: 500}, flowAnswer{status: 200})
	require.Equal(t, 2, *asked, "the last turn is what counts")
	require.Equal(t, succeeded, end.status)
	require.Equal(t, succeeded, f.results["Loop"].status)
}

func TestALoopEndsAtItsTimeout(t *testing.T) {
	f := newFlow(t, definitionOf(`"Loop": {"type": "Until", "expression": "@equals(1, 2)",
		"limit": {"count": 5000, "timeout": "PT10M"}, "actions": {`+askOnce+`}}`))
	asked := 0
	f.elsewhere = func(string, map[string]any) flowAnswer {
		asked++
		f.now = f.now.Add(time.Minute)
		return flowAnswer{status: http.StatusOK}
	}
	require.Equal(t, succeeded, f.run().status)
	require.Equal(t, 10, asked)
}

func TestAnActionRunsAfterTheStatusesItNames(t *testing.T) {
	after := func(statuses string) string {
		return askOnce + `, "Then": {"type": "Compose", "inputs": "@actions('Ask')?['outputs']?['statusCode']",
			"runAfter": {"Ask": [` + statuses + `]}},
			"Last": {"type": "Compose", "inputs": 1, "runAfter": {"Then": ["Succeeded"]}}`
	}
	no := flowAnswer{status: http.StatusNotFound}
	f, end, _ := played(t, after(`"Succeeded"`), no)
	require.Equal(t, []string{failed, skipped, skipped}, f.statuses("Ask", "Then", "Last"))
	require.Equal(t, failed, end.status, "a branch that ends skipped counts as what it waited for")

	f, end, _ = played(t, after(`"Failed", "TimedOut"`), no)
	require.Equal(t, []string{failed, succeeded, succeeded}, f.statuses("Ask", "Then", "Last"))
	require.Equal(t, succeeded, end.status, "a failure that is handled is none of the run")
	require.EqualValues(t, http.StatusNotFound, f.results["Then"].outputs)

	f, end, _ = played(t, after(`"Failed"`), flowAnswer{status: http.StatusOK})
	require.Equal(t, []string{succeeded, skipped, skipped}, f.statuses("Ask", "Then", "Last"))
	require.Equal(t, succeeded, end.status)
}

func (f *flow) statuses(names ...string) (out []string) {
	for _, name := range names {
		out = append(out, f.results[name].status)
	}
	return out
}

func TestTerminateEndsARun(t *testing.T) {
	f, end, asked := played(t, `"If": {"type": "If", "expression": {"equals": ["@parameters('p')", "x"]},
		"runAfter": {"N": ["Succeeded"]}, "actions": {`+askOnce+`},
		"else": {"actions": {"Stop": {"type": "Terminate", "inputs": {"runStatus": "Failed",
			"runError": {"code": "c", "message": "@concat('n is ', string(variables('n')))"}}}}}},
		"After": {"type": "Compose", "inputs": 1, "runAfter": {"If": ["Succeeded", "Failed", "Skipped"]}}`)
	require.Equal(t, flowEnd{failed, "c", "n is 0"}, end)
	require.Zero(t, *asked)
	require.Equal(t, []string{skipped, succeeded, skipped}, f.statuses("Ask", "Stop", "After"))
}

func TestAnItemThatFailsFailsItsLoopAndNotTheItemsAfterIt(t *testing.T) {
	const each = `"Two": {"type": "Compose", "inputs": ["a", "b"]},
		"Each": {"type": "Foreach", "foreach": "@outputs('Two')", "runAfter": {"Two": ["Succeeded"]},
			"actions": {` + askOnce + `}},
		"Then": {"type": "Compose", "inputs": 1, "runAfter": {"Each": ["Succeeded"]}}`
	f, end, asked := played(t, each, flowAnswer{status: http.StatusConflict}, flowAnswer{status: http.StatusOK})
	require.Equal(t, 2, *asked)
	require.Equal(t, failed, end.status)
	require.Equal(t, []string{failed, skipped}, f.statuses("Each", "Then"))
}

func TestWhatIsRepeatedAndWhenFollowsThePolicy(t *testing.T) {
	request := func(policy string) string {
		return `"Ask": {"type": "Http", "inputs": {"method": "GET", "uri": "a"` + policy + `}}`
	}
	exponential := `, "retryPolicy": {"type": "exponential", "count": 3, "interval": "PT20S",
		"maximumInterval": "PT1M"}`
	for _, c := range []struct {
		policy string
		answer flowAnswer
		asked  int
		pause  time.Duration
	}{
		{exponential, flowAnswer{status: 500}, 4, (20 + 40 + 60) * time.Second},
		{exponential, flowAnswer{status: 408}, 4, 120 * time.Second},
		{exponential, flowAnswer{status: 429}, 4, 120 * time.Second},
		{exponential, flowAnswer{status: 503, headers: map[string]any{"Retry-After": "300"}}, 4, 15 * time.Minute},
		{exponential, flowAnswer{}, 4, 120 * time.Second},
		{exponential, flowAnswer{status: 400}, 1, 0},
		{exponential, flowAnswer{status: 401}, 1, 0},
		{exponential, flowAnswer{status: 410}, 1, 0},
		{exponential, flowAnswer{status: 200}, 1, 0},
		{`, "retryPolicy": {"type": "fixed", "count": 2, "interval": "PT5S"}`, flowAnswer{status: 500}, 3,
			10 * time.Second},
		{`, "retryPolicy": {"type": "none"}`, flowAnswer{status: 500}, 1, 0},
		{``, flowAnswer{status: 500}, 5, (7 + 14 + 28 + 56) * time.Second},
	} {
		f := newFlow(t, definitionOf(request(c.policy)))
		began, asked := f.now, 0
		f.elsewhere = func(string, map[string]any) flowAnswer { asked++; return c.answer }
		end := f.run()
		require.Equal(t, c.asked, asked, "%+v", c)
		require.Equal(t, c.pause, f.now.Sub(began), "%+v", c)
		require.Equal(t, c.answer.status == 200, end.status == succeeded, "%+v", c)
	}
}

func TestAnExpressionThatFailsFailsItsAction(t *testing.T) {
	for text, want := range map[string]any{
		`@actions('Ask')?['outputs']?['body']?['error']`:     nil, // of a text: it has no properties
		`@actions('Ask')['outputs']['missing']`:              nil,
		`@actions('Ask')?['outputs']?['missing']?['more']`:   "<nil>",
		`@length(body('Ask')?['value'])`:                     nil,
		`@union(outputs('Ask'), body('Ask'))`:                nil,
		`@first(split(last(split('a=b&c', '=')), '&'))`:      "b",
		`@take('äöü', 2)`:                                    "äö",
		`@string(actions('Ask')?['outputs']?['statusCode'])`: "200",
		`@concat('it''s ', null, 'a')`:                       "it's a",
		`@coalesce(null, 'a')`:                               "a",
		`@if(empty(''), 'yes', 'no')`:                        "yes",
		`@and(or(equals(1, 2), true), empty(null))`:          "true",
		`@and(greater(2, 1), not(greater(1, 1)))`:            "true",
		`@not(null)`:         nil,
		`@sub(0, -3)`:        "3",
		`@sub(0, null)`:      nil,
		`@greater('two', 1)`: nil,
	} {
		f, _, _ := played(t, askOnce+`, "Then": {"type": "Compose", "inputs": `+strconv.Quote(text)+`,
			"runAfter": {"Ask": ["Succeeded"]}}`, flowAnswer{status: http.StatusOK, body: "<html>"})
		if want == nil {
			require.Equal(t, failed, f.results["Then"].status, text)
			continue
		}
		require.Equal(t, succeeded, f.results["Then"].status, text)
		require.Equal(t, want, fmt.Sprint(f.results["Then"].outputs), text)
	}
}
