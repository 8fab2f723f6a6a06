package main

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// expression is one of a flow, parsed: a literal, a call, or what is read from another one.
type expression struct {
	literal any
	call    string
	args    []expression
	of      *expression // what key is read from
	key     *expression
	safe    bool // ?[: null where there is nothing
}

// parseExpression reads the text after the @ of a value.
func parseExpression(text string) (expression, error) {
	p := expressionParser{rest: text}
	e, err := p.term()
	if err == nil && strings.TrimSpace(p.rest) != "" {
		err = fmt.Errorf("%q is left of %q", p.rest, text)
	}
	return e, err
}

// expressionParser is what is left of a text.
type expressionParser struct{ rest string }

func (p *expressionParser) take(text string) bool {
	p.rest = strings.TrimLeft(p.rest, " ")
	if !strings.HasPrefix(p.rest, text) {
		return false
	}
	p.rest = p.rest[len(text):]
	return true
}

func (p *expressionParser) term() (expression, error) {
	if p.take("'") {
		return p.text()
	}
	for word, value := range map[string]any{"null": nil, "true": true, "false": false} {
		if p.take(word) {
			return expression{literal: value}, nil
		}
	}
	if n := len(p.rest) - len(strings.TrimLeft(p.rest, "-0123456789")); n > 0 {
		number, err := strconv.ParseFloat(p.rest[:n], 64)
		p.rest = p.rest[n:]
		return expression{literal: number}, err
	}
	name, _, ok := strings.Cut(p.rest, "(")
	if !ok {
		return expression{}, fmt.Errorf("%q is no expression", p.rest)
	}
	p.take(name + "(")
	e := expression{call: name}
	for !p.take(")") {
		arg, err := p.term()
		if err != nil {
			return e, err
		}
		e.args = append(e.args, arg)
		if !p.take(",") && !strings.HasPrefix(strings.TrimLeft(p.rest, " "), ")") {
			return e, fmt.Errorf("%q does not go on with a comma", p.rest)
		}
	}
	return p.keys(e)
}

// text reads up to the quote that ends it; two quotes are one.
func (p *expressionParser) text() (expression, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(p.rest, "'")
		if !ok {
			return expression{}, fmt.Errorf("the text %q does not end", p.rest)
		}
		b.WriteString(before)
		if p.rest = after; !strings.HasPrefix(p.rest, "'") {
			return expression{literal: b.String()}, nil
		}
		b.WriteString("'")
		p.rest = p.rest[1:]
	}
}

func (p *expressionParser) keys(e expression) (expression, error) {
	for {
		safe := p.take("?[")
		if !safe && !p.take("[") {
			return e, nil
		}
		key, err := p.term()
		if err == nil && !p.take("]") {
			err = fmt.Errorf("%q has no ]", p.rest)
		}
		if err != nil {
			return e, err
		}
		e = expression{of: new(e), key: &key, safe: safe}
	}
}

// walk visits an expression and all that is in it.
func (e expression) walk(visit func(expression)) {
	visit(e)
	for _, arg := range e.args {
		arg.walk(visit)
	}
	if e.of != nil {
		e.of.walk(visit)
		e.key.walk(visit)
	}
}

// isExpression tells whether a text of a definition is worked out.
func isExpression(text string) bool {
	return strings.HasPrefix(text, "@") && !strings.HasPrefix(text, "@@")
}

// value works out every expression of a value; an error is one of the action that it belongs to.
func (f *flow) value(v any) (any, error) {
	switch v := v.(type) {
	case string:
		if !isExpression(v) {
			return v, nil
		}
		e, err := parseExpression(v[1:])
		if err != nil {
			return nil, err
		}
		return f.eval(e)
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			value, err := f.value(inner)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			out[key] = value
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			value, err := f.value(inner)
			if err != nil {
				return nil, err
			}
			out[i] = value
		}
		return out, nil
	}
	return v, nil
}

func (f *flow) eval(e expression) (any, error) {
	if e.of != nil {
		of, err := f.eval(*e.of)
		if err != nil {
			return nil, err
		}
		key, err := f.eval(*e.key)
		if err != nil {
			return nil, err
		}
		return propertyOf(of, key, e.safe)
	}
	if e.call == "" {
		return e.literal, nil
	}
	args := make([]any, len(e.args))
	for i := range e.args { // all of them, those of an if too
		var err error
		if args[i], err = f.eval(e.args[i]); err != nil {
			return nil, err
		}
	}
	if read := flowState[e.call]; read != nil {
		return read(f, args)
	}
	out, err := flowFunctions[e.call](args)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.call, err)
	}
	return out, nil
}

// property is a property of an object. Only null and a missing one are forgiven, and only by ?[:
// a text or a number has no properties.
func propertyOf(of, key any, safe bool) (any, error) {
	switch of := of.(type) {
	case nil:
		if safe {
			return nil, nil
		}
		return nil, fmt.Errorf("property %v of null", key)
	case map[string]any:
		value, ok := of[fmt.Sprint(key)]
		if !ok && !safe {
			return nil, fmt.Errorf("property %v does not exist", key)
		}
		return value, nil
	}
	return nil, fmt.Errorf("property %v of a value of type %T", key, of)
}

