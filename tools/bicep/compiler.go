package main

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

//go:embed version.txt
var pinnedFile string

// pinned is the compiler's version that the committed files are made with. They name it, and
// another version may predict, format or compile differently.
func pinned() string { return strings.TrimSpace(pinnedFile) }

// graphTypes is the Microsoft Graph extension's package as it may be found beside the compiler, for
// work without a network.
const graphTypes = "microsoftgraph-v1.0.tgz"

// compiler is a Bicep compiler that was found.
type compiler struct {
	path    string
	version string // "0.49.2"
	types   string // path of the Graph extension beside it; empty: the compiler gets it from its registry
	start   func(ctx context.Context, home string) (*session, error)
}

// isPinned reports whether the committed files can be compared with its output.
func (c compiler) isPinned() bool { return c.version == pinned() }

// explain adds to an error that another version than the pinned one may be its cause.
func (c compiler) explain(err error) error {
	if err == nil || c.isPinned() {
		return err
	}
	return fmt.Errorf("%w\n(this is Bicep %s at %s; the project is made with %s: az bicep install --version "+
		"v%s, or BICEP=<path>)",
		err, c.version, c.path, pinned(), pinned())
}

// candidates are the places where a compiler may be, in the order in which they count.
func candidates(root string, env func(string) string, lookPath func(string) (string, error)) []string {
	if path := env("BICEP"); path != "" {
		return []string{path}
	}
	var out []string
	if path, err := lookPath("bicep"); err == nil {
		out = append(out, path)
	}
	if home := env("HOME"); home != "" {
		out = append(out, filepath.Join(home, ".azure", "bin", "bicep"))
	}
	return append(out, filepath.Join(root, "..", "shared", "tools", "bicep", "bicep"))
}

// findCompiler gives the first compiler of the pinned version, else the first one that is there,
// else an error that says how to get one.
func findCompiler(ctx context.Context, root string) (compiler, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return compiler{}, fmt.Errorf("find the Bicep compiler: %w", err)
	}
	places := candidates(root, os.Getenv, exec.LookPath)
	var first *compiler
	for _, path := range places {
		if !isFile(path) {
			continue
		}
		c, err := open(ctx, path)
		if err != nil || c.isPinned() {
			return c, err
		}
		if first == nil {
			first = &c
		}
	}
	if first != nil {
		return *first, nil
	}
	return compiler{}, fmt.Errorf("find the Bicep compiler: there is none at %s; run az bicep install --version "+
		"v%s, or take release v%s "+
		"of the project Azure/bicep and name its program with BICEP=<path>",
		strings.Join(places, ", "), pinned(), pinned())
}

var versionForm = regexp.MustCompile(`^Bicep CLI version (\d+\.\d+\.\d+)`)

func open(ctx context.Context, path string) (compiler, error) {
	c := compiler{path: path}
	c.start = func(ctx context.Context, home string) (*session, error) { return startProcess(ctx, path, home) }
	home, err := os.MkdirTemp("", "bicep-home-")
	if err != nil {
		return c, fmt.Errorf("ask the Bicep compiler for its version: %w", err)
	}
	defer os.RemoveAll(home)
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.Env = append(os.Environ(), "HOME="+home)
	out, err := cmd.Output()
	if err != nil {
		return c, fmt.Errorf("ask the Bicep compiler %s for its version: %w", path, err)
	}
	found := versionForm.FindStringSubmatch(string(out))
	if found == nil {
		return c, fmt.Errorf("ask the Bicep compiler %s for its version: it answers %q", path, out)
	}
	c.version = found[1]
	if types := filepath.Join(filepath.Dir(path), graphTypes); isFile(types) {
		c.types = types
	}
	return c, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
