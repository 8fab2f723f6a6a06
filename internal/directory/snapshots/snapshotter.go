// Package snapshots takes snapshots of the tenant's directory, page by page over several runs if
// need be, and confirms by second questions that nothing is missing.
package snapshots

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

// Options of a Snapshotter.
type Options struct {
	Groups []string      // ids of the groups whose members are read
	Every  time.Duration // a timer's run begins no new snapshot while the current one is younger
	// Grace is for how long a user counts as active after being restored or enabled; 0: not at all.
	Grace time.Duration
	// Collections are what a snapshot reads; nil: collections.All.
	Collections collections.List
}

// Snapshotter takes snapshots of the directory.
type Snapshotter struct {
	source      Source
	store       directory.Store
	archive     directory.Archive
	options     Options
	collections collections.List
	clock       func() time.Time
	log         *slog.Logger
}

// NewSnapshotter makes a Snapshotter. The clock only measures: what the time is, the tenant says.
func NewSnapshotter(
	source Source, store directory.Store, archive directory.Archive, options Options,
	clock func() time.Time, log *slog.Logger,
) *Snapshotter {
	of := options.Collections
	if of == nil {
		of = collections.All()
	}
	return &Snapshotter{source: source, store: store, archive: archive, options: options, collections: of,
		clock: clock, log: log}
}

// Source is the tenant's directory.
type Source interface {
	// Now is the tenant's clock.
	Now(ctx context.Context) (time.Time, error)
	// Objects reads one page of a collection: the first where link is empty. Errors are
	// *entra.Error, entra.ErrPagingLost (the collection has to be begun anew), or the context's.
	Objects(ctx context.Context, q collections.Query, link string) (collections.Page, error)
	// Count is how many objects a collection has, by another question than for its pages. Errors
	// are as those of Objects.
	Count(ctx context.Context, q collections.Query) (int64, error)
	// Named reads those objects of a collection that have one of the ids, no more than
	// collections.MaxNamed; a user comes with the id alone. Errors are as those of Objects.
	Named(ctx context.Context, q collections.Query, ids []string) (collections.Page, error)
	// Readable is an error with entra.CodePermission where the members of a group are hidden from
	// the app, so that its pages would be empty. Other errors are as those of Objects.
	Readable(ctx context.Context, q collections.Query) error
	// Activity reads users with their sign-in activity, by their ids, no more than
	// collections.MaxNamed. Errors are as those of Objects.
	Activity(ctx context.Context, q collections.Query, ids []string) (collections.Page, error)
	// Part reads a part of one object of a collection: the first page of the list below it, or the
	// object itself as the only one of the page. Errors are as those of Objects.
	Part(ctx context.Context, q collections.Query, p collections.Part) (collections.Page, error)
}

const (
	// abandonAfter is the age at which an unfinished snapshot is no longer worth finishing.
	abandonAfter = 48 * time.Hour
	// keepAtLeast is how long a snapshot stays readable after the next one came, for callers that
	// walk through its pages.
	keepAtLeast = time.Hour
	// listed is how many snapshots a run looks at.
	listed = 10
)

// Run goes on with the snapshot that is under way, or begins one: always if force is set, else if
// the current one is old enough. It ends once budget is over, with everything kept that was read;
// the next run goes on from there. What is current stays current until the new one is whole. Of two
// runs at once the first to make a step goes on; the other one's report says which. Where ctx ends,
// the run ends at once, and that is no failure of the snapshot's. What accepted names counts as
// never granted, where the tenant refuses it to this snapshot: names are those of Resources.
func (s *Snapshotter) Run(ctx context.Context, budget time.Duration, force bool, accepted ...string) (Report, error) {
	report, err := s.goOn(ctx, budget, force, accepted)
	if stopped(ctx, err) {
		report.Stopped = true
		report.Cause = &entra.Error{Code: entra.CodeBehind, Doing: "go on with it",
			Why: "the last run was stopped before its end, because its process ended"}
	}
	return report, err
}

