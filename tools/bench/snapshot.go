package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/lastseen"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// The directory of the snapshot.
const (
	snapshotUsers = 100_000
	snapshotApps  = 20_000
	aimSnapshotMB = 150.0
)

// snapshotFigure is a whole snapshot, made in one run.
type snapshotFigure struct {
	Users         int64   `json:"users"`
	Credentials   int64   `json:"credentials"`
	GraphRequests int64   `json:"graphRequests"`
	Reporting     float64 `json:"secondsAtTheShare"` // the time of its reporting requests at one request in ten seconds
	outcome
}

// takeSnapshot is one run of the snapshot's timer, without waiting for Graph's ceiling.
func takeSnapshot(ctx context.Context, j job) (outcome, error) {
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	client, err := newSource(j, log)
	if err != nil {
		return outcome{}, err
	}
	counted := newCountingTransport()
	store, err := tablestest.New(tables.Config{ConnectionString: j.Tables, HTTP: &http.Client{Transport: counted}})
	if err != nil {
		return outcome{}, err
	}
	s := snapshots.NewSnapshotter(graph.NewDirectory(client), store, lastseen.New(store, log), snapshots.Options{},
		time.Now, log)
	report, err := s.Run(ctx, j.Limit, true)
	if err != nil {
		return outcome{}, fmt.Errorf("take a snapshot: %w", err)
	}
	got := outcome{Records: report.Snapshot.Users, TableRequests: counted.requests.Load(), Snapshot: &report.Snapshot}
	if !report.Finished {
		got.Stopped = "the run's budget ended before all was read"
	}
	return got, nil
}

func (p plan) measureSnapshot(ctx context.Context) (*snapshotFigure, error) {
	progress(fmt.Sprintf("snapshot of %s users and %s applications -> azurite", grouped(snapshotUsers),
		grouped(snapshotApps)))
	server, err := startChild(ctx, job{Role: "server", Records: 1, Users: snapshotUsers, Apps: snapshotApps,
		Seed: p.seed, Gzip: p.gzip, Now: p.now})
	if err != nil {
		return nil, err
	}
	defer func() { _ = server.stop() }() // its end changes nothing that was measured
	var at addresses
	if err := server.read(&at); err != nil {
		return nil, fmt.Errorf("start the simulated tenant: %w", err)
	}
	azurite, err := startChild(ctx, job{Role: "azurite"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = azurite.stop() }() // likewise
	var connection string
	if err := azurite.read(&connection); err != nil {
		return nil, fmt.Errorf("start Azurite: %w", err)
	}
	got, err := measure(ctx, p.job("snapshot", at, connection))
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	f := &snapshotFigure{outcome: got}
	if got.Snapshot != nil {
		f.Users, f.Credentials, f.GraphRequests = got.Snapshot.Users, got.Snapshot.Credentials,
			got.Snapshot.GraphRequests
		// Users come 500 a page and count against the reporting ceiling, as the reports of use do;
		// applications do not.
		f.Reporting = 10 * float64(f.GraphRequests-2*(snapshotApps+998)/999)
	}
	return f, nil
}

func (r report) printSnapshot(out io.Writer) {
	if r.Snapshot == nil {
		return
	}
	s := r.Snapshot
	t := newTable(out, "A snapshot of the directory -> azurite, in one run", "users", "credentials", "s", "CPU s",
		"peak MB", "Graph requests", "table requests", "min at one reporting request in 10 s")
	t.AppendRow(table.Row{grouped(s.Users), grouped(s.Credentials), fmt.Sprintf("%.0f", s.Seconds),
		fmt.Sprintf("%.1f", s.CPUSeconds), fmt.Sprintf("%.0f", s.PeakMB),
		grouped(s.GraphRequests), grouped(s.TableRequests), fmt.Sprintf("%.0f", s.Reporting/60)})
	t.Render()
	fmt.Fprintln(out)
}
