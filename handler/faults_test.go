package main

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/archivetest"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// route says by which addresses a collector reaches Graph and the tables; empty: directly.
type route struct{ graph, tables string }

// collector is what wire makes of the archive, in this process and with clients that do not wait
// long.
func (s *system) collector(by route) *collect.Collector {
	store := s.store
	if by.graph == "" {
		by.graph = s.graph.URL
	}
	if by.tables != "" {
		var err error
		store, err = tablestest.New(tables.Config{ConnectionString: by.tables, Retries: 1,
			HTTP: &http.Client{Timeout: 3 * time.Second}})
		require.NoError(s, err)
	}
	source, err := graph.New(graph.Config{
		Endpoint: by.graph, Scope: "https://graph.microsoft.com/.default", Credential: s,
		Limiter: graph.NewLimiter(100_000),
		BackOff: time.Millisecond, Timeout: 2 * time.Second, Log: s.logger(),
	})
	require.NoError(s, err)
	// The simulated tenant's clock is the real one but for what a test adds to it.
	return collect.New(source, archivetest.Later{Store: store}, s.heads, collect.Options{Backfill: 5 * 24 * time.Hour,
		Simulated: true}, s.tenant.Now, s.logger())
}

// requireIntact verifies everything that is archived of streams: nothing may differ from what was
// sealed.
func (s *system) requireIntact(streams ...entra.Stream) (seals int64) {
	v := verify.Verification{Streams: streams}
	require.NoError(s, v.Work(s.Context(), s.store, s.heads, time.Now().Add(time.Minute)))
	require.True(s, v.Done())
	require.True(s, v.Intact(), "%+v", v.Findings)
	for _, h := range v.Heads {
		seals += h.Size
	}
	return seals
}

// TestFaultsOfGraphLoseAndDoubleNothing walks every fault of the tenant; each passes by itself.
func TestFaultsOfGraphLoseAndDoubleNothing(t *testing.T) {
	streams := []entra.Stream{logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser, logs.Provisioning}
	for _, kind := range simtenant.LogKinds() {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel() // it waits between tries most of the time
			s := newSystem(t, simtenant.Config{PageSize: 40, Generate: &generate.Config{Seed: 3, Users: 50, Apps: 4,
				Days: 2, Policies: 1, Exactly: map[entra.Stream]int{
					logs.SignInsInteractiveUser: 130, logs.SignInsNonInteractiveUser: 90, logs.Provisioning: 90}}})
			s.tenant.Inject(simtenant.Fault{Kind: kind, After: 2, Count: 2, Delay: 3 * time.Minute, RetryAfter: "0"})
			archive := s.collector(route{})
			_, err := archive.Run(t.Context(), archivetest.Execution(), streams, time.Minute)
			if !slices.Contains([]simtenant.Kind{simtenant.NoPermission, simtenant.NoLicence, simtenant.TokenExpired},
				kind) {
				require.NoError(t, err)
			}
			require.Positive(t, s.tenant.Happened(kind))
			s.tenant.ClearFaults()
			_, err = archive.Run(t.Context(), archivetest.Execution(), streams, time.Minute)
			require.NoError(t, err)
			s.requireArchived(streams...)
			s.requireIntact(streams...)
		})
	}
}
