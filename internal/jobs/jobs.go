// Package jobs carries work that is too long for one HTTP request over several: each request that
// asks for a job's status does a slice of it. So nothing runs in the background, where a serverless
// platform would stop it, and whoever waits for the answer, as Power Automate does by itself on a
// 202, drives the work.
package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/entraledger/entraledger/internal/entra"
)

// Job is a piece of work as it is stored.
type Job struct {
	Kind string // the function's name
	ID   string

	State   json.RawMessage // what was asked for and how far it is; the function's own
	Done    bool
	Created time.Time
	Updated time.Time
	// WorkingUntil is when a request that does a slice has ended at the latest; another one only
	// looks until then.
	WorkingUntil time.Time

	Revision string // of the stored row; empty: not stored
}

// Store keeps jobs.
type Store interface {
	// Job reads one; an error with entra.CodeNotFound if there is none.
	Job(ctx context.Context, kind, id string) (Job, error)
	// SaveJob writes a job, if it is still the one that was read; ErrMoved otherwise.
	SaveJob(ctx context.Context, j Job) (Job, error)
}

// Dropper is a Store that also drops jobs: some keep records' texts, which nobody needs for long.
type Dropper interface {
	Store
	// DropJobs drops the jobs of a kind that were written last before a moment.
	DropJobs(ctx context.Context, kind string, before time.Time) error
}

// ErrMoved says that another request has the job.
var ErrMoved = errors.New("another request works on the job")

// Work does one slice: it ends soon after ctx does, and returns the new state and whether all is
// done. An error ends the slice; the job stays as it was, and the next request tries again. That
// ctx ended says nothing of whether all is done.
type Work[S any] func(ctx context.Context, state S) (S, bool, error)

// Runner does the slices of one kind of job.
type Runner[S any] struct {
	Kind  string
	Store Store
	Now   func() time.Time
	Slice time.Duration // how long a request works
	Work  Work[S]
	// Keep tells of a job that its first slice has done whether it is stored, too; nil: none is.
	Keep func(S) bool
}

// grace is how long a slice may take to end once its time is over.
const grace = 30 * time.Second

// Start does the first slice. A job that is done by then is stored only where Keep says so.
func (r *Runner[S]) Start(ctx context.Context, state S) (Job, S, error) {
	now := r.Now()
	state, done, err := r.slice(ctx, state)
	job := Job{Kind: r.Kind, ID: uuid.NewString(), Done: done, Created: now}
	if err != nil || done && (r.Keep == nil || !r.Keep(state)) {
		return job, state, err
	}
	job, err = r.save(ctx, job, state)
	return job, state, err
}

// Continue does the next slice of a job, unless it is done or another request is at it.
func (r *Runner[S]) Continue(ctx context.Context, id string) (Job, S, error) {
	var state S
	job, err := r.Store.Job(ctx, r.Kind, id)
	if err != nil {
		return job, state, err
	}
	if err := json.Unmarshal(job.State, &state); err != nil {
		return job, state, fmt.Errorf("read job %s: %w", id, err)
	}
	if job.Done || r.Now().Before(job.WorkingUntil) {
		return job, state, nil
	}
	job.WorkingUntil = r.Now().Add(r.Slice + grace)
	if job, err = r.save(ctx, job, state); err != nil {
		if errors.Is(err, ErrMoved) {
			return job, state, nil // the other one does the slice
		}
		return job, state, err
	}
	next, done, err := r.slice(ctx, state)
	if err != nil {
		job.WorkingUntil = time.Time{}
		// Not the state again: what it refers to may be half changed.
		_, saving := r.store(ctx, job)
		return job, state, errors.Join(err, saving)
	}
	job.Done, job.WorkingUntil = done, time.Time{}
	job, err = r.save(ctx, job, next)
	return job, next, err
}

func (r *Runner[S]) slice(ctx context.Context, state S) (S, bool, error) {
	working, stop := context.WithTimeout(ctx, r.Slice+grace)
	defer stop()
	next, done, err := r.Work(working, state)
	if err != nil && working.Err() != nil && ctx.Err() == nil && entra.Without(err, context.DeadlineExceeded) == nil {
		err = &entra.Error{Code: entra.CodeUnavailable, Doing: "work on " + r.Kind, Err: err,
			Why: "the time of one request was over before anything was done", Remedy: "ask again"}
	}
	return next, done, err
}

func (r *Runner[S]) save(ctx context.Context, job Job, state S) (Job, error) {
	body, err := json.Marshal(state)
	if err != nil {
		return job, fmt.Errorf("write job %s: %w", job.ID, err)
	}
	job.State = body
	return r.store(ctx, job)
}

func (r *Runner[S]) store(ctx context.Context, job Job) (Job, error) {
	job.Updated = r.Now()
	return r.Store.SaveJob(context.WithoutCancel(ctx), job)
}

// NotFound is the error of a job that is not there.
func NotFound(kind, id string) error {
	return &entra.Error{Code: entra.CodeNotFound, Doing: "find job " + id + " of " + kind, Why: "there is none",
		Remedy: "start it anew with /api/" + kind}
}
