// Package layers_test holds the arrows between the program's packages: who may import whom. The
// rules are data, in rooms_test.go.
package layers_test

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/entraledger/entraledger/"

// imports are what each package imports, but for its tests: those may import all. Packages of the
// program are named without the module; the standard library's are not here.
type imports map[string][]string

// below tells whether a package is a folder's, or is below it.
func below(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// isOurs tells a package of the program from one of another module: those begin with a host's name.
func isOurs(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

// roomOf tells the room of a package, and what it may import where it has a list of its own.
func roomOf(path string) (in room, only []string, listed bool) {
	for room, patterns := range folders {
		for _, pattern := range patterns {
			folder, all := strings.CutSuffix(pattern, "*")
			if path == pattern || all && strings.HasPrefix(path, folder) {
				return room, nil, false
			}
		}
	}
	short := strings.TrimPrefix(path, "internal/")
	if names, ok := useCases[short]; ok && short != path {
		return useCase, internal(names), true
	}
	if names, ok := adapters[short]; ok && short != path {
		return adapter, internal(names), true
	}
	return "", nil, false
}

// internal are the packages of a list that leaves out "internal/".
func internal(names string) (out []string) {
	for _, name := range strings.Fields(names) {
		out = append(out, "internal/"+name)
	}
	return out
}

// wrong lists the packages without a rule and the arrows that may not be, each in one line.
func wrong(all imports) (out []string) {
	for path, tos := range all {
		if in, _, _ := roomOf(path); in == "" {
			out = append(out, path+" has no rule: put it into useCases, adapters or folders of"+
				" internal/layers/rooms_test.go, with what it may import")
			continue
		}
		for _, to := range tos {
			if why := wrongArrow(path, to); why != "" {
				out = append(out, fmt.Sprintf("%s -> %s: %s", path, to, why))
			}
		}
	}
	slices.Sort(out)
	return out
}

// wrongArrow says why a package may not import another one; empty: it may.
func wrongArrow(path, to string) string {
	if !isOurs(to) {
		return wrongLibrary(path, to)
	}
	from, only, listed := roomOf(path)
	room, _, _ := roomOf(to)
	switch {
	case room == "":
		return "it has no rule"
	case path == "functions/versionedlogs" && to == "functions/logs":
		return "" // it is the same function under other routes
	case !slices.Contains(mayImport[from], room):
		return fmt.Sprintf("%s imports %s", from, room)
	case from == adapter && room == adapter && !below(to, path):
		return "an adapter imports another one"
	case listed && len(only) == 0:
		return "it imports nothing of the program"
	case listed && !slices.Contains(only, to):
		return "it imports none but " + strings.Join(only, ", ")
	}
	return ""
}

// wrongLibrary says why a package may not import one of another module; empty: it may.
func wrongLibrary(path, to string) string {
	for sdk, names := range sdks {
		if who := strings.Fields(names); below(to, sdk) && !slices.Contains(who, path) {
			return "it is imported by none but " + strings.Join(who, ", ")
		} else if below(to, sdk) {
			return ""
		}
	}
	if slices.ContainsFunc(libraries, func(l string) bool { return below(to, l) }) {
		return ""
	}
	return "it has no rule: put it into sdks or libraries of internal/layers/rooms_test.go"
}

// unused lists what the rules name and the program has not.
func unused(all imports) (out []string) {
	missing := func(from string, to func(string) bool, what string) {
		if tos, ok := all[from]; !ok {
			out = append(out, from+" is not there")
		} else if what != "" && !slices.ContainsFunc(tos, to) {
			out = append(out, fmt.Sprintf("%s -> %s is not there", from, what))
		}
	}
	for _, rules := range []map[string]string{useCases, adapters} {
		for short, names := range rules {
			missing("internal/"+short, nil, "")
			for _, name := range internal(names) {
				missing("internal/"+short, func(to string) bool { return to == name }, name)
			}
		}
	}
	for sdk, names := range sdks {
		for _, from := range strings.Fields(names) {
			missing(from, func(to string) bool { return below(to, sdk) }, sdk)
		}
	}
	for _, pattern := range slices.Concat(slices.Collect(maps.Values(folders))...) {
		if !strings.HasSuffix(pattern, "*") {
			missing(pattern, nil, "")
		}
	}
	used := slices.Concat(slices.Collect(maps.Values(all))...)
	for _, l := range libraries {
		if !slices.ContainsFunc(used, func(to string) bool { return below(to, l) }) {
			out = append(out, l+" is not imported")
		}
	}
	return out
}

// parsed reads the imports of all Go files below a folder that are not tests: those under every
// build tag and for every system.
func parsed(t *testing.T, root string) imports {
	all := make(imports)
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (name[0] == '.' || name == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || name[0] == '.' || name[0] == '_',
			!strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		from := filepath.ToSlash(folder)
		all[from] = slices.Grow(all[from], 1)
		for _, i := range file.Imports {
			to, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			short, ours := strings.CutPrefix(to, module)
			if (ours || !isOurs(to)) && !slices.Contains(all[from], short) {
				all[from] = append(all[from], short)
			}
		}
		return nil
	}))
	return all
}

