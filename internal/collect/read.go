package collect

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/turns"
)

// read is one walk through the pages of a span.
type read struct {
	run    *streamRun
	cursor cursor
	asked  ledger.Span
	limit  int // pages after which the walk ends by itself; 0: drain it

	pages   int
	start   time.Time // the cursor's position at the start
	beganAt time.Time // by the machine's monotonic clock
	pageAt  time.Time // the tenant's time when the last page came
	rows    map[time.Time]*row
	known   time.Time // rows has every row of the ledger from here to asked.to
	last    time.Time // the newest record time so far
	ordered bool      // records came oldest first so far
	stored  bool      // rows were stored since the last commit

	// rich: every page came in the richest form. Where a read is about what Graph can't be asked
	// for, gone is up to when, and goneWhy the reason.
	rich    bool
	gone    time.Time
	goneWhy string
	// lookedBack: Graph was queried again for records before all that the walk returned. If there
	// were some, the walk ends at cut.
	lookedBack bool
	cut        time.Time
	// archiveBegin is where the archive begins, from the first commit of the backfill on. Until
	// then no row says so: the run's end writes the progress, whatever failed.
	archiveBegin time.Time

	lateness ledger.Lateness // not yet committed
}

// row is a window's coverage as it is in the ledger and as this read leaves it.
type row struct {
	was, now ledger.Coverage
	fresh    bool // the ledger had no row when the read began: nothing should be stored
	// recount: rows are stored that was does not count, or may be. met are the contents that this
	// read has met there, unless it learnt too late that they would be asked for.
	recount    bool
	met        map[ledger.Sum]bool
	unrecorded bool
	asked      bool // it was recounted against all that Graph has of it
	// began is the row at the start of the read; keys are those that the read returned since, if a
	// later check needs them.
	began ledger.Coverage
	keys  *keySet
}

// meet records a page's keys of an hour that has to be recounted.
func (w *row) meet(keyOf func(entra.Key) string, recs []entra.Record, again bool) {
	if !w.recount && !again {
		w.unrecorded = true
		return
	}

	w.recount = true
	if w.met == nil {
		w.met = make(map[ledger.Sum]bool, len(recs))
	}
	for _, rec := range recs {
		w.met[ledger.SumOf(keyOf(rec.Key), rec.Hash)] = true
	}
}

// walk reads, stores and commits page by page: while one page is written the next is fetched.
func (rd *read) walk(ctx context.Context) error {
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
		rd.run.pages++
		err := rd.commitPage(ctx, f.page)
		f.page.Done()
		if err != nil {
			return err
		}
		if !rd.cut.IsZero() {
			return nil
		}
		if rd.limit > 0 && rd.pages >= rd.limit && rd.ordered && rd.moved() {
			return rd.commit(ctx, rd.at(), true)
		}
		if rd.run.writer.Yields() && rd.ordered && rd.moved() {
			if err := rd.commit(ctx, rd.at(), true); err != nil {
				return err
			}
			return ledger.ErrYielded
		}
	}
	if err := rd.run.reading.Err(); err != nil {
		return err
	}
	reached := rd.asked.To
	if rd.endsEarly() {
		reached = rd.at()
	}
	if err := rd.commit(ctx, reached, true); err != nil {
		return err
	}
	if rd.run.writer.Yields() {
		return ledger.ErrYielded
	}
	return nil
}

// fetched is a page, or the error in its place.
type fetched struct {
	page entra.Page
	err  error
}

// fetch reads pages in the background, one page ahead of the consumer. stop ends the walk and waits
// for its end.
func (rd *read) fetch() (pages <-chan fetched, stop func()) {
	walk, cancel := context.WithCancel(rd.run.reading)
	out := make(chan fetched)
	parallel.Start(func() error {
		for page, err := range rd.run.collector.source.Pages(walk, rd.query()) {
			if err != nil {
				return err
			}
			turns.Yield(walk)
			select {
			case out <- fetched{page: page}:
			case <-walk.Done():
				return nil
			}
		}
		return nil
	}, func(err error) {
		if err != nil { // it is delivered even after a stop: the consumer reads or drains the channel
			out <- fetched{err: err}
		}
		close(out)
	})
	return out, func() {
		cancel()
		for range out {
			continue // the next read fetches again what was fetched and not consumed
		}
	}
}

