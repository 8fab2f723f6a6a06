package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The statuses of an action.
const (
	succeeded = "Succeeded"
	failed    = "Failed"
	skipped   = "Skipped"
	timedOut  = "TimedOut"
)

// flow plays a run of a cloud flow of infra/flows as Power Automate does, as far as these flows go.
// Its clock is played too: nothing sleeps.
type flow struct {
	*testing.T
	definition  flowDefinition
	parameters  map[string]any
	connections map[string]any
	about       string
	reading     flowReading
	ledger      flowLedger
	elsewhere   elsewhere // what answers mails and requests to other systems
	// ends is how actions end, whatever they have done: an answer may come too late.
	ends map[string]string

	now        time.Time
	variables  map[string]any
	results    map[string]flowResult
	items      []any // of loops, the innermost last
	terminated *flowEnd
}

type flowDefinition struct {
	Parameters map[string]struct {
		DefaultValue any `json:"defaultValue"`
	} `json:"parameters"`
	Triggers map[string]any        `json:"triggers"`
	Actions  map[string]flowAction `json:"actions"`
}

type flowAction struct {
	Type       string                `json:"type"`
	RunAfter   map[string][]string   `json:"runAfter"`
	Inputs     any                   `json:"inputs"`
	Actions    map[string]flowAction `json:"actions"`
	Expression any                   `json:"expression"`
	Foreach    string                `json:"foreach"`
	Options    string                `json:"operationOptions"`
	Limit      struct {
		Count   int    `json:"count"`
		Timeout string `json:"timeout"`
	} `json:"limit"`
	Else struct {
		Actions map[string]flowAction `json:"actions"`
	} `json:"else"`
}

// flowResult is how an action ended.
type flowResult struct {
	status  string
	code    string
	outputs any
}

// object is what actions() gives of it.
func (r flowResult) object(name string) any {
	if r.status == "" {
		return nil
	}
	out := map[string]any{"name": name, "status": r.status, "code": r.code}
	if r.outputs != nil {
		out["outputs"] = r.outputs
	}
	return out
}

// flowEnd is how a run ended.
type flowEnd struct{ status, code, message string }

// flowReading is one way in which what the documentation leaves open may be. A flow has to do the
// same in each.
type flowReading struct {
	name string
	// scope is the status of an If, and of a turn of a loop, by the actions in it.
	scope func(*flow, map[string]flowAction) string
	// limits is the status of an Until with FailWhenLimitsReached that reached one. Without the
	// option, and where it is not heeded, it is Succeeded.
	limits string
	// refused is the status of a Foreach of which a turn failed, nothing is that without any turn.
	refused, nothing string
	// goesOn tells that Terminate does not keep actions after it from being run
	// (github.com/Azure/logicapps/issues/1387, 977).
	goesOn bool
}

// flowReadings are what learn.microsoft.com/azure/logic-apps says at different places: a branch
// that ends with a skipped action has the status of that action's predecessor, and a scope is
// failed if its final action is (error-exception-handling); a scope is failed if any action in it
// is (logic-apps-control-flow-run-steps-group-scopes), and an Until if one is in its last turn
// (logic-apps-control-flow-loops). None says what a Foreach is. That FailWhenLimitsReached gives
// TimedOut is from github.com/Azure/logicapps/issues/439.
var flowReadings = []flowReading{
	{name: "by its leaves", scope: (*flow).byLeaves, limits: timedOut, refused: failed, nothing: succeeded},
	{name: "by any failure", scope: (*flow).byAnyFailure, limits: failed, refused: failed, nothing: skipped},
	{name: "by its final action", scope: (*flow).byFinalAction, limits: succeeded, refused: succeeded,
		nothing: succeeded, goesOn: true},
}

