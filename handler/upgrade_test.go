package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestAnArchiveOfTheVersionBefore has real processes of both versions work on one archive.
func TestAnArchiveOfTheVersionBefore(t *testing.T) {
	before := buildVersion(t, versionBefore)
	t.Run("is upgraded, goes back for a day, and is upgraded again", func(t *testing.T) {
		upgradeAndRollBack(t, before)
	})
	t.Run("is right after both versions ran at the same time", func(t *testing.T) { drain(t, before) })
	for _, newIsLate := range []bool{false, true} {
		t.Run(fmt.Sprintf("is right after a page came late, of the new version: %v", newIsLate),
			func(t *testing.T) { cross(t, before, newIsLate) })
	}
	t.Run("that its faults have harmed is mended", func(t *testing.T) { mendHarmed(t, before) })
	t.Run("whose contents came back is sealed again", func(t *testing.T) { comeBack(t, before) })
	t.Run("that is harmed where it is sealed says so", func(t *testing.T) { nameHarmed(t, before) })
	t.Run("whose purge was interrupted is mended", func(t *testing.T) { mendPurge(t, before) })
}

const hour, day = time.Hour, 24 * time.Hour

// upgradeAndRollBack goes the way of an operator who does not trust the new version at once.
func upgradeAndRollBack(t *testing.T, before string) {
	v := newVersions(t, before, logs.SignInsServicePrincipal, logs.SignInsNonInteractiveUser, logs.Provisioning)
	old := v.startBefore()
	v.archiveWithBefore(old)

	now := v.start()
	v.upgrade(old, now)
	seals := v.goOn(old, now)
	for _, stream := range v.streams {
		require.Positive(t, seals[stream])
	}

	v.rollBack(old, now)
	v.upgradeAgain(now)
}

// archiveWithBefore leaves what the version before makes of two days: backfill, passes, seals, a
// changed record, one that changes and changes back, a late one that has its hour sealed again, and
// one that can't be filed.
func (v *versions) archiveWithBefore(old *process) {
	at := v.begin.Add(-2 * hour)
	v.put("first", v.begin.Add(-9*day), time.Time{}, "the oldest of every stream")
	v.put("changed", at, time.Time{}, "A")
	v.put("there and back", at.Add(time.Minute), time.Time{}, "A")
	v.put("late", v.begin.Add(-8*day), v.begin.Add(20*hour), "late")
	v.put("broken", at, time.Time{}, "A")
	for _, stream := range v.streams {
		require.Equal(v, 1, v.tenant.Change(stream, "broken", bulky(stream, "", at, "it has no id")))
	}
	v.at(0, old)
	v.at(10*time.Minute, old)
	v.change("changed", at, "B")
	v.change("there and back", at.Add(time.Minute), "B")
	v.at(4*hour, old)
	v.change("there and back", at.Add(time.Minute), "A")
	v.at(26*hour, old)
	v.again(old, v.begin.Add(-8*day))
	v.at(26*hour+10*time.Minute, old)
	for _, stream := range v.streams {
		p := v.progress(stream)
		require.Greater(v, p.Seals, int64(24), stream)
		require.Equal(v, int64(2), v.window(stream, v.begin.Add(-8*day)).Seals, stream)
		require.EqualValues(v, 1, p.Quarantined, stream)
		require.EqualValues(v, 2, v.window(stream, at).Versions, stream)
		require.True(v, p.SteppedAt.IsZero(), "it is the version before")
	}
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(old)
}

// upgrade has the new version read what it finds, and then run.
func (v *versions) upgrade(old, now *process) {
	v.requireVerified(now)
	v.requireReadable(now)
	for _, stream := range v.streams {
		_, body := now.raw("/api/coverage/" + string(stream) + "?status=settled&$top=1000")
		rows := gjson.GetBytes(body, "value").Array()
		require.NotEmpty(v, rows)
		for _, row := range rows {
			require.False(v, row.Get("contentSum").Exists(), "%s", row)
			require.Equal(v, "it was counted by a version that kept no sum over its contents", row.Get("reason").Str)
		}
	}
	v.at(2*day, now)
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now, old)
	v.requireReadable(now)
}

