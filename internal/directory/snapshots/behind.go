package snapshots

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

const (
	// wholeEvery is how often a whole snapshot is expected.
	wholeEvery = 24 * time.Hour
	// clockSlack is how far a snapshot's begin may be in the future.
	clockSlack = 5 * time.Minute
)

// BehindOf tells why a timer's run fails although it may have ended well: there was no step, or no
// whole snapshot, for longer than after. nil where neither holds, or after is zero. report and
// failed are what Run returned. Ages are taken at now; where it is zero, because no clock could be
// asked, a run that failed says since when there was no step.
func BehindOf(report Report, failed error, now time.Time, after time.Duration) (kind string, e *entra.Error) {
	if after <= 0 || report.Finished {
		return "", nil
	}
	if report.Idle {
		return fromTheFuture(report.Snapshot, now)
	}
	cause := causeOf(report, failed)
	if why := stalled(report.Snapshot, failed, now, after); why != "" {
		return directory.Stalled, behindError(cause, why)
	}
	if why := overdue(report, failed, now, after); why != "" {
		return directory.Overdue, behindError(cause, why)
	}
	return "", nil
}

// stalled tells since when a snapshot in work has made no step; empty where that is not too long.
func stalled(snap directory.Snapshot, failed error, now time.Time, after time.Duration) string {
	if snap.Stage != directory.Reading {
		return ""
	}
	why := fmt.Sprintf("no step since %s, at %s", stamp(snap.LastStep()), snap.Phase)
	if now.IsZero() {
		if failed == nil {
			return ""
		}
		return why + " (how long ago is not known: no clock could be asked)"
	}
	age := now.Sub(snap.LastStep())
	if age <= after {
		return ""
	}
	return why + fmt.Sprintf(", for %s", age.Round(time.Minute))
}

// overdue tells since when there is no whole snapshot; empty where that is not too long. A schedule
// of weeks is no failure: the runs since the first that found a snapshot due get the time that a
// stall gets.
func overdue(report Report, failed error, now time.Time, after time.Duration) string {
	since, words := report.Whole, "no snapshot has become whole since the one of"
	if since.IsZero() {
		since, words = report.Begun, "no snapshot has become whole since the first was begun at"
	}
	tried := failed != nil
	if !report.Begun.IsZero() {
		tried = now.Sub(report.Begun) > after
	}
	if now.IsZero() || since.IsZero() || !tried || now.Sub(since) <= wholeEvery+after {
		return ""
	}
	why := fmt.Sprintf("%s %s, for %s", words, stamp(since), now.Sub(since).Round(time.Minute))
	if snap := report.Snapshot; snap.Stage == directory.Reading {
		why += fmt.Sprintf(" (the one in work is at %s, its last step was at %s)", snap.Phase, stamp(snap.LastStep()))
	}
	return why
}

// fromTheFuture refuses to be content with a snapshot that was begun later than now: none would be
// taken until then.
func fromTheFuture(snap directory.Snapshot, now time.Time) (string, *entra.Error) {
	ahead := snap.AsOf.Sub(now)
	if now.IsZero() || ahead <= clockSlack {
		return "", nil
	}
	return directory.Overdue, &entra.Error{Code: entra.CodeBehind, Doing: takeSnapshot,
		Why: fmt.Sprintf("the current one says that it was begun at %s, %s after now (%s), "+
			"and none is taken until then", stamp(snap.AsOf), ahead.Round(time.Minute), stamp(now)),
		Remedy: "Graph's clock was wrong then or is now; delete the row of snapshot " + snap.ID +
			" in table snapshots, and the next run takes a new one"}
}

const takeSnapshot = "take the directory's snapshot"

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// causeOf is the last cause of a lack of progress; nil where none is known.
func causeOf(report Report, failed error) error {
	snap := report.Snapshot
	switch {
	case failed != nil:
		return failed
	case report.Cause != nil:
		return report.Cause
	case report.Overtaken:
		return &entra.Error{Code: entra.CodeConflict, Doing: "go on with snapshot " + snap.ID,
			Why: "another run (" + report.other() + ") took it over",
			Remedy: "see that only one app uses this storage account, " +
				"and that nothing calls POST /api/snapshot again and again"}
	case snap.LastError != "":
		return &entra.Error{Code: snap.LastErrorCode, Doing: "run before", Why: snap.LastError}
	}
	return nil
}

