// Package runs keeps what the last runs of each timer did: when, for how long, and what came of it.
// It is for people who look; nothing of the archive depends on it.
package runs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/jobs"
)

// Kind is the kind of job under which the runs of a timer are kept, by the timer's name.
const Kind = "runs"

const (
	// Most is how many runs of each timer are kept.
	Most = 20
	// Longest is how long a run may take: host.json's functionTimeout. The host kills it then.
	Longest = 30 * time.Minute
	// mostText bounds a line, in bytes: all the rows of a timer stay below 64 KiB.
	mostText = 1000
	// noting is how long a run may wait until its begin or end is stored.
	// It and the release of leases, for which a stopped run has ten seconds, fit the process's last 13.
	noting = 2 * time.Second
	// tries is how often a row is read again that another run has written meanwhile.
	tries = 8
)

// Outcome is what came of a run.
type Outcome string

// Outcomes. A run that is stored without one has begun and not ended.
const (
	Running    Outcome = "running"
	Done       Outcome = "done"
	HandedOver Outcome = "handedOver" // it was stopped, and the next one goes on from there
	Failed     Outcome = "failed"
	// Unknown is that of a run that did not say how it ended: it was killed, or its end was not
	// stored.
	Unknown Outcome = "unknown"
)

// Run is one run of a timer.
type Run struct {
	ID      string     `json:"id,omitempty"`      // of the invocation; the host may repeat it
	Version string     `json:"version,omitempty"` // of the program
	Began   time.Time  `json:"began"`
	Ended   time.Time  `json:"ended,omitzero"`
	Outcome Outcome    `json:"outcome,omitempty"`
	Summary string     `json:"summary,omitempty"` // one line, of what did not fail
	Code    entra.Code `json:"code,omitempty"`
	Error   string     `json:"error,omitempty"` // one line
}

// State is what came of the run, as far as it is known now.
func (r Run) State(now time.Time) Outcome {
	switch {
	case r.Outcome != "":
		return r.Outcome
	case now.Sub(r.Began).Abs() > Longest: // it began long ago, or is said to begin one day
		return Unknown
	}
	return Running
}

// Recorder notes the begin and the end of runs. What it can't do hinders no run.
type Recorder struct {
	Store   jobs.Store
	Version string
	Now     func() time.Time
	Log     *slog.Logger
}

// Begin notes that a run of a timer has begun, and returns what notes its end. A run that is killed
// between the two stays as one that began. id is the host's, of the invocation.
func (r *Recorder) Begin(ctx context.Context, timer, id string) (end func(string, bool, error)) {
	run := Run{ID: id, Version: r.Version, Began: r.Now().UTC()}
	r.note(ctx, timer, run)
	return func(summary string, handedOver bool, err error) {
		run.Ended, run.Outcome, run.Summary = r.Now().UTC(), Done, line(summary)
		if handedOver {
			run.Outcome = HandedOver
		}
		if err != nil {
			run.Outcome, run.Code, run.Error = Failed, entra.CodeOf(err), line(message(err))
		}
		r.note(ctx, timer, run)
	}
}

// note stores a run among those of its timer. ctx may have ended with the run.
func (r *Recorder) note(ctx context.Context, timer string, run Run) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), noting)
	defer stop()
	err := jobs.ErrMoved
	for range tries {
		if err = r.store(ctx, timer, run); !errors.Is(err, jobs.ErrMoved) {
			break
		}
	}
	if err != nil {
		r.Log.WarnContext(ctx, "what a run did is not noted", "function", timer, "error", err.Error())
	}
}

func (r *Recorder) store(ctx context.Context, timer string, run Run) error {
	job, err := r.Store.Job(ctx, Kind, timer)
	if entra.CodeOf(err) == entra.CodeNotFound && err != nil {
		job, err = jobs.Job{Kind: Kind, ID: timer, Created: run.Began}, nil
	}
	if err != nil {
		return err
	}
	var kept []Run
	if json.Unmarshal(job.State, &kept) != nil {
		kept = nil // nobody can read it: what is noted from now on can be
	}
	if job.State, err = json.Marshal(with(kept, run)); err != nil {
		return err
	}
	job.Done, job.Updated = true, r.Now()
	_, err = r.Store.SaveJob(ctx, job)
	return err
}

// with is a list of runs with one more, or with that one as it is now: the newest first, the oldest
// dropped. What is said to have begun long after it did not: it would stay the newest for good.
func with(kept []Run, run Run) []Run {
	kept = slices.DeleteFunc(kept, func(k Run) bool {
		return k.ID == run.ID && k.Began.Equal(run.Began) || k.Began.Sub(run.Began) > 24*time.Hour
	})
	kept = append(kept, run)
	slices.SortStableFunc(kept, func(a, b Run) int { return b.Began.Compare(a.Began) })
	return kept[:min(Most, len(kept))]
}

// Of returns the last runs of a timer, the newest first; none where it never ran.
func Of(ctx context.Context, store jobs.Store, timer string) ([]Run, error) {
	job, err := store.Job(ctx, Kind, timer)
	if entra.CodeOf(err) == entra.CodeNotFound && err != nil {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var kept []Run
	if err := json.Unmarshal(job.State, &kept); err != nil {
		return nil, &entra.Error{Code: entra.CodeTampered, Doing: "read the last runs of " + timer, Err: err,
			Remedy: "nothing but this list is affected: the timer's next run begins it anew"}
	}
	return kept, nil
}

// message is what a caller may read of an error: that of an error of ours. The log has the others.
func message(err error) string {
	if ours, ok := errors.AsType[*entra.Error](err); ok {
		return ours.Error()
	}
	return "something failed inside Entra Ledger; the app's log has the reason"
}

// line is a text as one bounded line.
func line(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) <= mostText {
		return text
	}
	cut := mostText
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}
