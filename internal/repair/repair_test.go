package repair_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/derive"
	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/purge"
	"github.com/entraledger/entraledger/internal/repair"
	"github.com/entraledger/entraledger/internal/verify"
)

// TestEveryReaderOfAProgressRowThatCantBeGoneByFailsForItsStreamAlone, with what to do about it.
func TestEveryReaderOfAProgressRowThatCantBeGoneByFailsForItsStreamAlone(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		restore := l.SealedTwo()
		purger := purge.New(l.Store, l.Store, l.Heads, purge.Retention{Default: purge.LeastRetention})
		readers := map[string]func(s entra.Stream) error{
			"Progress": func(s entra.Stream) error { _, err := l.Store.Progress(l.Context(), s); return err },
			"State":    func(s entra.Stream) error { _, _, err := l.Store.State(l.Context(), s); return err },
			"collect":  func(s entra.Stream) error { _, err := l.Run(s); return err },
			"retire": func(s entra.Stream) error {
				return l.Collector(l.Store, l.Tenant).Retire(l.Context(), lab.Execution(), s, lab.Budget)
			},
			"plan": func(s entra.Stream) error { _, err := purger.Plan(l.Context(), s, time.Now()); return err },
			"purge": func(s entra.Stream) error {
				_, err := purger.Run(l.Context(), lab.Execution(), s, time.Now())
				return err
			},
			"index": func(s entra.Stream) error {
				_, err := derive.Update(l.Context(), l.Store, lab.Execution(), s, true, time.Now().Add(time.Minute))
				return err
			},
		}
		for _, h := range harms() {
			restore()
			h.do(l)
			for name, read := range readers {
				err := read(lab.Stream)
				if strings.HasPrefix(h.name, "there are two") && err == nil {
					continue // the one that is right may be read last
				}
				require.Error(l, err, "%s: %s", h.name, name)
				require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%s: %s: %v", h.name, name, err)
				require.NotContains(l, err.Error(), "\n")
				require.ErrorContains(l, err, "of table coverage, partition signIns.interactiveUser", "%s: %s", h.name,
					name)
				if !strings.Contains(h.name, "garbage") || strings.HasPrefix(h.name, "the progress") {
					require.ErrorContains(l, err, "handler repair --stream signIns.interactiveUser", "%s: %s", h.name,
						name)
				}
				require.NoError(l, read(lab.Other), "%s: %s", h.name, name)
			}
		}
	})
}

// TestAStreamThatHasNoLedgerHasAZeroProgress: nothing is wrong with it, and nothing to repair.
func TestAStreamThatHasNoLedgerHasAZeroProgress(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		require.Equal(l, ledger.Progress{Stream: lab.Stream}, l.Progress(lab.Stream))
		require.NoError(l, l.Store.RequestLease(l.Context(), lab.Stream, lab.Execution()))
		require.Equal(l, ledger.Progress{Stream: lab.Stream}, l.Progress(lab.Stream),
			"somebody who waits begins no ledger")
		_, err := repairs(l, l.Store)
		require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
		require.ErrorContains(l, err, "the stream has no ledger")
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-lab.Days), lab.Start, time.Hour)
		_, err = l.Run()
		require.NoError(l, err)
		_, err = repairs(l, l.Store)
		require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
		require.ErrorContains(l, err, "nothing of it is to be repaired")
	})
}

// TestAnArchiveThatIsRepairedGoesOnAsIfNothingHadBeen: in whatever state it was, and whatever of
// the three rows is gone or wrong.
func TestAnArchiveThatIsRepairedGoesOnAsIfNothingHadBeen(t *testing.T) {
	var mu sync.Mutex
	want := make(map[string]string)
	t.Run("undisturbed", func(t *testing.T) {
		for _, j := range journeys() {
			t.Run(j.name, func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) {
					j.begin(l)
					time.Sleep(15 * time.Minute)
					j.goOn(l)
					mu.Lock()
					defer mu.Unlock()
					want[j.name] = facts(l)
				})
			})
		}
	})
	for _, j := range journeys() {
		for i, h := range harms() {
			if i > 0 && j.name != journeys()[0].name && !strings.Contains(h.name, "old copy") &&
				!(j.partial && strings.Contains(h.name, "lease are gone")) {
				continue // they differ in the first state only
			}
			t.Run(j.name+", "+h.name, func(t *testing.T) {
				lab.In(t, func(l *lab.Lab) {
					j.begin(l)
					time.Sleep(15 * time.Minute)
					h.do(l)
					repaired(l, j, h)
					j.goOn(l)
					if !j.more {
						require.Equal(l, want[j.name], facts(l))
					}
					require.Zero(l, l.Progress(lab.Stream).Thin)
					if p := l.Progress(lab.Stream); p.Purged == 0 && !j.more {
						l.CheckClaims(lab.Stream)
						lab.CheckLedgerTotals(l)
					}
					require.Empty(l, tampered(l))
				})
			})
		}
	}
}

