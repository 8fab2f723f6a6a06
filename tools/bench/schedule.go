package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// A schedule is what reading costs while time passes: a run every five minutes over a stream of
// 60,000 events an hour. It is measured at a 25th: 2,400 events an hour in pages of 40. The passes
// are as many as by default, at 1, 2 and 3 hours, so that a few hours show all of them; at which
// age an hour is read again does not change what it costs.
const (
	scheduleScale   = 25
	schedulePerHour = 60_000 / scheduleScale // events an hour
	schedulePage    = 1000 / scheduleScale
	aimPer1000      = 4.4
)

// schedule is one way of reading and what it cost.
type schedule struct {
	Name     string  `json:"name"`
	Hours    int     `json:"hours"` // measured, once everything that is due in an hour is
	Requests int     `json:"requests"`
	Per1000  float64 `json:"requestsPer1000Records"` // as if in pages of 1,000
}

// measureSchedules compares the passes with what catches late records without them: an overlap of
// two hours.
func (p plan) measureSchedules(ctx context.Context) ([]schedule, error) {
	progress("schedules: a run every five minutes")
	azurite, err := startChild(ctx, job{Role: "azurite"})
	if err != nil {
		return nil, err
	}
	defer func() { _ = azurite.stop() }() // its end changes nothing that was measured
	var connection string
	if err := azurite.read(&connection); err != nil {
		return nil, fmt.Errorf("start Azurite: %w", err)
	}
	folder, err := os.MkdirTemp("", "entraledger-bench")
	if err != nil {
		return nil, fmt.Errorf("make records: %w", err)
	}
	defer os.RemoveAll(folder)
	begin := p.now.Truncate(time.Hour)
	if err := writeEvents(folder, begin, 12); err != nil {
		return nil, err
	}
	passes, err := runPasses(ctx, folder, connection, begin)
	if err != nil {
		return nil, fmt.Errorf("schedule of passes: %w", err)
	}
	overlap, err := runOverlap(ctx, folder, begin)
	if err != nil {
		return nil, fmt.Errorf("schedule with an overlap: %w", err)
	}
	return []schedule{passes, overlap}, nil
}

// writeEvents writes hours of evenly spaced events.
func writeEvents(folder string, begin time.Time, hours int) error {
	stream := logs.SignInsInteractiveUser
	file, err := os.Create(filepath.Join(folder, string(stream)+".jsonl"))
	if err != nil {
		return fmt.Errorf("make records: %w", err)
	}
	w := bufio.NewWriter(file)
	for i := range hours * schedulePerHour {
		at := begin.Add(time.Duration(i) * time.Hour / schedulePerHour)
		fmt.Fprintf(w, `{"id":"event-%07d",%q:%q}`+"\n", i, logs.Of(stream).TimeProperty, at.Format(time.RFC3339Nano))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("make records: %w", err)
	}
	if err := file.Close(); err != nil {
		return fmt.Errorf("make records: %w", err)
	}
	return nil
}

// anyToken is a credential of a tenant that has just been asked for it.
type anyToken string

func (t anyToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(t), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// serveEvents serves the folder's events, and makes a client for them.
func serveEvents(
	ctx context.Context, folder string, begin time.Time,
) (*simtenant.Tenant, *graph.Client, func(), error) {
	tenant, err := simtenant.New(simtenant.Config{Records: folder, Now: begin, PageSize: schedulePage,
		IdentityHeader: identityHeader, TokenLifetime: 24 * time.Hour})
	if err != nil {
		return nil, nil, nil, err
	}
	server := httptest.NewServer(tenant)
	token, err := fetchToken(ctx, job{Identity: server.URL + simtenant.IdentityPath, Header: identityHeader})
	if err != nil {
		server.Close()
		return nil, nil, nil, err
	}
	source, err := graph.New(graph.Config{Endpoint: server.URL, Scope: "bench", Credential: anyToken(token),
		Limiter: graph.NewLimiter(unlimited),
		Version: "bench", Log: slog.New(slog.DiscardHandler)})
	return tenant, source, server.Close, err
}

// runEveryFiveMinutes calls read with the tenant's clock at every run, and counts the requests of
// the last hours.
func runEveryFiveMinutes(
	tenant *simtenant.Tenant, begin time.Time, settled, end int, read func(now time.Time) error,
) (schedule, error) {
	out := schedule{Hours: end - settled}
	for now := begin.Add(5 * time.Minute); !now.After(begin.Add(time.Duration(end) * time.Hour)); now = now.Add(5 * time.Minute) {
		tenant.Freeze(now)
		before := len(tenant.Requests())
		if err := read(now); err != nil {
			return out, err
		}
		if now.After(begin.Add(time.Duration(settled) * time.Hour)) {
			out.Requests += len(tenant.Requests()) - before
		}
	}
	out.Per1000 = float64(out.Requests) * 1000 / float64(out.Hours*schedulePerHour*scheduleScale)
	return out, nil
}

// runPasses is the collector's way.
func runPasses(ctx context.Context, folder, connection string, begin time.Time) (schedule, error) {
	tenant, source, stop, err := serveEvents(ctx, folder, begin)
	if err != nil {
		return schedule{}, err
	}
	defer stop()
	store, err := tablestest.New(tables.Config{ConnectionString: connection})
	if err != nil {
		return schedule{}, err
	}
	options := collect.Options{Simulated: true, Backfill: time.Hour, Passes: []time.Duration{time.Hour, 2 * time.Hour,
		3 * time.Hour}}
	s, err := runEveryFiveMinutes(tenant, begin, 5, 11, func(now time.Time) error {
		collector := collect.New(source, store, nil, options, tenant.Now, slog.New(slog.DiscardHandler))
		_, err := collector.Run(ctx, ledger.Execution{ID: "bench " + now.String(), Work: "bench"},
			[]entra.Stream{logs.SignInsInteractiveUser}, time.Minute)
		return err
	})
	s.Name = "frontier and three passes"
	return s, err
}

// runOverlap reads the last two hours at every run, which catches less.
func runOverlap(ctx context.Context, folder string, begin time.Time) (schedule, error) {
	tenant, source, stop, err := serveEvents(ctx, folder, begin)
	if err != nil {
		return schedule{}, err
	}
	defer stop()
	s, err := runEveryFiveMinutes(tenant, begin, 3, 5, func(now time.Time) error {
		for page, err := range source.Pages(ctx, entra.Query{Stream: logs.SignInsInteractiveUser,
			From: now.Add(-2*time.Hour - 5*time.Minute), To: now}) {
			if err != nil {
				return err
			}
			page.Done()
		}
		return nil
	})
	s.Name = "an overlap of two hours, no pass"
	return s, err
}

func (r report) printSchedules(out io.Writer) {
	if len(r.Schedules) == 0 {
		return
	}
	t := newTable(out, "Reading 60,000 events an hour, a run every five minutes", "schedule", "hours",
		"Graph requests an hour", "requests per 1,000 records")
	for _, s := range r.Schedules {
		t.AppendRow(table.Row{s.Name, s.Hours, fmt.Sprintf("%.0f", float64(s.Requests)/float64(s.Hours)),
			fmt.Sprintf("%.2f", s.Per1000)})
	}
	t.Render()
	fmt.Fprintln(out)
}
