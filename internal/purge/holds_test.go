package purge_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/verify"
)

func heldOctober() purge.Retention {
	return purge.Retention{Default: purge.LeastRetention, Holds: []purge.Hold{{From: lab.October, To: lab.November}}}
}

// purgedContents is what the log says was dropped, and how many hours.
func purgedContents(v verify.Verification) (contents, hours int64) {
	for _, p := range v.Purges {
		contents, hours = contents+p.Contents, hours+p.Hours
	}
	return contents, hours
}

// TestAPurgeThatIsKilledAtAnyWriteIsFinishedByTheNextOne, with true counts in the log, and nothing
// is left to do after it.
func TestAPurgeThatIsKilledAtAnyWriteIsFinishedByTheNextOne(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		contents := l.SealOctober()
		ready := l.Service.Snapshot()
		heads := len(l.Heads.All)
		_, w := l.Process()
		writes := 1 << 30
		for at := 1; at <= writes; at++ {
			for _, stored := range []bool{false, true} {
				l.Service.Restore(ready)
				l.Heads.All = l.Heads.All[:heads]
				var store *tablestest.Store
				store, w = l.Process()
				w.DiesAt, w.Stored = at, stored
				_, err := l.Purge(store, lab.Keep35)
				if !w.Dead {
					require.NoError(l, err)
					writes = 0
				}
				time.Sleep(3 * time.Minute)
				v := lab.Verification(l)
				require.True(l, v.Intact(), "killed at write %d: %v", at, v.Findings)
				finishes(l, contents, at)
			}
		}
		require.Greater(l, w.Writes, 5)
	})
}

// finishes: two purges later nothing is left of October, and the log says so once.
func finishes(l *lab.Lab, contents int64, at int) {
	_, err := l.Purge(l.Store, lab.Keep35)
	require.NoError(l, err)
	require.Empty(l, l.Left(lab.October), "killed at write %d", at)
	time.Sleep(ledger.LateWrites)
	_, err = l.Purge(l.Store, lab.Keep35)
	require.NoError(l, err)
	p := l.Progress(lab.Stream)
	require.Empty(l, p.Drops, "it is not tried again without an end")
	months, err := l.Purge(l.Store, lab.Keep35)
	require.NoError(l, err)
	require.Empty(l, months)
	require.Equal(l, p, l.Progress(lab.Stream))
	v := lab.Verification(l)
	require.True(l, v.Intact(), "killed at write %d: %v", at, v.Findings)
	dropped, hours := purgedContents(v)
	require.Equal(l, contents, dropped, "killed at write %d", at)
	require.EqualValues(l, p.Purged, hours)
	require.Equal(l, lab.November, p.PurgedTo)
	require.Equal(l, p.Seals, p.Heads)
}

func TestAPurgedRecordHasAProofThatSaysWhenAndByWhichRule(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		l.SealOctober()
		_, err := l.Purge(l.Store, lab.Keep35)
		require.NoError(l, err)
		_, err = verify.Prove(l.Context(), l.Store, lab.Stream, "changes", lab.Changing)
		require.Equal(l, entra.CodeNotFound, entra.CodeOf(err))
		require.ErrorContains(l, err, "purged on 2026-12-10 by ARCHIVE_RETENTION of signIns.interactiveUser is 35 days")
		gaps, err := ledger.GapsOf(l.Context(), l.Store, lab.Stream, lab.October, lab.November.Add(lab.Days))
		require.NoError(l, err)
		require.NotEmpty(l, gaps)
		last := gaps[len(gaps)-1]
		require.Equal(l, ledger.WindowPurged, last.State)
		require.Equal(l, "purged on 2026-12-10 by ARCHIVE_RETENTION of signIns.interactiveUser is 35 days", last.Reason)
		require.Equal(l, lab.November, last.To)
		p := l.Progress(lab.Stream)
		from, _ := p.Hours(time.Now())
		require.Equal(l, lab.November, from, "what is held begins there")
		known, _ := p.Known(time.Now())
		require.True(l, known.Before(lab.November), "and the ledger speaks for more")
		require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
		require.Equal(l, p.Watermark, p.CompleteUntil())
		_, err = verify.Prove(l.Context(), l.Store, lab.Stream, "never", lab.November.Add(time.Minute))
		require.Equal(l, entra.CodeNotFound, entra.CodeOf(err), "no such id")
		_, err = verify.Prove(l.Context(), l.Store, lab.Stream, "november", lab.November.Add(time.Minute))
		require.NoError(l, err, "November is there")
	})
}

// interrupt kills a purge before it drops the records: the log says already that they are gone.
func interrupt(l *lab.Lab) {
	store, w := l.Process()
	w.Before = func(r *memstorage.Request) {
		w.Mu.Lock()
		defer w.Mu.Unlock()
		w.Dead = w.Dead || strings.HasPrefix(r.String(), "DELETE Tables")
	}
	_, err := l.Purge(store, lab.Keep35)
	require.Error(l, err)
	require.True(l, w.Dead)
	time.Sleep(ledger.LateWrites) // the drop may still be executed
}

