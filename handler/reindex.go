package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// reindexCommand indexes the sealed days of streams.
func reindexCommand(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	flags := flag.NewFlagSet("reindex", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var names []string
	flags.Func("stream", "`stream`, or several with commas between; default: all that are archived",
		func(v string) error {
			names = append(names, v)
			return nil
		})
	again := flags.Bool("again", false, "index the days that are indexed, too")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	cfg, err := settings.Load(getenv)
	if err != nil {
		return 1, err
	}
	store, _, err := outside{}.storage(cfg, getenv,
		slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return 1, err
	}
	archived, err := streams.New(cfg.Streams, store.Archive).All(ctx)
	if err != nil {
		return 1, err
	}
	asked, err := web.Streams(names, archived)
	if err != nil {
		return 1, err
	}
	const forEver = 365 * 24 * time.Hour
	for _, s := range asked {
		report, err := derive.Update(ctx, store.Searched(),
			ledger.Execution{ID: uuid.NewString(), Work: "handler reindex"}, s, *again, time.Now().Add(forEver))
		if err != nil {
			return 1, err
		}
		fmt.Fprintf(stdout, "%s: %d days indexed with %d values\n", s, report.Days, report.Values)
	}
	return 0, nil
}
