package main

import (
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/simtenant"
	"github.com/entraledger/entraledger/internal/simtenant/generate"
)

// collector is what wire makes of the archive, in this process and with a graph client that does not wait long.
func (s *system) collector() *archive.Collector {
	source, err := graph.New(graph.Config{
		Endpoint: s.graph.URL, Scope: "https://graph.microsoft.com/.default", Credential: s, Limiter: graph.NewLimiter(100_000),
		BackOff: time.Millisecond, Timeout: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	require.NoError(s, err)
	return archive.NewCollector(source, s.store, s.heads, archive.Options{Backfill: 5 * 24 * time.Hour}, time.Now, slog.New(slog.DiscardHandler))
}

// TestFaultsOfGraphLoseAndDoubleNothing walks every fault of the tenant; each passes by itself.
func TestFaultsOfGraphLoseAndDoubleNothing(t *testing.T) {
	streams := []entra.Stream{entra.SignInsInteractiveUser, entra.SignInsNonInteractiveUser, entra.Provisioning}
	for _, kind := range simtenant.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			s := newSystem(t, simtenant.Config{PageSize: 40, Generate: &generate.Config{Seed: 3, Users: 50, Apps: 4, Days: 2, Policies: 1, Exactly: map[entra.Stream]int{
				entra.SignInsInteractiveUser: 130, entra.SignInsNonInteractiveUser: 90, entra.Provisioning: 90}}})
			s.tenant.Inject(simtenant.Fault{Kind: kind, After: 2, Count: 2, Delay: 3 * time.Minute, RetryAfter: "0"})
			archive := s.collector()
			_, err := archive.Run(t.Context(), "with the fault", streams, time.Minute)
			if !slices.Contains([]simtenant.Kind{simtenant.NoPermission, simtenant.NoLicence, simtenant.TokenExpired}, kind) {
				require.NoError(t, err)
			}
			require.Positive(t, s.tenant.Happened(kind))
			s.tenant.ClearFaults()
			_, err = archive.Run(t.Context(), "after it", streams, time.Minute)
			require.NoError(t, err)
			s.requireArchived(streams...)
		})
	}
}
