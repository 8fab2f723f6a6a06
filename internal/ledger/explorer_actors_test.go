package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/arrivals"
	"github.com/entraledger/entraledger/internal/blobs"
	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// This file has every call of the explorer to the code that it explores.

// exploredOptions make the archive small: few hours, one pass.
var exploredOptions = collect.Options{
	Backfill: 4 * time.Hour, Lag: time.Minute, Passes: []time.Duration{exploredPass}, Parallel: 1,
}

const (
	exploredPass   = 2 * time.Hour
	exploredBudget = 8 * time.Minute
)

// process is what one process of the app has: its own store, and no memory of what others did.
type process struct {
	store *tablestest.Store
	heads *blobs.Store
}

func newProcess(connection string, client *http.Client) process {
	store, err := tablestest.New(tables.Config{ConnectionString: connection, HTTP: client})
	if err != nil {
		panic(err) // the connection string is the explorer's own
	}
	heads, err := blobs.New(blobs.Config{ConnectionString: connection, HTTP: client})
	if err != nil {
		panic(err)
	}
	return process{store, heads}
}

// result is how a run ended.
type result struct {
	err       error
	overtaken bool
	left      bool // there is more to do
}

// run is something that the app does with the archive.
type run func(ctx context.Context, p process, name string, source collect.Source, o collect.Options) result

func executionOf(name string) ledger.Execution { return ledger.Execution{ID: name, Work: name} }

func collected(report collect.Report, err error) result {
	r := result{err: err, left: !report.Finished}
	for _, s := range report.Streams {
		r.overtaken = r.overtaken || s.Overtaken
	}
	return r
}

func newCollector(p process, source collect.Source, o collect.Options) *collect.Collector {
	return collect.New(source, p.store, p.heads, o, time.Now, slog.New(slog.DiscardHandler))
}

func runCollect(ctx context.Context, p process, name string, source collect.Source, o collect.Options) result {
	return collected(newCollector(p, source, o).Run(ctx, executionOf(name), []entra.Stream{lab.Stream}, exploredBudget))
}

// runRange reads everything again.
func runRange(ctx context.Context, p process, name string, source collect.Source, o collect.Options) result {
	now := time.Now().UTC()
	c := newCollector(p, source, o)
	return collected(c.Range(ctx, executionOf(name), []entra.Stream{lab.Stream}, now.Add(-48*time.Hour), now,
		exploredBudget))
}

// runPurge drops the months that ended an hour ago.
func runPurge(ctx context.Context, p process, name string, _ collect.Source, _ collect.Options) result {
	purger := purge.New(p.store, p.store, p.heads, purge.Retention{Default: time.Hour})
	_, err := purger.Run(ctx, executionOf(name), lab.Stream, time.Now().UTC())
	return result{err: err}
}

// kept are records of a file, by hour: of a time before the archive begins, and of one that was read,
// where one of them is another form of what the tenant shows late.
var kept = map[time.Time][]entra.Record{
	hourOf(-40, 0): {keptRecord("old", hourOf(-40, 5)), keptRecord("older", hourOf(-40, 1))},
	hourOf(-1, 0):  {keptRecord("late", hourOf(-1, 50).Add(123*time.Millisecond)), keptRecord("kept", hourOf(-1, 7))},
}

func keptRecord(id string, at time.Time) entra.Record {
	raw := fmt.Sprintf(`{"id":%q,%q:%q,"content":"kept"}`, id, logs.Of(lab.Stream).TimeProperty,
		at.Format(time.RFC3339Nano))
	rec, err := logs.ParseRecord(lab.Stream, []byte(raw))
	if err != nil {
		panic(err) // the text is the test's own
	}
	return rec
}

// runAdd adds the records of the file, hour by hour.
func runAdd(ctx context.Context, p process, name string, _ collect.Source, _ collect.Options) (out result) {
	ctx, stop := context.WithTimeout(ctx, exploredBudget)
	defer stop()
	adder := arrivals.New(p.store, p.heads, purge.Retention{}, time.Now, slog.New(slog.DiscardHandler))
	origin := entra.Origin{Kind: entra.Imported, SHA256: [32]byte{1}, At: newMonth, By: name, Name: "kept.json"}
	for _, hour := range slices.SortedFunc(maps.Keys(kept), time.Time.Compare) {
		if _, err := adder.Add(ctx, executionOf(name), lab.Stream, hour, kept[hour], origin); err != nil {
			out.err = errors.Join(out.err, err)
		}
	}
	return out
}

func runIndex(ctx context.Context, p process, name string, _ collect.Source, _ collect.Options) result {
	report, err := derive.Update(ctx, p.store, executionOf(name), lab.Stream, false, time.Now().Add(exploredBudget))
	return result{err: err, left: report.Left}
}

// runVerify compares everything with its seals.
func runVerify(ctx context.Context, p process) (verify.Verification, error) {
	v := verify.Verification{Streams: []entra.Stream{lab.Stream}}
	err := v.Work(ctx, p.store, p.heads, time.Now().Add(exploredBudget))
	return v, err
}

// ledgerState is what the ledgerState says.
type ledgerState struct {
	progress ledger.Progress
	windows  []ledger.Coverage
	heads    int64 // the size of the newest head
}

func readLedger(ctx context.Context, p process) (l ledgerState, err error) {
	if l.progress, err = p.store.Progress(ctx, lab.Stream); err != nil {
		return l, err
	}
	for cov, err := range p.store.Windows(ctx, lab.Stream, time.Now().Add(-72*time.Hour), time.Now().Add(time.Hour)) {
		if err != nil {
			return l, err
		}
		l.windows = append(l.windows, cov)
	}
	for head, err := range p.heads.Heads(ctx, lab.Stream) {
		if err != nil {
			return l, err
		}
		l.heads = max(l.heads, head.Size)
	}
	return l, nil
}

func statusOf(p ledger.Progress) ledger.Status { return p.Status(time.Now(), time.Hour) }
