package collect

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

// An hour is in doubt if its records differ from the sums in its ledger row: an execution stopped
// between the two writes, or wrote late after it lost the lease. Such an hour is neither counted
// nor sealed until Graph was queried for all of it again. Records that the read returns count as
// new; the others stay and are counted apart.

// recount counts an hour in doubt if this read has returned everything that Graph has of it.
// Otherwise the hour waits for the end of the read, or for another read if this one began within
// the hour. ready reports whether the row can be committed.
func (rd *read) recount(ctx context.Context, w *row, reached time.Time, end bool) (ready bool, err error) {
	if reached.Before(w.now.End()) && !end {
		return false, nil
	}
	cut := reached.Before(w.now.End()) && reached.Before(rd.asked.To) // the walk ended within the hour
	if rd.asked.From.After(w.now.Start) || w.unrecorded || cut {
		w.uncounted()
		return true, nil
	}
	hour, err := rd.rowsOf(ctx, w)
	if entra.CodeOf(err) == entra.CodeTampered && err != nil {
		return true, rd.cannotCount(w, err)
	}
	if err != nil {
		return false, err
	}
	missed := hour.unmet(w.met)
	remembered := !rd.sinceWhen().After(w.now.Start)
	if rd.staysUncounted(w, int64(len(missed)), remembered) {
		return true, nil
	}
	enriched, err := rd.enriched(ctx, w, hour.contents)
	if entra.CodeOf(err) == entra.CodeTampered && err != nil {
		return true, rd.cannotCount(w, err)
	}
	if err != nil {
		return false, err
	}
	w.count(hour.contents, missed, enriched)
	rd.markRecounted(w, remembered)
	w.recount, w.asked = false, true
	return true, rd.reseal(ctx, w, hour.extra)
}

// staysUncounted reports whether an hour with n contents that a read did not return has to be
// queried again. remembered: the source still had all of the hour.
func (rd *read) staysUncounted(w *row, n int64, remembered bool) bool {
	w.now.Unconfirmed, w.now.Unmet = w.was.Unconfirmed, 0
	switch {
	case n == 0:
		w.now.Unconfirmed = 0
	case !remembered && !rd.unexplained(w):
		w.now.Unconfirmed = n
	case w.was.Unmet != n || rd.run.readInThisRun(w.was):
		// One answer of Graph is not enough: the hour stays in doubt until the next run has queried
		// it again.
		w.uncounted()
		w.now.Unmet = n
		return true
	default:
		w.now.Unmet = n
	}
	return false
}

// markRecounted updates the state of a recounted hour.
func (rd *read) markRecounted(w *row, remembered bool) {
	// Some of the rows have an unknown writer.
	w.now.ColumnSet = 0
	if rd.run.hasForms() {
		if w.now.Form = ""; rd.rich && rd.returnedAll(w) {
			w.now.Form = logs.Of(rd.run.stream).Form()
		}
	}
	if w.now.Late = w.was.Late; w.was.State.IsRead() {
		w.now.Late += max(0, w.now.New-w.was.New)
	}
	if !remembered && w.was.Seals == 0 && w.now.Start.Before(rd.run.progress.SealedTo) && w.now.Reads == "" {
		w.now.Reads = strconv.FormatInt(w.now.Records, 10) // that it was ever read, only the row says
		w.now.MarkForgotten()
	}
}

// unexplained reports whether uncounted contents cannot come from an interrupted run: the window
// had its last pass, and no run is known to have written there since.
func (rd *read) unexplained(w *row) bool {
	settled := w.was.State == ledger.WindowSealed || w.was.State == ledger.WindowReopened && w.was.Unmet > 0
	return settled && !rd.run.progress.Suspected(w.now.Start, w.now.End()) && !rd.run.inDoubt(w.now.Start)
}

// cannotCount leaves an hour in doubt because one of its rows was altered. The run continues.
func (rd *read) cannotCount(w *row, why error) error {
	rd.run.sealer.Tampered = why
	w.uncounted()
	return nil
}

// readInThisRun reports whether the last read of a window belongs to this run.
func (r *streamRun) readInThisRun(c ledger.Coverage) bool {
	return !c.LastReadAt.Before(r.now.Truncate(entra.Tick))
}

// uncounted reverts the counts of an hour that stays in doubt.
func (w *row) uncounted() {
	c := w.was
	c.State, c.Passes, c.PassedAt, c.FirstReadAt, c.LastReadAt = w.now.State, w.now.Passes, w.now.PassedAt,
		w.now.FirstReadAt, w.now.LastReadAt
	c.LostFrom, c.LostTo, c.Window, c.Doubt = w.now.LostFrom, w.now.LostTo, w.now.Window, true
	c.Reads, c.Keys = w.now.Reads, w.now.Keys
	w.now = c
}

