// Package collect copies the tenant's logs into a store: what is new, late, or changed. It knows
// where records come from (Source) and where they go (Store).
package collect

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/clocks"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/parallel"
	"github.com/entraledger/entraledger/internal/sealing"
)

// Options of a Collector. Zero values mean the defaults.
type Options struct {
	Backfill time.Duration // how far back the first run reaches; default 30 days
	// records younger than this are left to the next run; default: what the source needs as a rule
	Lag      time.Duration
	Overlap  time.Duration   // how much of what was read the tail reads again; default 2 minutes
	Parallel int             // streams that are read at the same time; bounds the memory for pages; default 3
	Writers  int             // windows of one page that are written at the same time; default 4
	Passes   []time.Duration // ages at which windows are read again, up to MaxPasses; default 3 h, 24 h, 7 d
	Turn     int             // pages a stream may read of its backfill before the next stream's turn; default 25

	AlertAfter time.Duration // how long a stream may make no progress before a run fails for it; 0: without limit
	// Tenant tells the id of the tenant whose logs the source has; empty: it can't be told. nil: nobody
	// asks. A stream whose row names another tenant is not read.
	Tenant func(context.Context) (string, error)
	// Simulated says that the source is a simulated tenant with a time of its own: it is not
	// compared with other clocks.
	Simulated bool
}

func (o Options) withDefaults() Options {
	o.Backfill = orElse(o.Backfill, ledger.DefaultBackfill)
	o.Overlap = orElse(o.Overlap, 2*time.Minute)
	o.Parallel = orElse(o.Parallel, 3)
	o.Writers = orElse(o.Writers, groupWriters)
	o.Turn = orElse(o.Turn, 25)
	if o.Passes == nil {
		o.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}
	}
	return o
}

func orElse[T int | time.Duration](v, fallback T) T {
	if v == 0 {
		return fallback
	}
	return v
}

// Collector copies streams from a Source into a Store.
type Collector struct {
	source  Source
	store   Store
	heads   sealing.HeadWriter
	options Options
	clock   func() time.Time
	log     *slog.Logger
}

// New makes a Collector. heads is nil where there is no place for them. clock is the machine's; it
// is only compared with the tenant's.
func New(source Source, store Store, heads sealing.HeadWriter, options Options, clock func() time.Time,
	log *slog.Logger) *Collector {
	return &Collector{source: source, store: store, heads: heads, options: options.withDefaults(), clock: clock,
		log: log}
}

// StreamReport is what a run did for one stream.
type StreamReport struct {
	Stream entra.Stream
	Pages  int
	Reads  int // walks through pages that were begun
	// Commits counts what the run has kept for good of what it read: the next one continues from
	// there.
	Commits int
	Balance
	Watermark  time.Time
	Backfilled time.Time
	Reached    time.Time        // of a range: everything before was read
	RangeDone  bool             // nothing of the range is left
	CaughtUp   bool             // nothing is left to backfill
	Finished   bool             // nothing is left to do for it: it need not be part of the next slice
	Overtaken  bool             // another execution has the stream
	By         ledger.Execution // which
	Yielded    bool             // the stream was left to an execution that waited for it
	Sealed     int              // windows, in this run
	Err        error
}

// Report is what a run did.
type Report struct {
	Now      time.Time // the tenant's time at the start
	Streams  []StreamReport
	Finished bool // false: the budget ended first, or another execution has a stream; the next run continues
}

// Stepped reports whether the run stored progress from which the next run continues.
func (r Report) Stepped() bool {
	return slices.ContainsFunc(r.Streams, func(s StreamReport) bool { return s.Commits > 0 })
}