// behindError puts into one line since when, the last cause, and what to do.
func behindError(cause error, why string) *entra.Error {
	out := &entra.Error{Code: entra.CodeBehind, Doing: takeSnapshot, Why: why, Err: cause,
		Remedy: "the next runs go on; if it stays, raise ARCHIVE_RUN_BUDGET or the snapshot's share in " +
			"GRAPH_REQUESTS_PER_10S, or let SNAPSHOT_SCHEDULE fire more often"}
	if cause == nil {
		return out
	}
	text := cause.Error()
	if e, ok := errors.AsType[*entra.Error](cause); ok {
		out.Code = e.Code
		bare := *e
		bare.Remedy = ""
		text = bare.Error()
		if e.Remedy != "" {
			out.Remedy = e.Remedy
		}
	}
	out.Why += "; the last cause: " + text
	return out
}

// Check gives the error of a timer's run: the run's own, or that the snapshot has come no further,
// or become whole, for longer than after. The row of the snapshot in work then says so too, until
// that is over. now is as for BehindOf.
func (s *Snapshotter) Check(
	ctx context.Context, report Report, failed error, now time.Time, after time.Duration,
) error {
	err := s.behind(ctx, report, failed, now, after)
	if e := lost(report.Lost); err == nil && e != nil && after > 0 {
		return e
	}
	return err
}

// lost is why a timer's run fails while something is refused that was disclosed before; nil where
// nothing is.
func lost(all []directory.Carried) *entra.Error {
	if len(all) == 0 {
		return nil
	}
	names, words := make([]string, len(all)), make([]string, len(all))
	for i, c := range all {
		names[i] = c.What
		words[i] = c.What + ": nothing stands in for what was known at " + stamp(c.AsOf)
		if c.Snapshot != "" {
			words[i] = fmt.Sprintf("%s: what was known at %s stands in until %s", c.What, stamp(c.AsOf),
				stamp(c.AsOf.Add(standsInFor(c.What))))
		}
	}
	return &entra.Error{Code: all[0].Code, Doing: "read " + strings.Join(names, ", ") + " for the directory's snapshot",
		Why: fmt.Sprintf("it is refused, and was disclosed before: %s; the cause: %s", strings.Join(words, ", "),
			all[0].Message),
		Remedy: "grant it again, and POST /api/snapshot; if it was taken away on purpose, POST /api/snapshot?accept=" +
			url.QueryEscape(strings.Join(names, ",")) + " lets it count as never granted"}
}

func (s *Snapshotter) behind(
	ctx context.Context, report Report, failed error, now time.Time, after time.Duration,
) error {
	kind, e := BehindOf(report, failed, now, after)
	if kind == "" {
		return failed
	}
	if report.Snapshot.Stage != directory.Reading {
		return e
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer stop()
	for range maxAdopted {
		// Another run may have made a step, or ended the snapshot, meanwhile.
		row, err := s.store.Snapshot(ctx, report.Snapshot.ID)
		switch {
		case errors.Is(err, directory.ErrNoSnapshot):
			return missing(report.Snapshot.ID)
		case err != nil && failed == nil:
			return err
		case err != nil: // failed says why
			return e
		case row.Stage != directory.Reading:
			return failed
		}
		report.Snapshot = row
		if kind, e = BehindOf(report, failed, now, after); kind == "" {
			return failed
		}
		row.Behind = &directory.Behind{Kind: kind, At: now, Code: e.Code, Message: e.Error()}
		if now.IsZero() {
			row.Behind.At = row.LastErrorAt
		}
		if _, err = s.store.SaveSnapshot(ctx, row); err == nil {
			return e
		}
		if !errors.Is(err, directory.ErrOvertaken) {
			s.log.WarnContext(ctx, "that the snapshot is behind was not kept", "error", err.Error())
			return e
		}
	}
	return e
}
