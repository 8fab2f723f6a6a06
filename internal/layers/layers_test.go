// Package layers_test holds the arrows between the program's packages: who may import whom.
package layers_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/entraledger/entraledger/"

// imports are what a package imports, but for its tests: those may import all. Packages of the
// program are named without the module.
type imports struct {
	ImportPath string
	Imports    []string
}

// room is a kind of package.
type room string

const (
	program     room = "the program"
	list        room = "the list of functions"
	function    room = "a function"
	adapter     room = "an adapter"
	useCase     room = "a use case"
	development room = "development"
	outside     room = "outside"
)

// adapters talk to a service. Each is named with what belongs to it.
var adapters = []string{
	"internal/graph", "internal/diagnosticblobs", "internal/identitymanager", "internal/tables", "internal/blobs",
}

// mayImport are the arrows between the rooms.
var mayImport = map[room][]room{
	program:     {list, function, adapter, useCase},
	list:        {function, useCase},
	function:    {useCase},
	adapter:     {useCase},
	useCase:     {useCase},
	development: {program, list, function, adapter, useCase, development},
}

// only are packages that import few others of the program: what they may import.
var only = map[string][]string{
	"internal/entra":   {},
	"internal/logs":    {"internal/entra"},
	"internal/seal":    {"internal/entra", "internal/logs"},
	"internal/clocks":  {"internal/entra"},
	"internal/records": {"internal/entra"},
	"internal/ledger":  {"internal/entra", "internal/logs", "internal/seal"},
	"internal/sealing": {"internal/entra", "internal/ledger", "internal/seal"},
	"internal/verify":  {"internal/entra", "internal/ledger", "internal/logs", "internal/seal"},
	"internal/derive":  {"internal/entra", "internal/ledger", "internal/logs"},
	"internal/collect": {"internal/clocks", "internal/entra", "internal/ledger", "internal/logs", "internal/seal",
		"internal/sealing"},
	"internal/purge": {"internal/entra", "internal/ledger", "internal/logs", "internal/seal", "internal/sealing"},
	"internal/repair": {"internal/entra", "internal/ledger", "internal/logs", "internal/seal", "internal/sealing",
		"internal/verify"},
}

// withoutAzure import no package of Azure's or Graph's SDKs, not even by another one.
var withoutAzure = []string{
	"internal/clocks", "internal/collect", "internal/derive", "internal/directory", "internal/entra", "internal/ledger",
	"internal/logs", "internal/odata", "internal/purge", "internal/records", "internal/repair", "internal/seal",
	"internal/sealing", "internal/search", "internal/verify",
}

func isBelow(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// roomOf tells the room of a package by its path.
func roomOf(path string) room {
	last := path[strings.LastIndex(path, "/")+1:]
	switch {
	case path == "handler":
		return program
	case path == "functions":
		return list
	case isBelow(path, "functions"):
		return function
	case isBelow(path, "internal/dev"), isBelow(path, "tools"), isBelow(path, "infra"), strings.HasSuffix(last, "test"):
		return development
	case slices.ContainsFunc(adapters, func(a string) bool { return isBelow(path, a) }):
		return adapter
	case isBelow(path, "internal"):
		return useCase
	}
	return outside
}

// adapterOf is the adapter that a package belongs to.
func adapterOf(path string) string {
	at := slices.IndexFunc(adapters, func(a string) bool { return isBelow(path, a) })
	return adapters[at]
}

func isAzure(path string) bool {
	return strings.HasPrefix(path, "github.com/Azure/") || strings.HasPrefix(path, "github.com/AzureAD/") ||
		strings.HasPrefix(path, "github.com/microsoft") || strings.HasPrefix(path, "github.com/microsoftgraph/")
}

// wrong lists the arrows that may not be, each in one line.
func wrong(all map[string]imports) (out []string) {
	for path, p := range all {
		from := roomOf(path)
		if from == outside {
			continue
		}
		for _, to := range p.Imports {
			if why := wrongArrow(path, to); why != "" {
				out = append(out, fmt.Sprintf("%s -> %s: %s", path, to, why))
			}
		}
	}
	for _, path := range withoutAzure {
		if way := wayToAzure(all, path); way != nil {
			out = append(out, strings.Join(way, " -> ")+": "+path+" imports no package of Azure")
		}
	}
	slices.Sort(out)
	return out
}

// wrongArrow says why a package may not import another one; empty: it may.
func wrongArrow(path, to string) string {
	from, room := roomOf(path), roomOf(to)
	switch {
	case room == outside:
		return ""
	case path == "functions/versionedlogs" && to == "functions/logs":
		return "" // it is the same function under other routes
	case from == adapter && room == adapter:
		if adapterOf(path) == adapterOf(to) {
			return ""
		}
		return "an adapter imports another one"
	}
	if !slices.Contains(mayImport[from], room) {
		return fmt.Sprintf("%s imports %s", from, room)
	}
	if list, ok := only[path]; ok && !slices.Contains(list, to) {
		return fmt.Sprintf("it imports none but %s", strings.Join(list, ", "))
	}
	return ""
}

// wayToAzure is a chain of imports that ends at a package of Azure's; nil: there is none.
func wayToAzure(all map[string]imports, from string) []string {
	before := map[string]string{from: ""}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		for _, to := range all[todo[0]].Imports {
			if _, ok := before[to]; ok {
				continue
			}
			if before[to] = todo[0]; isAzure(to) {
				var way []string
				for at := to; at != ""; at = before[at] {
					way = append([]string{at}, way...)
				}
				return way
			}
			todo = append(todo, to)
		}
	}
	return nil
}

