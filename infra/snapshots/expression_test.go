package snapshots_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// open is an expression that only a deployment evaluates: its text, as the compiler left it.
type open string

// evaluator reads the expressions that the compiler leaves in a snapshot, and evaluates what does
// not wait for a resource.
type evaluator struct {
	environment map[string]any // what environment() is in the case's cloud
	text        string
	at          int
	run         map[string]func(args []any) any // more functions than those below; nil: none
}

// value is a text of a snapshot: itself, or what it evaluates to, if it is an expression in
// brackets.
func (e evaluator) value(text string) (any, error) {
	if !strings.HasPrefix(text, "[") || strings.HasPrefix(text, "[[") || !strings.HasSuffix(text, "]") {
		return strings.Replace(text, "[[", "[", 1), nil
	}
	e.text, e.at = text[1:len(text)-1], 0
	v, err := e.expression()
	if err == nil && e.at != len(e.text) {
		err = fmt.Errorf("too much from %q", e.text[e.at:])
	}
	if err != nil {
		return nil, fmt.Errorf("expression %q: %w", text, err)
	}
	return v, nil
}

var (
	literal = regexp.MustCompile(`^'((?:[^']|'')*)'`)
	number  = regexp.MustCompile(`^-?\d+`)
	word    = regexp.MustCompile(`^[A-Za-z_]\w*`)
)

// take returns what matches at the reading position, and moves past it.
func (e *evaluator) take(form *regexp.Regexp) (string, bool) {
	found := form.FindString(e.text[e.at:])
	e.at += len(found)
	return found, found != ""
}

func (e *evaluator) skip(text string) bool {
	if !strings.HasPrefix(e.text[e.at:], text) {
		return false
	}
	e.at += len(text)
	return true
}

// expression is a literal or a call, with members and indexes behind it.
func (e *evaluator) expression() (any, error) {
	start := e.at
	v, err := e.primary()
	for err == nil {
		switch {
		case e.skip("."):
			name, _ := e.take(word)
			members, isObject := v.(map[string]any)
			if v = members[name]; !isObject || v == nil {
				v = open(e.text[start:e.at])
			}
		case e.skip("["):
			var index any
			if index, err = e.expression(); err != nil {
				return nil, err
			}
			if !e.skip("]") {
				return nil, fmt.Errorf("no ] before %q", e.text[e.at:])
			}
			list, isList := v.([]any)
			n, isNumber := index.(int)
			if isList && isNumber && n < len(list) {
				v = list[n]
			} else {
				v = open(e.text[start:e.at])
			}
		default:
			return v, nil
		}
	}
	return nil, err
}

func (e *evaluator) primary() (any, error) {
	if found, ok := e.take(literal); ok {
		return strings.ReplaceAll(found[1:len(found)-1], "''", "'"), nil
	}
	if found, ok := e.take(number); ok {
		return strconv.Atoi(found)
	}
	start := e.at
	name, ok := e.take(word)
	if !ok || !e.skip("(") {
		return nil, fmt.Errorf("neither a literal nor a call: %q", e.text[start:])
	}
	var args []any
	for !e.skip(")") {
		if len(args) > 0 && !e.skip(", ") {
			return nil, fmt.Errorf("no comma before %q", e.text[e.at:])
		}
		v, err := e.expression()
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	if v := e.call(name, args); v != nil {
		return v, nil
	}
	return open(e.text[start:e.at]), nil
}

// call is a function's value, nil where it is none of those that are known here.
func (e *evaluator) call(name string, args []any) any {
	if do := e.run[name]; do != nil {
		return do(args)
	}
	switch name {
	case "environment":
		return e.environment
	case "createArray":
		return args
	case "createObject":
		out := map[string]any{}
		for i := 0; i+1 < len(args); i += 2 {
			out[fmt.Sprint(args[i])] = args[i+1]
		}
		return out
	case "concat":
		return concat(args)
	case "format":
		out := fmt.Sprint(args[0])
		for i, a := range args[1:] {
			out = strings.ReplaceAll(out, fmt.Sprintf("{%d}", i), textOf(a))
		}
		return out
	case "resourceId":
		return resourceID(args)
	}
	return nil
}

// concat joins lists; what only a deployment knows is an element of the list.
func concat(args []any) any {
	var out []any
	for _, a := range args {
		if list, ok := a.([]any); ok {
			out = append(out, list...)
			continue
		}
		out = append(out, a)
	}
	return out
}

// resourceID is the id of a resource in a group, where all of it is known.
func resourceID(args []any) any {
	var text []string
	for _, a := range args {
		s, ok := a.(string)
		if !ok {
			return nil
		}
		text = append(text, s)
	}
	kind := strings.Split(text[2], "/")
	id := fmt.Sprintf("/subscriptions/%s/resourceGroups/%s/providers/%s", text[0], text[1], kind[0])
	for i, name := range text[3:] {
		id += "/" + kind[i+1] + "/" + name
	}
	return id
}

// textOf is a value within a text; an open value is in angle brackets.
func textOf(v any) string {
	if o, ok := v.(open); ok {
		return "<" + string(o) + ">"
	}
	return fmt.Sprint(v)
}

func TestExpressionsAreEvaluatedAsFarAsTheyCanBe(t *testing.T) {
	e := evaluator{environment: map[string]any{"suffixes": map[string]any{"storage": "core.example"}}}
	for text, want := range map[string]any{
		"plain":                            "plain",
		"[[literal]":                       "[literal]",
		"['it''s']":                        "it's",
		"[format('{0}-{1}{0}', 'a', 2)]":   "a-2a",
		"[environment().suffixes.storage]": "core.example",
		"[environment().other]":            open("environment().other"),
		"[createArray('a', 'b')[1]]":       "b",
		"[createArray('a')[1]]":            open("createArray('a')[1]"),
		"[concat(createArray('a'), filter(x(), lambda('y', 1)))]": []any{"a",
			open("filter(x(), lambda('y', 1))")},
		"[createObject('name', 'N', 'value', reference('/id', '1').clientId)]": map[string]any{"name": "N",
			"value": open("reference('/id', '1').clientId")},
		"[format('x={0}', reference('/id', '1').a[0].b)]":                                  "x=<reference('/id', '1').a[0].b>",
		"[resourceId('s', 'g', 'A.B/c', format('z.{0}', environment().suffixes.storage))]": "/subscriptions/s/resourceGroups/g/providers/A.B/c/z.core.example",
		"[resourceId('s', 'g', 'A.B/c', guid('x'))]": open("resourceId('s', " +
			"'g', 'A.B/c', guid('x'))"),
	} {
		got, err := e.value(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, wrong := range []string{"[format('a']", "[f('a' 'b')]", "[f()x]", "[f()[0)]", "[]", "[f]"} {
		_, err := e.value(wrong)
		require.Error(t, err, wrong)
	}
}
