package snapshots_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/settings"
)

// template is a compiled template, or one within it.
type template struct {
	LanguageVersion string
	Parameters      map[string]map[string]any
	Definitions     map[string]map[string]any
	Variables       map[string]json.RawMessage
	Resources       map[string]deployedThing
	Outputs         map[string]any
}

type deployedThing struct {
	Type       string
	Existing   bool
	DependsOn  []string
	Properties json.RawMessage
}

var compiled = []string{"azuredeploy.json", "upgrade.json"}

func readTemplate(t *testing.T, name string) *template {
	data, err := os.ReadFile(filepath.Join(infra, name))
	require.NoError(t, err)
	var out template
	require.NoError(t, json.Unmarshal(data, &out))
	return &out
}

// module is the template of a module.
func (t *template) module(test *testing.T, name string) *template {
	var properties struct{ Template template }
	require.NoError(test, json.Unmarshal(t.Resources[name].Properties, &properties))
	require.NotEmpty(test, properties.Template.Resources)
	return &properties.Template
}

// before are the resources that a deployment makes before it makes one, directly or by others.
func (t *template) before(name string) map[string]bool {
	out := map[string]bool{}
	var follow func(name string)
	follow = func(name string) {
		for _, earlier := range t.Resources[name].DependsOn {
			if !out[earlier] {
				out[earlier] = true
				follow(earlier)
			}
		}
	}
	follow(name)
	return out
}

// notBefore are the resources beside one that may be made after it, so that the one is not the
// last.
func (t *template) notBefore(name string) (out []string) {
	earlier := t.before(name)
	for other, r := range t.Resources {
		if other != name && !r.Existing && !earlier[other] {
			out = append(out, other)
		}
	}
	slices.Sort(out)
	return out
}

// TestTheCodeComesLast: each change of an app's configuration restarts it, which may break the
// deployment of a package; and the package is written with a role that has to be there.
func TestTheCodeComesLast(t *testing.T) {
	whole := readTemplate(t, "azuredeploy.json")
	require.Subset(t, keys(whole.before("app")), []string{"archiveStorage", "hostStorage", "identity",
		"monitoring", "privateNetwork", "roles"})
	app := whole.module(t, "app")
	require.Equal(t, packages, app.Resources["package"].Type)
	require.Empty(t, app.notBefore("package"))
	require.Subset(t, keys(whole.before("roles")), []string{"archiveStorage", "hostStorage", "identity", "monitoring"})

	upgraded := readTemplate(t, "upgrade.json").module(t, "upgraded")
	require.Equal(t, packages, upgraded.Resources["package"].Type)
	require.Empty(t, upgraded.notBefore("package"))

	// The check itself: without one of the dependencies it is seen.
	broken := app.Resources["package"]
	broken.DependsOn = slices.DeleteFunc(slices.Clone(broken.DependsOn),
		func(name string) bool { return name == "authentication" })
	app.Resources["package"] = broken
	require.Equal(t, []string{"authentication"}, app.notBefore("package"))
}

