// Package functions lists the functions of the app. Each is declared in its own folder, beside its
// function.json.
package functions

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/functions/applications"
	"github.com/entraledger/entraledger/functions/archivelogs"
	"github.com/entraledger/entraledger/functions/collect"
	"github.com/entraledger/entraledger/functions/cost"
	"github.com/entraledger/entraledger/functions/coverage"
	"github.com/entraledger/entraledger/functions/downloads"
	"github.com/entraledger/entraledger/functions/expiringcredentials"
	"github.com/entraledger/entraledger/functions/inactiveusers"
	"github.com/entraledger/entraledger/functions/indexarchive"
	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/functions/mim"
	preflightfunction "github.com/entraledger/entraledger/functions/preflight"
	"github.com/entraledger/entraledger/functions/purge"
	"github.com/entraledger/entraledger/functions/purgearchive"
	"github.com/entraledger/entraledger/functions/readers"
	"github.com/entraledger/entraledger/functions/reference"
	"github.com/entraledger/entraledger/functions/repair"
	"github.com/entraledger/entraledger/functions/reports"
	runsfunction "github.com/entraledger/entraledger/functions/runs"
	settingsfunction "github.com/entraledger/entraledger/functions/settings"
	"github.com/entraledger/entraledger/functions/snapshot"
	"github.com/entraledger/entraledger/functions/snapshotdirectory"
	statusfunction "github.com/entraledger/entraledger/functions/status"
	"github.com/entraledger/entraledger/functions/ui"
	"github.com/entraledger/entraledger/functions/users"
	"github.com/entraledger/entraledger/functions/verify"
	"github.com/entraledger/entraledger/functions/versionedlogs"
	"github.com/entraledger/entraledger/internal/arrivals"
	archivecollect "github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/ledger"
	archivelog "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
	archivepurge "github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/questions"
	archiverepair "github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/report"
	"github.com/entraledger/entraledger/internal/runs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/streams"
	archiveverify "github.com/entraledger/entraledger/internal/verify"
	"github.com/entraledger/entraledger/internal/web"
)

// Parts are what the functions work with. Of functions that are only to be described it may be
// empty.
type Parts struct {
	Settings  settings.Settings
	InForce   []settings.InForce
	Simulated bool             // the tenant has a time of its own
	Binary    preflight.Binary // which program this is
	Slice     time.Duration    // how long one request works on a job that needs several
	Now       func() time.Time
	Clock     func(context.Context) (time.Time, error) // one that can be trusted

	Ledger   ledger.Reader
	Records  logs.Archive
	Evidence archiveverify.Prover
	Index    derive.Store
	Jobs     jobs.Dropper
	Heads    archiveverify.HeadLister // nil: none are kept

	Streams     *streams.Known
	Gaps        *search.Gaps
	Counts      *search.Counts
	Collector   *archivecollect.Collector
	Adder       *arrivals.Adder
	Purger      *archivepurge.Purger
	Repairer    *archiverepair.Repairer
	Snapshotter *snapshots.Snapshotter
	Snapshots   *directory.Reader
	Exceptions  *directory.Exceptions
	Tenant      applications.Tenant
	Cursors     *cursors.Cursors
	Checks      func(context.Context) []preflight.Check
	Users       users.Tenant
	Deliveries  mim.Taker
	Computers   coverage.Deliveries
	Expire      func(context.Context) error // puts aside parts, and drops questions, that have waited for a day
	Questions   *questions.Questions        // that links stand for
	Preflight   func(context.Context)       // once, before the first run of a version
	Runs        *runs.Recorder              // notes what the timers' runs do; nil: nothing does
}

// All are the functions. What a run of a timer does is noted.
func All(p Parts) []web.Function {
	all := p.all()
	for i, f := range all {
		if f.Timer != nil && p.Runs != nil {
			all[i].Timer = noted(p.Runs, f)
		}
	}
	return all
}

// noted is a timer whose runs are noted.
func noted(r *runs.Recorder, f web.Function) web.Timer {
	return func(ctx context.Context) (result web.Result, err error) {
		end := r.Begin(ctx, f.Name, web.Invocation(ctx))
		err = errors.New("the program has a fault here") // a panic leaves it as it is
		defer func() { end(result.Summary, result.HandedOver, err) }()
		result, err = f.Timer(ctx)
		return result, err
	}
}

// timers are the functions that a timer starts.
func timers() []string {
	return []string{archivelogs.Name, indexarchive.Name, purgearchive.Name, snapshotdirectory.Name}
}

