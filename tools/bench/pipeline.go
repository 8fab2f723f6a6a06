package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// pipeline is Entra Ledger's own way: one run of the collector over one stream, as the timer
// function makes it.
func pipeline(ctx context.Context, j job) (outcome, error) {
	// What the collector logs would be written to a pipe that the Functions host reads; errors are
	// worth seeing here.
	log := slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	source, err := newSource(j, log)
	if err != nil {
		return outcome{}, err
	}
	counted := newCountingTransport()
	store, err := tablestest.New(tables.Config{ConnectionString: j.Tables, HTTP: &http.Client{Transport: counted}})
	if err != nil {
		return outcome{}, err
	}
	options := collect.Options{Simulated: true, Passes: []time.Duration{3 * time.Hour, onePassMore}}
	collector := collect.New(source, store, nil, options, time.Now, log)
	did, err := collector.Run(ctx, ledger.Execution{ID: "bench", Work: "bench"},
		[]entra.Stream{logs.SignInsInteractiveUser}, j.Limit)
	if err != nil {
		return outcome{}, fmt.Errorf("archive the sign-ins: %w", err)
	}
	got := outcome{TableRequests: counted.requests.Load()}
	for _, s := range did.Streams {
		got.Records += s.New + s.Changed // a changed record is stored beside its earlier version
		got.Refused += int64(s.Quarantined)
	}
	if !did.Finished {
		got.Stopped = "the run's budget ended before all was read"
	}
	return got, nil
}

// onePassMore is the age of a pass that will read again all that the tenant has, so that nothing
// needs a second read in the run that is measured: what that costs is a row of its own.
const onePassMore = 30*24*time.Hour - time.Hour

// unlimited is a share of Graph's ceiling that no run reaches: the benchmark measures the work, not
// the waiting, and the simulated tenant does not throttle here.
const unlimited = 1_000_000

// newSource is the Graph client as the handler wires it.
func newSource(j job, log *slog.Logger) (*graph.Client, error) {
	if err := useIdentity(j); err != nil {
		return nil, err
	}
	credential, err := azidentity.NewManagedIdentityCredential(nil)
	if err != nil {
		return nil, fmt.Errorf("sign in: %w", err)
	}
	return graph.New(graph.Config{
		Endpoint: j.Graph, Scope: "https://graph.microsoft.com/.default", Credential: credential,
		Limiter: graph.NewLimiter(unlimited), Version: "bench", Log: log,
	})
}
