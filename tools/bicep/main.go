// Command bicep runs the Bicep compiler over infra/: check fails on any warning and on any file
// that differs from the compiler's output, write makes those files, audit lists the API versions
// that have aged. All of it works on a copy in a temporary folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"github.com/entraledger/entraledger/internal/dev/command"
)

func main() { command.Main("", run) }

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("bicep check|write|audit", flag.ContinueOnError)
	flags.SetOutput(stderr)
	root := flags.String("root", ".", "the repository's `folder`")
	if len(args) == 0 {
		return errors.New("read arguments: say what to do: check, write or audit")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if steps[args[0]] == nil || flags.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is none of check, write and audit, with --root alone behind it", args)
	}
	if !isFile(filepath.Join(*root, "infra", "bicepconfig.json")) {
		return errors.New("find infra/bicepconfig.json: it is not here; run this in the repository's folder, or " +
			"name that with --root")
	}
	bicep, err := findCompiler(ctx, *root)
	if err != nil {
		return err
	}
	return runWith(ctx, bicep, *root, args[0], stdout)
}

// steps are the subcommands.
var steps = map[string]func(*project, io.Writer) error{"check": check, "write": write, "audit": audit}

// runWith runs a subcommand with a compiler that was found.
func runWith(ctx context.Context, bicep compiler, root, name string, stdout io.Writer) error {
	change := func(config string) string { return config }
	if name == "audit" {
		change = withAgeing
	}
	p, err := newProject(ctx, filepath.Join(root, "infra"), bicep, change)
	if err != nil {
		return err
	}
	defer p.close()
	return bicep.explain(steps[name](p, stdout))
}
