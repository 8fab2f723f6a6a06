package infra_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The expressions of the portal's forms, as far as infra/portal.json uses them. Source:
// learn.microsoft.com/azure/azure-resource-manager/managed-applications/create-uidefinition-functions.
// Two things are stricter than documented: every argument is evaluated before its function is
// called, because the portal's or does not stop early, and an argument that a function does not
// accept is an error.

// expression is a node of a parsed expression.
type expression struct {
	kind string // value, variable, call, member or lambda
	name string // of the variable, the function, the member, the lambda's parameter
	at   any    // value: a string, a number (float64), a bool or nil
	args []*expression
}

var tokens = regexp.MustCompile(`^(?:\s+|'([^']*)'|(-?\d+(?:\.\d+)?)|([A-Za-z]\w*)|(=>|[().,]))`)

type expressionParser struct{ left []string }

// parseExpression reads an expression without its brackets.
func parseExpression(text string) (*expression, error) {
	p := &expressionParser{}
	for rest := text; rest != ""; {
		token := tokens.FindString(rest)
		if token == "" {
			return nil, fmt.Errorf("expression %q: not understood from %q", text, rest)
		}
		if rest = rest[len(token):]; strings.TrimSpace(token) != "" {
			p.left = append(p.left, token)
		}
	}
	e, err := p.expression()
	if err == nil && len(p.left) > 0 {
		err = fmt.Errorf("too much from %q", p.left[0])
	}
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	return e, nil
}

func (p *expressionParser) take(wanted string) error {
	if len(p.left) == 0 || p.left[0] != wanted {
		return fmt.Errorf("%q is missing before %q", wanted, strings.Join(p.left, ""))
	}
	p.left = p.left[1:]
	return nil
}

func (p *expressionParser) next() string {
	if len(p.left) == 0 {
		return ""
	}
	token := p.left[0]
	p.left = p.left[1:]
	return token
}

func (p *expressionParser) expression() (*expression, error) {
	e, err := p.primary()
	for err == nil && len(p.left) > 0 && p.left[0] == "." {
		p.next()
		e = &expression{kind: "member", name: p.next(), args: []*expression{e}}
	}
	return e, err
}

func (p *expressionParser) primary() (*expression, error) {
	token := p.next()
	switch {
	case token == "":
		return nil, errors.New("it ends too early")
	case token == "(":
		parameter := p.next()
		if err := errors.Join(p.take(")"), p.take("=>")); err != nil {
			return nil, err
		}
		body, err := p.expression()
		return &expression{kind: "lambda", name: parameter, args: []*expression{body}}, err
	case token[0] == '\'':
		return &expression{kind: "value", at: strings.Trim(token, "'")}, nil
	case token == "true" || token == "false":
		return &expression{kind: "value", at: token == "true"}, nil
	case token[0] == '-' || token[0] >= '0' && token[0] <= '9':
		number, err := strconv.ParseFloat(token, 64)
		return &expression{kind: "value", at: number}, err
	case len(p.left) > 0 && p.left[0] == "(":
		return p.call(token)
	default:
		return &expression{kind: "variable", name: token}, nil
	}
}

func (p *expressionParser) call(name string) (*expression, error) {
	e := &expression{kind: "call", name: name}
	p.next()
	for len(p.left) > 0 && p.left[0] != ")" {
		if len(e.args) > 0 {
			if err := p.take(","); err != nil {
				return nil, err
			}
		}
		argument, err := p.expression()
		if err != nil {
			return nil, err
		}
		e.args = append(e.args, argument)
	}
	return e, p.take(")")
}

// closure is a lambda with what it sees.
type closure struct {
	*expression
	seen map[string]any
}

// eval evaluates an expression where steps has the values of each step's controls, nil for those
// that have none.
func (e *expression) eval(steps map[string]map[string]any, seen map[string]any) (any, error) {
	switch e.kind {
	case "value":
		return e.at, nil
	case "lambda":
		return closure{e, seen}, nil
	case "variable":
		value, ok := seen[e.name]
		if !ok {
			return nil, fmt.Errorf("%s is no variable", e.name)
		}
		return value, nil
	}
	args := make([]any, len(e.args))
	for i, a := range e.args {
		value, err := a.eval(steps, seen)
		if err != nil {
			return nil, err
		}
		args[i] = value
	}
	if e.kind == "member" {
		return member(args[0], e.name)
	}
	if e.name == "steps" {
		return any(steps[args[0].(string)]), nil
	}
	if e.name == "map" || e.name == "filter" {
		return each(e.name, args, steps)
	}
	function, ok := formFunctions[e.name]
	if !ok {
		return nil, fmt.Errorf("%s is no function that is known here", e.name)
	}
	value, err := function(args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.name, err)
	}
	return value, nil
}

// member is a member of an object. What is undefined has undefined members only.
func member(of any, name string) (any, error) {
	switch object := of.(type) {
	case nil:
		return nil, nil
	case map[string]any:
		return object[name], nil
	}
	return nil, fmt.Errorf("%v has no member %s", of, name)
}

