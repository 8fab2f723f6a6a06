package sealing_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
	"github.com/entraledger/entraledger/internal/verify"
)

// TestAnHourIsSealedWhenItWasRead, within seventy minutes of its begin, and settled after its last
// pass without another seal where nothing came.
func TestAnHourIsSealedWhenItWasRead(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(3*lab.Days), 20*time.Minute)
		hour := entra.FloorHour(lab.Start).Add(2 * time.Hour)
		l.Runs(5*time.Minute, hour.Add(70*time.Minute+time.Second))
		cov := l.HourAt(hour)
		require.Equal(l, []any{ledger.WindowComplete, int64(1), ledger.WindowSealed},
			[]any{cov.State, cov.Seals, cov.Word()})
		s := l.Entry(cov)
		require.True(l, s.Dated)
		require.EqualValues(l, 3, s.Leaves)
		require.Empty(l, s.Reason)
		require.LessOrEqual(l, s.SealedAt.Sub(hour), 70*time.Minute)
		p := l.Progress(lab.Stream)
		require.Zero(l, p.Unsealed)
		require.Equal(l, p.Seals, p.Heads, "a head stands for it")
		require.Equal(l, entra.FloorHour(p.Watermark), p.SealedUntil())
		seals := p.Seals
		l.Runs(time.Hour, hour.Add(27*time.Hour))
		cov = l.HourAt(hour)
		require.Equal(l, []any{ledger.WindowSealed, int64(1), ledger.WindowSettled},
			[]any{cov.State, cov.Seals, cov.Word()})
		require.LessOrEqual(l, l.Progress(lab.Stream).Seals-seals, int64(28), "an entry an hour")
		require.Empty(l, lab.Tampering(l.Findings()))
		l.CheckClaims(lab.Stream)
	})
}

// TestWhatALaterPassAddsIsSealedWithTheReason, in the same run, and keeps only what was added.
func TestWhatALaterPassAddsIsSealedWithTheReason(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(3*lab.Days), time.Minute)
		hour := entra.FloorHour(lab.Start).Add(2 * time.Hour)
		l.Tenant.Add(lab.Stream, "changes", hour.Add(5*time.Minute), "A")
		l.Runs(5*time.Minute, hour.Add(80*time.Minute))
		first := l.Entry(l.HourAt(hour))
		l.Tenant.Add(lab.Stream, "changes", hour.Add(5*time.Minute), "B")
		l.Tenant.Add(lab.Stream, "late", hour.Add(6*time.Minute), "A")
		l.Runs(5*time.Minute, hour.Add(4*time.Hour+11*time.Minute))
		cov := l.HourAt(hour)
		require.Equal(l, []any{ledger.WindowComplete, int64(2), ledger.WindowSealed},
			[]any{cov.State, cov.Seals, cov.Word()})
		again := l.Entry(cov)
		require.Equal(l, "1 new and 1 changed records came after the seal", again.Reason)
		require.Equal(l, first.Leaves+2, again.Leaves)
		table := "leaves" + hour.Format("200601")
		whole, delta := 0, 0
		for _, row := range l.Service.Rows(table) {
			if !strings.HasPrefix(row.Key, hour.Format(entra.HourFormat)) {
				continue
			}
			if row.Raw("After") != "" {
				delta += len(row.Raw("Record"))
			} else {
				whole += len(row.Raw("Record"))
			}
		}
		require.Positive(l, delta)
		require.Less(l, 4*delta, whole, "a seal again keeps what was added")
		list, ok, err := l.Store.KeptLeaves(l.Context(), again)
		require.NoError(l, err)
		require.True(l, ok)
		require.Len(l, list.Leaves, int(again.Leaves))
		require.Len(l, list.Dates, int(again.Leaves))
		listsAre(l, again, list)
		require.Empty(l, lab.Tampering(l.Findings()))
	})
}

// listsAre compares a list with what is stored, as it was at the seal.
func listsAre(l *lab.Lab, s seal.Seal, list ledger.KeptList) {
	leaves, err := l.Store.Leaves(l.Context(), lab.Stream, s.Start, s.End())
	require.NoError(l, err)
	then := seal.LeavesAt(leaves[s.Start], s.SealedAt)
	require.Len(l, list.Leaves, len(then))
	for i, leaf := range then {
		require.Equal(l, ledger.KeptLeaf{Key: leaf.Key, Hash: [ledger.VersionHashBytes]byte(leaf.Hash[:])},
			list.Leaves[i], i)
		require.Equal(l, leaf.DatesAt(s.SealedAt), list.Dates[i], i)
	}
}

