package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/verify"
	"github.com/entraledger/entraledger/internal/web"
)

// exitDiffers is the exit code of a verification that found something.
const exitDiffers = 3

const usage = `Without an argument the handler serves the Azure Functions host. With one it does a single thing:

  handler preflight                                 check permissions, licence, storage and clock (exit code 3 if something fails)
  handler status [--json]                           what the archive holds, and what needs somebody (exit code 0: nobody, 1: somebody, 2: it can't be asked)
  handler verify [--stream S] [--from T] [--to T]   recompute the archive and name what differs (exit code 3 if something does)
  handler prove --stream S --id ID --time T         write the proof that a record was archived, as JSON
  handler reindex [--stream S] [--again]            index the sealed days that are not indexed, or all of them again
  handler repair --stream S [--plan]                make a row of progress that is gone or wrong anew, from ledger and log (exit code 3 if verify finds more)
  handler import [flags] FILE...                    bring files of logs that were kept elsewhere into the archive (exit code 3 if something is refused); --help has the flags
  handler check-proof FILE [--head FILE]            check a proof; needs no archive, no settings and no network

preflight, status, verify, prove, reindex, repair and import use the archive that ARCHIVE_STORAGE or ARCHIVE_STORAGE__tableServiceUri names; docs/settings.md has more.
`

// command carries out one command and returns the exit code.
func command(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	commands := map[string]func(context.Context, []string, func(string) string, io.Writer, io.Writer) (int, error){
		"verify": verifyCommand, "prove": proveCommand, "check-proof": checkCommand, "reindex": reindexCommand,
		"repair": repairCommand, "preflight": preflightCommand, "import": importCommand,
		"status": statusCommand,
	}
	do, ok := commands[args[0]]
	if !ok {
		fmt.Fprint(stderr, usage)
		if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
			return 0
		}
		return 1
	}
	code, err := do(ctx, args[1:], getenv, stdout, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return fail(stderr, err)
	}
	return code
}

// openArchive opens the archive for reading.
func openArchive(getenv func(string) string, stderr io.Writer) (*streams.Known, verify.Prover, logHeads, error) {
	cfg, err := settings.Load(getenv)
	if err != nil {
		return nil, nil, nil, err
	}
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	store, heads, err := outside{}.storage(cfg, getenv, log)
	if err != nil {
		return nil, nil, nil, err
	}
	return streams.New(cfg.Streams, store.Archive), store.Evidence(), heads, nil
}

