package directory

import (
	"context"
	"crypto/rand"
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
	Idle      bool // nothing was due
	Finished  bool // the snapshot became whole
	Overtaken bool // another run goes on with it
}

// Summary is one line for people.
func (r Report) Summary() string {
	s := r.Snapshot
	switch {
	case r.Overtaken:
		return "another run goes on with the snapshot"
	case r.Idle:
		return fmt.Sprintf("nothing is due: the snapshot of %s is current", s.AsOf.Format(time.RFC3339))
	case !r.Finished:
		return fmt.Sprintf("snapshot of %s: %d users, at %s; the next run goes on", s.AsOf.Format(time.RFC3339), s.Users, s.Phase)
	}
	return fmt.Sprintf("snapshot of %s is whole: %d users, %d credentials, %d requests to Graph", s.AsOf.Format(time.RFC3339), s.Users, s.Credentials, s.GraphRequests)
}

// Run goes on with the snapshot that is under way, or begins one: always if force is set, else if the current one is old
// enough. It ends once budget is over, with everything kept that was read; the next run goes on from there. What is
// current stays current until the new one is whole.
func (s *Snapshotter) Run(ctx context.Context, budget time.Duration, force bool) (Report, error) {
	now, err := s.source.Now(ctx)
	if err != nil {
		return Report{}, err
	}
	known, err := s.store.Snapshots(ctx, listed)
	if err != nil {
		return Report{}, err
	}
	snap, due, err := s.pick(ctx, known, now, force)
	if errors.Is(err, ErrOvertaken) { // another run has begun it a moment ago
		known, err = s.store.Snapshots(ctx, 1)
		if err == nil && len(known) > 0 {
			snap = known[0]
		}
		return Report{Snapshot: snap, Overtaken: true}, err
	}
	if err != nil || !due {
		return Report{Snapshot: snap, Idle: true}, err
	}
	working, stop := context.WithTimeout(ctx, budget)
	defer stop()
	r := &reading{Snapshotter: s, Snapshot: snap, began: s.clock(), beganAt: now}
	err = r.run(working)
	report := Report{Snapshot: r.Snapshot, Finished: r.Stage == Whole}
	switch {
	case errors.Is(err, ErrOvertaken):
		report.Overtaken = true
		return report, nil
	case err != nil && working.Err() != nil && ctx.Err() == nil:
		return report, nil // the budget is over
	case err != nil:
		r.note(ctx, err)
		return report, err
	}
	if report.Finished {
		err = s.tidy(ctx, known, now)
	}
	return report, err
}

// pick finds the snapshot that is under way, or begins one.
func (s *Snapshotter) pick(ctx context.Context, known []Snapshot, now time.Time, force bool) (Snapshot, bool, error) {
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
	snap := Snapshot{ID: now.UTC().Format("20060102T150405Z"), AsOf: now.UTC(), Stage: Reading, Phase: PhaseUsers, TokenKey: make([]byte, 32), Updated: now}
	_, _ = rand.Read(snap.TokenKey) // it never fails
	for _, id := range s.options.Groups {
		snap.Groups = append(snap.Groups, Group{ID: id})
	}
	snap, err := s.store.SaveSnapshot(ctx, snap)
	return snap, true, err
}

// tidy drops the rows of snapshots that nobody reads any more: all but the current one, the one before, and what was
// current a moment ago.
func (s *Snapshotter) tidy(ctx context.Context, known []Snapshot, now time.Time) error {
	whole := 1 // the new one is not among the known
	var replaced time.Time
	for _, snap := range known {
		if snap.Stage != Whole {
			continue
		}
		if whole++; whole > 2 && now.Sub(replaced) > keepAtLeast {
			if err := s.drop(ctx, snap); err != nil && !errors.Is(err, ErrOvertaken) {
				return err
			}
		}
		replaced = snap.Finished
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

// reading is one run's work on a snapshot.
type reading struct {
	*Snapshotter
	Snapshot
	began   time.Time // by our clock
	beganAt time.Time // by the tenant's
}

// now is the tenant's clock.
func (r *reading) now() time.Time { return r.beganAt.Add(r.clock().Sub(r.began)).UTC() }

// run goes through the phases that are left. Every page is kept before the row says that it was read.
func (r *reading) run(ctx context.Context) error {
	steps := map[Phase]func(context.Context) error{
		PhaseUsers: r.users, PhasePlainUsers: r.users, PhaseGroups: r.groups, PhaseApps: r.holders, PhasePrincipals: r.holders,
		PhaseUse: r.use, PhaseAppUse: r.use, PhaseArchive: r.successes, PhaseDecide: r.decide,
	}
	for r.Phase != PhaseDone {
		if err := steps[r.Phase](ctx); err != nil {
			return err
		}
	}
	return nil
}

// save keeps how far the reading is. It is the one place where a run learns that another has taken over.
func (r *reading) save(ctx context.Context) error {
	r.Updated = r.now()
	saved, err := r.store.SaveSnapshot(ctx, r.Snapshot)
	if err == nil {
		r.Snapshot = saved
	}
	return err
}

// note keeps why a run failed, for whoever asks for the state of the snapshot. That it can't is in the log anyway.
func (r *reading) note(ctx context.Context, failed error) {
	r.LastError = failed.Error()
	if err := r.save(context.WithoutCancel(ctx)); err != nil {
		r.log.WarnContext(ctx, "the snapshot's error was not kept", "error", err.Error())
	}
}

// next begins a phase.
func (r *reading) next(ctx context.Context, phase Phase) error {
	r.Phase, r.Link, r.Position, r.LastError = phase, "", "", ""
	return r.save(ctx)
}

// phaseAfter is the order of the phases that read a collection.
var phaseAfter = map[Phase]Phase{PhaseUsers: PhaseGroups, PhasePlainUsers: PhaseGroups, PhaseGroups: PhaseApps, PhaseApps: PhasePrincipals, PhasePrincipals: PhaseUse,
	PhaseUse: PhaseAppUse, PhaseAppUse: PhaseArchive}

// walk reads the pages of the phase's collection from where the snapshot is, and keeps each with its place. If Graph has
// forgotten the place, the collection is begun anew: what was read is written over.
func (r *reading) walk(ctx context.Context, q Query, keep func(context.Context, Page) error) error {
	for {
		page, err := r.source.Objects(ctx, q, r.Link)
		if errors.Is(err, entra.ErrPagingLost) && r.Restarts < maxRestarts {
			r.Restarts++
			r.Link = ""
			if err := r.save(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		r.GraphRequests++
		err = keep(ctx, page)
		page.Free()
		if err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		r.Link = page.Next
		if err := r.save(ctx); err != nil {
			return err
		}
	}
}

// maxRestarts bounds how often one snapshot begins a collection anew.
const maxRestarts = 5

// refusal tells whether the tenant refuses to disclose something, rather than being out of order.
func refusal(err error) bool {
	return slices.Contains([]entra.Code{entra.CodePermission, entra.CodeLicence, entra.CodeNotFound}, entra.CodeOf(err))
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
		if r.Link == "" {
			g.Members = 0
		}
		err := r.walk(ctx, Query{Phase: PhaseGroups, Group: g.ID}, func(ctx context.Context, page Page) error {
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
		r.Position, r.Link = fmt.Sprintf("%06d", i+1), ""
		if err := r.save(ctx); err != nil {
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
	if refusal(err) || entra.CodeOf(err) == entra.CodeInternal && errors.As(err, new(*entra.Error)) {
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
