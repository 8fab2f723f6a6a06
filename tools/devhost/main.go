// Command devhost runs a custom-handler app on this machine as the Azure
// Functions host would: real routes, keys, timers and crash rules.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"

	"github.com/entraledger/entraledger/internal/dev/command"
	"github.com/entraledger/entraledger/internal/dev/devhost"
)

func main() { command.Main("", run) }

const usage = `devhost runs a custom-handler app as the Azure Functions host 4.x does.

Usage: devhost [--app DIR] [--settings FILE] [flags]

`

func run(ctx context.Context, args []string, stdout, _ io.Writer) error {
	opts := devhost.Options{Out: stdout}
	flags := flag.NewFlagSet("devhost", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // a wrong flag is one line, not a page
	flags.StringVar(&opts.AppRoot, "app", ".", "`folder` that holds host.json")
	flags.StringVar(&opts.Listen, "listen", "127.0.0.1:7071", "public `address`; port 0 picks a free one")
	settings := flags.String("settings", "", "local.settings.json `file`; the environment wins over it")
	flags.StringVar(&opts.StateDir, "state", "", "`folder` of the timer statuses (default APP/.devhost)")
	flags.StringVar(&opts.FunctionKey, "function-key", "devfunctionkey", "`key` for authLevel function")
	flags.StringVar(&opts.MasterKey, "master-key", "devmasterkey", "`key` for authLevel admin and /admin")
	flags.BoolVar(&opts.RawLogs, "raw-logs", false, "print the handler's lines as they are")
	flags.DurationVar(&opts.Grace, "grace", 0,
		"at shutdown SIGTERM this long before SIGKILL (the real host sends none, the platform may)")
	flags.BoolVar(&opts.NoTimers, "no-timers", false, "run timers only by POST /admin/functions/<Name>")
	flags.BoolVar(&opts.HangOnEmpty, "hang", false, "hang on an empty answer as Azure does, instead of failing it")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		flags.SetOutput(stdout)
		fmt.Fprint(stdout, usage)
		flags.PrintDefaults()
		return nil
	case err != nil:
		return fmt.Errorf("read arguments: %w; see devhost --help", err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not a flag; see devhost --help", flags.Arg(0))
	}
	if opts.StateDir == "" {
		opts.StateDir = filepath.Join(opts.AppRoot, ".devhost")
	}
	if *settings != "" {
		values, err := devhost.ReadSettings(*settings)
		if err != nil {
			return err
		}
		opts.Settings = values
	}
	host, err := devhost.Load(opts)
	if err != nil {
		return err
	}
	return host.Run(ctx)
}