// goOn lets the new version archive two more days, and returns how many entries each log has then.
func (v *versions) goOn(old, now *process) (seals map[entra.Stream]int64) {
	at := v.begin.Add(2*day + hour)
	v.put("changed by the new version", at, time.Time{}, "A")
	v.put("there and back by the new version", at, time.Time{}, "A")
	v.put("late for the new version", v.begin.Add(-8*day), v.begin.Add(2*day), "late again")
	v.at(2*day+2*hour, now)
	v.change("changed by the new version", at, "B")
	v.change("there and back by the new version", at, "B")
	v.at(2*day+6*hour, now)
	v.lateWritesArrived()
	v.change("there and back by the new version", at, "A")
	before := v.progress(v.streams[0]).Seals
	v.at(3*day+3*hour, now)
	v.at(3*day+3*hour+10*time.Minute, now)
	require.Greater(v, v.progress(v.streams[0]).Seals, before, "sealing goes on")
	v.again(now, v.begin.Add(-8*day))
	seals = make(map[entra.Stream]int64)
	for _, stream := range v.streams {
		require.Equal(v, int64(3), v.window(stream, v.begin.Add(-8*day)).Seals, stream)
		require.EqualValues(v, 2, v.window(stream, at).Versions, stream)
		seals[stream] = v.progress(stream).Seals
		v.requireSums(stream, before)
	}
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now, old)
	return seals
}

// requireSums checks that every hour that was sealed from an entry of the log on has a sum.
func (v *versions) requireSums(stream entra.Stream, from int64) {
	v.Helper()
	sealed := 0
	for _, cov := range v.windows(stream) {
		if cov.State == ledger.WindowSealed && cov.LastSeal >= from {
			require.True(v, cov.HasSum, "%s", cov.Window)
			sealed++
		}
	}
	require.Positive(v, sealed, stream)
}

// rollBack has the version before run for a day on what the new one wrote.
func (v *versions) rollBack(old, now *process) {
	at := v.begin.Add(4*day - hour)
	v.put("changed after the way back", at, time.Time{}, "A")
	v.put("late after the way back", v.begin.Add(-6*day), v.begin.Add(4*day+hour), "late")
	v.put("there and back over both", at.Add(time.Minute), time.Time{}, "A")
	v.at(4*day, now)
	v.change("there and back over both", at.Add(time.Minute), "B")
	v.change("changed after the way back", at, "B")
	v.at(4*day+4*hour, old)
	v.again(old, v.begin.Add(-6*day))
	v.at(5*day, old)
	v.at(5*day+3*hour, old)
	for _, stream := range v.streams {
		require.True(v, v.progress(stream).SteppedAt.IsZero(), "the version before drops what it does not know")
	}
	v.requireTruth()
	v.requireLedger()
	// The version before does not know that an hour can be sealed before its last pass: its own
	// verify reports what it added to such an hour as tampering, until it seals the hour again.
	v.requireVerified(now)
}

// upgradeAgain has the new version find what the version before dropped.
func (v *versions) upgradeAgain(now *process) {
	v.requireReadable(now)
	v.change("there and back over both", v.begin.Add(4*day-hour+time.Minute), "A")
	first := v.progress(v.streams[0]).Seals
	v.at(5*day+5*hour, now)
	v.lateWritesArrived()
	v.at(6*day, now)
	v.at(13*day, now)
	v.at(13*day+10*time.Minute, now)
	for _, stream := range v.streams {
		p := v.progress(stream)
		require.Equal(v, v.begin.Add(6*day).Truncate(hour), p.SealedTo.Truncate(hour), stream)
		require.False(v, p.SteppedAt.IsZero())
		require.Empty(v, p.Suspects)
		require.EqualValues(v, 2, v.window(stream, v.begin.Add(4*day-hour)).Versions, "%s: B of both", stream)
		v.requireSums(stream, first)
	}
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now)
	v.requireReadable(now)
	for _, row := range now.coverage() {
		require.Equal(v, "current", row["status"], "%v", row)
		require.EqualValues(v, 1, row["quarantined"], "%v", row)
		require.Zero(v, row["windowsInDoubt"], "%v", row)
		require.NotContains(v, row, "gaps")
		require.EqualValues(v, len(v.current(entra.Stream(row["stream"].(string)))), row["records"])
	}
	status, _ := now.raw("/api/verify?stream=" + string(v.streams[0]))
	require.Equal(v, http.StatusOK, status.StatusCode)
}
