package snapshots

import (
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
)

// Report is what a run did.
type Report struct {
	Snapshot  directory.Snapshot
	Idle      bool                // nothing was due
	Finished  bool                // the snapshot became whole
	Overtaken bool                // another run goes on with it
	By        string              // which one; empty: an older version's
	Stepped   bool                // the reading came further
	Stopped   bool                // the context ended before the run did; an error says no more than that
	Cause     error               // why it did not come further, where the run did not fail
	Lost      []directory.Carried // what is refused to the newest whole snapshot, and was disclosed before
	Doubt     error               // what the tenant refuses, and has not refused for long enough to be believed

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
		return fmt.Sprintf("snapshot of %s: %d users, at %s; the next run goes on; %s",
			stamp(s.AsOf), s.Users, s.Phase, r.Doubt)
	case !r.Finished && !r.Stepped:
		return fmt.Sprintf("snapshot of %s: no step in this run, %d users, at %s; the next run tries again",
			stamp(s.AsOf), s.Users, s.Phase)
	case !r.Finished:
		return fmt.Sprintf("snapshot of %s: %d users, at %s; the next run goes on",
			s.AsOf.Format(time.RFC3339), s.Users, s.Phase)
	}
	return fmt.Sprintf("snapshot of %s is whole: %d users, %d credentials, %d requests to Graph%s",
		s.AsOf.Format(time.RFC3339), s.Users, s.Credentials, s.GraphRequests, carriedWords(s.Carried))
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
func (r *Report) date(known []directory.Snapshot) {
	for _, snap := range known {
		if !snap.Finished.IsZero() {
			r.Whole, r.Lost = snap.Finished, refusedTo(snap)
			return
		}
		r.Begun = snap.AsOf
	}
}
