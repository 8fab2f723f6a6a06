package archive_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
)

// keep35 drops what is older than the least retention.
var keep35 = archive.Retention{Default: archive.LeastRetention}

func heldOctober() archive.Retention {
	return archive.Retention{Default: archive.LeastRetention, Holds: []archive.Hold{{From: october, To: november}}}
}

// changing is the time of a record of October whose content changes.
var changing = november.Add(-3 * time.Hour).Add(time.Minute)

// inNovember is a lab some hours after the months have changed.
func inNovember(t *testing.T, test func(l *lab)) { inLabAt(t, november.Add(5*time.Hour), test) }

// sealOctober archives and seals some days around the change of the months, and goes on to when
// October is past its retention. It tells how many contents October has.
func (l *lab) sealOctober() (contents int64) {
	l.options.Backfill = 12 * time.Hour
	l.tenant.fill(stream, november.Add(-6*time.Hour), november.Add(30*time.Hour), 20*time.Minute)
	l.tenant.add(stream, "november", november.Add(time.Minute), "")
	l.tenant.add(stream, "changes", changing, "first")
	l.runs(5*time.Minute, time.Now().Add(6*time.Minute))
	l.tenant.add(stream, "changes", changing, "second")
	time.Sleep(4 * time.Hour)
	_, err := l.collector(l.store, l.tenant).Range(l.Context(), execution(), []entra.Stream{stream}, november.Add(-2*days), november, budget)
	require.NoError(l, err)
	l.runs(5*time.Minute, time.Now().Add(11*time.Minute))
	l.until(december)
	p := l.progress(stream)
	require.False(l, p.SealedTo.Before(november))
	require.EqualValues(l, 1, p.Versions)
	for _, cov := range l.hours(stream) {
		if cov.Start.Before(november) {
			contents += cov.Records + cov.Versions
		}
	}
	return contents
}

func (l *lab) purger(store archive.PurgeStore, r archive.Retention) *archive.Purger {
	return archive.NewPurger(store, l.heads, r)
}

// purge runs the purge of a store.
func (l *lab) purge(store archive.PurgeStore, r archive.Retention) ([]archive.PurgeMonth, error) {
	return l.purger(store, r).Run(l.Context(), execution(), stream, time.Now())
}

