package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/entraledger/entraledger/internal/entra"
)

// Options of a Collector. Zero values mean the defaults.
type Options struct {
	Backfill time.Duration   // how far back the first run reaches; default 30 days
	Lag      time.Duration   // records younger than this are left to the next run; default 5 minutes: what Graph needs as a rule
	Overlap  time.Duration   // how much of what was read the frontier reads again; default 2 minutes
	Parallel int             // streams that are read at the same time; bounds the memory for pages; default 3
	Passes   []time.Duration // ages at which windows are read again, up to MaxPasses; default 3 h, 24 h, 7 d
	Turn     int             // pages a stream may read of its backfill before the next stream's turn; default 25
}

func (o Options) withDefaults() Options {
	o.Backfill = orElse(o.Backfill, 30*24*time.Hour)
	o.Lag = orElse(o.Lag, 5*time.Minute)
	o.Overlap = orElse(o.Overlap, 2*time.Minute)
	o.Parallel = orElse(o.Parallel, 3)
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
	heads   Heads
	options Options
	clock   func() time.Time
	log     *slog.Logger
}

// NewCollector makes a Collector. heads is nil where there is no place for them. clock is the machine's; it is only compared with the tenant's.
func NewCollector(source Source, store Store, heads Heads, options Options, clock func() time.Time, log *slog.Logger) *Collector {
	return &Collector{source: source, store: store, heads: heads, options: options.withDefaults(), clock: clock, log: log}
}

// StreamReport is what a run did for one stream.
type StreamReport struct {
	Stream entra.Stream
	Pages  int
	Reads  int // walks through pages that were begun
	Balance
	Watermark  time.Time
	Backfilled time.Time
	Reached    time.Time // of a range: everything before was read
	RangeDone  bool      // nothing of the range is left
	CaughtUp   bool      // nothing is left to backfill
	Overtaken  bool      // another run has taken the stream over
	Sealed     int       // windows, in this run
	Err        error
}

// Report is what a run did.
type Report struct {
	Run      string
	Now      time.Time // the tenant's clock at the start
	Streams  []StreamReport
	Finished bool // false: the budget ended first; the next run goes on
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
	if failed > 0 {
		text += fmt.Sprintf("; %d streams failed", failed)
	}
	if !r.Finished {
		text += "; more is left, the next run goes on"
	}
	return text
}

// Run reads the frontier of every stream, then again what is due, seals what has had its last pass, and spends what is
// left of budget on backfill, oldest window first. run names the run in the ledger. A stream that fails does not hold
// up the others; the error names all that failed. A budget that ends is no error. Cancelling ctx ends the run at once;
// everything committed stays.
func (c *Collector) Run(ctx context.Context, run string, streams []entra.Stream, budget time.Duration) (Report, error) {
	return c.run(ctx, run, streams, budget, func(runs []*streamRun) {
		c.each(runs, func(r *streamRun) error { return r.frontier(ctx) })
		c.each(runs, func(r *streamRun) error { return r.passes(ctx) })
		c.each(runs, func(r *streamRun) error { return r.seal(ctx) })
		c.backfills(ctx, runs)
	})
}

// Range reads the windows of [from, to) again, as far as the archive reaches, and seals again what that changes. It
// begins a stream that was never read. Where the budget ends first, Reached in the report tells from where to go on.
func (c *Collector) Range(ctx context.Context, run string, streams []entra.Stream, from, to time.Time, budget time.Duration) (Report, error) {
	return c.run(ctx, run, streams, budget, func(runs []*streamRun) {
		c.each(runs, func(r *streamRun) error { return r.readRange(ctx, from, to) })
		c.each(runs, func(r *streamRun) error { return r.seal(ctx) })
	})
}

func (c *Collector) run(ctx context.Context, run string, streams []entra.Stream, budget time.Duration, work func([]*streamRun)) (Report, error) {
	report := Report{Run: run}
	now, err := c.source.Now(ctx)
	if err != nil {
		return report, fmt.Errorf("ask for the tenant's time: %w", err)
	}
	report.Now = now.UTC()
	if skew := now.Sub(c.clock()).Abs(); skew > 5*time.Minute {
		c.log.WarnContext(ctx, "this machine's clock and the tenant's differ; the tenant's decides", "difference", skew.String())
	}
	// Pages are asked for only within the budget; what was asked for may still be written after it.
	reading, stop := context.WithTimeout(ctx, budget)
	defer stop()

	runs := make([]*streamRun, len(streams))
	for i, s := range streams {
		runs[i] = &streamRun{Collector: c, stream: s, id: run, now: report.Now, ctx: ctx, reading: reading, span: unorderedSpan}
	}
	work(runs)

	report.Finished = ctx.Err() == nil
	var failures []error
	for _, r := range runs {
		r.finish(ctx)
		report.Streams = append(report.Streams, r.report())
		report.Finished = report.Finished && r.err == nil && r.caughtUp()
		if r.err != nil {
			failures = append(failures, r.err)
		}
	}
	return report, joined(failures, len(streams))
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

// each does a part of the work for every stream that has not failed, several at the same time.
func (c *Collector) each(runs []*streamRun, work func(*streamRun) error) {
	var group errgroup.Group
	group.SetLimit(c.options.Parallel)
	for _, r := range runs {
		if r.err == nil && !r.overtaken {
			group.Go(func() error {
				r.fail(work(r))
				return nil
			})
		}
	}
	_ = group.Wait() // every stream keeps its own error
}

// backfills gives turns to the stream whose oldest unread window is the oldest, because that is the one that Graph
// forgets first.
func (c *Collector) backfills(ctx context.Context, runs []*streamRun) {
	var (
		mu    sync.Mutex
		taken = make(map[*streamRun]bool)
		group errgroup.Group
	)
	next := func() *streamRun {
		mu.Lock()
		defer mu.Unlock()
		var oldest *streamRun
		for _, r := range runs {
			if taken[r] || !r.wantsBackfill(ctx) {
				continue
			}
			if oldest == nil || r.progress.Backfilled.Before(oldest.progress.Backfilled) {
				oldest = r
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
				r.fail(r.backfill(ctx))
				mu.Lock()
				delete(taken, r)
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // every stream keeps its own error
}
