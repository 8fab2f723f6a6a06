package collect

import (
	"strconv"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// sinceWhen is the time since which Graph had everything when the last page came. No tenant deletes
// within seven days; if it returned an older record, it had everything younger than that one.
func (rd *read) sinceWhen() time.Time {
	at := rd.pageAt
	if at.IsZero() {
		at = rd.run.tenantNow()
	}
	return entra.Later(rd.gone, at.Add(-max(rd.run.source().KeepsLeast, rd.run.remembers)))
}

// sawTime learns from a record how far back Graph remembers.
func (rd *read) sawTime(t time.Time) {
	if t.Before(rd.asked.From) || !t.Before(rd.asked.To) {
		return
	}
	if age := rd.pageAt.Sub(t); age > rd.run.remembers {
		rd.run.remembers = age
	}
}

// pass ends the windows that end by reached, those without a record included, and returns them in
// order.
func (rd *read) pass(reached time.Time) []*row {
	hour := entra.FloorHour(rd.at())
	if rd.cursor.kind == readBackfill && rd.run.progress.Begin.IsZero() {
		first, ok := rd.begins(hour, reached)
		if !ok {
			return nil // before the oldest record nothing is claimed
		}
		rd.archiveBegin = first
		if first.After(hour) {
			hour = first
		}
	}
	var passed []*row
	for ; !hour.Add(time.Hour).After(reached); hour = hour.Add(time.Hour) {
		w := rd.row(hour)
		if w.now.State.IsRead() && !w.now.InPart() && !rd.cursor.kind.rereads() {
			continue
		}
		if !rd.gone.IsZero() && rd.cursor.kind.rereads() {
			if w.now.Awaits() {
				rd.stopAwaiting(w)
			} else if !w.recount {
				continue // it was read while Graph still accepted the query
			}
		} else {
			rd.passRow(w, reached)
		}
		passed = append(passed, w)
	}
	// The next read begins where this one stops, and may find that Graph still has the rest of the
	// hour.
	if from := entra.Later(rd.asked.From, rd.at()); !rd.cursor.kind.rereads() && hour.Before(reached) &&
		entra.Earlier(rd.sinceWhen(), reached).After(entra.Later(from, hour)) {
		w := rd.row(hour)
		w.now.Lose(rd.lost(w, reached))
	}
	return passed
}

// passRow marks a window as read to its end.
func (rd *read) passRow(w *row, reached time.Time) {
	awaited := w.now.Awaits()
	w.firstRead(rd.run.now)
	w.now.Passes, w.now.LastReadAt, w.now.PassedAt = w.now.Passes+1, entra.Later(w.now.LastReadAt,
		rd.run.now), rd.passedAt(w)
	if !awaited {
		w.now.Lose(rd.lost(w, reached))
	}
	switch {
	case rd.onlyOnce(w) && rd.sinceWhen().After(w.now.Start) && (w.now.Records == 0 || !rd.returnedAll(w)):
		w.now.Reads = strconv.FormatInt(w.began.Records, 10)
		w.now.MarkForgotten() // this pass came too late to confirm anything
	case w.now.State.IsRead():
	case awaited:
		rd.agree(w)
	case w.now.StateOnceRead() == ledger.WindowComplete && !rd.readAgainLater(w):
		w.now.State, w.now.Reads = ledger.WindowPartial, strconv.FormatInt(w.now.Records, 10)
	default:
		rd.markRead(w)
	}
	if rd.rich && w.now.Thin() && rd.returnedAll(w) {
		w.now.Form = logs.Of(rd.run.stream).Form()
	}
}

// firstRead dates the first read of a window that had a row for what arrived there.
func (w *row) firstRead(at time.Time) {
	if w.now.FirstReadAt.IsZero() {
		w.now.FirstReadAt = at
	}
}

// lost is the part of a window that stays unknown after this read: what Graph had deleted before
// the query, less what was read of the window before.
func (rd *read) lost(w *row, reached time.Time) ledger.Span {
	part := ledger.Span{From: entra.Later(w.now.Start, rd.asked.From), To: entra.Earlier(w.now.End(), reached)}
	if !rd.cursor.kind.rereads() {
		part.From = entra.Later(part.From, rd.at()) // everything before the cursor was read, or is marked lost
	}
	now := ledger.Span{From: part.From, To: entra.Earlier(rd.sinceWhen(), part.To)}
	before := ledger.Span{From: w.was.LostFrom, To: w.was.LostTo}
	switch {
	case rd.cursor.kind.rereads() && w.was.Whole():
		return ledger.Span{} // it was read when Graph still had it
	case !w.was.InPart() && w.was.State != ledger.WindowLost:
		return now
	case w.was.State == ledger.WindowLost && !w.was.InPart():
		before = ledger.Span{From: w.now.Start, To: w.now.End()}
	}
	switch {
	case rd.cursor.kind.rereads() && !part.From.After(before.From) && !reached.Before(before.To):
		// what Graph still had of it is known now
		return ledger.Span{From: entra.Later(before.From, now.From), To: entra.Earlier(before.To, now.To)}
	case rd.cursor.kind.rereads() || !now.To.After(now.From):
		return before
	}
	return ledger.Span{From: entra.Earlier(before.From, now.From), To: entra.Later(before.To, now.To)}
}

// passedAt is the time since which the window has been read as a whole. If an earlier walk read a
// part, it counts from that read; if its time is unknown, from the window's end.
func (rd *read) passedAt(w *row) time.Time {
	switch {
	case !rd.asked.From.After(w.now.Start):
		return rd.run.now
	case rd.cursor.kind.rereads():
		// The earlier part was due, too, when it was read.
		if due := w.now.End().Add(rd.cursor.age); due.After(w.was.PassedAt) {
			return due
		}
		return w.was.PassedAt
	case rd.cursor.kind == readBackfill && !w.fresh:
		return w.now.FirstReadAt
	}
	return w.now.End()
}

// begins is the first hour that the ledger covers: that of the oldest record, or the first one that
// no tenant can have deleted, whichever is earlier. ok is false while the backfill has reached
// neither.
func (rd *read) begins(from, reached time.Time) (first time.Time, ok bool) {
	remembered := entra.FloorHour(rd.run.now.Add(-rd.run.source().KeepsLeast)).Add(time.Hour)
	first, ok = rd.firstHour()
	if !ok && !reached.After(remembered) {
		return time.Time{}, false
	}
	if !ok || remembered.Before(first) {
		first = remembered
	}
	if first.Before(from) {
		first = from
	}
	return first, true
}

// firstHour is the earliest hour in which this read stored or rejected something.
func (rd *read) firstHour() (time.Time, bool) {
	var first time.Time
	for hour, w := range rd.rows {
		if w.now.Fetched > w.was.Fetched && !hour.Before(rd.asked.From) && (first.IsZero() || hour.Before(first)) {
			first = hour
		}
	}
	return first, !first.IsZero()
}
