// Package purge drops months that are past their retention, and says so in the log first.
package purge

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
)

// Retention says how long the archive keeps a month, and what it must not drop.
type Retention struct {
	Default time.Duration                  // 0: forever
	By      map[entra.Stream]time.Duration // in place of Default
	Holds   []Hold
}

// LeastRetention is the shortest that may be set: longer than the last pass can be put off, and
// than Graph keeps a record, so that nothing that was dropped is read again.
const LeastRetention = 35 * 24 * time.Hour

// Hold keeps [From, To) of a stream, or of all, whatever the retention: it is needed as evidence.
type Hold struct {
	Stream   entra.Stream // empty: all
	From, To time.Time
}

// LastDay is the last day that is kept, as ARCHIVE_HOLD was given.
func (h Hold) LastDay() time.Time { return h.To.Add(-entra.Tick) }

// On says whether the hold keeps anything of a stream.
func (h Hold) On(s entra.Stream) bool { return h.Stream == "" || h.Stream == s }

// Of is how long a stream's months are kept; 0 is forever.
func (r Retention) Of(s entra.Stream) time.Duration {
	if d, ok := r.By[s]; ok {
		return d
	}
	return r.Default
}

// Drops reports whether a month is past a stream's retention at a moment, and no hold keeps it; rule
// says by which it is dropped.
func (r Retention) Drops(s entra.Stream, month, now time.Time) (rule string, drops bool) {
	keep, end := r.Of(s), month.AddDate(0, 1, 0)
	_, held := r.held(s, month, end)
	return retentionRule(s, keep), keep > 0 && !end.After(now.Add(-keep)) && !held
}

func retentionRule(s entra.Stream, keep time.Duration) string {
	if keep == 0 {
		return fmt.Sprintf("ARCHIVE_RETENTION of %s is forever", s)
	}
	return fmt.Sprintf("ARCHIVE_RETENTION of %s is %d days", s, int(keep/(24*time.Hour)))
}

// held finds a hold on any part of [from, to).
func (r Retention) held(s entra.Stream, from, to time.Time) (Hold, bool) {
	for _, h := range r.Holds {
		if h.On(s) && h.From.Before(to) && from.Before(h.To) {
			return h, true
		}
	}
	return Hold{}, false
}

// Views is what was computed from records, and goes with them.
type Views interface {
	// DropViews removes what was computed from a month's records. It can be repeated.
	DropViews(ctx context.Context, s entra.Stream, month time.Time) error
}

// Store is where months can be dropped.
type Store interface {
	ledger.LeaseStore
	sealing.Store
	// Progress reads a stream's row; a zero row with the stream's name if there is none.
	Progress(ctx context.Context, s entra.Stream) (ledger.Progress, error)
	// Count sums up what is stored of a window.
	Count(ctx context.Context, w entra.Window) (ledger.Contents, error)
	// Months lists the months of which a stream has a table, in order.
	Months(ctx context.Context, s entra.Stream) ([]time.Time, error)
	// DropMonth removes a month's records first, and then what was kept beside them: lists of
	// seals, dictionary; never an entry of the log. It can be repeated.
	DropMonth(ctx context.Context, s entra.Stream, month time.Time) error
	// DropQuarantined removes what has been in quarantine since before, and returns the number of
	// records.
	DropQuarantined(ctx context.Context, s entra.Stream, before time.Time) (int64, error)
	// Seals lists a stream's log in order.
	Seals(ctx context.Context, s entra.Stream) iter.Seq2[seal.Seal, error]
}

// sweepAfter is how long after a drop the month is dropped again: what an indexer or a collector
// had in progress when it lost the stream has arrived by then.
const sweepAfter = ledger.LateWrites

// Month is a month that is past its retention.
type Month struct {
	Stream      entra.Stream
	Month       time.Time
	Records     int64 // contents, earlier versions included
	StoredBytes int64
	Rule        string // by which it is dropped
	Kept        string // why it is kept all the same; empty: it is dropped
	Dropped     bool
	Reverted    int64 // hours that an earlier purge had begun to drop, and that are sealed again as they are
	begun       bool  // an earlier purge has begun to drop it
	read        bool  // some of it was read from the source
	unsealed    bool  // arrivals of it wait to be sealed
}

