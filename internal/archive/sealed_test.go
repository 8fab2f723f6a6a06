package archive_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/archive"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/seal"
)

func (l *lab) entry(cov archive.Coverage) seal.Seal {
	s, err := l.store.Seal(l.Context(), cov.Stream, cov.LastSeal)
	require.NoError(l, err)
	return s
}

// hourOfStart is the hour before the first run's end; it was read by the backfill or the frontier.
func (l *lab) hourAt(at time.Time) archive.Coverage {
	cov, ok := l.hours(stream)[entra.FloorHour(at)]
	require.True(l, ok, "%s", at)
	return cov
}

// TestAnHourIsSealedWhenItWasRead, within seventy minutes of its begin, and settled after its last
// pass without another seal where nothing came.
func TestAnHourIsSealedWhenItWasRead(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(3*days), 20*time.Minute)
		hour := entra.FloorHour(start).Add(2 * time.Hour)
		l.runs(5*time.Minute, hour.Add(70*time.Minute+time.Second))
		cov := l.hourAt(hour)
		require.Equal(l, []any{archive.WindowComplete, int64(1), archive.WindowSealed}, []any{cov.State, cov.Seals, cov.Word()})
		s := l.entry(cov)
		require.True(l, s.Dated)
		require.EqualValues(l, 3, s.Leaves)
		require.Empty(l, s.Reason)
		require.LessOrEqual(l, s.SealedAt.Sub(hour), 70*time.Minute)
		p := l.progress(stream)
		require.Zero(l, p.Unsealed)
		require.Equal(l, p.Seals, p.Heads, "a head stands for it")
		require.Equal(l, entra.FloorHour(p.Watermark), p.SealedUntil())
		seals := p.Seals
		l.runs(time.Hour, hour.Add(27*time.Hour))
		cov = l.hourAt(hour)
		require.Equal(l, []any{archive.WindowSealed, int64(1), archive.WindowSettled}, []any{cov.State, cov.Seals, cov.Word()})
		require.LessOrEqual(l, l.progress(stream).Seals-seals, int64(28), "an entry an hour")
		require.Empty(l, tampering(l.findings()))
		l.checkClaims(stream)
	})
}

func (l *lab) findings() []archive.Finding {
	findings, _ := verify(l.T, l.store, l.heads)
	return findings
}

// TestWhatALaterPassAddsIsSealedWithTheReason, in the same run, and keeps only what was added.
func TestWhatALaterPassAddsIsSealedWithTheReason(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(3*days), time.Minute)
		hour := entra.FloorHour(start).Add(2 * time.Hour)
		l.tenant.add(stream, "changes", hour.Add(5*time.Minute), "A")
		l.runs(5*time.Minute, hour.Add(80*time.Minute))
		first := l.entry(l.hourAt(hour))
		l.tenant.add(stream, "changes", hour.Add(5*time.Minute), "B")
		l.tenant.add(stream, "late", hour.Add(6*time.Minute), "A")
		l.runs(5*time.Minute, hour.Add(4*time.Hour+11*time.Minute))
		cov := l.hourAt(hour)
		require.Equal(l, []any{archive.WindowComplete, int64(2), archive.WindowSealed}, []any{cov.State, cov.Seals, cov.Word()})
		again := l.entry(cov)
		require.Equal(l, "1 new and 1 changed records came after the seal", again.Reason)
		require.Equal(l, first.Leaves+2, again.Leaves)
		table := "leaves" + hour.Format("200601")
		whole, delta := 0, 0
		for _, row := range l.service.Rows(table) {
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
		list, ok, err := l.store.KeptLeaves(l.Context(), again)
		require.NoError(l, err)
		require.True(l, ok)
		require.Len(l, list.Leaves, int(again.Leaves))
		require.Len(l, list.Dates, int(again.Leaves))
		l.listsAre(again, list)
		require.Empty(l, tampering(l.findings()))
	})
}

// listsAre compares a list with what is stored, as it was at the seal.
func (l *lab) listsAre(s seal.Seal, list archive.KeptList) {
	leaves, err := l.store.Leaves(l.Context(), stream, s.Start, s.End())
	require.NoError(l, err)
	then := seal.LeavesAt(leaves[s.Start], s.SealedAt)
	require.Len(l, list.Leaves, len(then))
	for i, leaf := range then {
		require.Equal(l, archive.KeptLeaf{Key: leaf.Key, Hash: [archive.VersionHashBytes]byte(leaf.Hash[:])}, list.Leaves[i], i)
		require.Equal(l, leaf.DatesAt(s.SealedAt), list.Dates[i], i)
	}
}

