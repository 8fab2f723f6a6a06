// Package repair rebuilds a stream's row of progress from the rows of its hours and its log.
package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
	"github.com/entraledger/entraledger/internal/verify"
)

// Heads writes and reads the heads of the logs.
type Heads interface {
	sealing.HeadWriter
	verify.HeadLister
}

// Remains is what is there of the three rows that every commit of a stream writes: progress,
// revision and lease, each by itself.
type Remains struct {
	Begun                     bool            // the stream has a ledger
	HasProgress, HasLease     bool            // the row is there
	ProgressWrong, LeaseWrong string          // why it can't be read; empty: it can, or is not there
	Progress                  ledger.Progress // with its stream alone where it can't be read
	Lease                     ledger.Lease    // with the time of the look alone where it can't be read
	Revisions                 []string        // keys of the rows that have a revision: one, as it is written
	Revision                  int64           // the highest of them
	Seeds                     []string        // keys of rows that a repair made in the place of one that is gone
}

// Wrong says what is not as it is written; nothing where all is.
func (r Remains) Wrong() (out []string) {
	if !r.Begun {
		return nil
	}
	p := r.Progress
	switch {
	case !r.HasProgress:
		out = append(out, "row progress is not there")
	case r.ProgressWrong != "":
		out = append(out, "row progress: "+r.ProgressWrong)
	case len(r.Revisions) == 0:
		out = append(out, fmt.Sprintf("row revision!%d is not there", p.Revision))
	case len(r.Revisions) > 1:
		out = append(out, fmt.Sprintf("there are %d rows revision!<n>, and one is written", len(r.Revisions)))
	case p.Revision == 0 || p.Revision != r.Revision:
		last := strings.TrimPrefix(r.Revisions[0], revisionRows)
		out = append(out, fmt.Sprintf("row progress has revision %d, and the last commit was of %s", p.Revision, last))
	}
	if len(r.Seeds) > 0 && len(r.Revisions) > 0 {
		out = append(out, "row "+r.Seeds[0]+" was left by a repair")
	}
	switch {
	case r.LeaseWrong != "":
		out = append(out, "row lease: "+r.LeaseWrong)
	case !r.HasLease && !p.SteppedAt.IsZero(): // a version before knew none
		out = append(out, "row lease is not there")
	}
	return out
}

// keeps reports whether the row of progress is usable: it is the one that was committed last.
func (r Remains) keeps() bool {
	p := r.Progress
	return r.HasProgress && r.ProgressWrong == "" && len(r.Revisions) == 1 && len(r.Seeds) == 0 && p.Revision > 0 &&
		p.Revision == r.Revision
}

// Store is where a stream's row of progress can be rebuilt.
type Store interface {
	ledger.LeaseStore
	verify.Evidence
	// Seal reads one entry of a stream's log.
	Seal(ctx context.Context, s entra.Stream, number int64) (seal.Seal, error)
	// Seals lists a stream's log in order.
	Seals(ctx context.Context, s entra.Stream) iter.Seq2[seal.Seal, error]
	// Months lists the months of which a stream has a table, in order.
	Months(ctx context.Context, s entra.Stream) ([]time.Time, error)
	// InQuarantine counts a stream's records in quarantine.
	InQuarantine(ctx context.Context, s entra.Stream) (int64, error)
	// Remains reads what is there of a stream's progress, revision and lease.
	Remains(ctx context.Context, s entra.Stream) (Remains, error)
	// Rebuild commits where a Commit cannot: it writes the lease, and, if given, the row of
	// progress and entries of the log over what is there, unless another commit came after the read
	// (ErrMoved). It returns what is there then. Without a row of progress the stream stays closed
	// to all others.
	Rebuild(ctx context.Context, l ledger.Lease, found Remains, p *ledger.Progress, seals []seal.Seal) (Remains, error)
}

// Repairer rebuilds a stream's row of progress.
type Repairer struct {
	store    Store
	heads    Heads // nil: none
	backfill time.Duration
	clock    func(context.Context) (time.Time, error)
	machine  func() time.Time
}

