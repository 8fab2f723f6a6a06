package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-openapi/loads"
	"github.com/stretchr/testify/require"
)

// flow plays a cloud flow of infra/flows as Power Automate does, as far as these flows go: it runs
// their actions and works out their expressions. What it does not know fails the test.
type flow struct {
	*testing.T
	definition struct {
		Parameters map[string]struct {
			DefaultValue any `json:"defaultValue"`
		} `json:"parameters"`
		Triggers map[string]any    `json:"triggers"`
		Actions  map[string]action `json:"actions"`
	}
	connections map[string]any
	about       string

	app     *process
	doc     *loads.Document
	started time.Time

	variables map[string]any
	bodies    map[string]any
	items     []any               // of loops, the innermost last
	calls     int                 // of the ledger
	sent      []map[string]any    // mails and requests elsewhere
	asked     []map[string]string // parameters of each call
}

type action struct {
	Type       string              `json:"type"`
	RunAfter   map[string][]string `json:"runAfter"`
	Inputs     any                 `json:"inputs"`
	Actions    map[string]action   `json:"actions"`
	Expression any                 `json:"expression"`
	Foreach    string              `json:"foreach"`
	Else       *struct {
		Actions map[string]action `json:"actions"`
	} `json:"else"`
}

func readFlow(t *testing.T, name string, app *process, started time.Time) *flow {
	text, err := os.ReadFile("../infra/flows/" + name + ".json")
	require.NoError(t, err)
	f := &flow{T: t, app: app, doc: connector(t), started: started, variables: map[string]any{},
		bodies: map[string]any{}}
	var file struct {
		Properties struct {
			Description          string          `json:"description"`
			Definition           json.RawMessage `json:"definition"`
			ConnectionReferences map[string]any  `json:"connectionReferences"`
		} `json:"properties"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.NoError(t, json.Unmarshal(file.Properties.Definition, &f.definition))
	f.about, f.connections = file.Properties.Description, file.Properties.ConnectionReferences
	return f
}

// run runs actions, each after those that it waits for.
func (f *flow) run(actions map[string]action) {
	done := map[string]bool{}
	for len(done) < len(actions) {
		before := len(done)
		for name, a := range actions {
			ready := !done[name]
			for after := range a.RunAfter {
				require.Contains(f, actions, after, "%s waits for what is not there", name)
				ready = ready && done[after]
			}
			if ready {
				f.do(name, a)
				done[name] = true
			}
		}
		require.Greater(f, len(done), before, "actions wait for each other")
	}
}

func (f *flow) do(name string, a action) {
	inputs, _ := a.Inputs.(map[string]any)
	switch a.Type {
	case "InitializeVariable":
		for _, v := range inputs["variables"].([]any) {
			f.variables[v.(map[string]any)["name"].(string)] = f.value(v.(map[string]any)["value"])
		}
	case "SetVariable":
		require.Contains(f, f.variables, inputs["name"])
		require.NotContains(f, inputs["value"], "variables('"+inputs["name"].(string)+"')",
			"a variable can't be set from itself")
		f.variables[inputs["name"].(string)] = f.value(inputs["value"])
	case "Compose":
		f.bodies[name] = f.value(a.Inputs)
	case "Until":
		for range 50 {
			f.run(a.Actions)
			if f.value(a.Expression) == true {
				return
			}
		}
		f.Fatal("the loop does not end")
	case "If":
		test := a.Expression.(map[string]any)["greater"].([]any)
		if f.value(test[0]).(float64) > f.value(test[1]).(float64) {
			f.run(a.Actions)
		} else {
			f.run(a.Else.Actions)
		}
	case "Select", "Query", "Table":
		f.bodies[name] = f.list(a.Type, inputs)
	case "Foreach":
		for _, item := range f.value(a.Foreach).([]any) {
			f.items = append(f.items, item)
			f.run(a.Actions)
			f.items = f.items[:len(f.items)-1]
		}
	case "Http":
		f.sent = append(f.sent, f.value(inputs).(map[string]any))
	case "OpenApiConnection":
		f.connect(name, inputs)
	default:
		f.Fatalf("the flow has an action of type %s", a.Type)
	}
}

// list makes a list of another one: columns, those that fit, or a table for people.
func (f *flow) list(kind string, inputs map[string]any) any {
	out := []any{}
	for _, item := range f.value(inputs["from"]).([]any) {
		f.items = append(f.items, item)
		switch kind {
		case "Select":
			out = append(out, f.value(inputs["select"]))
		case "Query":
			if f.value(inputs["where"]) == true {
				out = append(out, item)
			}
		case "Table":
			out = append(out, fmt.Sprint(item))
		}
		f.items = f.items[:len(f.items)-1]
	}
	if kind == "Table" {
		return fmt.Sprint(out...)
	}
	return out
}

func (f *flow) connect(name string, inputs map[string]any) {
	host, params := inputs["host"].(map[string]any), f.value(inputs["parameters"]).(map[string]any)
	require.Contains(f, f.connections, host["connectionName"])
	if host["connectionName"] != "shared_entraledger" {
		f.sent = append(f.sent, params)
		return
	}
	for _, op := range operations(f.doc) {
		if op.ID != host["operationId"] {
			continue
		}
		known, query, asked := map[string]bool{}, url.Values{}, map[string]string{}
		for _, p := range op.Parameters {
			known[p.Name] = true
		}
		for param, value := range params {
			require.True(f, known[param], "%s has no parameter %s", op.ID, param)
			if value != nil { // Power Automate leaves it out
				query.Set(param, fmt.Sprint(value))
				asked[param] = fmt.Sprint(value)
			}
		}
		got := f.app.call(f.doc, op, nil, query)
		require.Equal(f, http.StatusOK, got.status, "%s", got.body)
		var body any
		require.NoError(f, json.Unmarshal(got.body, &body))
		f.bodies[name] = body
		f.calls++
		f.asked = append(f.asked, asked)
		return
	}
	f.Fatalf("the connector has no operation %s", host["operationId"])
}

// value works out every expression of a value.
func (f *flow) value(v any) any {
	switch v := v.(type) {
	case string:
		if strings.HasPrefix(v, "@") {
			e := &expression{flow: f, rest: v[1:]}
			out := e.term()
			require.Empty(f, e.rest, "of %s", v)
			return out
		}
	case map[string]any:
		out := map[string]any{}
		for key, inner := range v {
			out[key] = f.value(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = f.value(inner)
		}
		return out
	}
	return v
}

// expression is what is left of one.
type expression struct {
	*flow
	rest string
}

func (e *expression) take(text string) bool {
	e.rest = strings.TrimLeft(e.rest, " ")
	if !strings.HasPrefix(e.rest, text) {
		return false
	}
	e.rest = e.rest[len(text):]
	return true
}

// term is a text, a number, a word, or a call, with the path that is read from it.
func (e *expression) term() any {
	var out any
	switch {
	case e.take("'"):
		end := strings.Index(e.rest, "'")
		require.GreaterOrEqual(e, end, 0)
		out, e.rest = e.rest[:end], e.rest[end+1:]
		return out
	case e.take("null"):
		return nil
	case e.take("false"):
		return false
	case e.take("true"):
		return true
	}
	if n := len(e.rest) - len(strings.TrimLeft(e.rest, "-0123456789")); n > 0 {
		number, err := strconv.ParseFloat(e.rest[:n], 64)
		require.NoError(e, err)
		e.rest = e.rest[n:]
		return number
	}
	name, _, ok := strings.Cut(e.rest, "(")
	require.True(e, ok, "can't read %q", e.rest)
	e.take(name + "(")
	var args []any
	for !e.take(")") {
		args = append(args, e.term())
		e.take(",")
	}
	out = e.call(name, args)
	for {
		switch {
		case e.take("?["), e.take("["):
			key := e.term()
			require.True(e, e.take("]"))
			m, _ := out.(map[string]any)
			out = m[fmt.Sprint(key)]
		case e.take("."):
			end := strings.IndexAny(e.rest+" ", " ,)[?")
			out = out.(map[string]any)[e.rest[:end]]
			e.rest = e.rest[end:]
		default:
			return out
		}
	}
}

func (e *expression) call(name string, args []any) any {
	text := func(i int) string {
		require.IsType(e, "", args[i], "%s", name)
		return args[i].(string)
	}
	switch name {
	case "variables":
		require.Contains(e, e.variables, text(0))
		return e.variables[text(0)]
	case "parameters":
		require.Contains(e, e.definition.Parameters, text(0))
		return e.definition.Parameters[text(0)].DefaultValue
	case "body", "outputs":
		require.Contains(e, e.bodies, text(0), "%s of an action that has not run", name)
		return e.bodies[text(0)]
	case "item":
		return e.items[len(e.items)-1]
	case "trigger":
		return map[string]any{"startTime": e.started.UTC().Format("2006-01-02T15:04:05.0000000Z")}
	case "addDays":
		at, err := time.Parse(time.RFC3339Nano, text(0))
		require.NoError(e, err)
		return at.Add(time.Duration(args[1].(float64)) * 24 * time.Hour).Format("2006-01-02T15:04:05.0000000Z")
	case "if": // as there, both were worked out
		if args[0] == true {
			return args[1]
		}
		return args[2]
	case "empty":
		return args[0] == nil || args[0] == "" || fmt.Sprint(args[0]) == "[]"
	case "coalesce":
		for _, a := range args {
			if a != nil {
				return a
			}
		}
		return nil
	case "length":
		return float64(len(args[0].([]any)))
	case "union":
		return append(append([]any{}, args[0].([]any)...), args[1].([]any)...)
	case "split":
		var parts []any
		for part := range strings.SplitSeq(text(0), text(1)) {
			parts = append(parts, part)
		}
		return parts
	case "first":
		return args[0].([]any)[0]
	case "last":
		return args[0].([]any)[len(args[0].([]any))-1]
	case "equals":
		return args[0] == args[1]
	case "and":
		return args[0] == true && args[1] == true
	case "string":
		return fmt.Sprint(args[0])
	case "concat":
		var b strings.Builder
		for i := range args {
			b.WriteString(text(i))
		}
		return b.String()
	}
	e.Fatalf("the flow calls %s", name)
	return nil
}
