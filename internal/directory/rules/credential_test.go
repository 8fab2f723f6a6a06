package rules_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

const day = 24 * time.Hour

func holder(t *testing.T, origin rules.Origin, text string) rules.App {
	h, err := rules.ParseApp(origin, []byte(`{"appId":"app",`+text+`}`))
	require.NoError(t, err)
	return h
}

func key(id, identifier, usage, start, end string) string {
	return fmt.Sprintf(`{"keyId":%q,"customKeyIdentifier":%q,"usage":%q,"type":"AsymmetricX509Cert","startDateTime":%q,"endDateTime":%q,"key":null}`, id, identifier, usage, start, end)
}

func secret(id, start, end string) string {
	return fmt.Sprintf(`{"keyId":%q,"customKeyIdentifier":null,"displayName":"s","hint":"abc","secretText":null,"startDateTime":%q,"endDateTime":%q}`, id, start, end)
}

const start, end = "2026-01-01T00:00:00.1234567Z", "2027-01-01T00:00:00Z"

func TestASAMLSigningCertificateIsOneCredential(t *testing.T) {
	h := holder(t, rules.OnServicePrincipal, `"id":"sp","displayName":"SAML app","servicePrincipalType":"Application","preferredSingleSignOnMode":null,
		"keyCredentials":[`+key("verify", "dGh1bWI=", "Verify", start, end)+`,`+key("sign", "dGh1bWI=", "Sign", start, end)+`],
		"passwordCredentials":[{"keyId":"sign","customKeyIdentifier":"dGh1bWI=","startDateTime":"`+start+`","endDateTime":"`+end+`"}]`)
	got := h.Credentials()
	require.Len(t, got, 1)
	require.Equal(t, rules.Certificate, got[0].Kind)
	require.True(t, got[0].SAML)
	require.Equal(t, "sign", got[0].KeyID)
}

func TestARolloverOfSAMLCertificatesLeavesTwo(t *testing.T) {
	h := holder(t, rules.OnServicePrincipal, `"id":"sp","keyCredentials":[`+
		key("v1", "b2xk", "Verify", start, "2026-11-01T00:00:00Z")+`,`+
		key("s1", "b2xk", "Sign", start, "2026-11-01T00:00:00Z")+
		`,`+key("v2", "bmV3", "Verify", start, end)+`,`+key("s2", "bmV3", "Sign", start, end)+
		`],"passwordCredentials":[]`)
	got := rules.WithSuccessors(rules.Joined(h.Credentials()), now)
	require.Len(t, got, 2)
	require.Equal(t, "s2", got[0].Successor)
	require.Empty(t, got[1].Successor)
	state, why := got[0].Judge(now, 30*day, 30*day)
	require.Equal(t, rules.Expired, state)
	require.Contains(t, why, "newer one is beside it")
}

func TestApplicationAndServicePrincipalAreJoined(t *testing.T) {
	app := holder(t, rules.OnApplication, `"id":"app-object","displayName":"A","owners":[{"id":"o1","userPrincipalName":"o1@x"}],
		"passwordCredentials":[`+secret("k1", start, end)+`,`+secret("k2", start, end)+`],"keyCredentials":[`+key("c1", "dGh1bWI=", "Verify", start, end)+`]`)
	sp := holder(t, rules.OnServicePrincipal, `"id":"sp-object","displayName":"A","owners":[{"id":"o1","userPrincipalName":"o1@x"},{"id":"o2"}],
		"passwordCredentials":[`+secret("k1", start, end)+`,`+secret("k3", start, end)+`],"keyCredentials":[`+key("c9", "dGh1bWI=", "Verify", start, end)+`]`)
	got := rules.Joined(append(sp.Credentials(), app.Credentials()...))
	ids := map[string]rules.Origin{}
	for _, c := range got {
		ids[c.KeyID] = c.Origin
	}
	require.Equal(t, map[string]rules.Origin{"k1": rules.OnApplication, "k2": rules.OnApplication,
		"c1": rules.OnApplication, "k3": rules.OnServicePrincipal}, ids)
	require.Len(t, got[1].Owners, 2)
	for _, c := range got {
		if c.KeyID == "k2" {
			require.Len(t, c.Owners, 1)
		}
	}
}

