package report

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// Job is a sum over the whole of a time, as far as it is. Several requests work on it one after the
// other, and all that one leaves to the next is here.
type Job struct {
	Name   string
	Window Window
	Merged bool `json:",omitempty"`

	Begun    bool                    `json:",omitempty"`
	After    map[entra.Stream]string `json:",omitempty"` // of each log, the last record that was added
	Sums     json.RawMessage         `json:",omitempty"`
	Tampered int                     `json:",omitempty"` // records that are in no sum, because they were altered
	At       time.Time               `json:",omitzero"`  // how far it is
	Lacks    []ledger.Gap            `json:",omitempty"` // what was lacking at its begin or at its end
	Unknown  string                  `json:",omitempty"` // why nothing can be said of its time

	AsOf  time.Time `json:",omitzero"` // its end; zero: it is in progress
	Rows  []Row     `json:",omitempty"`
	Doubt string    `json:",omitempty"` // what of the rows is not known
}

// Done reports whether the job is at its end.
func (j Job) Done() bool { return !j.AsOf.IsZero() }

// Question is what the job answers.
func (j Job) Question() (Question, error) {
	for _, r := range All() {
		if r.Name == j.Name && r.Whole != nil {
			return Question{r, j.Window, j.Merged}, nil
		}
	}
	return Question{}, &entra.Error{Code: entra.CodeNotFound, Doing: "go on with report " + entra.Clip(j.Name, 80),
		Why: "this version has no such sum", Remedy: "begin again without $skiptoken"}
}

// mostRows bounds the rows of a sum over a whole time: they are kept in one row of a table.
const mostRows = 8_000

// Work goes on with a job until a moment.
func (s *Sources) Work(ctx context.Context, j Job, until time.Time) (Job, error) {
	q, err := j.Question()
	if err != nil {
		return j, err
	}
	if !j.Begun {
		covered, err := s.Covers(ctx, q)
		if err != nil {
			return j, err
		}
		j.Begun, j.Lacks = true, covered.Gaps
		if j.Unknown = covered.Unknown; j.Unknown != "" {
			j.AsOf = s.Now()
			return j, nil
		}
	}
	sums := q.Report.Whole(q.Window)
	if j.Sums != nil {
		if err := json.Unmarshal(j.Sums, sums); err != nil {
			return j, fmt.Errorf("read the sums of %s: %w", j.Name, err)
		}
	}
	late, err := s.add(ctx, q, &j, sums, until)
	switch {
	case err != nil:
		return j, err
	case late:
		j.Sums, err = json.Marshal(sums)
		return j, err
	}
	return s.finish(ctx, q, j, sums)
}

// add adds records until the end of the time, or late until a moment.
func (s *Sources) add(ctx context.Context, q Question, j *Job, sums Sums, until time.Time) (late bool, err error) {
	of, err := s.logs(ctx, q)
	if err != nil {
		return false, err
	}
	after := maps.Clone(j.After)
	if after == nil {
		after = make(map[entra.Stream]string)
	}
	defer func() { j.After = after }()
	for item, err := range s.merged(ctx, of, q.whole(), j.After, false) {
		if err != nil {
			return false, err
		}
		j.Tampered += addTo(sums, item)
		after[item.stream] = item.rec.Place
		if at := item.rec.Key.Time; !at.IsZero() {
			j.At = at
		}
		if time.Now().After(until) {
			return true, nil
		}
	}
	return false, nil
}

// finish writes a job's rows, with what was lacking at its begin or is at its end: what a purge has
// dropped meanwhile may have been read or not.
func (s *Sources) finish(ctx context.Context, q Question, j Job, sums Sums) (Job, error) {
	covered, err := s.Covers(ctx, q)
	if err != nil {
		return j, err
	}
	j.Lacks = joined(j.Lacks, covered.Gaps)
	nothing := false
	if j.Doubt, nothing = sums.Doubt(); nothing {
		j.Unknown = j.Doubt
	}
	j.Sums = nil
	for _, row := range sums.Rows() {
		j.Rows = append(j.Rows, row.Row)
	}
	if len(j.Rows) > mostRows {
		return j, &entra.Error{Code: entra.CodeBadRequest, Doing: "sum up " + j.Name,
			Why:    fmt.Sprintf("it has %d rows, and a sum over a whole time has at most %d", len(j.Rows), mostRows),
			Remedy: "ask for less time: " + accepted}
	}
	j.AsOf = s.Now()
	return j, nil
}