// stopped tells whether an error says only that the work's context has ended.
func stopped(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() != nil && entra.Without(err, context.Canceled, context.DeadlineExceeded) == nil
}

func (s *Snapshotter) goOn(ctx context.Context, budget time.Duration, force bool, accepted []string) (Report, error) {
	r := &reading{maker: s, run: nameRun(force), began: s.clock()}
	now, err := s.source.Now(ctx)
	if err != nil {
		return r.withoutClock(ctx, err)
	}
	r.beganAt = now
	known, err := s.store.Snapshots(ctx, listed)
	if err != nil {
		return Report{Now: r.now()}, err
	}
	report := Report{Now: r.now()}
	report.date(known)
	snap, due, err := s.pick(ctx, known, r.run, now, force)
	if errors.Is(err, directory.ErrOvertaken) { // another run has begun it a moment ago
		known, err = s.store.Snapshots(ctx, 1)
		if err == nil && len(known) > 0 {
			snap = known[0]
		}
		report.Snapshot, report.Overtaken, report.By = snap, true, snap.By
		return report, err
	}
	if report.Snapshot = snap; err != nil || !due {
		report.Idle = err == nil
		return report, err
	}
	if report.Begun.IsZero() {
		report.Begun = snap.AsOf
	}
	r.adopt(snap, r.now())
	r.snap.Accepted = union(r.snap.Accepted, accepted)
	r.before = wholeBefore(known, snap.ID)
	return r.work(ctx, report, known, budget)
}

// wholeBefore is the newest whole snapshot but one.
func wholeBefore(known []directory.Snapshot, but string) directory.Snapshot {
	for _, snap := range known {
		if snap.Stage == directory.Whole && snap.ID != but {
			return snap
		}
	}
	return directory.Snapshot{}
}

// work reads until the budget is over.
func (r *reading) work(
	ctx context.Context, report Report, known []directory.Snapshot, budget time.Duration,
) (Report, error) {
	working, stop := context.WithTimeout(ctx, budget)
	defer stop()
	err := r.phases(working)
	if failed := entra.Without(err, context.Canceled, context.DeadlineExceeded); ctx.Err() != nil && failed != nil {
		err = failed
	}
	over := err != nil && ctx.Err() == nil && budgetOver(working, err)
	switch {
	case errors.Is(err, directory.ErrOvertaken):
		report.Overtaken, report.By = true, r.snap.By
		err = nil
	case errors.As(err, new(unbelieved)):
		report.Doubt, report.Cause = err, err
		err = nil
	case over && r.stepped:
		err = nil // the next run goes on
	case over:
		report.Cause = r.outOfTime(budget)
		r.keepFailure(ctx, report.Cause)
		err = nil
	case errors.Is(err, directory.ErrAltered): // nothing that is made of it can be believed; the next run begins anew
		r.keepFailure(ctx, err)
		if dropping := r.maker.drop(ctx, r.snap); dropping == nil {
			r.snap.Stage = directory.Dropped
		}
	case err != nil && !stopped(ctx, err):
		r.keepFailure(ctx, err)
	}
	report.Snapshot, report.Finished, report.Stepped, report.Now = r.snap, r.finished, r.stepped, r.now()
	if report.Finished {
		report.Lost = refusedTo(r.snap)
		err = r.maker.tidy(ctx, known, r.snap, r.beganAt)
	}
	return report, err
}

// budgetOver tells whether an error is only the end of a run's time. A rate limiter refuses to wait
// for a turn that comes later than the deadline, so its error may come a moment before.
func budgetOver(working context.Context, err error) bool {
	if working.Err() != nil {
		return true
	}
	deadline, _ := working.Deadline()
	return time.Until(deadline) < time.Second && !errors.As(err, new(*entra.Error)) &&
		!errors.Is(err, entra.ErrPagingLost)
}