// TestListsThatGoOnFromEachOtherAreTheWholeOnes through twenty seals of one hour.
func TestListsThatGoOnFromEachOtherAreTheWholeOnes(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.fill(stream, start.Add(-30*time.Hour), start.Add(days), time.Minute)
		hour := entra.FloorHour(start.Add(-20 * time.Hour))
		l.sealIn()
		var all []seal.Seal
		for n := range 20 {
			for _, at := range []time.Duration{7, 30, 59} {
				l.tenant.add(stream, fmt.Sprint("changes-", at), hour.Add(at*time.Minute), fmt.Sprint(n%3))
			}
			l.tenant.add(stream, fmt.Sprint("late-", n), hour.Add(time.Duration(3*n)*time.Minute+time.Second), "A")
			time.Sleep(time.Hour)
			_, err := l.collector(l.store, l.tenant).Range(l.Context(), execution(), []entra.Stream{stream}, hour, hour.Add(time.Hour), budget)
			require.NoError(l, err)
			all = append(all, l.entry(l.hourAt(hour)))
		}
		require.EqualValues(l, 21, l.hourAt(hour).Seals)
		for _, s := range all {
			list, ok, err := l.store.KeptLeaves(l.Context(), s)
			require.NoError(l, err)
			require.True(l, ok, "entry %d", s.Number)
			l.listsAre(s, list)
		}
		require.Empty(l, tampering(l.findings()))
	})
}

// TestAnHourThatChangedUnseenIsAskedForBeforeItIsSealedAgain: whoever can write the tables can make
// rows, ledger and totals agree, so that they do tells nothing.
func TestAnHourThatChangedUnseenIsAskedForBeforeItIsSealedAgain(t *testing.T) {
	for _, state := range []archive.WindowState{archive.WindowComplete, archive.WindowReopened} {
		t.Run(string(state), func(t *testing.T) {
			inLab(t, func(l *lab) {
				l.options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
				l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(3*days), 20*time.Minute)
				hour := entra.FloorHour(start).Add(2 * time.Hour)
				l.runs(5*time.Minute, hour.Add(80*time.Minute))
				forged, err := logs.ParseRecord(stream, []byte(record(stream, "forged", start.Sub(hour.Add(time.Minute)), "Graph never had it")))
				require.NoError(l, err)
				l.forgeConsistently(forged, state)
				seals := l.hourAt(hour).Seals
				l.runs(5*time.Minute, time.Now().Add(21*time.Minute))
				cov := l.hourAt(hour)
				require.EqualValues(l, 1, cov.Unmet)
				require.EqualValues(l, 3, cov.Records, "it is counted apart")
				require.Equal(l, seals+1, cov.Seals)
				require.Contains(l, l.entry(cov).Reason, "1 that two reads of the whole hour did not meet")
				found := tampering(l.findings())
				require.True(l, slices.ContainsFunc(found, func(f archive.Finding) bool { return f.Difference == archive.DiffAdded && f.Hour.Equal(hour) }), "%v", found)
			})
		})
	}
}

// forgeConsistently stores a record, and makes row and totals say that it was read.
func (l *lab) forgeConsistently(rec entra.Record, state archive.WindowState) {
	l.plant(rec)
	w := rec.Window(stream)
	before, p := l.hourAt(w.Start), l.progress(stream)
	now := before
	now.State, now.Reason = state, "1 new and 0 changed records came after the seal"
	has, err := l.store.Count(l.Context(), w)
	require.NoError(l, err)
	p.Records, p.Bytes, p.StoredBytes = p.Records+1, p.Bytes+has.Bytes-now.Bytes, p.StoredBytes+has.StoredBytes-now.StoredBytes
	p.Unsealed, p.UnsealedFrom, p.UnsealedTo = 1, w.Start, w.End()
	if state == archive.WindowReopened {
		p.Reopened, p.ReopenedFrom = 1, w.Start
	}
	now.Records, now.New, now.Fetched, now.Late = now.Records+1, now.New+1, now.Fetched+1, now.Late+1
	p.Late++
	now.Bytes, now.StoredBytes, now.Sum, now.Revision = has.Bytes, has.StoredBytes, has.Sum, now.Revision+1
	l.write(p, now)
}

