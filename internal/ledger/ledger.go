// Package ledger says what the archive holds of each hour of each stream: coverage, progress,
// totals, and the lease by which one execution at a time writes them. It knows neither sources nor
// tables.
package ledger

import (
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// WindowState says how far a window has been read.
type WindowState string

// The states of a window. A window without a coverage row was never read.
const (
	// read in part: it has the tail, or a record of it came with another window's read
	WindowPartial WindowState = "partial"
	// reads that leave out no minute covered it, each while Graph still had what it read
	WindowComplete WindowState = "complete"
	WindowLost     WindowState = "lost" // first read when Graph may have deleted it already, and found empty
	// settled: sealed, after its last pass; for the others Coverage.Sealed reports the seal
	WindowSealed   WindowState = "sealed"
	WindowReopened WindowState = "reopened" // settled, and then a record of it came or changed; it is sealed again
	WindowPurged   WindowState = "purged"   // sealed, and its records dropped after the archive's own retention
)

// Known reports whether it is one of the states of a row.
func (s WindowState) Known() bool {
	return s.IsRead() || s == WindowPartial || s == WindowLost
}

// IsRead reports whether everything readable of the window was read.
func (s WindowState) IsRead() bool {
	return s == WindowComplete || s == WindowSealed || s == WindowReopened || s == WindowPurged
}

// Coverage is the ledger's row for one window. It is written after the records that it counts.
type Coverage struct {
	entra.Window
	State  WindowState
	Passes int // complete reads of the window
	// PassedAt is when the last complete read began, by the tenant's clock: everything that Graph
	// showed of the window then is here.
	PassedAt time.Time

	Fetched     int64 // records that Graph sent, over all reads
	New         int64 // of those: stored for the first time
	Changed     int64 // stored as another version of a record that was there
	Enriched    int64 // stored in a richer form: all that the record had is in it, with equal values
	Unchanged   int64 // there already, byte for byte
	Quarantined int64 // without a usable time and id; counted in the window of the cursor
	Late        int64 // of the new ones: stored after the window had been read completely

	Records     int64 // distinct records stored
	Versions    int64 // earlier versions stored beside them
	Bytes       int64 // of records and versions, as received
	StoredBytes int64 // of their rows, as Table Storage counts them

	FirstReadAt time.Time
	LastReadAt  time.Time

	Seals    int64  // how often it was sealed
	LastSeal int64  // number of its newest entry in the stream's log, where Seals is not 0
	Reason   string // why a reopened window has to be sealed again, or by which rule its records were dropped

	// What follows came later than the rest: a row of a version before has none of it, and loses it
	// where such a version writes it again.

	// Sum is over all contents that the row counts; HasSum is false where it was not kept.
	Sum      Sum
	HasSum   bool
	PurgedAt time.Time // when its records were dropped
	// Revision counts the commits that changed what the hour holds, or what is known of it.
	Revision int64
	// SealedRevision is the revision that the last seal is of.
	SealedRevision int64
	// Form is the poorest form in which its current records came, in the source's word; empty:
	// unknown, or no record.
	Form string
	// Reads are the numbers of records that the reads of the whole window met, with blanks between,
	// from the first one on, while it awaits two that agree, or where none did. Keys is the sum
	// over the keys that the last one met.
	Reads string
	Keys  Sum
	// ColumnSet is the number of the poorest set of columns that its rows were written with; 0:
	// unknown.
	ColumnSet int
	// [LostFrom, LostTo) is unknown: Graph had deleted it before the first query. Zero: nothing is
	// lost.
	LostFrom, LostTo time.Time
	// Unconfirmed counts contents that no read of Graph has met: of a run that died, where Graph
	// could not be asked again. Unmet counts those that a read of the whole window did not meet.
	// Neither is part of Records and Versions.
	Unconfirmed, Unmet int64
	// Imported counts the contents that were not read from the source, whatever became of them, and
	// ImportedSum is over them. None is part of Records, Versions and Sum; Bytes and StoredBytes are
	// of them, too. Eclipsed counts those of them that another form of the same record took the place
	// of: Graph's, or of two arrivals the earlier one.
	Imported    int64
	ImportedSum Sum
	Eclipsed    int64
	// Doubt: rows and Sum differ. The window is neither counted nor sealed until Graph was queried
	// again.
	Doubt bool
}

// InPart reports whether a part of the window is lost for good.
func (c *Coverage) InPart() bool { return !c.LostTo.IsZero() }

// Whole reports whether the window was read from its start to its end.
func (c *Coverage) Whole() bool {
	return c.State.IsRead() && (!c.InPart() || c.State == WindowPurged) && !(c.State == WindowPurged && c.NeverRead())
}

// lost reports whether some of the window is lost for good.
func (c *Coverage) lost() bool { return c.State == WindowLost || c.InPart() && c.State != WindowPurged }

// DefaultBackfill is how far back the first run of a stream reaches by default.
const DefaultBackfill = 30 * 24 * time.Hour

// Tally is what rows hold or what a write added.
type Tally struct {
	Records, Versions, Bytes, StoredBytes int64
}

// Progress is the ledger's row for one stream: how far it was read, and totals over its windows. It
// changes only in one transaction with the coverage rows that it sums up, so that both always
// agree.
type Progress struct {
	Stream entra.Stream

	// The stream is read completely in [Begin, Backfilled) and in [TailBegin, Watermark).
	// Backfilled grows until it meets TailBegin. Begin is the hour of the oldest record that Graph
	// still had at the first backfill, or seven days before it, the shortest retention of any
	// tenant. Earlier hours may have been quiet or deleted, so nothing is claimed about them.
	Begin      time.Time
	Backfilled time.Time
	TailBegin  time.Time
	Watermark  time.Time

	// Reading is the span of the read that is in progress. Where a run finds one that it did not
	// begin, the run before was killed in it, and rows may be stored that no coverage row counts.
	ReadingFrom, ReadingTo time.Time

	Passed Passed // how far the windows were read again at each age
	// Every window from Begin to SealedTo that was read is settled. Seals counts the log's entries,
	// Heads how many of them the last head outside the tables covers.
	SealedTo     time.Time
	SealedAt     time.Time
	Seals, Heads int64
	Reopened     int64     // windows to be sealed again
	ReopenedFrom time.Time // none of them is earlier

	// Doubts counts the windows in doubt, Lost those that are lost in whole or in part. All of them
	// are inside the span beside it.
	Doubts, Lost       int64
	DoubtFrom, DoubtTo time.Time
	LostFrom, LostTo   time.Time

	// Unsealed counts the windows that are read and whose last seal differs from their content. All
	// of them are inside the span beside it. Recounted: the totals of this version were computed; a
	// row of an earlier version lacks it.
	Unsealed                 int64
	UnsealedFrom, UnsealedTo time.Time
	Recounted                bool

	Suspects []Suspect // spans in which an execution that lost its lease may have written, or may still write
	Drops    []Drop    // months that a purge has begun to drop
	Purged   int64     // windows whose records were dropped
	PurgedTo time.Time // everything before was dropped by the archive's own retention; zero: nothing was

	// Imported counts the arrivals of all windows, ImportedHours the windows that have any. All of
	// them are inside the span beside it, which may reach before Begin: nothing else is claimed there.
	Imported, ImportedHours  int64
	ImportedFrom, ImportedTo time.Time

	// Thin counts the windows with records in a poorer form than Graph has, Awaits those that await
	// a read that agrees with the one before. All of them are inside the span beside it.
	Thin, Awaits         int64
	ThinFrom, ThinTo     time.Time
	AwaitsFrom, AwaitsTo time.Time
	// Everything before EnrichedTo was read again in the richest form, or is out of Graph's reach.
	// A row of a version before has none.
	EnrichedTo time.Time
	// RefusedSince is when Graph began to refuse the stream, PoorSince the richest form of it, in a
	// row; zero: its last answer was good.
	RefusedSince, PoorSince time.Time
	// Width is the widest span that Graph answered for, after it had not for a wider one, and
	// NarrowSince when it was last narrowed; zero: any.
	Width       time.Duration
	NarrowSince time.Time

	// When a run last moved the stream, by the tenant's clock: the newest hours, passes or seals;
	// and the backfill. A row of a version before has neither.
	SteppedAt, BackfilledAt time.Time

	WindowsComplete int64
	Quarantined     int64 // distinct records in quarantine, as of the end of the last run
	Changed, Late   int64 // sums of the windows'
	Lateness        Lateness
	Tally

	// Tenant is the id of the tenant that the archive is of, as the app's token told it; empty:
	// unknown, or a row of a version before. Once known it stays.
	Tenant string

	LastRunAt     time.Time     // the tenant's clock at the last run
	LastSuccessAt time.Time     // likewise, of a run without error
	ClockOffset   time.Duration // the tenant's clock less ours at the last run
	LastErrorAt   time.Time
	LastErrorCode entra.Code
	LastError     string

	Run      string // the run that wrote the row last
	Revision int64  // counts the writes of the row; 0: there is none yet
}

// Backfilling reports whether hours before the tail are still to be read.
func (p *Progress) Backfilling() bool { return p.Backfilled.Before(p.TailBegin) }

// Started reports whether the stream was ever read.
func (p *Progress) Started() bool { return !p.TailBegin.IsZero() }

// WasRead reports whether an hour was read to its end.
func (p *Progress) WasRead(hour time.Time) bool {
	end := hour.Add(time.Hour)
	return !hour.Before(p.FirstHour()) && !end.After(p.Backfilled) || !hour.Before(p.TailBegin) &&
		!end.After(p.Watermark)
}

// FirstHour is the first hour that the ledger covers.
func (p *Progress) FirstHour() time.Time {
	if !p.Begin.IsZero() {
		return p.Begin
	}
	return p.Backfilled
}

// Held is the first hour of which the archive still has the records.
func (p *Progress) Held() time.Time {
	if from := p.FirstHour(); from.After(p.PurgedTo) {
		return from
	}
	return p.PurgedTo
}

// Readable is the first time that may be read again: not what was purged or is being purged. A
// table's late deletion would remove what was read into it.
func (p *Progress) Readable() time.Time {
	from := p.Held()
	for _, d := range p.Drops {
		from = entra.Later(from, d.Month.AddDate(0, 1, 0))
	}
	return from
}

// WindowsMissing counts the windows that have ended by now and are not complete, less those that
// are lost for good.
func (p *Progress) WindowsMissing(now time.Time) int64 {
	if !p.Started() {
		return 0
	}
	return max(0, int64(entra.HoursBetween(p.FirstHour(), now))-p.WindowsComplete-p.Lost)
}

// Apply adds the difference that a commit makes to one coverage row to the totals.
func (p *Progress) Apply(before, after Coverage) {
	p.Records += after.Records - before.Records
	p.Versions += after.Versions - before.Versions
	p.Bytes += after.Bytes - before.Bytes
	p.StoredBytes += after.StoredBytes - before.StoredBytes
	p.Changed += after.Changed - before.Changed
	p.Late += after.Late - before.Late
	p.WindowsComplete += one(after.Whole()) - one(before.Whole())
	count(&p.Reopened, &p.ReopenedFrom, nil, before.State == WindowReopened, after.State == WindowReopened,
		after.Window)
	count(&p.Doubts, &p.DoubtFrom, &p.DoubtTo, before.Doubt, after.Doubt, after.Window)
	// a version before does not count them
	p.Purged = max(0, p.Purged+one(after.State == WindowPurged)-one(before.State == WindowPurged))
	count(&p.Thin, &p.ThinFrom, &p.ThinTo, before.Thin(), after.Thin(), after.Window)
	count(&p.Unsealed, &p.UnsealedFrom, &p.UnsealedTo, before.ToSeal(), after.ToSeal(), after.Window)
	count(&p.Awaits, &p.AwaitsFrom, &p.AwaitsTo, before.Awaits(), after.Awaits(), after.Window)
	if after.Thin() && !before.Thin() && !p.EnrichedTo.IsZero() {
		p.EnrichedTo = entra.Earlier(p.EnrichedTo, after.Start)
	}
	count(&p.Lost, &p.LostFrom, &p.LostTo, before.lost(), after.lost(), after.Window)
	p.Imported = max(0, p.Imported+after.Imported-before.Imported)
	count(&p.ImportedHours, &p.ImportedFrom, &p.ImportedTo, before.Imported > 0, after.Imported > 0, after.Window)
}

// count keeps how many windows are something, and a span that holds them all.
func count(n *int64, from, to *time.Time, before, after bool, w entra.Window) {
	*n += one(after) - one(before)
	switch {
	case *n <= 0: // an earlier version may have dropped columns that it did not know
		*n, *from = 0, time.Time{}
		if to != nil {
			*to = time.Time{}
		}
		return
	case !after:
		return
	case from.IsZero() || w.Start.Before(*from):
		*from = w.Start
	}
	if to != nil && w.End().After(*to) {
		*to = w.End()
	}
}

// MaxPasses is how many ages windows may be read again at.
const MaxPasses = 8

// Passed returns for each age up to when windows were read again at it.
type Passed [MaxPasses]struct {
	Age time.Duration // 0: the place is free
	To  time.Time
}

// At is how far windows were read again at an age; zero where none was.
func (p *Passed) At(age time.Duration) time.Time {
	for _, mark := range p {
		if mark.Age == age {
			return mark.To
		}
	}
	return time.Time{}
}

// Set moves the mark of an age. If all places are used, it reuses one of an age that the settings
// do not have.
func (p *Passed) Set(age time.Duration, to time.Time, inUse []time.Duration) {
	free := -1
	for i, mark := range p {
		if mark.Age == age {
			p[i].To = to
			return
		}
		if free < 0 && (mark.Age == 0 || !slices.Contains(inUse, mark.Age)) {
			free = i
		}
	}
	p[free].Age, p[free].To = age, to
}

// latenessEdges are the upper edges of the classes of Lateness; the last class has none.
var latenessEdges = [...]time.Duration{3 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour}

// Lateness counts late records by how old they were when they were found: an upper bound of how
// late Graph showed them.
type Lateness [len(latenessEdges) + 1]int64

func (l *Lateness) Count(age time.Duration) {
	for i, edge := range latenessEdges {
		if age <= edge {
			l[i]++
			return
		}
	}
	l[len(latenessEdges)]++
}

func (l *Lateness) Add(o Lateness) {
	for i := range l {
		l[i] += o[i]
	}
}

// Drop is a month whose records a purge has begun to drop, and after that watches for what may
// still arrive.
type Drop struct {
	Month   time.Time
	Dropped time.Time // zero: not yet
}

func sameMonth(a, b time.Time) bool { return a.Year() == b.Year() && a.Month() == b.Month() }
