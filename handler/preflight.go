package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"

	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
)

// preflightCommand makes the checks of GET /api/preflight and prints them; the exit code is
// exitDiffers if one fails.
func preflightCommand(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	flags := flag.NewFlagSet("preflight", flag.ContinueOnError)
	flags.SetOutput(stderr)
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	program, err := preflight.ReadBinary(version)
	if err != nil {
		fmt.Fprintln(stderr, err)
	}
	fmt.Fprintln(stdout, title(program))
	cfg, err := settings.Load(getenv)
	if err != nil {
		return 1, err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, heads, err := outside{}.storage(cfg, getenv, log)
	if err != nil {
		return 1, err
	}
	identity, err := credential(cfg, getenv, getenv("AZURE_CLIENT_ID"))
	if err != nil {
		return 1, err
	}
	tenant, err := outside{}.graphClient(cfg, identity, graph.NewLimiter(cfg.ArchiveRequestsPer10s), log)
	if err != nil {
		return 1, err
	}
	checks := preflight.Run(ctx, preflightOf(cfg, &graph.Prober{Logs: tenant, Directory: graph.NewDirectory(tenant)},
		store, heads))
	fmt.Fprintf(stdout, "%s, Microsoft Graph at %s\n", cfg.Cloud.Name, cfg.GraphEndpoint)
	for _, c := range checks {
		fmt.Fprintf(stdout, "%-8s %s: %s\n", c.Status, c.Name, c.Detail)
		if c.Consequence != "" {
			fmt.Fprintf(stdout, "         %s\n", c.Consequence)
		}
	}
	if preflight.Worst(checks) == preflight.Failed {
		return exitDiffers, nil
	}
	return 0, nil
}

// title names the program in one line.
func title(program preflight.Binary) string {
	line := "Entra Ledger " + program.Version
	if program.SHA256 != "" {
		line += ", SHA-256 " + program.SHA256
	}
	return line
}