// query is what the source is asked for. Less than the narrowest span is not asked for.
func (rd *read) query() entra.Query {
	return entra.Query{Stream: rd.run.stream, From: rd.asked.From, To: rd.asked.To, Form: rd.run.form,
		Divisible: rd.asked.To.Sub(rd.start) > rd.cursor.narrowest()}
}

// endsEarly reports whether the walk ended long before its target time. The end is accepted only if
// a query that starts at the last record returns the same.
func (rd *read) endsEarly() bool {
	return !rd.cursor.kind.rereads() && rd.ordered && rd.moved() && rd.asked.To.Sub(rd.at()) >= quietTail
}

// moved reports whether the walk advanced; a walk whose records all have the same time must be
// drained.
func (rd *read) moved() bool { return rd.at().After(rd.start) }

// at is the cursor's position.
func (rd *read) at() time.Time { return rd.cursor.at(&rd.run.progress) }

// begin stores in the ledger that a read is in progress, and loads the rows of its span. The first
// read of a run acquires the stream's lease in the same commit, before it writes anything else.
func (rd *read) begin(ctx context.Context) error {
	rd.run.reads++
	rd.start, rd.beganAt = rd.at(), time.Now()
	rd.ordered = rd.run.collector.source.Ordered(rd.run.stream)
	rd.rows = make(map[time.Time]*row)
	rd.known = entra.FloorHour(entra.Earlier(rd.asked.From, rd.start))
	if err := rd.loadRows(ctx, rd.known, rd.asked.To); err != nil {
		return err
	}
	if err := rd.findMissingRows(ctx); err != nil {
		return err
	}
	p := rd.run.progress
	p.ReadingFrom, p.ReadingTo = rd.asked.From, rd.asked.To
	for _, s := range rd.run.aborted {
		p.ReadingFrom, p.ReadingTo = entra.Earlier(p.ReadingFrom, s.From), entra.Later(p.ReadingTo, s.To)
	}
	saved, err := rd.run.writer.Commit(ctx, p, nil, nil)
	if err != nil {
		return err
	}
	rd.run.progress = saved
	return nil
}

// findMissingRows finds hours that were read and whose row was deleted. The totals still include
// that row; this read writes it again.
func (rd *read) findMissingRows(ctx context.Context) error {
	missing := 0
	for hour := entra.FloorHour(rd.asked.From); hour.Before(rd.asked.To); hour = hour.Add(time.Hour) {
		if _, ok := rd.rows[hour]; !ok && rd.run.progress.WasRead(hour) {
			rd.run.collector.log.WarnContext(ctx,
				"the ledger's row of an hour that was read is not there; the hour is read anew", "stream",
				rd.run.stream, "hour", hour.Format(entra.HourFormat))
			missing++
		}
	}
	if missing == 0 {
		return nil
	}
	return rd.run.resum(ctx, false)
}

func (rd *read) loadRows(ctx context.Context, from, to time.Time) error {
	for cov, err := range rd.run.collector.store.Windows(ctx, rd.run.stream, from, to) {
		if err != nil {
			return err
		}
		rd.rows[cov.Start] = &row{was: cov, now: cov, began: cov, recount: cov.Doubt || rd.run.inDoubt(cov.Start)}
	}
	return nil
}

// inDoubt reports whether an earlier read of this run may have stored rows in an hour without
// counting them.
func (r *streamRun) inDoubt(hour time.Time) bool {
	return slices.ContainsFunc(r.aborted, func(s ledger.Span) bool { return s.Contains(hour) })
}

