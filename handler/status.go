package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/status"
	"github.com/entraledger/entraledger/internal/streams"
)

// Exit codes of handler status, beside 0.
const (
	exitSomebody = 1
	exitNotAsked = 2
)

// statusAnswer is what handler status --json prints.
type statusAnswer struct {
	AsOf        time.Time     `json:"asOfDateTime"`
	NeedsNobody bool          `json:"needsNobody"` // now; notices do not count
	Logs        []status.Log  `json:"logs"`
	Needs       []status.Need `json:"needs"` // what is worst first
}

// statusCommand prints what the archive holds, a line a log, and what needs somebody, as GET
// /api/status has it. It reads the archive alone, and writes nothing.
func statusCommand(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	flags := flag.NewFlagSet("status", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print it as JSON")
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0, err
	}
	if err == nil && flags.NArg() > 0 {
		err = fmt.Errorf("status takes no arguments, and was given %q", flags.Args())
	}
	var answer statusAnswer
	if err == nil {
		answer, err = readStatus(ctx, getenv, stderr)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitNotAsked, nil
	}
	if *asJSON {
		enc := json.NewEncoder(stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		err = enc.Encode(answer)
	} else {
		err = printStatus(stdout, answer)
	}
	if err == nil && !answer.NeedsNobody {
		return exitSomebody, nil
	}
	return 0, err
}

func readStatus(ctx context.Context, getenv func(string) string, stderr io.Writer) (statusAnswer, error) {
	cfg, err := settings.Load(getenv)
	if err != nil {
		return statusAnswer{}, err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, _, err := outside{}.storage(cfg, getenv, log)
	if err != nil {
		return statusAnswer{}, err
	}
	parts := functions.Parts{Settings: cfg, Now: time.Now, Ledger: store.Archive, Records: store.Searched(),
		Jobs: store.Jobs, Streams: streams.New(cfg.Streams, store.Archive), Gaps: search.NewGaps(store.Archive),
		Computers: store.Deliveries, Binary: preflight.Binary{Version: version}}
	known := cursors.New(store.Secrets, store.Readers, time.Now)
	parts.Snapshots = directory.NewReader(store.Directory, known, time.Now)
	facts, err := parts.Status().Facts(ctx)
	if err != nil {
		return statusAnswer{}, err
	}
	now := time.Now().UTC()
	needs := append([]status.Need{}, status.Needs(facts, now)...)
	return statusAnswer{AsOf: now.Truncate(time.Second), NeedsNobody: !status.Somebody(needs), Logs: facts.Logs,
		Needs: needs}, nil
}

func printStatus(out io.Writer, a statusAnswer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, l := range a.Logs {
		fmt.Fprintf(table, "%s\t%s\t%s\n", l.Stream, statusWord(l), strings.Join(held(l), ", "))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	count := 0
	for _, n := range a.Needs {
		if n.Severity != status.Notice {
			count++
		}
		fmt.Fprintf(out, "%-8s %s: %s\n", n.Severity, n.Subject, n.Reason)
		if n.Due != "" {
			fmt.Fprintf(out, "         until %s\n", n.Due)
		}
		if n.Remedy != "" {
			fmt.Fprintf(out, "         to do: %s\n", n.Remedy)
		}
	}
	verdict := "nothing needs somebody"
	switch {
	case count == 1:
		verdict = "1 thing needs somebody"
	case count > 1:
		verdict = fmt.Sprintf("%d things need somebody", count)
	}
	_, err := fmt.Fprintf(out, "%s: %s\n", a.AsOf.Format(time.RFC3339), verdict)
	return err
}

// statusWord is a log's status in one word or two.
func statusWord(l status.Log) string {
	if !l.Collected && l.Status != ledger.StatusDelivered {
		return "not collected"
	}
	return string(l.Status)
}

// held says what the archive has of a log.
func held(l status.Log) []string {
	var out []string
	if !l.CompleteUntil.IsZero() {
		out = append(out, "complete until "+l.CompleteUntil.UTC().Format(time.RFC3339))
	}
	out = append(out, fmt.Sprintf("%d records", l.Records))
	for _, n := range []struct {
		count int64
		what  string
	}{
		{l.Arrived, "imported or delivered"}, {l.Missing, "hours missing"}, {l.Lost, "hours lost"},
		{l.InDoubt, "hours in doubt"},
	} {
		if n.count > 0 {
			out = append(out, fmt.Sprintf("%d %s", n.count, n.what))
		}
	}
	if l.Failure != nil && l.Status == ledger.StatusFailing {
		out = append(out, "last error "+string(l.Failure.Code))
	}
	return out
}
