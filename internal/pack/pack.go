// Package pack lays the app out as the Functions host wants it: host.json, the handler beside it,
// and a folder with function.json for each function.
package pack

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Options says what to build and where to put it.
type Options struct {
	Root    string // the repository
	Out     string // the folder to write; replaced where it exists
	GOOS    string // empty: this machine's
	GOARCH  string // empty: this machine's
	Version string // of the handler; empty: what git describe says, or dev
	Legal   bool   // with the licences, for who passes it on
}

// Binary is the handler's name beside host.json, the one that host.json names.
const Binary = "handler"

// Layout builds the handler and lays out the app. Where it fails, what was in Out before is still
// there.
func Layout(ctx context.Context, o Options) error {
	names, err := Functions(o.Root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(o.Out), 0o755); err != nil {
		return fmt.Errorf("lay out %s: %w", o.Out, err)
	}
	// The new layout grows beside the old one and takes its place whole.
	next, err := os.MkdirTemp(filepath.Dir(o.Out), ".pack-*")
	if err != nil {
		return fmt.Errorf("lay out %s: %w", o.Out, err)
	}
	defer os.RemoveAll(next)
	if err := os.Chmod(next, 0o755); err != nil {
		return fmt.Errorf("lay out %s: %w", o.Out, err)
	}
	if err := build(ctx, o, filepath.Join(next, Binary)); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(o.Root, "host.json"), filepath.Join(next, "host.json")); err != nil {
		return err
	}
	for _, name := range names {
		if err := copyFile(functionFile(o.Root, name), filepath.Join(next, name, "function.json")); err != nil {
			return err
		}
	}
	if o.Legal {
		if err := addLegal(ctx, o, next); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(o.Out); err != nil {
		return fmt.Errorf("replace %s: %w", o.Out, err)
	}
	if err := os.Rename(next, o.Out); err != nil {
		return fmt.Errorf("replace %s: %w", o.Out, err)
	}
	return nil
}

// Functions lists the functions of the repository in order: the folders of functions/ that hold a
// function.json.
func Functions(root string) ([]string, error) {
	files, err := filepath.Glob(functionFile(root, "*"))
	if err != nil {
		return nil, fmt.Errorf("list functions: %w", err)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("list functions: %s holds no */function.json; point --root at the repository",
			filepath.Join(root, "functions"))
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = filepath.Base(filepath.Dir(file))
	}
	slices.Sort(names)
	return names, nil
}

func functionFile(root, name string) string {
	return filepath.Join(root, "functions", name, "function.json")
}

func build(ctx context.Context, o Options, binary string) error {
	version := o.Version
	if version == "" {
		version = describe(ctx, o.Root)
	}
	// The version is linked in by hand; what git says of the checkout would make each build differ.
	flags := "-s -w -X main.version=" + version
	_, err := o.goTool(ctx, "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", binary, "./handler")
	if err != nil {
		return fmt.Errorf("build ./handler: %w", err)
	}
	return nil
}

func describe(ctx context.Context, root string) string {
	cmd := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	cmd.Dir = root
	output, err := cmd.Output()
	if err != nil {
		return "dev"
	}
	return strings.TrimSpace(string(output))
}

func copyFile(from, to string) error {
	data, err := os.ReadFile(from)
	if err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	if err := os.WriteFile(to, data, 0o644); err != nil {
		return fmt.Errorf("copy %s: %w", from, err)
	}
	return nil
}
