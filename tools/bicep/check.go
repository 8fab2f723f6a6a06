package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// check reports every warning and every file that differs from the compiler's output. With another
// version than the pinned one it cannot compare those files: it says so, and fails in CI.
func check(p *project, stdout io.Writer) error {
	problems, err := p.warnings()
	if err != nil {
		return err
	}
	var made map[string][]byte
	if len(problems) == 0 {
		if made, err = p.made(); err != nil {
			return err
		}
		if problems, err = p.faults(made); err != nil {
			return err
		}
		taken, err := p.taken()
		if err != nil {
			return err
		}
		problems = append(problems, taken...)
	}
	if len(problems) > 0 {
		return fmt.Errorf("check infra/ with Bicep %s: %d problems\n%s", p.bicep.version, len(problems),
			strings.Join(problems, "\n"))
	}
	if p.bicep.isPinned() {
		fmt.Fprintf(stdout, "bicep: no warnings; %d files are as Bicep %s makes them\n", len(made), pinned())
		return nil
	}
	if os.Getenv("CI") != "" {
		return errors.New("check infra/: nothing was found, but the committed templates and snapshots were not judged")
	}
	fmt.Fprintf(stdout, "bicep: no warnings by Bicep %s; only %s can judge the committed templates and snapshots\n",
		p.bicep.version, pinned())
	return nil
}

// faults are the differences between what the compiler makes and the project's files, and what no
// template for the portal may hold.
func (p *project) faults(made map[string][]byte) ([]string, error) {
	var out []string
	for _, target := range compiled {
		found, err := extended(made[target])
		if err != nil {
			return nil, fmt.Errorf("check infra/%s: %w", target, err)
		}
		for _, path := range found {
			out = append(out, fmt.Sprintf("infra/%s: %s: the portal can't deploy resources of an extension",
				target, path))
		}
	}
	if !p.bicep.isPinned() {
		return out, nil
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		committed, err := os.ReadFile(filepath.Join(p.infra, name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			out = append(out, fmt.Sprintf("infra/%s: it is not there: make infra writes it", name))
		case err != nil:
			return nil, fmt.Errorf("check infra/%s: %w", name, err)
		case !bytes.Equal(made[name], committed):
			out = append(out, fmt.Sprintf("infra/%s:%d: not as the compiler makes it: make infra does", name,
				firstDifference(made[name], committed)))
		}
	}
	snapshots, err := find(p.infra, ".snapshot.json")
	if err != nil {
		return nil, err
	}
	for _, name := range snapshots {
		if made[name] == nil {
			out = append(out, fmt.Sprintf("infra/%s: no file with parameters belongs to it: delete it", name))
		}
	}
	return out, nil
}

// firstDifference is the number of the first line in which two texts differ.
func firstDifference(a, b []byte) int {
	left, right := bytes.Split(a, []byte("\n")), bytes.Split(b, []byte("\n"))
	n := min(len(left), len(right))
	for i := range n {
		if !bytes.Equal(left[i], right[i]) {
			return i + 1
		}
	}
	return n + 1
}

// write brings every file that the compiler makes up to date.
func write(p *project, stdout io.Writer) error {
	if !p.bicep.isPinned() {
		return errors.New("write infra/: another version than the pinned one would make files that the check refuses")
	}
	made, err := p.made()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(made)) {
		file := filepath.Join(p.infra, name)
		if old, err := os.ReadFile(file); err == nil && bytes.Equal(old, made[name]) {
			continue
		}
		if err := os.WriteFile(file, made[name], 0o644); err != nil {
			return fmt.Errorf("write infra/%s: %w", name, err)
		}
		fmt.Fprintf(stdout, "wrote infra/%s\n", name)
	}
	return nil
}

// ageing is the one rule whose verdict changes with the calendar, as bicepconfig.json has it for
// the daily check.
var ageing = regexp.MustCompile(`("use-recent-api-versions":\s*\{\s*"level":\s*)"off"`)

// withAgeing is a configuration in which that rule is on.
func withAgeing(config string) string { return ageing.ReplaceAllString(config, `${1}"warning"`) }

// audit lists the API versions that are older than two years if the compiler knows newer ones. Its
// configuration is withAgeing.
func audit(p *project, stdout io.Writer) error {
	problems, err := p.warnings()
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return fmt.Errorf("audit infra/ with Bicep %s: %d problems\n%s", p.bicep.version, len(problems),
			strings.Join(problems, "\n"))
	}
	fmt.Fprintf(stdout, "bicep: no API version has aged, by Bicep %s\n", p.bicep.version)
	return nil
}
