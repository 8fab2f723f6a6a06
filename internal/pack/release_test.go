package pack_test

import (
	"archive/zip"
	"bytes"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/pack"
)

// released packs a release of a copy of this repository, with files of somebody's own in it, and
// returns its bytes and its files.
func released(t *testing.T, own ...string) ([]byte, map[string][]byte) {
	root, repository := t.TempDir(), filepath.Join("..", "..")
	for _, folder := range []string{"infra", "docs"} {
		require.NoError(t, os.CopyFS(filepath.Join(root, folder), os.DirFS(filepath.Join(repository, folder))))
	}
	for _, name := range []string{"README.md", "LICENSE", "CONTRIBUTING.md"} {
		data, err := os.ReadFile(filepath.Join(repository, name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(root, name), data, 0o644))
	}
	for _, name := range append(own, "app/"+pack.Notices, "app.zip") {
		file := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte("secret"), 0o600))
	}
	out := filepath.Join(root, "release.zip")
	require.NoError(t, pack.Release(root, filepath.Join(root, "app"), filepath.Join(root, "app.zip"), out))
	data, err := os.ReadFile(out)
	require.NoError(t, err)
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	files := make(map[string][]byte)
	for _, f := range z.File {
		r, err := f.Open()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		name, ok := strings.CutPrefix(f.Name, pack.Released+"/")
		require.True(t, ok, f.Name)
		files[name] = text
	}
	return data, files
}

// TestAReleaseHasNoPersonalFiles: what lies beside the files of the repository changes not a byte.
func TestAReleaseHasNoPersonalFiles(t *testing.T) {
	clean, _ := released(t)
	own, files := released(t, "infra/parameters/contoso.json", "infra/parameters/small.json.bak", "infra/contoso.json",
		"infra/.env", "infra/deploy.sh~",
		"infra/flows/contoso.json", "infra/connector/contoso.json", "infra/mine/deploy.sh", "docs/contoso.md",
		"docs/notes/contoso.md")
	require.True(t, bytes.Equal(clean, own))
	require.Greater(t, len(files), 40)
	for name, text := range files {
		if name != pack.Notices && name != "entraledger.zip" {
			require.NotEqual(t, "secret", string(text), name)
		}
	}
}

// ofDevelopers are files that are of no use without this repository.
var ofDevelopers = regexp.MustCompile(`\.go$|^infra/snapshots/`)

// TestAReleaseHoldsWhatItsFilesName: a script, a template or a page that names a file of infra/ or
// docs/ finds it there.
func TestAReleaseHoldsWhatItsFilesName(t *testing.T) {
	_, files := released(t)
	links := regexp.MustCompile(`\]\(([^)#:]+\.(?:md|json|sh))`)
	followed := 0
	for page, text := range files {
		for _, link := range links.FindAllSubmatch(text, -1) {
			target := path.Join(path.Dir(page), string(link[1]))
			if strings.HasPrefix(target, "infra/") || strings.HasPrefix(target, "docs/") {
				followed++
				require.Contains(t, files, target, "%s links to it", page)
			}
		}
	}
	require.Greater(t, followed, 20)
	named := 0
	for _, folder := range []string{"infra", "docs"} {
		within := os.DirFS(filepath.Join("..", ".."))
		require.NoError(t, fs.WalkDir(within, folder, func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || ofDevelopers.MatchString(name) {
				return err
			}
			whole := regexp.MustCompile(`(^|[^\w-])` + regexp.QuoteMeta(path.Base(name)) + `([^\w-]|$)`)
			for by, text := range files {
				if by != name && whole.Match(text) {
					named++
					require.Contains(t, files, name, "%s names it", by)
					break
				}
			}
			return nil
		}))
	}
	require.Greater(t, named, 30)
}
