package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// What a definition may hold: the schema 2016-06-01/workflowdefinition.json as Azure/LogicAppsUX
// has it (libs/logic-apps-shared/src/utils/src/lib/models/logicAppsV2.ts), and the schema reference
// (learn.microsoft.com/azure/logic-apps/logic-apps-workflow-actions-triggers). An import refuses
// any other member: "Could not find member 'retryPolicy' on object of type 'FlowTemplateAction'"
// (github.com/Azure/LogicAppsUX/issues/6010).
var (
	definitionMembers = fields("$schema contentVersion description metadata parameters triggers actions outputs " +
		"staticResults")
	parameterMembers = fields("type defaultValue allowedValues metadata description")
	operationMembers = "type kind description metadata operationOptions runtimeConfiguration "
	actionMembers    = operationMembers + "runAfter trackedProperties "
	triggerMembers   = fields(operationMembers + "recurrence conditions inputs splitOn splitOnConfiguration " +
		"correlation")
	requestInputs = "authentication operationOptions retryPolicy "
)

// actionTypes are the types that the player plays: the members of each, those of its inputs, and
// its operationOptions. No inputs: a Compose has any, and what has actions has none. There is no
// Query: what a flow filters was told, and is not told again when it changes.
var actionTypes = map[string]struct{ members, inputs, options []string }{
	"InitializeVariable": {fields(actionMembers + "inputs"), fields("variables"), nil},
	"SetVariable":        {fields(actionMembers + "inputs"), fields("name value"), nil},
	"IncrementVariable":  {fields(actionMembers + "inputs"), fields("name value"), nil},
	"Compose":            {fields(actionMembers + "inputs"), nil, nil},
	"Select":             {fields(actionMembers + "inputs"), fields("from select"), nil},
	"Table":              {fields(actionMembers + "inputs"), fields("from format columns"), nil},
	"Wait":               {fields(actionMembers + "inputs"), fields("interval until"), nil},
	"Terminate":          {fields(actionMembers + "inputs"), fields("runStatus runError"), nil},
	"Http": {fields(actionMembers + "inputs limit"), fields(requestInputs + "method uri headers queries body cookie"),
		fields("DisableAsyncPattern SuppressWorkflowHeaders")},
	"OpenApiConnection": {fields(actionMembers + "inputs limit"), fields(requestInputs + "host parameters"),
		fields("DisableAsyncPattern")},
	"If":      {fields(actionMembers + "expression actions else"), nil, nil},
	"Foreach": {fields(actionMembers + "foreach actions"), nil, fields("Sequential")},
	"Until":   {fields(actionMembers + "expression limit actions"), nil, fields("FailWhenLimitsReached")},
}

// Limits of a definition (learn.microsoft.com/power-automate/limits-and-config).
const (
	longestName       = 80
	longestExpression = 8192
	longestAbout      = 256 // a description
	deepest           = 8
	mostActions       = 500
	mostTurns         = 5000
	mostItems         = 5000 // of a Foreach, for the smallest licence
)

func fields(text string) []string { return strings.Fields(text) }

// flowChecker collects why an import would refuse a definition, or what the player could not play.
type flowChecker struct {
	refused    []string
	names      map[string]bool // of all actions
	variables  map[string]bool
	parameters map[string]any
}

// refusals are empty for a definition that an import takes and the player can play.
func refusals(definition []byte) []string {
	var d map[string]any
	if err := json.Unmarshal(definition, &d); err != nil {
		return []string{err.Error()}
	}
	c := &flowChecker{names: map[string]bool{}, variables: map[string]bool{}}
	c.members("definition", d, definitionMembers)
	c.parameters = asObject(d["parameters"])
	for name, p := range c.parameters {
		c.members("parameter "+name, asObject(p), parameterMembers)
	}
	for name, t := range asObject(d["triggers"]) {
		c.members("trigger "+name, asObject(t), triggerMembers)
	}
	c.collect(asObject(d["actions"]))
	if len(c.names) > mostActions {
		c.refuse("%d actions", len(c.names))
	}
	c.actions(asObject(d["actions"]), flowScope{})
	return c.refused
}

