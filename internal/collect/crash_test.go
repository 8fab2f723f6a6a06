package collect_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/sealing"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// dying is a Store whose process is killed at its n-th write: the write is stored or not, its
// answer is never heard, and nothing after it happens.
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

func (d *dying) Insert(ctx context.Context, w entra.Window, recs []entra.Record,
	seen time.Time) (tally ledger.Contents, err error) {
	d.note()
	err = d.die(func() error { tally, err = d.Store.Insert(ctx, w, recs, seen); return err })
	return tally, err
}

func (d *dying) Apply(ctx context.Context, w entra.Window, changes []collect.Change,
	seen time.Time) (tally ledger.Contents, err error) {
	d.note()
	err = d.die(func() error { tally, err = d.Store.Apply(ctx, w, changes, seen); return err })
	return tally, err
}

func (d *dying) Quarantine(ctx context.Context, s entra.Stream, rejected []collect.Rejected, seen time.Time) error {
	return d.die(func() error { return d.Store.Quarantine(ctx, s, rejected, seen) })
}

func (d *dying) Commit(ctx context.Context, l ledger.Lease, p ledger.Progress, rows []ledger.Coverage,
	seals []seal.Seal) (out ledger.Progress, err error) {
	err = d.die(func() error { out, err = d.Store.Commit(ctx, l, p, rows, seals); return err })
	return out, err
}

func (d *dying) KeepLeaves(ctx context.Context, lists []sealing.SealedList) error {
	return d.die(func() error { return d.Store.KeepLeaves(ctx, lists) })
}

// TestKilledAtAnyWriteTheNextRunCompletesTheArchive walks every write of a run, stored and not
// stored, and runs again with the same function: nothing may be lost, doubled or miscounted.
func TestKilledAtAnyWriteTheNextRunCompletesTheArchive(t *testing.T) {
	tn := lab.NewTenant()
	tn.PageSize = 7
	lab.Fill(tn, lab.Stream, 24, 3*time.Hour)
	for i := range 6 { // versions, within a page and across pages
		tn.Add(lab.Stream, fmt.Sprintf("changing-%d", i%2), 30*time.Hour, fmt.Sprintf("content %d", i/2))
	}
	tn.Records[lab.Stream] = append(tn.Records[lab.Stream], `{"id":"no time"}`)

	whole := &dying{Store: lab.NewStore(t), at: 1 << 30}
	_, err := runOnce(t, tn, whole, collect.Options{Backfill: 5 * 24 * time.Hour})
	require.NoError(t, err)
	wantCurrent, wantEarlier := stored(t, whole.Store, tn, lab.Stream)
	require.Greater(t, whole.writes, 20)

	for at := 1; at <= whole.writes; at++ {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d stored=%v", at, kept), func(t *testing.T) {
				store := &dying{Store: lab.NewStore(t), at: at, stored: kept}
				_, _ = runOnce(t, tn, store, collect.Options{Backfill: 5 * 24 * time.Hour}) // it dies
				_, err := runOnce(t, tn, store.Store, collect.Options{Backfill: 5 * 24 * time.Hour})
				require.NoError(t, err)
				current, earlier := stored(t, store.Store, tn, lab.Stream)
				require.Equal(t, wantCurrent, current)
				require.Equal(t, wantEarlier, earlier)
				lab.CheckLedger(t, store.Store, lab.Stream)
				p := lab.Progress(t, store.Store, lab.Stream)
				require.Zero(t, p.WindowsMissing(entra.FloorHour(lab.Start)))
				require.EqualValues(t, 1, p.Quarantined)
			})
		}
	}
}

// TestAfterTwoKillsInDifferentReadsTheLedgerKeepsBoth kills a run at every write of its backfill,
// and the next one, twenty minutes later, in the read that it begins first: the rows of both have
// to be counted.
func TestAfterTwoKillsInDifferentReadsTheLedgerKeepsBoth(t *testing.T) {
	options := collect.Options{Backfill: 3 * 24 * time.Hour}
	later := lab.Start.Add(20 * time.Minute)
	setUp := func() *lab.Tenant {
		tn := lab.NewTenant()
		tn.PageSize = 5
		lab.Fill(tn, lab.Stream, 25, 10*time.Minute) // windows of several pages
		return tn
	}
	whole := &dying{Store: lab.NewStore(t), at: 1 << 30}
	_, err := runOnce(t, setUp(), whole, options)
	require.NoError(t, err)

	for first := 1; first <= whole.writes; first++ {
		for second := 1; second <= 2; second++ {
			t.Run(fmt.Sprintf("at write %d and then at write %d", first, second), func(t *testing.T) {
				tn, store := setUp(), lab.NewStore(t)
				_, _ = runOnce(t, tn, &dying{Store: store, at: first, stored: true}, options)
				// from the tail of the second
				tn.Records[lab.Stream] = append(tn.Records[lab.Stream], lab.Record(lab.Stream, "since", -4*time.Minute,
					""))
				tn.Clock = later
				_, _ = lab.CollectAt(t, tn, &dying{Store: store, at: second, stored: true}, nil, options)
				tn.At(t, store, nil, later, options)
				current, _ := stored(t, store, tn, lab.Stream)
				require.Equal(t, sorted(tn.Records[lab.Stream]), current)
				lab.CheckLedger(t, store, lab.Stream)
			})
		}
	}
}