// tables of a month that have a row of it.
func (l *lab) left(month time.Time) (names []string) {
	suffix := month.Format("200601")
	for _, name := range l.service.TableNames() {
		for _, r := range l.service.Rows(name) {
			if name[len(name)-6:] == suffix || r.Partition == tables.TableName(entra.Window{Stream: stream, Start: month}) {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

func verification(l *lab) archive.Verification {
	v := archive.Verification{Streams: []entra.Stream{stream}}
	require.NoError(l, v.Work(l.Context(), l.store, l.heads, time.Now().Add(time.Hour)))
	return v
}

// purgedContents is what the log says was dropped, and how many hours.
func purgedContents(v archive.Verification) (contents, hours int64) {
	for _, p := range v.Purges {
		contents, hours = contents+p.Contents, hours+p.Hours
	}
	return contents, hours
}

// TestAPurgeThatIsKilledAtAnyWriteIsFinishedByTheNextOne, with true counts in the log, and nothing
// is left to do after it.
func TestAPurgeThatIsKilledAtAnyWriteIsFinishedByTheNextOne(t *testing.T) {
	inNovember(t, func(l *lab) {
		contents := l.sealOctober()
		ready := l.service.Snapshot()
		heads := len(l.heads.heads)
		_, w := l.process()
		writes := 1 << 30
		for at := 1; at <= writes; at++ {
			for _, stored := range []bool{false, true} {
				l.service.Restore(ready)
				l.heads.heads = l.heads.heads[:heads]
				var store *tablestest.Store
				store, w = l.process()
				w.diesAt, w.stored = at, stored
				_, err := l.purge(store, keep35)
				if !w.dead {
					require.NoError(l, err)
					writes = 0
				}
				time.Sleep(3 * time.Minute)
				v := verification(l)
				require.True(l, v.Intact(), "killed at write %d: %v", at, v.Findings)
				l.finishes(contents, at)
			}
		}
		require.Greater(l, w.writes, 5)
	})
}

// finishes: two purges later nothing is left of October, and the log says so once.
func (l *lab) finishes(contents int64, at int) {
	_, err := l.purge(l.store, keep35)
	require.NoError(l, err)
	require.Empty(l, l.left(october), "killed at write %d", at)
	time.Sleep(archive.LateWrites)
	_, err = l.purge(l.store, keep35)
	require.NoError(l, err)
	p := l.progress(stream)
	require.Empty(l, p.Drops, "it is not tried again without an end")
	months, err := l.purge(l.store, keep35)
	require.NoError(l, err)
	require.Empty(l, months)
	require.Equal(l, p, l.progress(stream))
	v := verification(l)
	require.True(l, v.Intact(), "killed at write %d: %v", at, v.Findings)
	dropped, hours := purgedContents(v)
	require.Equal(l, contents, dropped, "killed at write %d", at)
	require.EqualValues(l, p.Purged, hours)
	require.Equal(l, november, p.PurgedTo)
	require.Equal(l, p.Seals, p.Heads)
}

func TestAPurgedRecordHasAProofThatSaysWhenAndByWhichRule(t *testing.T) {
	inNovember(t, func(l *lab) {
		l.sealOctober()
		_, err := l.purge(l.store, keep35)
		require.NoError(l, err)
		_, err = archive.Prove(l.Context(), l.store, stream, "changes", changing)
		require.Equal(l, entra.CodeNotFound, entra.CodeOf(err))
		require.ErrorContains(l, err, "purged on 2026-12-10 by ARCHIVE_RETENTION of signIns.interactiveUser is 35 days")
		gaps, err := archive.GapsOf(l.Context(), l.store, stream, october, november.Add(days))
		require.NoError(l, err)
		require.NotEmpty(l, gaps)
		last := gaps[len(gaps)-1]
		require.Equal(l, archive.WindowPurged, last.State)
		require.Equal(l, "purged on 2026-12-10 by ARCHIVE_RETENTION of signIns.interactiveUser is 35 days", last.Reason)
		require.Equal(l, november, last.To)
		p := l.progress(stream)
		from, _ := p.Hours(time.Now())
		require.Equal(l, november, from, "what is held begins there")
		known, _ := p.Known(time.Now())
		require.True(l, known.Before(november), "and the ledger speaks for more")
		require.Zero(l, p.WindowsMissing(entra.FloorHour(p.Watermark)))
		require.Equal(l, p.Watermark, p.CompleteUntil())
		_, err = archive.Prove(l.Context(), l.store, stream, "never", november.Add(time.Minute))
		require.Equal(l, entra.CodeNotFound, entra.CodeOf(err), "no such id")
		_, err = archive.Prove(l.Context(), l.store, stream, "november", november.Add(time.Minute))
		require.NoError(l, err, "November is there")
	})
}

// interrupt kills a purge before it drops the records: the log says already that they are gone.
func (l *lab) interrupt() {
	store, w := l.process()
	w.before = func(r *memstorage.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.dead = w.dead || strings.HasPrefix(r.String(), "DELETE Tables")
	}
	_, err := l.purge(store, keep35)
	require.Error(l, err)
	require.True(l, w.dead)
	time.Sleep(archive.LateWrites) // the drop may still be carried out
}

// TestAHoldAfterAnInterruptedPurgeProtectsWhatIsStillThere: the hours say what is left of them and
// are sealed again, so that a row that is deleted from then on is named.
func TestAHoldAfterAnInterruptedPurgeProtectsWhatIsStillThere(t *testing.T) {
	inNovember(t, func(l *lab) {
		contents := l.sealOctober()
		l.interrupt()
		hour := entra.FloorHour(changing)
		require.Equal(l, archive.WindowPurged, l.hours(stream)[hour].State)
		// The drop of a version before went row by row, and got as far as this.
		gone := l.service.Rows(tableOf(hour))[0]
		_, err := l.hand(tableOf(hour)).DeleteEntity(l.Context(), gone.Partition, gone.Key, nil)
		require.NoError(l, err)
		months, err := l.purge(l.store, heldOctober())
		require.NoError(l, err)
		require.Len(l, months, 1)
		require.Equal(l, "ARCHIVE_HOLD keeps 2026-10-01 to 2026-11-01", months[0].Kept)
		require.False(l, months[0].Dropped)
		hours := l.hours(stream)
		var stored, purged int64
		for _, cov := range hours {
			if cov.Start.Before(november) {
				stored += cov.Records + cov.Versions
				purged += map[archive.WindowState]int64{archive.WindowPurged: 1}[cov.State]
			}
		}
		require.Equal(l, contents-1, stored)
		require.Zero(l, purged)
		require.EqualValues(l, 0, l.progress(stream).Purged)
		l.saysWhatIsLeft(hours[hour], "purge stopped, 5 of 5 left")
		partial, err := time.Parse(entra.HourFormat, gone.Partition)
		require.NoError(l, err)
		l.saysWhatIsLeft(hours[partial], "purge stopped, 2 of 3 left")
		checkLedgerTotals(l)
		v := verification(l)
		require.True(l, v.Intact(), "%v", v.Findings)
		dropped, n := purgedContents(v)
		require.EqualValues(l, 1, dropped, "the log counts what is gone, and not what the purge would have dropped")
		require.EqualValues(l, 1, n)
		l.namesADeletedRow(hour)
	})
}

func (l *lab) saysWhatIsLeft(cov archive.Coverage, reason string) {
	require.Equal(l, archive.WindowSealed, cov.State)
	last, err := l.store.Seal(l.Context(), stream, cov.LastSeal)
	require.NoError(l, err)
	require.Equal(l, reason, last.Reason)
	require.Equal(l, last.Leaves, cov.Records+cov.Versions)
}

// checkLedgerTotals compares the totals with the hours, and those with the rows.
func checkLedgerTotals(l *lab) {
	var sum archive.Tally
	for _, cov := range l.hours(stream) {
		count, err := l.store.Count(l.Context(), cov.Window)
		require.NoError(l, err)
		require.Equal(l, count.Tally, archive.Tally{Records: cov.Records, Versions: cov.Versions, Bytes: cov.Bytes, StoredBytes: cov.StoredBytes}, "%s", cov.Window)
		require.Equal(l, count.Sum, cov.Sum)
		sum.Records, sum.Versions = sum.Records+cov.Records, sum.Versions+cov.Versions
		sum.Bytes, sum.StoredBytes = sum.Bytes+cov.Bytes, sum.StoredBytes+cov.StoredBytes
	}
	require.Equal(l, sum, l.progress(stream).Tally)
}

// namesADeletedRow: a held row that somebody deletes is a finding, by its key.
func (l *lab) namesADeletedRow(hour time.Time) {
	var key string
	for _, r := range l.service.Rows(tableOf(hour)) {
		if r.Partition == hour.Format(entra.HourFormat) {
			key = r.Key
		}
	}
	_, err := l.hand(tableOf(hour)).DeleteEntity(l.Context(), hour.Format(entra.HourFormat), key, nil)
	require.NoError(l, err)
	v := verification(l)
	require.False(l, v.Intact())
	require.EqualValues(l, 1, v.Counts[archive.DiffRemoved])
	for _, f := range v.Findings {
		if f.Difference == archive.DiffRemoved {
			require.Equal(l, key, f.Row)
			require.Equal(l, hour, f.Hour)
		}
	}
}

// TestWhatIsTakenBackIsDroppedWhenTheHoldEnds, and taken back once.
func TestWhatIsTakenBackIsDroppedWhenTheHoldEnds(t *testing.T) {
	inNovember(t, func(l *lab) {
		contents := l.sealOctober()
		l.interrupt()
		months, err := l.purge(l.store, heldOctober())
		require.NoError(l, err)
		require.Positive(l, months[0].TakenBack)
		again, err := l.purge(l.store, heldOctober())
		require.NoError(l, err)
		require.Zero(l, again[0].TakenBack, "once")
		seals := l.progress(stream).Seals
		_, err = l.purge(l.store, heldOctober())
		require.NoError(l, err)
		require.Equal(l, seals, l.progress(stream).Seals)
		l.finishes(contents, 0)
	})
}

// TestATakingBackThatIsKilledAtAnyWriteIsFinishedByTheNextOne as a drop is.
func TestATakingBackThatIsKilledAtAnyWriteIsFinishedByTheNextOne(t *testing.T) {
	inNovember(t, func(l *lab) {
		contents := l.sealOctober()
		l.interrupt()
		ready, heads := l.service.Snapshot(), len(l.heads.heads)
		writes := 1 << 30
		for at := 1; at <= writes; at++ {
			l.service.Restore(ready)
			l.heads.heads = l.heads.heads[:heads]
			store, w := l.process()
			w.diesAt, w.stored = at, at%2 == 0
			_, err := l.purge(store, heldOctober())
			if !w.dead {
				require.NoError(l, err)
				writes = 0
			}
			time.Sleep(3 * time.Minute)
			_, err = l.purge(l.store, heldOctober())
			require.NoError(l, err)
			p := l.progress(stream)
			require.Zero(l, p.Purged, "killed at write %d", at)
			require.Empty(l, p.Drops)
			require.Equal(l, p.Seals, p.Heads)
			checkLedgerTotals(l)
			v := verification(l)
			require.True(l, v.Intact(), "killed at write %d: %v", at, v.Findings)
			require.Empty(l, v.Purges)
			require.Len(l, l.hours(stream), int(p.WindowsComplete)+1, "every hour but the one that is under way is whole")
		}
		require.Positive(l, contents)
	})
}