// Summary is the run in one line.
func (r Report) Summary() string {
	var sum Balance
	pages, failed := 0, 0
	for _, s := range r.Streams {
		sum.add(s.Balance)
		pages += s.Pages
		if s.Err != nil {
			failed++
		}
	}
	text := fmt.Sprintf("%d streams, %d pages: %d records fetched, %d new, %d changed, %d unchanged, %d quarantined",
		len(r.Streams), pages, sum.Fetched, sum.New, sum.Changed, sum.Unchanged, sum.Quarantined)
	if sum.Enriched > 0 {
		text += fmt.Sprintf(", %d in a richer form", sum.Enriched)
	}
	if failed > 0 {
		text += fmt.Sprintf("; %d streams failed", failed)
	}
	if !r.Finished {
		text += "; more is left, the next run goes on"
	}
	return text
}

// Run reads the newest hours of every stream, then the windows whose pass is due. It seals what was
// read, completes windows after their last pass, and spends the rest of budget on backfill, oldest
// window first. A failing stream does not stop the others; the error names every stream that
// failed. An exhausted budget is an error only if a stream has made no progress for too long. A
// stream leased by another execution is awaited while the budget lasts. Cancelling ctx ends the run
// at once; committed work is kept.
func (c *Collector) Run(ctx context.Context, by ledger.Execution, streams []entra.Stream,
	budget time.Duration) (Report, error) {
	return c.run(ctx, by, streams, budget, func(runs []*streamRun) {
		c.each(runs, func(r *streamRun) error { return r.tail(ctx) })
		c.each(runs, func(r *streamRun) error { return r.passes(ctx) })
		c.each(runs, func(r *streamRun) error { return r.seal(ctx) })
		c.backfills(ctx, runs)
		c.each(runs, func(r *streamRun) error { return r.confirm(ctx) })
		c.each(runs, func(r *streamRun) error { return r.secondReads(ctx) })
		c.each(runs, func(r *streamRun) error { return r.enrich(ctx) })
		c.each(runs, func(r *streamRun) error { return r.seal(ctx) })
	})
}

// Range reads the windows of [from, to) again, as far as the archive reaches, and seals again what
// changed. It starts a stream that was never read. If the budget ends first, the report's Reached
// says where to continue.
func (c *Collector) Range(ctx context.Context, by ledger.Execution, streams []entra.Stream, from, to time.Time,
	budget time.Duration) (Report, error) {
	return c.RangeFrom(ctx, by, streams, func(entra.Stream) time.Time { return from }, to, budget)
}

// RangeFrom is Range with a begin for each stream: each continues from where it was left.
func (c *Collector) RangeFrom(ctx context.Context, by ledger.Execution, streams []entra.Stream,
	from func(entra.Stream) time.Time, to time.Time, budget time.Duration) (Report, error) {
	return c.run(ctx, by, streams, budget, func(runs []*streamRun) {
		c.each(runs, func(r *streamRun) error { return r.readRange(ctx, from(r.stream), to) })
		c.each(runs, func(r *streamRun) error { return r.seal(ctx) })
	})
}

func (c *Collector) run(ctx context.Context, by ledger.Execution, streams []entra.Stream, budget time.Duration,
	work func([]*streamRun)) (Report, error) {
	var report Report
	asked, err := c.source.Now(ctx)
	// Pages are asked for only within the budget; what was asked for may still be written after it.
	reading, stop := context.WithTimeout(ctx, budget)
	defer stop()
	runs := c.newRuns(ctx, reading, by, streams)
	if err != nil {
		err = fmt.Errorf("ask for the tenant's time: %w", err)
		if entra.CodeOf(err) == entra.CodeToken {
			c.record(ctx, runs, err)
		}
		return report, err
	}
	opened := c.openAll(ctx, runs)
	if report.Now, err = c.agree(ctx, asked, opened, sourceOf(streams)); err != nil {
		return report, err
	}
	c.askTenant(ctx, runs)
	c.work(ctx, runs, opened, report.Now, work)

	report.Finished = ctx.Err() == nil
	var failures []error
	for _, r := range runs {
		r.end(ctx)
		report.Streams = append(report.Streams, r.report())
		report.Finished = report.Finished && r.finished()
		if r.err != nil {
			failures = append(failures, r.err)
		}
	}
	return report, joined(failures, len(streams))
}

