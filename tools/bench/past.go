package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// past is what the thirty days before the first run cost: to read them once, to read again what no
// pass reads, and, where a version before archived them in the poorer form, to bring them to the
// richer one and seal them again. All streams that are collected by default.
type past struct {
	Users                int     `json:"users"`
	Records              int64   `json:"records"`
	ReadOnce             int64   `json:"readOnceGraphRequests"`
	ReadTwice            int64   `json:"confirmedGraphRequests"`
	Enriched             int64   `json:"enrichedRecords"`
	EnrichGraph          int64   `json:"enrichGraphRequests"`
	EnrichTables         int64   `json:"enrichTableRequests"`
	SealedAgain          int64   `json:"hoursSealedAgain"`
	EnrichCPU            float64 `json:"enrichCPUSeconds"` // of the tenant and the table server, too
	RowBytes, EnrichedTo float64 // bytes stored a record, before and after
}

func (p plan) measurePast(ctx context.Context) ([]past, error) {
	var out []past
	for _, users := range []int{50, 1_000} {
		progress(fmt.Sprintf("the past of %s users: read once, confirmed, brought to the richer form",
			grouped(int64(users))))
		f, err := measurePast(ctx, users, p.seed, p.now)
		if err != nil {
			return nil, fmt.Errorf("the past of %d users: %w", users, err)
		}
		out = append(out, f)
	}
	return out, nil
}

func measurePast(ctx context.Context, users int, seed uint64, now time.Time) (past, error) {
	out := past{Users: users}
	read := func(options collect.Options, source func(collect.Source) collect.Source) (*pastArchive, error) {
		a, err := newPastArchive(ctx, users, seed, now)
		if err != nil {
			return nil, err
		}
		return a, a.run(ctx, options, source(a.source))
	}
	asIs := func(s collect.Source) collect.Source { return s }
	// The age of the pass is one that a tenant still has, so nothing needs a second read now.
	once, err := read(collect.Options{Simulated: true, Passes: []time.Duration{3 * time.Hour, onePassMore}}, asIs)
	if err != nil {
		return out, err
	}
	defer once.stop()
	out.ReadOnce, out.Records = once.asked.requests.Load(), tallyOf(ctx, once.store).Records
	twice, err := read(collect.Options{Simulated: true}, asIs)
	if err != nil {
		return out, err
	}
	defer twice.stop()
	out.ReadTwice = twice.asked.requests.Load()

	thin, err := read(collect.Options{Simulated: true}, func(s collect.Source) collect.Source { return poorly{s} })
	if err != nil {
		return out, err
	}
	defer thin.stop()
	if err := thin.forgetEnriched(ctx); err != nil {
		return out, err
	}
	before := tallyOf(ctx, thin.store)
	graphBefore, tablesBefore, sealsBefore, cpu := thin.asked.requests.Load(), thin.counted.requests.Load(),
		sealsOf(ctx, thin.store), cpuSeconds()
	if err := thin.run(ctx, collect.Options{Simulated: true}, thin.source); err != nil {
		return out, err
	}
	out.EnrichGraph, out.EnrichTables = thin.asked.requests.Load()-graphBefore,
		thin.counted.requests.Load()-tablesBefore
	out.SealedAgain, out.EnrichCPU = sealsOf(ctx, thin.store)-sealsBefore, cpuSeconds()-cpu
	after := tallyOf(ctx, thin.store)
	out.Enriched = after.Versions - before.Versions
	out.RowBytes, out.EnrichedTo = ratio(float64(before.StoredBytes), float64(before.Records)),
		ratio(float64(after.StoredBytes), float64(after.Records))
	return out, nil
}

// poorly asks a source for the poorer form of what has two, as the version before did.
type poorly struct{ collect.Source }

// Pages is collect.Source's. The archive does not see that it is the poorer form: nothing falls
// back.
func (s poorly) Pages(ctx context.Context, q entra.Query) iter.Seq2[entra.Page, error] {
	if forms := logs.Of(q.Stream).Forms; len(forms) > 1 {
		q.Form = forms[1]
	}
	return s.Source.Pages(ctx, q)
}

// pastArchive is a tenant whose clock does not move, and an archive of it.
type pastArchive struct {
	walk
	stop func()
}

