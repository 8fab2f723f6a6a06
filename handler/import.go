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
	"os/user"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/clocks"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/importing"
	"github.com/entraledger/entraledger/internal/importing/runs"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
)

const importUsage = `handler import [flags] FILE...

Adds the records of files that were kept elsewhere to the archive: what is missing, and nothing else. Each record says
from which file it came. A FILE may be a folder, packed with gzip, of any size and in any order; what it is is found out.
The same command goes on where it was interrupted. docs/import.md has the formats and what each of them lacks.

`

// importMemory bounds the process's memory, unless GOMEMLIMIT does: a file of any size is imported
// in 200 MB.
const importMemory = 120 << 20

// importFlags are what an import is told.
type importFlags struct {
	runs.File
	paths  []string
	folder string
	asJSON bool
}

func readImportFlags(args []string, stderr io.Writer) (out importFlags, err error) {
	flags := flag.NewFlagSet("import", flag.ContinueOnError)
	flags.SetOutput(stderr)
	format := flags.String("format", "", fmt.Sprintf(
		"take entries of this `format` only: %v; default: each entry's shape decides", importing.Formats()))
	log := flags.String("log", "", "the `log` of entries that do not tell theirs, as signIns.interactiveUser")
	flags.StringVar(&out.Tenant, "tenant", "",
		"the `id` of the tenant of files that do not name theirs; the archive's, spelt out")
	flags.StringVar(&out.By, "by", whoRuns(), "`who` imports: it is kept with each record")
	flags.StringVar(&out.folder, "spool", filepath.Join(os.TempDir(), "entraledger-import"),
		"`folder` for what was read and is not in the archive yet: about a fifth of a file's size")
	flags.BoolVar(&out.asJSON, "json", false, "write the summary as JSON")
	flags.Usage = func() {
		fmt.Fprint(stderr, importUsage)
		flags.PrintDefaults()
	}
	if err := flags.Parse(args); err != nil {
		return out, err
	}
	if flags.NArg() == 0 {
		return out, errors.New("import files: name them; handler import --help has more")
	}
	if out.Format, err = importing.ParseFormat(*format); err != nil {
		return out, fmt.Errorf("read --format: %w", err)
	}
	if *log != "" {
		if out.Log, err = logs.Parse(*log); err != nil {
			return out, fmt.Errorf("read --log: %w", err)
		}
		if logs.Of(out.Log).Delivered && out.Format != importing.AnyFormat {
			return out, fmt.Errorf("read --format: files of %s have events, in whatever format; leave it out", out.Log)
		}
	}
	if out.By == "" {
		return out, errors.New("read --by: say who imports; it is kept with each record")
	}
	if out.Tenant != "" && uuid.Validate(out.Tenant) != nil {
		return out, errors.New("read --tenant: give the tenant's id in full, as 7c9e6679-7425-40de-944b-e07fc1f90ae7")
	}
	out.paths, err = runs.Files(flags.Args())
	return out, err
}

// whoRuns is the user of this machine; empty where it can't be told.
func whoRuns() string {
	who, err := user.Current()
	if err != nil {
		return ""
	}
	return who.Username
}

// importCommand brings files into the archive.
func importCommand(
	ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer,
) (int, error) {
	asked, err := readImportFlags(args, stderr)
	if err != nil {
		return 1, err
	}
	if getenv("GOMEMLIMIT") == "" {
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(importMemory))
	}
	if logs.Of(asked.Log).Delivered {
		return importEvents(ctx, asked, getenv, stdout, stderr)
	}
	runner, err := importer(ctx, getenv, stderr)
	if err != nil {
		return 1, err
	}
	runner.Folder = asked.folder
	var (
		all    []runs.Summary
		failed error
	)
	for _, path := range asked.paths {
		file := asked.File
		file.Path = path
		summary, err := runner.Import(ctx, file)
		if err != nil {
			summary.Error = err.Error()
			failed = errors.Join(failed, fmt.Errorf("import %s: %w", path, err))
		}
		all = append(all, summary)
		if ctx.Err() != nil {
			fmt.Fprintln(stderr, "interrupted: the same command goes on where this one ended")
			break
		}
	}
	if err := printImports(stdout, all, asked.asJSON); err != nil {
		return 1, err
	}
	if failed != nil {
		return 1, failed
	}
	if slices.ContainsFunc(all, func(s runs.Summary) bool { return !s.Whole() }) {
		return exitDiffers, nil
	}
	return 0, nil
}