// TestListsThatGoOnFromEachOtherAreTheWholeOnes through twenty seals of one hour.
func TestListsThatGoOnFromEachOtherAreTheWholeOnes(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-30*time.Hour), lab.Start.Add(lab.Days), time.Minute)
		hour := entra.FloorHour(lab.Start.Add(-20 * time.Hour))
		l.SealIn()
		var all []seal.Seal
		for n := range 20 {
			for _, at := range []time.Duration{7, 30, 59} {
				l.Tenant.Add(lab.Stream, fmt.Sprint("changes-", at), hour.Add(at*time.Minute), fmt.Sprint(n%3))
			}
			l.Tenant.Add(lab.Stream, fmt.Sprint("late-", n), hour.Add(time.Duration(3*n)*time.Minute+time.Second), "A")
			time.Sleep(time.Hour)
			_, err := l.Collector(l.Store, l.Tenant).Range(l.Context(), lab.Execution(), []entra.Stream{lab.Stream},
				hour,
				hour.Add(time.Hour), lab.Budget)
			require.NoError(l, err)
			all = append(all, l.Entry(l.HourAt(hour)))
		}
		require.EqualValues(l, 21, l.HourAt(hour).Seals)
		for _, s := range all {
			list, ok, err := l.Store.KeptLeaves(l.Context(), s)
			require.NoError(l, err)
			require.True(l, ok, "entry %d", s.Number)
			listsAre(l, s, list)
		}
		require.Empty(l, lab.Tampering(l.Findings()))
	})
}

// TestAnHourThatChangedUnseenIsAskedForBeforeItIsSealedAgain: an attacker who can write the tables
// can make rows, ledger and totals agree, so their agreement proves nothing.
func TestAnHourThatChangedUnseenIsAskedForBeforeItIsSealedAgain(t *testing.T) {
	for _, state := range []ledger.WindowState{ledger.WindowComplete, ledger.WindowReopened} {
		t.Run(string(state), func(t *testing.T) {
			lab.In(t, func(l *lab.Lab) {
				l.Options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
				l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(3*lab.Days), 20*time.Minute)
				hour := entra.FloorHour(lab.Start).Add(2 * time.Hour)
				l.Runs(5*time.Minute, hour.Add(80*time.Minute))
				forged, err := logs.ParseRecord(lab.Stream, []byte(lab.Record(lab.Stream, "forged",
					lab.Start.Sub(hour.Add(time.Minute)), "Graph never had it")))
				require.NoError(l, err)
				forgeConsistently(l, forged, state)
				seals := l.HourAt(hour).Seals
				l.Runs(5*time.Minute, time.Now().Add(21*time.Minute))
				cov := l.HourAt(hour)
				require.EqualValues(l, 1, cov.Unmet)
				require.EqualValues(l, 3, cov.Records, "it is counted apart")
				require.Equal(l, seals+1, cov.Seals)
				require.Contains(l, l.Entry(cov).Reason, "1 that two reads of the whole hour did not meet")
				found := lab.Tampering(l.Findings())
				require.True(l, slices.ContainsFunc(found,
					func(f verify.Finding) bool {
						return f.Difference == verify.DiffAdded && f.Hour.Equal(hour)
					}), "%v", found)
			})
		})
	}
}

// forgeConsistently stores a record, and makes row and totals say that it was read.
func forgeConsistently(l *lab.Lab, rec entra.Record, state ledger.WindowState) {
	l.Plant(rec)
	w := rec.Window(lab.Stream)
	before, p := l.HourAt(w.Start), l.Progress(lab.Stream)
	now := before
	now.State, now.Reason = state, "1 new and 0 changed records came after the seal"
	has, err := l.Store.Count(l.Context(), w)
	require.NoError(l, err)
	p.Records, p.Bytes, p.StoredBytes = p.Records+1, p.Bytes+has.Bytes-now.Bytes, p.StoredBytes+
		has.StoredBytes-now.StoredBytes
	p.Unsealed, p.UnsealedFrom, p.UnsealedTo = 1, w.Start, w.End()
	if state == ledger.WindowReopened {
		p.Reopened, p.ReopenedFrom = 1, w.Start
	}
	now.Records, now.New, now.Fetched, now.Late = now.Records+1, now.New+1, now.Fetched+1, now.Late+1
	p.Late++
	now.Bytes, now.StoredBytes, now.Sum, now.Revision = has.Bytes, has.StoredBytes, has.Sum, now.Revision+1
	l.Write(p, now)
}

