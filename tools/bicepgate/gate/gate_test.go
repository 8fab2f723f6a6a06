package gate_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/tools/bicepgate/gate"
)

// index is the index of ARM types, opened once.
var index = sync.OnceValues(func() (*gate.Index, error) {
	folder, err := gate.TypesFolder()
	if err != nil {
		return nil, err
	}
	return gate.OpenIndex(folder)
})

func newGate(t *testing.T) *gate.Gate {
	x, err := index()
	require.NoError(t, err)
	g := gate.New(x)
	t.Cleanup(g.Close)
	return g
}

var wanted = regexp.MustCompile(`// (ERROR: (.*)|SYNTAX)$`)

// TestTheGateRejectsEachBrokenFile checks files of one mistake each: the gate names its line and what it is, and nothing else.
func TestTheGateRejectsEachBrokenFile(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.bicep")
	require.NoError(t, err)
	require.Greater(t, len(files), 60)
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			require.NoError(t, err)
			f, err := newGate(t).Check(path)
			require.NoError(t, err)
			require.NotEmpty(t, f.Problems)
			want := map[int]string{}
			for i, line := range strings.Split(string(src), "\n") {
				if m := wanted.FindStringSubmatch(line); m != nil {
					want[i+1] = m[2]
				}
			}
			require.NotEmpty(t, want, "the file says what is wrong with it")
			if strings.Contains(string(src), "// SYNTAX") {
				for _, p := range f.Problems {
					require.Contains(t, p.Text, "syntax:")
				}
				return
			}
			found := map[int]bool{}
			for _, p := range f.Problems {
				require.Contains(t, want, p.Line, "%s", p)
				require.Contains(t, p.Text, want[p.Line])
				found[p.Line] = true
			}
			require.Len(t, found, len(want), "%v", f.Problems)
		})
	}
}

func TestTheGateAcceptsGoodFiles(t *testing.T) {
	for _, name := range []string{"module", "tenant", "expressions"} {
		f, err := newGate(t).Check("testdata/good/" + name + ".bicep")
		require.NoError(t, err)
		require.Empty(t, f.Problems)
	}
}

func TestTheGateChecksParameterFiles(t *testing.T) {
	g := newGate(t)
	template, err := g.Check("testdata/good/module.bicep")
	require.NoError(t, err)
	const form = `{"$schema":"x","contentVersion":"1.0.0.0","parameters":{%s}}`
	cases := []struct{ parameters, wrong string }{
		{`"location":{"value":"a"},"size":{"value":2}`, ""},
		{`"size":{"value":2}`, "location is required"},
		{`"location":{"value":"a"},"size":{"value":4}`, "above the most"},
		{`"location":{"value":"a"},"size":{"value":"2"}`, "expected int, got string"},
		{`"location":{"value":"a"},"size":{"value":2},"kind":{"value":"c"}`, "not one of a, b"},
		{`"location":{"value":"a"},"size":{"value":2},"sizes":{"value":3}`, `no parameter "sizes"`},
		{`"location":{"value":"a"},"size":2`, "cannot unmarshal"},
	}
	for i, c := range cases {
		path := filepath.Join(t.TempDir(), "parameters.json")
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, form, c.parameters), 0o600))
		problems, err := g.CheckParameters(path, template)
		require.NoError(t, err)
		if c.wrong == "" {
			require.Empty(t, problems, "case %d", i)
			continue
		}
		require.Len(t, problems, 1, "case %d", i)
		require.Contains(t, problems[0].Text, c.wrong)
	}
}
