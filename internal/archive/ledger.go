package archive

import (
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// WindowState says how far a window has been read.
type WindowState string

// The states of a window. A window without a coverage row was never read.
const (
	WindowPartial  WindowState = "partial"  // read in part: the frontier stands in it, or a record of it came with another window's read
	WindowComplete WindowState = "complete" // read from its start to its end at least once
	WindowLost     WindowState = "lost"     // first read when Graph may have forgotten it already, and found empty
)

// Coverage is the ledger's row for one window. It is written after the records that it vouches for.
type Coverage struct {
	entra.Window
	State  WindowState
	Passes int // complete reads of the window

	Fetched     int64 // records that Graph sent, over all reads
	New         int64 // of those: stored for the first time
	Changed     int64 // stored as another version of a record that was there
	Unchanged   int64 // there already, byte for byte
	Quarantined int64 // could not be filed under a time and id; counted in the window at which the read stood

	Records     int64 // distinct records stored
	Versions    int64 // earlier versions stored beside them
	Bytes       int64 // of records and versions, as received
	StoredBytes int64 // of their rows, as Table Storage counts them

	FirstReadAt time.Time
	LastReadAt  time.Time
}

// Tally is what rows hold or what a write added.
type Tally struct {
	Records, Versions, Bytes, StoredBytes int64
}

// Progress is the ledger's row for one stream: how far it was read, and totals over its windows. It changes only in
// one transaction with the coverage rows that it sums up, so that both always agree.
type Progress struct {
	Stream entra.Stream

	// The stream is read completely in [Begin, Backfilled) and in [FrontierBegin, Watermark). Backfilled grows until
	// it meets FrontierBegin. Begin is the hour of the oldest record that Graph still had at the first backfill:
	// of the time before it, nobody can say whether it was quiet or already forgotten, so nothing is claimed.
	Begin         time.Time
	Backfilled    time.Time
	FrontierBegin time.Time
	Watermark     time.Time

	// Reading is the span of the read that is under way. Where a run finds one that it did not begin, the run before
	// was killed in it, and rows may be stored that no coverage row counts.
	ReadingFrom, ReadingTo time.Time

	WindowsComplete int64
	Quarantined     int64 // distinct records in quarantine, as of the end of the last run
	Tally

	LastRunAt     time.Time     // the tenant's clock at the last run
	LastSuccessAt time.Time     // likewise, of a run without error
	ClockOffset   time.Duration // the tenant's clock less ours at the last run
	LastErrorAt   time.Time
	LastErrorCode entra.Code
	LastError     string

	Run      string // the run that wrote the row last
	Revision int64  // counts the writes of the row; 0: there is none yet
}

// Backfilling tells whether hours before the frontier are still to be read.
func (p *Progress) Backfilling() bool { return p.Backfilled.Before(p.FrontierBegin) }

// Started tells whether the stream was ever read.
func (p *Progress) Started() bool { return !p.FrontierBegin.IsZero() }

// begin is the first hour that the ledger speaks for.
func (p *Progress) begin() time.Time {
	if !p.Begin.IsZero() {
		return p.Begin
	}
	return p.Backfilled
}

// WindowsMissing counts the windows that have ended by now and are not complete.
func (p *Progress) WindowsMissing(now time.Time) int64 {
	if !p.Started() {
		return 0
	}
	return max(0, int64(entra.HoursBetween(p.begin(), now))-p.WindowsComplete)
}

// addToWindow books a difference of one coverage row in the totals.
func (p *Progress) addToWindow(before, after Coverage) {
	p.Records += after.Records - before.Records
	p.Versions += after.Versions - before.Versions
	p.Bytes += after.Bytes - before.Bytes
	p.StoredBytes += after.StoredBytes - before.StoredBytes
	if before.State != WindowComplete && after.State == WindowComplete {
		p.WindowsComplete++
	}
}
