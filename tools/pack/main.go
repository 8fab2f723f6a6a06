// Command pack builds the handler and lays out the deployable app.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/entraledger/entraledger/internal/dev/azurite"
	"github.com/entraledger/entraledger/internal/dev/command"
	"github.com/entraledger/entraledger/internal/pack"
)

func main() { command.Main("", run) }

// order is what the arguments ask for. A file that is not named is not made.
type order struct {
	layout                   pack.Options
	zip, release, sbom, sums string
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, err := readArguments(args, stderr)
	if err != nil {
		return err
	}
	if err := pack.Layout(ctx, o.layout); err != nil {
		return err
	}
	fmt.Fprintln(stdout, "laid out", o.layout.Out)
	return o.makeFiles(ctx, stdout)
}

func readArguments(args []string, stderr io.Writer) (o order, err error) {
	flags := flag.NewFlagSet("pack", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.layout.Root, "root", "", "the repository's `folder`; empty: looked for upwards from here")
	flags.StringVar(&o.layout.Out, "out", "dist/app", "`folder` to lay the app out in; replaced where it exists")
	flags.StringVar(&o.layout.GOOS, "goos", "", "operating `system` to build for; empty: this machine's")
	flags.StringVar(&o.layout.GOARCH, "goarch", "", "`processor` to build for; empty: this machine's")
	flags.StringVar(&o.layout.Version, "version", "", "`version` that the handler logs; empty: what git describe says")
	flags.StringVar(&o.zip, "zip", "", "`file` to pack the layout into as well")
	flags.StringVar(&o.release, "release", "",
		"`file` to pack the zip into as well, with infra/ and docs/, for who deploys it")
	flags.StringVar(&o.sbom, "sbom", "", "`file` for a software bill of materials of the handler")
	flags.StringVar(&o.sums, "sums", "",
		"`file` for the SHA-256 of all these files; that of the handler goes beside it")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("read arguments: %q is not a flag; see pack --help", flags.Arg(0))
	}
	if o.release != "" && o.zip == "" {
		return o, errors.New("read arguments: --release needs --zip, whose file it packs")
	}
	if o.layout.Root == "" {
		o.layout.Root, err = azurite.Root()
	}
	o.layout.Legal = o.zip != "" || o.release != ""
	return o, err
}

// makeFiles makes what is named beside the layout. The sums come last: they are of all the others.
func (o order) makeFiles(ctx context.Context, stdout io.Writer) error {
	var made []string
	for _, part := range []struct {
		file string
		make func() error
	}{
		{o.zip, func() error { return pack.Zip(o.layout.Out, o.zip) }},
		{o.release, func() error { return pack.Release(o.layout.Root, o.layout.Out, o.zip, o.release) }},
		{o.sbom, func() error { return pack.SBOM(ctx, o.layout, o.sbom) }},
		{o.sums, func() error { return pack.Sums(o.layout.Out, o.sums, made...) }},
	} {
		if part.file == "" {
			continue
		}
		if err := part.make(); err != nil {
			return err
		}
		made = append(made, part.file)
		fmt.Fprintln(stdout, "wrote", part.file)
	}
	return nil
}
