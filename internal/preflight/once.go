package preflight

import (
	"context"
	"encoding/json"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
)

// Once makes the checks once for each version of the app, whichever process is the first, and logs
// what they found. What it can't do hinders nothing.
type Once struct {
	Store   jobs.Store
	Version string
	Checks  func(context.Context) []Check
	Now     func() time.Time
	Log     *slog.Logger

	made atomic.Bool // this process knows that they were made
}

// Kind is the kind of job under which the checks' results are kept, by version.
const Kind = "preflight"

// atMost is how long a timer's run may wait for the checks.
const atMost = 45 * time.Second

// Run makes the checks unless they were made.
func (o *Once) Run(ctx context.Context) {
	if o.made.Swap(true) {
		return
	}
	running := ctx
	ctx, stop := context.WithTimeout(ctx, atMost)
	defer stop()
	if _, err := o.Store.Job(ctx, Kind, o.Version); entra.CodeOf(err) != entra.CodeNotFound {
		return // made, or a storage account that tells so by itself soon
	}
	checks := o.Checks(ctx)
	if running.Err() != nil {
		return // the process ends, and what failed for that says nothing
	}
	for _, c := range checks {
		level := slog.LevelInfo
		switch c.Status {
		case Failed:
			level = slog.LevelError
		case Limited:
			level = slog.LevelWarn
		}
		o.Log.Log(ctx, level, "preflight", "check", c.Name, "status", string(c.Status), "code", string(c.Code),
			"detail", c.Detail, "consequence", c.Consequence)
	}
	o.Log.InfoContext(ctx, "preflight done", "status", string(Worst(checks)), "version", o.Version)
	state, err := json.Marshal(checks)
	if err == nil {
		_, err = o.Store.SaveJob(ctx, jobs.Job{Kind: Kind, ID: o.Version, State: state, Done: true, Created: o.Now(),
			Updated: o.Now()})
	}
	if err != nil {
		o.Log.WarnContext(ctx, "that the preflight was made is not noted; another run makes it again",
			"error", err.Error())
	}
}
