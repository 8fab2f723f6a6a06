package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository is a checkout at v0.9.1 whose origin has the tags v0.9.0 and, unknown here, v2.0.0.
func repository(t *testing.T) string {
	origin, root := t.TempDir(), t.TempDir()
	run := func(folder string, arguments ...string) {
		cmd := exec.Command("git", arguments...)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
			"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.com", "GIT_COMMITTER_NAME=a",
			"GIT_COMMITTER_EMAIL=a@example.com")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
	}
	for name, text := range map[string]string{
		"infra/release.txt":   "v0.9.1\n",
		"infra/main.bicep":    "param release string = 'v0.9.1'\n",
		"infra/upgrade.bicep": "param release string = 'v0.9.1'\nparam other string = 'v0.9.10'\n",
		"infra/portal.json":   `{ "uri": "https://example.com/blob/v0.9.1/docs/deploy.md#refuses" }`,
		"README.md":           "https://portal.azure.com/#create/uri/raw%2Fentraledger%2Fv0.9.1%2Finfra%2Fazuredeploy.json\n",
		"docs/deploy.md":      "%2Fv0.9.1%2Finfra, and again %2Fv0.9.1%2Finfra\n",
		"docs/releases.md":    "--source-ref refs/tags/v0.9.1\n",
	} {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	run(origin, "init", "--quiet", "--bare")
	run(root, "init", "--quiet")
	run(root, "add", ".")
	run(root, "commit", "--quiet", "--message", "begin")
	run(root, "remote", "add", "origin", origin)
	run(root, "tag", "v0.9.0")
	run(root, "tag", "v2.0.0")
	run(root, "push", "--quiet", "origin", "HEAD:main", "--tags")
	run(root, "tag", "--delete", "v2.0.0")
	return root
}

// release runs the program in a repository.
func release(t *testing.T, root string, versions ...string) (said string, err error) {
	var out bytes.Buffer
	err = run(t.Context(), append([]string{"--root", root}, versions...), &out, &out)
	return out.String(), err
}

func contents(t *testing.T, root string) string {
	var b strings.Builder
	for _, name := range append([]string{current}, named...) {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		b.Write(text)
	}
	return b.String()
}

func TestAReleaseIsNamedEverywhereByOneCommand(t *testing.T) {
	root := repository(t)
	before := contents(t, root)
	said, err := release(t, root, "v1.0.0")
	require.NoError(t, err)
	require.Contains(t, said, "(before: v0.9.1)")
	require.NotContains(t, said, "warning")
	want := strings.ReplaceAll(strings.ReplaceAll(strings.ReplaceAll(before, "v0.9.10", "ten"), "v0.9.1", "v1.0.0"),
		"ten", "v0.9.10")
	require.Equal(t, want, contents(t, root))
	_, err = release(t, root, "v1.0.0")
	require.NoError(t, err, "it may be done again until it is tagged")
	require.Equal(t, want, contents(t, root))
}

func TestAVersionThatCantBeReleasedChangesNothing(t *testing.T) {
	root := repository(t)
	before := contents(t, root)
	for version, says := range map[string]string{
		"":           "as v1.2.3",
		"1.0.0":      "as v1.2.3",
		"v1.0":       "as v1.2.3",
		"v1.0.0-rc1": "as v1.2.3",
		"v01.0.0":    "as v1.2.3",
		"v1.0.0 ":    "as v1.2.3",
		"v0.8.9":     "only grow",
		"v0.9.0":     "only grow",
		"v2.0.0":     "never changes", // of which only origin has the tag
	} {
		_, err := release(t, root, version)
		require.ErrorContains(t, err, says, "%q", version)
		require.NotContains(t, err.Error(), "\n")
	}
	_, err := release(t, root)
	require.ErrorContains(t, err, "VERSION=v1.2.3")
	require.Equal(t, before, contents(t, root))

	git := exec.Command("git", "tag", "v1.0.0")
	git.Dir = root
	require.NoError(t, git.Run())
	_, err = release(t, root, "v1.0.0")
	require.ErrorContains(t, err, "never changes")

	require.NoError(t, os.WriteFile(filepath.Join(root, "docs", "deploy.md"), []byte("%2Fv0.9.10%2Finfra\n"), 0o644))
	before = contents(t, root)
	_, err = release(t, root, "v1.1.0")
	require.ErrorContains(t, err, "docs/deploy.md does not name v0.9.1")
	require.Equal(t, before, contents(t, root))
}

func TestWithoutItsOriginATagThatMayExistThereIsAWarning(t *testing.T) {
	root := repository(t)
	git := exec.Command("git", "remote", "set-url", "origin", filepath.Join(root, "gone"))
	git.Dir = root
	require.NoError(t, git.Run())
	said, err := release(t, root, "v2.0.0")
	require.NoError(t, err)
	require.Contains(t, said, "warning: whether v2.0.0 was released from elsewhere can't be told")
}

// TestThisRepositorysFilesNameTheReleaseThatTheProgramWouldReplace fails if one of them was left
// out.
func TestThisRepositorysFilesNameTheReleaseThatTheProgramWouldReplace(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, current))
	require.NoError(t, err)
	version := strings.TrimSpace(string(text))
	require.Regexp(t, form, version)
	for _, name := range named {
		text, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.Contains(t, string(text), version, name)
	}
}
