package collect

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
)

// A walk that ends early looks like one that has met everything. An hour that no pass reads again
// is therefore complete only when a second read, of another span, has met the same records: neither
// has one that the other lacks. What either has is kept.

const (
	// mostReads is how often such an hour is read before it is sealed as unconfirmed.
	mostReads = 3
	// secondRecords and secondSpan bound what one question of a second read asks for: a few pages,
	// as full as may be, of which none begins where one of the first walk did.
	secondRecords = 4950
	secondSpan    = 12 * 24 * time.Hour
	// quietTail is the shortest stretch without a record at the end of a walk that is asked for
	// again, by a question that begins with the last record.
	quietTail = time.Hour
	// differs is by how much a question differs from one of the same hours that was asked before.
	differs = time.Minute
)

// addKeys adds a page's keys of the window to those that this read has returned, except those that
// could not be stored, if a later check needs them.
func (rd *read) addKeys(w *row, recs []entra.Record, rejected []Rejected) {
	asked := w.began.Awaits() || w.began.Thin() || w.recount || rd.onlyOnce(w)
	if rd.asked.From.After(w.now.Start) || !asked {
		return
	}
	if w.keys == nil {
		w.keys = newKeySet()
	}
	for _, rec := range recs {
		if !slices.ContainsFunc(rejected, func(r Rejected) bool { return r.Hash == rec.Hash }) {
			w.keys.add(rec.Key)
		}
	}
}

// onlyOnce reports whether this is a pass over a window that was read once and that Graph may have
// deleted since.
func (rd *read) onlyOnce(w *row) bool {
	return rd.cursor.kind.rereads() && w.began.State == ledger.WindowComplete && w.began.Passes == 1 &&
		w.began.Reads == "" &&
		rd.run.now.Sub(w.now.Start) > rd.run.source().KeepsLeast-time.Hour
}

// returnedAll reports whether this read has returned every record of a window that it read whole.
func (rd *read) returnedAll(w *row) bool {
	return !rd.asked.From.After(w.now.Start) && w.keys.len() == w.now.Records
}

// readAgainLater reports whether a pass will read the window while Graph still has it.
func (rd *read) readAgainLater(w *row) bool {
	return slices.ContainsFunc(rd.run.ages(), func(age time.Duration) bool {
		return age < rd.run.progress.Kept() && w.now.End().Add(age).After(rd.run.now)
	})
}

// agree compares this read of a window with those before it.
func (rd *read) agree(w *row) {
	now, met := &w.now, w.keys.len()
	counts := strings.Fields(now.Reads)
	count := strconv.FormatInt(met, 10)
	added := now.New - w.began.New
	switch {
	case rd.asked.From.After(now.Start) || w.recount:
		return // it began within the window, or what is stored of it is not counted yet
	case met == 0 && rd.sinceWhen().After(now.Start): // an empty answer proves nothing
		rd.stopAwaiting(w)
		return
	case added == 0 && rd.returnedAll(w) && (len(counts) == 0 || slices.Contains(counts, count)),
		len(counts) > 1 && w.keys.digest() == now.Keys:
		now.Reads, now.Keys = "", ledger.Sum{}
	case added == 0 && rd.sinceWhen().After(now.Start):
		rd.stopAwaiting(w)
		return
	default:
		now.Reads, now.Keys = strings.Join(append(counts, count), " "), w.keys.digest()
		if len(counts)+1 < mostReads {
			return
		}
		now.Keys = ledger.Sum{}
		rd.run.collector.log.Warn("the reads of an hour do not agree; it is sealed as unconfirmed", "stream",
			rd.run.stream,
			"hour", now.Start.Format(entra.HourFormat), "records", now.Reads)
	}
	rd.markRead(w)
}

// stopAwaiting ends a window's wait for a read that cannot be made any more.
func (rd *read) stopAwaiting(w *row) {
	w.now.MarkForgotten()
	rd.markRead(w)
}

// markRead marks a window complete, or lost if Graph had deleted it.
func (rd *read) markRead(w *row) {
	w.now.State = w.now.StateOnceRead()
	if w.now.State == ledger.WindowLost {
		w.now.Reason = rd.goneWhy
	}
	if w.now.State == ledger.WindowComplete && w.now.Start.Before(rd.run.progress.SealedTo) {
		w.now.State, w.now.Reason = ledger.WindowReopened,
			"it was read for the first time after the hours around it had been sealed"
	}
}

// secondReads reads the hours again that await a read that agrees.
func (r *streamRun) secondReads(ctx context.Context) error {
	for n := range mostReads {
		spans, err := r.awaiting(ctx)
		if err != nil || len(spans) == 0 {
			return err
		}
		if err := r.proveRetention(ctx, spans[0].From); err != nil {
			return err
		}
		for _, s := range spans {
			if err := r.reread(ctx, s, time.Duration(n+1)*differs); err != nil {
				return err
			}
		}
	}
	return nil
}

// confirmOnce has windows read again that were read once and would be sealed.
func (r *streamRun) confirmOnce(ctx context.Context, rows []ledger.Coverage) error {
	p := r.progress
	for i, was := range rows {
		rows[i].State, rows[i].Reads = ledger.WindowPartial, strconv.FormatInt(was.Records, 10)
		p.Apply(was, rows[i])
	}
	saved, err := r.writer.Commit(ctx, p, rows, nil)
	if err != nil {
		return err
	}
	r.progress = saved
	return r.secondReads(ctx)
}

