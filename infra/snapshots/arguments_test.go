package snapshots_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// reader reads the values that a file of the compiler's own form gives to parameters.
type reader struct {
	tokens []string
	at     int
	file   map[string]any // values for the expressions file.<parameter>.value
}

var (
	tokens   = regexp.MustCompile(`'(?:[^'\\]|\\.)*'|//[^\n]*|[\[\]{}:,]|[\w.-]+`)
	assigned = regexp.MustCompile(`(?m)^param (\w+) = `)
	declare  = regexp.MustCompile(`(?m)^param (\w+) `)
)

func (r *reader) next() string {
	if r.at == len(r.tokens) {
		return ""
	}
	r.at++
	return r.tokens[r.at-1]
}

// value is the value that begins at the next token, in the types of a JSON document.
func (r *reader) value() (any, error) {
	switch token := r.next(); {
	case token == "true" || token == "false":
		return token == "true", nil
	case strings.HasPrefix(token, "'"):
		return strings.NewReplacer(`\'`, `'`, `\\`, `\`).Replace(token[1 : len(token)-1]), nil
	case strings.HasPrefix(token, "file."):
		name := strings.Split(token, ".")[1]
		if v, ok := r.file[name].(map[string]any); ok {
			return v["value"], nil
		}
		return nil, fmt.Errorf("the file with parameters has no %s", name)
	case token == "[":
		out := []any{}
		for r.tokens[r.at] != "]" {
			v, err := r.value()
			if err != nil {
				return nil, err
			}
			out = append(out, v)
		}
		r.at++
		return out, nil
	case token == "{":
		out := map[string]any{}
		for r.tokens[r.at] != "}" {
			key := strings.Trim(r.next(), "'")
			if colon := r.next(); colon != ":" {
				return nil, fmt.Errorf("%q behind %s", colon, key)
			}
			v, err := r.value()
			if err != nil {
				return nil, err
			}
			out[key] = v
		}
		r.at++
		return out, nil
	default:
		return strconv.ParseFloat(token, 64)
	}
}

// arguments are the values that a case gives to parameters.
func arguments(t *testing.T, name string) map[string]any {
	text, err := os.ReadFile(name + ".bicepparam")
	require.NoError(t, err)
	var file struct{ Parameters map[string]any }
	if data, err := os.ReadFile(filepath.Join(infra, "parameters", name+".json")); err == nil {
		require.NoError(t, json.Unmarshal(data, &file))
	}
	out := map[string]any{}
	for _, at := range assigned.FindAllSubmatchIndex(text, -1) {
		found := tokens.FindAllString(string(text[at[1]:]), -1)
		r := reader{tokens: append(found, "]", "}"), file: file.Parameters}
		v, err := r.value()
		require.NoError(t, err, name)
		out[string(text[at[2]:at[3]])] = v
	}
	return out
}

// parameters are the names of a template's parameters, and the defaults of those that have one
// which is no expression.
func parameters(t *testing.T, template string) (names []string, defaults map[string]any) {
	text, err := os.ReadFile(filepath.Join(infra, template))
	require.NoError(t, err)
	for _, found := range declare.FindAllSubmatch(text, -1) {
		names = append(names, string(found[1]))
	}
	require.NotEmpty(t, names)
	defaults = map[string]any{}
	made := map[string]string{"main.bicep": "azuredeploy.json", "upgrade.bicep": "upgrade.json"}[template]
	if made == "" {
		return names, defaults
	}
	whole := readTemplate(t, made)
	require.ElementsMatch(t, slices.Collect(maps.Keys(whole.Parameters)), names)
	for name, p := range whole.Parameters {
		if text, isText := p["defaultValue"].(string); p["defaultValue"] != nil && (!isText ||
			!strings.HasPrefix(text, "[")) {
			defaults[name] = p["defaultValue"]
		}
	}
	return names, defaults
}

// probe gives what a case's resources and outputs show of a parameter, or unseen where they can't
// show it in this case. wanted is the value that the parameter has.
type probe func(s *snapshot, wanted any) any

type nothing struct{}

var unseen = nothing{}

// TestEveryParameterOfEveryCaseReachesWhatItIsFor compares each given or default value with the
// resources; and each parameter has a case with a value of its own.
func TestEveryParameterOfEveryCaseReachesWhatItIsFor(t *testing.T) {
	chosen := map[string]map[string]bool{}
	for name, c := range cases {
		if c.template == "" {
			c.template = "main.bicep"
		}
		if chosen[c.template] == nil {
			chosen[c.template] = map[string]bool{}
		}
		s, names, defaults := load(t, name), []string(nil), map[string]any(nil)
		names, defaults = parameters(t, c.template)
		args := arguments(t, name)
		require.Subset(t, names, keys(args), name)
		for _, p := range names {
			wanted, isGiven := args[p]
			if !isGiven {
				wanted = defaultOf(s, p, args, defaults)
			}
			show := probes[c.template][p]
			require.NotNil(t, show, "%s: nothing looks for what becomes of %s", c.template, p)
			if wanted == unseen {
				continue
			}
			got := show(s, wanted)
			if got == unseen {
				continue
			}
			require.Equal(t, wanted, got, "%s: %s", name, p)
			if isGiven && !same(wanted, defaults[p]) {
				chosen[c.template][p] = true
			}
		}
	}
	for template, seen := range chosen {
		names, _ := parameters(t, template)
		for _, p := range names {
			require.True(t, seen[p] || template == "main.bicep" && p == "otherSettings",
				"%s: no case gives %s a value of its own that can be seen", template, p)
		}
	}
}

func same(a, b any) bool { return fmt.Sprintf("%#v", a) == fmt.Sprintf("%#v", b) }

// defaultOf is a parameter's default in a case, also where it is an expression.
func defaultOf(s *snapshot, name string, args, defaults map[string]any) any {
	if v, ok := defaults[name]; ok {
		return v
	}
	switch name {
	case "location":
		return regions[s.cloud]
	case "packageUri":
		tag, ok := args["release"]
		if !ok {
			tag = defaults["release"]
		}
		return fmt.Sprintf("https://github.com/entraledger/entraledger/releases/download/%s/entraledger.zip", tag)
	}
	return unseen
}

func TestValuesOfParametersAreRead(t *testing.T) {
	text := `'it\'s' -1 // a comment with 'quotes'
	[ 'a//b' {
	  'b c': true
	  d: []
	} ] file.x.value`
	r := reader{tokens: slices.DeleteFunc(tokens.FindAllString(text, -1),
		func(s string) bool { return strings.HasPrefix(s, "//") }),
		file: map[string]any{"x": map[string]any{"value": 5.0}}}
	for _, wanted := range []any{"it's", -1.0, []any{"a//b", map[string]any{"b c": true, "d": []any{}}}, 5.0} {
		got, err := r.value()
		require.NoError(t, err)
		require.Equal(t, wanted, got)
	}
	_, err := r.value()
	require.Error(t, err)
}