// repaired repairs, and looks at what was made.
func repaired(l *lab.Lab, j journey, h harm) {
	found, err := l.Store.Remains(l.Context(), lab.Stream)
	require.NoError(l, err)
	require.Contains(l, strings.Join(found.Wrong(), "; "), h.words)
	plan := &repair.Repairing{Stream: lab.Stream, By: lab.Execution(), Plan: true}
	store, connection := l.Process()
	require.NoError(l, repairer(l, store).Work(l.Context(), plan, time.Now().Add(time.Minute)))
	require.True(l, plan.Done)
	require.Zero(l, connection.Writes, "a plan writes nothing")

	w, err := repairs(l, l.Store)
	require.NoError(l, err)
	require.True(l, w.Done)
	require.Equal(l, plan.Wrong, w.Wrong)
	p, lease, err := l.Store.State(l.Context(), lab.Stream)
	require.NoError(l, err)
	require.False(l, lease.Held())
	entry, err := l.Store.Seal(l.Context(), lab.Stream, w.Entry)
	require.NoError(l, err)
	require.Equal(l, w.Entry+1, p.Seals)
	require.Equal(l, p.Seals, p.Heads)
	said, ok := ledger.RepairOf(entry)
	require.True(l, ok)
	require.Contains(l, said.What, h.words)
	require.Contains(l, said.What, w.By.ID)
	require.True(l, entry.Start.After(time.Now()), "nothing can have been stored of its hour")
	require.Empty(l, tampered(l))
	_, err = repairs(l, l.Store)
	require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
	require.ErrorContains(l, err, fmt.Sprintf("(entry %d of its log)", w.Entry))
}

// TestARebuiltProgressRowEqualsTheOldOne: cursors to the hour, and all totals.
func TestARebuiltProgressRowEqualsTheOldOne(t *testing.T) {
	for _, j := range journeys() {
		t.Run(j.name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				j.begin(l)
				was := l.Progress(lab.Stream)
				remove(l, "progress")
				_, err := repairs(l, l.Store)
				require.NoError(l, err)
				is := l.Progress(lab.Stream)
				require.Equal(l, was.Begin, is.Begin)
				require.Equal(l, was.TailBegin, is.TailBegin)
				require.Equal(l, entra.FloorHour(was.Watermark), is.Watermark)
				if !j.partial {
					require.Equal(l, was.Backfilled, is.Backfilled)
					require.Equal(l, later(was.SealedTo, was.Begin), is.SealedTo)
				}
				require.Equal(l, was.Tally, is.Tally)
				require.Equal(l, was.Seals+1, is.Seals)
				require.Equal(l, was.PurgedTo, is.PurgedTo)
				require.Equal(l, totals(was), totals(is))
			})
		})
	}
}

// TestARepairRefusesWhatVerifyFinds, names it, and leaves the stream closed. What can be computed
// again holds nothing up.
func TestARepairRefusesWhatVerifyFinds(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		journeys()[0].begin(l)
		hour := entra.FloorHour(lab.Start.Add(-3 * time.Hour))
		table := lab.TableOf(hour)
		partition := hour.Format(entra.HourFormat)
		ready := l.Service.Snapshot()
		for name, do := range map[string]func(){
			"a record is gone": func() {
				_, err := l.Hand(table).DeleteEntity(l.Context(), partition, firstRow(l, table, partition), nil)
				require.NoError(l, err)
			},
			"an hour's row is gone":    func() { remove(l, partition) },
			"an hour's row is garbage": func() { l.Put(l.Read(lab.Stream, partition).With("State", "garbage")) },
			"an entry is gone":         func() { remove(l, "seal!0000000003") },
			"an entry is changed": func() {
				l.Put(l.Read(lab.Stream, "seal!0000000003").With("Hour", "2026-11-20T03"))
			},
			"the log's end is gone": func() {
				remove(l, fmt.Sprintf("seal!%010d", l.Heads.All[len(l.Heads.All)-1].Size-1))
			},
		} {
			l.Service.Restore(ready)
			do()
			remove(l, "progress")
			for _, plan := range []bool{true, false} {
				w := &repair.Repairing{Stream: lab.Stream, By: lab.Execution(), Plan: plan}
				err := repairer(l, l.Store).Work(l.Context(), w, time.Now().Add(time.Minute))
				require.Error(l, err, name)
				require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%s: %v", name, err)
				require.NotContains(l, err.Error(), "\n")
				require.Regexp(l, partition+"|seal!0000000003|entr(y|ies)", err.Error(), name)
			}
			_, err := l.Store.Progress(l.Context(), lab.Stream)
			require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%s: %v", name, err)
			_, lease, err := l.Store.State(l.Context(), lab.Stream)
			require.Error(l, err)
			require.False(l, lease.Held())
		}
	})
}