// pick finds the snapshot that is under way, or begins one.
func (s *Snapshotter) pick(
	ctx context.Context, known []directory.Snapshot, run string, now time.Time, force bool,
) (snap directory.Snapshot, due bool, err error) {
	for _, snap := range known {
		switch {
		case snap.Stage == directory.Reading && now.Sub(snap.AsOf) < abandonAfter:
			return snap, true, nil
		case snap.Stage == directory.Reading:
			if err := s.drop(ctx, snap); err != nil {
				return snap, false, err
			}
		case snap.Stage == directory.Whole && now.Sub(snap.AsOf) < time.Second,
			snap.Stage == directory.Whole && !force && now.Sub(snap.AsOf) < s.options.Every:
			return snap, false, nil
		}
		if snap.Stage == directory.Whole {
			break
		}
	}
	snap = directory.Snapshot{ID: now.UTC().Format("20060102T150405Z"), AsOf: now.UTC(), Stage: directory.Reading,
		Phase: directory.Phase(s.collections[0].Word), TokenKey: make([]byte, 32),
		By: run, StepAt: now.UTC(), Updated: now}
	_, _ = rand.Read(snap.TokenKey) // it never fails
	for _, id := range s.options.Groups {
		snap.Groups = append(snap.Groups, directory.Group{ID: id})
	}
	snap, err = s.store.SaveSnapshot(ctx, snap)
	return snap, true, err
}

// tidy drops the rows of snapshots that are no longer read: all but the current one, the one
// before, what was current a moment ago, and what these refer to.
func (s *Snapshotter) tidy(
	ctx context.Context, known []directory.Snapshot, current directory.Snapshot, now time.Time,
) error {
	whole := 1 // the new one is not among the known
	kept, over := references{current.ID: true}, references{}
	kept.add(current)
	var replaced time.Time
	for _, snap := range known {
		var err error
		switch {
		case snap.ID == current.ID:
		case snap.Stage == directory.Dropped:
			// Once more: a write that was under way when the table went away made it anew.
			over.add(snap)
			err = s.store.DropRows(ctx, snap.ID)
		case snap.Stage == directory.Reading && snap.AsOf.Before(current.AsOf):
			err = s.drop(ctx, snap) // two runs each began one; no run goes on with the older
		case snap.Stage == directory.Whole:
			whole++
			if kept[snap.ID] || whole <= 2 || now.Sub(replaced) <= keepAtLeast {
				kept[snap.ID] = true
				kept.add(snap)
			} else {
				over.add(snap)
				err = s.drop(ctx, snap)
			}
			replaced = snap.Finished
		}
		if err != nil && !errors.Is(err, directory.ErrOvertaken) {
			return err
		}
	}
	return s.dropReferences(ctx, over, kept)
}

// references are ids of snapshots that others refer to.
type references map[string]bool

func (r references) add(snap directory.Snapshot) {
	for _, c := range snap.Carried {
		r[c.Snapshot] = true
	}
}

// dropReferences drops what is no longer referred to, however old: it may not be listed any more.
func (s *Snapshotter) dropReferences(ctx context.Context, over, kept references) error {
	for id := range over {
		if kept[id] {
			continue
		}
		snap, err := s.store.Snapshot(ctx, id)
		if err == nil && snap.Stage == directory.Whole {
			err = s.drop(ctx, snap)
		}
		if err != nil && !errors.Is(err, directory.ErrOvertaken) && !errors.Is(err, directory.ErrNoSnapshot) {
			return err
		}
	}
	return nil
}

// drop removes a snapshot's rows before its row says so: killed between the two, it is done over,
// and no rows stay behind.
func (s *Snapshotter) drop(ctx context.Context, snap directory.Snapshot) error {
	if err := s.store.DropRows(ctx, snap.ID); err != nil {
		return err
	}
	snap.Stage = directory.Dropped
	_, err := s.store.SaveSnapshot(ctx, snap)
	return err
}