func TestEveryArrowBetweenPackagesPointsDown(t *testing.T) {
	all := parsed(t, "../..")
	require.Empty(t, wrong(all))
	require.Empty(t, unused(all), "a rule names what is not there any more: take it out of rooms_test.go")
}

func TestALibraryForAllLeadsToNoSDK(t *testing.T) {
	var packages []string
	for _, to := range slices.Concat(slices.Collect(maps.Values(parsed(t, "../..")))...) {
		if slices.ContainsFunc(libraries, func(l string) bool { return below(to, l) }) {
			packages = append(packages, to)
		}
	}
	slices.Sort(packages)
	args := append([]string{"list", "-deps"}, slices.Compact(packages)...)
	text, err := exec.CommandContext(t.Context(), "go", args...).Output()
	require.NoError(t, err)
	require.Contains(t, string(text), "github.com/tidwall/gjson\n")
	for path := range strings.Lines(string(text)) {
		require.NotRegexp(t, "^github.com/(Azure|AzureAD|microsoft|microsoftgraph)/", path)
	}
}

const (
	aztables = "github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	azcore   = "github.com/Azure/azure-sdk-for-go/sdk/azcore"
	azblob   = "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	kiota    = "github.com/microsoft/kiota-http-go"
)

func TestAWrongArrowIsNamed(t *testing.T) {
	const tablesDoors = "it is imported by none but internal/dev/lab, internal/tables/rows, tools/bench"
	const noLibrary = "it has no rule: put it into sdks or libraries of internal/layers/rooms_test.go"
	for _, c := range []struct{ from, to, why string }{
		// From one room into another one.
		{"internal/search", "internal/tables", "a use case imports an adapter"},
		{"internal/search", "functions/logs", "a use case imports a function"},
		{"internal/search", "internal/dev/memstorage", "a use case imports development"},
		{"internal/directory", "handler", "a use case imports the program"},
		{"internal/graph", "functions", "an adapter imports the list of functions"},
		{"functions/logs", "internal/tables/rows", "a function imports an adapter"},
		{"functions/logs", "functions/users", "a function imports a function"},
		{"handler", "internal/dev/lab", "the program imports development"},
		{"handler", "internal/search/searchtest", "the program imports development"},
		// Between adapters.
		{"internal/graph", "internal/tables", "an adapter imports another one"},
		{"internal/tables", "internal/blobs", "an adapter imports another one"},
		{"internal/tables/rows", "internal/tables", "an adapter imports another one"},
		// Past a package's own list.
		{"internal/entra", "internal/ledger", "it imports nothing of the program"},
		{"internal/ledger", "internal/collect", "it imports none but internal/entra, internal/logs, " +
			"internal/parallel, internal/seal"},
		{"internal/records", "internal/verify", "it imports none but internal/entra"},
		{"internal/tables/rows", "internal/jobs", "it imports none but internal/entra, internal/parallel"},
		{"internal/web", "internal/collect",
			"it imports none but internal/entra, internal/ledger, internal/logs, internal/parallel, " +
				"internal/questions, " +
				"internal/records, internal/turns, internal/web/router"},
		// Into an SDK.
		{"functions/cost", aztables, tablesDoors},
		{"internal/settings", aztables, tablesDoors},
		{"internal/tables", aztables, tablesDoors},
		{"handler", aztables, tablesDoors},
		{"internal/dev/devhost", aztables, tablesDoors},
		{"internal/tables", azblob + "/container", "it is imported by none but internal/blobs"},
		{"internal/tables", kiota, "it is imported by none but internal/graph"},
		// To what has no rule.
		{"internal/search", "internal/madeup", "it has no rule"},
		{"internal/graph", "github.com/AzureAD/microsoft-authentication-library-for-go/apps/public", noLibrary},
		{"internal/search", "github.com/tidwall/gjson2", noLibrary},
	} {
		require.Equal(t, []string{c.from + " -> " + c.to + ": " + c.why}, wrong(imports{c.from: {c.to}}))
	}
}