// TestAnHourThatWasTamperedWithHoldsUpNoOther: it is not sealed again, the run fails for it, and
// all others are sealed.
func TestAnHourThatWasTamperedWithHoldsUpNoOther(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(3*days), 20*time.Minute)
		hour := entra.FloorHour(start).Add(2 * time.Hour)
		l.runs(5*time.Minute, hour.Add(80*time.Minute))
		before := l.hourAt(hour)
		var altered string
		for _, row := range l.service.Rows(tableOf(hour)) {
			if row.Partition == hour.Format(entra.HourFormat) {
				altered = row.Key
			}
		}
		body, err := json.Marshal(aztables.EDMEntity{Entity: aztables.Entity{PartitionKey: hour.Format(entra.HourFormat), RowKey: altered},
			Properties: map[string]any{"Hash": aztables.EDMBinary(make([]byte, 32))}})
		require.NoError(l, err)
		_, err = l.hand(tableOf(hour)).UpdateEntity(l.Context(), body, &aztables.UpdateEntityOptions{UpdateMode: aztables.UpdateModeMerge})
		require.NoError(l, err)
		l.tenant.add(stream, "late", hour.Add(6*time.Minute), "A")
		l.tenant.add(stream, "late", hour.Add(66*time.Minute), "A")
		failed := 0
		for time.Now().Before(hour.Add(6 * time.Hour)) {
			if _, err := l.run(); err != nil {
				require.Equal(l, entra.CodeTampered, entra.CodeOf(err), "%v", err)
				failed++
			}
			time.Sleep(5 * time.Minute)
		}
		require.Positive(l, failed)
		require.Equal(l, before.Seals, l.hourAt(hour).Seals, "what was done to it is not covered up")
		next := l.hourAt(hour.Add(time.Hour))
		require.Equal(l, int64(2), next.Seals)
		require.EqualValues(l, 1, l.hourAt(hour.Add(3*time.Hour)).Seals)
		require.NotEmpty(l, tampering(l.findings()))
		p := l.progress(stream)
		require.EqualValues(l, 1, p.Quarantined, "what Graph has of the altered record")
		require.Equal(l, entra.FloorHour(p.Watermark).Add(-3*time.Hour), p.Passed.At(3*time.Hour), "passes go on")
	})
}

// TestAnHourThatIsLostInPartIsSealedAsFarAsItWasRead, and its seal says from when and until when
// nothing is known.
func TestAnHourThatIsLostInPartIsSealedAsFarAsItWasRead(t *testing.T) {
	inLab(t, func(l *lab) {
		l.tenant.keeps = 7 * days
		l.options.Backfill, l.options.Passes = 7*days, []time.Duration{3 * time.Hour, 8 * days}
		l.tenant.fill(stream, start.Add(-8*days), start.Add(3*days), 20*time.Minute)
		l.runs(5*time.Minute, start.Add(21*time.Minute))
		p := l.progress(stream)
		require.Equal(l, int64(1), p.Lost)
		cov := l.hourAt(p.LostFrom)
		require.Equal(l, []any{archive.WindowPartial, int64(1), archive.WindowSealed}, []any{cov.State, cov.Seals, cov.Word()})
		require.Contains(l, l.entry(cov).Reason, "nothing is known of it from "+cov.LostFrom.Format(time.RFC3339))
		require.Empty(l, tampering(l.findings()))
	})
}

// TestARunThatLeavesTheStreamSealsWhatItChanged: it gives way to one that waits, right after a
// pass.
func TestARunThatLeavesTheStreamSealsWhatItChanged(t *testing.T) {
	inLab(t, func(l *lab) {
		l.options.Passes = []time.Duration{3 * time.Hour, 24 * time.Hour}
		l.tenant.fill(stream, start.Add(-50*time.Hour), start.Add(3*days), 20*time.Minute)
		hour := entra.FloorHour(start).Add(2 * time.Hour)
		l.runs(5*time.Minute, hour.Add(80*time.Minute))
		l.tenant.add(stream, "late", hour.Add(6*time.Minute), "A")
		l.until(hour.Add(4*time.Hour + 10*time.Minute))
		u := &unruly{forgetful: l.tenant}
		u.answer = func(_ int, q entra.Query) answer {
			if !q.From.After(hour) && q.To.After(hour) { // the pass
				require.NoError(l, l.store.Wish(l.Context(), stream, archive.Execution{ID: "waits", Work: "a test"}))
				return answer{takes: 15 * time.Second}
			}
			return answer{}
		}
		report, err := l.runOf(u, 8*time.Minute)
		require.NoError(l, err)
		require.True(l, report.Streams[0].Yielded)
		cov := l.hourAt(hour)
		require.EqualValues(l, 2, cov.Seals)
		require.True(l, cov.Sealed())
	})
}
