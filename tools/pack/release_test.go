package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/azurite"
	"github.com/entraledger/entraledger/internal/pack"
)

// files are those of a release.
var files = []string{"handler.sha256", "entraledger.cdx.json", "entraledger.zip", "entraledger-release.zip",
	"SHA256SUMS"}

// copied is the repository in another folder, without what git ignores.
func copied(t *testing.T, root string) string {
	elsewhere := t.TempDir()
	for _, name := range []string{"functions", "handler", "internal", "infra", "docs"} {
		require.NoError(t, os.CopyFS(filepath.Join(elsewhere, name), os.DirFS(filepath.Join(root, name))))
	}
	for _, name := range []string{"go.mod", "go.sum", "host.json", "README.md", "LICENSE", "CONTRIBUTING.md"} {
		data, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(elsewhere, name), data, 0o644))
	}
	return elsewhere
}

// TestARelease builds for Azure twice, the second time from a copy of the repository elsewhere.
func TestARelease(t *testing.T) {
	root, err := azurite.Root()
	require.NoError(t, err)
	root = copied(t, root) // what is edited meanwhile would make two builds differ
	released := packed(t, root, "linux", "amd64", true)
	t.Run("of two builds of a commit is the same bytes", func(t *testing.T) {
		again := packed(t, copied(t, root), "linux", "amd64", true)
		for _, name := range append([]string{"app/handler"}, files...) {
			first, err := os.ReadFile(filepath.Join(released, name))
			require.NoError(t, err)
			second, err := os.ReadFile(filepath.Join(again, name))
			require.NoError(t, err)
			require.True(t, bytes.Equal(first, second), "%s differs", name)
			require.NotContains(t, string(first), root, name)
		}
	})
	t.Run("passes the documented commands, and altered it doesn't",
		func(t *testing.T) { documentedCommands(t, root, released) })
	t.Run("says which binary is in it", func(t *testing.T) {
		binary, err := os.ReadFile(filepath.Join(unpack(t, filepath.Join(released, "entraledger.zip")), "handler"))
		require.NoError(t, err)
		sum, err := os.ReadFile(filepath.Join(released, pack.BinarySum))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%x  handler\n", sha256.Sum256(binary)), string(sum))
	})
	t.Run("lists each module of the binary, with its licence", func(t *testing.T) {
		modulesAreListed(t, root, released)
	})
	t.Run("holds what deploys it, and nothing for developers", func(t *testing.T) {
		unpacked := filepath.Join(unpack(t, filepath.Join(released, "entraledger-release.zip")), pack.Released)
		for _, name := range []string{"entraledger.zip", "LICENSE", "README.md", pack.Notices, "docs/deploy.md",
			"infra/azuredeploy.json", "infra/portal.json",
			"infra/upgrade.json", "infra/release.txt", "infra/grant.sh", "infra/deploy.sh", "infra/destroy.sh",
			"infra/main.bicep"} {
			require.FileExists(t, filepath.Join(unpacked, name))
		}
		require.NoError(t, filepath.WalkDir(unpacked, func(path string, entry fs.DirEntry, err error) error {
			require.NotRegexp(t, `\.go$|snapshot|testdata|node_modules`, entry.Name())
			if strings.HasSuffix(path, ".sh") {
				info, err := entry.Info()
				require.NoError(t, err)
				require.NotZero(t, info.Mode()&0o111, path)
			}
			return err
		}))
	})
}

// documentedCommands runs those of docs/releases.md in a folder with the released files.
func documentedCommands(t *testing.T, root, released string) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "releases.md"))
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)<!-- commands: a test runs them -->\n```sh\n(.+?)```").FindSubmatch(page)
	require.NotNil(t, block)
	commands := string(block[1])
	require.Contains(t, commands, "sha256sum --check SHA256SUMS")
	folder := t.TempDir()
	copyAll := func() {
		for _, name := range files {
			data, err := os.ReadFile(filepath.Join(released, name))
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(folder, name), data, 0o644))
		}
	}
	check := func() (string, error) {
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands)
		cmd.Dir = folder
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	copyAll()
	out, err := check()
	require.NoError(t, err, out)
	for _, name := range append(files[:len(files)-1:len(files)-1], "handler") {
		require.Contains(t, out, name+": OK\n")
	}
	for _, name := range files {
		copyAll()
		file := filepath.Join(folder, name)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		data[len(data)/2] ^= 1
		require.NoError(t, os.WriteFile(file, data, 0o644))
		_, err = check()
		require.Error(t, err, "%s was altered", name)
	}
}

// pagePackages are the npm packages that are in the page, by name; none where it is not built.
func pagePackages(t *testing.T, root string) map[string]string {
	out := make(map[string]string)
	text, err := os.ReadFile(filepath.Join(root, "functions", "ui", "dist", ".packages.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return out
	}
	require.NoError(t, err)
	var all []struct{ Name, Version string }
	require.NoError(t, json.Unmarshal(text, &all))
	for _, p := range all {
		out[p.Name] = p.Version
	}
	return out
}

func modulesAreListed(t *testing.T, root, released string) {
	info, err := buildinfo.ReadFile(filepath.Join(released, "app", "handler"))
	require.NoError(t, err)
	require.Greater(t, len(info.Deps), 20)
	text, err := os.ReadFile(filepath.Join(released, "entraledger.cdx.json"))
	require.NoError(t, err)
	var bom struct {
		BOMFormat string
		Metadata  struct {
			Component struct{ Name, Version string }
		}
		Components []struct{ Group, Name, Version string }
	}
	require.NoError(t, json.Unmarshal(text, &bom))
	require.Equal(t, "CycloneDX", bom.BOMFormat)
	require.Equal(t, "github.com/entraledger/entraledger", bom.Metadata.Component.Name)
	require.Equal(t, "v1.2.3", bom.Metadata.Component.Version)
	listed := make(map[string]string)
	for _, c := range bom.Components {
		listed[strings.TrimPrefix(c.Group+"/"+c.Name, "/")] = c.Version
	}
	notices, err := os.ReadFile(filepath.Join(unpack(t, filepath.Join(released, "entraledger.zip")), pack.Notices))
	require.NoError(t, err)
	want := pagePackages(t, root)
	want["std"] = info.GoVersion
	for _, m := range info.Deps {
		want[m.Path] = m.Version
		require.Contains(t, string(notices), "\n"+m.Path+" "+m.Version+": LICENSE", "the licence of what is linked")
	}
	require.Equal(t, want, listed)
	require.Contains(t, string(notices), "\nthe Go standard library and runtime: LICENSE\n")
	require.Contains(t, string(notices), "klauspost/compress v", "and of what it took from elsewhere:")
	require.Contains(t, string(notices), ": zstd/internal/xxhash/LICENSE.txt\n")
}