// proveRetention queries the last hour with a record before a time, if its answer can prove that
// Graph still has what follows.
func (r *streamRun) proveRetention(ctx context.Context, at time.Time) error {
	if r.tenantNow().Sub(at) <= max(r.source().KeepsLeast-time.Hour, r.remembers) {
		return nil
	}
	last, err := r.lastRecordBefore(ctx, at)
	if err != nil || last.IsZero() {
		return err
	}
	return r.queryHour(last)
}

// queryHour asks whether Graph still shows a record of an hour.
func (r *streamRun) queryHour(hour time.Time) error {
	whole := ledger.Span{From: hour, To: hour.Add(time.Hour)}
	for page, err := range r.pagesOf(whole) {
		if entra.CodeOf(err) == entra.CodeRefused && err != nil {
			if takes, _ := r.canAsk(hour); !takes {
				return nil // it is too far back
			}
		}
		if err != nil {
			return err
		}
		for _, rec := range page.Records {
			if rec.Err == nil && whole.Contains(rec.Time) {
				r.remembers = max(r.remembers, r.tenantNow().Sub(rec.Time))
			}
		}
		shows := len(page.Records) > 0
		page.Done()
		if shows {
			return nil
		}
	}
	return r.reading.Err()
}

// lookBack queries again for records before all that a walk returned, before the ledger says that
// Graph deleted them or that the archive begins there. A record found is part of the walk, which is
// then not accepted beyond it.
func (rd *read) lookBack(ctx context.Context, reached time.Time) error {
	if rd.lookedBack || rd.cursor.kind.rereads() || !rd.gone.IsZero() {
		return nil
	}
	to := entra.Earlier(rd.sinceWhen(), reached)
	if rd.cursor.kind == readBackfill && rd.run.progress.Begin.IsZero() {
		first, ok := rd.begins(entra.FloorHour(rd.at()), reached)
		if !ok {
			first = reached
		}
		to = entra.Earlier(entra.Later(to, first), reached)
	}
	if !to.After(rd.at()) {
		return nil
	}
	if to.Equal(rd.asked.To) && to.Sub(rd.asked.From) > quietTail {
		to = to.Add(-differs)
	}
	rd.lookedBack = true
	wasOrdered := rd.ordered
	rd.ordered = false // what comes now is older than the rest, and is committed with it
	met, newest := false, time.Time{}
	for page, err := range rd.run.pagesOf(ledger.Span{From: rd.asked.From, To: to}) {
		if err != nil {
			return err
		}
		more := len(page.Records) > 0
		if more {
			newest = newestOf(page)
			err = rd.commitPage(ctx, page)
		}
		page.Done()
		if err != nil {
			return err
		}
		if met = met || more; met && wasOrdered {
			break
		}
	}
	if met && wasOrdered && newest.After(rd.at()) {
		rd.cut = newest
	}
	if met {
		rd.run.collector.log.InfoContext(ctx, "a walk had left out its oldest records", "stream", rd.run.stream, "from",
			rd.asked.From, "to", to)
	} else {
		rd.ordered = wasOrdered
	}
	return rd.run.reading.Err()
}

func newestOf(page entra.Page) (newest time.Time) {
	for _, rec := range page.Records {
		if rec.Err == nil {
			newest = entra.Later(newest, rec.Time)
		}
	}
	return newest
}

// pagesOf asks for a span beside the walk.
func (r *streamRun) pagesOf(s ledger.Span) iter.Seq2[entra.Page, error] {
	return r.collector.source.Pages(r.reading, entra.Query{Stream: r.stream, From: s.From, To: s.To, Form: r.form,
		Divisible: s.To.Sub(s.From) > narrowest})
}

// awaiting lists the hours that await a read, in spans of which each is one question.
func (r *streamRun) awaiting(ctx context.Context) ([]ledger.Span, error) {
	p := &r.progress
	if p.Awaits == 0 {
		return nil, nil
	}
	var (
		spans   []ledger.Span
		records int64
		shrink  int64
		longest = max(secondSpan, p.AwaitsTo.Sub(p.AwaitsFrom)/3) // a few questions for a quiet past of any length
	)
	for cov, err := range r.collector.store.Windows(ctx, r.stream, entra.Later(p.AwaitsFrom, p.Readable()),
		p.AwaitsTo) {
		if err != nil {
			return nil, err
		}
		if !cov.Awaits() || cov.Doubt {
			continue
		}
		n := len(spans)
		records += cov.Records
		if n > 0 && spans[n-1].To.Equal(cov.Start) && records*shrink <= secondRecords &&
			cov.End().Sub(spans[n-1].From)*time.Duration(shrink) <= longest {
			spans[n-1].To = cov.End()
			continue
		}
		// The third read's spans differ from the second's.
		spans, records, shrink = append(spans, ledger.Span{From: cov.Start, To: cov.End()}), cov.Records, max(1,
			int64(len(strings.Fields(cov.Reads))))
	}
	return spans, nil
}
