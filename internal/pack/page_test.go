package pack

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

const madeBOM = `{"metadata":{"tools":[{"name":"x","hashes":[1]}],"component":{"bom-ref":"main"}},` +
	`"components":[{"bom-ref":"a","name":"a"}],"dependencies":[{"ref":"main","dependsOn":["a"]},{"ref":"a"}]}`

func TestTheBillOfMaterialsHasThePackagesOfThePage(t *testing.T) {
	root := t.TempDir()
	packages, err := readPagePackages(root)
	require.NoError(t, err)
	require.Empty(t, packages, "the page is not built")
	out, err := mended([]byte(madeBOM), packages)
	require.NoError(t, err)
	require.NotContains(t, string(out), "hashes", "the tool's own")
	require.EqualValues(t, 1, gjson.GetBytes(out, "components.#").Int())

	file := filepath.Join(root, filepath.FromSlash(pagePackages))
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(`[
		{"name":"@made/up","version":"1.2.3","license":"MIT","integrity":"sha512-AQI="},
		{"name":"plain","version":"2.0.0","integrity":"sha512-AQI="}]`), 0o600))
	packages, err = readPagePackages(root)
	require.NoError(t, err)
	out, err = mended([]byte(madeBOM), packages)
	require.NoError(t, err)
	require.True(t, json.Valid(out))
	require.Equal(t, "a|@made/up 1.2.3|plain 2.0.0", func() string {
		text := ""
		for i, c := range gjson.GetBytes(out, "components").Array() {
			if i > 0 {
				text += "|"
			}
			if c.Get("group").Exists() {
				text += c.Get("group").Str + "/"
			}
			text += c.Get("name").Str
			if c.Get("version").Exists() {
				text += " " + c.Get("version").Str
			}
		}
		return text
	}())
	require.Equal(t, "pkg:npm/%40made/up@1.2.3", gjson.GetBytes(out, "components.1.purl").Str)
	require.Equal(t, "0102", gjson.GetBytes(out, "components.1.hashes.0.content").Str)
	require.Equal(t, "MIT", gjson.GetBytes(out, "components.1.licenses.0.license.id").Str)
	require.Equal(t, `["a","pkg:npm/%40made/up@1.2.3","pkg:npm/plain@2.0.0"]`,
		gjson.GetBytes(out, `dependencies.#(ref=="main").dependsOn|@ugly`).Raw)

	for _, bent := range []string{`{`, `[{"name":"plain","version":"2.0.0"}]`,
		`[{"name":"x","integrity":"sha512-AQI="}]`,
		`[{"name":"plain","version":"2.0.0","integrity":"sha512-!"}]`} {
		require.NoError(t, os.WriteFile(file, []byte(bent), 0o600))
		packages, err = readPagePackages(root)
		if err == nil {
			_, err = mended([]byte(madeBOM), packages)
		}
		require.ErrorContains(t, err, pagePackages, bent)
	}
}
