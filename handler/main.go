// Command handler is the Azure Functions custom handler of Entra Ledger: settings, clients, functions, serve. It is the
// one place where the adapters meet. With an argument it verifies the archive or a proof and ends: handler help.
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

	"github.com/entraledger/entraledger/internal/funchost"
	"github.com/entraledger/entraledger/internal/settings"
)

// version is set by the linker.
var version = "dev"

// exitStopped is the exit code after SIGTERM or SIGINT. Never 0: after a 0 the host does not start the handler again.
const exitStopped = 143

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if len(os.Args) > 1 {
		os.Exit(command(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
	}
	os.Exit(run(ctx, os.Getenv, os.Stdout, os.Stderr))
}

// run serves until ctx ends or it can't, and returns the exit code.
func run(ctx context.Context, getenv func(string) string, stdout, stderr io.Writer) int {
	log := funchost.NewLogger(stdout, slog.LevelInfo)
	slog.SetDefault(log)
	cfg, err := settings.Load(getenv)
	if err != nil {
		return fail(stderr, err)
	}
	app, err := wire(cfg, getenv, log)
	if err != nil {
		return fail(stderr, err)
	}
	err = serve(ctx, cfg.Port, app, log)
	if err != nil {
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

// stopGrace is how long requests that are under way may take once the process was told to stop.
const stopGrace = 5 * time.Second

// maxHeader lets a request with a query of megabytes reach the adapter, which refuses it in words; net/http would cut the
// connection.
const maxHeader = 16 << 20

// serve listens on loopback: the host dials 127.0.0.1, and nobody else should.
func serve(ctx context.Context, port int, app http.Handler, log *slog.Logger) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("listen on port %d of 127.0.0.1 (FUNCTIONS_CUSTOMHANDLER_PORT): %w", port, err)
	}
	working, abandon := context.WithCancel(context.WithoutCancel(ctx))
	defer abandon()
	server := &http.Server{
		Handler:           app,
		ReadHeaderTimeout: 30 * time.Second,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return working },
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String(), "version", version)
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	log.Info("stopping: told to by a signal")
	abandon() // what is committed stays; the next run goes on from there
	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer stop()
	if err := server.Shutdown(closing); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}