func TestTheStateOfACredential(t *testing.T) {
	cases := []struct {
		name       string
		start, end string
		lastUsed   string
		useKnown   bool
		state      rules.State
		left       int
		says       string
	}{
		{"long since over", "2024-01-01T00:00:00Z", "2025-11-21T12:00:00Z", "", false, rules.Expired, -365,
			"ended on 21 November 2025"},
		{"over this moment", "2024-01-01T00:00:00Z", "2026-11-21T12:00:00Z", "", false, rules.Expired, 0, "ended"},
		{"over in a moment", "2024-01-01T00:00:00Z", "2026-11-21T12:00:01Z", "", false, rules.Expiring, 0, "in 0 days"},
		{"within the time", "2024-01-01T00:00:00Z", "2026-12-21T12:00:00Z", "", false, rules.Expiring, 30,
			"in 30 days"},
		{"just beyond it", "2024-01-01T00:00:00Z", "2026-12-21T12:00:01Z", "", false, rules.Valid, 30, "ends on"},
		{"without an end", "2024-01-01T00:00:00Z", "", "", false, rules.Valid, 0, "no end"},
		{"without an end, and never used", "2024-01-01T00:00:00Z", "", "", true, rules.Unused, 0, "no use of it"},
		{"far in the future", "2024-01-01T00:00:00Z", "2299-12-31T00:00:00Z", "2026-11-20T00:00:00Z", true, rules.Valid,
			99750, "2299"},
		{"at the end of time", "2024-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "", false, rules.Valid, 2912117, "9999"},
		{"not used lately", "2024-01-01T00:00:00Z", "2028-01-01T00:00:00Z", "2026-10-01T00:00:00Z", true, rules.Unused,
			405, "1 October 2026"},
		{"not used lately, but the report says nothing", "2024-01-01T00:00:00Z", "2028-01-01T00:00:00Z", "", false,
			rules.Valid, 405, "ends on"},
		{"new, and not used yet", "2026-11-10T00:00:00Z", "2028-01-01T00:00:00Z", "", true, rules.Valid, 405,
			"ends on"},
		{"not yet valid", "2026-12-01T00:00:00Z", "2028-01-01T00:00:00Z", "", true, rules.Valid, 405, "begins on"},
		{"another time zone", "2024-01-01T00:00:00Z", "2026-11-21T14:00:00+02:00", "", false, rules.Expired, 0,
			"ended on 21 November"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := holder(t, rules.OnApplication, `"id":"o","passwordCredentials":[`+secret("k", c.start, c.end)+
				`],"keyCredentials":[]`)
			got := h.Credentials()
			require.Len(t, got, 1)
			if c.lastUsed != "" {
				got[0].LastUsed = at(c.lastUsed)
			}
			got[0].UseKnown = c.useKnown
			state, why := got[0].Judge(now, 30*day, 30*day)
			require.Equal(t, c.state, state, why)
			require.Contains(t, why, c.says)
			require.Equal(t, c.left, got[0].DaysLeft(now))
		})
	}
}

func TestWhatRenewsItselfIsRecognised(t *testing.T) {
	cases := map[string]string{
		`"id":"1","servicePrincipalType":"ManagedIdentity"`:              "managed identities",
		`"id":"2","tags":["WindowsAzureActiveDirectoryOnPremApp"]`:       "Application Proxy",
		`"id":"3","displayName":"ConnectSyncProvisioning_HOST_0123abcd"`: "Connect Sync",
		`"id":"4","displayName":"Mine"`:                                  "",
	}
	for text, want := range cases {
		got := holder(t, rules.OnServicePrincipal, text+`,"passwordCredentials":[],"keyCredentials":[`+
			key("k", "", "Verify", start, end)+`]`).Credentials()
		require.Len(t, got, 1)
		require.Contains(t, got[0].Rotates, want)
		require.Equal(t, want == "", got[0].Rotates == "")
	}
}

func TestAnAppWithoutCredentialsHasNone(t *testing.T) {
	none := holder(t, rules.OnApplication, `"id":"o","passwordCredentials":[],"keyCredentials":[]`)
	require.Empty(t, none.Credentials())
	_, err := rules.ParseApp(rules.OnApplication, []byte(`{"appId":"x"}`))
	require.ErrorIs(t, err, rules.ErrNoApp)
}
