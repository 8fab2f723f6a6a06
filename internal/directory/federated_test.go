package directory_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
)

// withTrusts is a tenant with 150 applications, of which two have federated credentials: the first
// beside a secret, the last of all pages nothing else.
func withTrusts(t *testing.T) *house {
	h := open(t, simtenant.Config{})
	h.tenant.AddObject(simtenant.Users, member(0, true))
	for i := range 150 {
		secret, trust := "", ""
		if i < 100 {
			secret = fmt.Sprintf(`{"keyId":"s%d","startDateTime":"2020-01-01T00:00:00Z","endDateTime":"2030-01-01T00:00:00Z"}`, i)
		}
		if i == 0 || i == 149 {
			trust = fmt.Sprintf(`{"id":"f%d","name":"main","issuer":"https://issuer","subject":"repo:%[1]d","audiences":["a"]}`, i)
		}
		h.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"o%03d","appId":"app%03d","displayName":"A",
			"owners":[],"keyCredentials":[],"passwordCredentials":[%s],"federatedIdentityCredentials":[%s]}`, i, i, secret,
			trust))
	}
	return h
}

// trusts lists the key ids of the federated credentials in an answer.
func (h *house) trusts(q directory.CredentialQuery) (ids []string, cursor string) {
	page, err := h.reader.Credentials(h.Context(), q, 999, true, "")
	require.NoError(h, err)
	require.EqualValues(h, len(page.Rows), *page.Count)
	for _, row := range page.Rows {
		if row.Kind == directory.FederatedKind {
			ids = append(ids, row.KeyID)
		}
	}
	return ids, page.Cursor
}

func TestFederatedCredentialsAreInTheListsAndNeverExpire(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withTrusts(t)
		snap := h.take()
		require.EqualValues(t, 102, snap.Credentials)
		require.Empty(t, snap.Undisclosed)
		only := directory.CredentialQuery{Kind: directory.FederatedKind, Within: 36500 * day, UnusedFor: 30 * day}
		ids, cursor := h.trusts(only)
		require.Equal(t, []string{"f0", "f149"}, ids)
		for _, c := range []struct {
			change func(q *directory.CredentialQuery)
			want   int
		}{
			{func(q *directory.CredentialQuery) { q.Kind = "" }, 2},
			{func(q *directory.CredentialQuery) { q.States = []directory.State{directory.Valid} }, 2},
			{func(q *directory.CredentialQuery) {
				q.States = []directory.State{directory.Expired, directory.Expiring, directory.Unused}
			}, 0},
			{func(q *directory.CredentialQuery) { q.Kind = directory.Certificate }, 0},
			{func(q *directory.CredentialQuery) { q.Origin = directory.OnApplication }, 2},
			{func(q *directory.CredentialQuery) { q.Owner = "none" }, 2},
			{func(q *directory.CredentialQuery) { q.AppID = "APP149" }, 1},
			{func(q *directory.CredentialQuery) { q.Exclude = []string{"f149"} }, 1},
			{func(q *directory.CredentialQuery) { q.Exclude = []string{"o000"} }, 1},
		} {
			q := only
			c.change(&q)
			ids, _ := h.trusts(q)
			require.Len(t, ids, c.want, "%+v", q)
		}
		_, total, bars, err := h.reader.CredentialSummary(t.Context(), directory.CredentialQuery{Within: day})
		require.NoError(t, err)
		require.EqualValues(t, 102, total)
		require.Contains(t, bars, directory.Count{By: "kind", Name: "federated", Count: 2})
		app, err := h.reader.Application(t.Context(), "app149", day, day)
		require.NoError(t, err)
		require.Len(t, app.Credentials, 1)
		require.Equal(t, "https://issuer", app.Credentials[0].Issuer)
		require.Empty(t, app.Credentials[0].End)
		require.Nil(t, app.Credentials[0].DaysLeft)

		h.tenant.ChangeObject(simtenant.Applications, "o050", []byte(`{"id":"o050","appId":"app050","displayName":"A",
			"federatedIdentityCredentials":[{"id":"f50","name":"new","issuer":"https://other","subject":"x"}]}`))
		h.tenant.Freeze(now.Add(day))
		h.take()
		only.NewSince = directory.NewSince{Cursor: cursor}
		ids, _ = h.trusts(only)
		require.Equal(t, []string{"f50"}, ids, "what is new is told")
	})
}

// TestFederatedCredentialsThatAreRefusedFailNothing and those that were known stand in for three
// days.
func TestFederatedCredentialsThatAreRefusedFailNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withTrusts(t)
		refused := simtenant.Fault{Kind: simtenant.Refused, Stream: simtenant.Federated, Question: simtenant.ForPage}
		h.tenant.Inject(refused)
		snap := h.take()
		require.NotNil(t, snap.WhyUndisclosed("federatedCredentials"), "never granted: no hour is waited for")
		require.Empty(t, snap.Carried)
		all := directory.CredentialQuery{Within: day, UnusedFor: 30 * day}
		ids, _ := h.trusts(all)
		require.Empty(t, ids)

		h.tenant.ClearFaults()
		h.tenant.Freeze(now.Add(day))
		require.Empty(t, h.take().Undisclosed)
		ids, cursor := h.trusts(all)
		require.Len(t, ids, 2)

		h.tenant.Inject(refused)
		h.tenant.Freeze(now.Add(2 * day))
		report, err := h.run(t.Context(), true)
		require.NoError(t, err)
		require.ErrorContains(t, report.Doubt, "federatedCredentials is refused")
		h.tenant.Freeze(now.Add(2*day + time.Hour))
		require.NotNil(t, h.take().WhyCarried("federatedCredentials"))
		ids, _ = h.trusts(all)
		require.Len(t, ids, 2, "as of the day before")
		all.NewSince = directory.NewSince{Cursor: cursor}
		ids, _ = h.trusts(all)
		require.Empty(t, ids, "and none of them is new")
		h.tenant.Freeze(now.Add(5 * day))
		snap = h.take()
		require.Equal(t, entra.CodeRefused, snap.WhyUndisclosed("federatedCredentials").Code)
		all.NewSince = directory.NewSince{}
		ids, _ = h.trusts(all)
		require.Empty(t, ids)
	})
}

// TestAListOfFederatedCredentialsThatIsCutIsReadAgain because Graph counts more applications.
func TestAListOfFederatedCredentialsThatIsCutIsReadAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := withTrusts(t)
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.EndsShort, Stream: simtenant.Federated, Page: 1, Count: 1})
		h.take()
		ids, _ := h.trusts(directory.CredentialQuery{Within: day, UnusedFor: 30 * day})
		require.Equal(t, []string{"f0", "f149"}, ids)
	})
}
