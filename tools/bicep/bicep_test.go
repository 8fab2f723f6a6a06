package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTheCompilerIsLookedForWhereItMayBe(t *testing.T) {
	env := map[string]string{"HOME": "/home/ada"}
	nowhere := func(string) (string, error) { return "", errors.New("not there") }
	onPath := func(string) (string, error) { return "/usr/bin/bicep", nil }
	get := func(name string) string { return env[name] }
	require.Equal(t, []string{"/home/ada/.azure/bin/bicep", "/src/shared/tools/bicep/bicep"},
		candidates("/src/main", get, nowhere))
	require.Equal(t, []string{"/usr/bin/bicep", "/home/ada/.azure/bin/bicep", "/src/shared/tools/bicep/bicep"},
		candidates("/src/main", get, onPath))
	env["BICEP"] = "/my/bicep"
	require.Equal(t, []string{"/my/bicep"}, candidates("/src/main", get, onPath))
}

func TestWithoutACompilerTheMessageSaysHowToGetOne(t *testing.T) {
	root := newTestProject(t)
	t.Setenv("BICEP", filepath.Join(root, "nothing"))
	err := run(t.Context(), []string{"check", "--root", root}, nil, nil)
	require.ErrorContains(t, err, "az bicep install --version v"+pinned())
	require.ErrorContains(t, err, filepath.Join(root, "nothing"))
	require.ErrorContains(t, err, "BICEP=<path>")
}

func TestThePinnedVersionGoesBeforeAnotherThatIsFoundFirst(t *testing.T) {
	root, home, path := t.TempDir(), t.TempDir(), t.TempDir()
	program := func(folder, version string) string {
		require.NoError(t, os.MkdirAll(folder, 0o755))
		file := filepath.Join(folder, "bicep")
		require.NoError(t, os.WriteFile(file,
			[]byte("#!/bin/sh\necho 'Bicep CLI version "+version+" (0123456789)'\n"), 0o755))
		return file
	}
	t.Setenv("BICEP", "")
	t.Setenv("HOME", home)
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	other := program(path, "0.30.1")
	found, err := findCompiler(t.Context(), root)
	require.NoError(t, err)
	require.Equal(t, other, found.path)
	right := program(filepath.Join(home, ".azure", "bin"), pinned())
	found, err = findCompiler(t.Context(), root)
	require.NoError(t, err)
	require.Equal(t, right, found.path)
	require.Empty(t, found.types)
	require.NoError(t, os.WriteFile(filepath.Join(filepath.Dir(right), graphTypes), nil, 0o600))
	found, err = findCompiler(t.Context(), root)
	require.NoError(t, err)
	require.Equal(t, filepath.Join(filepath.Dir(right), graphTypes), found.types)
}

func TestTheWorkflowInstallsThePinnedVersion(t *testing.T) {
	data, err := os.ReadFile("../../.github/workflows/ci.yml")
	require.NoError(t, err)
	jobs := regexp.MustCompile(`(?m)^  \w+:\n`).Split(string(data), -1)
	ran := 0
	for _, job := range jobs {
		if strings.Contains(job, "run: .ci/run") || strings.Contains(job, "run: make audit") {
			require.Contains(t, job, `az bicep install --version "v$(cat tools/bicep/version.txt)"`)
			ran++
		}
	}
	require.Equal(t, 2, ran)
}

func TestACompilerIsAProgramThatTellsItsVersion(t *testing.T) {
	root := newTestProject(t)
	self, err := os.Executable()
	require.NoError(t, err)
	t.Setenv("BICEP", self)
	t.Setenv(playedName, "Bicep CLI version "+pinned()+" (0123456789)")
	err = run(t.Context(), []string{"check", "--root", root}, nil, nil)
	require.ErrorContains(t, err, "the compiler ended: Unhandled exception: no memory")
	require.NotContains(t, err.Error(), "this is Bicep")
	t.Setenv(playedName, "Bicep CLI version 0.4.1 (0123456789)")
	err = run(t.Context(), []string{"check", "--root", root}, nil, nil)
	require.ErrorContains(t, err, "this is Bicep 0.4.1 at "+self)
	t.Setenv(playedName, "GNU bicep")
	err = run(t.Context(), []string{"check", "--root", root}, nil, nil)
	require.ErrorContains(t, err, `it answers "GNU bicep`)
}

func TestWhatWasWrittenIsAsItHasToBe(t *testing.T) {
	root := newTestProject(t)
	require.Equal(t, "param name string\nparam size int\n", getFile(t, root, "main.bicep"))
	require.Equal(t, playedTemplate+"\n", getFile(t, root, "azuredeploy.json"))
	require.Contains(t, getFile(t, root, "snapshots/small.snapshot.json"), "using '../main.bicep'")
	for range 5 { // outputs come in another order each time
		out, err := runPlayed(t, root, played{Version: pinned(), Fails: "bad"}, "check")
		require.NoError(t, err)
		require.Contains(t, out, "no warnings; 7 files are as Bicep "+pinned())
	}
	out, err := runPlayed(t, root, played{Version: pinned(), Fails: "bad"}, "write")
	require.NoError(t, err)
	require.Empty(t, out, "nothing is written twice")
}

