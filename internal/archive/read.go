package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// shortestRetention is the least time for which a tenant keeps its logs (7 days on Free). An hour that is found empty
// at a greater age, before the read has seen any record, may have been forgotten.
const shortestRetention = 7 * 24 * time.Hour

// read is one walk through the pages of a span.
type read struct {
	*streamRun
	cursor cursor
	asked  span
	limit  int // pages after which the walk ends by itself; 0: drain it

	pages   int
	start   time.Time // where the cursor stood
	sheet   map[time.Time]*row
	known   time.Time // the sheet has every row of the ledger from here to asked.to
	last    time.Time // the newest record time so far
	ordered bool      // records came oldest first so far

	lateness Lateness // not yet committed
}

// row is a window's coverage as it stands in the ledger and as this read leaves it.
type row struct {
	was, now Coverage
	fresh    bool // the ledger had no row when the read began: nothing should be stored
	recount  bool // rows may be stored that was does not count
}

// run reads, stores and commits page by page: while one page is written the next is fetched.
func (rd *read) run(ctx context.Context) error {
	if err := rd.begin(ctx); err != nil {
		return err
	}
	pages, stop := rd.fetch()
	defer stop()
	for f := range pages {
		if f.err != nil {
			return f.err
		}
		rd.pages++
		rd.streamRun.pages++
		err := rd.take(ctx, f.page)
		f.page.Done()
		if err != nil {
			return err
		}
		if rd.limit > 0 && rd.pages >= rd.limit && rd.ordered && rd.moved() {
			return rd.commit(ctx, rd.at(), true)
		}
	}
	if err := rd.reading.Err(); err != nil {
		return err
	}
	return rd.commit(ctx, rd.asked.to, true)
}

// fetched is a page, or the error in its place.
type fetched struct {
	page entra.Page
	err  error
}

// fetch walks the pages in the background, one ahead of who takes them. stop ends the walk and waits for its end.
func (rd *read) fetch() (pages <-chan fetched, stop func()) {
	walk, cancel := context.WithCancel(rd.reading)
	out := make(chan fetched)
	go func() {
		defer close(out)
		for page, err := range rd.source.Pages(walk, rd.stream, rd.asked.from, rd.asked.to) {
			select {
			case out <- fetched{page, err}:
			case <-walk.Done():
				return
			}
		}
	}()
	return out, func() {
		cancel()
		for range out {
			continue // what was fetched and not taken is fetched again by the next read
		}
	}
}

// moved tells whether the walk got anywhere; one whose records all bear one time has to be drained.
func (rd *read) moved() bool { return rd.at().After(rd.start) }

// at is where the cursor stands.
func (rd *read) at() time.Time { return rd.cursor.at(&rd.progress) }

// begin notes in the ledger that a read is under way, and loads the rows of its span.
func (rd *read) begin(ctx context.Context) error {
	rd.reads++
	rd.start = rd.at()
	rd.ordered = rd.source.Ordered(rd.stream)
	rd.sheet = make(map[time.Time]*row)
	rd.known = entra.FloorHour(rd.asked.from)
	if err := rd.loadRows(ctx, rd.known, rd.asked.to); err != nil {
		return err
	}
	p := rd.progress
	p.Run, p.ReadingFrom, p.ReadingTo = rd.id, rd.asked.from, rd.asked.to
	saved, err := rd.store.Commit(ctx, p, nil, nil)
	if err != nil {
		return err
	}
	rd.progress = saved
	return nil
}

func (rd *read) loadRows(ctx context.Context, from, to time.Time) error {
	for cov, err := range rd.store.Windows(ctx, rd.stream, from, to) {
		if err != nil {
			return err
		}
		rd.sheet[cov.Start] = &row{was: cov, now: cov, recount: rd.doubtful.contains(cov.Start)}
	}
	return nil
}