// readFlow reads a flow that an import takes.
func readFlow(t *testing.T, name string) *flow {
	text, err := os.ReadFile("../infra/flows/" + name + ".json")
	require.NoError(t, err)
	var file struct {
		Properties struct {
			Description          string          `json:"description"`
			Definition           json.RawMessage `json:"definition"`
			ConnectionReferences map[string]any  `json:"connectionReferences"`
		} `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	f := newFlow(t, file.Properties.Definition)
	f.about, f.connections = file.Properties.Description, file.Properties.ConnectionReferences
	return f
}

func newFlow(t *testing.T, definition []byte) *flow {
	require.Empty(t, refusals(definition), "an import refuses it")
	f := &flow{T: t, reading: flowReadings[0], parameters: map[string]any{},
		now: time.Date(2026, 11, 2, 7, 0, 0, 0, time.UTC)}
	require.NoError(t, json.Unmarshal(definition, &f.definition))
	for name, p := range f.definition.Parameters {
		f.parameters[name] = p.DefaultValue
	}
	return f
}

// inPagesOf makes a test's few rows several pages.
func (f *flow) inPagesOf(rows int) {
	inputs := f.definition.Actions["All_pages"].Actions["Ask"].Inputs.(map[string]any)
	inputs["parameters"].(map[string]any)["$top"] = float64(rows)
}

// run plays one run, as the trigger or a resubmission begins it.
func (f *flow) run() flowEnd {
	f.Helper()
	f.variables, f.results, f.items, f.terminated = map[string]any{}, map[string]flowResult{}, nil, nil
	f.runActions(f.definition.Actions)
	if f.terminated != nil {
		return *f.terminated
	}
	if status := f.byLeaves(f.definition.Actions); status != succeeded {
		return flowEnd{status: failed, code: "ActionFailed"}
	}
	return flowEnd{status: succeeded}
}

// runActions runs those of one level, each after those that it waits for, and skips those whose
// predecessors ended otherwise.
func (f *flow) runActions(actions map[string]flowAction) {
	f.forget(actions)
	for left := slices.Sorted(maps.Keys(actions)); len(left) > 0; {
		at := slices.IndexFunc(left, func(name string) bool {
			for after := range actions[name].RunAfter {
				if f.results[after].status == "" {
					return false
				}
			}
			return true
		})
		require.GreaterOrEqual(f, at, 0, "actions wait for each other")
		name := left[at]
		left = slices.Delete(left, at, at+1)
		if f.due(actions[name]) {
			f.results[name] = f.do(name, actions[name])
			if status, ok := f.ends[name]; ok {
				f.results[name] = flowResult{status: status, code: "Action" + status}
			}
		} else {
			f.skip(name, actions[name])
		}
	}
}

func (f *flow) due(a flowAction) bool {
	if f.terminated != nil && !f.reading.goesOn {
		return false
	}
	for after, statuses := range a.RunAfter {
		if !slices.ContainsFunc(statuses, func(s string) bool { return s == f.results[after].status }) {
			return false
		}
	}
	return true
}

// forget makes those of a turn of a loop not have run.
func (f *flow) forget(actions map[string]flowAction) {
	for name, a := range actions {
		delete(f.results, name)
		f.forget(a.Actions)
		f.forget(a.Else.Actions)
	}
}

func (f *flow) skip(name string, a flowAction) {
	f.results[name] = flowResult{status: skipped, code: "ActionSkipped"}
	for _, inner := range []map[string]flowAction{a.Actions, a.Else.Actions} {
		for name, a := range inner {
			f.skip(name, a)
		}
	}
}

// byLeaves is failed if an action failed that no other one of its level runs after. One that was
// skipped counts as those that it waited for.
func (f *flow) byLeaves(actions map[string]flowAction) string {
	leaves := maps.Clone(actions)
	for _, a := range actions {
		for after := range a.RunAfter {
			delete(leaves, after)
		}
	}
	for name := range leaves {
		if f.failedBefore(actions, name) {
			return failed
		}
	}
	return succeeded
}

func (f *flow) failedBefore(actions map[string]flowAction, name string) bool {
	switch f.results[name].status {
	case failed, timedOut:
		return true
	case skipped:
		for after := range actions[name].RunAfter {
			if f.failedBefore(actions, after) {
				return true
			}
		}
	}
	return false
}

func (f *flow) byAnyFailure(actions map[string]flowAction) string {
	for name := range actions {
		if status := f.results[name].status; status == failed || status == timedOut {
			return failed
		}
	}
	return succeeded
}

// byFinalAction looks at the leaves alone: a skipped one is no failure.
func (f *flow) byFinalAction(actions map[string]flowAction) string {
	for name := range actions {
		isLeaf := true
		for _, a := range actions {
			_, waits := a.RunAfter[name]
			isLeaf = isLeaf && !waits
		}
		if isLeaf && f.results[name].status == failed {
			return failed
		}
	}
	return succeeded
}
