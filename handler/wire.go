package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/blobs"
	"github.com/entraledger/entraledger/internal/clocks"
	archivecollect "github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/lastseen"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/mim"
	"github.com/entraledger/entraledger/internal/mim/deliveries"
	"github.com/entraledger/entraledger/internal/preflight"
	archivepurge "github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/sealing"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/tables"
	archiveverify "github.com/entraledger/entraledger/internal/verify"
	"github.com/entraledger/entraledger/internal/web"
)

// requestSlice is how long one HTTP request works on a job that needs several: well below the 230
// seconds after which Azure's load balancer gives up, and the 120 of Power Automate.
const requestSlice = 20 * time.Second

// outside is how the program reaches what is not part of it. The zero value is what runs in Azure.
type outside struct {
	Graph    http.RoundTripper      // of requests to Graph; nil: net/http's default
	Storage  *http.Client           // of requests to tables and blobs; nil: their packages' own
	Identity azcore.TokenCredential // of all requests; nil: the managed identity, or the developer's
	AtOnce   int                    // streams, windows and checks at a time; 0: as their packages have it
	Steady   bool                   // pauses before Graph is asked again are not spread at random
}

// wire makes the clients and the functions. It sends nothing: the host is waiting for the port to
// open.
func wire(
	cfg settings.Settings, program preflight.Binary, getenv func(string) string, log *slog.Logger, out outside,
) (*web.Host, error) {
	parts, err := clients(cfg, getenv, log, out)
	if err != nil {
		return nil, err
	}
	parts.Binary = program
	host, err := web.Serve(log, cfg.PublicBaseURL, functions.All(parts)...)
	if err == nil {
		host.KeepQuestions(parts.Questions)
	}
	if cfg.RequireRoles && err == nil {
		host.RequireRoles(cfg.Authenticated)
	}
	if cfg.AttributeAudits && err == nil {
		host.AllowAttributes()
	}
	return host, err
}

// clients makes what the functions work with.
func clients(
	cfg settings.Settings, getenv func(string) string, log *slog.Logger, out outside,
) (parts functions.Parts, err error) {
	if sum := cfg.ArchiveRequestsPer10s + cfg.SnapshotRequestsPer10s; sum > graph.ReportingCeiling {
		log.Warn("GRAPH_REQUESTS_PER_10S is above what Graph allows", "requests", sum, "ceiling",
			graph.ReportingCeiling)
	}
	identity, err := out.credential(cfg, getenv, getenv("AZURE_CLIENT_ID"))
	if err != nil {
		return parts, err
	}
	store, heads, err := out.storage(cfg, getenv, log)
	if err != nil {
		return parts, err
	}
	limiter := graph.NewSharedLimiter(cfg.ArchiveRequestsPer10s, store.Slots("archive"))
	source, err := out.graphClient(cfg, identity, limiter, log)
	if err != nil {
		return parts, err
	}
	snapshotLimiter := graph.NewSharedLimiter(cfg.SnapshotRequestsPer10s, store.Slots("snapshot"))
	snapshotSource, err := out.graphClient(cfg, identity, snapshotLimiter, log)
	if err != nil {
		return parts, err
	}
	clocks := timekeeper(cfg, source, store, log)
	parts = functions.Parts{Settings: cfg, InForce: settings.Show(getenv),
		Simulated: simulated(cfg.GraphEndpoint), Slice: requestSlice, Now: time.Now,
		Clock: clocks.Now, Ledger: store.Archive, Records: store.Searched(), Evidence: store.Evidence(),
		Index: store.Searched(), Jobs: store.Jobs, Heads: heads, Streams: streams.New(cfg.Streams, store.Archive),
		Gaps: search.NewGaps(store.Archive), Counts: search.NewCounts(),
		Purger:   archivepurge.New(store.Archive, store.Views, heads, cfg.Retention),
		Repairer: newRepairer(cfg, source, store, heads), Cursors: cursors.New(store.Secrets, store.Readers, time.Now)}
	parts.Questions = questions.New(store.Questions, time.Now)
	parts.Adder = arrivals.New(store.Archive, heads, cfg.Retention, time.Now, log)
	parts.Snapshots = directory.NewReader(store.Directory, parts.Cursors, time.Now)
	parts.Collector = archivecollect.New(source, store.Archive, heads, archivecollect.Options{Backfill: cfg.Backfill,
		Passes: cfg.Passes, AlertAfter: cfg.AlertAfter, Parallel: out.AtOnce, Writers: out.AtOnce,
		Simulated: parts.Simulated, Tenant: source.TenantID}, time.Now, log)
	tenant := graph.NewDirectory(snapshotSource)
	parts.Tenant = tenant
	parts.Exceptions = directory.NewExceptions(parts.Snapshots, tenant, requestSlice)
	parts.Snapshotter = snapshots.NewSnapshotter(timedTenant{tenant, clocks},
		store.Directory,
		lastseen.New(store.Searched(), log),
		snapshots.Options{Groups: cfg.SnapshotGroups, Grace: cfg.Grace, Every: snapshotEvery}, time.Now, log)
	parts.Users = graph.NewDirectory(snapshotSource)
	if err := deliver(&parts, cfg, store, log); err != nil {
		return parts, err
	}
	parts.Checks = func(ctx context.Context) []preflight.Check {
		probed := preflightOf(cfg, &graph.Prober{Logs: source, Directory: graph.NewDirectory(source)}, store, heads)
		probed.AtOnce = out.AtOnce
		return preflight.Run(ctx, probed)
	}
	parts.Runs = &runs.Recorder{Store: store.Jobs, Version: version, Now: time.Now, Log: log}
	once := &preflight.Once{Store: store.Jobs, Version: version, Checks: parts.Checks, Now: time.Now, Log: log}
	parts.Preflight = once.Run
	return parts, nil
}

