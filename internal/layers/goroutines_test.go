package layers_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// startsGoroutines is the one package of the program that has go statements.
const startsGoroutines = "internal/parallel"

// onlyCancel are the files that hand a cancel function to a timer or a context, which run it in a
// goroutine of their own.
var onlyCancel = []string{"handler/main.go", "internal/graph/turn.go", "internal/web/invoking.go"}

// goroutines lists what starts a goroutine in a file of the program, by any way that the standard
// library and x/sync have: a panic in it would end the process.
func goroutines(path, text string) (out []string, err error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, text, 0)
	if err != nil {
		return nil, err
	}
	for _, i := range file.Imports {
		if to, _ := strconv.Unquote(i.Path.Value); to == "golang.org/x/sync/errgroup" {
			out = append(out, path+" imports errgroup")
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			out = append(out, path+" has a go statement")
		case *ast.SelectorExpr:
			of, _ := n.X.(*ast.Ident)
			switch {
			case of == nil:
			case of.Name == "sync" && n.Sel.Name == "WaitGroup":
				out = append(out, path+" has a WaitGroup")
			case n.Sel.Name == "AfterFunc" && !slices.Contains(onlyCancel, path):
				out = append(out, path+" has an AfterFunc")
			}
		}
		return true
	})
	return out, nil
}

func TestGoroutinesOfTheProgramStartInOnePlace(t *testing.T) {
	const root = "../.."
	var found []string
	parsed := 0
	require.NoError(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name := d.Name()
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && (name[0] == '.' || name == "node_modules"):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		short, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		short = filepath.ToSlash(short)
		folder := filepath.ToSlash(filepath.Dir(short))
		if room, _, _ := roomOf(folder); room == development || folder == startsGoroutines {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		parsed++
		more, err := goroutines(short, string(text))
		found = append(found, more...)
		return err
	}))
	require.Greater(t, parsed, 300)
	require.Empty(t, found, "use %s: a panic in a goroutine ends the process", startsGoroutines)
}

func TestEveryWayToStartAGoroutineIsFound(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"a go statement", "func f() { go f() }", "x.go has a go statement"},
		{"in a function literal", "var v = func() { if true { go func() {}() } }", "x.go has a go statement"},
		{"errgroup", `import "golang.org/x/sync/errgroup"; var g errgroup.Group`, "x.go imports errgroup"},
		{"a WaitGroup", `import "sync"; var g sync.WaitGroup`, "x.go has a WaitGroup"},
		{"a timer", `import "time"; func f() { time.AfterFunc(1, f) }`, "x.go has an AfterFunc"},
		{"a context", `import "context"; func f(c context.Context) { context.AfterFunc(c, nil) }`,
			"x.go has an AfterFunc"},
		{"none", `import "sync"; var m sync.Mutex`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := goroutines("x.go", "package x\n"+c.body)
			require.NoError(t, err)
			require.Equal(t, c.want, strings.Join(got, "\n"))
		})
	}
}
