package snapshots

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/entra"
)

// reading is one run's work on a snapshot.
type reading struct {
	maker *Snapshotter

	snap    directory.Snapshot // how far the reading is
	stored  directory.Snapshot // the row as this run knows it
	run     string             // the run's name
	began   time.Time          // by our clock
	beganAt time.Time          // by the tenant's

	before directory.Snapshot // the newest whole one before it; no ID: there is none
	base   directory.Snapshot // what the collection that is read is compared with; before, or what it refers to
	memory *memory            // of the collection that is read; nil: of none yet
	gaps   gaps               // pages of the collection, some of whose users came without activity

	kept memoryOfBefore      // what timelines go on with; once the rules are applied
	on   *timeline.Snapshots // those that timelines speak of, this one being the newest; likewise

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

// adopt makes a snapshot's row the one that the run works on. No step can have been made after now:
// where a clock was wrong, a stall must show none the less.
func (r *reading) adopt(snap directory.Snapshot, now time.Time) {
	r.stored = snap
	snap.StepAt = snap.LastStep() // a failure that is stored would move it, where an older version wrote the row
	if snap.StepAt.After(now) {
		snap.StepAt = now
	}
	r.snap = snap
}

// now is the tenant's clock.
func (r *reading) now() time.Time { return r.beganAt.Add(r.maker.clock().Sub(r.began)).UTC() }

// phases goes through the phases that are left. Every page is kept before the row says that it was
// read.
func (r *reading) phases(ctx context.Context) error {
	for r.snap.Phase != directory.PhaseDone {
		var err error
		switch r.snap.Phase {
		case directory.PhaseArchive:
			err = r.seen(ctx)
		case directory.PhaseDecide:
			err = r.decide(ctx)
		default:
			c, ok := r.maker.collections.Of(string(r.snap.Phase))
			if !ok {
				return &entra.Error{Code: entra.CodeTampered, Doing: "go on with snapshot " + r.snap.ID,
					Why: fmt.Sprintf("its row in table snapshots names the phase %q, which this version does not know",
						r.snap.Phase),
					Remedy: "if a newer version wrote it, deploy that one; else delete the row, " +
						"and the next run begins a new snapshot"}
			}
			err = r.collect(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// step keeps that the reading came further, so the failures before it are over.
func (r *reading) step(ctx context.Context) error {
	r.snap.StepAt = r.now()
	r.snap.LastError, r.snap.LastErrorAt, r.snap.LastErrorCode = "", time.Time{}, ""
	if r.snap.Behind != nil && (r.snap.Behind.Kind != directory.Overdue || r.snap.Stage == directory.Whole) {
		r.snap.Behind = nil
	}
	err := r.save(ctx)
	if err == nil {
		r.stepped = true
	}
	return err
}

// maxAdopted bounds how often a run goes on over failures that others stored in the row.
const maxAdopted = 5

// save keeps how far the reading is. It is the one place where a run learns that another has taken
// over: that one made a step. ErrOvertaken is returned then, and the reading's Snapshot is the
// other run's row.
func (r *reading) save(ctx context.Context) error {
	r.snap.Updated, r.snap.By = r.now(), r.run
	for range maxAdopted {
		saved, err := r.maker.store.SaveSnapshot(ctx, r.snap)
		if err == nil {
			r.snap, r.stored = saved, saved
			return nil
		}
		if !errors.Is(err, directory.ErrOvertaken) {
			return err
		}
		there, err := r.there(ctx)
		if err != nil {
			return err
		}
		switch {
		case sameRow(there, r.snap): // our own write was done, and its answer lost
			r.snap.Revision, r.stored = there.Revision, there
			return nil
		case !samePlace(there, r.stored):
			return r.overtaken(ctx, there)
		}
		r.snap.Revision, r.snap.Decides, r.stored = there.Revision, max(r.snap.Decides, there.Decides), there
		r.snap.Accepted = union(r.snap.Accepted, there.Accepted)
	}
	return r.overtaken(ctx, r.stored)
}

// there is the row as it is stored now.
func (r *reading) there(ctx context.Context) (directory.Snapshot, error) {
	row, err := r.maker.store.Snapshot(ctx, r.snap.ID)
	if errors.Is(err, directory.ErrNoSnapshot) {
		return row, missing(r.snap.ID)
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
	if err == nil && row.Stage != directory.Reading {
		err = r.overtaken(ctx, row)
	}
	return err
}

// overtaken ends a run whose snapshot is another run's.
func (r *reading) overtaken(ctx context.Context, row directory.Snapshot) error {
	r.snap, r.stored = row, row
	if row.Stage == directory.Dropped { // what this run wrote since has made its table anew
		if err := r.maker.store.DropRows(ctx, row.ID); err != nil {
			return err
		}
	}
	return directory.ErrOvertaken
}

// sameRow tells whether two are the same but for their revision.
func sameRow(a, b directory.Snapshot) bool {
	a.Revision, b.Revision = "", ""
	one, errOne := json.Marshal(a)
	two, errTwo := json.Marshal(b)
	return errOne == nil && errTwo == nil && bytes.Equal(one, two)
}

// samePlace tells whether the reading is as far in both, whatever failures are stored.
func samePlace(a, b directory.Snapshot) bool {
	return a.Stage == b.Stage && a.Phase == b.Phase && a.Link == b.Link && a.Position == b.Position &&
		a.Restarts == b.Restarts && a.Walk == b.Walk && a.StepAt.Equal(b.StepAt)
}

// lastWords bounds how long a run that has ended waits for its last words to be kept.
const lastWords = 30 * time.Second

// keepFailure keeps why a run failed, for those who ask for the state of the snapshot. That it
// can't is in the log anyway.
func (r *reading) keepFailure(ctx context.Context, failed error) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer stop()
	r.snap.LastError, r.snap.LastErrorAt, r.snap.LastErrorCode = failed.Error(), r.now(), entra.CodeOf(failed)
	if err := r.save(ctx); err != nil {
		r.maker.log.WarnContext(ctx, "the snapshot's error was not kept", "error", err.Error())
	}
}

// outOfTime is why a run made no step within its time, with the failure that an earlier run stored
// since the last step.
func (r *reading) outOfTime(budget time.Duration) error {
	e := &entra.Error{Code: entra.CodeBehind, Doing: "read " + string(r.snap.Phase),
		Why: fmt.Sprintf("the run's time of %s ended before it came any further", budget),
		Remedy: "the next run tries again; if it stays, raise ARCHIVE_RUN_BUDGET, " +
			"or the snapshot's share in GRAPH_REQUESTS_PER_10S"}
	if r.snap.Phase == directory.PhaseDecide {
		e.Doing = "apply the rules to the snapshot"
		e.Why = fmt.Sprintf("the run's time of %s ended before all rows were written", budget)
		e.Remedy = "the next run does it over; if it stays, raise ARCHIVE_RUN_BUDGET or instanceMemoryMB"
	}
	if r.snap.LastError != "" && r.snap.LastErrorCode != entra.CodeBehind {
		e.Why += "; before that: " + r.snap.LastError
	}
	return e
}

// withoutClock ends a run that could not ask Graph for the time. The snapshot in work, if there is
// one, says so; the time of that entry is this machine's, and decides nothing.
func (r *reading) withoutClock(ctx context.Context, failed error) (Report, error) {
	r.beganAt = r.began
	known, err := r.maker.store.Snapshots(ctx, listed)
	if err != nil || stopped(ctx, failed) {
		return Report{}, failed
	}
	var report Report
	report.date(known)
	if len(known) > 0 && known[0].Stage == directory.Reading {
		r.adopt(known[0], known[0].LastStep())
		r.keepFailure(ctx, failed)
		report.Snapshot = r.snap
	}
	return report, failed
}
