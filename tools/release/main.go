// Command release prepares a release: it checks the version, and writes it to every file that names
// the release that is deployed. Run it as make release VERSION=v1.2.3, which then rebuilds the
// templates.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/entraledger/entraledger/internal/dev/azurite"
	"github.com/entraledger/entraledger/internal/dev/command"
)

func main() { command.Main("", run) }

// current is the file that says which release the templates deploy. The others follow it.
const current = "infra/release.txt"

// named are the files that name the release: the templates' sources, the links of the form and of
// the buttons, and examples.
var named = []string{"infra/main.bicep", "infra/upgrade.bicep", "infra/portal.json", "README.md", "docs/deploy.md",
	"docs/releases.md"}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("release", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", "", "the repository's `folder`; empty: looked for upwards from here")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("say which version: make release VERSION=v1.2.3")
	}
	if *root == "" {
		var err error
		if *root, err = azurite.Root(); err != nil {
			return err
		}
	}
	version := flags.Arg(0)
	before, err := check(ctx, *root, version, stderr)
	if err != nil {
		return err
	}
	if err := rewrite(*root, before, version); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s and %s name %s (before: %s)\n", current, strings.Join(named, ", "), version, before)
	return nil
}

var form = regexp.MustCompile(`^v(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$`)

// check refuses a version that is none, that goes back, or that was released: releases never
// change. It returns the one before.
func check(ctx context.Context, root, version string, stderr io.Writer) (before string, err error) {
	if !form.MatchString(version) {
		return "", fmt.Errorf("release %s: a version is v, and three numbers with points between, as v1.2.3", version)
	}
	text, err := os.ReadFile(filepath.Join(root, current))
	if err != nil {
		return "", fmt.Errorf("release %s: %w", version, err)
	}
	before = strings.TrimSpace(string(text))
	if !form.MatchString(before) {
		return "", fmt.Errorf("release %s: %s holds %q, which is no version", version, current, before)
	}
	if semver.Compare(version, before) < 0 {
		return "", fmt.Errorf("release %s: %s is newer (%s); versions only grow", version, before, current)
	}
	tags, err := git(ctx, root, "tag", "--list", version)
	if err != nil {
		return "", fmt.Errorf("release %s: %w", version, err)
	}
	if tags == "" {
		ctx, stop := context.WithTimeout(ctx, 20*time.Second)
		defer stop()
		if tags, err = git(ctx, root, "ls-remote", "--tags", "origin", "refs/tags/"+version); err != nil {
			fmt.Fprintf(stderr, "warning: whether %s was released from elsewhere can't be told: %v\n", version, err)
		}
	}
	if tags != "" {
		return "", fmt.Errorf("release %s: there is such a tag, and a release never changes; take the next version",
			version)
	}
	return before, nil
}

func git(ctx context.Context, root string, arguments ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", arguments...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("git %s: %w: %s", arguments[0], err, strings.Join(strings.Fields(stderr.String()), " "))
	}
	return strings.TrimSpace(string(out)), nil
}

// rewrite puts a version in the place of the one before. Where a file does not name that one,
// nothing is written.
func rewrite(root, before, version string) error {
	old := regexp.MustCompile(regexp.QuoteMeta(before) + `\b`)
	files := map[string][]byte{current: []byte(version + "\n")}
	for _, name := range named {
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return fmt.Errorf("release %s: %w", version, err)
		}
		if !old.Match(text) {
			return fmt.Errorf("release %s: %s does not name %s, the release before; correct it by hand", version,
				name, before)
		}
		files[name] = old.ReplaceAllLiteral(text, []byte(version))
	}
	for _, name := range append([]string{current}, named...) {
		if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(name)), files[name], 0o644); err != nil {
			return fmt.Errorf("release %s: %w", version, err)
		}
	}
	return nil
}
