package archive_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// dying is a Store whose process is killed at its n-th write: the write is stored or not, its answer is never heard, and
// nothing after it happens.
type dying struct {
	*tablestest.Store
	mu      sync.Mutex
	writes  int
	records int // writes of records
	at      int
	stored  bool
}

func (d *dying) die(write func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.writes++
	switch {
	case d.writes < d.at:
		return write()
	case d.writes == d.at && d.stored:
		if err := write(); err != nil {
			return err
		}
	}
	return errStopped
}

func (d *dying) note() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.records++
}

func (d *dying) Insert(ctx context.Context, w entra.Window, recs []entra.Record, seen time.Time) (tally archive.Contents, err error) {
	d.note()
	err = d.die(func() error { tally, err = d.Store.Insert(ctx, w, recs, seen); return err })
	return tally, err
}

func (d *dying) Apply(ctx context.Context, w entra.Window, changes []archive.Change, seen time.Time) (tally archive.Contents, err error) {
	d.note()
	err = d.die(func() error { tally, err = d.Store.Apply(ctx, w, changes, seen); return err })
	return tally, err
}

func (d *dying) Quarantine(ctx context.Context, s entra.Stream, rejected []archive.Rejected, seen time.Time) error {
	return d.die(func() error { return d.Store.Quarantine(ctx, s, rejected, seen) })
}

func (d *dying) Commit(ctx context.Context, l archive.Lease, p archive.Progress, rows []archive.Coverage, seals []seal.Seal) (out archive.Progress, err error) {
	err = d.die(func() error { out, err = d.Store.Commit(ctx, l, p, rows, seals); return err })
	return out, err
}

func (d *dying) KeepLeaves(ctx context.Context, lists []archive.SealedList) error {
	return d.die(func() error { return d.Store.KeepLeaves(ctx, lists) })
}

// TestKilledAtAnyWriteTheNextRunCompletesTheArchive walks every write of a run, stored and not stored, and runs again
// with the same function: nothing may be lost, doubled or miscounted.
func TestKilledAtAnyWriteTheNextRunCompletesTheArchive(t *testing.T) {
	tn := newTenant()
	tn.pageSize = 7
	fill(tn, stream, 24, 3*time.Hour)
	for i := range 6 { // versions, within a page and across pages
		tn.add(stream, fmt.Sprintf("changing-%d", i%2), 30*time.Hour, fmt.Sprintf("content %d", i/2))
	}
	tn.records[stream] = append(tn.records[stream], `{"id":"no time"}`)

	whole := &dying{Store: newStore(t), at: 1 << 30}
	_, err := collect(t, tn, whole, archive.Options{Backfill: 5 * 24 * time.Hour})
	require.NoError(t, err)
	wantCurrent, wantEarlier := stored(t, whole.Store, tn, stream)
	require.Greater(t, whole.writes, 20)

	for at := 1; at <= whole.writes; at++ {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d stored=%v", at, kept), func(t *testing.T) {
				store := &dying{Store: newStore(t), at: at, stored: kept}
				_, _ = collect(t, tn, store, archive.Options{Backfill: 5 * 24 * time.Hour}) // it dies
				_, err := collect(t, tn, store.Store, archive.Options{Backfill: 5 * 24 * time.Hour})
				require.NoError(t, err)
				current, earlier := stored(t, store.Store, tn, stream)
				require.Equal(t, wantCurrent, current)
				require.Equal(t, wantEarlier, earlier)
				checkLedger(t, store.Store, stream)
				p := progress(t, store.Store, stream)
				require.Zero(t, p.WindowsMissing(entra.FloorHour(start)))
				require.EqualValues(t, 1, p.Quarantined)
			})
		}
	}
}

// TestKilledTwiceInDifferentReadsTheLedgerForgetsNeither kills a run at every write of its backfill, and the next one, twenty
// minutes later, in the read that it begins first: the rows of both have to be counted.
func TestKilledTwiceInDifferentReadsTheLedgerForgetsNeither(t *testing.T) {
	options := archive.Options{Backfill: 3 * 24 * time.Hour}
	later := start.Add(20 * time.Minute)
	setUp := func() *tenant {
		tn := newTenant()
		tn.pageSize = 5
		fill(tn, stream, 25, 10*time.Minute) // windows of several pages
		return tn
	}
	whole := &dying{Store: newStore(t), at: 1 << 30}
	_, err := collect(t, setUp(), whole, options)
	require.NoError(t, err)

	for first := 1; first <= whole.writes; first++ {
		for second := 1; second <= 2; second++ {
			t.Run(fmt.Sprintf("at write %d and then at write %d", first, second), func(t *testing.T) {
				tn, store := setUp(), newStore(t)
				_, _ = collect(t, tn, &dying{Store: store, at: first, stored: true}, options)
				tn.records[stream] = append(tn.records[stream], record(stream, "since", -4*time.Minute, "")) // from the frontier of the second
				tn.now = later
				_, _ = collectAt(t, tn, &dying{Store: store, at: second, stored: true}, nil, options)
				tn.at(t, store, nil, later, options)
				current, _ := stored(t, store, tn, stream)
				require.Equal(t, sorted(tn.records[stream]), current)
				checkLedger(t, store, stream)
			})
		}
	}
}