// importer makes what imports into the archive of the settings.
func importer(ctx context.Context, getenv func(string) string, stderr io.Writer) (*runs.Runner, error) {
	o, err := openImport(ctx, getenv, stderr)
	if err != nil {
		return nil, err
	}
	return &runs.Runner{Adder: o.adder(), Tenant: o.tenant, Archive: whichArchive(o.cfg),
		Execution: ledger.Execution{ID: uuid.NewString(), Work: "handler import"},
		Archives:  func(s entra.Stream) bool { return slices.Contains(o.archived, s) }, Now: time.Now, Log: o.log}, nil
}

// opened is the archive that files are imported into.
type opened struct {
	cfg      settings.Settings
	store    *tables.Account
	heads    logHeads
	archived []entra.Stream
	tenant   string
	log      *slog.Logger
}

func openImport(ctx context.Context, getenv func(string) string, stderr io.Writer) (o opened, err error) {
	if o.cfg, err = settings.Load(getenv); err != nil {
		return o, err
	}
	o.log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if o.store, o.heads, err = (outside{}).storage(o.cfg, getenv, o.log); err != nil {
		return o, err
	}
	if o.archived, err = streams.New(o.cfg.Streams, o.store.Archive).All(ctx); err != nil {
		return o, err
	}
	at, err := o.store.Now(ctx)
	if err == nil {
		err = clocks.Two(at, time.Now())
	}
	if err != nil {
		return o, err
	}
	o.tenant, err = tenantOf(ctx, o.store, o.archived)
	return o, err
}

func (o opened) adder() *arrivals.Adder {
	return arrivals.New(o.store.Archive, o.heads, o.cfg.Retention, time.Now, o.log)
}

// whichArchive names the archive by where it is, without what opens it: keys and signatures change.
func whichArchive(cfg settings.Settings) string {
	if cfg.StorageURI != "" {
		return strings.ToLower(strings.TrimRight(cfg.StorageURI, "/"))
	}
	var out []string
	for part := range strings.SplitSeq(cfg.StorageConnection, ";") {
		name, _, _ := strings.Cut(part, "=")
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case "", "accountkey", "sharedaccesssignature":
		default:
			out = append(out, strings.ToLower(strings.TrimSpace(part)))
		}
	}
	slices.Sort(out)
	return strings.Join(out, ";")
}

// tenantOf is the tenant that the archive is of: collecting writes it to the row of each log.
func tenantOf(ctx context.Context, store *tables.Account, archived []entra.Stream) (string, error) {
	var ids []string
	for _, s := range archived {
		p, err := store.Archive.Progress(ctx, s)
		if err != nil {
			return "", err
		}
		if p.Tenant != "" {
			ids = append(ids, strings.ToLower(p.Tenant))
		}
	}
	slices.Sort(ids)
	switch ids = slices.Compact(ids); len(ids) {
	case 0:
		return "", &entra.Error{Code: entra.CodeConflict, Doing: "import files",
			Why:    "the archive does not say yet of which tenant it is",
			Remedy: "let the timer archivelogs run once with this version, and import then"}
	case 1:
		return ids[0], nil
	}
	return "", &entra.Error{Code: entra.CodeTampered, Doing: "import files",
		Why:    "the rows of the archive's logs name different tenants: " + strings.Join(ids, ", "),
		Remedy: "find out whose archive this is before anything is added to it"}
}

// printImports writes what became of the files, and their sums.
func printImports(out io.Writer, all []runs.Summary, asJSON bool) error {
	sum := runs.Sum(all)
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(struct {
			Files []runs.Summary `json:"files"`
			Total runs.Totals    `json:"total"`
		}{all, sum})
	}
	for _, s := range all {
		s.Print(out)
	}
	_, err := fmt.Fprintln(out, sum)
	return err
}
