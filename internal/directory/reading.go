package directory

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Options of a Snapshotter.
type Options struct {
	Groups []string      // ids of the groups whose members are noted
	Every  time.Duration // a timer's run begins no new snapshot while the current one is younger
}

// Snapshotter takes snapshots of the directory.
type Snapshotter struct {
	source  Source
	store   Store
	archive Successes
	options Options
	clock   func() time.Time
	log     *slog.Logger
}

// NewSnapshotter makes a Snapshotter. The clock only measures: what the time is, the tenant says.
func NewSnapshotter(source Source, store Store, archive Successes, options Options, clock func() time.Time, log *slog.Logger) *Snapshotter {
	return &Snapshotter{source: source, store: store, archive: archive, options: options, clock: clock, log: log}
}

const (
	// abandonAfter is the age at which an unfinished snapshot is no longer worth finishing.
	abandonAfter = 48 * time.Hour
	// keepAtLeast is how long a snapshot stays readable after the next one came, for whoever walks through its pages.
	keepAtLeast = time.Hour
	// listed is how many snapshots a run looks at.
	listed = 10
)

// Report is what a run did.
type Report struct {
	Snapshot  Snapshot
	Idle      bool   // nothing was due
	Finished  bool   // the snapshot became whole
	Overtaken bool   // another run goes on with it
	By        string // which one; empty: an older version's
	Stepped   bool   // the reading came further
	Stopped   bool   // the context ended before the run did; an error says no more than that
	Cause     error  // why it did not come further, where the run did not fail
	Doubt     error  // what the tenant refuses, and has not refused for long enough to be believed

	Now   time.Time // the tenant's clock at the end; zero: it could not be asked
	Whole time.Time // when the newest whole snapshot became so; zero: none is known
	Begun time.Time // when the first snapshot after that one was begun; zero: none was
}

// Summary is one line for people.
func (r Report) Summary() string {
	s := r.Snapshot
	switch {
	case r.Overtaken:
		return fmt.Sprintf("another run (%s) goes on with snapshot %s: at %s, its last step at %s",
			r.other(), s.ID, s.Phase, stamp(s.LastStep()))
	case r.Idle:
		return fmt.Sprintf("nothing is due: the snapshot of %s is current", s.AsOf.Format(time.RFC3339))
	case r.Stopped && s.ID == "":
		return "stopped before it was known what is due; the next run tries again"
	case r.Doubt != nil:
		return fmt.Sprintf("snapshot of %s: %d users, at %s; the next run goes on; %s", stamp(s.AsOf), s.Users, s.Phase, r.Doubt)
	case !r.Finished && !r.Stepped:
		return fmt.Sprintf("snapshot of %s: no step in this run, %d users, at %s; the next run tries again",
			stamp(s.AsOf), s.Users, s.Phase)
	case !r.Finished:
		return fmt.Sprintf("snapshot of %s: %d users, at %s; the next run goes on", s.AsOf.Format(time.RFC3339), s.Users, s.Phase)
	}
	return fmt.Sprintf("snapshot of %s is whole: %d users, %d credentials, %d requests to Graph", s.AsOf.Format(time.RFC3339), s.Users, s.Credentials, s.GraphRequests)
}

// other names the run that has the snapshot.
func (r Report) other() string {
	if r.By == "" {
		return "of an older version"
	}
	return r.By
}

// date keeps what the known snapshots, the newest first, say of the last whole one and of those
// begun since.
func (r *Report) date(known []Snapshot) {
	for _, snap := range known {
		if !snap.Finished.IsZero() {
			r.Whole = snap.Finished
			return
		}
		r.Begun = snap.AsOf
	}
}

