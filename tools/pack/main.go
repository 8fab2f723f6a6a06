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

	"github.com/entraledger/entraledger/internal/dev/azurite"
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
	sbom := flags.String("sbom", "", "`file` for a software bill of materials of the handler")
	sums := flags.String("sums", "", "`file` for the SHA-256 of all these files; that of the handler goes beside it")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("read arguments: %q is not a flag; see pack --help", flags.Arg(0))
	}
	if *release != "" && *file == "" {
		return errors.New("read arguments: --release needs --zip, whose file it packs")
	}
	if o.Root == "" {
		root, err := azurite.Root()
		if err != nil {
			return err
		}
		o.Root = root
	}
	o.Legal = *file != "" || *release != ""
	if err := pack.Layout(ctx, o); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "laid out", o.Out)
	var made []string
	for _, part := range []struct {
		file string
		make func(file string) error
	}{
		{*file, func(file string) error { return pack.Zip(o.Out, file) }},
		{*release, func(out string) error { return pack.Release(o.Root, o.Out, *file, out) }},
		{*sbom, func(file string) error { return pack.SBOM(ctx, o, file) }},
		{*sums, func(file string) error { return pack.Sums(o.Out, file, made...) }},
	} {
		if part.file == "" {
			continue
		}
		if err := part.make(part.file); err != nil {
			return err
		}
		made = append(made, part.file)
		fmt.Fprintln(stdout, "wrote", part.file)
	}
	return nil
}