// enriched counts the earlier versions in a window of which the current content is a richer form.
func (rd *read) enriched(ctx context.Context, w *row, rows ledger.Contents) (n int64, _ error) {
	if rows.Versions == 0 {
		return 0, nil
	}
	history, err := rd.run.collector.store.History(ctx, w.now.Window)
	if err != nil {
		return 0, err
	}
	for _, record := range history {
		for _, earlier := range record.Earlier {
			if entra.Enriches(earlier, record.Current) {
				n++
			}
		}
	}
	return n, nil
}

// count sets the row to what is stored. Of the records fetched since the last commit, the growth in
// stored records counts as new. enriched are the versions that a richer form replaced.
func (w *row) count(rows ledger.Contents, missed []seal.Leaf, enriched int64) {
	now, was := &w.now, &w.was
	now.Records, now.Versions, now.Bytes, now.StoredBytes = rows.Records, rows.Versions, rows.Bytes, rows.StoredBytes
	for _, l := range missed {
		if l.Superseded.IsZero() {
			now.Records--
		} else {
			now.Versions--
		}
	}
	now.Sum, now.HasSum, now.Doubt, now.Eclipsed = rows.Sum, true, false, rows.Eclipsed
	left := now.Fetched - was.Fetched - (now.Quarantined - was.Quarantined)
	share := func(grown int64) int64 {
		n := max(0, min(left, grown))
		left -= n
		return n
	}
	now.New = was.New + share(now.Records-was.Records)
	grown := now.Versions - was.Versions
	enriched = min(grown, max(enriched-was.Enriched, now.Enriched-was.Enriched))
	now.Enriched = was.Enriched + share(enriched)
	now.Changed = was.Changed + share(grown-enriched)
	now.Unchanged = was.Unchanged + left
}

// hourRows are the stored records of an hour in doubt.
type hourRows struct {
	contents ledger.Contents
	leaves   []seal.Leaf
	extra    []seal.Leaf // those that the ledger does not count
}

// unmet are the uncounted contents of records that a read did not meet. Earlier versions of a
// record that it met are none: Graph does not show them any more.
func (h *hourRows) unmet(met map[ledger.Sum]bool) []seal.Leaf {
	records := make(map[string]bool, len(met))
	for _, l := range h.leaves {
		if met[ledger.SumOf(l.Key, l.Hash)] {
			records[l.Key] = true
		}
	}
	var out []seal.Leaf
	for _, l := range h.extra {
		if !records[l.Key] {
			out = append(out, l)
		}
	}
	return out
}

// rowsOf lists an hour's rows and finds those that the ledger does not count.
func (rd *read) rowsOf(ctx context.Context, w *row) (*hourRows, error) {
	listed, err := rd.run.collector.store.Leaves(ctx, rd.run.stream, w.now.Start, w.now.End())
	if err != nil {
		return nil, err
	}
	h := &hourRows{leaves: listed[w.now.Start]}
	if h.contents, err = rd.run.collector.store.Count(ctx, w.now.Window); err != nil {
		return nil, err
	}
	if w.was.Seals > 0 {
		h.extra, err = rd.run.notSealed(ctx, w.was, h.leaves)
		h.leaves, _ = ledger.Parted(h.leaves) // the source can't be asked for the others
		h.extra, _ = ledger.Parted(h.extra)
		return h, err
	}
	h.leaves, _ = ledger.Parted(h.leaves)
	var before []seal.Leaf
	for _, l := range h.leaves {
		if l.FirstSeen.Before(rd.run.writer.Base) {
			before = append(before, l)
		}
	}
	if h.extra = rd.run.written(before); w.now.Start.Before(rd.run.progress.SealedTo) {
		h.extra = before // no read led to it, so its count in the ledger proves nothing
	}
	rest := ledger.SumOfLeaves(before)
	rest.Sub(ledger.SumOfLeaves(h.extra))
	if w.was.HasSum && rest != w.was.Sum {
		h.extra = before // which of them were counted is unknown
	}
	return h, nil
}

// written are the contents that a suspect's dates are on.
func (r *streamRun) written(leaves []seal.Leaf) (out []seal.Leaf) {
	for _, l := range leaves {
		for _, s := range r.progress.Suspects {
			if !s.Next.IsZero() && s.Wrote(l.Since()) {
				out = append(out, l)
				break
			}
		}
	}
	return out
}

