package main

import (
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"time"

	"github.com/stretchr/testify/require"
)

// do runs an action whose predecessors ended as it wants.
func (f *flow) do(name string, a flowAction) flowResult {
	switch a.Type {
	case "Until":
		return f.until(a)
	case "Foreach":
		return f.foreach(a)
	case "If":
		return f.condition(a)
	case "OpenApiConnection":
		return f.connect(name, a)
	case "Select": // whose inputs hold an expression about each item
		list, err := f.columns(a.Inputs.(map[string]any))
		if err != nil {
			return flowResult{status: failed, code: "InvalidTemplate"}
		}
		return flowResult{status: succeeded, outputs: map[string]any{"body": list}}
	}
	inputs, err := f.value(a.Inputs)
	if err != nil {
		return flowResult{status: failed, code: "InvalidTemplate"}
	}
	members, _ := inputs.(map[string]any)
	switch a.Type {
	case "InitializeVariable":
		v := members["variables"].([]any)[0].(map[string]any)
		f.variables[v["name"].(string)] = v["value"]
	case "SetVariable":
		return f.set(members["name"].(string), members["value"])
	case "IncrementVariable":
		name := members["name"].(string)
		f.variables[name] = f.variables[name].(float64) + members["value"].(float64)
	case "Compose":
		return flowResult{status: succeeded, outputs: inputs}
	case "Table":
		return flowResult{status: succeeded, outputs: map[string]any{"body": asText(members["from"])}}
	case "Http":
		return f.request(a, members, f.outside(name, members))
	case "Wait":
		f.wait(members["interval"].(map[string]any))
	case "Terminate":
		f.terminate(members)
	default:
		f.Fatalf("the player has no action of type %s", a.Type)
	}
	return flowResult{status: succeeded}
}

// set refuses a value of another type than the variable's, as the service does.
func (f *flow) set(name string, value any) flowResult {
	if reflect.TypeOf(f.variables[name]) != reflect.TypeOf(value) {
		return flowResult{status: failed, code: "BadRequest"}
	}
	f.variables[name] = value
	return flowResult{status: succeeded}
}

func (f *flow) terminate(inputs map[string]any) {
	f.terminated = &flowEnd{status: inputs["runStatus"].(string)}
	if problem, ok := inputs["runError"].(map[string]any); ok {
		f.terminated.code, f.terminated.message = problem["code"].(string), problem["message"].(string)
	}
}

// until goes on, whatever failed in a turn, until its condition holds or a limit is reached.
func (f *flow) until(a flowAction) flowResult {
	timeout, err := parseDuration(a.Limit.Timeout)
	require.NoError(f, err)
	began := f.now
	for turn := 1; ; turn++ {
		f.runActions(a.Actions)
		done, err := f.value(a.Expression)
		if err != nil {
			return flowResult{status: failed, code: "InvalidTemplate"}
		}
		if done == true {
			return flowResult{status: f.reading.scope(f, a.Actions)}
		}
		if turn == a.Limit.Count || f.now.Sub(began) >= timeout {
			if a.Options == "FailWhenLimitsReached" {
				return flowResult{status: f.reading.limits, code: "ActionTimedOut"}
			}
			return flowResult{status: succeeded}
		}
	}
}

// foreach takes one item after the other, as Power Automate does unless it is told otherwise. A
// turn that failed does not keep the next from being run.
func (f *flow) foreach(a flowAction) flowResult {
	list, err := f.value(a.Foreach)
	items, ok := list.([]any)
	if err != nil || !ok {
		return flowResult{status: failed, code: "InvalidTemplate"}
	}
	if len(items) > mostItems {
		return flowResult{status: failed, code: "BadRequest"}
	}
	if len(items) == 0 {
		return flowResult{status: f.reading.nothing}
	}
	status := succeeded
	for _, item := range items {
		f.items = append(f.items, item)
		f.runActions(a.Actions)
		f.items = f.items[:len(f.items)-1]
		if f.reading.scope(f, a.Actions) != succeeded {
			status = f.reading.refused
		}
	}
	return flowResult{status: status}
}

func (f *flow) condition(a flowAction) flowResult {
	holds, err := f.holds(a.Expression)
	if err != nil {
		return flowResult{status: failed, code: "InvalidTemplate"}
	}
	run, not := a.Actions, a.Else.Actions
	if !holds {
		run, not = not, run
	}
	for name, inner := range not {
		f.skip(name, inner)
	}
	f.runActions(run)
	return flowResult{status: f.reading.scope(f, run)}
}

// holds works out a condition in the form of the designer: operators as members.
func (f *flow) holds(v any) (bool, error) {
	for name, operands := range v.(map[string]any) {
		switch name {
		case "and":
			for _, inner := range operands.([]any) {
				if holds, err := f.holds(inner); err != nil || !holds {
					return false, err
				}
			}
			return true, nil
		case "not":
			holds, err := f.holds(operands)
			return !holds, err
		}
		values, err := f.value(operands)
		if err != nil {
			return false, err
		}
		left, right := values.([]any)[0], values.([]any)[1]
		switch name {
		case "equals":
			return reflect.DeepEqual(left, right), nil
		case "greater":
			return left.(float64) > right.(float64), nil
		}
		f.Fatalf("the player has no condition %s", name)
	}
	return false, nil
}

// columns makes an object of each item of a list.
func (f *flow) columns(inputs map[string]any) (any, error) {
	from, err := f.value(inputs["from"])
	items, ok := from.([]any)
	if err != nil || !ok {
		return nil, fmt.Errorf("from %T: %w", from, err)
	}
	out := []any{}
	for _, item := range items {
		f.items = append(f.items, item)
		value, err := f.value(inputs["select"])
		f.items = f.items[:len(f.items)-1]
		if err != nil {
			return nil, err
		}
		out = append(out, value)
	}
	return out, nil
}

