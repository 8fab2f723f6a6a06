package pack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Notices is the name of the file with the licences of what is linked into the handler.
const Notices = "THIRD-PARTY-NOTICES.txt"

// pageLicences is where make ui puts the licences of what is in the page.
const pageLicences = "functions/ui/dist/licences.txt"

// legal are the names of files that have to go with copies of a program.
var legal = regexp.MustCompile(
	`(?i)^(licen[cs]e|copying|copyright|notice|patents|third[ _-]party[ _-]notices)([._-].*)?$`)

// linked is a package that go list names among those of the handler.
type linked struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// addLegal adds the project's licence and those of others to a layout.
func addLegal(ctx context.Context, o Options, layout string) error {
	if err := copyFile(filepath.Join(o.Root, "LICENSE"), filepath.Join(layout, "LICENSE")); err != nil {
		return err
	}
	return writeNotices(ctx, o, filepath.Join(layout, Notices))
}

// writeNotices collects the licences of every module that is linked into the handler, and Go's own.
// A module without one is an error: nobody may pass it on.
func writeNotices(ctx context.Context, o Options, file string) error {
	packages, err := linkedPackages(ctx, o)
	if err != nil {
		return err
	}
	texts := make(map[string]map[string]string) // by module with its version, and by file
	for _, p := range packages {
		name, root := "the Go standard library and runtime", ""
		switch {
		case p.Standard:
			if root, err = goRoot(ctx, o); err != nil {
				return err
			}
			p.Dir = root
		case p.Module == nil || p.Module.Main:
			continue
		default:
			name, root = p.Module.Path+" "+p.Module.Version, p.Module.Dir
		}
		if texts[name] == nil {
			texts[name] = make(map[string]string)
		}
		if err := legalTexts(root, p.Dir, texts[name]); err != nil {
			return fmt.Errorf("collect the licences of %s: %w", name, err)
		}
	}
	out, err := joinNotices(texts)
	if err != nil {
		return err
	}
	page, err := os.ReadFile(filepath.Join(o.Root, filepath.FromSlash(pageLicences)))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a program without the page has none
		return fmt.Errorf("collect the licences of the page: %w", err)
	}
	out = append(out, page...)
	if err := os.WriteFile(file, out, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", Notices, err)
	}
	return nil
}

func linkedPackages(ctx context.Context, o Options) ([]linked, error) {
	text, err := o.goTool(ctx, "list", "-deps", "-json=Dir,Standard,Module", "./handler")
	if err != nil {
		return nil, fmt.Errorf("list what is linked into ./handler: %w", err)
	}
	var out []linked
	for dec := json.NewDecoder(bytes.NewReader(text)); ; {
		var p linked
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("list what is linked into ./handler: %w", err)
		}
		out = append(out, p)
	}
}

func goRoot(ctx context.Context, o Options) (string, error) {
	text, err := o.goTool(ctx, "env", "GOROOT")
	if err != nil {
		return "", fmt.Errorf("find Go's own folder: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// legalTexts reads the legal files of a folder and of those above it, up to its module's: code that
// a module has taken from elsewhere has its licence beside it.
func legalTexts(root, folder string, into map[string]string) error {
	for {
		entries, err := os.ReadDir(folder)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if !e.Type().IsRegular() || !legal.MatchString(e.Name()) || strings.HasSuffix(e.Name(), ".go") {
				continue
			}
			path := filepath.Join(folder, e.Name())
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			into[filepath.ToSlash(name)] = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
		}
		up := filepath.Dir(folder)
		if folder == root || up == folder {
			return nil
		}
		folder = up
	}
}

// joinNotices writes the texts in the order of their names.
func joinNotices(texts map[string]map[string]string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("Software of others that is linked into the file `handler`, with the terms for passing it on.\n")
	line := strings.Repeat("=", 100)
	for _, name := range sortedKeys(texts) {
		if len(texts[name]) == 0 {
			return nil, fmt.Errorf("collect the licences: %s has none; without one it may not be passed on", name)
		}
		for _, file := range sortedKeys(texts[name]) {
			fmt.Fprintf(&b, "\n%s\n%s: %s\n%s\n\n%s\n", line, name, file, line, texts[name][file])
		}
	}
	return b.Bytes(), nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// goTool runs go in the repository, for the system that is packed for.
func (o Options) goTool(ctx context.Context, arguments ...string) ([]byte, error) {
	program, err := exec.LookPath("go")
	if err != nil {
		return nil, errors.New("find go: it is not on the PATH; install Go 1.26 or later (go.dev/dl)")
	}
	cmd := exec.CommandContext(ctx, program, arguments...)
	cmd.Dir = o.Root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if o.GOOS != "" {
		cmd.Env = append(cmd.Env, "GOOS="+o.GOOS)
	}
	if o.GOARCH != "" {
		cmd.Env = append(cmd.Env, "GOARCH="+o.GOARCH)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w\n%s", err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