// TestAnHourThatWasTamperedWithHoldsUpNoOther: it is not sealed again, the run fails for it, and
// all others are sealed.
func TestAnHourThatWasTamperedWithHoldsUpNoOther(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(3*lab.Days), 20*time.Minute)
		hour := entra.FloorHour(lab.Start).Add(2 * time.Hour)
		l.Runs(5*time.Minute, hour.Add(80*time.Minute))
		before := l.HourAt(hour)
		var altered string
		for _, row := range l.Service.Rows(lab.TableOf(hour)) {
			if row.Partition == hour.Format(entra.HourFormat) {
				altered = row.Key
			}
		}
		body, err := json.Marshal(aztables.EDMEntity{
			Entity: aztables.Entity{PartitionKey: hour.Format(entra.HourFormat),
				RowKey: altered},
			Properties: map[string]any{"Hash": aztables.EDMBinary(make([]byte, 32))}})
		require.NoError(l, err)
		_, err = l.Hand(lab.TableOf(hour)).UpdateEntity(l.Context(), body,
			&aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge})
		require.NoError(l, err)
		l.Tenant.Add(lab.Stream, "late", hour.Add(6*time.Minute), "A")
		l.Tenant.Add(lab.Stream, "late", hour.Add(66*time.Minute), "A")
		failed := 0
		for time.Now().Before(hour.Add(6 * time.Hour)) {
			if _, err := l.Run(); err != nil {
				require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%v", err)
				failed++
			}
			time.Sleep(5 * time.Minute)
		}
		require.Positive(l, failed)
		require.Equal(l, before.Seals, l.HourAt(hour).Seals, "what was done to it is not covered up")
		next := l.HourAt(hour.Add(time.Hour))
		require.Equal(l, int64(2), next.Seals)
		require.EqualValues(l, 1, l.HourAt(hour.Add(3*time.Hour)).Seals)
		require.NotEmpty(l, lab.Tampering(l.Findings()))
		p := l.Progress(lab.Stream)
		require.EqualValues(l, 1, p.Quarantined, "what Graph has of the altered record")
		require.Equal(l, entra.FloorHour(p.Watermark).Add(-3*time.Hour), p.Passed.At(3*time.Hour), "passes go on")
	})
}

// TestAnHourThatIsLostInPartIsSealedAsFarAsItWasRead, and its seal says from when and until when
// nothing is known.
func TestAnHourThatIsLostInPartIsSealedAsFarAsItWasRead(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Tenant.Keeps = 7 * lab.Days
		l.Options.Backfill, l.Options.Passes = 7*lab.Days, []time.Duration{3 * time.Hour, 8 * lab.Days}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-8*lab.Days), lab.Start.Add(3*lab.Days), 20*time.Minute)
		l.Runs(5*time.Minute, lab.Start.Add(21*time.Minute))
		p := l.Progress(lab.Stream)
		require.Equal(l, int64(1), p.Lost)
		cov := l.HourAt(p.LostFrom)
		require.Equal(l, []any{ledger.WindowPartial, int64(1), ledger.WindowSealed},
			[]any{cov.State, cov.Seals, cov.Word()})
		require.Contains(l, l.Entry(cov).Reason, "nothing is known of it from "+cov.LostFrom.Format(time.RFC3339))
		require.Empty(l, lab.Tampering(l.Findings()))
	})
}

// TestARunThatLeavesTheStreamSealsWhatItChanged: it gives way to one that waits, right after a
// pass.
func TestARunThatLeavesTheStreamSealsWhatItChanged(t *testing.T) {
	lab.In(t, func(l *lab.Lab) {
		l.Options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.Tenant.Fill(lab.Stream, lab.Start.Add(-50*time.Hour), lab.Start.Add(3*lab.Days), 20*time.Minute)
		hour := entra.FloorHour(lab.Start).Add(2 * time.Hour)
		l.Runs(5*time.Minute, hour.Add(80*time.Minute))
		l.Tenant.Add(lab.Stream, "late", hour.Add(6*time.Minute), "A")
		l.Until(hour.Add(4*time.Hour + 10*time.Minute))
		u := &lab.Unruly{Forgetful: l.Tenant}
		u.Answer = func(_ int, q entra.Query) lab.Answer {
			if !q.From.After(hour) && q.To.After(hour) { // the pass
				require.NoError(l, l.Store.RequestLease(l.Context(), lab.Stream,
					ledger.Execution{ID: "waits", Work: "a test"}))
				return lab.Answer{Takes: 15 * time.Second}
			}
			return lab.Answer{}
		}
		report, err := l.RunOf(u, 8*time.Minute)
		require.NoError(l, err)
		require.True(l, report.Streams[0].Yielded)
		cov := l.HourAt(hour)
		require.EqualValues(l, 2, cov.Seals)
		require.True(l, cov.Sealed())
	})
}