// take stores one page and commits how far it reaches.
func (rd *read) take(ctx context.Context, page entra.Page) error {
	results, err := rd.storePage(ctx, page)
	if err != nil {
		return err
	}
	balance := Balance{Fetched: int64(len(page.Records))}
	for _, res := range results {
		balance.New += res.balance.New
		balance.Changed += res.balance.Changed
		balance.Unchanged += res.balance.Unchanged
		balance.Quarantined += res.balance.Quarantined
		rd.book(res)
	}
	if !balance.Holds() {
		return &entra.Error{Code: entra.CodeInternal, Doing: "archive " + string(rd.stream),
			Why:    fmt.Sprintf("the page does not balance: %+v", balance),
			Remedy: "nothing of it was counted; please report this"}
	}
	rd.balance.add(balance)
	if !rd.ordered || len(page.Records) == 0 {
		return nil
	}
	return rd.commit(ctx, rd.last, false)
}

// book adds what was stored of one window to its row.
func (rd *read) book(res groupResult) {
	w := rd.row(res.window.Start)
	w.recount = w.recount || res.recount
	now := &w.now
	now.Fetched += res.balance.Fetched
	now.New += res.balance.New
	now.Changed += res.balance.Changed
	now.Unchanged += res.balance.Unchanged
	now.Quarantined += res.balance.Quarantined
	now.Records += res.tally.Records
	now.Versions += res.tally.Versions
	now.Bytes += res.tally.Bytes
	now.StoredBytes += res.tally.StoredBytes
	now.LastReadAt = rd.now
	if w.was.State.IsRead() {
		now.Late += res.balance.New
		rd.lateness.add(res.ages)
	}
	if (w.was.State == WindowSealed || w.was.State == WindowPurged) && res.balance.New+res.balance.Changed > 0 {
		now.State = WindowReopened
		now.Reason = fmt.Sprintf("%d new and %d changed records came after the seal", now.New-w.was.New, now.Changed-w.was.Changed)
	}
}

func (rd *read) row(hour time.Time) *row {
	w, ok := rd.sheet[hour]
	if !ok {
		cov := Coverage{Window: entra.Window{Stream: rd.stream, Start: hour}, State: WindowPartial, FirstReadAt: rd.now}
		w = &row{now: cov, fresh: true, recount: rd.doubtful.contains(hour)}
		rd.sheet[hour] = w
	}
	return w
}

// commit writes the rows that this read has changed and moves the cursor to reached, in as many transactions as the
// rows need. Each of them is consistent by itself: a crash between two leaves a cursor behind which all is counted.
func (rd *read) commit(ctx context.Context, reached time.Time, end bool) error {
	if reached.After(rd.asked.to) {
		reached = rd.asked.to
	}
	if reached.Before(rd.at()) {
		reached = rd.at()
	}
	passed := rd.pass(reached)
	others, err := rd.changedRows(ctx, passed)
	if err != nil {
		return err
	}
	p := rd.progress
	rows := append(others, passed...)
	for first := true; first || len(rows) > 0; first = false {
		n := min(len(rows), MaxCommit)
		chunk := make([]Coverage, n)
		for i, w := range rows[:n] {
			chunk[i] = w.now
			p.addToWindow(w.was, w.now)
			w.was, w.recount = w.now, false
			if w.now.State != WindowPartial && w.now.End().After(rd.cursor.at(&p)) && !w.now.End().After(reached) {
				rd.cursor.move(&p, w.now.End())
			}
		}
		if rows = rows[n:]; len(rows) == 0 {
			rd.cursor.move(&p, reached)
			if end {
				p.ReadingFrom, p.ReadingTo = time.Time{}, time.Time{}
			}
		}
		p.Lateness.add(rd.lateness)
		rd.lateness = Lateness{}
		saved, err := rd.store.Commit(ctx, p, chunk, nil)
		if err != nil {
			return err
		}
		p = saved
	}
	rd.progress = p
	rd.forget(reached)
	return nil
}

