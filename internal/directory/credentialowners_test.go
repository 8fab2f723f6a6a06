package directory_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
)

// addOwned is an application with a secret that some own.
func (h *house) addOwned(owners ...string) []byte {
	return fmt.Appendf(nil, `{"id":"i","appId":"app-i","displayName":"I","owners":[%s],"keyCredentials":[],
		"passwordCredentials":[{"keyId":"k","startDateTime":%q,"endDateTime":%q}]}`,
		strings.Join(owners, ","), stamp(now.Add(-day)), stamp(now.Add(10*day)))
}

// Twenty service principals and, behind them, one human own an application. The list of all owners
// is refused for a night: nobody knows whether a human owns it, and yesterday one did.
func TestOwnersBeyondTwentyThatDidNotComeAreNotAbsent(t *testing.T) {
	for _, kind := range []simtenant.Kind{simtenant.NoPermission, simtenant.GatewayTimeout} {
		subtest(t, string(kind), func(t *testing.T) {
			h := open(t, simtenant.Config{})
			var owners []string
			for i := range 20 {
				owners = append(owners, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.servicePrincipal","id":"sp%02d"}`,
					i))
			}
			owners = append(owners, `{"@odata.type":"#microsoft.graph.user","id":"human","mail":"human@contoso.example",
				"userPrincipalName":"human@contoso.example"}`)
			h.tenant.AddObject(simtenant.Applications, h.addOwned(owners...))
			h.at(0)
			row := h.byKey(directory.CredentialQuery{})["k"]
			require.Len(t, row.Owners, 21)
			require.False(t, row.NoOwner)
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.Applications, Question: simtenant.ForOne})
			h.at(day)
			require.NotZero(t, h.tenant.Happened(kind))
			row = h.byKey(directory.CredentialQuery{})["k"]
			require.False(t, row.NoOwner, row.NoOwnerReason)
			require.Equal(t, "human@contoso.example", row.OwnersMail)
		})
	}
}

// Nothing tells whether a human owns it: no snapshot before has read all of the owners.
func TestOwnersBeyondTwentyThatNobodyHasReadAreNotKnown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		var owners []string
		for i := range 21 {
			owners = append(owners, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.servicePrincipal","id":"sp%02d"}`, i))
		}
		h.tenant.AddObject(simtenant.Applications, h.addOwned(owners...))
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Applications,
			Question: simtenant.ForOne})
		for night := range 2 {
			h.at(time.Duration(night) * day)
			row := h.byKey(directory.CredentialQuery{})["k"]
			require.False(t, row.NoOwner)
			require.Empty(t, row.NoOwnerReason)
			require.True(t, row.MoreOwners)
			require.Empty(t, h.byKey(directory.CredentialQuery{Owner: "none"}))
		}
		h.tenant.ClearFaults()
		h.at(2 * day)
		row := h.byKey(directory.CredentialQuery{Owner: "none"})["k"]
		require.False(t, row.MoreOwners)
		require.Equal(t, "only service principals own it", row.NoOwnerReason)
	})
}

// The secret lies on the service principal, which nobody owns, and the application, which has none,
// is owned by a human behind twenty service principals.
func TestOwnersBeyondTwentyOfAnApplicationWithoutCredentialsAreAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		var owners []string
		for i := range 20 {
			owners = append(owners, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.servicePrincipal","id":"sp%02d"}`, i))
		}
		owners = append(owners, `{"@odata.type":"#microsoft.graph.user","id":"human","mail":"human@contoso.example"}`)
		h.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"i","appId":"app-i","displayName":"I",
			"owners":[%s],"keyCredentials":[],"passwordCredentials":[]}`, strings.Join(owners, ",")))
		h.tenant.AddObject(simtenant.ServicePrincipals, fmt.Appendf(nil, `{"id":"s","appId":"app-i","displayName":"I",
			"owners":[],"keyCredentials":[],"servicePrincipalType":"Application","accountEnabled":true,
			"passwordCredentials":[{"keyId":"k","startDateTime":%q,"endDateTime":%q}]}`, stamp(now.Add(-day)),
			stamp(now.Add(10*day))))
		h.at(0)
		require.Equal(t, "human@contoso.example", h.byKey(directory.CredentialQuery{})["k"].OwnersMail)
	})
}

// The application has an owner who can be written to; its service principal, on which the
// credential is, is owned by a service principal alone.
func TestAnApplicationWithAReachableOwnerIsNotOwnerless(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Applications, []byte(`{"id":"i","appId":"app-i","displayName":"I","owners":[
			{"@odata.type":"#microsoft.graph.user","id":"human","mail":"human@contoso.example"}],"keyCredentials":[],
			"passwordCredentials":[]}`))
		h.tenant.AddObject(simtenant.ServicePrincipals, fmt.Appendf(nil, `{"id":"s","appId":"app-i","displayName":"I","owners":[
			{"@odata.type":"#microsoft.graph.servicePrincipal","id":"pipeline"}],"keyCredentials":[],
			"servicePrincipalType":"Application","accountEnabled":true,
			"passwordCredentials":[{"keyId":"k","startDateTime":%q,"endDateTime":%q}]}`, stamp(now.Add(-day)), stamp(now.Add(10*day))))
		h.at(0)
		row := h.byKey(directory.CredentialQuery{})["k"]
		require.False(t, row.NoOwner, row.NoOwnerReason)
	})
}

// A flow splits the names at semicolons.
func TestNamesOfOwnersHaveNoEmptyOnes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Applications,
			h.addOwned(`{"@odata.type":"#microsoft.graph.servicePrincipal","id":"sp"}`,
				`{"@odata.type":"#microsoft.graph.user","id":"o","userPrincipalName":"o@contoso.example","mail":"o@contoso.example"}`))
		h.at(0)
		require.Equal(t, "o@contoso.example", h.byKey(directory.CredentialQuery{})["k"].OwnersAddress)
	})
}