func each(name string, args []any, steps map[string]map[string]any) (any, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("%s has %d arguments", name, len(args))
	}
	list, isList := args[0].([]any)
	lambda, isLambda := args[1].(closure)
	if !isList || !isLambda {
		return nil, fmt.Errorf("%s takes a list and a lambda, not %v and %v", name, args[0], args[1])
	}
	out := []any{}
	for _, item := range list {
		seen := map[string]any{lambda.name: item}
		for k, v := range lambda.seen {
			seen[k] = v
		}
		value, err := lambda.args[0].eval(steps, seen)
		if err != nil {
			return nil, err
		}
		keep, isBool := value.(bool)
		switch {
		case name == "map":
			out = append(out, value)
		case !isBool:
			return nil, fmt.Errorf("filter got %v", value)
		case keep:
			out = append(out, item)
		}
	}
	return out, nil
}

// formFunctions are the functions by name.
var formFunctions = map[string]func([]any) (any, error){
	"and":      logical(func(a []bool) bool { return !slices.Contains(a, false) }),
	"or":       logical(func(a []bool) bool { return slices.Contains(a, true) }),
	"not":      logical(func(a []bool) bool { return !a[0] }),
	"concat":   textual(func(a []string) any { return strings.Join(a, "") }),
	"replace":  textual(func(a []string) any { return strings.ReplaceAll(a[0], a[1], a[2]) }),
	"toLower":  textual(func(a []string) any { return strings.ToLower(a[0]) }),
	"contains": contains,
	"decodeUriComponent": textual(func(a []string) any {
		text, _ := url.PathUnescape(a[0])
		return text
	}),
	"split": textual(func(a []string) any {
		var out []any
		for part := range strings.SplitSeq(a[0], a[1]) {
			out = append(out, part)
		}
		return out
	}),
	"greater": textual(func(a []string) any { return a[0] > a[1] }),
	"equals":  func(a []any) (any, error) { return reflect.DeepEqual(a[0], a[1]), nil },
	"empty":   func(a []any) (any, error) { return a[0] == nil || isEmpty(reflect.ValueOf(a[0])), nil },
	"first":   listed(func(a []any) any { return a[0] }),
	"last":    listed(func(a []any) any { return a[len(a)-1] }),
	"if": func(a []any) (any, error) {
		condition, ok := a[0].(bool)
		if !ok {
			return nil, fmt.Errorf("its condition is %v", a[0])
		}
		if condition {
			return a[1], nil
		}
		return a[2], nil
	},
	"coalesce": func(a []any) (any, error) {
		for _, v := range a {
			if v != nil && !(reflect.ValueOf(v).Kind() == reflect.Map && reflect.ValueOf(v).IsNil()) {
				return v, nil
			}
		}
		return nil, nil
	},
	"int": textual(func(a []string) any {
		n, err := strconv.Atoi(a[0])
		if err != nil {
			return nil
		}
		return float64(n)
	}),
	"parse": func(a []any) (v any, err error) {
		text, _ := a[0].(string)
		err = json.Unmarshal([]byte(text), &v)
		return v, err
	},
	"string": func(a []any) (any, error) {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		err := encoder.Encode(a[0])
		return strings.TrimSpace(b.String()), err
	},
}

func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String, reflect.Slice, reflect.Map:
		return v.Len() == 0
	}
	return false
}

func contains(a []any) (any, error) {
	switch in := a[0].(type) {
	case string:
		part, ok := a[1].(string)
		if !ok {
			return nil, fmt.Errorf("%v is no text", a[1])
		}
		return strings.Contains(in, part), nil
	case []any:
		return slices.ContainsFunc(in, func(v any) bool { return reflect.DeepEqual(v, a[1]) }), nil
	case map[string]any:
		_, ok := in[fmt.Sprint(a[1])]
		return ok, nil
	}
	return nil, fmt.Errorf("nothing can be in %v", a[0])
}

func logical(f func([]bool) bool) func([]any) (any, error) {
	return func(args []any) (any, error) {
		list, err := typed[bool](args)
		if err != nil {
			return nil, err
		}
		return f(list), nil
	}
}

func textual(f func([]string) any) func([]any) (any, error) {
	return func(args []any) (any, error) {
		list, err := typed[string](args)
		if err != nil {
			return nil, err
		}
		return f(list), nil
	}
}

func listed(f func([]any) any) func([]any) (any, error) {
	return func(args []any) (any, error) {
		list, ok := args[0].([]any)
		if !ok || len(list) == 0 {
			return nil, fmt.Errorf("%v is no list with something in it", args[0])
		}
		return f(list), nil
	}
}

func typed[T any](args []any) ([]T, error) {
	out := make([]T, len(args))
	for i, a := range args {
		var ok bool
		if out[i], ok = a.(T); !ok {
			return nil, fmt.Errorf("argument %d is %v", i+1, a)
		}
	}
	return out, nil
}
