package directory_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/reference"
)

// An attacker adds a certificate with a Sign key to Exchange Online's principal. It may sign SAML
// tokens, so it gets a ticket; it must be told loudly none the less.
func TestANewSigningCertificateOnMicrosoftsPrincipalIsToldLoudly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		var written bytes.Buffer
		h.log = slog.New(slog.NewTextHandler(&written, nil))
		add := func(_ string, raw []byte) { h.tenant.AddObject(simtenant.ServicePrincipals, raw) }
		h.addMicrosofts(add, "first")
		h.at(0)
		h.tenant.ChangeObject(simtenant.ServicePrincipals, "exchange", fmt.Appendf(nil, `{"id":"exchange","appId":"app-exchange",
			"displayName":"Office 365 Exchange Online","servicePrincipalType":"Application","accountEnabled":true,
			"appOwnerOrganizationId":%q,"owners":[],"keyCredentials":[%s],"passwordCredentials":[
			{"keyId":"first","startDateTime":%q,"endDateTime":%q}]}`, ofMicrosoft,
			signing("evil", newCertificate, now, now.Add(300*day)), stamp(now.Add(-day)), stamp(now.Add(20*day))))
		snap := h.at(day)
		require.Contains(t, h.byKey(directory.CredentialQuery{}), "evil")
		require.EqualValues(t, 1, snap.MicrosoftNew)
		only := h.byKey(directory.CredentialQuery{Microsoft: timeline.OnlyMicrosoft})
		require.Contains(t, only, "evil")
		require.True(t, only["evil"].Microsoft)
		require.NotContains(t, h.byKey(directory.CredentialQuery{}), "first", "nobody here renews it")
		require.Contains(t, written.String(), "is new on a service principal of Microsoft's")
	})
}

// The permission for applications comes a day late: what Microsoft's principals have had for years
// is no news.
func TestAFirstReadOfPrincipalsIsNoNews(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		add := func(_ string, raw []byte) { h.tenant.AddObject(simtenant.ServicePrincipals, raw) }
		h.addMicrosofts(add, "first", "second")
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Applications})
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.ServicePrincipals})
		snap := h.at(0)
		require.NotNil(t, snap.WhyUndisclosed("servicePrincipals"))
		h.tenant.ClearFaults()
		require.Zero(t, h.at(day).MicrosoftNew)
		h.addMicrosofts(func(id string, raw []byte) { h.tenant.ChangeObject(simtenant.ServicePrincipals, id, raw) },
			"first", "second", "third")
		require.EqualValues(t, 1, h.at(2*day).MicrosoftNew)
	})
}

// Exchange's principal gets a credential in a night in which applications are refused.
func TestACredentialAddedInABlindNightIsToldAfterIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		add := func(_ string, raw []byte) { h.tenant.AddObject(simtenant.ServicePrincipals, raw) }
		change := func(id string, raw []byte) { h.tenant.ChangeObject(simtenant.ServicePrincipals, id, raw) }
		h.addMicrosofts(add, "first")
		addApps(h.tenant, 1)
		h.at(0)
		l := &lossy{house: h}
		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Applications})
		h.addMicrosofts(change, "first", "second")
		l.until(day)
		h.tenant.ClearFaults()
		require.EqualValues(t, 1, l.until(2*day).MicrosoftNew)
	})
}

// A credential that an attacker adds, takes away, and adds again under the same key id while a list
// is in doubt.
func TestACredentialThatComesBackToMicrosoftsPrincipalIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		add := func(_ string, raw []byte) { h.tenant.AddObject(simtenant.ServicePrincipals, raw) }
		change := func(id string, raw []byte) { h.tenant.ChangeObject(simtenant.ServicePrincipals, id, raw) }
		h.addMicrosofts(add, "first")
		h.at(0)
		h.addMicrosofts(change, "first", "second")
		require.EqualValues(t, 1, h.at(day).MicrosoftNew)
		h.addMicrosofts(change, "first")
		require.EqualValues(t, 0, h.at(2*day).MicrosoftNew)
		h.addMicrosofts(change, "first", "second")
		require.EqualValues(t, 1, h.at(3*day).MicrosoftNew)
	})
}

// Every tenant that the app's own list of Microsoft's applications names is one of Microsoft's.
func TestPrincipalsOfAllOfMicrosoftsTenantsAreMarked(t *testing.T) {
	for _, app := range reference.Applications() {
		if app.OwnerTenantID != "" {
			require.True(t, rules.App{OwnerTenant: app.OwnerTenantID}.OfMicrosoft(), "%s, %s", app.Name,
				app.OwnerTenantID)
		}
	}
}
