package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
	"github.com/entraledger/entraledger/internal/tables/rows"
)

// Jobs keeps what HTTP functions work on in several requests. PartitionKey is the kind of job,
// RowKey its id.
type Jobs struct {
	client *rows.Client
	codec  *codec
}

type jobRow struct {
	Done                           bool
	Created, Updated, WorkingUntil time.Time
}

// jobKey is the row key of a job: what a caller sends as an id may hold what a key may not.
func jobKey(id string) string { return url.QueryEscape(id) }

// Job is jobs.Store's.
func (j *Jobs) Job(ctx context.Context, kind, id string) (jobs.Job, error) {
	got, err := j.client.Get(ctx, jobsTable, kind, jobKey(id), "read job "+id)
	if rows.IsMissing(err) {
		return jobs.Job{}, jobs.NotFound(kind, id)
	}
	if err != nil {
		return jobs.Job{}, err
	}
	var row jobRow
	if err := json.Unmarshal(got.Body, &row); err != nil {
		return jobs.Job{}, fmt.Errorf("read job %s: %w", id, err)
	}
	whole, err := parseWholeRow(got.Body)
	if err != nil {
		return jobs.Job{}, err
	}
	state, err := j.codec.decode(ctx, jobsTable, whole.data, whole.Codec)
	if err != nil {
		return jobs.Job{}, fmt.Errorf("read job %s: %w", id, err)
	}
	return jobs.Job{Kind: kind, ID: id, State: state, Done: row.Done, Created: row.Created, Updated: row.Updated,
		WorkingUntil: row.WorkingUntil, Revision: got.Revision}, nil
}

// SaveJob is jobs.Store's.
func (j *Jobs) SaveJob(ctx context.Context, job jobs.Job) (jobs.Job, error) {
	b := rows.NewEntity(job.Kind, jobKey(job.ID), len(job.State)+1024)
	b.Bool("Done", job.Done)
	b.Time("Created", job.Created)
	b.Time("Updated", job.Updated)
	b.Time("WorkingUntil", rows.Storable(job.WorkingUntil))
	state, codecName, free := j.codec.encode(nil, job.State)
	defer free()
	b.Text("Codec", codecName)
	if rest := b.Chunks(state); len(rest) > 0 {
		return job, &entra.Error{Code: entra.CodeBadRequest, Doing: "write job " + job.ID,
			Why: fmt.Sprintf("its state of %d bytes does not fit a row", len(job.State)), Remedy: "ask for less"}
	}
	revision, err := j.client.Replace(ctx, jobsTable, "write job "+job.ID, b.Done().Body, job.Revision)
	if errors.Is(err, rows.ErrMoved) {
		return job, jobs.ErrMoved
	}
	if err == nil {
		job.Revision = revision
	}
	return job, err
}

// DropJobs is jobs.Dropper's.
func (j *Jobs) DropJobs(ctx context.Context, kind string, before time.Time) error {
	return j.client.DropRows(ctx, jobsTable, kind, "Updated lt "+rows.Literal(before))
}
