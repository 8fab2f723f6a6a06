package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/clocks"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	archiverepair "github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
)

// newRepairer makes the archive's Repairer. A repair asks Graph for nothing, so that it can be made
// while Graph does not answer; a simulated tenant has a time of its own.
func newRepairer(
	cfg settings.Settings, source *graph.Client, store *tables.Account, heads logHeads,
) *archiverepair.Repairer {
	clock := func(ctx context.Context) (time.Time, error) {
		if simulated(cfg.GraphEndpoint) {
			return source.Now(ctx)
		}
		at, err := store.Now(ctx)
		if err != nil {
			return time.Time{}, err
		}
		from := logs.MicrosoftGraph()
		now, _, err := clocks.Readings{SourceName: from.Name, SourceTitle: from.Title, Storage: at,
			Machine: time.Now()}.Agreed()
		return now, err
	}
	return archiverepair.New(store.Evidence(), heads, cfg.Backfill, clock, time.Now)
}

// commandSlice is how long a command works before it says how far it is.
const commandSlice = time.Minute

// repairCommand rebuilds a stream's row of progress, or prints what a rebuild would write.
func repairCommand(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	flags := flag.NewFlagSet("repair", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name := flags.String("stream", "", "the `stream` whose row of progress is to be made anew")
	plan := flags.Bool("plan", false, "tell what would be done, and write nothing")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if *name == "" {
		return 1, errors.New("read --stream: name the stream that is to be repaired")
	}
	cfg, err := settings.Load(getenv)
	if err != nil {
		return 1, err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, heads, err := outside{}.storage(cfg, getenv, log)
	if err != nil {
		return 1, err
	}
	w := archiverepair.Repairing{Stream: entra.Stream(strings.TrimSpace(*name)), Plan: *plan,
		By: ledger.Execution{ID: uuid.NewString(), Work: "handler repair"}}
	if err := streams.New(cfg.Streams, store.Archive).Check(ctx, w.Stream); err != nil {
		return 1, err
	}
	identity, err := credential(cfg, getenv, getenv("AZURE_CLIENT_ID"))
	if err != nil {
		return 1, err
	}
	source, err := outside{}.graphClient(cfg, identity, graph.NewSharedLimiter(cfg.ArchiveRequestsPer10s,
		store.Slots("archive")), log)
	if err != nil {
		return 1, err
	}
	if err := finishRepair(ctx, newRepairer(cfg, source, store, heads), &w, stderr); err != nil {
		if entra.CodeOf(err) == entra.CodeTampered {
			fmt.Fprintln(stdout, err)
			return exitDiffers, nil
		}
		return 1, err
	}
	printRepair(stdout, w)
	return 0, nil
}

// finishRepair works slice by slice until all is done, and tells how far it is.
func finishRepair(
	ctx context.Context, repairer *archiverepair.Repairer, w *archiverepair.Repairing, stderr io.Writer,
) error {
	for !w.Done {
		if err := repairer.Work(ctx, w, time.Now().Add(commandSlice)); err != nil {
			return err
		}
		if !w.Done {
			v := &w.Verification
			fmt.Fprintf(stderr, "%s: %d hours and %d records verified, %d hours left\n", w.Stream, v.Windows, v.Records,
				v.Left)
		}
	}
	return nil
}

func printRepair(out io.Writer, w archiverepair.Repairing) {
	for _, text := range w.Wrong {
		fmt.Fprintf(out, "%s: %s\n", w.Stream, text)
	}
	p := w.Rebuilt
	fmt.Fprintf(out, "%d hours and %d records were verified\n", w.Verification.Windows, w.Verification.Records)
	fmt.Fprintf(out, "read from %s, the past up to %s, the newest up to %s; settled up to %s\n",
		stamped(p.Begin), stamped(p.Backfilled), stamped(p.Watermark), stamped(p.SealedTo))
	fmt.Fprintf(out, "%d records, %d earlier versions, %d entries in the log\n", p.Records, p.Versions, p.Seals)
	if w.Plan {
		fmt.Fprintln(out, "planned: nothing was written")
		return
	}
	fmt.Fprintf(out, "repaired: entry %d of the log says: %s\n", w.Entry, w.Reason)
}

// stamped is a time for people; a zero one is none yet.
func stamped(t time.Time) string {
	if t.IsZero() {
		return "none"
	}
	return t.UTC().Format(time.RFC3339)
}
