package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestAnArchiveThatWasSealedLateIsSealedEarly: the version that seals an hour after its last pass,
// and without dates, archives two days; then this version; then that one for a day; then this one.
func TestAnArchiveThatWasSealedLateIsSealedEarly(t *testing.T) {
	v := newVersions(t, buildVersion(t, onceVersion), logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser,
		logs.Provisioning)
	old := v.startBefore()
	long, young := v.begin.Add(-8*day), v.begin.Add(-2*hour)
	v.archiveSealedOnce(old, long, young)

	changed := v.begin.Add(2*day - hour)
	v.put("changed in a sealed hour", changed, time.Time{}, "A")
	now := v.start()
	v.requireVerified(now, old)
	v.requireReadable(now)
	v.at(2*day, now)
	v.requireSealedEarly()
	v.at(2*day+10*time.Minute, now)
	v.requireVerified(now, old)

	// Back for a day: the version before adds to hours that were sealed early, and completes some.
	v.change("changed in a sealed hour", changed, "B")
	v.put("late in a sealed hour", changed.Add(time.Minute), v.begin.Add(2*day+2*hour), "late")
	v.put("late again in a settled hour", long, v.begin.Add(2*day+2*hour), "late")
	v.at(2*day+5*hour, old)
	v.again(old, long)
	v.at(3*day, old)
	for _, stream := range v.streams {
		require.False(v, v.progress(stream).Recounted, "the version before drops what it does not know")
	}
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now)
	v.requireReadable(now)

	v.at(3*day+10*time.Minute, now)
	v.at(3*day+20*time.Minute, now)
	v.requireSealedEarly()
	for _, stream := range v.streams {
		require.EqualValues(v, 1, v.window(stream, changed).Versions, stream)
	}
	v.at(11*day, now)
	v.at(11*day+10*time.Minute, now)
	for _, stream := range v.streams {
		p := v.progress(stream)
		require.Equal(v, v.begin.Add(4*day).Truncate(hour), p.SettledUntil(), stream)
	}
	v.requireSealedEarly()
	v.requireVerified(now)
	v.requireReadable(now)
}

// archiveSealedOnce leaves two days of the version before: passes, seals, an hour that was sealed
// again, a changed record, and one that came back.
func (v *versions) archiveSealedOnce(old *process, long, young time.Time) {
	v.put("first", v.begin.Add(-9*day), time.Time{}, "the oldest of every stream")
	v.put("changed", young, time.Time{}, "A")
	v.put("there and back", young.Add(time.Minute), time.Time{}, "A")
	v.put("late", long, v.begin.Add(20*hour), "late")
	v.at(0, old)
	v.change("changed", young, "B")
	v.change("there and back", young.Add(time.Minute), "B")
	v.at(4*hour, old)
	v.change("there and back", young.Add(time.Minute), "A")
	v.at(26*hour, old)
	v.again(old, long)
	v.at(26*hour+10*time.Minute, old)
	for _, stream := range v.streams {
		require.Equal(v, int64(2), v.window(stream, long).Seals, stream)
		require.Zero(v, v.window(stream, young).Seals, "%s: it is sealed after a week", stream)
		require.False(v, v.progress(stream).Recounted, "it is the version before")
	}
	v.requireVerified(old)
}

// requireSealedEarly checks that everything that was read is sealed as it is, with its dates where
// this version sealed it, and that the archive is the tenant's truth.
func (v *versions) requireSealedEarly() {
	v.Helper()
	for _, stream := range v.streams {
		p := v.progress(stream)
		require.Zero(v, p.Unsealed, "%s: from %s to %s", stream, p.UnsealedFrom, p.UnsealedTo)
		require.Equal(v, entra.FloorHour(p.Watermark), p.SealedUntil(), stream)
		dated := make(map[int64]bool)
		for entry, err := range v.store.Seals(v.Context(), stream) {
			require.NoError(v, err)
			dated[entry.Number] = entry.Dated
		}
		early := 0
		for _, cov := range v.windows(stream) {
			if !cov.State.IsRead() {
				continue
			}
			require.True(v, cov.Sealed(), "%s is %s, revision %d, sealed %d", cov.Window, cov.State, cov.Revision,
				cov.SealedRevision)
			if cov.State == ledger.WindowComplete && cov.Records > 0 {
				require.True(v, dated[cov.LastSeal], "%s", cov.Window)
				early++
			}
		}
		require.Positive(v, early, stream)
	}
	v.requireTruth()
	v.requireLedger()
}