func TestEachDriftIsReportedAndCorrected(t *testing.T) {
	for _, d := range []struct {
		what, file, text, says string
	}{
		{"a source that is not formatted", "modules/app.bicep", "param  name string\n",
			"infra/modules/app.bicep:1: not as the compiler makes it"},
		{"a file with parameters that is not", "snapshots/small.bicepparam", "using  '../main.bicep'\n",
			"infra/snapshots/small.bicepparam:1: not as"},
		{"an old template", "azuredeploy.json", "{\"old\": 1}\n",
			"infra/azuredeploy.json:1: not as the compiler makes it"},
		{"a template without its last line's end", "upgrade.json", playedTemplate,
			"infra/upgrade.json:2: not as the compiler makes it"},
		{"no template", "upgrade.json", "", "infra/upgrade.json: it is not there"},
		{"an old snapshot", "snapshots/small.snapshot.json", "{}\n", "infra/snapshots/small.snapshot.json:1: not as"},
		{"no snapshot", "snapshots/small.snapshot.json", "", "infra/snapshots/small.snapshot.json: it is not there"},
	} {
		t.Run(d.what, func(t *testing.T) {
			root, compiler := newTestProject(t), played{Version: pinned(), Fails: "bad"}
			if putFile(t, root, d.file, d.text); d.text == "" {
				require.NoError(t, os.Remove(filepath.Join(root, "infra", d.file)))
			}
			_, err := runPlayed(t, root, compiler, "check")
			require.ErrorContains(t, err, d.says)
			require.ErrorContains(t, err, "make infra")
			out, err := runPlayed(t, root, compiler, "write")
			require.NoError(t, err)
			require.Contains(t, out, "wrote infra/"+d.file)
			_, err = runPlayed(t, root, compiler, "check")
			require.NoError(t, err)
		})
	}
}

func TestASnapshotWithoutParametersIsReported(t *testing.T) {
	root := newTestProject(t)
	putFile(t, root, "snapshots/gone.snapshot.json", "{}\n")
	_, err := runPlayed(t, root, played{Version: pinned(), Fails: "bad"}, "check")
	require.ErrorContains(t, err, "infra/snapshots/gone.snapshot.json: no file with parameters belongs to it")
}

