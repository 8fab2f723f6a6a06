package preflight

import (
	"context"
	"encoding/json"
	"errors"
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
	job := jobs.Job{Kind: Kind, ID: o.Version, Created: o.Now(), Updated: o.Now()}
	if err := save(ctx, o.Store, job, checks); err != nil {
		o.Log.WarnContext(ctx, "that the preflight was made is not noted; another run makes it again",
			"error", err.Error())
	}
}

// save keeps the checks' results as a job's state.
func save(ctx context.Context, store jobs.Store, job jobs.Job, checks []Check) error {
	var err error
	if job.State, err = json.Marshal(checks); err == nil {
		job.Done = true
		_, err = store.SaveJob(ctx, job)
	}
	return err
}

// Latest returns the results that are kept of a version, and when they were made; an error with
// entra.CodeNotFound where none are.
func Latest(ctx context.Context, store jobs.Store, version string) ([]Check, time.Time, error) {
	job, err := store.Job(ctx, Kind, version)
	if entra.CodeOf(err) == entra.CodeNotFound && err != nil {
		return nil, time.Time{}, &entra.Error{Code: entra.CodeNotFound, Doing: "find the latest checks",
			Why:    "this version has made none yet",
			Remedy: "wait for the first run of archivelogs, or ask /api/preflight"}
	}
	if err != nil {
		return nil, time.Time{}, err
	}
	var checks []Check
	if err := json.Unmarshal(job.State, &checks); err != nil {
		return nil, time.Time{}, &entra.Error{Code: entra.CodeTampered, Doing: "read the latest checks", Err: err,
			Remedy: "ask /api/preflight: it makes them anew"}
	}
	return checks, job.Updated, nil
}

// Renew replaces the results that are kept of a version with newer ones. Where none are kept, none
// are: the first run of the version makes and logs them. What another request wrote meanwhile is as
// new as these.
func Renew(ctx context.Context, store jobs.Store, version string, checks []Check, now time.Time) error {
	job, err := store.Job(ctx, Kind, version)
	if err == nil {
		job.Updated = now
		err = save(ctx, store, job, checks)
	}
	if entra.CodeOf(err) == entra.CodeNotFound || errors.Is(err, jobs.ErrMoved) {
		return nil
	}
	return err
}