// all are the functions, one a line.
func (p Parts) all() []web.Function {
	return []web.Function{
		applications.New(p.Snapshots, p.Tenant),
		archivelogs.New(p.archivelogs()),
		collect.New(collect.Config{Collector: p.Collector, Jobs: p.Jobs, Streams: p.Streams, Now: p.Now,
			Slice: p.Slice}),
		cost.New(p.cost()),
		coverage.New(p.coverage()),
		downloads.New(downloads.Config{Archive: p.Records, Streams: p.Streams, Gaps: p.Gaps, Now: p.Now}),
		expiringcredentials.New(p.Snapshots),
		inactiveusers.New(p.Snapshots, p.Exceptions),
		indexarchive.New(indexarchive.Config{Store: p.Index, Streams: p.Streams, Budget: p.Settings.RunBudget,
			Expire: p.Expire}),
		logs.New(p.logs()),
		mim.New(p.Deliveries),
		preflightfunction.New(p.preflight()),
		purge.New(purge.Config{Purger: p.Purger, Streams: p.Streams, Clock: p.Clock}),
		purgearchive.New(p.purgearchive()),
		readers.New(p.Cursors),
		reference.New(p.Now),
		repair.New(repair.Config{Repairer: p.Repairer, Jobs: p.Jobs, Streams: p.Streams, Now: p.Now, Slice: p.Slice}),
		reports.New(p.reports()),
		runsfunction.New(runsfunction.Config{Store: p.Jobs, Timers: timers(), Now: p.Now}),
		settingsfunction.New(p.InForce, p.Now),
		snapshot.New(p.snapshot()),
		snapshotdirectory.New(p.snapshotdirectory()),
		statusfunction.New(p.Status()),
		ui.New(),
		users.New(users.Config{Snapshot: p.Snapshots, Tenant: p.Users, Jobs: p.Jobs, Now: p.Now, Slice: p.Slice}),
		verify.New(p.verify()),
		versionedlogs.New(p.logs()),
	}
}

func (p Parts) archivelogs() archivelogs.Config {
	return archivelogs.Config{Preflight: p.Preflight, Collector: p.Collector, Streams: p.Settings.Streams,
		Tend: p.tend, Budget: p.Settings.RunBudget, AlertAfter: p.Settings.AlertAfter}
}

// tend looks after the logs that are delivered.
func (p Parts) tend(ctx context.Context) error {
	var failures []error
	for _, l := range archivelog.All() {
		if l.Delivered {
			by := ledger.Execution{ID: uuid.NewString(), Work: archivelogs.Name}
			failures = append(failures, p.Adder.Tend(ctx, by, l.Stream))
		}
	}
	return errors.Join(failures...)
}

func (p Parts) cost() cost.Config {
	return cost.Config{Ledger: p.Ledger, Streams: p.Streams, Retention: p.Settings.Retention,
		RequestsPer10s: p.Settings.ArchiveRequestsPer10s, Simulated: p.Simulated, Now: p.Now}
}

func (p Parts) coverage() coverage.Config {
	return coverage.Config{Ledger: p.Ledger, Gaps: p.Gaps, Stalled: p.Settings.AlertAfter, Streams: p.Streams,
		Secrets: p.Records, Now: p.Now, Deliveries: p.Computers}
}

func (p Parts) logs() logs.Config {
	return logs.Config{Archive: p.Records, Streams: p.Streams, Gaps: p.Gaps, Counts: p.Counts, Now: p.Now,
		Slice: p.Slice}
}

func (p Parts) preflight() preflightfunction.Config {
	return preflightfunction.Config{Run: p.Checks, Store: p.Jobs, Binary: p.Binary, Cloud: p.Settings.Cloud.Name,
		Graph: p.Settings.GraphEndpoint, Now: p.Now}
}

func (p Parts) purgearchive() purgearchive.Config {
	retire := func(ctx context.Context, s entra.Stream) error {
		by := ledger.Execution{ID: uuid.NewString(), Work: purgearchive.Name}
		return p.Collector.Retire(ctx, by, s, p.Settings.RunBudget)
	}
	return purgearchive.Config{Purger: p.Purger, Retire: retire, Clock: p.Clock, Streams: p.Streams,
		Budget: p.Settings.RunBudget}
}

func (p Parts) reports() reports.Config {
	return reports.Config{Secrets: p.Records, Jobs: p.Jobs, Now: p.Now, Slice: p.Slice,
		Sources: &report.Sources{Archive: p.Records, Streams: p.Streams, Directory: p.Snapshots,
			Deliveries: p.Computers, Now: p.Now}}
}

func (p Parts) snapshot() snapshot.Config {
	return snapshot.Config{Snapshotter: p.Snapshotter, Reader: p.Snapshots, Jobs: p.Jobs, Now: p.Now, Slice: p.Slice}
}

func (p Parts) snapshotdirectory() snapshotdirectory.Config {
	return snapshotdirectory.Config{Snapshotter: p.Snapshotter, Budget: p.Settings.RunBudget,
		AlertAfter: p.Settings.AlertAfter}
}

// Status is what tells what needs somebody: over HTTP, and in a terminal.
func (p Parts) Status() statusfunction.Config {
	return statusfunction.Config{Logs: p.coverage().Logs, Snapshots: p.Snapshots, Store: p.Jobs, Now: p.Now,
		Version: p.Binary.Version, Timers: timers(), Archiver: archivelogs.Name, Snapshotter: snapshotdirectory.Name}
}

func (p Parts) verify() verify.Config {
	return verify.Config{Evidence: p.Evidence, Heads: p.Heads, Jobs: p.Jobs, Streams: p.Streams, Now: p.Now,
		Slice: p.Slice}
}
