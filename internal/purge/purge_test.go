package purge_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/collect"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

// clumsy is a store whose months can't be dropped.
type clumsy struct{ *tablestest.Store }

var errClumsy = errors.New("the table can't be dropped now")

func (clumsy) DropMonth(context.Context, entra.Stream, time.Time) error { return errClumsy }

// verified verifies everything, and gives the whole result.
func verified(t *testing.T, store *tablestest.Store, heads repair.Heads) verify.Verification {
	v := verify.Verification{Streams: []entra.Stream{lab.Stream}}
	require.NoError(t, v.Work(t.Context(), store, heads, time.Now().Add(time.Minute)))
	return v
}

func readBack(t *testing.T, store *tablestest.Store) (n int) {
	for rec, err := range store.Read(t.Context(), records.Reading{Stream: lab.Stream, From: lab.October,
		To: lab.December, NewestFirst: true}) {
		require.NoError(t, err)
		if rec.Raw != nil {
			n++
		}
	}
	return n
}

// views notes of which months it had to drop what was computed.
type views struct {
	purge.Views
	dropped []time.Time
}

func (v *views) DropViews(ctx context.Context, s entra.Stream, month time.Time) error {
	v.dropped = append(v.dropped, month)
	return v.Views.DropViews(ctx, s, month)
}

func TestWhatWasComputedFromAMonthIsDroppedWithIt(t *testing.T) {
	_, store, heads, _ := lab.SealedArchive(t, 60, 29*lab.Days)
	computed := &views{Views: store}
	months, err := purge.New(store, computed, heads, purge.Retention{Default: purge.LeastRetention}).
		Run(t.Context(), lab.Execution(), lab.Stream, lab.December)
	require.NoError(t, err)
	require.True(t, months[0].Dropped)
	require.Equal(t, []time.Time{lab.October}, computed.dropped)
}

func TestAMonthPastItsRetentionIsDroppedAndTheLogSaysSo(t *testing.T) {
	tn, store, heads, _ := lab.SealedArchive(t, 600, 29*lab.Days)
	inOctober := 0
	for _, raw := range tn.Records[lab.Stream] {
		if lab.TimeOf(lab.Stream, raw).Before(lab.November) {
			inOctober++
		}
	}
	require.NotZero(t, inOctober)
	require.Equal(t, 600, readBack(t, store))
	keep := purge.Retention{Default: purge.LeastRetention}
	purger := purge.New(store, store, heads, keep)
	plan, err := purger.Plan(t.Context(), lab.Stream, lab.December)
	require.NoError(t, err)
	require.Len(t, plan, 1, "November is not past it")
	require.EqualValues(t, inOctober, plan[0].Records)
	require.Empty(t, plan[0].Kept)
	require.Equal(t, 600, readBack(t, store), "a plan drops nothing")

	// Killed between the log and the table, the archive is whole and the next run continues.
	_, err = purge.New(clumsy{store}, clumsy{store}, heads, keep).Run(t.Context(), lab.Execution(), lab.Stream,
		lab.December)
	require.ErrorIs(t, err, errClumsy)
	v := verified(t, store, heads)
	require.True(t, v.Intact(), "%v", v.Findings)

	months, err := purger.Run(t.Context(), lab.Execution(), lab.Stream, lab.December.Add(lab.Days))
	require.NoError(t, err)
	require.True(t, months[0].Dropped)
	require.Equal(t, 600-inOctober, readBack(t, store))
	left, err := store.Months(t.Context(), lab.Stream)
	require.NoError(t, err)
	require.Equal(t, []time.Time{lab.November}, left)
	v = verified(t, store, heads)
	require.True(t, v.Intact(), "%v", v.Findings)
	require.EqualValues(t, 600-inOctober, v.Records)
	require.Len(t, v.Purges, 1)
	require.Equal(t, lab.December, v.Purges[0].PurgedAt)
	require.Equal(t, "ARCHIVE_RETENTION of signIns.interactiveUser is 35 days", v.Purges[0].Rule)
	require.False(t, v.Purges[0].To.After(lab.November))
	p := lab.Progress(t, store, lab.Stream)
	require.EqualValues(t, 600-inOctober, p.Records)
	require.Equal(t, p.Seals, heads.All[len(heads.All)-1].Size, "the head stands for the purge too")
	for cov, err := range store.Windows(t.Context(), lab.Stream, lab.October, lab.November) {
		require.NoError(t, err)
		require.Equal(t, ledger.WindowPurged, cov.State)
	}
	months, err = purger.Run(t.Context(), lab.Execution(), lab.Stream, lab.December.Add(2*lab.Days))
	require.NoError(t, err)
	require.Empty(t, months)
	require.Equal(t, p.Seals, lab.Progress(t, store, lab.Stream).Seals, "it was done once")

	tn.At(t, store, heads, lab.Start.Add(9*lab.Days), collect.Options{})
	require.Empty(t, lab.Tampering(verified(t, store, heads).Findings), "the collector goes on")
}