// TestAHoldAfterAnInterruptedPurgeProtectsWhatIsStillThere: the hours say what is left of them and
// are sealed again, so that a row that is deleted from then on is named.
func TestAHoldAfterAnInterruptedPurgeProtectsWhatIsStillThere(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		contents := l.SealOctober()
		interrupt(l)
		hour := entra.FloorHour(lab.Changing)
		require.Equal(l, ledger.WindowPurged, l.Hours(lab.Stream)[hour].State)
		// The drop of a version before went row by row, and got as far as this.
		gone := l.Service.Rows(lab.TableOf(hour))[0]
		_, err := l.Hand(lab.TableOf(hour)).DeleteEntity(l.Context(), gone.Partition, gone.Key, nil)
		require.NoError(l, err)
		months, err := l.Purge(l.Store, heldOctober())
		require.NoError(l, err)
		require.Len(l, months, 1)
		require.Equal(l, "ARCHIVE_HOLD keeps 2026-10-01 to 2026-10-31", months[0].Kept)
		require.False(l, months[0].Dropped)
		hours := l.Hours(lab.Stream)
		var stored, purged int64
		for _, cov := range hours {
			if cov.Start.Before(lab.November) {
				stored += cov.Records + cov.Versions
				purged += map[ledger.WindowState]int64{ledger.WindowPurged: 1}[cov.State]
			}
		}
		require.Equal(l, contents-1, stored)
		require.Zero(l, purged)
		require.EqualValues(l, 0, l.Progress(lab.Stream).Purged)
		saysWhatIsLeft(l, hours[hour], "purge stopped, 5 of 5 left")
		partial, err := time.Parse(entra.HourFormat, gone.Partition)
		require.NoError(l, err)
		saysWhatIsLeft(l, hours[partial], "purge stopped, 2 of 3 left")
		lab.CheckLedgerTotals(l)
		v := lab.Verification(l)
		require.True(l, v.Intact(), "%v", v.Findings)
		dropped, n := purgedContents(v)
		require.EqualValues(l, 1, dropped, "the log counts what is gone, and not what the purge would have dropped")
		require.EqualValues(l, 1, n)
		namesADeletedRow(l, hour)
	})
}

func saysWhatIsLeft(l *lab.Lab, cov ledger.Coverage, reason string) {
	require.Equal(l, ledger.WindowSealed, cov.State)
	last, err := l.Store.Seal(l.Context(), lab.Stream, cov.LastSeal)
	require.NoError(l, err)
	require.Equal(l, reason, last.Reason)
	require.Equal(l, last.Leaves, cov.Records+cov.Versions)
}

// namesADeletedRow: deleting a held row is a finding, by its key.
func namesADeletedRow(l *lab.Lab, hour time.Time) {
	var key string
	for _, r := range l.Service.Rows(lab.TableOf(hour)) {
		if r.Partition == hour.Format(entra.HourFormat) {
			key = r.Key
		}
	}
	_, err := l.Hand(lab.TableOf(hour)).DeleteEntity(l.Context(), hour.Format(entra.HourFormat), key, nil)
	require.NoError(l, err)
	v := lab.Verification(l)
	require.False(l, v.Intact())
	require.EqualValues(l, 1, v.Counts[verify.DiffRemoved])
	for _, f := range v.Findings {
		if f.Difference == verify.DiffRemoved {
			require.Equal(l, key, f.Row)
			require.Equal(l, hour, f.Hour)
		}
	}
}

// TestARevertedPurgeIsDroppedWhenTheHoldEnds, and reverted once.
func TestARevertedPurgeIsDroppedWhenTheHoldEnds(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		contents := l.SealOctober()
		interrupt(l)
		months, err := l.Purge(l.Store, heldOctober())
		require.NoError(l, err)
		require.Positive(l, months[0].Reverted)
		again, err := l.Purge(l.Store, heldOctober())
		require.NoError(l, err)
		require.Zero(l, again[0].Reverted, "once")
		seals := l.Progress(lab.Stream).Seals
		_, err = l.Purge(l.Store, heldOctober())
		require.NoError(l, err)
		require.Equal(l, seals, l.Progress(lab.Stream).Seals)
		finishes(l, contents, 0)
	})
}

// TestARevertThatIsKilledAtAnyWriteIsFinishedByTheNextRun as a drop is.
func TestARevertThatIsKilledAtAnyWriteIsFinishedByTheNextRun(t *testing.T) {
	lab.InNovember(t, func(l *lab.Lab) {
		contents := l.SealOctober()
		interrupt(l)
		ready, heads := l.Service.Snapshot(), len(l.Heads.All)
		writes := 1 << 30
		for at := 1; at <= writes; at++ {
			l.Service.Restore(ready)
			l.Heads.All = l.Heads.All[:heads]
			store, w := l.Process()
			w.DiesAt, w.Stored = at, at%2 == 0
			_, err := l.Purge(store, heldOctober())
			if !w.Dead {
				require.NoError(l, err)
				writes = 0
			}
			time.Sleep(3 * time.Minute)
			_, err = l.Purge(l.Store, heldOctober())
			require.NoError(l, err)
			p := l.Progress(lab.Stream)
			require.Zero(l, p.Purged, "killed at write %d", at)
			require.Empty(l, p.Drops)
			require.Equal(l, p.Seals, p.Heads)
			lab.CheckLedgerTotals(l)
			v := lab.Verification(l)
			require.True(l, v.Intact(), "killed at write %d: %v", at, v.Findings)
			require.Empty(l, v.Purges)
			require.Len(l, l.Hours(lab.Stream), int(p.WindowsComplete)+1,
				"every hour but the one that is under way is whole")
		}
		require.Positive(l, contents)
	})
}
