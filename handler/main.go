// Command handler is the Azure Functions custom handler of Entra Ledger: settings, clients,
// functions, serve. It is the one place where the adapters meet. With an argument it verifies the
// archive or a proof and ends: handler help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web"
)

// version is set by the linker.
var version = "dev"

// exitStopped is the exit code after SIGTERM or SIGINT. The Functions host treats it as an intended
// restart: it starts the handler again and counts no failure. After 0 it would not start it again,
// and the third exit with any other code stops the host.
const exitStopped = 200

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) > 1 {
		os.Exit(command(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}
	os.Exit(run(ctx, os.Environ(), os.Getenv, os.Stdout, os.Stderr))
}

// run serves until ctx ends or it can't, and returns the exit code. environ is what getenv reads.
func run(ctx context.Context, environ []string, getenv func(string) string, stdout, stderr io.Writer) int {
	log := web.NewLogger(stdout, slog.LevelInfo)
	slog.SetDefault(log)
	program, err := preflight.ReadBinary(version)
	log.Info("starting", "version", program.Version, "binarySha256", program.SHA256)
	if err != nil {
		log.Warn("which binary this is can't be told", "error", err.Error())
	}
	cfg, err := settings.Load(getenv)
	unknown, slips := settings.CheckNames(environ, getenv)
	if err = errors.Join(err, slips); err != nil {
		return fail(stderr, err)
	}
	if len(unknown) > 0 {
		log.Warn("settings with a name like this app's are not known to this version, and change nothing",
			"settings", unknown)
	}
	app, err := wire(cfg, program, getenv, log, outside{})
	if err != nil {
		return fail(stderr, err)
	}
	if err := serve(ctx, cfg.Port, app, log); err != nil {
		return fail(stderr, err)
	}
	log.Info("stopped")
	return exitStopped
}

// fail prints the reason. The host quotes the last lines of stderr where the process ends.
func fail(stderr io.Writer, err error) int {
	fmt.Fprintln(stderr, err)
	return 1
}

const (
	// answerGrace is how long answers in progress may take after a stop signal: less than the five
	// seconds that App Service gives a container by default.
	answerGrace = 2 * time.Second
	// stopGrace is how long the shutdown may take: stopped work then releases its leases, for which
	// it has ten seconds.
	stopGrace = 13 * time.Second
)

// maxHeader bounds what a request may make net/http hold before the adapter sees it. The adapter
// takes less, and refuses the rest in words.
const maxHeader = 64 << 10

// idle is for how long a connection is kept open that nothing is asked over: longer than the host
// keeps one, so that it never sends over a connection that is about to be closed.
const idle = 5 * time.Minute

// serve listens on loopback: only the host, at 127.0.0.1, may connect. When ctx ends, timer runs
// leave their work to the next ones, and answers have a moment to complete.
func serve(ctx context.Context, port int, app *web.Host, log *slog.Logger) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listen on port %d of 127.0.0.1 (FUNCTIONS_CUSTOMHANDLER_PORT): %w", port, err)
	}
	answering, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := &http.Server{
		Handler:           app,
		ReadHeaderTimeout: 30 * time.Second,
		MaxHeaderBytes:    maxHeader,
		IdleTimeout:       idle,
		BaseContext:       func(net.Listener) context.Context { return answering },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	parallel.Start(func() error { return server.Serve(listener) }, func(err error) { served <- err })
	log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping: told to by a signal")
	app.Stop()
	defer time.AfterFunc(answerGrace, abandon).Stop()
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer stop()
	if err := server.Shutdown(closing); err != nil {
		log.Warn("ending with work under way; what was committed stays", "error", err.Error())
	}
	return nil
}
