// Package status decides what needs somebody: all that does not get better without a person, each
// with what to do. It is pure.
package status

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/runs"
)

// Severity says how much something matters.
type Severity string

// Severities. What is a notice is known and stays: it needs nobody now.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Notice  Severity = "notice"
)

// Kind of a need.
type Kind string

// Kinds of needs.
const (
	NotStarted    Kind = "notStarted"
	Failing       Kind = "failing"
	Tampered      Kind = "tampered"
	AboutToBeLost Kind = "aboutToBeLost"
	InDoubt       Kind = "inDoubt"
	Lost          Kind = "lost"
	Quarantined   Kind = "quarantined"
	NotDelivered  Kind = "notDelivered"
	Snapshot      Kind = "snapshot"
	NotDisclosed  Kind = "notDisclosed"
	CheckFailed   Kind = "check"
	RunFailed     Kind = "run"
)

// Need is something that does not get better without a person. Keys without a value are left out.
type Need struct {
	Severity Severity     `json:"severity" enum:"error,warning,notice"`
	Kind     Kind         `json:"kind"`
	Stream   entra.Stream `json:"stream,omitempty" text:"Which log"`
	Subject  string       `json:"subject" text:"What it is about, where it is no log"`
	Code     entra.Code   `json:"code,omitempty" text:"Why, as a code"`
	Reason   string       `json:"reason" text:"What is so, and why"`
	Remedy   string       `json:"remedy,omitempty" text:"What to do; absent where the reason says it"`
	Due      string       `json:"dueDateTime,omitempty" text:"Until when somebody has to act"`
}

// Texts are those that are too long for their line.
func (Need) Texts() map[string]string {
	return map[string]string{
		"severity": "error, warning; notice: it is known and stays, and needs nobody now",
		"kind": "notStarted, failing, tampered, aboutToBeLost, inDoubt, lost, quarantined, notDelivered " +
			"(of a log that is " +
			"sent), snapshot, notDisclosed, check, run",
	}
}

// Failure is why something failed.
type Failure struct {
	Code    entra.Code `json:"code"`
	Message string     `json:"message"`
}

// Log is how it stands with a log. Its keys are those of GET /api/coverage.
type Log struct {
	Stream        entra.Stream  `json:"stream"`
	Status        ledger.Status `json:"status"`
	Collected     bool          `json:"collected"`
	Records       int64         `json:"records"`
	Arrived       int64         `json:"imported,omitempty"`             // records that were imported or delivered
	CompleteUntil time.Time     `json:"completeUntilDateTime,omitzero"` // zero: nothing was read
	Missing       int64         `json:"windowsMissing"`                 // hours that are still to be read
	NextLoss      time.Time     `json:"nextLossDateTime,omitzero"`      // when Graph forgets the oldest of them
	Lost          int64         `json:"windowsLost"`                    // hours
	InDoubt       int64         `json:"windowsInDoubt"`                 // hours
	Quarantined   int64         `json:"quarantined"`                    // records
	NotDelivered  int64         `json:"numbersMissing,omitempty"`       // numbers between others that did not come
	Failure       *Failure      `json:"lastError,omitempty"`
}

// Facts are all that is looked at.
type Facts struct {
	Logs     []Log
	Snapshot *directory.Snapshot // the newest; nil: there is none
	Checks   []preflight.Check
	Runs     map[string]runs.Run // the last one of each timer that has ended

	Unreadable []Unreadable // what is stored of timers' runs, and can't be read

	// The timers that read logs and directory: why they fail is told of each log, and of the snapshot.
	Archiver, Snapshotter string
}

// Unreadable is a timer of whose runs nobody can say what they did.
type Unreadable struct {
	Timer string
	Code  entra.Code
	Why   string
}

// old is how old the newest snapshot may be until it needs somebody: one is made every night, or every
// week by a schedule that is chosen so.
const old = 8 * 24 * time.Hour

// soon is how long before a loss it needs somebody.
const soon = 3 * 24 * time.Hour

// remedies are what to do about errors whose own text does not say it.
var remedies = map[entra.Code]string{
	entra.CodePermission: "grant the permission to the app's identity: docs/permissions.md",
	entra.CodeLicence: "this log takes a Microsoft Entra ID P1 or P2 licence; without one, take it out of " +
		"ARCHIVE_STREAMS",
	entra.CodeTampered: "find out who may write to the archive's account, and verify the range: docs/runbook.md, " +
		"\"Somebody changed the archive\"",
	entra.CodeToken:     "see which identity the app has, and GET /api/preflight",
	entra.CodeThrottled: "another app may use the ceiling of Graph's reports: docs/runbook.md, \"Throttled\"",
	entra.CodeBehind:    "find out whether runs come, fail or don't keep up: docs/runbook.md, \"Behind\"",
}