func TestAPackageWithoutARuleIsNamed(t *testing.T) {
	for _, path := range []string{
		"internal/madeup", "internal/entra/madeup", "internal/tables/madeup", "internal/tables/madeuptest", "entra",
		"handler/madeup", "madeup", ".",
	} {
		require.Equal(t, []string{path + " has no rule: put it into useCases, adapters or folders of" +
			" internal/layers/rooms_test.go, with what it may import"}, wrong(imports{path: nil}))
	}
}

func TestARightArrowIsNotNamed(t *testing.T) {
	for _, c := range []struct{ from, to string }{
		{"internal/tables", "internal/tables/rows"},
		{"internal/tables", "internal/collect"},
		{"internal/tables/rows", aztables},
		{"internal/blobs", azcore + "/policy"},
		{"internal/search", "internal/odata"},
		{"internal/search", "github.com/tidwall/gjson"},
		{"functions/versionedlogs", "functions/logs"},
		{"functions/madeup", "internal/web"},
		{"tools/localrun", "internal/tables"},
		{"handler", "internal/tables"},
	} {
		require.Empty(t, wrong(imports{c.from: {c.to}}), c.from+" -> "+c.to)
	}
}

func TestARuleWithoutItsArrowIsNamed(t *testing.T) {
	all := parsed(t, "../..")
	for _, c := range []struct{ from, to, line string }{
		{"internal/web", "internal/records", "internal/web -> internal/records is not there"},
		{"internal/tables/rows", aztables, "internal/tables/rows -> " + aztables + " is not there"},
		{"internal/dev/devhost", "github.com/robfig/cron/v3", "github.com/robfig/cron/v3 is not imported"},
	} {
		without := maps.Clone(all)
		without[c.from] = slices.DeleteFunc(slices.Clone(all[c.from]), func(to string) bool { return to == c.to })
		require.Equal(t, []string{c.line}, unused(without))
	}
	for _, path := range []string{"internal/reference", "internal/search/searchtest"} {
		without := maps.Clone(all)
		delete(without, path)
		require.Equal(t, []string{path + " is not there"}, unused(without))
	}
}

func TestImportsUnderEveryTagCount(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "a"), 0o700))
	for name, text := range map[string]string{
		"plain.go":     "package a\nimport _ \"example.com/plain\"\nimport _ \"fmt\"\n",
		"soak.go":      "//go:build soak\n\npackage a\nimport _ \"example.com/tagged\"\n",
		"ignored.go":   "//go:build ignore\n\npackage main\nimport _ \"example.com/plain\"\n",
		"a_windows.go": "package a\nimport _ \"" + module + "internal/windows\"\n",
		"a_test.go":    "package a\nimport _ \"example.com/test\"\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(root, "a", name), []byte(text), 0o600))
	}
	all := parsed(t, root)
	slices.Sort(all["a"])
	require.Equal(t, imports{"a": {"example.com/plain", "example.com/tagged", "internal/windows"}}, all)
}
