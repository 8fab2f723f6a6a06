// Command pack builds the handler and lays out the deployable app.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/entraledger/entraledger/internal/azurite"
	"github.com/entraledger/entraledger/internal/pack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o pack.Options
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.Root, "root", "", "the repository's `folder`; empty: looked for upwards from here")
	flags.StringVar(&o.Out, "out", "dist/app", "`folder` to lay the app out in; replaced where it exists")
	flags.StringVar(&o.GOOS, "goos", "", "operating `system` to build for; empty: this machine's")
	flags.StringVar(&o.GOARCH, "goarch", "", "`processor` to build for; empty: this machine's")
	flags.StringVar(&o.Version, "version", "", "`version` that the handler logs; empty: what git describe says")
	file := flags.String("zip", "", "`file` to pack the layout into as well")
	release := flags.String("release", "", "`file` to pack the zip into as well, with infra/ and docs/, for who deploys it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not a flag; see pack --help", flags.Arg(0))
	}
	if o.Root == "" {
		root, err := azurite.Root()
		if err != nil {
			return err
		}
		o.Root = root
	}
	if err := pack.Layout(ctx, o); err != nil {
		return err
	}
	if *file == "" {
		fmt.Fprintln(stdout, "laid out", o.Out)
		return nil
	}
	if err := pack.Zip(o.Out, *file); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "packed", *file)
	if *release == "" {
		return nil
	}
	if err := pack.Release(o.Root, *file, *release); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "packed", *release)
	return nil
}