// deliver makes what takes the events of Identity Manager's servers.
func deliver(
	parts *functions.Parts, cfg settings.Settings, store *tables.Account, log *slog.Logger,
) error {
	take, err := deliveriesOf(cfg, store, parts.Adder, log)
	if err != nil {
		return err
	}
	take.Slice = deliverySlice
	parts.Deliveries, parts.Computers = take, store.Deliveries
	parts.Expire = func(ctx context.Context) error {
		_, err := take.Expire(ctx)
		return errors.Join(err, parts.Questions.Expire(ctx))
	}
	return nil
}

// deliveriesOf makes what takes events of Identity Manager into the archive.
func deliveriesOf(
	cfg settings.Settings, store *tables.Account, adder *arrivals.Adder, log *slog.Logger,
) (deliveries.Config, error) {
	into := deliveries.Into{Adder: adder, Aside: store.Archive, Now: time.Now}
	take := deliveries.Config{Store: store.Deliveries, Archive: into, Now: time.Now, Log: log}
	rules, err := mim.Shipped()
	if err != nil {
		return take, err
	}
	take.Rules = rules
	if cfg.PartsKeyUnresolved {
		log.Warn("MIM_PARTS_KEY is a reference to Key Vault that the platform could not resolve: " +
			"parts of Identity Manager's requests are refused")
	}
	if cfg.PartsKey != nil {
		take.Vault, err = mim.NewVault(cfg.PartsKey)
	}
	return take, err
}

// deliverySlice is how long one delivery may take: below the 230 seconds after which Azure's load
// balancer gives up.
const deliverySlice = 100 * time.Second

// timekeeper is the clock for reads, purges and ages.
func timekeeper(
	cfg settings.Settings, source *graph.Client, store *tables.Account, log *slog.Logger,
) clocks.Timekeeper {
	from := logs.MicrosoftGraph()
	out := clocks.Timekeeper{SourceName: from.Name, SourceTitle: from.Title, Source: source.Now, Storage: store.Now,
		Machine: time.Now, Log: log}
	if simulated(cfg.GraphEndpoint) {
		out.Storage = nil
	}
	return out
}

// timedTenant is the tenant's directory with a clock that can be trusted.
type timedTenant struct {
	*graph.Directory
	clocks clocks.Timekeeper
}

// Now is snapshots.Source's.
func (t timedTenant) Now(ctx context.Context) (time.Time, error) { return t.clocks.Now(ctx) }