// listed asks the go command for the program's packages and all that they import.
func listed(t *testing.T) map[string]imports {
	// The go command remembers a result for as long as what the test has read is the same: all folders
	// of packages.
	for _, folder := range []string{"functions", "handler", "internal", "tools"} {
		require.NoError(t, filepath.WalkDir("../../"+folder, func(_ string, d fs.DirEntry, err error) error {
			if err == nil && d.Name() == "node_modules" {
				return fs.SkipDir
			}
			return err
		}))
	}
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	text, err := cmd.Output()
	require.NoError(t, err)
	all := make(map[string]imports)
	for in := json.NewDecoder(strings.NewReader(string(text))); ; {
		var p imports
		if err := in.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else {
			require.NoError(t, err)
		}
		for i := range p.Imports {
			p.Imports[i] = strings.TrimPrefix(p.Imports[i], module)
		}
		all[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

func TestEveryArrowBetweenPackagesPointsDown(t *testing.T) {
	all := listed(t)
	for path := range only {
		require.Contains(t, all, path, "a package of the list is not there any more")
	}
	for _, path := range withoutAzure {
		require.Contains(t, all, path, "a package of the list is not there any more")
	}
	require.Empty(t, wrong(all))
}

func TestAnArrowThatPointsUpIsNamed(t *testing.T) {
	for _, c := range []struct{ from, to, why string }{
		{"internal/entra", "internal/ledger", "it imports none but "},
		{"internal/ledger", "internal/collect", "it imports none but internal/entra, internal/logs, internal/seal"},
		{"internal/records", "internal/verify", "it imports none but internal/entra"},
		{"internal/search", "internal/tables", "a use case imports an adapter"},
		{"internal/search", "functions/logs", "a use case imports a function"},
		{"internal/search", "internal/dev/memstorage", "a use case imports development"},
		{"internal/graph", "internal/tables", "an adapter imports another one"},
		{"internal/tables", "internal/blobs", "an adapter imports another one"},
		{"functions/logs", "internal/tables/rows", "a function imports an adapter"},
		{"functions/logs", "functions/users", "a function imports a function"},
		{"handler", "internal/dev/lab", "the program imports development"},
		{"handler", "internal/search/searchtest", "the program imports development"},
		{"internal/directory", "handler", "a use case imports the program"},
		{"internal/entra", "github.com/Azure/sdk", "internal/entra imports no package of Azure"},
	} {
		require.Equal(t, []string{c.from + " -> " + c.to + ": " + c.why}, wrong(one(c.from, c.to)))
	}
	way := one("internal/odata", "example.com/a")
	way["example.com/a"] = imports{Imports: []string{"github.com/AzureAD/b"}}
	line := "internal/odata -> example.com/a -> github.com/AzureAD/b: internal/odata imports no package of Azure"
	require.Equal(t, []string{line}, wrong(way))
}

func TestAnArrowThatPointsDownIsNone(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"internal/tables", "internal/tables/rows"},
		{"internal/tables", "github.com/Azure/sdk"},
		{"internal/tables", "internal/collect"},
		{"internal/search", "internal/odata"},
		{"tools/localrun", "internal/tables"},
		{"handler", "internal/tables"},
	} {
		require.Empty(t, wrong(one(c.from, c.to)), c.from+" -> "+c.to)
	}
}

// one is a program with one import.
func one(from, to string) map[string]imports {
	return map[string]imports{from: {ImportPath: from, Imports: []string{to}}}
}
