// Package archivelogs is the timer function that copies every log stream into the archive.
package archivelogs

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/web"
)

//go:embed function.json
var trigger []byte

// Name is the function's, and its folder's.
const Name = "archivelogs"

// writeGrace is the time to write pages that came within the budget.
const writeGrace = 45 * time.Second

// Config of the function.
type Config struct {
	Preflight  func(context.Context) // goes before a run
	Collector  *collect.Collector
	Streams    []entra.Stream
	Tend       func(context.Context) error // looks after the logs that are delivered; nil: there are none
	Budget     time.Duration               // for which a run asks Graph for pages
	AlertAfter time.Duration               // how far behind a stream may be before the invocation fails
}

// New makes the function.
func New(cfg Config) web.Function {
	return web.Function{Name: Name, Trigger: trigger, Timer: cfg.run, Deadline: cfg.Budget + web.AfterBudget}
}

// run is one run of the collector. The platform kills without notice, so the run ends itself well
// before functionTimeout. An archive that has fallen behind fails the invocation, which is what the
// platform alerts on.
func (cfg Config) run(ctx context.Context) (web.Result, error) {
	cfg.Preflight(ctx)
	working, stop := context.WithTimeout(ctx, cfg.Budget+writeGrace)
	defer stop()
	report, err := cfg.Collector.Run(working, ledger.Execution{ID: uuid.NewString(), Work: Name}, cfg.Streams,
		cfg.Budget)
	if ctx.Err() != nil && !report.Finished {
		return stopped(report, err, cfg.AlertAfter)
	}
	if err == nil {
		err = behind(report, cfg.AlertAfter)
	}
	if cfg.Tend != nil {
		err = errors.Join(err, cfg.Tend(working))
	}
	return web.Result{Summary: report.Summary()}, err
}

// stopped is how a run ends that was stopped before its end: as any other where a stream has
// failed, or is too far behind.
func stopped(report collect.Report, err error, most time.Duration) (web.Result, error) {
	failed := entra.Without(err, context.Canceled)
	if failed == nil {
		known := report // of a stream whose state was not read before the stop nothing is
		known.Streams = slices.DeleteFunc(slices.Clone(report.Streams),
			func(r collect.StreamReport) bool { return r.Watermark.IsZero() })
		failed = behind(known, most)
	}
	if failed != nil {
		return web.Result{Summary: report.Summary()}, failed
	}
	return web.Stopped(Name, report.Summary(), report.Stepped())
}

// behind is the error of the stream that has fallen behind most.
func behind(report collect.Report, most time.Duration) error {
	var worst *collect.StreamReport
	for i, r := range report.Streams {
		if !r.Overtaken && report.Now.Sub(r.Watermark) > most && (worst == nil || r.Watermark.Before(worst.Watermark)) {
			worst = &report.Streams[i]
		}
	}
	if worst == nil {
		return nil
	}
	return &entra.Error{Code: entra.CodeBehind, Doing: "keep up with " + string(worst.Stream),
		Why: fmt.Sprintf("it is archived up to %s, %s ago", worst.Watermark.Format(time.RFC3339),
			report.Now.Sub(worst.Watermark).Round(time.Minute)),
		Remedy: "the next runs go on; if it stays, raise ARCHIVE_RUN_BUDGET, or the archive's share in " +
			"GRAPH_REQUESTS_PER_10S if this app has the ceiling to itself; ARCHIVE_ALERT_AFTER says when this fails"}
}
