package rules_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// TestAFederatedCredentialHasNoEndAndReplacesNothing whatever lies beside it, and whatever the
// report of use says.
func TestAFederatedCredentialHasNoEndAndReplacesNothing(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	app, err := rules.ParseApp(rules.OnApplication, []byte(`{"id":"o","appId":"a","displayName":"App",
		"owners":[{"@odata.type":"#microsoft.graph.user","id":"u","mail":"u@contoso.example"}],
		"passwordCredentials":[{"keyId":"s","startDateTime":"2020-01-01T00:00:00Z","endDateTime":"2026-12-01T00:00:00Z"}]}`))
	require.NoError(t, err)
	principal, err := rules.ParseApp(rules.OnServicePrincipal, []byte(`{"id":"p","appId":"a","accountEnabled":false,
		"appOwnerOrganizationId":"tenant"}`))
	require.NoError(t, err)
	trust, err := rules.ParseFederations([]byte(`{"id":"o","appId":"a","displayName":"App","federatedIdentityCredentials":[
		{"id":"f","name":"main","issuer":"https://issuer","subject":"repo:x","audiences":["api://y"]},
		{"id":"g","name":"all","issuer":"https://issuer","subject":null,
		"claimsMatchingExpression":{"value":"claims['sub'] matches 'repo:*'","languageVersion":1}},{"name":"without id"}]}`))
	require.NoError(t, err)
	used := map[string]time.Time{"f": now.AddDate(-1, 0, 0)}
	all := rules.JoinedWithUse([]rules.App{app, trust, principal}, used, true, now)
	require.Len(t, all, 3)
	require.Empty(t, all[0].Successor, "a federated credential replaces no secret")
	for i, whom := range []string{"subject repo:x", "subjects that match claims['sub'] matches 'repo:*'"} {
		c := all[i+1]
		require.Equal(t, rules.FederatedKind, c.Kind)
		require.Equal(t, rules.OnApplication, c.Origin)
		require.Equal(t, "o", c.ObjectID)
		require.Equal(t, "tenant", c.OwnerTenant)
		require.False(t, *c.Enabled)
		require.False(t, c.NoOwner(), "the owner of the application")
		require.Empty(t, c.Successor)
		state, reason := c.Judge(now, 3650*24*time.Hour, 24*time.Hour)
		require.Equal(t, rules.Valid, state)
		require.Equal(t, "it has no end: whoever has a token of https://issuer for "+whom+
			" signs in as the application", reason)
	}
	alone := rules.JoinedWithUse([]rules.App{trust}, nil, false, now)
	require.Len(t, alone, 2)
	require.True(t, alone[0].NoOwner())
	_, err = rules.ParseFederations([]byte(`{"appId":"a"}`))
	require.ErrorIs(t, err, rules.ErrNoApp)
}