// Run goes on with the snapshot that is under way, or begins one: always if force is set, else if
// the current one is old enough. It ends once budget is over, with everything kept that was read;
// the next run goes on from there. What is current stays current until the new one is whole. Of two
// runs at once the first to make a step goes on; the other one's report says which. Where ctx ends,
// the run ends at once, and that is no failure of the snapshot's.
func (s *Snapshotter) Run(ctx context.Context, budget time.Duration, force bool) (Report, error) {
	report, err := s.goOn(ctx, budget, force)
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

func (s *Snapshotter) goOn(ctx context.Context, budget time.Duration, force bool) (Report, error) {
	r := &reading{Snapshotter: s, run: nameRun(force), began: s.clock()}
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
	if errors.Is(err, ErrOvertaken) { // another run has begun it a moment ago
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
	r.take(snap, r.now())
	r.before = wholeBefore(known, snap.ID)
	return r.work(ctx, report, known, budget)
}

// wholeBefore is the newest whole snapshot but one.
func wholeBefore(known []Snapshot, but string) Snapshot {
	for _, snap := range known {
		if snap.Stage == Whole && snap.ID != but {
			return snap
		}
	}
	return Snapshot{}
}

// work reads until the budget is over.
func (r *reading) work(ctx context.Context, report Report, known []Snapshot, budget time.Duration) (Report, error) {
	working, stop := context.WithTimeout(ctx, budget)
	defer stop()
	err := r.phases(working)
	if failed := entra.Without(err, context.Canceled, context.DeadlineExceeded); ctx.Err() != nil && failed != nil {
		err = failed
	}
	over := err != nil && ctx.Err() == nil && budgetOver(working, err)
	switch {
	case errors.Is(err, ErrOvertaken):
		report.Overtaken, report.By = true, r.By
		err = nil
	case errors.As(err, new(doubted)):
		report.Doubt, report.Cause = err, err
		err = nil
	case over && r.stepped:
		err = nil // the next run goes on
	case over:
		report.Cause = r.outOfTime(budget)
		r.note(ctx, report.Cause)
		err = nil
	case errors.Is(err, ErrAltered): // nothing that is made of it can be believed; the next run begins anew
		r.note(ctx, err)
		if dropping := r.drop(ctx, r.Snapshot); dropping == nil {
			r.Stage = Dropped
		}
	case err != nil && !stopped(ctx, err):
		r.note(ctx, err)
	}
	report.Snapshot, report.Finished, report.Stepped, report.Now = r.Snapshot, r.finished, r.stepped, r.now()
	if report.Finished {
		err = r.tidy(ctx, known, r.Snapshot, r.beganAt)
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
	return time.Until(deadline) < time.Second && !errors.As(err, new(*entra.Error)) && !errors.Is(err, entra.ErrPagingLost)
}

// pick finds the snapshot that is under way, or begins one.
func (s *Snapshotter) pick(ctx context.Context, known []Snapshot, run string, now time.Time, force bool) (Snapshot, bool, error) {
	for _, snap := range known {
		switch {
		case snap.Stage == Reading && now.Sub(snap.AsOf) < abandonAfter:
			return snap, true, nil
		case snap.Stage == Reading:
			if err := s.drop(ctx, snap); err != nil {
				return snap, false, err
			}
		case snap.Stage == Whole && now.Sub(snap.AsOf) < time.Second, snap.Stage == Whole && !force && now.Sub(snap.AsOf) < s.options.Every:
			return snap, false, nil
		}
		if snap.Stage == Whole {
			break
		}
	}
	snap := Snapshot{ID: now.UTC().Format("20060102T150405Z"), AsOf: now.UTC(), Stage: Reading, Phase: PhaseUsers, TokenKey: make([]byte, 32),
		By: run, StepAt: now.UTC(), Updated: now}
	_, _ = rand.Read(snap.TokenKey) // it never fails
	for _, id := range s.options.Groups {
		snap.Groups = append(snap.Groups, Group{ID: id})
	}
	snap, err := s.store.SaveSnapshot(ctx, snap)
	return snap, true, err
}

// tidy drops the rows of snapshots that nobody reads any more: all but the current one, the one before, and what was
// current a moment ago.
func (s *Snapshotter) tidy(ctx context.Context, known []Snapshot, current Snapshot, now time.Time) error {
	whole := 1 // the new one is not among the known
	var replaced time.Time
	for _, snap := range known {
		var err error
		switch {
		case snap.ID == current.ID:
		case snap.Stage == Dropped:
			// Once more: a write that was under way when the table went away made it anew.
			err = s.store.DropRows(ctx, snap.ID)
		case snap.Stage == Reading && snap.AsOf.Before(current.AsOf):
			err = s.drop(ctx, snap) // two runs each began one; nobody goes on with the older
		case snap.Stage == Whole:
			if whole++; whole > 2 && now.Sub(replaced) > keepAtLeast {
				err = s.drop(ctx, snap)
			}
			replaced = snap.Finished
		}
		if err != nil && !errors.Is(err, ErrOvertaken) {
			return err
		}
	}
	return nil
}

// drop removes a snapshot's rows before its row says so: killed between the two, it is done over, and no rows are forgotten.
func (s *Snapshotter) drop(ctx context.Context, snap Snapshot) error {
	if err := s.store.DropRows(ctx, snap.ID); err != nil {
		return err
	}
	snap.Stage = Dropped
	_, err := s.store.SaveSnapshot(ctx, snap)
	return err
}

// groups notes the members of each group that the settings name.
func (r *reading) groups(ctx context.Context) error {
	for i := range r.Groups {
		g := &r.Groups[i]
		if r.Position > fmt.Sprintf("%06d", i) {
			continue
		}
		r.Position = fmt.Sprintf("%06d", i)
		err := r.walk(ctx, Query{Phase: PhaseGroups, Group: g.ID}, func(ctx context.Context, page Page) error {
			if r.Link == "" {
				g.Members = 0
			}
			rows := make([]Row, 0, len(page.Items))
			for _, raw := range page.Items {
				if u, err := ParseUser(raw); err == nil {
					rows = append(rows, Row{Key: g.ID + "_" + u.ID})
				}
			}
			g.Members += int64(len(rows))
			return r.store.Put(ctx, r.ID, readMembers, rows)
		})
		if refusal(err) {
			if err := r.withhold(ctx, "group "+g.ID, err); err != nil {
				return err
			}
			g.Unknown = true
		} else if err != nil {
			return err
		}
		r.Position, r.Link, r.Walk, r.Doubt = fmt.Sprintf("%06d", i+1), "", Walk{}, nil
		if err := r.step(ctx); err != nil {
			return err
		}
	}
	return r.next(ctx, PhaseApps)
}

// holders reads applications or service principals and keeps those that have credentials.
func (r *reading) holders(ctx context.Context) error {
	origin, what, count := OnApplication, "applications", &r.Applications
	if r.Phase == PhasePrincipals {
		origin, what, count = OnServicePrincipal, "servicePrincipals", &r.Principals
	}
	err := r.walk(ctx, Query{Phase: r.Phase}, func(ctx context.Context, page Page) error {
		if r.Link == "" {
			*count = 0
		}
		var rows []Row
		for _, raw := range page.Items {
			h, err := ParseHolder(origin, raw)
			if err != nil {
				return &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + what + " from Graph", Err: err, Remedy: "the next run tries again"}
			}
			if len(h.Secrets)+len(h.Keys) > 0 {
				rows = append(rows, document(h.key(), h))
			}
		}
		*count += int64(len(rows))
		return r.store.Put(ctx, r.ID, readHolders, rows)
	})
	if refusal(err) {
		err = r.withhold(ctx, what, err)
	}
	if err != nil {
		return err
	}
	return r.next(ctx, phaseAfter[r.Phase])
}

// use reads when credentials, or applications, were last used, where the tenant has the report.
func (r *reading) use(ctx context.Context) error {
	what, partition := "credentialUse", readUse
	if r.Phase == PhaseAppUse {
		what, partition = "applicationUse", readAppUse
	}
	err := r.walk(ctx, Query{Phase: r.Phase}, func(ctx context.Context, page Page) error {
		var rows []Row
		for _, raw := range page.Items {
			u := parseUse(raw)
			key := u.AppID
			if partition == readUse {
				key += "_" + u.KeyID
			}
			if u.AppID != "" && !u.Last.IsZero() {
				rows = append(rows, document(key, u))
			}
		}
		return r.store.Put(ctx, r.ID, partition, rows)
	})
	// A report of beta may be refused in a way that nobody foresaw; what it would have said is then not disclosed, and the snapshot goes on.
	if refusal(err) || unforeseen(err) {
		err = r.withhold(ctx, what, err)
	}
	if err != nil {
		return err
	}
	return r.next(ctx, phaseAfter[r.Phase])
}

// document is a row whose document is a value of ours.
func document(key string, v any) Row {
	doc, err := json.Marshal(v)
	if err != nil {
		panic("write a document: " + err.Error()) // our own types always have a JSON form
	}
	return Row{Key: key, Doc: doc}
}
