package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// run carries out the plan, one measured process at a time.
func (p plan) run(ctx context.Context) (report, error) {
	r := report{At: time.Now().UTC(), Machine: machine(), Seed: p.seed, Records: p.records}
	for _, part := range []struct {
		asked   bool
		measure func(context.Context, *report) error
	}{
		{p.programs != nil, p.measurePrograms},
		{slices.Contains(p.programs, "pipeline"), p.measureFlatness},
		{p.schedules, into(p.measureSchedules, func(r *report) *[]schedule { return &r.Schedules })},
		{p.seals, into(p.measureSealing, func(r *report) *[]sealing { return &r.Sealing })},
		{p.days, into(p.measureDays, func(r *report) *[]day { return &r.Days })},
		{p.past, into(p.measurePast, func(r *report) *[]past { return &r.Past })},
		{p.past, into(p.measureColumns, func(r *report) *[]rowSize { return &r.Columns })},
		{p.reading > 0, func(ctx context.Context, r *report) (err error) {
			r.Reading, r.Download, err = p.measureReading(ctx)
			return err
		}},
		{p.verify > 0, into(p.measureReadback, func(r *report) *[]readback { return &r.Readback })},
		{p.directory, into(p.measureAnswers, func(r *report) *[]answerTime { return &r.Answers })},
		{p.load, p.measureLoad},
		{p.directory, into(p.measureSnapshot, func(r *report) **snapshotFigure { return &r.Snapshot })},
	} {
		if !part.asked {
			continue
		}
		if err := part.measure(ctx, &r); err != nil {
			return r, err
		}
	}
	r.Aims = r.judge()
	return r, nil
}

// into puts what is measured into its place in the report.
func into[T any](
	measure func(context.Context) (T, error), place func(*report) *T,
) func(context.Context, *report) error {
	return func(ctx context.Context, r *report) (err error) {
		*place(r), err = measure(ctx)
		return err
	}
}

// measurePrograms measures the floor, and each program into each table server.
func (p plan) measurePrograms(ctx context.Context, r *report) error {
	err := p.withTenant(ctx, p.records, func(at addresses) error {
		progress("floor: scan and compress")
		got, err := measure(ctx, p.job("floor", at, at.Tables))
		if err != nil {
			return err
		}
		if got.Floor != nil {
			r.Floor = *got.Floor
		}
		for _, tables := range p.tables {
			for _, program := range p.programs {
				f, err := p.figure(ctx, at, program, tables, p.records)
				if err != nil {
					return err
				}
				r.Figures = append(r.Figures, f)
			}
		}
		return nil
	})
	shareStoredBytes(r.Figures)
	return err
}

func (p plan) measureFlatness(ctx context.Context, r *report) (err error) {
	r.Flat, err = p.flatness(ctx, *r)
	return err
}

// flatness measures the pipeline's memory at sizes that are powers of ten apart.
func (p plan) flatness(ctx context.Context, r report) ([]figure, error) {
	var flat []figure
	for _, records := range p.flat {
		if f, ok := r.find("pipeline", "discard"); ok && records == p.records {
			flat = append(flat, f)
			continue
		}
		err := p.withTenant(ctx, records, func(at addresses) error {
			f, err := p.figure(ctx, at, "pipeline", "discard", records)
			flat = append(flat, f)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return flat, nil
}

// figure measures one program against one table server that holds nothing yet.
func (p plan) figure(ctx context.Context, at addresses, program, tables string, records int) (figure, error) {
	progress(fmt.Sprintf("%s -> %s, %s records", program, tables, grouped(int64(records))))
	if _, err := readCounts(ctx, http.MethodPost, at.Control); err != nil {
		return figure{}, err
	}
	f := figure{Competitor: program, Tables: tables, Asked: records}
	connection := at.Tables
	if tables == "azurite" {
		azurite, err := startChild(ctx, job{Role: "azurite"})
		if err != nil {
			return f, err
		}
		defer func() { _ = azurite.stop() }() // its end changes nothing that was measured
		if err := azurite.read(&connection); err != nil {
			return f, fmt.Errorf("start Azurite: %w", err)
		}
	}
	j := p.job(program, at, connection)
	j.Records = records
	if p.profiles != "" {
		j.Profile = filepath.Join(p.profiles, fmt.Sprintf("%s-%s-%d.pprof", program, tables, records))
	}
	got, err := measure(ctx, j)
	if err != nil {
		return f, fmt.Errorf("%s -> %s: %w", program, tables, err)
	}
	f.outcome = got
	seen, err := readCounts(ctx, http.MethodGet, at.Control)
	if err != nil {
		return f, err
	}
	f.GraphRequests = seen.GraphRequests
	if tables == "discard" {
		f.TableRequests = seen.Tables.Requests
		f.StoredBytes = ratio(float64(seen.Tables.StoredBytes), float64(seen.Tables.Records))
	}
	fmt.Fprintf(os.Stderr, "  %s records, %s records/s, %.2f CPU s per 100,000, %.0f MB\n",
		grouped(f.Records), grouped(int64(f.recordsPerSecond())), f.cpuPer100k(), f.PeakMB)
	return f, nil
}

func (p plan) job(role string, at addresses, connection string) job {
	return job{
		Role: role, Records: p.records, Seed: p.seed, Gzip: p.gzip, Now: p.now, Limit: p.limit, Parallel: p.parallel,
		Graph: at.Graph, Identity: at.Identity, Header: at.Header, Tables: connection,
	}
}

// withTenant runs work while a server process with that many sign-ins is up.
func (p plan) withTenant(ctx context.Context, records int, work func(addresses) error) (err error) {
	progress(fmt.Sprintf("simulated tenant with %s sign-ins", grouped(int64(records))))
	server, err := startChild(ctx, job{Role: "server", Records: records, Seed: p.seed, Gzip: p.gzip, Now: p.now})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.stop()) }()
	var at addresses
	if err := server.read(&at); err != nil {
		return fmt.Errorf("start the simulated tenant: %w", err)
	}
	return work(at)
}

// shareStoredBytes copies the size of a row, which only the discarding server counts, to Azurite: a
// program writes the same rows to both.
func shareStoredBytes(figures []figure) {
	for i := range figures {
		for _, f := range figures {
			if f.Competitor == figures[i].Competitor && figures[i].StoredBytes == 0 {
				figures[i].StoredBytes = f.StoredBytes
			}
		}
	}
}

func progress(line string) { fmt.Fprintln(os.Stderr, line) }
