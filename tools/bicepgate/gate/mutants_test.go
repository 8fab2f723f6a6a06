package gate_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Where a name may be anything: tags, names of resources and of things within them, texts for people, and what settings are called
// and set to (infra_test.go of the folder above checks those).
var (
	word  = regexp.MustCompile(`^(\s*(?:\{ )?)([A-Za-z_]\w*)(: )`)
	value = regexp.MustCompile(`^(\s*(?:[A-Za-z_]\w*: )?)'([A-Za-z_.0-9]+)'$`)
	// Permissions, clouds and the storage services' names are texts to Bicep; infra_test.go of the folder above compares the first two with the
	// code's, and knows the last.
	known = regexp.MustCompile(`^\s*'([A-Za-z.]+\.Read\.All|Azure[A-Za-z]+|blob|queue|table)'$`)
	free  = regexp.MustCompile(`^\s*(entraledger|name|notes|title|about|query|groupShortName|storage\w+DataOwner|storage\w+DataContributor)\b`)
)

// TestOneWrongNameAnywhereInOurFilesIsRejected misspells each property of each file in turn, and each value that is one of few: the
// gate has to look at every one of them.
func TestOneWrongNameAnywhereInOurFilesIsRejected(t *testing.T) {
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS("../../../infra")))
	var files []string
	for _, form := range []string{"*.bicep", "modules/*.bicep"} {
		found, err := filepath.Glob(filepath.Join(root, form))
		require.NoError(t, err)
		files = append(files, found...)
	}
	mutants, survivors := 0, []string(nil)
	for _, path := range files {
		src, err := os.ReadFile(path)
		require.NoError(t, err)
		lines := strings.Split(string(src), "\n")
		for i, line := range lines {
			mutant := word.ReplaceAllString(line, "${1}${2}Z${3}")
			if !word.MatchString(line) && !value.MatchString(line) || known.MatchString(line) || free.MatchString(line) {
				continue
			}
			for _, m := range []string{mutant, value.ReplaceAllString(line, "${1}'${2}Z'")} {
				if m == line || strings.TrimSpace(m) == strings.TrimSpace(lines[max(0, i-1)]) {
					continue
				}
				mutants++
				changed := append(append(append([]string{}, lines[:i]...), m), lines[i+1:]...)
				require.NoError(t, os.WriteFile(path, []byte(strings.Join(changed, "\n")), 0o600))
				problems, _, err := newGate(t).CheckTree(root)
				require.NoError(t, err)
				if len(problems) == 0 {
					survivors = append(survivors, filepath.Base(path)+": "+strings.TrimSpace(m))
				}
			}
		}
		require.NoError(t, os.WriteFile(path, src, 0o600))
	}
	t.Logf("%d mistakes", mutants)
	for _, s := range survivors {
		t.Log(s)
	}
	require.Empty(t, survivors, "of %d", mutants)
}
