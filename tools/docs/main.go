// Docs writes the parts of docs/ that come from the code: settings, permissions, the logs with
// their tables and files, the HTTP functions, and what everything costs; the two files of the
// connector; and the names of the functions, for the scripts that deploy them. Run it as make docs;
// a test fails where they have drifted apart.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web/describe"
)

// section is a part of a file, between two marks that name it.
type section struct {
	file, name string
	text       string
}

// sections reads what infra/ of a repository deploys.
func sections(root string) ([]section, error) {
	of, err := deployments(root)
	if err != nil {
		return nil, err
	}
	costs := costTables{of}
	all := functions.All(functions.Parts{})
	overview, err := describe.Overview(all)
	if err != nil {
		return nil, err
	}
	reference, err := describe.Reference(all)
	if err != nil {
		return nil, err
	}
	return []section{
		{"settings.md", "settings", settings.Markdown(settings.All())},
		{"settings.md", "schedules", settings.Markdown(settings.Schedules())},
		{"settings.md", "platform", settings.Markdown(settings.Platform())},
		{"permissions.md", "permissions", permissions()},
		{"permissions.md", "roles", roles()},
		{"tables.md", "streams", streamTable()},
		{"tables.md", "columns", columnTables()},
		{"http.md", "functions", overview},
		{"http.md", "reference", reference},
		{"http.md", "collections", collectionTable()},
		{"http.md", "files", fileTable()},
		{"http.md", "reports", reportTable()},
		{"legacy-reports.md", "legacy", legacyTable()},
		{"legacy-reports.md", "properties", legacyColumns()},
		{"runbook.md", "refusals", refusalTable()},
		{"cost.md", "volumes", costs.volumes()},
		{"cost.md", "costs", costs.costs()},
		{"cost.md", "beside", costs.beside()},
		{"cost.md", "logs", costs.appLogs()},
		{"cost.md", "prices", prices()},
		{"cost.md", "redundancies", redundancies()},
	}, nil
}

func permissions() string {
	var b strings.Builder
	b.WriteString("| permission | for | without it |\n| --- | --- | --- |\n")
	for _, p := range preflight.Permissions() {
		purpose := p.For
		if len(p.Instead) > 0 {
			purpose += "; " + code(p.Instead...) + " will do as well"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, purpose, p.Without)
	}
	return b.String()
}

func roles() string {
	var b strings.Builder
	b.WriteString("| role | id | on | for |\n| --- | --- | --- | --- |\n")
	for _, r := range preflight.Roles() {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", r.Name, r.ID, r.On, r.For)
	}
	return b.String()
}

// insert puts a section's text between its marks.
func insert(page string, s section) (string, error) {
	begin, end := fmt.Sprintf("<!-- %s: made by make docs -->\n", s.name), fmt.Sprintf("<!-- end of %s -->", s.name)
	head, rest, ok := strings.Cut(page, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return "", fmt.Errorf("write docs/%s: it lacks the mark %q or %q", s.file, strings.TrimSpace(begin), end)
	}
	return head + begin + s.text + end + tail, nil
}

// pages are the files as they should be, by name.
func pages(root, folder string) (map[string]string, error) {
	all, err := sections(root)
	if err != nil {
		return nil, err
	}
	out := make(map[string]string)
	for _, s := range all {
		page, ok := out[s.file]
		if !ok {
			data, err := os.ReadFile(filepath.Join(folder, s.file))
			if err != nil {
				return nil, fmt.Errorf("write docs/%s: %w", s.file, err)
			}
			page = string(data)
		}
		page, err := insert(page, s)
		if err != nil {
			return nil, err
		}
		out[s.file] = page
	}
	return out, nil
}

func main() {
	root := flag.String("root", ".", "the repository's `folder`, in which files are written")
	flag.Parse()
	if err := write(*root); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// write writes all files anew.
func write(root string) error {
	docs := filepath.Join(root, "docs")
	made, err := pages(root, docs)
	if err != nil {
		return err
	}
	all, err := described()
	if err != nil {
		return err
	}
	for name, text := range made {
		all[filepath.Join("docs", name)] = []byte(text)
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