// pass completes the windows that end by reached, those without a record included, and returns them in order.
func (rd *read) pass(reached time.Time) []*row {
	hour := entra.FloorHour(rd.at())
	if rd.cursor.kind == readBackfill && rd.progress.Begin.IsZero() {
		first, ok := rd.begins(hour, reached)
		if !ok {
			return nil // before the oldest record nothing is claimed
		}
		rd.progress.Begin = first
		if first.After(hour) {
			hour = first
		}
	}
	seen := *rd.cursor.seen
	var passed []*row
	for ; !hour.Add(time.Hour).After(reached); hour = hour.Add(time.Hour) {
		w := rd.row(hour)
		seen = seen || w.now.Fetched > w.was.Fetched
		if w.now.State.IsRead() && rd.cursor.kind != readAgain {
			continue
		}
		w.now.Passes, w.now.LastReadAt, w.now.PassedAt = w.now.Passes+1, rd.now, rd.passedAt(w)
		if !w.now.State.IsRead() {
			w.now.State = WindowComplete
			if !seen && w.now.Records == 0 && rd.now.Sub(w.now.End()) > shortestRetention {
				w.now.State = WindowLost
			} else if w.now.Start.Before(rd.progress.SealedTo) {
				w.now.State, w.now.Reason = WindowReopened, "it was read for the first time after the hours around it had been sealed"
			}
		}
		passed = append(passed, w)
	}
	return passed
}

// passedAt is from when on the window has been read as a whole. One of which a part was read by an earlier walk counts
// from then; where nobody knows when that was, from its end.
func (rd *read) passedAt(w *row) time.Time {
	switch {
	case !rd.asked.from.After(w.now.Start):
		return rd.now
	case rd.cursor.kind == readAgain:
		// The earlier part was due, too, when it was read.
		if due := w.now.End().Add(rd.cursor.deadline); due.After(w.was.PassedAt) {
			return due
		}
		return w.was.PassedAt
	case rd.cursor.kind == readBackfill && !w.fresh:
		return w.was.FirstReadAt
	}
	return w.now.End()
}

// begins is the first hour that the ledger speaks for: that of the oldest record, or the first one that no tenant can
// have forgotten, whichever is earlier. ok is false while the backfill has come to neither.
func (rd *read) begins(from, reached time.Time) (first time.Time, ok bool) {
	remembered := entra.FloorHour(rd.now.Add(-shortestRetention)).Add(time.Hour)
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
	for hour, w := range rd.sheet {
		if w.now.Fetched > w.was.Fetched && !hour.Before(rd.asked.from) && (first.IsZero() || hour.Before(first)) {
			first = hour
		}
	}
	return first, !first.IsZero()
}

// changedRows are the rows with something new that are not among passed, in order; where rows may be stored that
// no row counts, they are counted again.
func (rd *read) changedRows(ctx context.Context, passed []*row) ([]*row, error) {
	isPassed := make(map[*row]bool, len(passed))
	for _, w := range passed {
		isPassed[w] = true
	}
	var others []*row
	for _, w := range rd.sheet {
		if w.now == w.was {
			continue
		}
		if w.recount && w.now.Fetched > 0 {
			t, err := rd.store.Count(ctx, w.now.Window)
			if err != nil {
				return nil, err
			}
			w.now.Records, w.now.Versions, w.now.Bytes, w.now.StoredBytes = t.Records, t.Versions, t.Bytes, t.StoredBytes
		}
		if !isPassed[w] {
			others = append(others, w)
		}
	}
	slices.SortFunc(others, func(a, b *row) int { return cmp.Compare(a.now.Start.Unix(), b.now.Start.Unix()) })
	return others, nil
}

// forget drops rows that lie well behind the cursor, so that a read of years needs no more memory than one of a day.
func (rd *read) forget(reached time.Time) {
	*rd.cursor.seen = *rd.cursor.seen || !rd.last.IsZero()
	keep := reached.Add(-24 * time.Hour)
	if !rd.ordered || !keep.After(rd.known) {
		return
	}
	rd.known = entra.FloorHour(keep)
	for hour := range rd.sheet {
		if hour.Before(rd.known) {
			delete(rd.sheet, hour)
		}
	}
}
