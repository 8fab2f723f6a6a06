// Package directory answers who is inactive and which credentials are about to expire, from stored
// snapshots of the tenant's directory. What is read is described by package collections, how by
// snapshots, and what decides by rules; this package has the form in which a snapshot is stored,
// and its reader.
package directory

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/newest"
)

// Snapshot is one reading of the directory. Its row is the only thing that changes: the newest
// snapshot whose row says that it is whole is the current one, and no other is seen.
type Snapshot struct {
	ID       string    // its begin, as 20261121T020000Z
	AsOf     time.Time // the tenant's clock at the begin; everything was read later
	Stage    Stage
	Finished time.Time // zero: not yet

	// How far the reading is.
	Phase    Phase
	Link     string // the next page of the phase's collection; empty: its first
	Position string // of what is read by key: a group, an hour of the archive
	Restarts int64  // walks that had to begin anew because Graph had lost their place
	Walk     Walk   // through the phase's collection
	Decides  int64  // runs that began to apply the rules

	Users        int64 // pages' users; one that moved between pages may count twice
	Disclosing   int64 // users on pages that had sign-in activity at all
	Active       int64 // of these, with sign-in activity
	Applications int64 // with credentials
	Principals   int64 // service principals with credentials
	Credentials  int64
	// MicrosoftNew counts the credentials on Microsoft's own service principals that the snapshot
	// before did not have.
	MicrosoftNew  int64 `json:",omitempty"`
	GraphRequests int64 // pages, and questions that confirm them; without what had to be asked twice
	Groups        []Group
	Undisclosed   []Undisclosed
	Carried       []Carried `json:",omitempty"` // what an older snapshot stands in for
	// Lost is what the tenant disclosed once and refuses now, and for which nothing stands in any
	// more.
	Lost []Carried `json:",omitempty"`
	// Asked are the words of the collections that the tenant was asked for, whatever it answered. A
	// version before lists none.
	Asked []string `json:",omitempty"`
	// Accepted is what counts as never granted, because an operator says so, where it is refused.
	Accepted []string `json:",omitempty"`
	TokenKey []byte   // signs the skip tokens of answers from this snapshot
	// Sums are of the rows of a whole snapshot, by partition. A snapshot that a version before made
	// has none.
	Sums map[string]RowSum `json:",omitempty"`
	// Timelines says that its rows carry timelines: a version before made none.
	Timelines bool `json:",omitempty"`
	// Texts says that those of users tell of their texts, too.
	Texts bool `json:",omitempty"`
	// Archived are the sources of the archive that were read. A version before read the last two
	// days only, and lists none.
	Archived []SourceRead `json:",omitempty"`
	// Unarchived are the logs of sign-ins that are not archived.
	Unarchived []string `json:",omitempty"`
	// Grace is for how long a user counts as active after being restored or enabled; 0: there is
	// none.
	Grace time.Duration `json:",omitempty"`

	// StepAt is when the reading last came further, by the tenant's clock: a page was kept that no
	// earlier walk had reached, or a phase ended. Zero: an older version wrote the row; Updated
	// then counts instead.
	StepAt time.Time
	By     string // the run that wrote the row last, as "timer 3f9a01c2"; empty: an older version's

	// Why the last run failed or ended without a step; empty once a step was made.
	LastError     string
	LastErrorAt   time.Time
	LastErrorCode entra.Code
	Behind        *Behind `json:",omitempty"` // what the timer says that fails; nil: it does not
	Doubt         *Doubt  `json:",omitempty"` // what is refused in the phase, and not yet believed; nil: nothing

	Updated  time.Time
	Revision string // of the stored row; empty: not stored

	current  string    // the snapshot for which an answer is given from this one; empty: itself
	standsIn []Carried // for what
	only     bool      // it stands in at present: there is no newer one that can answer
}

// Number tells snapshots apart, and is in their order: seconds since 1970. It can be made from the
// row of a snapshot that any version wrote.
func (s Snapshot) Number() int { return int(s.AsOf.Unix()) }

// RowSum counts the rows of a partition, and adds up their checks, in whatever order they come.
type RowSum struct {
	Rows      int64
	Unchecked int64  `json:",omitempty"` // rows that a version before wrote, without a check
	Sum       string // of the others
}

// Checked tells whether each row of a partition was written with a check, so that one without was
// changed. No version wrote rows of AskedMembers without.
func (s Snapshot) Checked(partition string) bool {
	if partition == AskedMembers {
		return true
	}
	of, ok := s.Sums[partition]
	return ok && of.Unchecked == 0
}

