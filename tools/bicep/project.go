package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// project is infra/ with a copy of it for the compiler, whose configuration may work offline. The
// project's own files are not touched by anything but write.
type project struct {
	infra string
	copy  string
	home  string // HOME of the compiler: it unpacks itself and caches extensions there
	bicep compiler
	*session
}

// newProject copies infra/ and starts the compiler. change is made to the configuration; close ends
// the process and removes the copy.
func newProject(ctx context.Context, infra string, bicep compiler, change func(config string) string) (*project,
	error) {
	temp, err := os.MkdirTemp("", "bicep-")
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", infra, err)
	}
	p := &project{infra: infra, bicep: bicep, home: homeFor(bicep, temp)}
	// The compiler names files by their real path.
	if temp, err = filepath.EvalSymlinks(temp); err == nil {
		p.copy = filepath.Join(temp, "infra")
		err = p.fill(change)
	}
	if err != nil {
		os.RemoveAll(temp)
		return nil, fmt.Errorf("copy %s: %w", infra, err)
	}
	if p.session, err = bicep.start(ctx, p.home); err != nil {
		os.RemoveAll(temp)
		return nil, err
	}
	return p, nil
}

// homeFor is the compiler's HOME, which has to be writable. It is the user's own only where
// extensions may have to be fetched, so that they stay there.
func homeFor(bicep compiler, temp string) string {
	if home := os.Getenv("HOME"); bicep.types == "" && home != "" {
		if probe, err := os.CreateTemp(home, ".bicep-probe-"); err == nil {
			probe.Close()
			os.Remove(probe.Name())
			return home
		}
	}
	return temp
}

func (p *project) close() {
	p.session.end()
	os.RemoveAll(filepath.Dir(p.copy))
}

// fill makes the copy: every file that the compiler may read.
func (p *project) fill(change func(config string) string) error {
	files, err := find(p.infra, ".bicep", ".bicepparam", ".json", ".txt")
	if err != nil {
		return err
	}
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(p.infra, name))
		if err != nil {
			return err
		}
		if name == "bicepconfig.json" {
			config, err := offline(change(string(data)), p.bicep.types)
			if err != nil {
				return err
			}
			data = []byte(config)
		}
		path := filepath.Join(p.copy, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

var graphExtension = regexp.MustCompile(`"br:[^"]*/extensions/microsoftgraph/[^"]*"`)

// offline is a configuration whose Graph extension is the file at types, if that is not empty. The
// rest stays as it is, so that the same rules run everywhere.
func offline(config, types string) (string, error) {
	if types == "" {
		return config, nil
	}
	if len(graphExtension.FindAllString(config, -1)) != 1 {
		return "", fmt.Errorf("read bicepconfig.json: it does not name the Microsoft Graph extension's registry once")
	}
	return graphExtension.ReplaceAllLiteralString(config, fmt.Sprintf("%q", types)), nil
}

// find lists the files of a folder that end as one of endings, sorted, by their path inside it.
func find(folder string, endings ...string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		isOne := slices.ContainsFunc(endings, func(ending string) bool { return strings.HasSuffix(path, ending) })
		if d.IsDir() || !isOne {
			return nil
		}
		name, err := filepath.Rel(folder, path)
		out = append(out, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", folder, err)
	}
	return out, nil
}