// askTenant asks whose logs are read: the streams' rows have to say the same. A run goes on without
// an answer: the next one asks again.
func (c *Collector) askTenant(ctx context.Context, runs []*streamRun) {
	if c.options.Tenant == nil {
		return
	}
	tenant, err := c.options.Tenant(ctx)
	switch {
	case err != nil && ctx.Err() != nil: // the run ends, and says so
		return
	case err != nil:
		c.log.Warn("whose logs these are can't be told", "error", err.Error())
		return
	}
	for _, r := range runs {
		r.tenant = tenant
	}
}

func (c *Collector) newRuns(ctx, reading context.Context, by ledger.Execution, streams []entra.Stream) []*streamRun {
	began := time.Now()
	runs := make([]*streamRun, len(streams))
	for i, s := range streams {
		runs[i] = &streamRun{collector: c, stream: s, id: by, began: began, ctx: ctx, reading: reading,
			span: unorderedSpan,
			busy: make(chan struct{}, 1)}
	}
	return runs
}

// record writes to the streams' rows why none of them can be read: without a token not even the
// time is told. Where the other two clocks do not agree, nothing is written.
func (c *Collector) record(ctx context.Context, runs []*streamRun, failure error) {
	opened := c.openAll(ctx, runs)
	now, err := c.agree(ctx, time.Time{}, opened, logs.Of("").Source)
	if err != nil {
		return // the failure itself is returned
	}
	for i, r := range runs {
		r.now, r.progress = now, opened[i].progress
		if c.options.Simulated {
			r.now = r.progress.TenantTime(c.clock())
		}
		if r.found(ctx, opened[i]) && r.writer != nil {
			r.err, r.done = failure, true
		}
		r.end(ctx)
	}
}

// opening is how a stream was found.
type opening struct {
	writer   *ledger.Writer
	progress ledger.Progress
	err      error
}

// openAll reads every stream's state.
func (c *Collector) openAll(ctx context.Context, runs []*streamRun) []opening {
	out := make([]opening, len(runs))
	group := parallel.New()
	for i, r := range runs {
		group.Go(func() error {
			out[i].err = parallel.Recovered(func() (err error) {
				out[i].writer, out[i].progress, err = ledger.Open(ctx, c.store, r.id, r.stream)
				return err
			})
			return nil
		})
	}
	_ = group.Wait() // every stream keeps its own error
	return out
}

// agree is the time that the tenant's clock, the storage service's and this machine's agree on.
func (c *Collector) agree(ctx context.Context, asked time.Time, opened []opening, source logs.Source) (time.Time,
	error) {
	if c.options.Simulated {
		return asked.UTC(), nil
	}
	readings := clocks.Readings{SourceName: source.Name, SourceTitle: source.Title, Source: asked,
		Machine: c.clock()}
	for _, o := range opened {
		var held *ledger.Held
		switch {
		case o.writer != nil:
			readings.Storage = o.writer.OpenedAt
		case errors.As(o.err, &held):
			readings.Storage = held.By.ReadAt
		}
	}
	return readings.Now(ctx, c.log)
}

// sourceOf is where streams come from.
func sourceOf(streams []entra.Stream) logs.Source {
	if len(streams) == 0 {
		return logs.Of("").Source
	}
	return logs.Of(streams[0]).Source
}

// work processes the streams that are free, and the others as soon as their leases are released.
func (c *Collector) work(ctx context.Context, runs []*streamRun, opened []opening, now time.Time,
	work func([]*streamRun)) {
	var (
		ready   []*streamRun
		waiting = parallel.New()
		places  = make(chan struct{}, c.options.Parallel) // each holds pages in memory
	)
	for i, r := range runs {
		r.now, r.progress = now, opened[i].progress
		if !r.found(ctx, opened[i]) {
			continue
		}
		if r.writer != nil {
			ready = append(ready, r)
			continue
		}
		waiting.Go(func() error {
			r.fail(parallel.Recovered(func() error {
				c.await(ctx, r, places, work)
				return nil
			}))
			return nil
		})
	}
	work(ready)
	_ = waiting.Wait() // every stream keeps its own error
}