func firstRow(l *lab.Lab, table, partition string) string {
	for _, r := range l.Service.Rows(table) {
		if r.Partition == partition {
			return r.Key
		}
	}
	require.Fail(l, "there is none")
	return ""
}

// TestOnlyALeaseRowThatIsGoneOrGarbageLeavesTheProgressAsItIs: the entry says that a new lease was
// written.
func TestOnlyALeaseRowThatIsGoneOrGarbageLeavesTheProgressAsItIs(t *testing.T) {
	for name, do := range map[string]func(l *lab.Lab){
		"gone":    func(l *lab.Lab) { remove(l, "lease") },
		"garbage": func(l *lab.Lab) { l.Put(l.Read(lab.Stream, "lease").With("Seconds", "garbage")) },
	} {
		t.Run(name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				journeys()[0].begin(l)
				was := l.Progress(lab.Stream)
				do(l)
				w, err := repairs(l, l.Store)
				require.NoError(l, err)
				require.True(l, w.Done)
				require.Contains(l, w.Reason, "a new lease was written (row lease")
				is := l.Progress(lab.Stream)
				require.Equal(l, was.Watermark, is.Watermark)
				require.Equal(l, was.LastRunAt, is.LastRunAt)
				require.Equal(l, was.Seals+1, is.Seals)
				every(l, 20*time.Minute, 2*time.Hour)
				require.Empty(l, tampered(l))
			})
		})
	}
}

// TestTheEntryOfARepairIsNoSealOfItsHour: the hour is sealed as any other, and proved.
func TestTheEntryOfARepairIsNoSealOfItsHour(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		journeys()[0].begin(l)
		remove(l, "progress")
		w, err := repairs(l, l.Store)
		require.NoError(l, err)
		entry, err := l.Store.Seal(l.Context(), lab.Stream, w.Entry)
		require.NoError(l, err)
		require.Zero(l, entry.Leaves)
		require.NotContains(l, l.Hours(lab.Stream), entry.Start)
		for range 20 {
			require.Empty(l, tampered(l))
			every(l, 15*time.Minute, 30*time.Minute)
		}
		cov := l.Hours(lab.Stream)[entry.Start]
		require.Equal(l, ledger.WindowSealed, cov.State)
		last, err := l.Store.Seal(l.Context(), lab.Stream, cov.LastSeal)
		require.NoError(l, err)
		require.Positive(l, last.Leaves)
		require.Greater(l, last.Number, entry.Number)
		for _, rec := range l.Tenant.Records[lab.Stream] {
			if entra.FloorHour(rec.Time).Equal(entry.Start) {
				_, err := verify.Prove(l.Context(), l.Store, lab.Stream, rec.ID, rec.Time)
				require.NoError(l, err)
			}
		}
	})
}

// TestAProgressRowThatContradictsRowsAndLogIsRebuilt, where it was committed like any other.
func TestAProgressRowThatContradictsRowsAndLogIsRebuilt(t *testing.T) {
	for name, change := range map[string]func(p *ledger.Progress){
		"Begin":    func(p *ledger.Progress) { p.Begin = p.Begin.Add(3 * time.Hour) },
		"Records":  func(p *ledger.Progress) { p.Records = 5 },
		"Lost":     func(p *ledger.Progress) { p.Lost, p.LostFrom, p.LostTo = 2, p.Begin, p.Begin.Add(2*time.Hour) },
		"SealedTo": func(p *ledger.Progress) { p.SealedTo = p.SealedTo.Add(-5 * time.Hour) },
		"Thin":     func(p *ledger.Progress) { p.Thin, p.ThinFrom, p.ThinTo = 3, p.Begin, p.Watermark },
		"PurgedTo": func(p *ledger.Progress) { p.PurgedTo = p.Begin.Add(9 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				journeys()[0].begin(l)
				p := l.Progress(lab.Stream)
				change(&p)
				l.Write(p)
				found := tampered(l)
				require.NotEmpty(l, found)
				require.Equal(l, "progress", found[0].Row)
				w, err := repairs(l, l.Store)
				require.NoError(l, err)
				require.True(l, w.Done && w.Anew)
				require.Contains(l, w.Reason, "row progress: its "+name)
				require.Empty(l, tampered(l))
				every(l, 20*time.Minute, 2*time.Hour)
				l.CheckClaims(lab.Stream)
				lab.CheckLedgerTotals(l)
				require.Empty(l, tampered(l))
				_, err = repairs(l, l.Store)
				require.Equal(l, entra.CodeConflict, entra.CodeOf(err))
			})
		})
	}
}
