package verify_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/verify"
)

// oldRow stores a record as the version before does: without the columns of the second set.
func oldRow(l *lab.Lab, s entra.Stream, rec entra.Record) {
	rec.Columns = slices.DeleteFunc(slices.Clone(rec.Columns),
		func(c entra.Column) bool { return logs.Of(s).Since(c.Name) > 1 })
	_, lease, err := l.Store.State(l.Context(), s)
	require.NoError(l, err)
	_, err = l.Store.Insert(l.Context(), rec.Window(s), []entra.Record{rec}, lease.Stamp.Add(entra.Tick))
	require.NoError(l, err)
}

// diesOf is dies for any stream.
func diesOf(l *lab.Lab, s entra.Stream, from, to time.Time) {
	p, lease, err := l.Store.State(l.Context(), s)
	require.NoError(l, err)
	p.ReadingFrom, p.ReadingTo = from, to
	lease.Execution, lease.Length = ledger.Execution{ID: "dead", Work: "a test"}, ledger.LeaseLength
	lease.Fence++
	_, err = l.Store.Commit(l.Context(), lease, p, nil, nil)
	require.NoError(l, err)
}

// TestRowsOfTheVersionBeforeInAnHourOfTheNewSetAreFound: the version before was killed after it had
// stored a page's rows and before it committed (an upgrade, or a rollback and forward again); this
// version reads the hour again. The hour is said to have the columns of set 2, and those rows have
// not.
func TestRowsOfTheVersionBeforeInAnHourOfTheNewSetAreFound(t *testing.T) {
	for _, counted := range []bool{false, true} { // the hour has a row of this version already (rollback)
		t.Run(fmt.Sprint("rollback ", counted), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				const s = logs.SignInsNonInteractiveUser
				l.Options.Backfill = lab.Days
				l.Tenant.Fill(s, lab.Start.Add(-lab.Days), lab.Start.Add(-65*time.Minute), 17*time.Minute)
				hour := entra.FloorHour(lab.Start.Add(time.Hour))
				for i := range 10 {
					rec := l.Tenant.Add(s, fmt.Sprint("x-", i), hour.Add(time.Duration(i)*2*time.Minute), "")
					l.Tenant.Replace(s, rec.Key, lab.Parsed(s, string(rec.Raw[:len(rec.Raw)-1])+
						`,"riskState":"atRisk"}`))
				}
				u := &lab.Unruly{Forgetful: l.Tenant}
				l.RunsOf(u, 2, s)
				l.Until(hour.Add(9 * time.Minute))
				if counted {
					l.RunsOf(u, 1, s) // reads up to hour + 4 min
				} else {
					l.Until(hour.Add(14 * time.Minute))
				}
				stored := 0
				for _, rec := range l.Tenant.Records[s] {
					if rec.Time.Before(hour.Add(map[bool]time.Duration{true: 5 * time.Minute}[counted])) ||
						rec.Time.After(hour.Add(9*time.Minute)) {
						continue
					}
					oldRow(l, s, rec)
					stored++
				}
				require.Positive(l, stored)
				diesOf(l, s, hour.Add(-time.Hour), hour.Add(9*time.Minute))
				time.Sleep(20 * time.Minute)
				l.RunsOf(u, 3, s)
				time.Sleep(4*time.Hour + 20*time.Minute)
				l.RunsOf(u, 3, s)
				cov := l.Hours(s)[hour]
				l.Logf("%s, set %d, %d records", cov.State, cov.ColumnSet, cov.Records)

				shape, err := odata.ShapeOf(s)
				require.NoError(l, err)
				q, err := search.New(s, shape, "riskState eq 'atRisk'")
				require.NoError(l, err)
				q.Within(l.Progress(s), time.Now())
				page, err := q.Page(l.Context(), l.Store, "", 100, time.Now().Add(time.Hour))
				require.NoError(l, err)
				if len(page.Records) != 10 {
					t.Errorf("$filter=riskState eq 'atRisk' finds %d of 10 records", len(page.Records))
				}

				v, err := verify.NewVerifier(l.Context(), l.Store, l.Heads, s)
				require.NoError(l, err)
				from, to := v.Hours()
				var wrong []verify.Finding
				for w, err := range v.Verify(l.Context(), from, to) {
					require.NoError(l, err)
					wrong = append(wrong, w.Findings...)
				}
				require.Empty(l, lab.Tampering(wrong), "nobody altered anything")
			})
		})
	}
}
