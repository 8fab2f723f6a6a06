// Package arrivals adds records to the archive that were not read from their source: out of files
// that were kept elsewhere, or delivered by who has the log. Only what is missing is added, nothing
// is superseded, and each record says where it came from.
package arrivals

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/clocks"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/sealing"
)

// atOnce is how many records are added under one lease: what waits for the stream waits seconds.
const atOnce = 20_000

// sealFor is how long an hour may take to be sealed; what is not sealed then, a later run seals.
const sealFor = 5 * time.Minute

// Result is what became of the records of one call: Added + Present + len(TooLarge) is their number.
type Result struct {
	Added    int         // stored by this call
	Present  int         // there already: read from the source, or by an earlier arrival, or twice in the call
	TooLarge []entra.Key // can't be stored whole; the caller puts them aside
	Sealed   bool        // the hour's newest seal covers all that it holds; otherwise a later run seals it
}

// Adder adds records to streams.
type Adder struct {
	store     Store
	heads     sealing.HeadWriter // nil: none
	retention purge.Retention
	clock     func() time.Time
	log       *slog.Logger
}

// New makes an Adder. heads is nil where there is no place for them; clock is the machine's, by
// which retention counts and which dates what is stored, though never before an earlier owner's.
func New(store Store, heads sealing.HeadWriter, retention purge.Retention, clock func() time.Time,
	log *slog.Logger) *Adder {
	return &Adder{store: store, heads: heads, retention: retention, clock: clock, log: log}
}

// Add adds the records of one hour of a stream that are missing, and has the hour sealed again. The
// records are those of logs.ParseRecord, all with times in the hour; two of one id, second and
// outcome are one, and the first that was stored stays. It waits for the stream's lease until ctx
// ends, keeps it for this hour alone, and gives it back. It can be repeated, also after it was
// interrupted anywhere: what is there is Present.
//
// The machine's clock has to agree with the storage service's: a later writer's dates are never before
// those of an earlier one.
//
// Errors: entra.CodeNotKept (the month was purged, or would be dropped at once), entra.CodeBadRequest
// (a record of another hour, an origin that can't be stored), entra.CodeConflict (a *ledger.Held:
// ctx ended before the stream was free; without one: the clocks do not agree), entra.CodeTampered (the hour is not what was sealed).
func (a *Adder) Add(ctx context.Context, by ledger.Execution, stream entra.Stream, hour time.Time,
	records []entra.Record, origin entra.Origin) (Result, error) {
	w := entra.WindowOf(stream, hour)
	if err := check(w, records, origin); err != nil {
		return Result{}, err
	}
	var sum Result
	for some := range slices.Chunk(records, atOnce) {
		one, err := a.add(ctx, by, w, some, origin)
		sum.Added, sum.Present, sum.Sealed = sum.Added+one.Added, sum.Present+one.Present, one.Sealed
		sum.TooLarge = append(sum.TooLarge, one.TooLarge...)
		if err != nil {
			return sum, err
		}
	}
	return sum, nil
}

// check refuses what can't be filed in a window.
func check(w entra.Window, records []entra.Record, origin entra.Origin) error {
	wrong := func(why string) error {
		return &entra.Error{Code: entra.CodeBadRequest, Doing: "add records to " + w.String(), Why: why,
			Remedy: "nothing was added"}
	}
	if err := origin.Valid(); err != nil {
		return wrong(err.Error())
	}
	for _, rec := range records {
		if rec.Window(w.Stream) != w {
			return wrong(fmt.Sprintf("record %s is of %s", entra.Clip(rec.ID, 80), rec.Time.UTC().Format(time.RFC3339)))
		}
	}
	return nil
}

// refusal is why a window takes no arrivals; nil: it does. A month that is held is never dropped.
func (a *Adder) refusal(p *ledger.Progress, cov *ledger.Coverage, w entra.Window) error {
	no := func(why, remedy string) error {
		return &entra.Error{Code: entra.CodeNotKept, Doing: "add records to " + w.String(), Why: why, Remedy: remedy}
	}
	if wasPurged(p, cov) {
		return no("its month was purged", "what was dropped stays dropped; keep the file")
	}
	if rule, drops := a.retention.Drops(w.Stream, monthOf(w.Start), a.clock()); drops {
		return no("its month is past its retention: "+rule,
			"set ARCHIVE_HOLD for that month, or a longer ARCHIVE_RETENTION, and add them again")
	}
	return nil
}

