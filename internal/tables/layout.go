package tables

import (
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// The tables of the account, and whose rows are in them:
//
//	table               partition        rows
//	<log><month>        the hour         records, by time and id (keys.go, encode.go)
//	coverage            the stream       hours, lease, progress, revision, log of seals
//	                                     and (coverage.go, lease.go, progress.go, commit.go,
//	                                     seals.go), and how far the index goes
//	leaves<month>       the stream       what each seal lists (seallists.go)
//	quarantine          the stream       records that can't be filed (quarantine.go)
//	dictionaries        a log's table    what its records are compressed against (dictionary.go)
//	index<month>        the stream       in which hours a value is found (indexrows.go)
//	views<month>        the stream       every other view (viewrows.go)
//	views               the stream       how far each of those was brought
//	snapshots           "directory"      the snapshots of the directory (snapshots.go)
//	snapshot<id>        a collection     the rows of one snapshot (snaprows.go)
//	readers             "reader"         what callers who ask by a name were told (readers.go)
//	jobs                the function     jobs of HTTP functions (jobs.go)
//	questions           "question"       what the tokens of short links stand for (questions.go)
//	slots               "graph"          the turns for requests to Graph (slots.go)
//	secrets             "secret"         what signs links and cursors (secrets.go)
//	mimrecords          of its id    where a request of Identity Manager is filed (mim.go)
//	mimparts            the request  parts of requests, and "groups": those that may wait (mim.go)
//	mimcomputers        "computer"   what is known of the servers' logs (mim.go)
//	preflight           "probe"          nothing that lasts
const (
	coverageTable   = "coverage"
	quarantineTable = "quarantine"
	dictionaryTable = "dictionaries"
	snapshotsTable  = "snapshots"
	readersTable    = "readers"
	jobsTable       = "jobs"
	questionsTable  = "questions"
	slotsTable      = "slots"
	secretsTable    = "secrets"
	probeTable      = "preflight"

	mimRecordsTable   = "mimrecords"
	mimPartsTable     = "mimparts"
	mimComputersTable = "mimcomputers"

	leavesPrefix   = "leaves"
	indexPrefix    = "index"
	viewsPrefix    = "views"
	snapshotPrefix = "snapshot"
	monthFormat    = "200601"
)

// TableName is the table that holds a window's records: one for each stream and month, so that
// purging a month is dropping a table.
func TableName(w entra.Window) string {
	return logs.Of(w.Stream).Table + w.Start.UTC().Format(monthFormat)
}

// partitionKey is the partition of a window's records.
func partitionKey(w entra.Window) string { return w.Start.UTC().Format(entra.HourFormat) }

// leavesTable holds, for each seal of a month, what was sealed: it is dropped with the month.
func leavesTable(w entra.Window) string { return leavesPrefix + w.Start.UTC().Format(monthFormat) }

// indexTable is the index of a month.
func indexTable(month time.Time) string { return indexPrefix + month.UTC().Format(monthFormat) }

// viewsTable has the views of a month.
func viewsTable(month time.Time) string { return viewsPrefix + month.UTC().Format(monthFormat) }

// snapshotTable holds the rows of one snapshot, so that dropping it is dropping a table.
func snapshotTable(id string) string { return snapshotPrefix + id }

// The rows of a stream's partition of the ledger's table. Row keys of hours begin with a digit, and
// sort before all others.
const (
	// leaseKey is the stream's lease. It sorts between the hours and the progress row, so that one
	// query of few rows gives both as they are at one moment.
	leaseKey = "lease"
	// requestKey is the mark of an execution that waits for the lease.
	requestKey = "lease!wish"
	// indexedMark is the row that says how far the index was brought.
	indexedMark = "indexed"
	// progressKey is the stream's progress.
	progressKey = "progress"
	// revisionMark begins the key of the row that has the progress row's revision.
	revisionMark = "revision!"
	// sealMark begins the key of an entry of the stream's log.
	sealMark = "seal!"
)

// sealKey is the key of an entry of a stream's log.
func sealKey(number int64) string { return fmt.Sprintf("%s%010d", sealMark, number) }

// leavesKey begins the key of a seal's list. The whole key has the root, too: what an execution
// that lost the stream keeps of an entry that it never commits does not touch the list of the entry
// that was.
func leavesKey(s seal.Seal) string {
	return s.Start.UTC().Format(entra.HourFormat) + sealMark + fmt.Sprintf("%010d", s.Number)
}
