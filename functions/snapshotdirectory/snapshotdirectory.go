// Package snapshotdirectory is the timer function that stores every user's sign-in activity and
// every credential of an application.
package snapshotdirectory

import (
	"context"
	_ "embed"
	"time"

	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Name is the function's, and its folder's.
const Name = "snapshotdirectory"

// Config of the function.
type Config struct {
	Snapshotter *snapshots.Snapshotter
	Budget      time.Duration // for which a run works
	AlertAfter  time.Duration // without a step, or a day and that without a whole snapshot, before the invocation fails
}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: Name, Trigger: trigger, Timer: cfg.run, Deadline: cfg.Budget + web.AfterBudget}
}

// run is one run. Its schedule fires several times a night: a large tenant needs more than one run,
// and a run that finds the snapshot done does nothing. An exhausted budget is no failure by itself;
// no progress for AlertAfter is, whatever the cause.
func (cfg Config) run(ctx context.Context) (web.Result, error) {
	report, err := cfg.Snapshotter.Run(ctx, cfg.Budget, false)
	if report.Stopped {
		err = nil // it is none of the snapshot's
	}
	err = cfg.Snapshotter.Check(ctx, report, err, report.Now, cfg.AlertAfter)
	if err == nil && report.Stopped && !report.Finished {
		return web.Stopped(Name, report.Summary(), report.Stepped)
	}
	return web.Result{Summary: report.Summary()}, err
}
