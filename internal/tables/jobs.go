package tables

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/entraledger/entraledger/internal/jobs"
)

const jobsTable = "jobs"

var _ jobs.Store = (*Store)(nil)

type jobRow struct {
	Done                           bool
	Created, Updated, WorkingUntil time.Time
}

// Job is jobs.Store's.
func (s *Store) Job(ctx context.Context, kind, id string) (jobs.Job, error) {
	// A key may hold no slash or the like; what a caller sends as an id may.
	got, err := s.service.NewClient(jobsTable).GetEntity(ctx, kind, url.QueryEscape(id), nil)
	if isCode(err, "TableNotFound", "ResourceNotFound") {
		return jobs.Job{}, jobs.NotFound(kind, id)
	}
	if err != nil {
		return jobs.Job{}, s.explain("read job "+id, err)
	}
	var row jobRow
	if err := json.Unmarshal(got.Value, &row); err != nil {
		return jobs.Job{}, fmt.Errorf("read job %s: %w", id, err)
	}
	whole, err := parseWholeRow(got.Value)
	if err != nil {
		return jobs.Job{}, err
	}
	state, err := s.decode(ctx, jobsTable, data([]fetchedRow{whole}), whole.Codec)
	if err != nil {
		return jobs.Job{}, fmt.Errorf("read job %s: %w", id, err)
	}
	return jobs.Job{Kind: kind, ID: id, State: state, Done: row.Done, Created: row.Created, Updated: row.Updated,
		WorkingUntil: row.WorkingUntil, Revision: string(got.ETag)}, nil
}

// SaveJob is jobs.Store's.
func (s *Store) SaveJob(ctx context.Context, j jobs.Job) (jobs.Job, error) {
	b := newRow(j.Kind, url.QueryEscape(j.ID), len(j.State)+1024)
	b.bool("Done", j.Done)
	b.time("Created", j.Created)
	b.time("Updated", j.Updated)
	b.time("WorkingUntil", orYear1601(j.WorkingUntil))
	state, codecName, free := s.codec.encode(nil, j.State)
	defer free()
	b.text("Codec", codecName)
	if rest := b.chunks(state); len(rest) > 0 {
		return j, fmt.Errorf("write job %s: its state has %d bytes", j.ID, len(j.State))
	}
	revision, err := s.replace(ctx, jobsTable, "write job "+j.ID, b.done().body, j.Revision)
	if errors.Is(err, errRowMoved) {
		return j, jobs.ErrMoved
	}
	if err == nil {
		j.Revision = revision
	}
	return j, err
}

// orYear1601 is a time that Table Storage can hold.
func orYear1601(t time.Time) time.Time {
	if t.IsZero() {
		return time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t
}
