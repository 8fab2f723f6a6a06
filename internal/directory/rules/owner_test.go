package rules_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

func TestWhoOfTheOwnersCanBeWrittenTo(t *testing.T) {
	const (
		person = `{"@odata.type":"#microsoft.graph.user","id":"u",` +
			`"userPrincipalName":"u@contoso.example","mail":"u.ser@contoso.example"}`
		noMailbox = `{"@odata.type":"#microsoft.graph.user","id":"n",` +
			`"userPrincipalName":"n@contoso.example","mail":null}`
		guest = `{"@odata.type":"#microsoft.graph.user","id":"g",` +
			`"userPrincipalName":"g_fabrikam.example#EXT#@contoso.example","mail":"g@fabrikam.example"}`
		noAddress = `{"@odata.type":"#microsoft.graph.user","id":"h",` +
			`"userPrincipalName":"h_fabrikam.example#EXT#@contoso.example","mail":"h_fabrikam.example#EXT#@contoso.example"}`
		program = `{"@odata.type":"#microsoft.graph.servicePrincipal","id":"s","displayName":"deployer"}`
		untyped = `{"id":"t","mail":"t@contoso.example"}`
	)
	for name, c := range map[string]struct{ owners, addresses, why string }{
		"nobody":                  {"", "", "nobody owns it"},
		"a person":                {person, "u.ser@contoso.example", ""},
		"without a mailbox":       {noMailbox, "", "none of its owners has a mail address"},
		"a guest":                 {guest, "g@fabrikam.example", ""},
		"a guest without address": {noAddress, "", "none of its owners has a mail address"},
		"a program":               {program, "", "only service principals own it"},
		"a program and a person":  {program + "," + person, "u.ser@contoso.example", ""},
		"a program and one without a mailbox": {program + "," + noMailbox, "",
			"none of its owners has a mail address"},
		"of no known kind": {untyped, "t@contoso.example", ""},
	} {
		t.Run(name, func(t *testing.T) {
			app := holder(t, rules.OnApplication, `"id":"o","owners":[`+c.owners+`],"passwordCredentials":[`+
				secret("k", start, end)+`]`)
			got := rules.JoinedWithUse([]rules.App{app}, nil, false, now)[0]
			addresses := ""
			for _, o := range got.Owners {
				addresses += o.Address()
			}
			require.Equal(t, c.addresses, addresses)
			require.Equal(t, c.why, got.NoReach)
			require.Equal(t, c.why != "", got.NoOwner())
		})
	}
}

func TestAPrincipalWithoutOwnersHasThoseOfItsApplication(t *testing.T) {
	const owner = `{"id":"o1","mail":"o1@contoso.example"}`
	app := holder(t, rules.OnApplication, `"id":"app","owners":[`+owner+`],"passwordCredentials":[]`)
	sp := holder(t, rules.OnServicePrincipal, `"id":"sp","accountEnabled":false,"appOwnerOrganizationId":"t1",
		"owners":[],"passwordCredentials":[`+secret("k", start, end)+`]`)
	got := rules.JoinedWithUse([]rules.App{app, sp}, nil, false, now)
	require.Len(t, got, 1)
	require.Equal(t, "o1", got[0].Owners[0].ID)
	require.False(t, got[0].NoOwner())
	require.Equal(t, "t1", got[0].OwnerTenant)
	require.False(t, *got[0].Enabled)

	app = holder(t, rules.OnApplication, `"id":"app","owners":[],"passwordCredentials":[`+secret("l", start, end)+`]`)
	sp = holder(t, rules.OnServicePrincipal, `"id":"sp","accountEnabled":true,"owners":[`+owner+`]`)
	got = rules.JoinedWithUse([]rules.App{app, sp}, nil, false, now)
	require.Empty(t, got[0].Owners, "who owns the principal can't renew what is the application's")
	require.True(t, *got[0].Enabled)
}

func TestCredentialsOnMicrosoftsOwnPrincipalsAreMarked(t *testing.T) {
	const microsoft, corporate = "f8cdef31-a31e-4b4a-93e4-5f571e91255a", "72F988BF-86F1-41AF-91AB-2D7CD011DB47"
	const third = "cdc5aeea-15c5-4db6-b079-fcadd2505dc2"
	for name, c := range map[string]struct {
		tenant, credentials string
		want                []bool // whether Microsoft renews it; all are on a principal of Microsoft's, or none
	}{
		"a certificate": {microsoft, `"keyCredentials":[` + key("k", "eA==", "Verify", start, end) + `]`,
			[]bool{true}},
		"a secret":              {corporate, `"passwordCredentials":[` + secret("k", start, end) + `]`, []bool{true}},
		"on Command Line Tools": {third, `"passwordCredentials":[` + secret("k", start, end) + `]`, []bool{true}},
		"somebody's own":        {"t1", `"passwordCredentials":[` + secret("k", start, end) + `]`, []bool{false}},
		"of no tenant":          {"", `"passwordCredentials":[` + secret("k", start, end) + `]`, []bool{false}},
		"one that signs SAML tokens, and a secret beside it": {microsoft, `"keyCredentials":[` +
			saml("k", "eA==", certA, start, end) + `],"passwordCredentials":[` + secret("s", start, end) + `]`,
			[]bool{false, true}},
	} {
		sp := holder(t, rules.OnServicePrincipal, `"id":"sp","appOwnerOrganizationId":"`+c.tenant+`",`+c.credentials)
		var got []bool
		for _, one := range rules.JoinedWithUse([]rules.App{sp}, nil, false, now) {
			require.True(t, one.TenantKnown)
			require.Equal(t, sp.OfMicrosoft(), one.Microsoft, "whatever it is for")
			got = append(got, one.RenewedByMicrosoft())
		}
		require.Equal(t, c.want, got, name)
	}
}