func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

// wasPurged reports whether a window's month was dropped, or is being dropped.
func wasPurged(p *ledger.Progress, cov *ledger.Coverage) bool {
	return cov.State == ledger.WindowPurged || cov.Start.Before(p.PurgedTo) ||
		slices.ContainsFunc(p.Drops, func(d ledger.Drop) bool { return d.Month.Equal(monthOf(cov.Start)) })
}

// add is Add for as many records as one lease is for.
func (a *Adder) add(ctx context.Context, by ledger.Execution, w entra.Window, records []entra.Record,
	origin entra.Origin) (out Result, err error) {
	switch there, err := a.present(ctx, w, records); {
	case err != nil:
		return out, err
	case there:
		return Result{Present: len(records), Sealed: true}, nil
	}
	err = a.withLease(ctx, by, w.Stream, func(work *work) error {
		out, err = work.add(ctx, w, records, origin)
		return err
	})
	return out, err
}

// present reports whether there is nothing to do: all records are there, counted, sealed and under a
// head. What is delivered twice then takes the stream from nobody.
func (a *Adder) present(ctx context.Context, w entra.Window, records []entra.Record) (bool, error) {
	p, lease, err := a.store.State(ctx, w.Stream)
	if err == nil { // all that is written later would be dated by a clock that is ahead
		err = clocks.Two(lease.ReadAt, a.clock())
	}
	if err != nil {
		return false, err
	}
	cov, err := rowOf(ctx, a.store, w)
	if err == nil {
		err = a.refusal(&p, &cov, w) // before anything waits
	}
	if err != nil || cov.Seals == 0 || !cov.Sealed() || p.Heads != p.Seals {
		return false, err
	}
	forms, err := a.store.StoredForms(ctx, w)
	if err != nil {
		return false, err
	}
	_, arrived := ledger.Parted(leavesOf(forms))
	return cov.HoldsArrivals(arrived) && len(missingOf(a.store, w.Stream, forms, records)) == 0, nil
}

// Tend counts what interrupted calls of Add have left in a stream that is never read, and what is in
// its quarantine, and seals what is not sealed. Of a stream that is read it does nothing: each run of
// collect does the same. It takes the lease only where there is something to do.
func (a *Adder) Tend(ctx context.Context, by ledger.Execution, stream entra.Stream) error {
	p, lease, err := a.store.State(ctx, stream)
	if err == nil {
		err = clocks.Two(lease.ReadAt, a.clock())
	}
	if err != nil || p.Started() || p.Revision == 0 {
		return err
	}
	n, err := a.store.InQuarantine(ctx, stream)
	if err != nil || len(p.Suspects) == 0 && p.ReadingFrom.IsZero() && p.Unsealed == 0 && p.Heads == p.Seals &&
		n == p.Quarantined {
		return err
	}
	return a.withLease(ctx, by, stream, func(work *work) error {
		if err := work.checkSuspects(ctx); err != nil {
			return err
		}
		if err := work.sealer.SealRead(ctx, false); err != nil && !errors.Is(err, ledger.ErrYielded) {
			return err
		}
		return work.sealer.Tampered
	})
}

// withLease does some work under a stream's lease, and writes the log's head after it.
func (a *Adder) withLease(ctx context.Context, by ledger.Execution, stream entra.Stream,
	do func(*work) error) error {
	h, p, err := ledger.Acquire(ctx, a.store, by, stream, func(*ledger.Writer) time.Time { return a.clock() })
	if err != nil {
		return err
	}
	h.KeepAlive(ctx)
	work := &work{adder: a, writer: h, progress: p}
	work.sealer = sealing.NewSealer(a.store, a.heads, h, &work.progress, time.Now().Add(sealFor), a.log)
	err = do(work)
	if err == nil {
		err = work.sealer.PutHead(ctx)
	}
	if err == nil && !p.Started() { // collect counts the quarantine of what is read
		work.progress.Quarantined, err = a.store.InQuarantine(ctx, stream)
	}
	return errors.Join(err, work.release(ctx, err))
}