// Purger drops months that are past their retention.
type Purger struct {
	store     Store
	views     Views
	heads     sealing.HeadWriter // nil: none
	retention Retention
}

// New makes a Purger.
func New(store Store, views Views, heads sealing.HeadWriter, retention Retention) *Purger {
	return &Purger{store: store, views: views, heads: heads, retention: retention}
}

// Retention is what months are kept and dropped by.
func (p *Purger) Retention() Retention { return p.retention }

// Plan lists the months of a stream that are past their retention at a moment, and changes nothing.
func (p *Purger) Plan(ctx context.Context, s entra.Stream, now time.Time) ([]Month, error) {
	progress, err := p.store.Progress(ctx, s)
	if err != nil {
		return nil, err
	}
	return p.plan(ctx, progress, now)
}

func (p *Purger) plan(ctx context.Context, progress ledger.Progress, now time.Time) ([]Month, error) {
	s := progress.Stream
	keep := p.retention.Of(s)
	if keep == 0 && len(progress.Drops) == 0 {
		return nil, nil
	}
	months, err := p.store.Months(ctx, s)
	if err != nil {
		return nil, err
	}
	var out []Month
	for _, month := range months {
		end := month.AddDate(0, 1, 0)
		m := Month{Stream: s, Month: month, Rule: retentionRule(s, keep)}
		if err := p.sum(ctx, &m, end); err != nil {
			return nil, err
		}
		past := keep > 0 && !end.After(now.Add(-keep))
		if !past && !m.begun {
			continue
		}
		hold, held := p.retention.held(s, month, end)
		switch {
		case held:
			m.Kept = fmt.Sprintf("ARCHIVE_HOLD keeps %s to %s", hold.From.Format(time.DateOnly),
				hold.LastDay().Format(time.DateOnly))
		case !past:
			m.Kept = "it is not past its retention any more"
		case progress.SealedTo.Before(end) && !m.apart(&progress, end):
			m.Kept = "it is not sealed to its end"
		case m.unsealed:
			m.Kept = "an hour of it is to be sealed again"
		case progress.Reopened > 0 && progress.ReopenedFrom.Before(end):
			m.Kept = "an hour of it is to be sealed again"
		case progress.Doubts > 0 && progress.DoubtFrom.Before(end), progress.Suspected(month, end):
			m.Kept = "an hour of it is in doubt"
		}
		out = append(out, m)
	}
	return out, nil
}

// apart reports whether a month holds arrivals alone, of a time that is never read.
func (m *Month) apart(p *ledger.Progress, end time.Time) bool {
	return !m.read && (!p.Started() || !end.After(entra.FloorHour(p.FirstHour())))
}

func (p *Purger) sum(ctx context.Context, m *Month, end time.Time) error {
	for cov, err := range p.store.Windows(ctx, m.Stream, m.Month, end) {
		if err != nil {
			return err
		}
		m.Records += cov.Contents()
		gone := cov.State == ledger.WindowPurged || cov.State == ledger.WindowLost
		m.read = m.read || !gone && !cov.OnlyArrived()
		m.unsealed = m.unsealed || cov.Imported > 0 && !cov.Sealed()
		m.StoredBytes += cov.StoredBytes
		m.begun = m.begun || cov.State == ledger.WindowPurged
	}
	return nil
}

// Run drops the months of a plan. First the log gets an entry for each hour, with the time, the
// rule and the number of contents, and the heads outside the tables cover it: what is gone without
// such an entry was removed by tampering. A month whose drop was interrupted is finished, or
// reverted if a hold keeps it now. It waits for the stream's lease until ctx ends.
func (p *Purger) Run(ctx context.Context, by ledger.Execution, s entra.Stream, now time.Time) ([]Month, error) {
	progress, err := p.store.Progress(ctx, s)
	if err != nil {
		return nil, err
	}
	if months, err := p.plan(ctx, progress, now); err != nil || len(months) == 0 && len(progress.Drops) == 0 {
		return months, errors.Join(err, p.quarantine(ctx, s, now))
	}
	h, progress, err := ledger.Acquire(ctx, p.store, by, s, func(*ledger.Writer) time.Time { return now })
	if err != nil {
		return nil, err
	}
	h.KeepAlive(ctx)
	work := &purging{purger: p, writer: h, progress: progress, now: now.UTC().Truncate(entra.Tick)}
	months, err := work.months(ctx)
	if releasing := h.ReleaseUnchanged(ctx); err == nil {
		err = releasing
	}
	if errors.Is(err, ledger.ErrYielded) {
		err = nil // the next run continues
	}
	return months, errors.Join(err, p.quarantine(ctx, s, now))
}