// simulated reports whether the tenant is one on this machine: nothing else is reached over plain
// HTTP.
func simulated(endpoint string) bool { return strings.HasPrefix(endpoint, "http://") }

// graphClient is a client of Microsoft Graph with a share of its ceiling.
func (o outside) graphClient(
	cfg settings.Settings, identity azcore.TokenCredential, limiter *graph.Limiter, log *slog.Logger,
) (*graph.Client, error) {
	return graph.New(graph.Config{Endpoint: cfg.GraphEndpoint, Scope: cfg.GraphScope, Credential: identity,
		Limiter: limiter, Version: version, Transport: o.Graph, Steady: o.Steady, Log: log})
}

// preflightOf is what is looked at before anything else.
func preflightOf(
	cfg settings.Settings, tenant *graph.Prober, store *tables.Account, heads logHeads,
) preflight.Config {
	out := preflight.Config{Tenant: tenant, Storage: store, Streams: cfg.Streams,
		Groups: len(cfg.SnapshotGroups) > 0, Clock: time.Now}
	out.Hidden = func(ctx context.Context) error {
		members, _ := collections.All().Of(collections.GroupMembers)
		for _, group := range cfg.SnapshotGroups {
			q := collections.Query{Collection: members, Group: group}
			if err := tenant.Directory.Readable(ctx, q); err != nil {
				return err
			}
		}
		return nil
	}
	out.ReadBy = func(role string) string { return readBy(cfg, role) }
	if blobs, ok := heads.(*blobs.Store); ok {
		out.Blobs = blobs
	}
	if cfg.RequireRoles {
		out.Callers = func() error {
			if cfg.Authenticated {
				return nil
			}
			return web.AuthenticationOff()
		}
	}
	return out
}

// readBy says who is given the records of a log that takes an app role of its own.
func readBy(cfg settings.Settings, role string) string {
	switch {
	case cfg.RequireRoles:
		return "its records are given to callers with the app role " + role + " beside another one"
	case cfg.AttributeAudits:
		return "its records are given to everybody who has a function key: HTTP_ATTRIBUTE_AUDITS is allow"
	}
	return "its records are archived, and given to nobody: without HTTP_AUTHORIZATION entra (then to " +
		"callers with the " +
		"app role " + role + ") they take HTTP_ATTRIBUTE_AUDITS allow"
}

// snapshotEvery is the age from which a new snapshot is made: less than a day, so that an early
// timer does not put it off to the next night, and more than a night.
const snapshotEvery = 12 * time.Hour

// logHeads keeps and reads the heads of the logs of seals; nil: there is no place for them.
type logHeads interface {
	sealing.HeadWriter
	archiveverify.HeadLister
}

// storage is the archive's account: its tables, and its blobs for the heads of the logs.
func (o outside) storage(
	cfg settings.Settings, getenv func(string) string, log *slog.Logger,
) (*tables.Account, logHeads, error) {
	clientID := cfg.StorageClientID
	if clientID == "" {
		clientID = getenv("AZURE_CLIENT_ID")
	}
	identity, err := o.credential(cfg, getenv, clientID)
	if err != nil {
		return nil, nil, err
	}
	store, err := tables.New(tables.Config{ConnectionString: cfg.StorageConnection, ServiceURI: cfg.StorageURI,
		Credential: identity, HTTP: o.Storage})
	if err != nil {
		return nil, nil, err
	}
	heads, err := o.headStore(cfg, identity, log)
	return store, heads, err
}

// headStore is where the heads of the logs go. A connection string without blobs, as a test's may
// be, means none.
func (o outside) headStore(
	cfg settings.Settings, identity azcore.TokenCredential, log *slog.Logger,
) (logHeads, error) {
	where := blobs.Config{ConnectionString: cfg.StorageConnection, Credential: identity, HTTP: o.Storage}
	if cfg.StorageURI != "" {
		uri, err := blobs.ServiceURI(cfg.StorageURI)
		if err != nil {
			return nil, err
		}
		where.ServiceURI = uri
	}
	heads, err := blobs.New(where)
	if errors.Is(err, blobs.ErrNoBlobs) {
		log.Warn("ARCHIVE_STORAGE has no BlobEndpoint: the heads of the logs are kept in the tables only")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return heads, nil
}
