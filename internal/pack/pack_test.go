package pack_test

import (
	"archive/zip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/pack"
)

// repository is a small one with two functions, and a package among them that is none.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26\n",
		"handler/main.go": "package main\n\nvar version = \"dev\"\n\nfunc main() { " +
			"println(version) }\n",
		"host.json":                           `{"version":"2.0"}`,
		"functions/coverage/function.json":    `{"bindings":[]}`,
		"functions/coverage/coverage.go":      "package coverage\n",
		"functions/archivelogs/function.json": `{"bindings":[1]}`,
		"functions/helper/helper.go":          "package helper\n",
	} {
		file := filepath.Join(root, filepath.FromSlash(path))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return root
}

func TestALayoutHoldsTheHandlerAndEachFunctionsTriggerAndNothingElse(t *testing.T) {
	root := repository(t)
	out := filepath.Join(root, "dist", "app")
	require.NoError(t, os.MkdirAll(filepath.Join(out, "removedfunction"), 0o755))
	require.NoError(t, pack.Layout(t.Context(), pack.Options{Root: root, Out: out, Version: "1.2.3"}))
	require.NoError(t, pack.Layout(t.Context(), pack.Options{Root: root, Out: out, Version: "1.2.3"}), "a second time")
	files, err := filepath.Glob(filepath.Join(root, "dist", "*", "*"))
	require.NoError(t, err)
	var names []string
	for _, file := range files {
		name, err := filepath.Rel(root, file)
		require.NoError(t, err)
		names = append(names, filepath.ToSlash(name))
	}
	require.Equal(t, []string{"dist/app/archivelogs", "dist/app/coverage", "dist/app/handler", "dist/app/host.json"},
		names)
	text, err := os.ReadFile(filepath.Join(out, "archivelogs", "function.json"))
	require.NoError(t, err)
	require.Equal(t, `{"bindings":[1]}`, string(text))

	said, err := exec.Command(filepath.Join(out, "handler")).CombinedOutput()
	require.NoError(t, err)
	require.Equal(t, "1.2.3\n", string(said))
}

func TestAHandlerThatDoesNotCompileLeavesTheOldLayout(t *testing.T) {
	root := repository(t)
	out := filepath.Join(root, "dist", "app")
	require.NoError(t, pack.Layout(t.Context(), pack.Options{Root: root, Out: out, Version: "1"}))
	require.NoError(t, os.WriteFile(filepath.Join(root, "handler", "main.go"),
		[]byte("package main\n\nfunc main() { missing() }\n"), 0o644))
	require.ErrorContains(t, pack.Layout(t.Context(), pack.Options{Root: root, Out: out, Version: "2"}),
		"undefined: missing")
	require.FileExists(t, filepath.Join(out, "handler"))
	left, err := filepath.Glob(filepath.Join(root, "dist", ".pack-*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestARepositoryWithoutFunctionsIsRefused(t *testing.T) {
	_, err := pack.Functions(t.TempDir())
	require.ErrorContains(t, err, "--root")
}

func TestAZipIsTheSameEachTimeAndKeepsTheExecuteBit(t *testing.T) {
	root := repository(t)
	out := filepath.Join(root, "dist", "app")
	var packed [2][]byte
	for i := range packed {
		require.NoError(t, pack.Layout(t.Context(), pack.Options{Root: root, Out: out, GOOS: "linux", GOARCH: "amd64",
			Version: "1"}))
		file := filepath.Join(root, "dist", "app.zip")
		require.NoError(t, pack.Zip(out, file))
		var err error
		packed[i], err = os.ReadFile(file)
		require.NoError(t, err)
	}
	require.True(t, string(packed[0]) == string(packed[1]), "two builds differ")

	z, err := zip.OpenReader(filepath.Join(root, "dist", "app.zip"))
	require.NoError(t, err)
	defer z.Close()
	modes := map[string]os.FileMode{}
	for _, f := range z.File {
		modes[f.Name] = f.Mode()
	}
	require.Equal(t, map[string]os.FileMode{
		"archivelogs/function.json": 0o644, "coverage/function.json": 0o644, "handler": 0o755, "host.json": 0o644,
	}, modes)
}

// withModule is the repository whose handler uses a module of somebody else's.
func withModule(t *testing.T, files map[string]string) string {
	t.Helper()
	root := repository(t)
	for name, text := range map[string]string{
		"LICENSE": "ours\n",
		"go.mod": "module example.com/app\n\ngo 1.26\n\nrequire example.com/theirs v1.4.0\n\nreplace " +
			"example.com/theirs => ./theirs\n",
		"handler/main.go": "package main\n\nimport \"example.com/theirs/inner\"\n\nvar version = \"dev\"\n\nfunc " +
			"main() { println(version, inner.Name) }\n",
		"theirs/go.mod":     "module example.com/theirs\n\ngo 1.26\n",
		"theirs/inner/a.go": "package inner\n\nconst Name = \"inner\"\n",
		"theirs/other/a.go": "package other\n",
	} {
		files[name] = text
	}
	for name, text := range files {
		file := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	return root
}

func TestTheLicencesOfWhatIsLinkedGoWithTheApp(t *testing.T) {
	root := withModule(t, map[string]string{"theirs/COPYING": "terms\r\nof theirs\r\n",
		"theirs/inner/NOTICE.md": "inner's notice", "theirs/other/LICENSE": "not linked",
		"theirs/license.go": "package theirs\n"})
	out := filepath.Join(root, "dist", "app")
	require.NoError(t, pack.Layout(t.Context(), pack.Options{Root: root, Out: out, Version: "1", Legal: true}))
	text, err := os.ReadFile(filepath.Join(out, pack.Notices))
	require.NoError(t, err)
	line := strings.Repeat("=", 100)
	require.Contains(t, string(text), "\n"+line+"\nexample.com/theirs v1.4.0: COPYING\n"+line+
		"\n\nterms\nof theirs\n\n"+line+"\nexample.com/theirs v1.4.0: inner/NOTICE.md\n"+line+"\n\ninner's notice\n")
	require.Contains(t, string(text), "\nthe Go standard library and runtime: LICENSE\n")
	require.NotContains(t, string(text), "not linked")
	require.NotContains(t, string(text), "license.go")
	require.FileExists(t, filepath.Join(out, "LICENSE"))
}

func TestAModuleWithoutALicenceStopsThePackage(t *testing.T) {
	root := withModule(t, map[string]string{"theirs/other/LICENSE": "not linked"})
	out := filepath.Join(root, "dist", "app")
	err := pack.Layout(t.Context(), pack.Options{Root: root, Out: out, Version: "1", Legal: true})
	require.ErrorContains(t, err, "example.com/theirs v1.4.0 has none")
	require.NoDirExists(t, out)
}

func TestAReleaseThatWouldDeployNothingIsRefused(t *testing.T) {
	root := withModule(t, map[string]string{"README.md": "a", "docs/a.md": "b", "infra/deploy.sh": "c",
		"theirs/LICENSE": "d"})
	out := filepath.Join(root, "dist", "app")
	require.NoError(t, pack.Layout(t.Context(), pack.Options{Root: root, Out: out, Version: "1", Legal: true}))
	file := filepath.Join(root, "dist", "release.zip")
	err := pack.Release(root, out, filepath.Join(out, "handler"), file)
	require.ErrorContains(t, err, "azuredeploy.json")
	require.ErrorContains(t, err, "make infra")
	require.NoFileExists(t, file)
}