// quarantine drops what has been in quarantine for longer than the retention.
func (p *Purger) quarantine(ctx context.Context, s entra.Stream, now time.Time) error {
	if _, held := p.retention.held(s, time.Time{}, now.Add(time.Hour)); p.retention.Of(s) == 0 || held {
		return nil // the time of a record in quarantine is unknown, so any hold keeps them all
	}
	_, err := p.store.DropQuarantined(ctx, s, now.Add(-p.retention.Of(s)))
	return err
}

// purging is a purge of one stream, with its lease.
type purging struct {
	purger   *Purger
	writer   *ledger.Writer
	progress ledger.Progress
	now      time.Time
}

func (w *purging) commit(ctx context.Context, p ledger.Progress, rows []ledger.Coverage, seals []seal.Seal) error {
	saved, err := w.writer.Commit(ctx, p, rows, seals)
	if err == nil {
		w.progress = saved
	}
	return err
}

func (w *purging) months(ctx context.Context) ([]Month, error) {
	months, err := w.purger.plan(ctx, w.progress, w.now)
	if err != nil {
		return nil, err
	}
	first := true // every month before was dropped
	for i := range months {
		m := &months[i]
		if w.writer.Yields() {
			return months, ledger.ErrYielded
		}
		switch {
		case m.Kept == "":
			err = w.drop(ctx, m, first)
		case m.begun:
			first = false
			err = w.revert(ctx, m)
		default:
			first = false
		}
		if err != nil {
			return months, err
		}
	}
	if err := w.putHead(ctx); err != nil { // a run before may have died before it
		return months, err
	}
	return months, w.sweep(ctx, months)
}

// drop writes the month's entries into the log, and then drops it.
func (w *purging) drop(ctx context.Context, m *Month, first bool) error {
	if err := w.record(ctx, *m); err != nil {
		return err
	}
	if err := w.putHead(ctx); err != nil {
		return err
	}
	if err := w.dropMonth(ctx, m.Month); err != nil {
		return err
	}
	m.Dropped = true
	p := w.progress
	p.Drops = append(without(p.Drops, m.Month), ledger.Drop{Month: m.Month, Dropped: w.now})
	if end := m.Month.AddDate(0, 1, 0); first && end.After(p.PurgedTo) {
		p.PurgedTo = end
	}
	return w.commit(ctx, p, nil, nil)
}

// dropMonth drops a month if this purge still has the stream's lease: a drop cannot be reverted.
func (w *purging) dropMonth(ctx context.Context, month time.Time) error {
	if w.writer.Expired() {
		if err := w.writer.Acquire(ctx); err != nil {
			return err
		}
	}
	if err := w.purger.store.DropMonth(ctx, w.progress.Stream, month); err != nil {
		return err
	}
	return w.purger.views.DropViews(ctx, w.progress.Stream, month)
}

func without(drops []ledger.Drop, month time.Time) []ledger.Drop {
	return slices.DeleteFunc(slices.Clone(drops), func(d ledger.Drop) bool { return d.Month.Equal(month) })
}

