package directory

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// reading is one run's work on a snapshot.
type reading struct {
	*Snapshotter
	Snapshot
	run     string    // the run's name
	stored  Snapshot  // the row as this run knows it
	began   time.Time // by our clock
	beganAt time.Time // by the tenant's

	before Snapshot // the newest whole one before it; no ID: there is none
	memory *memory  // of the collection that is walked through; nil: of none yet

	stepped  bool // this run made a step
	finished bool // this run made the snapshot whole
	restarts int  // of this run
}

// nameRun makes a name by which people tell runs apart: what began it, and a random number.
func nameRun(force bool) string {
	kind, id := "timer", make([]byte, 4)
	if force {
		kind = "request"
	}
	_, _ = rand.Read(id) // it never fails
	return kind + " " + hex.EncodeToString(id)
}

// take makes a snapshot's row the one that the run works on. No step can have been made after now:
// where a clock was wrong, a stall must show none the less.
func (r *reading) take(snap Snapshot, now time.Time) {
	r.stored = snap
	snap.StepAt = snap.LastStep() // a note of ours would move it, where an older version wrote the row
	if snap.StepAt.After(now) {
		snap.StepAt = now
	}
	r.Snapshot = snap
}

// now is the tenant's clock.
func (r *reading) now() time.Time { return r.beganAt.Add(r.clock().Sub(r.began)).UTC() }