// New makes a Repairer. backfill is how far back a backfill reaches of which nothing is
// there yet; clock is one that can be trusted; machine is this machine's.
func New(store Store, heads Heads, backfill time.Duration,
	clock func(context.Context) (time.Time, error), machine func() time.Time) *Repairer {
	backfill = cmp.Or(backfill, ledger.DefaultBackfill)
	return &Repairer{store: store, heads: heads, backfill: backfill, clock: clock, machine: machine}
}

// Repairing is a repair of one stream: what is asked, how far it is, and what it did. It can be
// stored between two slices of its work; the stream's lease is kept between them.
type Repairing struct {
	Stream entra.Stream
	By     ledger.Execution
	Plan   bool // nothing is written

	Wrong        []string // what was found
	Anew         bool     // the row of progress is rebuilt; otherwise it is kept, and a lease is written
	Revision     int64    // of the ledger when the last slice ended; 0: none was done
	Verification verify.Verification
	Rows         int64           // of hours
	Rebuilt      ledger.Progress // as it is made, or kept
	Entry        int64           // number of the log's entry that says so
	Reason       string          // of it
	Done         bool
}

// Work repairs until all is done, ctx ends, or the time comes. Errors: entra.CodeConflict where
// nothing is to be repaired, or another execution has the stream; entra.CodeTampered where verify
// finds what has to be mended first. Then the ledger stays as it is.
func (r *Repairer) Work(ctx context.Context, w *Repairing, until time.Time) error {
	now, err := r.clock(ctx)
	if err != nil {
		return err
	}
	now = now.UTC().Truncate(entra.Tick)
	if w.Plan {
		return r.plan(ctx, w, now, until)
	}
	if w.Revision == 0 {
		found, err := r.store.Remains(ctx, w.Stream)
		if err != nil {
			return err
		}
		if wrong, _, err := r.wrong(ctx, found); err != nil {
			return err
		} else if len(wrong) == 0 {
			return r.nothing(ctx, w, found)
		}
	}
	waiting, stop := context.WithDeadline(ctx, until)
	defer stop()
	store := &repairStore{Store: r.store}
	h, p, err := ledger.Acquire(waiting, store, w.By, w.Stream, func(*ledger.Writer) time.Time { return now })
	if err != nil {
		return err
	}
	h.KeepAlive(ctx)
	if err = r.work(ctx, w, h, store, p, now, until); err == nil && !w.Done {
		return r.pause(ctx, w, h)
	}
	return errors.Join(err, h.ReleaseUnchanged(ctx))
}

// pause ends a slice and keeps the lease for the next one. A renewal that was in progress may have
// been executed.
func (r *Repairer) pause(ctx context.Context, w *Repairing, h *ledger.Writer) error {
	h.Stop()
	found, err := r.store.Remains(ctx, w.Stream)
	if err == nil && found.Lease.ID == w.By.ID {
		w.Revision = found.Revision
	}
	return err
}

// nothing is the error where nothing is to be repaired. Where an earlier try of this execution's
// did it, unheard, there is none.
func (r *Repairer) nothing(ctx context.Context, w *Repairing, found Remains) error {
	out := &entra.Error{Code: entra.CodeConflict, Doing: "repair " + string(w.Stream),
		Why:    "nothing of it is to be repaired: rows progress, revision and lease are what was written",
		Remedy: "ask verify, which names what else may differ"}
	if !found.Begun {
		out.Why = "the stream has no ledger"
	}
	if n := found.Progress.Seals; n > 0 {
		last, err := r.store.Seal(ctx, w.Stream, n-1)
		if err != nil {
			return err
		}
		if last, ok := ledger.RepairOf(last); ok && strings.HasSuffix(last.What, w.By.ID) {
			w.Done, w.Rebuilt, w.Entry, w.Reason = true, found.Progress, last.Entry, last.What
			return nil
		} else if ok {
			out.Why += fmt.Sprintf("; the last repair was on %s (entry %d of its log)",
				last.RepairedAt.Format(time.RFC3339),
				last.Entry)
		}
	}
	return out
}

// plan computes what a repair would write.
func (r *Repairer) plan(ctx context.Context, w *Repairing, now, until time.Time) error {
	found, err := r.store.Remains(ctx, w.Stream)
	if err != nil {
		return err
	}
	if err := r.begin(ctx, w, found); err != nil || w.Done {
		return err
	}
	err = r.verify(ctx, w, found, now, until)
	w.Done = err == nil && w.Verification.Done()
	return err
}