func (c *flowChecker) refuse(format string, args ...any) {
	c.refused = append(c.refused, fmt.Sprintf(format, args...))
}

func (c *flowChecker) members(of string, v map[string]any, known []string) {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		if !slices.Contains(known, name) {
			c.refuse("%s: could not find member %s", of, name)
		}
	}
}

func asObject(v any) map[string]any { m, _ := v.(map[string]any); return m }

// collect notes what expressions may name: an action's name is its alone in the whole definition.
func (c *flowChecker) collect(actions map[string]any) {
	for name, v := range actions {
		a := asObject(v)
		if c.names[name] {
			c.refuse("%s: there are two of this name", name)
		}
		c.names[name] = true
		if a["type"] == "InitializeVariable" {
			for _, variable := range asList(asObject(a["inputs"])["variables"]) {
				c.variables[asName(asObject(variable)["name"])] = true
			}
		}
		c.collect(asObject(a["actions"]))
		c.collect(asObject(asObject(a["else"])["actions"]))
	}
}

func asList(v any) []any     { l, _ := v.([]any); return l }
func asName(v any) string    { s, _ := v.(string); return s }
func asNumber(v any) float64 { n, _ := v.(float64); return n }

// flowScope is where actions are.
type flowScope struct {
	depth   int
	inLoop  bool
	inItems bool
	before  []string // actions that have ended, whatever their status, when those of the flowScope run
}

func (c *flowChecker) actions(actions map[string]any, in flowScope) {
	for _, name := range slices.Sorted(maps.Keys(actions)) {
		a := asObject(actions[name])
		for after, statuses := range asObject(a["runAfter"]) {
			if _, ok := actions[after]; !ok {
				c.refuse("%s: runs after %s, which is not beside it", name, after)
			}
			for _, s := range asList(statuses) {
				if !slices.Contains([]string{succeeded, failed, skipped, timedOut}, asName(s)) {
					c.refuse("%s: runs after status %v", name, s)
				}
			}
		}
		here := in
		here.before = append(slices.Clone(in.before), predecessors(actions, name, nil)...)
		c.action(name, a, here)
	}
}

// before are all that an action waits for, and what those wait for.
func predecessors(actions map[string]any, name string, seen []string) []string {
	for after := range asObject(asObject(actions[name])["runAfter"]) {
		if !slices.Contains(seen, after) {
			seen = predecessors(actions, after, append(seen, after))
		}
	}
	return seen
}

func (c *flowChecker) action(name string, a map[string]any, in flowScope) {
	kind, ok := actionTypes[asName(a["type"])]
	if !ok {
		c.refuse("%s: the player has no action of type %v", name, a["type"])
		return
	}
	if len(name) > longestName || in.depth > deepest {
		c.refuse("%s: a name of %d letters, nested %d deep", name, len(name), in.depth)
	}
	c.members(name, a, kind.members)
	if kind.inputs != nil {
		c.members(name+" inputs", asObject(a["inputs"]), kind.inputs)
	}
	if option, ok := a["operationOptions"]; ok && !slices.Contains(kind.options, asName(option)) {
		c.refuse("%s: operationOptions %v", name, option)
	}
	c.retry(name, asObject(a["inputs"])["retryPolicy"])
	inner := flowScope{depth: in.depth + 1, inLoop: in.inLoop, inItems: in.inItems, before: in.before}
	switch a["type"] {
	case "InitializeVariable":
		if in.depth > 0 || len(asList(asObject(a["inputs"])["variables"])) != 1 {
			c.refuse("%s: one variable is initialized, at the top", name)
		}
	case "SetVariable", "IncrementVariable":
		c.variable(name, asObject(a["inputs"]))
	case "Terminate":
		c.members(name+" runError", asObject(asObject(a["inputs"])["runError"]), fields("code message"))
		if in.inLoop {
			c.refuse("%s: Terminate can't appear inside Foreach and Until loops", name)
		}
	case "Until":
		c.until(name, asObject(a["limit"]))
		inner.inLoop = true
	case "Foreach":
		inner.inLoop, inner.inItems = true, true
	}
	c.expressions(name, a, in)
	c.actions(asObject(a["actions"]), inner)
	c.actions(asObject(asObject(a["else"])["actions"]), inner)
}