// notSealed are the contents that an hour's last seal does not list, also those that the ledger has
// counted since: who can forge a record's row can forge the ledger's.
func (r *streamRun) notSealed(ctx context.Context, cov ledger.Coverage, leaves []seal.Leaf) ([]seal.Leaf, error) {
	last, err := r.collector.store.Seal(ctx, r.stream, cov.LastSeal)
	if err != nil {
		return nil, err
	}
	var members []seal.Leaf
	if !ledger.WasPurged(last) { // the rest of an interrupted purge has no proof
		if members, err = ledger.MembersOf(ctx, r.collector.store, last, leaves); err != nil {
			return nil, err
		}
	}
	listed := make(map[ledger.Sum]bool, len(members))
	for _, l := range members {
		listed[ledger.SumOf(l.Key, l.Hash)] = true
	}
	var unlisted []seal.Leaf
	for _, l := range leaves {
		if !listed[ledger.SumOf(l.Key, l.Hash)] {
			unlisted = append(unlisted, l)
		}
	}
	return unlisted, nil
}

// reseal has a sealed hour sealed again to which uncounted rows came. They are dated after the
// seal, as all that comes later.
func (rd *read) reseal(ctx context.Context, w *row, extra []seal.Leaf) error {
	if w.was.Seals == 0 {
		return nil
	}
	if len(extra) > 0 {
		last, err := rd.run.collector.store.Seal(ctx, rd.run.stream, w.was.LastSeal)
		if err != nil {
			return err
		}
		early := slices.DeleteFunc(slices.Clone(extra), func(l seal.Leaf) bool {
			return l.FirstSeen.After(last.SealedAt)
		})
		if err := rd.run.collector.store.Restamp(ctx, w.now.Window, early, rd.run.writer.Stamp()); err != nil {
			return err
		}
	}
	if w.reopen(); (w.now.Reason == "" || w.now.Reason == ledger.KnownChanged) &&
		(w.now.Sum != w.was.Sum || len(extra) > 0) {
		w.now.Reopen(fmt.Sprintf("%d contents came after the seal by a run that was stopped", len(extra)))
	}
	return nil
}

// confirm reads the hours in doubt again, up to the end of the stream's last read.
func (r *streamRun) confirm(ctx context.Context) error {
	p := &r.progress
	if p.Doubts == 0 {
		return nil
	}
	var spans []ledger.Span
	for cov, err := range r.collector.store.Windows(ctx, r.stream, p.DoubtFrom, p.DoubtTo) {
		if err != nil {
			return err
		}
		ahead := cov.End().After(p.Watermark) || p.Backfilling() && !cov.Start.Before(p.Backfilled) &&
			cov.Start.Before(p.TailBegin)
		switch n := len(spans); {
		case !cov.Doubt || ahead || cov.State == ledger.WindowPurged || cov.Unmet > 0 && r.readInThisRun(cov):
		case n > 0 && spans[n-1].To.Equal(cov.Start):
			spans[n-1].To = cov.End()
		default:
			spans = append(spans, ledger.Span{From: cov.Start, To: cov.End()})
		}
	}
	for _, s := range spans {
		if err := r.proveRetention(ctx, s.From); err != nil {
			return err
		}
		if err := r.again(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// again reads the windows of a span again.
func (r *streamRun) again(ctx context.Context, s ledger.Span) error { return r.reread(ctx, s, 0) }

// reread reads the windows of a span again. Each question begins earlier by overlap.
func (r *streamRun) reread(ctx context.Context, s ledger.Span, overlap time.Duration) error {
	at := s.From
	c := cursor{kind: readAgain, own: &at, overlap: overlap,
		floor: entra.Later(s.From.Add(-overlap), entra.Earlier(s.From, r.progress.Readable()))}
	for at.Before(s.To) {
		if r.outOfTime(ctx) {
			return r.reading.Err()
		}
		hour := at
		if err := r.step(ctx, c, s.To, walkPages); err != nil {
			return err
		}
		// Read whole hours, so that hours in doubt can be counted.
		if at = entra.FloorHour(at); !at.After(hour) { // it has more pages than a walk
			if at = hour; r.outOfTime(ctx) {
				return r.reading.Err()
			}
			if err := r.step(ctx, c, hour.Add(time.Hour), 0); err != nil {
				return err
			}
		}
		c.floor = at.Add(-overlap)
	}
	return nil
}
