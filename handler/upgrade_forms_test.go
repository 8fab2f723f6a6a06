package main

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestAnArchiveInThePoorerFormIsBroughtToTheRicher has the version before archive a tenant from
// v1.0, whose values are partly spelt otherwise than beta's, and this one read it again.
func TestAnArchiveInThePoorerFormIsBroughtToTheRicher(t *testing.T) {
	streams := []entra.Stream{logs.DirectoryAudits, logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser,
		logs.Provisioning}
	v := newVersionsOf(t, buildVersion(t, thinVersion), simtenant.Config{Now: upgradeBegin, PageSize: 50,
		Retention: 90 * 24 * time.Hour, OtherSpelling: true,
		Generate: &generate.Config{Seed: 23, Users: 12, Apps: 3, Days: 24, End: upgradeBegin.AddDate(0, 0, 15),
			Policies: 2}}, streams...)
	old := v.startBefore()
	thin := v.archiveThin(old)
	now := v.start()
	v.requireVerified(now)
	v.enrichBetweenKills(&now)
	v.requireRich(thin)
	v.requireVerified(now, old)
	v.whole().requireReadable(now)

	// Back for a day: the version before reads v1.0 again, and loses nothing.
	v.at(3*day, old)
	v.at(3*day+4*hour, old)
	v.again(old, v.begin.Add(2*day))
	v.requireLedger()
	v.requireVerified(old, now)
	v.requireKept(thin)
	v.at(4*day, now)
	v.at(4*day+10*time.Minute, now)
	v.whole().requireTruth()
	v.requireLedger()
	v.requireKept(thin)
	v.requireVerified(now, old)
	for _, row := range now.coverage() {
		require.Zero(v, row["windowsThin"], "%v", row)
	}
}

// whole is the same archive without the stream whose sealed hours keep the members of enums that
// the version before did not ask for.
func (v *versions) whole() *versions {
	out := *v
	out.streams = slices.DeleteFunc(slices.Clone(v.streams), func(s entra.Stream) bool {
		return s == logs.SignInsNonInteractiveUser
	})
	return &out
}

// archiveThin leaves two days of the version before, most of it sealed, and returns the contents in
// the poorer form by stream.
func (v *versions) archiveThin(old *process) map[entra.Stream][]string {
	at := v.begin.Add(-8 * day)
	v.put("changed", at, time.Time{}, "A")
	v.at(0, old)
	v.change("changed", at, "B")
	v.again(old, at)
	v.at(26*hour, old)
	v.at(2*day, old)
	thin := make(map[entra.Stream][]string)
	for _, stream := range v.streams {
		for _, rec := range v.current(stream) {
			thin[stream] = append(thin[stream], string(rec.Raw))
		}
		require.NotEmpty(v, thin[stream])
		require.Positive(v, v.progress(stream).Seals)
		require.EqualValues(v, 1, v.progress(stream).Changed, stream)
		require.True(v, v.progress(stream).EnrichedTo.IsZero(), "it is the version before")
	}
	return thin
}

// enrichBetweenKills fires the timer, kills the process after a growing number of requests to
// Graph, and restarts it, until one run reaches its end.
func (v *versions) enrichBetweenKills(now **process) {
	v.tenant.Freeze(v.begin.Add(2*day + 10*time.Minute))
	for n := 3; n < 12; n += 3 {
		asked := len(v.tenant.Requests())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _, _ = (*now).fire() // it is killed
		}()
		require.Eventually(v, func() bool { // on a busy machine a run may end by its budget before
			select {
			case <-ended:
				return true
			default:
				return len(v.tenant.Requests()) >= asked+n
			}
		}, 2*time.Minute, time.Millisecond)
		(*now).kill()
		<-ended
		v.endLeases()
		*now = v.start()
	}
	v.at(2*day+20*time.Minute, *now) // finds what the killed ones left
	v.lateWritesArrived()
	v.at(2*day+30*time.Minute, *now)
	v.at(2*day+40*time.Minute, *now)
	v.at(2*day+50*time.Minute, *now)
}

// requireRich checks that every hour has the tenant's richest form, that nothing is counted as
// changed that only came in another form, and that the poorer contents are kept.
func (v *versions) requireRich(thin map[entra.Stream][]string) {
	v.Helper()
	v.whole().requireTruth()
	v.requireLedger()
	v.requireKept(thin)
	for _, stream := range v.streams {
		enriched, again := int64(0), 0
		for _, cov := range v.windows(stream) {
			require.False(v, cov.Thin(), "%s is %q", cov.Window, cov.Form)
			require.NotEqual(v, ledger.WindowReopened, cov.State, "%s", cov.Window)
			if enriched += cov.Enriched; cov.Seals > 1 {
				again++
			}
		}
		require.EqualValues(v, 1, v.progress(stream).Changed, "%s: only the one that changed", stream)
		if len(logs.Of(stream).Forms) == 1 {
			require.LessOrEqual(v, enriched, int64(len(thin[stream])),
				"%s: by passes, of members of enums that the version before did not ask for", stream)
			continue
		}
		require.GreaterOrEqual(v, enriched, int64(len(thin[stream])), stream)
		require.Greater(v, again, 12, "%s: hours that were sealed are sealed again", stream)
		require.NotZero(v, v.progress(stream).EnrichedTo)
	}
}

// requireKept checks that contents are stored still, as current ones or as versions.
func (v *versions) requireKept(contents map[entra.Stream][]string) {
	v.Helper()
	for stream, want := range contents {
		var all []string
		for hour := range v.storedByHour(stream) {
			for rec, err := range v.store.Records(v.Context(), entra.Window{Stream: stream, Start: hour}) {
				require.NoError(v, err)
				all = append(all, string(rec.Raw))
			}
		}
		slices.Sort(all)
		for _, text := range want {
			_, ok := slices.BinarySearch(all, text)
			require.True(v, ok, "%s: %s", stream, text)
		}
	}
}
