package lastseen_test

import (
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/lab"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/lastseen"
	"github.com/entraledger/entraledger/internal/logs"
)

// A grace that is made longer has all restores of the longer time.
func TestALongerGraceHasTheRestoresOfItsFirstDay(t *testing.T) {
	in(t, func(a *archive) {
		a.source = directory.Source{Stream: logs.DirectoryAudits, Tells: directory.TellsRestores}
		at := begin.Add(-4 * time.Hour) // 01:00
		a.Tenant.AddRaw(a.source.Stream, fmt.Sprintf(`{"id":"a","activityDateTime":%q,"result":"success",
			"activityDisplayName":"Restore user","targetResources":[{"id":%q,"type":"User"}]}`,
			at.Format(time.RFC3339), anna))
		a.until(at.Add(14*lab.Days + 2*time.Hour))
		ask := func(before directory.Seen, grace time.Duration) directory.Seen {
			seen, err := lastseen.New(a.store, slog.New(slog.DiscardHandler)).GoOn(a.Context(), a.source, before,
				time.Now().Add(-grace), time.Now().UTC())
			require.NoError(t, err)
			return seen
		}
		require.Contains(t, ask(directory.Seen{}, 30*lab.Days).Times, anna)
		short := ask(directory.Seen{}, 14*lab.Days)
		require.NotContains(t, short.Times, anna)
		require.Contains(t, ask(short, 30*lab.Days).Times, anna, "INACTIVE_GRACE_AFTER_RESTORE was made 30d")
	})
}

// A sign-in whose record is another one a few hours later, as a failure, is no success any more:
// who goes on with what was known, and who reads from the begin, say the same.
func TestASuccessThatBecomesAFailureIsNone(t *testing.T) {
	in(t, func(a *archive) {
		a.until(begin.Add(3 * time.Hour))
		at := a.signsIn(anna, time.Now().UTC().Add(-30*time.Minute).Truncate(time.Second), 0)
		a.until(time.Now().Add(time.Minute))
		seen := a.anew()
		require.Contains(t, seen.Times, anna)
		a.Tenant.AddRaw(lab.Stream, fmt.Sprintf(
			`{"id":"s%d","createdDateTime":%q,"userId":%q,"status":{"errorCode":50140}}`, a.signs,
			at.Format(time.RFC3339Nano), anna))
		a.until(time.Now().Add(4 * lab.Days))
		anew := a.anew()
		seen, _ = a.goOn(seen)
		require.Equal(t, anew.Times, seen.Times)
	})
}

// A restore of five days ago, in the first night after an upgrade: the audits are archived, and no
// view is made yet.
func TestTheFirstNightAfterAnUpgradeKnowsRestores(t *testing.T) {
	in(t, func(a *archive) {
		a.source = directory.Source{Stream: logs.DirectoryAudits, Tells: directory.TellsRestores}
		a.Tenant.AddRaw(a.source.Stream, fmt.Sprintf(`{"id":"a","activityDateTime":%q,"result":"success",
			"activityDisplayName":"Restore user","targetResources":[{"id":%q,"type":"User"}]}`,
			begin.Add(-5*lab.Days).Format(time.RFC3339), anna))
		a.Runs(3*time.Hour, begin.Add(5*time.Hour), a.source.Stream)
		require.Contains(t, a.anew().Times, anna)
	})
}
