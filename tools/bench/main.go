// Command bench measures Entra Ledger's pipeline beside the obvious program: the SDK's typed page
// iterator with one upsert a record. Both archive the same generated sign-ins, which a simulated
// tenant in a process of its own serves over a socket, into Azurite and into a table server that
// discards. Every measured run is a process of its own. It is a benchmark and not a test: a missed
// aim is printed and fails nothing.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 && os.Args[1] == "child" {
		return runChild(map[string]func(context.Context, job, io.Writer) error{
			"server":   serve,
			"azurite":  serveAzurite,
			"bulk":     serveBulk,
			"obvious":  competitor(obvious),
			"pipeline": competitor(pipeline),
			"floor":    competitor(measureFloor),
			"snapshot": competitor(takeSnapshot),
			"readback": competitor(readBack),
		})
	}
	p, err := parsePlan(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, p.total)
	defer cancel()
	r, err := p.run(ctx)
	if err != nil {
		return err
	}
	r.print(os.Stdout)
	if p.out != "" {
		return r.write(p.out)
	}
	return nil
}

// plan is what the flags ask for.
type plan struct {
	records   int
	seed      uint64
	gzip      bool
	schedules bool
	days      bool
	seals     bool
	past      bool
	directory bool
	load      bool
	reading   int
	verify    int
	parallel  int
	tables    []string
	programs  []string
	flat      []int
	limit     time.Duration
	total     time.Duration
	out       string
	profiles  string
	now       time.Time
}

func parsePlan(args []string) (plan, error) {
	// The simulated tenant has its own clock, so that the same seed always gives the same sign-ins.
	p := plan{now: time.Date(2026, time.November, 21, 12, 0, 0, 0, time.UTC)}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.IntVar(&p.records, "records", 100_000, "sign-ins that the simulated tenant holds")
	flags.Uint64Var(&p.seed, "seed", 1, "seed of the generated sign-ins")
	flags.BoolVar(&p.gzip, "gzip", true, "the tenant compresses its answers, as Graph does")
	flags.IntVar(&p.parallel, "parallel", 1, "upserts at a time of the obvious program")
	tables := flags.String("tables", "discard,azurite", "which table servers: discard, azurite")
	programs := flags.String("programs", "pipeline,obvious", "which programs: pipeline, obvious, or none")
	flat := flags.Bool("flat", true, "measure the pipeline's memory with 10,000, 100,000 and 1,000,000 records too")
	flags.BoolVar(&p.days, "days", true, "measure a day of archiving, for docs/cost.md")
	flags.BoolVar(&p.seals, "seals", true, "measure what the seals of a day cost")
	flags.BoolVar(&p.past, "past", true, "measure what the past before the first run costs, and what a row takes")
	flags.BoolVar(&p.schedules, "schedules", true, "measure what reading again costs in Graph requests")
	flags.IntVar(&p.reading, "reading", 1_000_000,
		"sign-ins of a year in which searches and a download are measured; 0: none")
	flags.IntVar(&p.verify, "verify", 200_000, "sign-ins that are read back in each way and verified; 0: none")
	flags.BoolVar(&p.directory, "directory", true, "measure a snapshot of the directory, and answers from one")
	flags.BoolVar(&p.load, "load", true, "measure many callers at once of the program itself")
	flags.DurationVar(&p.limit, "limit", 4*time.Minute,
		"longest time for one run; what it got through by then is reported")
	flags.DurationVar(&p.total, "total", 30*time.Minute, "longest time for everything")
	flags.StringVar(&p.out, "out", "", "write the figures to this file as JSON")
	flags.StringVar(&p.profiles, "profiles", "", "write a CPU profile of each run into this folder; it costs "+
		"the runs a little")
	if err := flags.Parse(args); err != nil {
		return p, err
	}
	if flags.NArg() > 0 {
		return p, fmt.Errorf("unknown argument %q: all options are flags, -h lists them", flags.Arg(0))
	}
	if p.records < 1 {
		return p, fmt.Errorf("-records is %d: at least 1 is needed", p.records)
	}
	var err error
	if p.tables, err = choices("tables", *tables, "discard", "azurite"); err != nil {
		return p, err
	}
	if *programs != "none" {
		if p.programs, err = choices("programs", *programs, "pipeline", "obvious"); err != nil {
			return p, err
		}
	}
	if *flat {
		p.flat = []int{10_000, 100_000, 1_000_000}
	}
	return p, nil
}

// choices splits a list and refuses words that are not among the accepted ones.
func choices(name, list string, accepted ...string) ([]string, error) {
	chosen := strings.Split(list, ",")
	for _, word := range chosen {
		found := false
		for _, a := range accepted {
			found = found || a == word
		}
		if !found {
			return nil, fmt.Errorf("-%s is %q: accepted are %s, separated by commas", name, list,
				strings.Join(accepted, ", "))
		}
	}
	return chosen, nil
}