// Needs lists what needs somebody, what is worst first.
func Needs(f Facts, now time.Time) []Need {
	var out []Need
	failing := false
	if nothingRead(f.Logs) {
		out = append(out, Need{Severity: Warning, Kind: NotStarted, Subject: "the archive",
			Reason: "no log was read yet",
			Remedy: "after a deployment, wait for the first run, some minutes; where none comes: docs/runbook.md, " +
				"\"Timers that are silent\"; in a terminal, see that the connection is this archive's"})
	}
	for _, l := range f.Logs {
		out = append(out, ofLog(l, now)...)
		failing = failing || l.Collected && l.Failure != nil
	}
	if f.Snapshot != nil {
		out = append(out, ofSnapshot(*f.Snapshot, now)...)
	}
	for _, c := range f.Checks {
		if c.Status == preflight.OK {
			continue
		}
		need := Need{Severity: Error, Kind: CheckFailed, Subject: c.Name, Code: c.Code, Reason: c.Detail,
			Remedy: remedies[c.Code]}
		if c.Consequence != "" {
			need.Reason += ". Meanwhile: " + c.Consequence
		}
		if c.Status == preflight.Limited {
			need.Severity = Notice
		}
		out = append(out, need)
	}
	for _, timer := range slices.Sorted(maps.Keys(f.Runs)) {
		run := f.Runs[timer]
		told := timer == f.Archiver && failing || timer == f.Snapshotter && has(out, Snapshot)
		if run.Outcome != runs.Failed || told {
			continue
		}
		out = append(out, Need{Severity: Warning, Kind: RunFailed, Subject: timer, Code: run.Code, Reason: run.Error,
			Remedy: remedies[run.Code]})
	}
	for _, u := range f.Unreadable {
		out = append(out, Need{Severity: Warning, Kind: RunFailed, Subject: u.Timer, Code: u.Code, Reason: u.Why})
	}
	order := []Severity{Error, Warning, Notice}
	slices.SortStableFunc(out, func(a, b Need) int {
		return slices.Index(order, a.Severity) - slices.Index(order, b.Severity)
	})
	return out
}

// nothingRead tells whether logs are to be read, and none ever was, nor failed: no run has come yet,
// or this is another account than the archive's.
func nothingRead(all []Log) bool {
	expected := false
	for _, l := range all {
		if l.Status != ledger.StatusNotStarted && l.Collected || l.Failure != nil || l.Arrived > 0 {
			return false
		}
		expected = expected || l.Collected
	}
	return expected
}

// Somebody tells whether any of these needs somebody now.
func Somebody(needs []Need) bool {
	return slices.ContainsFunc(needs, func(n Need) bool { return n.Severity != Notice })
}

func has(needs []Need, kind Kind) bool {
	return slices.ContainsFunc(needs, func(n Need) bool { return n.Kind == kind })
}

func ofLog(l Log, now time.Time) []Need {
	var out []Need
	add := func(severity Severity, kind Kind, reason, remedy string) *Need {
		out = append(out, Need{Severity: severity, Kind: kind, Stream: l.Stream, Subject: string(l.Stream),
			Reason: reason, Remedy: remedy})
		return &out[len(out)-1]
	}
	if l.Collected && l.Failure != nil && l.Status == ledger.StatusFailing {
		kind := Failing
		if l.Failure.Code == entra.CodeTampered {
			kind = Tampered
		}
		add(Error, kind, l.Failure.Message, remedies[l.Failure.Code]).Code = l.Failure.Code
	}
	if l.Collected && l.Missing > 0 && !l.NextLoss.IsZero() && l.NextLoss.Sub(now) < soon {
		add(Error, AboutToBeLost, many(l.Missing, "hour")+
			" still to be read, and Graph soon forgets the oldest of them",
			"find out why the runs come no further: the last error, ARCHIVE_RUN_BUDGET, the ceiling of Graph").
			Due = l.NextLoss.UTC().Format(time.RFC3339)
	}
	if l.InDoubt > 0 {
		add(Notice, InDoubt, "rows and ledger differ in "+many(l.InDoubt, "hour"),
			"the next run asks Graph for them again; where this stays, verify the range")
	}
	if l.Lost > 0 {
		add(Notice, Lost, "Graph had forgotten "+many(l.Lost, "hour")+" before they were read",
			"where a diagnostic setting kept them, handler import brings them in: docs/import.md")
	}
	if l.Quarantined > 0 {
		add(Notice, Quarantined, many(l.Quarantined, "record")+" came without a usable time or id, and are kept apart",
			"look at them in the table quarantine: docs/tables.md")
	}
	if l.NotDelivered > 0 {
		add(Notice, NotDelivered, many(l.NotDelivered, "event")+
			" did not come: their numbers are missing between others",
			"let the server send them again: docs/mim.md")
	}
	return out
}

func ofSnapshot(s directory.Snapshot, now time.Time) []Need {
	const subject = "snapshot of the directory"
	var out []Need
	if s.Stage == directory.Reading {
		switch {
		case s.Behind != nil:
			out = append(out, Need{Severity: Error, Kind: Snapshot, Subject: subject, Code: s.Behind.Code,
				Reason: s.Behind.Message, Remedy: remedies[s.Behind.Code]})
		case s.LastError != "":
			out = append(out, Need{Severity: Warning, Kind: Snapshot, Subject: subject, Code: s.LastErrorCode,
				Reason: s.LastError, Remedy: remedies[s.LastErrorCode]})
		}
	}
	if age := now.Sub(s.AsOf); age > old && len(out) == 0 {
		out = append(out, Need{Severity: Warning, Kind: Snapshot, Subject: subject, Code: entra.CodeBehind,
			Reason: "the newest one is " + many(int64(age/(24*time.Hour)), "day") + " old",
			Remedy: "see whether snapshotdirectory runs (GET /api/runs), or make one: POST /api/snapshot"})
	}
	for _, c := range s.Lost {
		out = append(out, Need{Severity: Error, Kind: NotDisclosed, Subject: "directory: " + c.What, Code: c.Code,
			Reason: c.Message, Remedy: "where that is on purpose: POST /api/snapshot?accept=" + c.What})
	}
	for _, u := range s.Undisclosed {
		need := Need{Severity: Notice, Kind: NotDisclosed, Subject: "directory: " + u.What, Code: u.Code,
			Reason: u.Message}
		if u.Code == entra.CodePermission {
			need.Severity, need.Remedy = Warning, remedies[u.Code]
		}
		out = append(out, need)
	}
	return out
}

// many is a number of something.
func many(n int64, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}