func verifyCommand(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	flags := flag.NewFlagSet("verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	var names []string
	flags.Func("stream", "`stream`, or several with commas between; default: all that are archived",
		func(v string) error {
			names = append(names, v)
			return nil
		})
	from, to := flags.String("from", "", "first hour, as 2026-11-21T14:00:00Z"),
		flags.String("to", "", "end of the last hour")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	known, evidence, heads, err := openArchive(getenv, stderr)
	if err != nil {
		return 1, err
	}
	archived, err := known.All(ctx)
	if err != nil {
		return 1, err
	}
	asked, err := web.Streams(names, archived)
	if err != nil {
		return 1, err
	}
	query := map[string][]string{}
	for name, value := range map[string]string{"from": *from, "to": *to} {
		if value != "" {
			query[name] = []string{value}
		}
	}
	span, err := web.ReadRange(query, time.Now())
	if err != nil {
		return 1, err
	}
	v := verify.Verification{Streams: asked, From: span.From, To: span.To}
	for !v.Done() {
		if err := v.Work(ctx, evidence, heads, time.Now().Add(5*time.Second)); err != nil {
			return 1, err
		}
		if !v.Done() {
			fmt.Fprintf(stderr, "%s: %d hours and %d records verified, %d hours of this stream left\n", v.Streams[v.At],
				v.Windows, v.Records, v.Left)
		}
	}
	return printVerification(stdout, v), nil
}

func printVerification(out io.Writer, v verify.Verification) int {
	for _, f := range v.Findings {
		fmt.Fprintf(out, "%-8s %s: %s\n", f.Difference, whereOf(f), f.Detail)
	}
	if v.More > 0 {
		fmt.Fprintf(out, "and %d more that are not listed\n", v.More)
	}
	for _, r := range v.Ranges {
		fmt.Fprintf(out, "%-8s %s %s to %s, %d hours: %s\n", r.Difference, r.Stream, r.From.Format(entra.HourFormat),
			r.To.Format(entra.HourFormat), r.Hours, r.Detail)
	}
	if v.MoreOf > 0 {
		fmt.Fprintf(out, "and %d more hours that are not sealed or missing\n", v.MoreOf)
	}
	for _, p := range v.Purges {
		fmt.Fprintf(out, "%-8s %s: %d hours from %s to %s, on %s: %s\n", "purged", p.Stream, p.Hours,
			p.From.Format(entra.HourFormat), p.To.Format(entra.HourFormat),
			p.PurgedAt.Format(time.RFC3339), p.Rule)
	}
	for _, r := range v.Repairs {
		fmt.Fprintf(out, "%-8s %s: entry %d, on %s: %s\n", "repaired", r.Stream, r.Entry,
			r.RepairedAt.Format(time.RFC3339), r.What)
	}
	for _, h := range v.Heads {
		fmt.Fprintf(out, "%-8s %s: %d seals, head %s\n", "log", h.Stream, h.Size, h.Root)
	}
	verdict, code := "intact: what is sealed is what is stored", 0
	if !v.Intact() {
		verdict, code = "DIFFERS: what is stored is not what was written", exitDiffers
	}
	fmt.Fprintf(out, "%d hours, %d records: %s (%d hours not sealed yet, %d missing)\n", v.Windows, v.Records, verdict,
		v.Counts[verify.DiffUnsealed], v.Counts[verify.DiffMissing])
	return code
}

// whereOf is where a finding is: stream, hour, table and row, as far as it has them.
func whereOf(f verify.Finding) string {
	var parts []string
	if f.Stream != "" {
		parts = append(parts, string(f.Stream))
	}
	if !f.Hour.IsZero() {
		parts = append(parts, f.Hour.Format(entra.HourFormat))
	}
	if f.Table != "" {
		parts = append(parts, "table "+f.Table)
	}
	if f.Row != "" {
		parts = append(parts, f.Row)
	}
	return strings.Join(parts, " ")
}

func proveCommand(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	flags := flag.NewFlagSet("prove", flag.ContinueOnError)
	flags.SetOutput(stderr)
	name, id := flags.String("stream", "", "the record's `stream`"), flags.String("id", "", "its `id`")
	text := flags.String("time", "", "its `time`, exactly as in the record")
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	stream, err := logs.Parse(*name)
	if err != nil {
		return 1, fmt.Errorf("read --stream: %w", err)
	}
	when, err := entra.ParseTime(*text)
	if err != nil || *id == "" {
		return 1, errors.New("read --id and --time: give the record's id and its time, as 2026-11-21T14:05:10.9301252Z")
	}
	_, evidence, _, err := openArchive(getenv, stderr)
	if err != nil {
		return 1, err
	}
	proof, err := verify.Prove(ctx, evidence, stream, *id, when)
	if err != nil {
		return 1, err
	}
	enc := json.NewEncoder(stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return 0, enc.Encode(proof)
}

func checkCommand(_ context.Context, args []string, _ func(string) string, stdout, stderr io.Writer) (int, error) {
	flags := flag.NewFlagSet("check-proof", flag.ContinueOnError)
	flags.SetOutput(stderr)
	headFile := flags.String("head", "", "`file` with a head that you trust: a blob of the container entraledger-heads")
	var file string
	if len(args) > 0 && args[0] != "" && args[0][0] != '-' {
		file, args = args[0], args[1:] // the flag may follow the file
	}
	if err := flags.Parse(args); err != nil {
		return 1, err
	}
	if file == "" {
		file = flags.Arg(0)
	}
	if file == "" {
		return 1, errors.New("check a proof: give its file")
	}
	body, err := os.ReadFile(file)
	if err != nil {
		return 1, fmt.Errorf("check a proof: %w", err)
	}
	var proof seal.Proof
	if err := json.Unmarshal(body, &proof); err != nil {
		return 1, fmt.Errorf("check a proof: %s is not one: %w", file, err)
	}
	trusted, err := trustedHead(*headFile)
	if err != nil {
		return 1, err
	}
	s, err := seal.Check(proof, trusted)
	if err != nil {
		fmt.Fprintf(stdout, "NOT PROVED: %v\n", err)
		return exitDiffers, nil
	}
	fmt.Fprintf(stdout, "proved: the record with SHA-256 %s was archived in %s and sealed on %s, as "+
		"entry %d of the log\n",
		proof.RecordHash, s.Window, s.SealedAt.Format(time.RFC3339), s.Number)
	if first, _, ok := strings.Cut(proof.Dates, " "); ok {
		fmt.Fprintf(stdout, "it was first seen on %s\n", first)
	}
	if trusted == nil {
		fmt.Fprintf(stdout, "the log's head is the proof's own; compare it with the blob in "+
			"entraledger-heads (--head):\n%s", proof.Head)
	}
	return 0, nil
}

// trustedHead reads a head that the caller trusts; nil where no file is named.
func trustedHead(file string) (*seal.Head, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("check a proof: %w", err)
	}
	head, err := seal.ParseHead(text)
	return &head, err
}
