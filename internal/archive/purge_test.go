package archive_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// clumsy is a store whose months can't be dropped.
type clumsy struct{ *tablestest.Store }

var errClumsy = errors.New("the table can't be dropped now")

func (clumsy) DropMonth(context.Context, entra.Stream, time.Time) error { return errClumsy }

const days = 24 * time.Hour

var (
	october  = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	november = october.AddDate(0, 1, 0)
	december = time.Date(2026, 12, 10, 3, 30, 0, 0, time.UTC)
)

// verified verifies everything, and gives the whole result.
func verified(t *testing.T, store *tablestest.Store, heads archive.Heads) archive.Verification {
	v := archive.Verification{Streams: []entra.Stream{stream}}
	require.NoError(t, v.Work(t.Context(), store, heads, time.Now().Add(time.Minute)))
	return v
}

func readBack(t *testing.T, store *tablestest.Store) (n int) {
	for rec, err := range store.Read(t.Context(), archive.Reading{Stream: stream, From: october, To: december, NewestFirst: true}) {
		require.NoError(t, err)
		if rec.Raw != nil {
			n++
		}
	}
	return n
}

func TestAMonthPastItsRetentionIsDroppedAndTheLogSaysSo(t *testing.T) {
	tn, store, heads, _ := sealedArchive(t, 600, 29*days)
	inOctober := 0
	for _, raw := range tn.records[stream] {
		if timeOf(stream, raw).Before(november) {
			inOctober++
		}
	}
	require.NotZero(t, inOctober)
	require.Equal(t, 600, readBack(t, store))
	keep := archive.Retention{Default: archive.LeastRetention}
	purger := archive.NewPurger(store, heads, keep)
	plan, err := purger.Plan(t.Context(), stream, december)
	require.NoError(t, err)
	require.Len(t, plan, 1, "November is not past it")
	require.EqualValues(t, inOctober, plan[0].Records)
	require.Empty(t, plan[0].Kept)
	require.Equal(t, 600, readBack(t, store), "a plan drops nothing")

	// Killed between the log and the table, the archive is whole and the next run goes on.
	_, err = archive.NewPurger(clumsy{store}, heads, keep).Run(t.Context(), execution(), stream, december)
	require.ErrorIs(t, err, errClumsy)
	v := verified(t, store, heads)
	require.True(t, v.Intact(), "%v", v.Findings)

	months, err := purger.Run(t.Context(), execution(), stream, december.Add(days))
	require.NoError(t, err)
	require.True(t, months[0].Dropped)
	require.Equal(t, 600-inOctober, readBack(t, store))
	left, err := store.Months(t.Context(), stream)
	require.NoError(t, err)
	require.Equal(t, []time.Time{november}, left)
	v = verified(t, store, heads)
	require.True(t, v.Intact(), "%v", v.Findings)
	require.EqualValues(t, 600-inOctober, v.Records)
	require.Len(t, v.Purges, 1)
	require.Equal(t, december, v.Purges[0].PurgedAt)
	require.Equal(t, "ARCHIVE_RETENTION of signIns.interactiveUser is 35 days", v.Purges[0].Rule)
	require.False(t, v.Purges[0].To.After(november))
	p := progress(t, store, stream)
	require.EqualValues(t, 600-inOctober, p.Records)
	require.Equal(t, p.Seals, heads.heads[len(heads.heads)-1].Size, "the head stands for the purge too")
	for cov, err := range store.Windows(t.Context(), stream, october, november) {
		require.NoError(t, err)
		require.Equal(t, archive.WindowPurged, cov.State)
	}
	months, err = purger.Run(t.Context(), execution(), stream, december.Add(2*days))
	require.NoError(t, err)
	require.Empty(t, months)
	require.Equal(t, p.Seals, progress(t, store, stream).Seals, "it was done once")

	tn.at(t, store, heads, start.Add(9*days), archive.Options{})
	require.Empty(t, tampering(verified(t, store, heads).Findings), "the collector goes on")
}