func TestWhatTheCompilerSaysFails(t *testing.T) {
	good := played{Version: pinned(), Fails: "bad"}
	for _, c := range []struct {
		what   string
		change func(*played)
		says   string
	}{
		{"a warning", func(p *played) { p.Warnings = map[string]string{"app.bicep": "that is\nodd"} },
			"\ninfra/modules/app.bicep:2:5: a-rule: that is odd"},
		{"a warning about parameters",
			func(p *played) {
				p.Warnings = map[string]string{"small.bicepparam": "odd"}
			}, "infra/snapshots/small.bicepparam:2:5: a-rule: odd"},
		{"a deployment that can't be evaluated", func(p *played) { p.Open = "a condition is open" },
			"a condition is open"},
		{"a resource of an extension", func(p *played) {
			p.Contents = map[string]string{"main.bicep": `{"resources": {"m": {"template": {"imports": ` +
				`{"graph": 1}, "extensions": {}}}}}`}
		}, "infra/azuredeploy.json: /resources/m/template/imports: the portal can't deploy"},
		{"bad parameters that are taken", func(p *played) { p.Fails = "" },
			`entry 1: name=bad: not refused with "not accepted"`},
		{"bad parameters that a resource refuses", func(p *played) { p.Where = "resource 'x' at line '3'" },
			"entry 1: refused by a module or a resource"},
		{"bad parameters that a module's variable refuses", func(p *played) {
			p.Contents = map[string]string{"main.bicep": `{"variables": {}, "resources": {"m": {"properties": ` +
				`{"template": {"variables": {"checked": ""}}}}}}`}
		}, "entry 1: refused by a module or a resource"},
		{"bad parameters that some variable of that name refuses", func(p *played) {
			p.Contents = map[string]string{"main.bicep": `{"variables": {"checked": ""}, "resources": ` +
				`[{"template": {"variables": {"checked": ""}}}]}`}
		}, "entry 1: refused by a module or a resource"},
	} {
		t.Run(c.what, func(t *testing.T) {
			root, compiler := newTestProject(t), good
			c.change(&compiler)
			_, err := runPlayed(t, root, compiler, "check")
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestBadParametersAreRefusedByTheCompilerToo(t *testing.T) {
	root := newTestProject(t)
	list := `[{ "template": "upgrade.bicep", "parameters": { "a": { "value": 1, "says": "odd" }, "b": { ` +
		`"value": [true, "it's"], "says": "" } } }]`
	putFile(t, root, "snapshots/refused.json", list)
	// The played linter speaks of the second line, which is that of a; nothing is said against b.
	_, err := runPlayed(t, root,
		played{Version: pinned(), Warnings: map[string]string{"upgrade.bicepparam": "odd"}}, "check")
	require.ErrorContains(t, err, "1 problems\ninfra/snapshots/refused.json: entry 1: b=[true it's]: not refused")
	require.Equal(t, `['a', 2, true, 'it\'s \${x} \\']`, literal([]any{"a", 2.0, true, `it's ${x} \`}))
	require.Equal(t, `{'a b': '1', cost: {}}`, literal(map[string]any{"cost": map[string]any{}, "a b": "1"}))
}

func TestAnotherVersionOnlyReportsWarnings(t *testing.T) {
	root, other := newTestProject(t), played{Version: "0.99.0", Fails: "bad"}
	putFile(t, root, "azuredeploy.json", "{\"old\": 1}\n")
	t.Setenv("CI", "")
	out, err := runPlayed(t, root, other, "check")
	require.NoError(t, err)
	require.Contains(t, out, "only "+pinned()+" can judge")

	t.Setenv("CI", "true")
	_, err = runPlayed(t, root, other, "check")
	require.ErrorContains(t, err, "were not judged")
	require.ErrorContains(t, err, "az bicep install --version v"+pinned())

	_, err = runPlayed(t, root, other, "write")
	require.ErrorContains(t, err, "would make files that the check refuses")
	require.Equal(t, "{\"old\": 1}\n", getFile(t, root, "azuredeploy.json"))

	other.Warnings = map[string]string{"main.bicep": "a rule of its own"}
	_, err = runPlayed(t, root, other, "check")
	require.ErrorContains(t, err, "a rule of its own")
	require.ErrorContains(t, err, "this is Bicep 0.99.0 at ")
}

func TestWhatIsAskedForIsChecked(t *testing.T) {
	for _, args := range [][]string{nil, {"look"}, {"check", "more"}} {
		require.Error(t, run(t.Context(), args, &strings.Builder{}, &strings.Builder{}))
	}
	err := run(t.Context(), []string{"check", "--root", t.TempDir()}, &strings.Builder{}, &strings.Builder{})
	require.ErrorContains(t, err, "run this in the repository's folder")
}

func TestTheGraphExtensionBesideTheCompilerTakesTheRegistrysPlace(t *testing.T) {
	data, err := os.ReadFile("../../infra/bicepconfig.json")
	require.NoError(t, err)
	config := string(data)
	same, err := offline(config, "")
	require.NoError(t, err)
	require.Equal(t, config, same)
	got, err := offline(config, "/tools/"+graphTypes)
	require.NoError(t, err)
	require.Contains(t, got, `"microsoftGraphV1": "/tools/microsoftgraph-v1.0.tgz"`)
	require.Equal(t, strings.Count(config, "\n"), strings.Count(got, "\n"))
	require.NotContains(t, got, "br:")
	_, err = offline("{}", "/tools/x.tgz")
	require.ErrorContains(t, err, "does not name")
}

// TestEveryRuleIsOnOrHasAReason reads the configuration's lines: a rule that is off has a comment
// above it.
func TestEveryRuleIsOnOrHasAReason(t *testing.T) {
	data, err := os.ReadFile("../../infra/bicepconfig.json")
	require.NoError(t, err)
	rule := regexp.MustCompile(`^\s*"([a-z-]+)": \{ "level": "([a-z]+)" \},?$`)
	levels, before := map[string]string{}, ""
	for line := range strings.Lines(string(data)) {
		if found := rule.FindStringSubmatch(strings.TrimSuffix(line, "\n")); found != nil {
			levels[found[1]] = found[2]
			if found[2] != "warning" {
				require.Contains(t, before, "// ", "%s is %s, and nothing says why", found[1], found[2])
			}
		}
		before = line
	}
	// So many has version 0.49.2, all by their names: another version may have more.
	require.Len(t, levels, 55)
	require.Equal(t, "off", levels["use-recent-api-versions"])
	require.Contains(t, withAgeing(string(data)), `"use-recent-api-versions": { "level": "warning" }`)
}

func TestAnAuditTurnsTheAgeingRuleOn(t *testing.T) {
	root := newTestProject(t)
	out, err := runPlayed(t, root, played{Version: pinned()}, "audit")
	require.NoError(t, err)
	require.Contains(t, out, "no API version has aged")
	_, err = runPlayed(t, root,
		played{Version: pinned(), Warnings: map[string]string{"main.bicep": "1091 days old"}}, "audit")
	require.ErrorContains(t, err, "infra/main.bicep:2:5: a-rule: 1091 days old")
}