// wrong says what is not as it is written: the three rows themselves, and what the row of progress
// says where rows and log do not.
func (r *Repairer) wrong(ctx context.Context, found Remains) (wrong []string, anew bool, err error) {
	if wrong = found.Wrong(); !found.keeps() {
		return wrong, true, nil
	}
	v, err := verify.NewVerifier(ctx, r.store, r.heads, found.Progress.Stream)
	if err != nil {
		return nil, false, err
	}
	for _, f := range v.LogFindings() {
		if f.Table == verify.LedgerTable && f.Row == verify.ProgressRow && f.Difference.IsTampering() {
			wrong, anew = append(wrong, "row progress: "+f.Detail), true
		}
	}
	return wrong, anew, nil
}

// begin begins, or restarts after a commit since the last slice: what was verified before was
// another state of the ledger.
func (r *Repairer) begin(ctx context.Context, w *Repairing, found Remains) (err error) {
	if found.Revision == w.Revision && w.Wrong != nil {
		return nil
	}
	w.Revision = found.Revision
	w.Verification = verify.Verification{Streams: []entra.Stream{w.Stream}}
	if w.Wrong, w.Anew, err = r.wrong(ctx, found); err == nil && len(w.Wrong) == 0 {
		err = r.nothing(ctx, w, found)
	}
	return err
}

// work does a slice under the stream's lease.
func (r *Repairer) work(ctx context.Context, w *Repairing, h *ledger.Writer, store *repairStore, p ledger.Progress,
	now, until time.Time) error {
	if err := r.begin(ctx, w, store.first); err != nil || w.Done { // another repair was faster, or an earlier try
		return err
	}
	found := store.first
	found.Progress = p
	if err := r.verify(ctx, w, found, now, until); err != nil || !w.Verification.Done() {
		return err
	}
	return r.finish(ctx, w, h)
}

// verify verifies the stream as if the rebuilt row were there.
func (r *Repairer) verify(ctx context.Context, w *Repairing, found Remains, now, until time.Time) (err error) {
	if w.Rebuilt = found.Progress; w.Anew {
		if w.Rebuilt, w.Rows, err = r.rebuilt(ctx, found, now); err != nil {
			return err
		}
	}
	err = w.Verification.Work(ctx, rebuiltEvidence{r.store, w.Rebuilt}, r.heads, until)
	if err != nil || !w.Verification.Done() {
		return err
	}
	return w.refusal()
}

// rebuiltEvidence is the archive with a rebuilt row of progress.
type rebuiltEvidence struct {
	verify.Evidence
	progress ledger.Progress
}

// Progress is Ledger's.
func (e rebuiltEvidence) Progress(context.Context, entra.Stream) (ledger.Progress, error) {
	return e.progress, nil
}

// finish commits the row with an entry of the log that says so.
func (r *Repairer) finish(ctx context.Context, w *Repairing, h *ledger.Writer) error {
	p := w.Rebuilt
	what := fmt.Sprintf("the row of progress was made anew from %d rows and %d entries", w.Rows, p.Seals)
	if !w.Anew {
		what = "a new lease was written"
	}
	now, err := r.clock(ctx) // verifying may have lasted long
	if err != nil {
		return err
	}
	log := sealing.NewLog(ctx, r.store, w.Stream)
	// Nothing can have been stored of the hour after this one, so the entry says nothing of
	// records.
	note := seal.Seal{Window: entra.Window{Stream: w.Stream, Start: entra.FloorHour(now.UTC()).Add(time.Hour)},
		Root:     seal.Root(nil),
		SealedAt: h.Stamp(),
		Reason: fmt.Sprintf("%s%s (%s), by %s, execution %s", ledger.RepairedMark, what, strings.Join(w.Wrong, "; "),
			w.By.Work, w.By.ID)}
	if note, err = seal.Append(log, p.Seals, note); err != nil {
		return err
	}
	p.Seals++
	if p, err = h.Commit(ctx, p, nil, []seal.Seal{note}); err != nil {
		return err
	}
	w.Done, w.Entry, w.Rebuilt = true, note.Number, p
	w.Reason = strings.TrimPrefix(note.Reason, ledger.RepairedMark)
	if r.heads == nil {
		return nil
	}
	if err := sealing.PutHead(ctx, r.store, r.heads, p); err != nil {
		return nil // the next run puts it
	}
	p.Heads = p.Seals
	_, err = h.Commit(ctx, p, nil, nil)
	return err
}

