// Package command is the main function of a tool.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a tool until it has ended. Its context ends with an interrupt or SIGTERM. An error is
// one line on standard error, behind prefix, and exit code 1; flag.ErrHelp is none.
func Main(prefix string, run func(ctx context.Context, args []string, stdout, stderr io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, prefix+err.Error())
		os.Exit(1)
	}
}
