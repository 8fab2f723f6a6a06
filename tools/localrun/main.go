// Command localrun is make run: it sets up Azurite, a simulated tenant and a Functions host (its
// stand-in, or Azure Functions Core Tools), archives the tenant's logs with the real handler, shows
// the progress, and serves until it is stopped.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/entraledger/entraledger/internal/dev/azurite"
)

func main() {
	// Linux ends a child with the thread that started it, so the main thread, which lives as long
	// as we do, starts Azurite.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first Ctrl-C the second ends us at once.
	context.AfterFunc(ctx, stop)
	if err := localrun(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "localrun:", err)
		os.Exit(1)
	}
}

func localrun(ctx context.Context, args []string, stdout *os.File, stderr io.Writer) error {
	o, err := readOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	root, err := azurite.Root()
	if err != nil {
		return err
	}
	if err := checkMachine(ctx, o); err != nil {
		return err
	}
	out := newScreen(stdout, os.Getenv("CI") == "")
	s, err := setUp(ctx, root, o, out)
	if err == nil {
		err = s.serve(ctx)
	}
	if ctx.Err() == nil {
		return err
	}
	// A failure caused by a stop signal is no failure, but a run that --once waits for was not
	// finished.
	out.say("Stopped.")
	if o.once && err != nil {
		return errors.New("stopped before the run was finished")
	}
	return nil
}