// await processes a stream that another execution has, as soon as its lease is released.
func (c *Collector) await(ctx context.Context, r *streamRun, places chan struct{}, work func([]*streamRun)) {
	var o opening
	o.writer, o.progress, o.err = ledger.Wait(r.reading, c.store, r.id, r.stream)
	places <- struct{}{}
	defer func() { <-places }()
	r.now = r.tenantNow()
	r.began = time.Now()
	if r.found(ctx, o) && r.writer != nil {
		work([]*streamRun{r})
	} else {
		r.done = true
	}
}

// found adds a free stream. It returns false if the stream failed; a stream leased by another
// execution is not a failure.
func (r *streamRun) found(ctx context.Context, o opening) bool {
	var held *ledger.Held
	if errors.As(o.err, &held) {
		r.cause = held
		return true
	}
	err := o.err
	if err == nil {
		r.cause = nil
		err = r.open(ctx, o.writer, o.progress)
	}
	r.fail(err)
	return err == nil
}

// foreign is the error of a stream whose row names another tenant than the one that is read: the
// logs of two tenants would be one archive, and an import would be compared with the wrong one.
func (r *streamRun) foreign(p *ledger.Progress) error {
	if p.Tenant == "" || r.tenant == "" || strings.EqualFold(p.Tenant, r.tenant) {
		return nil
	}
	return &entra.Error{Code: entra.CodeTampered, Doing: "archive " + string(r.stream),
		Why: fmt.Sprintf("its row of progress names tenant %s, and the app reads the logs of tenant %s",
			entra.Clip(p.Tenant, 60), r.tenant),
		Remedy: "nothing was read: if somebody changed the cell Tenant, write the right id there; if " +
			"the app was moved " +
			"to another tenant, give it an archive of its own"}
}

func joined(failures []error, streams int) error {
	if len(failures) == 0 {
		return nil
	}
	lines := make([]string, len(failures))
	for i, err := range failures {
		lines[i] = err.Error()
	}
	return &entra.Error{
		Code:  entra.CodeOf(failures[0]),
		Doing: "archive the tenant's logs",
		Why:   fmt.Sprintf("%d of %d streams failed: %s", len(failures), streams, strings.Join(lines, " | ")),
		Err:   errors.Join(failures...),
	}
}

// each does a part of the work for every stream that is not done with, several at the same time.
func (c *Collector) each(runs []*streamRun, work func(*streamRun) error) {
	group := parallel.New()
	group.SetLimit(c.options.Parallel)
	for _, r := range runs {
		group.Go(func() error {
			r.turn(work)
			return nil
		})
	}
	_ = group.Wait() // every stream keeps its own error
}

// turn does a part of the work for a stream. One that is done with is given back at once: another
// may wait for it.
func (r *streamRun) turn(work func(*streamRun) error) {
	r.busy <- struct{}{}
	defer func() { <-r.busy }()
	if r.done {
		return
	}
	r.fail(parallel.Recovered(func() error { return work(r) }))
	if r.done {
		r.finish(r.ctx)
	}
}

// backfills gives the next turn to the stream with the oldest unread window: Graph deletes that
// window first.
func (c *Collector) backfills(ctx context.Context, runs []*streamRun) {
	var (
		mu    sync.Mutex
		taken = make(map[*streamRun]bool)
		group = parallel.New()
	)
	next := func() *streamRun {
		mu.Lock()
		defer mu.Unlock()
		var (
			oldest *streamRun
			first  time.Time
		)
		for _, r := range runs {
			if taken[r] {
				continue
			}
			if from, wants := r.wantsBackfill(ctx); wants && (oldest == nil || from.Before(first)) {
				oldest, first = r, from
			}
		}
		if oldest != nil {
			taken[oldest] = true
		}
		return oldest
	}
	for range c.options.Parallel {
		group.Go(func() error {
			for r := next(); r != nil; r = next() {
				r.turn(func(r *streamRun) error { return r.backfill(ctx) })
				mu.Lock()
				delete(taken, r)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // every stream keeps its own error
}