func newPastArchive(ctx context.Context, users int, seed uint64, now time.Time) (*pastArchive, error) {
	exactly := make(map[entra.Stream]int)
	for _, stream := range logs.Streams() {
		exactly[stream] = max(1, int(perUserAndDay[stream]*float64(users)*29))
	}
	tenant, err := simtenant.New(simtenant.Config{IdentityHeader: identityHeader, TokenLifetime: 24 * time.Hour,
		Now: now,
		Generate: &generate.Config{Seed: seed, Users: users, Apps: max(5, users/20), Days: 29, End: now.Add(-time.Hour),
			Policies: 6, Exactly: exactly}})
	if err != nil {
		return nil, err
	}
	tenant.Freeze(now)
	a := &pastArchive{}
	a.walk, a.stop, err = newWalk(ctx, tenant)
	return a, err
}

// run has the collector run until nothing is left to do.
func (a *pastArchive) run(ctx context.Context, options collect.Options, source collect.Source) error {
	for n := range 40 {
		collector := collect.New(source, a.store, nil, options, a.tenant.Now, slog.New(slog.DiscardHandler))
		report, err := collector.Run(ctx, ledger.Execution{ID: fmt.Sprint("bench ", n), Work: "bench"},
			logs.DefaultStreams(), 10*time.Minute)
		if err != nil {
			return err
		}
		sealed := 0
		for _, s := range report.Streams {
			sealed += s.Sealed
		}
		if n > 0 && report.Finished && sealed == 0 {
			return nil
		}
	}
	return fmt.Errorf("read the past: it is not done after 20 runs")
}

// forgetEnriched removes from the ledger what the version before does not write: how far everything
// was read in the richest form.
func (a *pastArchive) forgetEnriched(ctx context.Context) error {
	service, err := aztables.NewServiceClientFromConnectionString(a.connection, nil)
	if err != nil {
		return err
	}
	coverage := service.NewClient("coverage")
	for _, stream := range logs.DefaultStreams() {
		got, err := coverage.GetEntity(ctx, string(stream), "progress", nil)
		if err != nil {
			return err
		}
		var row map[string]any
		if err := json.Unmarshal(got.Value, &row); err != nil {
			return err
		}
		delete(row, "EnrichedTo")
		delete(row, "EnrichedTo@odata.type")
		body, err := json.Marshal(row)
		if err != nil {
			return err
		}
		if _, err := coverage.UpsertEntity(ctx, body,
			&aztables.UpsertEntityOptions{UpdateMode: aztables.UpdateModeReplace}); err != nil {
			return err
		}
	}
	return nil
}

// sealsOf counts the entries of all logs of seals.
func sealsOf(ctx context.Context, store *tablestest.Store) (n int64) {
	for _, stream := range logs.DefaultStreams() {
		p, err := store.Progress(ctx, stream)
		if err != nil {
			return 0 // the run before it would have failed, too
		}
		n += p.Seals
	}
	return n
}

func (r report) printPast(out io.Writer) {
	if len(r.Past) == 0 {
		return
	}
	t := newTable(out, "The thirty days before the first run, all streams: read once, and confirmed by a second read",
		"users", "records", "Graph requests, once",
		"confirmed", "per 1,000 records, once", "confirmed")
	for _, p := range r.Past {
		per := func(n int64) string { return fmt.Sprintf("%.2f", ratio(float64(n)*1000, float64(p.Records))) }
		t.AppendRow(table.Row{grouped(int64(p.Users)), grouped(p.Records), grouped(p.ReadOnce), grouped(p.ReadTwice),
			per(p.ReadOnce), per(p.ReadTwice)})
	}
	t.Render()
	fmt.Fprintln(out)
	t = newTable(out, "An archive of thirty days in v1.0, brought to beta", "users", "records enriched",
		"hours sealed again", "Graph requests", "table requests",
		"CPU s (all sides)", "bytes stored a record, before", "after")
	for _, p := range r.Past {
		t.AppendRow(table.Row{grouped(int64(p.Users)), grouped(p.Enriched), grouped(p.SealedAgain),
			grouped(p.EnrichGraph), grouped(p.EnrichTables),
			fmt.Sprintf("%.0f", p.EnrichCPU), fmt.Sprintf("%.0f", p.RowBytes), fmt.Sprintf("%.0f", p.EnrichedTo)})
	}
	t.Render()
	fmt.Fprintln(out)
}