func TestTwoRunsAtOnceNeitherLoseNorDouble(t *testing.T) {
	store := newStore(t)
	records := newTenant()
	fill(records, stream, 300, 90*time.Minute)
	var group sync.WaitGroup
	for range 3 {
		tn := newTenant()
		tn.records = records.records
		group.Go(func() { _, _ = collectWith(t, tn, store, archive.Options{}, stream) }) // one works, the others wait
	}
	group.Wait()
	_, err := collect(t, records, store, archive.Options{})
	require.NoError(t, err)
	current, earlier := stored(t, store, records, stream)
	require.Equal(t, sorted(records.records[stream]), current)
	require.Empty(t, earlier)
	checkLedger(t, store, stream)
}

// TestKilledAtAnyWriteOfPassesAndSealsTheNextRunsEndTheSame walks every write of a run that reads windows again, finds
// late and changed records, and seals, a few of them again.
func TestKilledAtAnyWriteOfPassesAndSealsTheNextRunsEndTheSame(t *testing.T) {
	const due = 13 * time.Hour
	options := archive.Options{Backfill: 24 * time.Hour, Passes: []time.Duration{3 * time.Hour, 12 * time.Hour}}
	early, late := newTenant(), newTenant()
	for _, tn := range []*tenant{early, late} {
		tn.pageSize = 5
		fill(tn, stream, 12, 100*time.Minute)
		tn.records[stream] = append(tn.records[stream], record(stream, "changing", 10*time.Hour, "first"))
	}
	late.add(stream, "came-late", 11*time.Hour, "")
	late.records[stream][12] = record(stream, "changing", 10*time.Hour, "second")
	account := memstorage.New(nil)
	prepared := storeOf(t, account)
	early.at(t, prepared, nil, start, options)
	early.at(t, prepared, nil, start.Add(5*time.Minute), options)
	state := account.Snapshot()
	prepare := func(t *testing.T) *tablestest.Store {
		account.Restore(state)
		return storeOf(t, account)
	}
	final := func(t *testing.T, store *tablestest.Store, heads *shelf) archive.Progress {
		for minutes := range 3 {
			late.at(t, store, heads, start.Add(due+time.Duration(5+5*minutes)*time.Minute), options)
		}
		return progress(t, store, stream)
	}
	whole := &dying{Store: prepare(t), at: 1 << 30}
	late.at(t, whole, &shelf{}, start.Add(due), options)
	want := final(t, whole.Store, &shelf{})
	wantCurrent, wantEarlier := stored(t, whole.Store, late, stream)
	require.Len(t, wantEarlier, 1)
	require.Greater(t, whole.writes, 12)
	require.Positive(t, want.Seals)

	for at := 1; at <= whole.writes; at++ {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d stored=%v", at, kept), func(t *testing.T) {
				heads := &shelf{}
				store := &dying{Store: prepare(t), at: at, stored: kept}
				late.now = start.Add(due)
				_, _ = collectAt(t, late, store, heads, options) // it dies
				p := final(t, store.Store, heads)
				current, earlier := stored(t, store.Store, late, stream)
				require.Equal(t, wantCurrent, current)
				require.Equal(t, wantEarlier, earlier)
				checkLedger(t, store.Store, stream)
				require.Equal(t, want.SealedTo, p.SealedTo)
				require.Equal(t, want.WindowsComplete, p.WindowsComplete)
				require.Equal(t, p.Seals, p.Heads)
				findings, records := verify(t, store.Store, heads)
				require.Empty(t, tampering(findings))
				require.EqualValues(t, len(current)+len(earlier), records)
			})
		}
	}
}

// TestABudgetThatEndsAtAnyPageLosesNothing walks every page of all runs: the budget ends while it is fetched.
func TestABudgetThatEndsAtAnyPageLosesNothing(t *testing.T) {
	tn := newTenant()
	tn.pageSize = 7
	fill(tn, stream, 24, 3*time.Hour)
	options := archive.Options{Backfill: 5 * 24 * time.Hour}
	_, err := collect(t, tn, newStore(t), options)
	require.NoError(t, err)
	for page := range tn.pages {
		store := newStore(t)
		cut := newTenant()
		cut.pageSize, cut.records = tn.pageSize, tn.records
		collector := archive.NewCollector(slow{cut, page}, store, nil, options, func() time.Time { return start }, slog.New(slog.DiscardHandler))
		report, err := collector.Run(t.Context(), execution(), []entra.Stream{stream}, 100*time.Millisecond)
		require.NoError(t, err)
		require.False(t, report.Finished)
		rest := newTenant()
		rest.pageSize, rest.records = tn.pageSize, tn.records
		rest.at(t, store, nil, start, options)
		current, _ := stored(t, store, rest, stream)
		require.Equal(t, sorted(tn.records[stream]), current, "cut at page %d", page)
		checkLedger(t, store, stream)
	}
}
