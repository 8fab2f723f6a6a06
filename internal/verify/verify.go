// Package verify compares what is stored with what was sealed, and proves single records. It writes
// nothing.
package verify

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
)

// Difference says what is wrong.
type Difference string

// The differences between what the ledger says and what is stored.
const (
	DiffAltered  Difference = "altered"  // a record's row is not what was written
	DiffRemoved  Difference = "removed"  // a record that was sealed is not there
	DiffAdded    Difference = "added"    // a record is there that was not sealed
	DiffUnsealed Difference = "unsealed" // the hour is read, and not sealed yet
	DiffMissing  Difference = "missing"  // the hour was never read completely, or is lost
	// DiffUnconfirmed is about contents that a run stored before it died, and that Graph could not
	// be asked for again; or about an hour of which no two reads agreed; or about what is being
	// written while it is read.
	DiffUnconfirmed Difference = "unconfirmed"
	DiffLog         Difference = "log" // the log of seals was changed, or does not agree with a head
	// DiffLedger: a row of the ledger is not what is written, or does not say what records and log
	// do.
	DiffLedger Difference = "ledger"
	// DiffDerived: what was computed from the records (index, snapshot, list of a seal) is not what
	// they make, and may be computed again; or what a reader was told is not what was kept.
	DiffDerived Difference = "derived"
)

// IsTampering reports whether the difference can only come from tampering.
func (d Difference) IsTampering() bool {
	return d != DiffUnsealed && d != DiffMissing && d != DiffUnconfirmed
}

// Finding is one difference.
type Finding struct {
	Difference Difference
	Stream     entra.Stream
	Hour       time.Time // zero: about no hour
	Table      string    // empty: the records'
	Row        string    // key of the row; empty: about the hour
	Detail     string    // one sentence
}

// LedgerTable is how findings name the table of the ledger and the log, and progressRow the row of
// a stream's progress there.
const (
	LedgerTable = "coverage"
	ProgressRow = "progress"
	LeaseRow    = "lease"
	headsTable  = "entraledger-heads"
)

// look is a stream's state at a moment.
type look struct {
	ledger.Progress
	known  bool   // the row is there and can be read
	why    string // otherwise: what is wrong with it
	guards Guards
}

// Verifier compares what is stored of a stream with its log of seals and its ledger.
type Verifier struct {
	evidence Evidence
	stream   entra.Stream
	look     look
	steady   bool // no commit came while log and ledger were read
	log      logRead
	ledger   ledgerRead
	findings []Finding // about the stream
}

// looksAtOnce is how often something is read again that was being written.
const looksAtOnce = 6

// NewVerifier reads a stream's log and its ledger whole, recomputes them, and compares the log with
// every head outside the tables. heads may be nil.
func NewVerifier(ctx context.Context, evidence Evidence, heads HeadLister, stream entra.Stream) (*Verifier, error) {
	v, err := resumeVerifier(ctx, evidence, stream, true)
	if err != nil {
		return nil, err
	}
	v.checkGuards()
	v.checkLog()
	v.checkProgress()
	if heads != nil {
		err = v.checkHeads(ctx, heads)
	}
	if err == nil {
		err = v.outliers(ctx)
	}
	return v, err
}

// resumeVerifier reads a stream's log. ledger: its ledger, too. What is read is of one moment where
// that can be had.
func resumeVerifier(ctx context.Context, evidence Evidence, stream entra.Stream, ledger bool) (*Verifier, error) {
	v := &Verifier{evidence: evidence, stream: stream, log: newLogRead()}
	if err := v.readLog(ctx); err != nil {
		return nil, err
	}
	for range looksAtOnce {
		before, err := lookAt(ctx, evidence, stream)
		if err != nil {
			return nil, err
		}
		if err := v.readLog(ctx); err != nil { // what was added meanwhile
			return nil, err
		}
		if ledger {
			if v.ledger, err = readLedgerRows(ctx, evidence, stream); err != nil {
				return nil, err
			}
		}
		if v.look, err = lookAt(ctx, evidence, stream); err != nil {
			return nil, err
		}
		if v.steady = before.same(v.look); v.steady {
			break
		}
	}
	return v, nil
}

// lookAt reads a stream's state: progress row and revision of one moment, where they agree at all.
// A progress row that can't be read is no error.
func lookAt(ctx context.Context, evidence Evidence, stream entra.Stream) (l look, err error) {
	for range looksAtOnce {
		if l, err = lookOnce(ctx, evidence, stream); err != nil {
			return l, err
		}
		if !l.known || slices.Contains(l.guards.Revisions, l.Revision) {
			break
		}
	}
	return l, nil
}

func lookOnce(ctx context.Context, evidence Evidence, stream entra.Stream) (l look, err error) {
	if l.guards, err = evidence.Guards(ctx, stream); err != nil {
		return l, err
	}
	l.Progress, err = evidence.Progress(ctx, stream)
	var e *entra.Error
	if errors.As(err, &e) && e.Code == entra.CodeTampered {
		l.Progress, l.why = ledger.Progress{Stream: stream}, e.Why
		return l, nil
	}
	l.known = err == nil && l.Revision > 0
	return l, err
}

// same reports whether no commit came between two reads.
func (l *look) same(o look) bool {
	return l.known == o.known && l.Revision == o.Revision && l.Run == o.Run && slices.Equal(l.guards.Revisions,
		o.guards.Revisions)
}

func (v *Verifier) found(d Difference, table, row, format string, args ...any) {
	v.findings = append(v.findings, Finding{Difference: d, Stream: v.stream, Table: table, Row: row,
		Detail: fmt.Sprintf(format, args...)})
}

