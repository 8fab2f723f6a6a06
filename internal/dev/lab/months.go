package lab

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/verify"
)

const Days = 24 * time.Hour

var (
	October  = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	November = October.AddDate(0, 1, 0)
	December = time.Date(2026, 12, 10, 3, 30, 0, 0, time.UTC)
)

// Keep35 drops what is older than the least retention.
var Keep35 = purge.Retention{Default: purge.LeastRetention}

// Changing is the time of a record of October whose content changes.
var Changing = November.Add(-3 * time.Hour).Add(time.Minute)

// InNovember is a lab some hours after the months have changed.
func InNovember(t *testing.T, test func(l *Lab)) { InAt(t, November.Add(5*time.Hour), test) }

// SealOctober archives and seals some days around the change of the months, and continues until
// October is past its retention. It returns how many contents October has.
func (l *Lab) SealOctober() (contents int64) {
	l.Options.Backfill = 12 * time.Hour
	l.Tenant.Fill(Stream, November.Add(-6*time.Hour), November.Add(30*time.Hour), 20*time.Minute)
	l.Tenant.Add(Stream, "november", November.Add(time.Minute), "")
	l.Tenant.Add(Stream, "changes", Changing, "first")
	l.Runs(5*time.Minute, time.Now().Add(6*time.Minute))
	l.Tenant.Add(Stream, "changes", Changing, "second")
	time.Sleep(4 * time.Hour)
	_, err := l.Collector(l.Store, l.Tenant).Range(l.Context(), Execution(), []entra.Stream{Stream},
		November.Add(-2*Days), November, Budget)
	require.NoError(l, err)
	l.Runs(5*time.Minute, time.Now().Add(11*time.Minute))
	l.Until(December)
	p := l.Progress(Stream)
	require.False(l, p.SealedTo.Before(November))
	require.EqualValues(l, 1, p.Versions)
	for _, cov := range l.Hours(Stream) {
		if cov.Start.Before(November) {
			contents += cov.Records + cov.Versions
		}
	}
	return contents
}

func (l *Lab) Purger(store purge.Store, r purge.Retention) *purge.Purger {
	return purge.New(store, l.Store, l.Heads, r)
}

// Purge runs the Purge of a store.
func (l *Lab) Purge(store purge.Store, r purge.Retention) ([]purge.Month, error) {
	return l.Purger(store, r).Run(l.Context(), Execution(), Stream, time.Now())
}

// tables of a month that have a row of it.
func (l *Lab) Left(month time.Time) (names []string) {
	suffix := month.Format("200601")
	for _, name := range l.Service.TableNames() {
		for _, r := range l.Service.Rows(name) {
			if strings.HasSuffix(name, suffix) || r.Partition == tables.TableName(entra.Window{Stream: Stream,
				Start: month}) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

func Verification(l *Lab) verify.Verification {
	v := verify.Verification{Streams: []entra.Stream{Stream}}
	require.NoError(l, v.Work(l.Context(), l.Store, l.Heads, time.Now().Add(time.Hour)))
	return v
}

// CheckLedgerTotals compares the totals with the hours, and those with the rows.
func CheckLedgerTotals(l *Lab) {
	var sum ledger.Tally
	for _, cov := range l.Hours(Stream) {
		count, err := l.Store.Count(l.Context(), cov.Window)
		require.NoError(l, err)
		require.Equal(l, count.Tally, ledger.Tally{Records: cov.Records, Versions: cov.Versions, Bytes: cov.Bytes,
			StoredBytes: cov.StoredBytes}, "%s", cov.Window)
		require.Equal(l, count.Sum, cov.Sum)
		sum.Records, sum.Versions = sum.Records+cov.Records, sum.Versions+cov.Versions
		sum.Bytes, sum.StoredBytes = sum.Bytes+cov.Bytes, sum.StoredBytes+cov.StoredBytes
	}
	require.Equal(l, sum, l.Progress(Stream).Tally)
}