// sweep finishes drops that were interrupted after the records were gone, and drops months again
// into which something may have arrived since.
func (w *purging) sweep(ctx context.Context, months []Month) error {
	for _, d := range w.progress.Drops {
		there := slices.ContainsFunc(months, func(m Month) bool { return m.Month.Equal(d.Month) })
		again := !d.Dropped.IsZero() && w.now.Sub(d.Dropped) >= sweepAfter
		if !again && (there || !d.Dropped.IsZero()) {
			continue
		}
		may, err := w.mayDrop(ctx, d.Month)
		if err != nil {
			return err
		}
		if !may {
			continue
		}
		if err := w.dropMonth(ctx, d.Month); err != nil {
			return err
		}
		p := w.progress
		if p.Drops = without(p.Drops, d.Month); !again {
			p.Drops = append(p.Drops, ledger.Drop{Month: d.Month, Dropped: w.now})
			// The run that dropped the records may have died before it said so.
			left, err := w.purger.store.Months(ctx, p.Stream)
			if err != nil {
				return err
			}
			if !slices.ContainsFunc(left, d.Month.After) {
				p.PurgedTo = entra.Later(p.PurgedTo, d.Month.AddDate(0, 1, 0))
			}
		}
		if err := w.commit(ctx, p, nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// mayDrop reports whether a month was dropped as recorded: each of its hours is purged or was never
// held, and no hold keeps it.
func (w *purging) mayDrop(ctx context.Context, month time.Time) (bool, error) {
	end := month.AddDate(0, 1, 0)
	if _, held := w.purger.retention.held(w.progress.Stream, month, end); held {
		return false, nil
	}
	for cov, err := range w.purger.store.Windows(ctx, w.progress.Stream, month, end) {
		if err != nil {
			return false, err
		}
		if cov.State != ledger.WindowPurged && (cov.State != ledger.WindowLost || cov.Imported > 0) &&
			cov.Contents() > 0 {
			return false, nil
		}
	}
	return true, nil
}

// holds reports whether an hour has something to drop that is sealed.
func holds(c *ledger.Coverage) bool {
	return c.State == ledger.WindowSealed || c.OnlyArrived() && c.Sealed()
}

func isPurged(c *ledger.Coverage) bool { return c.State == ledger.WindowPurged }

// hoursOf lists some of a month's hours, as many as fit a commit with their entries.
func (w *purging) hoursOf(ctx context.Context, month time.Time, which func(*ledger.Coverage) bool) ([]ledger.Coverage,
	error) {
	var rows []ledger.Coverage
	for cov, err := range w.purger.store.Windows(ctx, w.progress.Stream, month, month.AddDate(0, 1, 0)) {
		if err != nil {
			return nil, err
		}
		if which(&cov) {
			rows = append(rows, cov)
		}
		if len(rows) == sealing.SealsAtOnce {
			break
		}
	}
	return rows, nil
}

// record writes the entries of a month into the log and the ledger.
func (w *purging) record(ctx context.Context, m Month) error {
	for {
		rows, err := w.hoursOf(ctx, m.Month, holds)
		if err != nil || len(rows) == 0 {
			return err
		}
		p := w.progress
		if !slices.ContainsFunc(p.Drops, func(d ledger.Drop) bool { return d.Month.Equal(m.Month) }) {
			p.Drops = append(slices.Clone(p.Drops), ledger.Drop{Month: m.Month})
		}
		log := sealing.NewLog(ctx, w.purger.store, m.Stream)
		seals := make([]seal.Seal, len(rows))
		for i := range rows {
			was := rows[i]
			s := seal.Seal{Window: was.Window, Root: seal.Root(nil), SealedAt: w.now,
				Reason: fmt.Sprintf("%s%s%s%d", ledger.PurgedMark, m.Rule, ledger.PurgedCountMark, was.Contents())}
			if seals[i], err = seal.Append(log, p.Seals, s); err != nil {
				return err
			}
			log.Known[p.Seals] = seals[i]
			markPurged(&rows[i], s, p.Seals)
			p.Seals++
			p.Apply(was, rows[i])
		}
		if err := w.commit(ctx, p, rows, seals); err != nil {
			return err
		}
	}
}

// markPurged makes the row say that what the window held was dropped.
func markPurged(c *ledger.Coverage, s seal.Seal, entry int64) {
	c.State, c.Reason, c.PurgedAt, c.LastSeal = ledger.WindowPurged, s.Reason, s.SealedAt, entry
	c.Seals++
	c.Records, c.Versions, c.Bytes, c.StoredBytes, c.Unconfirmed, c.Unmet = 0, 0, 0, 0, 0, 0
	c.Sum, c.HasSum = ledger.Sum{}, true
	c.Imported, c.Eclipsed, c.ImportedSum = 0, 0, ledger.Sum{}
	c.Revision++ // the unknown part is kept: the purge may be reverted
	c.SealedRevision = c.Revision
}

func (w *purging) putHead(ctx context.Context) error {
	p := w.progress
	if w.purger.heads == nil || p.Heads == p.Seals {
		return nil
	}
	if err := sealing.PutHead(ctx, w.purger.store, w.purger.heads, p); err != nil {
		return err
	}
	p.Heads = p.Seals
	return w.commit(ctx, p, nil, nil)
}