// revisionRows is the key prefix of the rows that have a revision.
const revisionRows = "revision!"

// mostNamed is how many findings a refusal names.
const mostNamed = 3

// refusal is the error where something has to be mended before a repair.
func (w *Repairing) refusal() error {
	var named []string
	v, found, listed := &w.Verification, int64(0), int64(0)
	for d, n := range v.Counts {
		if d.IsTampering() && d != verify.DiffDerived {
			found += n
		}
	}
	for _, f := range v.Findings {
		if f.Difference.IsTampering() && f.Difference != verify.DiffDerived {
			listed++
		}
		if !holdsUp(f) {
			continue
		}
		if named = append(named, textOf(f)); len(named) > mostNamed {
			named[mostNamed] = "..."
			break
		}
	}
	if listed < found {
		named = append(named, fmt.Sprintf("%d that are not listed", found-listed))
	}
	if len(named) == 0 {
		return nil
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: "repair " + string(w.Stream),
		Why: "the archive is not what was sealed: " + strings.Join(named, "; "),
		Remedy: "restore what is named from a copy, or leave it closed and ask who changed it (verify " +
			"names everything); " +
			"no row of progress was written"}
}

// holdsUp reports whether a finding has to be fixed before a repair. What the repair rebuilds does
// not, nor what can be computed again.
func holdsUp(f verify.Finding) bool {
	ours := f.Table == verify.LedgerTable && (f.Row == verify.ProgressRow ||
		strings.HasPrefix(f.Row, verify.LeaseRow) ||
		strings.HasPrefix(f.Row, revisionRows))
	return f.Difference.IsTampering() && f.Difference != verify.DiffDerived && !ours
}

// textOf is a finding in one line.
func textOf(f verify.Finding) string {
	where := strings.TrimSpace(f.Table + " " + f.Row)
	if !f.Hour.IsZero() {
		where = strings.TrimSpace(f.Hour.Format(entra.HourFormat) + " " + where)
	}
	return fmt.Sprintf("%s %s (%s)", f.Difference, where, f.Detail)
}

// repairStore gives the stream's lease to a repair though its rows are not what is written: as long
// as the row of progress can't be gone by, its commits write none, but for the one that has an
// entry for the log.
type repairStore struct {
	Store
	first Remains // as it was before the lease was acquired
	found Remains // as it is
	taken bool
}

// State is LeaseStore's. A lease that cannot be read counts as free.
func (s *repairStore) State(ctx context.Context, stream entra.Stream) (ledger.Progress, ledger.Lease, error) {
	found, err := s.Remains(ctx, stream)
	if err != nil {
		return found.Progress, found.Lease, err
	}
	if s.found = found; !s.taken {
		s.first = found
	}
	if found.keeps() {
		return found.Progress, found.Lease, nil
	}
	return ledger.Progress{Stream: stream, Revision: found.Revision}, found.Lease, nil
}

// Commit is LeaseStore's.
func (s *repairStore) Commit(ctx context.Context, l ledger.Lease, p ledger.Progress, rows []ledger.Coverage,
	seals []seal.Seal) (saved ledger.Progress, err error) {
	if s.found.keeps() {
		saved, err = s.Store.Commit(ctx, l, p, rows, seals)
		s.taken = s.taken || err == nil
		return saved, err
	}
	var row *ledger.Progress
	if len(seals) > 0 {
		row = &p
	} else {
		// Nothing is dated before the row is written: until then the last run's commit stays known.
		l.Base, l.Stamp = s.first.Lease.Base, s.first.Lease.Stamp
	}
	found, err := s.Rebuild(ctx, l, s.found, row, seals)
	if err != nil {
		return p, err
	}
	s.found, s.taken, p.Revision = found, true, found.Revision
	return p, nil
}