// Head is the log's head as it was recomputed.
func (v *Verifier) Head() seal.Head {
	root, err := tlog.TreeHash(v.log.sound, v.log.hashes)
	if err != nil {
		panic(err) // every hash up to there was computed
	}
	return seal.Head{Stream: v.stream, Size: v.log.sound, Root: root}
}

// LogFindings are the differences of the stream as a whole: its log and its ledger.
func (v *Verifier) LogFindings() []Finding { return v.findings }

// horizon is later than every hour that there can be: by the clock of the runs, as far as they
// wrote it down.
func (v *Verifier) horizon() time.Time {
	last := entra.Later(v.look.Watermark, v.look.LastRunAt)
	if g := &v.look.guards; g.HasLease && !g.Lease.Base.IsZero() {
		last = g.Lease.Base // no run has come further
	}
	if last.IsZero() {
		last = entra.Later(v.log.newest, v.ledger.lastRead)
	}
	if last.IsZero() {
		return last
	}
	return last.Add(2 * time.Hour)
}

// Hours is what there is to verify by now: everything that progress, ledger or log speak of.
func (v *Verifier) Hours() (from, to time.Time) {
	end := v.horizon()
	extend := func(a, b time.Time) {
		if a.IsZero() || !b.After(a) || a.After(end) {
			return
		}
		if from.IsZero() || a.Before(from) {
			from = a
		}
		to = entra.Later(to, entra.Earlier(b, entra.FloorHour(end)))
	}
	if v.look.known && v.look.Started() {
		extend(entra.FloorHour(v.look.FirstHour()), entra.FloorHour(v.look.Watermark))
		if from.IsZero() && !v.look.FirstHour().IsZero() {
			from = entra.FloorHour(v.look.FirstHour())
			to = from
		}
	}
	for hour := range v.log.byHour {
		extend(hour, hour.Add(time.Hour))
	}
	if v.ledger.rows > 0 {
		extend(v.ledger.first, v.ledger.first.Add(time.Hour))
		extend(v.ledger.last, v.ledger.last.Add(time.Hour))
	}
	return from, to
}

// Verified is one window and what differs there.
type Verified struct {
	ledger.Coverage
	Records  int64 // contents that were read
	Findings []Finding
}

// inspectedAtOnce is how much is asked of the tables in one query: hours without a record then cost
// next to nothing.
const inspectedAtOnce = 24 * time.Hour

// Verify verifies the windows of [from, to) in order and names what differs.
func (v *Verifier) Verify(ctx context.Context, from, to time.Time) iter.Seq2[Verified, error] {
	return func(yield func(Verified, error) bool) {
		for start := from; start.Before(to); {
			end := entra.Earlier(start.Truncate(inspectedAtOnce).Add(inspectedAtOnce), to)
			if !v.span(ctx, start, end, yield) {
				return
			}
			start = end
		}
	}
}

// span verifies the windows of one query, and reports whether to continue.
func (v *Verifier) span(ctx context.Context, from, to time.Time, yield func(Verified, error) bool) bool {
	for h, err := range v.hours(ctx, from, to) {
		var findings []Finding
		if err == nil {
			if findings, err = v.judge(ctx, h); err == nil && worthALook(findings) {
				h, findings, err = v.lookAgain(ctx, h, findings)
			}
		}
		if err != nil {
			yield(Verified{Coverage: ledger.Coverage{Window: entra.Window{Stream: v.stream, Start: from}}}, err)
			return false
		}
		if !yield(Verified{Coverage: h.cov, Records: h.stored.count(), Findings: findings}, nil) {
			return false
		}
	}
	return true
}

// worthALook reports whether findings may come from a write in the meantime.
func worthALook(findings []Finding) bool {
	return slices.ContainsFunc(findings, func(f Finding) bool { return f.Difference.IsTampering() })
}

// lookAgain verifies an hour again until no commit comes while it is read: then no finding comes
// from a run in progress.
func (v *Verifier) lookAgain(ctx context.Context, h hour, findings []Finding) (hour, []Finding, error) {
	was, last := v.look, ""
	defer func() { v.look = was }()
	for range looksAtOnce {
		before, err := lookAt(ctx, v.evidence, v.stream)
		if err == nil {
			err = v.readLog(ctx)
		}
		var again hour
		for one, errHour := range v.hours(ctx, h.cov.Start, h.cov.End()) {
			if again = one; err == nil {
				err = errHour
			}
		}
		if err == nil {
			v.look, err = lookAt(ctx, v.evidence, v.stream)
		}
		if err != nil {
			return h, nil, err
		}
		h = again
		if findings, err = v.judge(ctx, h); err != nil || !worthALook(findings) {
			return h, findings, err
		}
		// A run that writes there may be in the middle of a page: then two looks have to agree.
		text := fmt.Sprint(findings)
		if before.same(v.look) && (!v.look.BeingWritten(h.cov.Start, h.cov.End()) || text == last) {
			return h, findings, nil
		}
		last = text
	}
	for i := range findings {
		if findings[i].Difference.IsTampering() {
			findings[i].Difference = DiffUnconfirmed
			findings[i].Detail += "; it was being written, ask again"
		}
	}
	return h, findings, nil
}

// outliersAtOnce bounds how many hours far from all others are looked at.
const outliersAtOnce = 100

// outliers verifies hours that the ledger or the log speak of and that can't be.
func (v *Verifier) outliers(ctx context.Context) error {
	_, to := v.Hours()
	for n, start := range v.ledger.outside(to, v.horizon()) {
		if n == outliersAtOnce {
			break
		}
		for one, err := range v.Verify(ctx, start, start.Add(time.Hour)) {
			if err != nil {
				return err
			}
			v.findings = append(v.findings, slices.DeleteFunc(one.Findings,
				func(f Finding) bool { return !f.Difference.IsTampering() })...)
		}
	}
	return nil
}
