// Package lastseen says what the archive knows of users: when each last signed in with success, and
// when each was last restored or enabled, however old that is. It goes on with what it said before,
// so that a night reads only what changed since: of months and days that are settled the views, of
// the newest hours the records.
package lastseen

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/newest"
)

// Store is an archive, its views, and its sign-ins.
type Store interface {
	derive.Store
	// Successes yields users and times of a log's successful sign-ins dated [from, to), in any
	// order: of each user at least the newest of an hour. A sign-in that was changed since it was
	// archived is none.
	Successes(ctx context.Context, s entra.Stream, from, to time.Time, yield func(userID string, at time.Time)) error
}

// Archive is directory.Archive.
type Archive struct {
	store Store
	log   *slog.Logger
}

// New makes an Archive.
func New(store Store, log *slog.Logger) *Archive { return &Archive{store: store, log: log} }

var _ directory.Archive = (*Archive)(nil)

// Sources is directory.Archive's.
func (a *Archive) Sources() []directory.Source {
	var out []directory.Source
	for _, log := range logs.All() {
		if log.SignsIn {
			out = append(out, directory.Source{Stream: log.Stream, Tells: directory.TellsSuccesses})
		}
	}
	return append(out, directory.Source{Stream: logs.DirectoryAudits, Tells: directory.TellsRestores})
}

// lookBack is how far before a snapshot records are read that no ledger counts yet, and how old the
// newest hour may be for the archive to reach back from the present. Graph's own values are up to a
// day old. Source: learn.microsoft.com/graph/api/resources/signinactivity.
const lookBack = 48 * time.Hour

// byRecordsAtMost bounds how many days before that are read by their records in one night; the
// others wait for the next one.
const byRecordsAtMost = 8

// restoresByRecordsAtMost is the same for restores, of which a log has few: in the first night
// after an upgrade, before any view is made, nobody who was restored a few days ago is reported.
const restoresByRecordsAtMost = 31

const days = 24 * time.Hour

// memory is what was read of an archive: the document of directory.Seen.Read. It is good for as
// long as the days are as they were.
type memory struct {
	Form  int
	Days  map[string]dayRead // by day, as 20261101
	Since time.Time          `json:",omitzero"` // nothing from before was kept
}

// memoryForm is the form that this version writes and reads.
const memoryForm = 1

// dayRead is the state of a day of the ledger when it was read.
type dayRead struct {
	Whole uint64         `json:",omitempty"` // of all its hours; 0: not all were read
	Hours map[int]uint64 `json:",omitempty"` // of those that were read by their records
}

func readMemory(doc json.RawMessage) memory {
	out := memory{Form: memoryForm, Days: make(map[string]dayRead)}
	var m memory
	if json.Unmarshal(doc, &m) == nil && m.Form == memoryForm && m.Days != nil {
		out = m
	}
	return out
}

// reading is one source that is brought up to date.
type reading struct {
	*Archive
	source  directory.Source
	day     derive.View
	month   *derive.View // nil: there is none
	since   time.Time    // nothing before is asked for; zero: all is
	asOf    time.Time
	first   time.Time   // of the first day that is asked for
	state   []*dayState // the days that the archive holds, the oldest first
	memory  memory
	times   newest.Times
	records int // days that were read by their records
	// recordsAtMost bounds them.
	recordsAtMost int
	lost          time.Time // the begin of the newest time that was read again and no longer names a user; zero: none
	// missing are the views of which a period is not made that could be.
	missing map[string]derive.View
}

// GoOn is directory.Archive's.
func (a *Archive) GoOn(
	ctx context.Context, source directory.Source, before directory.Seen, since, asOf time.Time,
) (directory.Seen, error) {
	r := &reading{Archive: a, source: source, since: since, asOf: asOf, memory: readMemory(before.Read),
		times: before.Times, missing: make(map[string]derive.View)}
	if len(r.memory.Days) == 0 || r.times == nil {
		r.memory, r.times = readMemory(nil), make(newest.Times)
	}
	r.day, r.recordsAtMost = derive.Restores(), restoresByRecordsAtMost
	if source.Tells == directory.TellsSuccesses {
		month := derive.SuccessesByMonth()
		r.day, r.month, r.recordsAtMost = derive.Successes(), &month, byRecordsAtMost
	}
	p, err := a.store.Progress(ctx, source.Stream)
	if err != nil || !p.Started() && p.ImportedHours == 0 {
		return directory.Seen{}, err
	}
	if err := r.readLedger(ctx, p.Earliest()); err != nil {
		return directory.Seen{}, err
	}
	r.forget()
	if err := r.readMonths(ctx); err != nil {
		return directory.Seen{}, err
	}
	if !r.lost.IsZero() { // what older days know of such a user is read again
		gone := r.lost.Format(dayKey)
		maps.DeleteFunc(r.memory.Days, func(key string, _ dayRead) bool { return key <= gone })
		if err := r.readMonths(ctx); err != nil {
			return directory.Seen{}, err
		}
	}
	if err := r.remake(ctx, p.Seals); err != nil {
		return directory.Seen{}, err
	}
	r.memory.Since = since
	doc, err := json.Marshal(r.memory)
	return directory.Seen{Times: r.times, Read: doc, ReachesBack: r.reach()}, err
}

// readMonths reads what changed, month by month, the newest first.
func (r *reading) readMonths(ctx context.Context) error {
	for n := len(r.state); n > 0; {
		first := n - 1
		for first > 0 && derive.Month.Start(r.state[first-1].start).Equal(derive.Month.Start(r.state[n-1].start)) {
			first--
		}
		if err := r.readMonth(ctx, r.state[first:n]); err != nil {
			return fmt.Errorf("read what the archive knows of users in %s: %w",
				r.state[first].start.Format("2006-01"), err)
		}
		n = first
	}
	return nil
}

// remake has periods made that are missing though the runs of the views say that they have followed
// all of the log: somebody deleted them.
func (r *reading) remake(ctx context.Context, seals int64) error {
	for _, v := range r.missing {
		entries, err := r.store.Kept(v).Mark(ctx, r.source.Stream)
		if err == nil && entries == seals && entries > 0 {
			r.log.WarnContext(ctx, "periods of a view are gone: they are made again", "view", v.Name,
				"stream", r.source.Stream)
			err = derive.Distrust(ctx, r.store, v, r.source.Stream, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
