package directory

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
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
	Cause     error  // why it did not, where the run did not fail

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
// runs at once the first to make a step goes on; the other one's report says which.
func (s *Snapshotter) Run(ctx context.Context, budget time.Duration, force bool) (Report, error) {
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
	return r.work(ctx, report, known, budget)
}

// work reads until the budget is over.
func (r *reading) work(ctx context.Context, report Report, known []Snapshot, budget time.Duration) (Report, error) {
	working, stop := context.WithTimeout(ctx, budget)
	defer stop()
	err := r.phases(working)
	over := err != nil && ctx.Err() == nil && budgetOver(working, err)
	switch {
	case errors.Is(err, ErrOvertaken):
		report.Overtaken, report.By = true, r.By
		err = nil
	case over && r.stepped:
		err = nil // the next run goes on
	case over:
		report.Cause = r.outOfTime(budget)
		r.note(ctx, report.Cause)
		err = nil
	case err != nil:
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

// next begins a phase.
func (r *reading) next(ctx context.Context, phase Phase) error {
	r.Phase, r.Link, r.Position, r.Walk = phase, "", "", Walk{}
	return r.step(ctx)
}

// phaseAfter is the order of the phases that read a collection.
var phaseAfter = map[Phase]Phase{PhaseUsers: PhaseGroups, PhasePlainUsers: PhaseGroups, PhaseGroups: PhaseApps, PhaseApps: PhasePrincipals, PhasePrincipals: PhaseUse,
	PhaseUse: PhaseAppUse, PhaseAppUse: PhaseArchive}

// walk reads the pages of the phase's collection from where the snapshot is, and keeps each with
// its place. If Graph has forgotten the place, or leads back to it, the collection is begun anew:
// what was read is written over. An error of keeping a page is a notKept.
func (r *reading) walk(ctx context.Context, q Query, keep func(context.Context, Page) error) error {
	for {
		page, err := r.source.Objects(ctx, q, r.Link)
		if err != nil && !errors.Is(err, entra.ErrPagingLost) {
			return err
		}
		done := false
		if err == nil {
			done, err = r.keepPage(ctx, page, keep)
		}
		if errors.Is(err, entra.ErrPagingLost) {
			err = r.restart(ctx, err)
		}
		if err != nil {
			return notKept{err}
		}
		if done {
			return nil
		}
	}
}

// keepPage keeps a page and its place, and tells whether it was the last.
func (r *reading) keepPage(ctx context.Context, page Page, keep func(context.Context, Page) error) (last bool, err error) {
	r.GraphRequests++
	full := len(page.Items) > 0
	err = keep(ctx, page)
	page.Free()
	if err != nil || page.Next == "" {
		return true, err
	}
	further, circle := r.Walk.follow(page.Next, full)
	if circle {
		return false, fmt.Errorf("read %s from Graph: the pages lead back to one that was read: %w",
			r.Phase, entra.ErrPagingLost)
	}
	r.Link = page.Next
	if further {
		return false, r.step(ctx)
	}
	return false, r.save(ctx)
}

// notKept is an error of keeping what was read: whatever its code, it is not the tenant's refusal.
type notKept struct{ error }

func (e notKept) Unwrap() error { return e.error }

// follow keeps that a page was read and where it leads, and tells whether the walk is further than
// any before it, and whether it goes round in a circle. An empty page is no progress: Graph may
// send them without end. Circles are found as Brent does: the link at each power of two is kept,
// and is met again within twice the circle's length.
func (w *Walk) follow(link string, full bool) (further, circle bool) {
	sum := sha256.Sum256([]byte(link))
	name := base64.RawStdEncoding.EncodeToString(sum[:9])
	w.Pages++
	if full {
		w.Full++
	}
	if name == w.Anchor {
		return false, true
	}
	if w.Pages&(w.Pages-1) == 0 {
		w.Anchor = name
	}
	further = w.Full > w.Farthest
	w.Farthest = max(w.Farthest, w.Full)
	return further, false
}

// maxRestarts bounds how often one run begins a collection anew.
const maxRestarts = 5

// restart begins the collection anew, or says that this run has done so too often. The next run
// begins it anew too.
func (r *reading) restart(ctx context.Context, lost error) error {
	read := r.Walk.Pages
	r.Link, r.Walk = "", Walk{Farthest: r.Walk.Farthest}
	if r.restarts++; r.restarts > maxRestarts {
		return &entra.Error{Code: entra.CodeBrokenAnswer, Doing: "read " + string(r.Phase) + " from Graph",
			Why: fmt.Sprintf("its pages were lost %d times in this run, the last time after %d pages: %s",
				r.restarts, read, lost),
			Remedy: "the next run begins this collection anew; if it stays, look at Microsoft 365 service health", Err: lost}
	}
	r.Restarts++
	return r.save(ctx)
}

// refusal tells whether the tenant refuses to disclose something, rather than being out of order.
func refusal(err error) bool {
	codes := []entra.Code{entra.CodePermission, entra.CodeLicence, entra.CodeNotFound}
	return !errors.As(err, new(notKept)) && slices.Contains(codes, entra.CodeOf(err))
}

func (r *reading) withhold(what string, err error) {
	r.Undisclosed = append(r.Undisclosed, Undisclosed{What: what, Code: entra.CodeOf(err), Message: err.Error()})
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
			g.Unknown = true
			r.withhold("group "+g.ID, err)
		} else if err != nil {
			return err
		}
		r.Position, r.Link, r.Walk = fmt.Sprintf("%06d", i+1), "", Walk{}
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
				rows = append(rows, document(h.AppID+"_"+string(origin)+"_"+h.ID, h))
			}
		}
		*count += int64(len(rows))
		return r.store.Put(ctx, r.ID, readHolders, rows)
	})
	if refusal(err) {
		r.withhold(what, err)
	} else if err != nil {
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
	unforeseen := entra.CodeOf(err) == entra.CodeInternal && errors.As(err, new(*entra.Error)) && !errors.As(err, new(notKept))
	if refusal(err) || unforeseen {
		r.withhold(what, err)
	} else if err != nil {
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