func TestAHoldKeepsWhatIsPastItsRetention(t *testing.T) {
	_, store, heads, _ := sealedArchive(t, 60, 29*days)
	hold := archive.Hold{From: october.AddDate(0, 0, 29), To: october.AddDate(0, 0, 30)}
	for name, c := range map[string]struct {
		retention archive.Retention
		dropped   bool
	}{
		"of all":            {archive.Retention{Default: archive.LeastRetention, Holds: []archive.Hold{hold}}, false},
		"of the stream":     {archive.Retention{Default: archive.LeastRetention, Holds: []archive.Hold{{Stream: stream, From: hold.From, To: hold.To}}}, false},
		"for ever":          {archive.Retention{}, false},
		"for ever for this": {archive.Retention{Default: archive.LeastRetention, By: map[entra.Stream]time.Duration{stream: 0}}, false},
		"longer":            {archive.Retention{Default: 400 * days}, false},
		"of another":        {archive.Retention{Default: archive.LeastRetention, Holds: []archive.Hold{{Stream: logs.Provisioning, From: hold.From, To: hold.To}}}, true},
	} {
		plan, err := archive.NewPurger(store, heads, c.retention).Plan(t.Context(), stream, december)
		require.NoError(t, err)
		require.Equal(t, c.dropped, len(plan) > 0 && plan[0].Kept == "", name)
	}
	// What is not sealed to its end is kept, however old.
	unsealed, store2 := newTenant(), newStore(t)
	fill(unsealed, stream, 60, 11*time.Hour)
	unsealed.at(t, store2, nil, start, archive.Options{})
	plan, err := archive.NewPurger(store2, nil, archive.Retention{Default: archive.LeastRetention}).Plan(t.Context(), stream, december)
	require.NoError(t, err)
	require.NotEmpty(t, plan)
	require.Equal(t, "it is not sealed to its end", plan[0].Kept)
}

// TestADropThatNoLogKnowsIsTampering: by a hand that drops a table, and one that also writes "purged" into the ledger.
func TestADropThatNoLogKnowsIsTampering(t *testing.T) {
	_, store, heads, service := sealedArchive(t, 60, 29*days)
	_, err := service.DeleteTable(t.Context(), tables.TableName(entra.WindowOf(stream, october)), nil)
	require.NoError(t, err)
	require.False(t, func() bool { v := verified(t, store, heads); return v.Intact() }())
	p := progress(t, store, stream)
	var rows []archive.Coverage
	for cov, err := range store.Windows(t.Context(), stream, october, november) {
		require.NoError(t, err)
		if cov.Records > 0 && len(rows) < 90 {
			cov.State = archive.WindowPurged
			rows = append(rows, cov)
		}
	}
	_, err = store.Commit(t.Context(), archive.Lease{}, p, rows, nil)
	require.NoError(t, err)
	v := verified(t, store, heads)
	require.False(t, v.Intact())
	require.NotZero(t, v.Counts[archive.DiffRemoved])
}

func TestQuarantineIsPurgedByTheSameRule(t *testing.T) {
	store := newStore(t)
	old, recent := []byte("not json"), []byte("not json either")
	for at, raw := range map[time.Time][]byte{december.Add(-100 * days): old, december.Add(-days): recent} {
		require.NoError(t, store.Quarantine(t.Context(), stream, []archive.Rejected{{Raw: raw, Hash: entra.HashOf(raw), Reason: "broken"}}, at))
	}
	_, err := archive.NewPurger(store, nil, archive.Retention{Default: archive.LeastRetention, Holds: []archive.Hold{{From: october, To: november}}}).Run(t.Context(), execution(), stream, december)
	require.NoError(t, err)
	n, err := store.InQuarantine(t.Context(), stream)
	require.NoError(t, err)
	require.EqualValues(t, 2, n, "a hold keeps all: of when they are, nobody can say")
	_, err = archive.NewPurger(store, nil, archive.Retention{Default: archive.LeastRetention}).Run(t.Context(), execution(), stream, december)
	require.NoError(t, err)
	n, err = store.InQuarantine(t.Context(), stream)
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
}