// rows is a range of a partition of the snapshot.
func (s Snapshot) Checking(r Range) Range {
	r.Checked = s.Checked(r.Partition)
	return r
}

// Walk is how far a walk through the pages of one collection is. The zero value is its begin.
type Walk struct {
	Pages    int64 `json:",omitempty"` // that were read
	Full     int64 `json:",omitempty"` // of these, with objects
	Farthest int64 `json:",omitempty"` // most full pages of any walk through this collection
	Nth      int64 `json:",omitempty"` // walks through this collection that were begun before it
	Lost     int64 `json:",omitempty"` // of these, how many were lost since one last came further
	Anew     int64 `json:",omitempty"` // of these, how many came to an end that was not believed
	// First is one more than what the walks before brought, if this one is to confirm it; else 0.
	First int64 `json:",omitempty"`
	// Gone is a hash of who did not come with the walk before, if this one is to confirm it; else
	// 0.
	Gone uint64 `json:",omitempty"`
	// Small says that the collection is read in smaller pages, because activity was left out of
	// others.
	Small bool `json:",omitempty"`
}

// Doubt is a refusal of what the tenant had disclosed. It is believed once it has lasted.
type Doubt struct {
	What    string
	Since   time.Time
	Code    entra.Code
	Message string
}

// Behind is why the timer fails although its runs may end well.
type Behind struct {
	Kind    string // Stalled or Overdue
	At      time.Time
	Code    entra.Code
	Message string
}

// The kinds of Behind.
const (
	Stalled = "stalled" // no step for longer than it may be
	Overdue = "overdue" // no whole snapshot for longer than it may be; more steps do not mend that
)

// The statuses of a snapshot that is being read, beside its Stage.
const (
	StatusFailing = "failing" // its last run failed or made no step, or it is overdue
	StatusStalled = "stalled"
)

// Status is the stage, or what is wrong with a snapshot that is being read.
func (s Snapshot) Status() string {
	switch {
	case s.Stage != Reading:
		return string(s.Stage)
	case s.Behind != nil && s.Behind.Kind == Stalled:
		return StatusStalled
	case s.Behind != nil || s.LastError != "":
		return StatusFailing
	}
	return string(Reading)
}

// LastStep is when the reading last came further, as far as the row tells.
func (s Snapshot) LastStep() time.Time {
	if s.StepAt.IsZero() {
		return s.Updated
	}
	return s.StepAt
}

// Stage of a snapshot's life.
type Stage string

// The stages.
const (
	Reading Stage = "reading"
	Whole   Stage = "whole"
	Dropped Stage = "dropped" // its rows are gone; what it was is still known
)

// Phase is where a reading is: the word of the collection that is read, or what comes after all
// collections.
type Phase string

// The phases after those of the collections, in order.
const (
	PhaseArchive Phase = "archive" // newest successes of the archive
	PhaseDecide  Phase = "decide"  // the rules are applied, and the rows of the answers written
	PhaseDone    Phase = "done"
)

// Group is a group whose members are read, so that answers can leave them out.
type Group struct {
	ID      string
	Members int64
	Unknown bool `json:",omitempty"` // it could not be read
	// Disclosed says that the tenant was asked whether the app may read its members, and that it
	// may: of a group whose members are hidden Graph gives an empty list. A version before did not
	// ask.
	Disclosed bool `json:",omitempty"`
}

// Undisclosed is something that the tenant did not disclose to the snapshot.
type Undisclosed struct {
	// signInActivity, credentialUse, applicationUse, users, applications, servicePrincipals, group
	// <id>; and "all users" or the like, where nothing confirms that what was read is all there is
	What    string     `json:"resource" text:"What the tenant did not disclose: signInActivity, credentialUse, ..."`
	Code    entra.Code `json:"code" text:"Why, as a code"`
	Message string     `json:"message" text:"Why, and what to do"`
}

// WhyUndisclosed tells why something is not disclosed; nil where it is.
func (s Snapshot) WhyUndisclosed(what string) *Undisclosed {
	for i, u := range s.Undisclosed {
		if u.What == what {
			return &s.Undisclosed[i]
		}
	}
	return nil
}

// Source is a log of the archive that says something of users.
type Source struct {
	Stream entra.Stream
	Tells  Tells
}

// Tells is what a log says of users.
type Tells string