func TestTwoRunsAtOnceNeitherLoseNorDouble(t *testing.T) {
	store := lab.NewStore(t)
	records := lab.NewTenant()
	lab.Fill(records, lab.Stream, 300, 90*time.Minute)
	var group sync.WaitGroup
	for range 3 {
		tn := lab.NewTenant()
		tn.Records = records.Records
		// one works, the others wait
		group.Go(func() { _, _ = collectWith(t, tn, store, collect.Options{}, lab.Stream) })
	}
	group.Wait()
	_, err := runOnce(t, records, store, collect.Options{})
	require.NoError(t, err)
	current, earlier := stored(t, store, records, lab.Stream)
	require.Equal(t, sorted(records.Records[lab.Stream]), current)
	require.Empty(t, earlier)
	lab.CheckLedger(t, store, lab.Stream)
}

// TestKilledAtAnyWriteOfPassesAndSealsTheNextRunsEndTheSame walks every write of a run that reads
// windows again, finds late and changed records, and seals, a few of them again.
func TestKilledAtAnyWriteOfPassesAndSealsTheNextRunsEndTheSame(t *testing.T) {
	const due = 13 * time.Hour
	options := collect.Options{Backfill: 24 * time.Hour, Passes: []time.Duration{3 * time.Hour, 12 * time.Hour}}
	early, late := lab.NewTenant(), lab.NewTenant()
	for _, tn := range []*lab.Tenant{early, late} {
		tn.PageSize = 5
		lab.Fill(tn, lab.Stream, 12, 100*time.Minute)
		tn.Records[lab.Stream] = append(tn.Records[lab.Stream], lab.Record(lab.Stream, "changing", 10*time.Hour,
			"first"))
	}
	late.Add(lab.Stream, "came-late", 11*time.Hour, "")
	late.Records[lab.Stream][12] = lab.Record(lab.Stream, "changing", 10*time.Hour, "second")
	account := memstorage.New(nil)
	prepared := lab.StoreOf(t, account)
	early.At(t, prepared, nil, lab.Start, options)
	early.At(t, prepared, nil, lab.Start.Add(5*time.Minute), options)
	state := account.Snapshot()
	prepare := func(t *testing.T) *tablestest.Store {
		account.Restore(state)
		return lab.StoreOf(t, account)
	}
	final := func(t *testing.T, store *tablestest.Store, heads *lab.Shelf) ledger.Progress {
		for minutes := range 3 {
			late.At(t, store, heads, lab.Start.Add(due+time.Duration(5+5*minutes)*time.Minute), options)
		}
		return lab.Progress(t, store, lab.Stream)
	}
	whole := &dying{Store: prepare(t), at: 1 << 30}
	late.At(t, whole, &lab.Shelf{}, lab.Start.Add(due), options)
	want := final(t, whole.Store, &lab.Shelf{})
	wantCurrent, wantEarlier := stored(t, whole.Store, late, lab.Stream)
	require.Len(t, wantEarlier, 1)
	require.Greater(t, whole.writes, 12)
	require.Positive(t, want.Seals)

	for at := 1; at <= whole.writes; at++ {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d stored=%v", at, kept), func(t *testing.T) {
				heads := &lab.Shelf{}
				store := &dying{Store: prepare(t), at: at, stored: kept}
				late.Clock = lab.Start.Add(due)
				_, _ = lab.CollectAt(t, late, store, heads, options) // it dies
				p := final(t, store.Store, heads)
				current, earlier := stored(t, store.Store, late, lab.Stream)
				require.Equal(t, wantCurrent, current)
				require.Equal(t, wantEarlier, earlier)
				lab.CheckLedger(t, store.Store, lab.Stream)
				require.Equal(t, want.SealedTo, p.SealedTo)
				require.Equal(t, want.WindowsComplete, p.WindowsComplete)
				require.Equal(t, p.Seals, p.Heads)
				findings, records := lab.Verify(t, store.Store, heads)
				require.Empty(t, lab.Tampering(findings))
				require.EqualValues(t, len(current)+len(earlier), records)
			})
		}
	}
}

// TestABudgetThatEndsAtAnyPageLosesNothing walks every page of all runs: the budget ends while it
// is fetched.
func TestABudgetThatEndsAtAnyPageLosesNothing(t *testing.T) {
	tn := lab.NewTenant()
	tn.PageSize = 7
	lab.Fill(tn, lab.Stream, 24, 3*time.Hour)
	options := collect.Options{Backfill: 5 * 24 * time.Hour}
	_, err := runOnce(t, tn, lab.NewStore(t), options)
	require.NoError(t, err)
	for page := range tn.Served {
		store := lab.NewStore(t)
		cut := lab.NewTenant()
		cut.PageSize, cut.Records = tn.PageSize, tn.Records
		collector := collect.New(slow{cut, page}, store, nil, options, func() time.Time { return lab.Start },
			slog.New(slog.DiscardHandler))
		report, err := collector.Run(t.Context(), lab.Execution(), []entra.Stream{lab.Stream}, 100*time.Millisecond)
		require.NoError(t, err)
		require.False(t, report.Finished)
		rest := lab.NewTenant()
		rest.PageSize, rest.Records = tn.PageSize, tn.Records
		rest.At(t, store, nil, lab.Start, options)
		current, _ := stored(t, store, rest, lab.Stream)
		require.Equal(t, sorted(tn.Records[lab.Stream]), current, "cut at page %d", page)
		lab.CheckLedger(t, store, lab.Stream)
	}
}
