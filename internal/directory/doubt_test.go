package directory_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
)

func TestARefusalOfWhatWasDisclosedFailsNothingAndFlipsNothingBeforeItHasLasted(t *testing.T) {
	t.Parallel()
	for what, refused := range map[string]string{"signInActivity": collections.Users,
		"applications":      collections.Applications,
		"servicePrincipals": collections.ServicePrincipals, "credentialUse": collections.CredentialUse,
		"applicationUse": collections.ApplicationUse} {
		codes := []entra.Code{entra.CodeLicence, entra.CodePermission, entra.CodeNotFound}
		if strings.HasSuffix(what, "Use") {
			codes = append(codes, entra.CodeRefused)
		}
		for _, code := range codes {
			subtest(t, what+", "+string(code), func(t *testing.T) { refuses(t, what, refused, code) })
		}
	}
}

func refuses(t *testing.T, what string, refused string, code entra.Code) {
	n, on := newQuickNight(t), false
	n.from = bent{quick{n}, func(q collections.Query, _ string, page collections.Page) (collections.Page, error) {
		if on && q.Collection.Word == refused {
			return collections.Page{}, &entra.Error{Code: code, Doing: "read " + what, Why: "no"}
		}
		return page, nil
	}}
	older := n.whole(0)
	on = true
	for _, after := range []time.Duration{0, 30 * time.Minute, 59 * time.Minute} {
		summary, err := n.fire(day + after)
		require.NoError(t, err)
		require.Contains(t, summary, "the next run goes on; "+what+
			" is refused since 2026-11-22T12:00:00Z, and was disclosed before, "+
			"so it is asked for again until 2026-11-22T13:00:00Z: read "+what)
		require.Equal(t, "reading", n.shown().Status)
		snap, err := n.reader.Current(t.Context())
		require.NoError(t, err)
		require.Equal(t, older.ID, snap.ID)
	}
	on = false
	snap := n.whole(day + time.Hour)
	require.Empty(t, snap.Undisclosed)
	require.Nil(t, snap.Doubt)

	// Where it stays, it is believed.
	on = true
	_, err := n.fire(2*day + time.Hour)
	require.NoError(t, err)
	before := snap
	snap = n.losing(2*day+2*time.Hour, code)
	require.Len(t, snap.Carried, 1)
	require.Equal(t, directory.Carried{What: what, Snapshot: before.ID, AsOf: before.AsOf, Code: code,
		Message: "read " + what + ": no"}, snap.Carried[0])
	require.Equal(t, what == "signInActivity", len(snap.Undisclosed) > 0)
	require.Nil(t, snap.Doubt)
	// The next snapshot believes it at once. After three days, of activity 36 hours, nothing stands
	// in any more, and the timer fails on.
	snap = n.losing(3*day+2*time.Hour, code)
	if what != "signInActivity" {
		require.Equal(t, before.ID, snap.Carried[0].Snapshot)
	}
	snap = n.losing(4*day+2*time.Hour, code)
	require.Empty(t, snap.Carried)
	require.Len(t, snap.Lost, 1)
	require.Equal(t, before.AsOf, snap.WhyLost(what).AsOf)
	require.Len(t, snap.Undisclosed, 1)
	require.Equal(t, what, snap.Undisclosed[0].What)
	require.Equal(t, code, snap.Undisclosed[0].Code)
	n.losing(5*day+2*time.Hour, code)
	on = false
	require.Empty(t, n.whole(6*day+2*time.Hour).Lost)
}

// losing fires the timer, which makes a snapshot whole and fails, because an older one stands in
// for something; the next run, which has nothing to do, fails too.
func (n *night) losing(after time.Duration, code entra.Code) directory.Snapshot {
	n.Helper()
	for _, words := range []string{" is whole: ", "nothing is due"} {
		summary, err := n.fire(after)
		require.Contains(n, summary, words)
		require.Equal(n, code, entra.CodeOf(err))
		require.ErrorContains(n, err, "it is refused, and was disclosed before: ")
		after += time.Minute
	}
	snap, err := n.reader.Current(n.Context())
	require.NoError(n, err)
	return snap
}

func TestARefusalInARowOfGoodPagesIsDoubtedInAFirstSnapshotToo(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		n.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users, After: 2})
		summary, err := n.fire(0)
		require.NoError(t, err)
		require.Contains(t, summary, "snapshot of 2026-11-21T12:00:00Z: 40 users, at users; the next run goes on; "+
			"signInActivity is refused since")
		n.tenant.ClearFaults()
		snap := n.whole(10 * time.Minute)
		require.Empty(t, snap.Undisclosed)
		require.EqualValues(t, 7+2+3+1+1+2, snap.GraphRequests, "the first pages were not read again")
	})
}

func TestARefusalOfASecondLookLeavesThePageAsItCame(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNight(t)
		asked := 0
		n.from = pages{n.source, func(ctx context.Context, q collections.Query, link string) (collections.Page, error) {
			page, err := n.source.Objects(ctx, q, link)
			if q.Collection.Word != collections.Users || link != "" || err != nil {
				return page, err
			}
			if asked++; asked > 1 {
				page.Free()
				return collections.Page{}, &entra.Error{Code: entra.CodeLicence, Doing: "read users", Why: "403"}
			}
			for i := range page.Items {
				page.Items[i] = fmt.Appendf(nil, `{"id":"blank%02d","userPrincipalName":"blank%02d@x"}`, i, i)
			}
			return page, nil
		}}
		n.whole(0)
		require.Equal(t, 2, asked)
		require.Len(t, n.users(directory.UserQuery{Days: 30, State: directory.Unknown}, 999), 20)
	})
}