// What logs say.
const (
	TellsSuccesses Tells = "successes" // when each last signed in with success
	TellsRestores  Tells = "restores"  // when each was last restored or enabled
)

// Name tells sources apart. It has no underscore.
func (s Source) Name() string { return string(s.Tells) + " " + string(s.Stream) }

// Seen is what the archive knows of users by one source.
type Seen struct {
	Times newest.Times    // by user id, in lower case
	Read  json.RawMessage // what of the archive they are made of; only the archive reads it
	// ReachesBack is from when on, up to the present, the archive has the source without a gap;
	// zero: it does not.
	ReachesBack time.Time
}

// Archive is what the archive knows of users.
type Archive interface {
	// Sources lists what says something of users.
	Sources() []Source
	// GoOn brings up to date what was known of a source, the zero value being nothing. The Times of
	// before are used up. Nothing from before since is asked for; zero: everything counts, however
	// old. What was purged is forgotten.
	GoOn(ctx context.Context, s Source, before Seen, since, asOf time.Time) (Seen, error)
}

// SourceRead is what a snapshot knows of a source.
type SourceRead struct {
	Source
	Users       int       // who are known by it
	ReachesBack time.Time `json:",omitzero"` // as in Seen
}

// Row is a document of a snapshot with its place in an ordered partition.
type Row struct {
	Key     string
	Doc     []byte
	Columns []Column // for people in Storage Explorer, and for filters of the table service
}

// Column is one property beside the document. Value is a string, bool or time.Time.
type Column struct {
	Name  string
	Value any
}

// Condition compares a column: Op is one of eq ne lt le gt ge.
type Condition struct {
	Column string
	Op     string
	Value  any
}

// Range is what is read of a partition: keys in [From, Below) and after After, an empty Below being
// no bound, where each of Where has a condition that holds, in order, no more than Top (0: all).
type Range struct {
	Partition   string
	From, Below string
	After       string
	Where       [][]Condition
	Top         int
	KeysOnly    bool // without documents
	Checked     bool // a row without a check was changed
	// Altered is told about rows that are not what was written, which are then left out; nil: the
	// first of them ends the reading.
	Altered func(error)
}

// Under is the range of a partition's keys that begin with an id and an underscore.
func Under(partition, id string) Range {
	return Range{Partition: partition, From: id + "_", Below: id + "`"}
}

// Store keeps snapshots.
type Store interface {
	// Snapshots lists what is known of snapshots, the newest first, no more than top.
	Snapshots(ctx context.Context, top int) ([]Snapshot, error)
	// Snapshot is one of them; ErrNoSnapshot where there is none of the id.
	Snapshot(ctx context.Context, id string) (Snapshot, error)
	// CurrentAt is the newest snapshot that was whole at a moment, dropped ones included;
	// ErrNoSnapshot without one.
	CurrentAt(ctx context.Context, at time.Time) (Snapshot, error)
	// SaveSnapshot writes a snapshot's row if it is still the one that was read; ErrOvertaken
	// otherwise, also where the row is gone.
	SaveSnapshot(ctx context.Context, s Snapshot) (Snapshot, error)
	// DropRows removes all rows of a snapshot.
	DropRows(ctx context.Context, id string) error
	// Put writes rows of one partition, over those with the same keys.
	Put(ctx context.Context, id, partition string, rows []Row) error
	// Add writes a row, unless there is one under its key, which is then left as it is.
	// ErrNoSnapshot where the snapshot's rows were dropped.
	Add(ctx context.Context, id, partition string, row Row) error
	// Delete removes rows of one partition; those that are not there are none the less removed.
	Delete(ctx context.Context, id, partition string, keys []string) error
	// Rows reads a range in the order of keys. A row that is not what was written is an error with
	// entra.CodeTampered that names it.
	Rows(ctx context.Context, id string, r Range) iter.Seq2[Row, error]
	// Row is one of them; ErrNoRow where there is none of the key. With checked, one without a
	// check was changed.
	Row(ctx context.Context, id, partition, key string, checked bool) (Row, error)
	// Sums counts the rows of a snapshot by partition, and adds up their checks.
	Sums(ctx context.Context, id string) (map[string]RowSum, error)
}

// Errors of a Store.
var (
	ErrNoSnapshot = errors.New("there is no such snapshot")
	ErrNoRow      = errors.New("there is no such row")
	ErrOvertaken  = errors.New("another run has taken the snapshot over")
	ErrAltered    = errors.New("the row is not what was written") // within an *entra.Error that names it
)