func (c *flowChecker) variable(name string, inputs map[string]any) {
	variable := asName(inputs["name"])
	if !c.variables[variable] {
		c.refuse("%s: variable %s is not initialized", name, variable)
	}
	if strings.Contains(asName(inputs["value"]), "variables('"+variable+"')") {
		c.refuse("%s: a variable can't be set from itself", name)
	}
}

func (c *flowChecker) until(name string, limit map[string]any) {
	c.members(name+" limit", limit, fields("count timeout"))
	if n := asNumber(limit["count"]); n < 1 || n > mostTurns {
		c.refuse("%s: a count from 1 to %d", name, mostTurns)
	}
	if _, err := parseDuration(asName(limit["timeout"])); err != nil {
		c.refuse("%s: %v", name, err)
	}
}

// retry has the bounds of learn.microsoft.com/azure/logic-apps/error-exception-handling.
func (c *flowChecker) retry(name string, v any) {
	if v == nil {
		return
	}
	p := asObject(v)
	c.members(name+" retryPolicy", p, fields("type count interval minimumInterval maximumInterval"))
	switch p["type"] {
	case "none":
		return
	case "fixed", "exponential":
	default:
		c.refuse("%s: retryPolicy of type %v", name, p["type"])
	}
	if n := asNumber(p["count"]); n < 1 || n > 90 {
		c.refuse("%s: from 1 to 90 repetitions", name)
	}
	for _, member := range fields("interval minimumInterval maximumInterval") {
		if value, ok := p[member]; ok || member == "interval" {
			if d, err := parseDuration(asName(value)); err != nil || d.Seconds() < 5 || d.Hours() > 24 {
				c.refuse("%s: %s from PT5S to P1D", name, member)
			}
		}
	}
}

// expressions checks all of an action but those of the actions in it.
func (c *flowChecker) expressions(name string, a map[string]any, in flowScope) {
	own := maps.Clone(a)
	delete(own, "actions")
	delete(own, "else")
	within := in
	switch a["type"] {
	case "Select":
		within.inItems = true
	case "Until": // worked out after a turn
		within.before = append(slices.Clone(in.before), slices.Collect(maps.Keys(asObject(a["actions"])))...)
	}
	c.texts(name, own, within)
}

func (c *flowChecker) texts(name string, v any, in flowScope) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			c.texts(name, inner, in)
		}
	case []any:
		for _, inner := range v {
			c.texts(name, inner, in)
		}
	case string:
		if strings.Contains(v, "@{") {
			c.refuse("%s: the player has no @{: %s", name, v)
		}
		if !isExpression(v) {
			return
		}
		e, err := parseExpression(v[1:])
		if err == nil && len(v) > longestExpression {
			err = fmt.Errorf("an expression of %d letters", len(v))
		}
		if err != nil {
			c.refuse("%s: %v", name, err)
			return
		}
		e.walk(func(e expression) { c.call(name, e, in) })
	}
}

// call checks what an expression calls, and that what it names is there by then.
func (c *flowChecker) call(name string, e expression, in flowScope) {
	if e.call == "" {
		return
	}
	if flowState[e.call] == nil && flowFunctions[e.call] == nil {
		c.refuse("%s: no function %s", name, e.call)
		return
	}
	if flowState[e.call] == nil {
		return
	}
	var of string
	if e.call != "item" {
		if len(e.args) != 1 {
			c.refuse("%s: %s of one name", name, e.call)
			return
		}
		of = asName(e.args[0].literal)
	}
	known := false
	switch e.call {
	case "item":
		known = in.inItems
	case "variables":
		known = c.variables[of]
	case "parameters":
		_, known = c.parameters[of]
	default:
		known = slices.Contains(in.before, of)
	}
	if !known {
		c.refuse("%s: %s('%s') is not there by then", name, e.call, of)
	}
}