// unchecked are the resources that could be made without the variable whose value is fail() where a
// parameter is wrong: nothing of what they are given hangs on it.
func (t *template) unchecked() (out []string) {
	hangs := map[string]bool{"checkedName": true}
	on := func(text json.RawMessage) bool {
		for _, found := range regexp.MustCompile(`variables\('(\w+)'\)`).FindAllSubmatch(text, -1) {
			if hangs[string(found[1])] {
				return true
			}
		}
		return false
	}
	for range t.Variables { // as deep as variables can name each other
		for name, text := range t.Variables {
			hangs[name] = hangs[name] || on(text)
		}
	}
	for name, r := range t.Resources {
		var given struct{ Parameters json.RawMessage }
		if json.Unmarshal(r.Properties, &given); !r.Existing && !on(given.Parameters) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func TestNothingIsMadeWhereAParameterIsWrong(t *testing.T) {
	for _, name := range compiled {
		whole := readTemplate(t, name)
		require.Contains(t, string(whole.Variables["checkedName"]), "fail(join(variables('mistakes')", name)
		require.Empty(t, whole.unchecked(), name)
		// The check itself.
		for v, text := range whole.Variables {
			whole.Variables[v] = bytes.ReplaceAll(text, []byte("variables('checkedName')"),
				[]byte("parameters('name')"))
		}
		for r, thing := range whole.Resources {
			thing.Properties = bytes.ReplaceAll(thing.Properties, []byte("variables('checkedName')"),
				[]byte("parameters('name')"))
			whole.Resources[r] = thing
		}
		require.NotEmpty(t, whole.unchecked(), name)
	}
}

// TestSettingsThatMayBeSecretAreHandedOnAsSecrets reads the templates: the compiler predicts
// nothing of a secure parameter.
func TestSettingsThatMayBeSecretAreHandedOnAsSecrets(t *testing.T) {
	require.Equal(t, "secureObject", readTemplate(t, "azuredeploy.json").Parameters["otherSettings"]["type"])
	for _, c := range []struct{ file, module, parameter, value string }{
		{"azuredeploy.json", "app", "otherSettings", "[parameters('otherSettings')]"},
		{"upgrade.json", "upgraded", "currentSettings", "[list('current', '2025-03-01').properties]"},
	} {
		whole := readTemplate(t, c.file)
		var given struct{ Parameters map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal(whole.Resources[c.module].Properties, &given))
		require.JSONEq(t, `{"value": "`+c.value+`"}`, string(given.Parameters[c.parameter]))
		inner := whole.module(t, c.module)
		require.Equal(t, "#/definitions/settingValues", inner.Parameters[c.parameter]["$ref"])
		require.Equal(t, "secureObject", inner.Definitions["settingValues"]["type"])
	}
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	return out
}

func TestTheTemplateOffersWhatTheCodeKnows(t *testing.T) {
	var streams, names []any
	for _, s := range logs.Streams() {
		streams = append(streams, string(s))
	}
	for _, c := range settings.Clouds() {
		names = append(names, c.Name)
	}
	whole := readTemplate(t, "azuredeploy.json")
	// Of a list, the allowed values are those of its elements.
	require.Equal(t, "array", whole.Parameters["streams"]["type"])
	require.ElementsMatch(t, streams, whole.Parameters["streams"]["allowedValues"])
	require.ElementsMatch(t, names, whole.Parameters["cloud"]["allowedValues"])
	for _, c := range settings.Clouds() {
		if login := clouds[c.Name]; login != nil {
			require.Equal(t, c.LoginEndpoint, login["authentication"].(map[string]any)["loginEndpoint"])
		}
	}
}

func TestOneReleaseIsDeployedEverywhere(t *testing.T) {
	require.Regexp(t, `^v\d+\.\d+\.\d+$`, release())
	for _, name := range compiled {
		require.Equal(t, release(), readTemplate(t, name).Parameters["release"]["defaultValue"], name)
	}
}

// TestAPortalCanDeployTheCompiledTemplates: it knows no extension's resources, and shows no field
// for a parameter whose type is elsewhere.
func TestAPortalCanDeployTheCompiledTemplates(t *testing.T) {
	for _, name := range compiled {
		data, err := os.ReadFile(filepath.Join(infra, name))
		require.NoError(t, err)
		var document any
		require.NoError(t, json.Unmarshal(data, &document))
		require.Empty(t, members(document, "imports", "extensions"), name)
		whole := readTemplate(t, name)
		for parameter, p := range whole.Parameters {
			require.Empty(t, members(any(p), "$ref"), "%s: %s", name, parameter)
			require.NotEmpty(t, p["metadata"].(map[string]any)["description"], "%s: %s", name, parameter)
			if parameter != "appName" {
				require.Contains(t, p, "defaultValue", "%s: %s", name, parameter)
			}
		}
	}
	found := members(map[string]any{"a": []any{map[string]any{"$ref": 1}}, "extensions": 2}, "$ref", "extensions")
	require.ElementsMatch(t, []string{"/a/0/$ref", "/extensions"}, found)
}

// members are the paths of all members of a document with one of some names.
func members(v any, names ...string) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for key, member := range v {
			if slices.Contains(names, key) {
				out = append(out, "/"+key)
			}
			for _, path := range members(member, names...) {
				out = append(out, "/"+key+path)
			}
		}
	case []any:
		for i, member := range v {
			for _, path := range members(member, names...) {
				out = append(out, fmt.Sprintf("/%d%s", i, path))
			}
		}
	}
	return out
}

func TestTheOutputsAreWhatTheNextStepReads(t *testing.T) {
	require.ElementsMatch(t, []string{"appName", "apiUrl", "principalId", "graphPermissions", "grantCommand",
		"archiveAccount", "headsContainer",
		"appSettings"}, keys(readTemplate(t, "azuredeploy.json").Outputs))
	scripts, err := filepath.Glob(filepath.Join(infra, "*.sh"))
	require.NoError(t, err)
	named := map[string]bool{}
	for _, file := range scripts {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if _, rest, ok := strings.Cut(line, ".properties.outputs"); ok {
				for _, found := range regexp.MustCompile(`\.(\w+)`).FindAllStringSubmatch(rest, -1) {
					named[found[1]] = true
				}
			}
		}
	}
	delete(named, "value")
	require.Contains(t, named, "appName")
	require.Subset(t, keys(readTemplate(t, "azuredeploy.json").Outputs), keys(named))
}
