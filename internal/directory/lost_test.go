package directory_test

import (
	"context"
	"iter"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/snapshots"
	"github.com/entraledger/entraledger/internal/entra"
)

// once is a store that fails one reading of a partition of a snapshot.
type once struct {
	directory.Store
	id, partition string
	left          *int
}

func (s once) Rows(ctx context.Context, id string, r directory.Range) iter.Seq2[directory.Row, error] {
	if id == s.id && r.Partition == s.partition && *s.left > 0 {
		*s.left--
		return func(yield func(directory.Row, error) bool) {
			yield(directory.Row{}, &entra.Error{Code: entra.CodeUnavailable, Doing: "read", Why: "for a moment"})
		}
	}
	return s.Store.Rows(ctx, id, r)
}

// The report of use is refused, that is believed, and the storage fails for a moment. Before the
// next run the report is back.
func TestAFailureOfTheStorageBehindALossIsNoLoss(t *testing.T) {
	for what, c := range map[string]struct {
		stream    entra.Stream
		partition string
	}{
		"credentialUse":       {simtenant.CredentialUse, directory.ReadUse},
		"group " + exceptions: {simtenant.GroupMembers, directory.ReadMembers},
	} {
		subtest(t, what, func(t *testing.T) {
			h := withExceptions(t)
			addApps(h.tenant, 2)
			h.tenant.AddObject(simtenant.CredentialUse, []byte(`{"id":"u","appId":"a-app00","keyId":"a-key00",
				"signInActivity":{"lastSignInDateTime":"2026-11-20T00:00:00Z"}}`))
			first := h.at(0)
			h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: c.stream})
			left := 0
			h.wrap = func(s directory.Store) directory.Store { return once{s, first.ID, c.partition, &left} }
			h.tenant.Freeze(now.Add(day))
			_, err := h.run(t.Context(), true)
			require.NoError(t, err)
			h.tenant.Freeze(h.tenant.Now().Add(70 * time.Minute))
			left = 1
			report, err := h.run(t.Context(), true)
			require.Error(t, err)
			require.False(t, report.Finished)
			require.Zero(t, left)
			h.tenant.ClearFaults()
			l := &lossy{house: h}
			snap := l.until(day + 80*time.Minute)
			require.Empty(t, snap.Carried, "it was read")
			require.Nil(t, snap.WhyUndisclosed(what))
		})
		subtest(t, what+", refused on", func(t *testing.T) {
			h := withExceptions(t)
			addApps(h.tenant, 2)
			h.tenant.AddObject(simtenant.CredentialUse, []byte(`{"id":"u","appId":"a-app00","keyId":"a-key00",
				"signInActivity":{"lastSignInDateTime":"2026-11-20T00:00:00Z"}}`))
			first := h.at(0)
			h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: c.stream})
			left := 0
			h.wrap = func(s directory.Store) directory.Store { return once{s, first.ID, c.partition, &left} }
			h.tenant.Freeze(now.Add(day))
			_, err := h.run(t.Context(), true)
			require.NoError(t, err)
			h.tenant.Freeze(h.tenant.Now().Add(70 * time.Minute))
			left = 1
			_, err = h.run(t.Context(), true)
			require.Error(t, err)
			l := &lossy{house: h}
			snap := l.until(day + 80*time.Minute)
			n := 0
			for _, one := range snap.Carried {
				if one.What == what {
					n++
				}
			}
			require.Equal(t, 1, n, "named once")
		})
	}
}

// After three days the permission is still lost: nothing in the tenant has become better.
func TestTheTimerFailsForAsLongAsAPermissionIsLost(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.refuse()
		s := snapshots.NewSnapshotter(h.source, h.store, h.archive, snapshots.Options{Every: 12 * time.Hour},
			h.tenant.Now, slog.New(slog.DiscardHandler))
		for night := 1; night <= 5; night++ {
			h.until(time.Duration(night) * day)
			h.tenant.Freeze(h.tenant.Now().Add(time.Minute))
			report, err := h.run(t.Context(), false)
			require.NoError(t, err)
			require.Error(t, s.Check(t.Context(), report, err, report.Now, time.Hour), "night %d", night)
		}
	})
}

// The rows of the older snapshot are deleted while it stands in.
func TestAnOlderSnapshotWhoseTableIsGoneIsTheRefusal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.refuse()
		h.until(day)
		require.NoError(t, h.store.DropRows(t.Context(), now.Format("20060102T150405Z")))
		_, err := h.reader.Users(t.Context(), directory.UserQuery{Days: 30}, 2, true, "")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "without $skiptoken", "there was none, and there is nothing newer")
		_, err = h.reader.Credentials(t.Context(), directory.CredentialQuery{}, 2, false, "")
		require.Error(t, err)
	})
}

// What may not be read is refused, as in lists: nobody knows that there is no such user.
func TestASingleObjectThatMayNotBeReadIsRefusedAndNotAbsent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newLossy(t)
		h.refuse()
		for night := 1; night <= 4; night++ {
			h.until(time.Duration(night) * day)
		}
		_, _, err := h.reader.User(t.Context(), "a@x", 30)
		assert.Equal(t, entra.CodePermission, entra.CodeOf(err), "%v", err)
		_, err = h.reader.Application(t.Context(), "a-app00", 0, 0)
		assert.Equal(t, entra.CodePermission, entra.CodeOf(err), "%v", err)
	})
}