// flowState are the functions that read the state of a run.
var flowState = map[string]func(*flow, []any) (any, error){
	"variables":  func(f *flow, args []any) (any, error) { return f.variables[args[0].(string)], nil },
	"parameters": func(f *flow, args []any) (any, error) { return f.parameters[args[0].(string)], nil },
	"item": func(f *flow, _ []any) (any, error) {
		return f.items[len(f.items)-1], nil
	},
	"actions": func(f *flow, args []any) (any, error) {
		return f.results[args[0].(string)].object(args[0].(string)), nil
	},
	"outputs": func(f *flow, args []any) (any, error) { return f.results[args[0].(string)].outputs, nil },
	"body": func(f *flow, args []any) (any, error) {
		return propertyOf(f.results[args[0].(string)].outputs, "body", true)
	},
}

// flowFunctions are the functions of their arguments alone that the player knows, as the reference
// of expression functions (learn.microsoft.com/azure/logic-apps/expression-functions-reference) has
// them. A flow that calls another one is refused.
var flowFunctions = map[string]func([]any) (any, error){
	"and":    logicOf(func(all, _ bool) bool { return all }),
	"or":     logicOf(func(_, one bool) bool { return one }),
	"equals": func(args []any) (any, error) { return reflect.DeepEqual(args[0], args[1]), nil },
	"if": func(args []any) (any, error) {
		if args[0] == true {
			return args[1], nil
		}
		return args[2], nil
	},
	"empty": func(args []any) (any, error) {
		n, err := sizeOf(args[0])
		return n == 0, err
	},
	"length": func(args []any) (any, error) {
		if args[0] == nil {
			return nil, fmt.Errorf("null has no length")
		}
		n, err := sizeOf(args[0])
		return float64(n), err
	},
	"coalesce": func(args []any) (any, error) {
		for _, a := range args {
			if a != nil {
				return a, nil
			}
		}
		return nil, nil
	},
	"union": unionOf,
	"greater": func(args []any) (any, error) {
		left, right, err := twoNumbers(args)
		return left > right, err
	},
	"sub": func(args []any) (any, error) {
		left, right, err := twoNumbers(args)
		return left - right, err
	},
	"not": func(args []any) (any, error) {
		value, ok := args[0].(bool)
		if !ok {
			return nil, fmt.Errorf("%T is no boolean", args[0])
		}
		return !value, nil
	},
	"string": func(args []any) (any, error) { return asText(args[0]), nil },
	"concat": func(args []any) (any, error) {
		var b strings.Builder
		for _, a := range args {
			b.WriteString(asText(a))
		}
		return b.String(), nil
	},
	"split": func(args []any) (any, error) {
		text, ok := args[0].(string)
		if !ok {
			return nil, fmt.Errorf("%T is no text", args[0])
		}
		var parts []any
		for part := range strings.SplitSeq(text, args[1].(string)) {
			parts = append(parts, part)
		}
		return parts, nil
	},
	"first": endOf(func(list []any) any { return list[0] }),
	"last":  endOf(func(list []any) any { return list[len(list)-1] }),
	"take": func(args []any) (any, error) {
		text, ok := args[0].(string)
		if !ok {
			return nil, fmt.Errorf("%T is no text", args[0])
		}
		letters := []rune(text)
		return string(letters[:min(len(letters), int(args[1].(float64)))]), nil
	},
}

func twoNumbers(args []any) (left, right float64, err error) {
	left, isLeft := args[0].(float64)
	right, isRight := args[1].(float64)
	if !isLeft || !isRight {
		err = fmt.Errorf("%T and %T are not two numbers", args[0], args[1])
	}
	return left, right, err
}

func logicOf(of func(all, one bool) bool) func([]any) (any, error) {
	return func(args []any) (any, error) {
		all, one := true, false
		for _, a := range args {
			value, ok := a.(bool)
			if !ok {
				return nil, fmt.Errorf("%T is no boolean", a)
			}
			all, one = all && value, one || value
		}
		return of(all, one), nil
	}
}

func endOf(of func([]any) any) func([]any) (any, error) {
	return func(args []any) (any, error) {
		list, ok := args[0].([]any)
		if !ok {
			return nil, fmt.Errorf("%T is no array", args[0])
		}
		if len(list) == 0 {
			return nil, nil
		}
		return of(list), nil
	}
}

func sizeOf(v any) (int, error) {
	switch v := v.(type) {
	case nil:
		return 0, nil
	case string:
		return len(v), nil
	case []any:
		return len(v), nil
	case map[string]any:
		return len(v), nil
	}
	return 0, fmt.Errorf("%T has no length", v)
}

// unionOf has every item once.
func unionOf(args []any) (any, error) {
	out, seen := []any{}, map[string]bool{}
	for _, a := range args {
		list, ok := a.([]any)
		if !ok {
			return nil, fmt.Errorf("union: %T is no array", a)
		}
		for _, item := range list {
			if key := asText(item); !seen[key] {
				seen[key] = true
				out = append(out, item)
			}
		}
	}
	return out, nil
}

// asText is a value as string() writes it: null is empty, an object is its JSON.
func asText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic("write a value of a flow: " + err.Error()) // it was read from JSON
	}
	return string(text)
}