// flowAnswer is the answer to a request. Status 0 means that none came.
type flowAnswer struct {
	status  int
	headers map[string]any
	body    any
}

// elsewhere answers what an action sends to another system than the ledger.
type elsewhere func(action string, inputs map[string]any) flowAnswer

// connect calls an operation of a connector.
func (f *flow) connect(name string, a flowAction) flowResult {
	value, err := f.value(a.Inputs)
	if err != nil {
		return flowResult{status: failed, code: "InvalidTemplate"}
	}
	inputs := value.(map[string]any)
	host := inputs["host"].(map[string]any)
	require.Contains(f, f.connections, host["connectionName"])
	if host["connectionName"] != "shared_entraledger" {
		return f.request(a, inputs, f.outside(name, inputs["parameters"].(map[string]any)))
	}
	return f.request(a, inputs, func(location string) flowAnswer {
		if location != "" {
			return f.ledger.follow(f, location)
		}
		return f.ledger.call(f, host["operationId"].(string), inputs["parameters"].(map[string]any))
	})
}

// outside sends to another system than the ledger.
func (f *flow) outside(name string, inputs map[string]any) func(string) flowAnswer {
	return func(location string) flowAnswer {
		if location != "" {
			return f.elsewhere(name, map[string]any{"method": http.MethodGet, "uri": location})
		}
		return f.elsewhere(name, inputs)
	}
}

// request does what an action that sends does; send is given the address to follow, or none. While
// the answer is 202, Location is asked, without the headers of the action, and the last answer is
// the action's (learn.microsoft.com/azure/connectors/connectors-native-http, "Asynchronous
// request-response behavior"). With DisableAsyncPattern, 202 is an answer like any other.
func (f *flow) request(a flowAction, inputs map[string]any, send func(location string) flowAnswer) flowResult {
	const unlessAsked, longest = 20 * time.Second, 30 * 24 * time.Hour
	got, location, began := f.repeat(inputs, func() flowAnswer { return send("") }), "", f.now
	for a.Options != "DisableAsyncPattern" && got.status == http.StatusAccepted {
		if next, ok := got.headers["Location"].(string); ok {
			location = next
		}
		if location == "" {
			break
		}
		if f.now.Sub(began) > longest {
			return flowResult{status: timedOut, code: "ActionTimedOut"}
		}
		f.now = f.now.Add(max(unlessAsked, got.retryAfter()))
		got = f.repeat(inputs, func() flowAnswer { return send(location) })
	}
	return got.result()
}

func (f *flow) wait(interval map[string]any) {
	require.Equal(f, "Second", interval["unit"], "the player waits for seconds")
	f.now = f.now.Add(time.Duration(interval["count"].(float64)) * time.Second)
}

// repeat sends a request, and again as its policy says while the answer is 408, 429, 5xx or none at
// all. The pauses pass on the played clock; one that the answer asks for is kept.
func (f *flow) repeat(inputs map[string]any, send func() flowAnswer) flowAnswer {
	policy := retryPolicy{Type: "exponential", Count: 4, Interval: "PT7S", Maximum: "PT1H"} // the default one
	if given, ok := inputs["retryPolicy"].(map[string]any); ok {
		policy = readRetryPolicy(given)
	}
	for n := 0; ; n++ {
		got := send()
		again := got.status == 0 || got.status == 408 || got.status == 429 || got.status >= 500
		if !again || n == policy.repeats() {
			return got
		}
		f.now = f.now.Add(max(policy.pause(n), got.retryAfter()))
	}
}

// retryAfter is the pause that an answer asks for, 0 where it asks for none.
func (a flowAnswer) retryAfter() time.Duration {
	seconds, _ := strconv.Atoi(fmt.Sprint(a.headers["Retry-After"]))
	return time.Duration(seconds) * time.Second
}

// result is Failed for every answer that is none of success.
func (a flowAnswer) result() flowResult {
	if a.status == 0 {
		return flowResult{status: failed, code: "BadGateway"}
	}
	out := flowResult{status: succeeded, code: "OK", outputs: map[string]any{
		"statusCode": float64(a.status), "headers": maps.Clone(a.headers), "body": a.body}}
	if a.status < 200 || a.status > 299 {
		out.status, out.code = failed, "ActionFailed"
	}
	return out
}

type retryPolicy struct {
	Type, Interval, Maximum string
	Count                   int
}

func readRetryPolicy(v map[string]any) retryPolicy {
	p := retryPolicy{Type: v["type"].(string), Maximum: "P1D"}
	p.Interval, _ = v["interval"].(string)
	if maximum, ok := v["maximumInterval"].(string); ok {
		p.Maximum = maximum
	}
	count, _ := v["count"].(float64)
	p.Count = int(count)
	return p
}

func (p retryPolicy) repeats() int {
	if p.Type == "none" {
		return 0
	}
	return p.Count
}

// pause is the longest before repetition n, which begins at 0.
func (p retryPolicy) pause(n int) time.Duration {
	interval, _ := parseDuration(p.Interval) // the definition was checked
	if p.Type == "fixed" {
		return interval
	}
	maximum, _ := parseDuration(p.Maximum)
	return min(interval<<n, maximum)
}

var isoDuration = regexp.MustCompile(`^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$`)

// parseDuration reads a duration in the form of ISO 8601, of days and less.
func parseDuration(text string) (time.Duration, error) {
	m := isoDuration.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("%q is no duration", text)
	}
	var out time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi(m[i+1]) // digits or nothing
		out += time.Duration(n) * unit
	}
	return out, nil
}