func TestAHoldKeepsWhatIsPastItsRetention(t *testing.T) {
	_, store, heads, _ := lab.SealedArchive(t, 60, 29*lab.Days)
	hold := purge.Hold{From: lab.October.AddDate(0, 0, 29), To: lab.October.AddDate(0, 0, 30)}
	for name, c := range map[string]struct {
		retention purge.Retention
		dropped   bool
	}{
		"of all": {purge.Retention{Default: purge.LeastRetention, Holds: []purge.Hold{hold}}, false},
		"of the stream": {purge.Retention{Default: purge.LeastRetention,
			Holds: []purge.Hold{{Stream: lab.Stream, From: hold.From, To: hold.To}}}, false},
		"for ever": {purge.Retention{}, false},
		"for ever for this": {purge.Retention{Default: purge.LeastRetention,
			By: map[entra.Stream]time.Duration{lab.Stream: 0}}, false},
		"longer": {purge.Retention{Default: 400 * lab.Days}, false},
		"of another": {purge.Retention{Default: purge.LeastRetention,
			Holds: []purge.Hold{{Stream: logs.Provisioning, From: hold.From, To: hold.To}}}, true},
	} {
		plan, err := purge.New(store, store, heads, c.retention).Plan(t.Context(), lab.Stream, lab.December)
		require.NoError(t, err)
		require.Equal(t, c.dropped, len(plan) > 0 && plan[0].Kept == "", name)
	}
	// What is not sealed to its end is kept, however old.
	unsealed, store2 := lab.NewTenant(), lab.NewStore(t)
	lab.Fill(unsealed, lab.Stream, 60, 11*time.Hour)
	unsealed.At(t, store2, nil, lab.Start, collect.Options{})
	plan, err := purge.New(store2, store2, nil, purge.Retention{Default: purge.LeastRetention}).Plan(t.Context(),
		lab.Stream, lab.December)
	require.NoError(t, err)
	require.NotEmpty(t, plan)
	require.Equal(t, "it is not sealed to its end", plan[0].Kept)
}

// TestADropThatNoLogKnowsIsTampering: by a hand that drops a table, and one that also writes
// "purged" into the ledger.
func TestADropThatNoLogKnowsIsTampering(t *testing.T) {
	_, store, heads, service := lab.SealedArchive(t, 60, 29*lab.Days)
	_, err := service.DeleteTable(t.Context(), tables.TableName(entra.WindowOf(lab.Stream, lab.October)), nil)
	require.NoError(t, err)
	require.False(t, func() bool { v := verified(t, store, heads); return v.Intact() }())
	p := lab.Progress(t, store, lab.Stream)
	var rows []ledger.Coverage
	for cov, err := range store.Windows(t.Context(), lab.Stream, lab.October, lab.November) {
		require.NoError(t, err)
		if cov.Records > 0 && len(rows) < 90 {
			cov.State = ledger.WindowPurged
			rows = append(rows, cov)
		}
	}
	_, err = store.Commit(t.Context(), ledger.Lease{}, p, rows, nil)
	require.NoError(t, err)
	v := verified(t, store, heads)
	require.False(t, v.Intact())
	require.NotZero(t, v.Counts[verify.DiffRemoved])
}

func TestQuarantineIsPurgedByTheSameRule(t *testing.T) {
	store := lab.NewStore(t)
	old, recent := []byte("not json"), []byte("not json either")
	for at, raw := range map[time.Time][]byte{lab.December.Add(-100 * lab.Days): old,
		lab.December.Add(-lab.Days): recent} {
		require.NoError(t, store.Quarantine(t.Context(), lab.Stream,
			[]collect.Rejected{{Raw: raw, Hash: entra.HashOf(raw), Reason: "broken"}}, at))
	}
	_, err := purge.New(store, store, nil, purge.Retention{Default: purge.LeastRetention,
		Holds: []purge.Hold{{From: lab.October, To: lab.November}}}).Run(t.Context(), lab.Execution(), lab.Stream,
		lab.December)
	require.NoError(t, err)
	n, err := store.InQuarantine(t.Context(), lab.Stream)
	require.NoError(t, err)
	require.EqualValues(t, 2, n, "a hold keeps all: of when they are, nobody can say")
	_, err = purge.New(store, store, nil, purge.Retention{Default: purge.LeastRetention}).Run(t.Context(),
		lab.Execution(), lab.Stream, lab.December)
	require.NoError(t, err)
	n, err = store.InQuarantine(t.Context(), lab.Stream)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}