// commitPage stores one page and commits how far it reaches.
func (rd *read) commitPage(ctx context.Context, page entra.Page) error {
	if rd.run.writer.Expired() {
		// The page was long in coming. Nothing is stored before the stream is known to be this
		// execution's still.
		if err := rd.run.writer.Acquire(ctx); err != nil {
			return err
		}
	}
	rd.pageAt = rd.run.tenantNow()
	rd.stored = rd.stored || len(page.Records) > 0
	if rd.rich = rd.rich && rd.run.isRich(rd.run.formOf(page)); rd.rich {
		rd.run.progress.PoorSince = time.Time{}
	}
	results, err := rd.storePage(ctx, page)
	if err != nil {
		return err
	}
	balance := Balance{Fetched: int64(len(page.Records))}
	for _, res := range results {
		balance.New += res.balance.New
		balance.Changed += res.balance.Changed
		balance.Enriched += res.balance.Enriched
		balance.Unchanged += res.balance.Unchanged
		balance.Quarantined += res.balance.Quarantined
		rd.addStored(res, rd.run.formOf(page))
	}
	if !balance.Holds() {
		return &entra.Error{Code: entra.CodeInternal, Doing: "archive " + string(rd.run.stream),
			Why:    fmt.Sprintf("the page does not balance: %+v", balance),
			Remedy: "nothing of it was counted; please report this"}
	}
	rd.run.balance.add(balance)
	if !rd.ordered || len(page.Records) == 0 {
		return nil
	}
	return rd.commit(ctx, rd.last, false)
}

// addStored adds what was stored of one window to its row.
func (rd *read) addStored(res groupResult, form string) {
	w := rd.row(res.window.Start)
	now := &w.now
	now.Fetched += res.balance.Fetched
	now.New += res.balance.New
	now.Changed += res.balance.Changed
	now.Enriched += res.balance.Enriched
	now.Unchanged += res.balance.Unchanged
	now.Quarantined += res.balance.Quarantined
	if res.added != (ledger.Contents{}) {
		setForm(now, form, logs.Of(rd.run.stream).ColumnSet())
		if p := &rd.run.progress; !rd.run.isRich(form) && !p.EnrichedTo.IsZero() {
			p.EnrichedTo = entra.Earlier(p.EnrichedTo, now.Start) // it is to be read again
		}
	}
	now.Records += res.added.Records
	now.Versions += res.added.Versions
	now.Bytes += res.added.Bytes
	now.StoredBytes += res.added.StoredBytes
	now.Sum.Add(res.added.Sum)
	now.LastReadAt = entra.Later(now.LastReadAt, rd.run.now)
	w.firstRead(rd.run.now)
	if w.was.State.IsRead() {
		now.Late += res.balance.New
		rd.lateness.Add(res.ages)
	}
	w.reopen()
}

// setForm sets the form and the columns of what is added to an hour: the poorest form that the hour
// has.
func setForm(c *ledger.Coverage, form string, columns int) {
	if c.Counted() == 0 && c.Form == "" && (c.ColumnSet == 0 || c.Imported > 0) {
		if c.Form = form; c.ColumnSet == 0 {
			c.ColumnSet = columns
		}
		c.ColumnSet = min(c.ColumnSet, columns)
		return
	}
	c.ColumnSet = min(c.ColumnSet, columns)
	if c.Form != "" {
		c.Form = logs.Of(c.Stream).Poorer(c.Form, form)
	}
}

// reopen says of a sealed window that something came to it.
func (w *row) reopen() {
	if w.was.Seals == 0 {
		return
	}
	fresh, changed, enriched := w.now.New-w.was.New, w.now.Changed-w.was.Changed, w.now.Enriched-w.was.Enriched
	switch {
	case fresh+changed > 0:
		reason := fmt.Sprintf("%d new and %d changed records came after the seal", fresh, changed)
		if enriched > 0 {
			reason += fmt.Sprintf(", and %d in a richer form", enriched)
		}
		w.now.Reopen(reason)
	case enriched > 0:
		w.now.Reopen(fmt.Sprintf("%d records came in a richer form after the seal", enriched))
	}
}

func (rd *read) row(hour time.Time) *row {
	w, ok := rd.rows[hour]
	if !ok {
		cov := ledger.Coverage{Window: entra.Window{Stream: rd.run.stream, Start: hour}, State: ledger.WindowPartial,
			FirstReadAt: rd.run.now, HasSum: true}
		w = &row{now: cov, began: cov, fresh: true, recount: rd.run.inDoubt(hour)}
		w.was.HasSum = true
		rd.rows[hour] = w
	}
	return w
}