// phases goes through the phases that are left. Every page is kept before the row says that it was
// read.
func (r *reading) phases(ctx context.Context) error {
	steps := map[Phase]func(context.Context) error{
		PhaseUsers: r.users, PhasePlainUsers: r.users, PhaseGroups: r.groups, PhaseApps: r.holders,
		PhasePrincipals: r.holders, PhaseUse: r.use, PhaseAppUse: r.use, PhaseArchive: r.successes, PhaseDecide: r.decide,
	}
	for r.Phase != PhaseDone {
		step, ok := steps[r.Phase]
		if !ok {
			return &entra.Error{Code: entra.CodeTampered, Doing: "go on with snapshot " + r.ID,
				Why:    fmt.Sprintf("its row in table snapshots names the phase %q, which this version does not know", r.Phase),
				Remedy: "if a newer version wrote it, deploy that one; else delete the row, and the next run begins a new snapshot"}
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step keeps that the reading came further, so the failures before it are over.
func (r *reading) step(ctx context.Context) error {
	r.StepAt = r.now()
	r.LastError, r.LastErrorAt, r.LastErrorCode = "", time.Time{}, ""
	if r.Behind != nil && (r.Behind.Kind != Overdue || r.Stage == Whole) {
		r.Behind = nil
	}
	err := r.save(ctx)
	if err == nil {
		r.stepped = true
	}
	return err
}

// maxAdopted bounds how often a run goes on over what others only noted in the row.
const maxAdopted = 5

// save keeps how far the reading is. It is the one place where a run learns that another has taken
// over: that one made a step. ErrOvertaken is returned then, and the reading's Snapshot is the
// other run's row.
func (r *reading) save(ctx context.Context) error {
	r.Updated, r.By = r.now(), r.run
	for range maxAdopted {
		saved, err := r.store.SaveSnapshot(ctx, r.Snapshot)
		if err == nil {
			r.Snapshot, r.stored = saved, saved
			return nil
		}
		if !errors.Is(err, ErrOvertaken) {
			return err
		}
		there, err := r.there(ctx)
		if err != nil {
			return err
		}
		switch {
		case sameRow(there, r.Snapshot): // our own write was done, and its answer lost
			r.Revision, r.stored = there.Revision, there
			return nil
		case !samePlace(there, r.stored):
			return r.overtaken(ctx, there)
		}
		r.Revision, r.Decides, r.stored = there.Revision, max(r.Decides, there.Decides), there
	}
	return r.overtaken(ctx, r.stored)
}

// there is the row as it is stored now.
func (r *reading) there(ctx context.Context) (Snapshot, error) {
	row, err := r.store.Snapshot(ctx, r.ID)
	if errors.Is(err, ErrNoSnapshot) {
		return row, missing(r.ID)
	}
	return row, err
}

func missing(id string) error {
	return &entra.Error{Code: entra.CodeTampered, Doing: "go on with snapshot " + id,
		Why:    "its row is gone from table snapshots",
		Remedy: "the next run begins a new snapshot; find out who deleted the row, and delete table snapshot" + id}
}

// stillReading fails where the snapshot is no longer being read, so that no more rows are written.
func (r *reading) stillReading(ctx context.Context) error {
	row, err := r.there(ctx)
	if err == nil && row.Stage != Reading {
		err = r.overtaken(ctx, row)
	}
	return err
}

// overtaken ends a run whose snapshot is another run's.
func (r *reading) overtaken(ctx context.Context, row Snapshot) error {
	r.Snapshot, r.stored = row, row
	if row.Stage == Dropped { // what this run wrote since has made its table anew
		if err := r.store.DropRows(ctx, row.ID); err != nil {
			return err
		}
	}
	return ErrOvertaken
}

// sameRow tells whether two are the same but for their revision.
func sameRow(a, b Snapshot) bool {
	a.Revision, b.Revision = "", ""
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}

// samePlace tells whether the reading is as far in both, whatever was noted about failures.
func samePlace(a, b Snapshot) bool {
	return a.Stage == b.Stage && a.Phase == b.Phase && a.Link == b.Link && a.Position == b.Position &&
		a.Restarts == b.Restarts && a.Walk == b.Walk && a.StepAt.Equal(b.StepAt)
}

// noteTime bounds how long a run that has ended waits for its last words to be kept.
const noteTime = 30 * time.Second

// note keeps why a run failed, for whoever asks for the state of the snapshot. That it can't is in
// the log anyway.
func (r *reading) note(ctx context.Context, failed error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), noteTime)
	defer stop()
	r.LastError, r.LastErrorAt, r.LastErrorCode = failed.Error(), r.now(), entra.CodeOf(failed)
	if err := r.save(ctx); err != nil {
		r.log.WarnContext(ctx, "the snapshot's error was not kept", "error", err.Error())
	}
}

// outOfTime is why a run made no step within its time, with the failure that an earlier run noted
// since the last step.
func (r *reading) outOfTime(budget time.Duration) error {
	e := &entra.Error{Code: entra.CodeBehind, Doing: "read " + string(r.Phase),
		Why: fmt.Sprintf("the run's time of %s ended before it came any further", budget),
		Remedy: "the next run tries again; if it stays, raise ARCHIVE_RUN_BUDGET, " +
			"or the snapshot's share in GRAPH_REQUESTS_PER_10S"}
	if r.Phase == PhaseDecide {
		e.Doing = "apply the rules to the snapshot"
		e.Why = fmt.Sprintf("the run's time of %s ended before all rows were written", budget)
		e.Remedy = "the next run does it over; if it stays, raise ARCHIVE_RUN_BUDGET or instanceMemoryMB"
	}
	if r.LastError != "" && r.LastErrorCode != entra.CodeBehind {
		e.Why += "; before that: " + r.LastError
	}
	return e
}

// withoutClock ends a run that could not ask Graph for the time. The snapshot in work, if there is
// one, says so; the time of that note is this machine's, and decides nothing.
func (r *reading) withoutClock(ctx context.Context, failed error) (Report, error) {
	r.beganAt = r.began
	known, err := r.store.Snapshots(ctx, listed)
	if err != nil || stopped(ctx, failed) {
		return Report{}, failed
	}
	var report Report
	report.date(known)
	if len(known) > 0 && known[0].Stage == Reading {
		r.take(known[0], known[0].LastStep())
		r.note(ctx, failed)
		report.Snapshot = r.Snapshot
	}
	return report, failed
}
