package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// played is how the played compiler behaves.
type played struct {
	Version  string
	Warnings map[string]string // by the file's name: what the linter says of its second line
	Contents map[string]string // by the file's name: what it compiles to
	Open     string            // what it can't evaluate
	Fails    string            // a parameter's value that fail() is called for
	Where    string            // what fails then; empty: the variable checked
}

// playedTemplate is what everything compiles to, unless Contents says otherwise.
const playedTemplate = `{ "variables": { "checked": "" } }`

const playedName = "PLAYED_BICEP"

// TestMain lets this program be the compiler, where one that is a program of its own is looked for.
func TestMain(m *testing.M) {
	if os.Getenv(playedName) != "" && len(os.Args) > 1 {
		switch os.Args[1] {
		case "--version":
			fmt.Println(os.Getenv(playedName))
			os.Exit(0)
		case "jsonrpc":
			fmt.Fprintln(os.Stderr, "Unhandled exception: no memory")
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

// serve answers until the requests end.
func (p played) serve(in io.Reader, out io.Writer) {
	s := &session{out: bufio.NewReader(in)}
	for {
		var request struct {
			ID     int
			Method string
			Params struct{ Path string }
		}
		if err := s.read(&request); err != nil {
			return
		}
		answer := map[string]any{"jsonrpc": "2.0", "id": request.ID}
		result, err := p.answer(request.Method, request.Params.Path)
		if answer["result"] = result; err != nil {
			delete(answer, "result")
			answer["error"] = map[string]any{"code": -32000, "message": err.Error()}
		}
		body, err := json.Marshal(answer)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(out, "Content-Length: %d\r\n\r\n%s", len(body), body)
	}
}

func (p played) answer(method, path string) (any, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text := string(data)
	switch name := filepath.Base(path); method {
	case "bicep/compile":
		diagnostics := []any{}
		if warning := p.Warnings[name]; warning != "" {
			place := map[string]any{"start": map[string]any{"line": 1, "char": 4}}
			diagnostics = append(diagnostics, map[string]any{"source": path, "range": place, "code": "a-rule",
				"message": warning})
		}
		contents := p.Contents[name]
		if contents == "" {
			contents = playedTemplate
		}
		return map[string]any{"success": true, "diagnostics": diagnostics, "contents": contents}, nil
	case "bicep/format":
		return map[string]any{"contents": strings.ReplaceAll(text, "  ", " ")}, nil
	case "bicep/getSnapshot":
		if p.Fails != "" && strings.Contains(text, p.Fails) {
			where := cmp.Or(p.Where, "variable 'checked'")
			return nil, fmt.Errorf("The template %s is not valid: '%s' is not accepted", where, p.Fails)
		}
		return map[string]any{"snapshot": snapshotText(strings.Join(strings.Fields(text), " "), p.Open)}, nil
	}
	return nil, fmt.Errorf("no method by the name '%s' is found", method)
}

// snapshotText is a snapshot of a text, with its outputs in any order.
func snapshotText(text, open string) string {
	diagnostics := ""
	if open != "" {
		diagnostics = strconv.Quote(open)
	}
	outputs := slices.Collect(maps.Keys(map[string]bool{`"a": 1`: true, `"b": 2`: true, `"c": 3`: true,
		`"d": 4`: true}))
	return fmt.Sprintf(`{"predictedResources": [{"of": %q}], "diagnostics": [%s], "outputs": {%s}}`, text,
		diagnostics, strings.Join(outputs, ","))
}

// newTestProject makes a small one in a folder of its own, up to date by the pinned version. It
// gives the folder.
func newTestProject(t *testing.T) string {
	root := t.TempDir()
	for name, text := range map[string]string{
		"bicepconfig.json": "{\n  \"extensions\": { \"microsoftGraphV1\": " +
			"\"br:registry.example/extensions/microsoftgraph/v1.0:1.0.0\" }\n}\n",
		"main.bicep":                 "param name string\nparam  size int\n",
		"upgrade.bicep":              "param name string\n",
		"modules/app.bicep":          "param name string\n",
		"snapshots/small.bicepparam": "using '../main.bicep'\n",
		"snapshots/refused.json": `[{ "template": "main.bicep", "parameters": { "name": { "value": "bad", ` +
			`"says": "not accepted" } } }]`,
	} {
		putFile(t, root, name, text)
	}
	_, err := runPlayed(t, root, played{Version: pinned(), Fails: "bad"}, "write")
	require.NoError(t, err)
	return root
}

func putFile(t *testing.T, root, name, text string) {
	path := filepath.Join(root, "infra", name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func getFile(t *testing.T, root, name string) string {
	data, err := os.ReadFile(filepath.Join(root, "infra", name))
	require.NoError(t, err)
	return string(data)
}

// runPlayed runs a subcommand with the played compiler.
func runPlayed(t *testing.T, root string, p played, name string) (string, error) {
	start := func(context.Context, string) (*session, error) {
		request, in := io.Pipe()
		out, answer := io.Pipe()
		go p.serve(request, answer)
		end := func() string {
			in.Close()
			out.Close()
			return ""
		}
		return &session{in: in, out: bufio.NewReader(out), end: end}, nil
	}
	var stdout strings.Builder
	err := runWith(t.Context(), compiler{path: "/played/bicep", version: p.Version, start: start}, root, name, &stdout)
	return stdout.String(), err
}
