package directory_test

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/directory/timeline"
)

const (
	ofMicrosoft = "f8cdef31-a31e-4b4a-93e4-5f571e91255a"
	ofOurs      = "5f3b1c9e-7d24-4a86-9b0e-2c41d8a6e713"
)

// made-up certificates
var oldCertificate, newCertificate = []byte("0 the old one"), []byte("0 the new one")

// signing is a SAML certificate as Graph has it.
func signing(id string, certificate []byte, from, to time.Time) string {
	one := `{"keyId":"%s","usage":"%s","type":"%s","customKeyIdentifier":"%s",` +
		`"startDateTime":"%s","endDateTime":"%s","key":%s}`
	key, chosen := fmt.Sprintf("%q", base64.StdEncoding.EncodeToString(certificate)),
		base64.StdEncoding.EncodeToString([]byte(id))
	return fmt.Sprintf(one, id+"-v", "Verify", "AsymmetricX509Cert", chosen, stamp(from), stamp(to), key) + "," +
		fmt.Sprintf(one, id, "Sign", "X509CertAndPassword", chosen, stamp(from), stamp(to), "null")
}

// addSAML adds a service principal with an active certificate that ends in 9 days, and a newer one.
func (h *house) addSAML(id string, active []byte) {
	sum := sha1.Sum(active)
	h.tenant.AddObject(simtenant.ServicePrincipals, fmt.Appendf(nil, `{"id":%q,"appId":"app-%[1]s","displayName":"SAML",
		"servicePrincipalType":"Application","accountEnabled":true,"appOwnerOrganizationId":%[2]q,"owners":[],
		"preferredTokenSigningKeyThumbprint":%[3]q,"passwordCredentials":[],"keyCredentials":[%[4]s,%[5]s]}`,
		id, ofOurs, strings.ToUpper(hex.EncodeToString(sum[:])),
		signing("old-"+id, oldCertificate, now.Add(-1000*day), now.Add(9*day)),
		signing("new-"+id, newCertificate, now.Add(-5*day), now.Add(1000*day))))
}

// partsAsked counts the questions about single objects since the last call.
func (h *house) partsAsked() (n int) {
	for _, path := range h.asked.heard() {
		if !strings.HasSuffix(path, "/$count") && strings.Count(path, "/") > 2 {
			n++
		}
	}
	return n
}

// byKey are all credentials of a snapshot.
func (h *house) byKey(q directory.CredentialQuery) map[string]directory.CredentialRow {
	h.Helper()
	q.Within, q.UnusedFor = 30*day, 30*day
	out := make(map[string]directory.CredentialRow)
	for _, row := range h.credentials(q, 100) {
		out[row.KeyID] = row
	}
	return out
}

func TestTheActiveCertificateIsFoundWhereverGraphGivesIt(t *testing.T) {
	t.Parallel()
	for name, ofOne := range map[string]bool{"in lists": false, "with single objects": true} {
		subtest(t, name, func(t *testing.T) {
			h := open(t, simtenant.Config{KeysOfOne: ofOne})
			h.addSAML("a", oldCertificate)
			h.addSAML("b", newCertificate)
			h.at(0)
			require.Equal(t, map[bool]int{true: 2}[ofOne], h.partsAsked())
			got := h.byKey(directory.CredentialQuery{})
			require.True(t, *got["old-a"].Active)
			require.False(t, got["old-a"].HasSuccessor, "nobody has activated the newer one")
			require.Equal(t, "new-a", got["old-a"].Waiting)
			require.Contains(t, got["old-a"].Reason,
				"in 9 days; a newer certificate is beside it, but nobody has activated")
			require.Equal(t, "new-b", got["old-b"].Successor)
			require.Empty(t, got["old-b"].Waiting)
			none := h.byKey(directory.CredentialQuery{Successor: new(false),
				States: []directory.State{directory.Expiring}})
			require.Contains(t, none, "old-a")
			require.NotContains(t, none, "old-b")

			h.at(day)
			require.Zero(t, h.partsAsked(), "what is known is not asked for again")
			require.True(t, *h.byKey(directory.CredentialQuery{})["old-a"].Active)
		})
	}
}

func TestCertificatesThatGraphDoesNotGiveLeaveItOpenWhichIsActive(t *testing.T) {
	t.Parallel()
	for _, kind := range []simtenant.Kind{simtenant.NoPermission, simtenant.UnsupportedQuery, simtenant.HTMLPage,
		simtenant.Unavailable, simtenant.GatewayTimeout} {
		subtest(t, string(kind), func(t *testing.T) {
			h := open(t, simtenant.Config{KeysOfOne: true})
			h.addSAML("a", newCertificate)
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.ServicePrincipals,
				Question: simtenant.ForOne})
			h.at(0)
			require.NotZero(t, h.tenant.Happened(kind))
			got := h.byKey(directory.CredentialQuery{})["old-a"]
			require.False(t, *got.ActiveKnown)
			require.Nil(t, got.Active)
			require.False(t, got.HasSuccessor)
			h.tenant.ClearFaults()
			h.at(day)
			require.True(t, h.byKey(directory.CredentialQuery{})["old-a"].HasSuccessor)
			h.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.ServicePrincipals,
				Question: simtenant.ForOne})
			h.at(2 * day)
			require.True(t, h.byKey(directory.CredentialQuery{})["old-a"].HasSuccessor, "what was known stays known")
		})
	}
}

func TestNoCertificateIsStored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.addSAML("a", oldCertificate)
		kept := 0
		h.wrap = func(s directory.Store) directory.Store {
			return seenRows{s, func(rows []directory.Row) {
				for _, row := range rows {
					kept++
					require.NotContains(t, string(row.Doc), base64.StdEncoding.EncodeToString(oldCertificate))
				}
			}}
		}
		h.at(0)
		require.NotZero(t, kept)
	})
}

// seenRows shows the rows that are written.
type seenRows struct {
	directory.Store
	see func(rows []directory.Row)
}

func (w seenRows) Put(ctx context.Context, id, partition string, rows []directory.Row) error {
	w.see(rows)
	return w.Store.Put(ctx, id, partition, rows)
}

func TestOwnersBeyondTheTwentiethAreAskedFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		owners := func(n int) string {
			var out []string
			for i := range n { // only the last has a mailbox
				mail := "null"
				if i == n-1 {
					mail = `"last@contoso.example"`
				}
				out = append(out, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.user","id":"o%d","mail":%s}`, i, mail))
			}
			return strings.Join(out, ",")
		}
		for _, n := range []int{19, 20, 21, 45} {
			h.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"i%d","appId":"a%[1]d","displayName":"A",
				"owners":[%s],"keyCredentials":[],"passwordCredentials":[{"keyId":"k%[1]d","endDateTime":%q}]}`,
				n, owners(n), stamp(now.Add(10*day))))
		}
		h.at(0)
		for key, row := range h.byKey(directory.CredentialQuery{}) {
			require.Len(t, row.Owners, map[string]int{"k19": 19, "k20": 20, "k21": 21, "k45": 45}[key])
			require.Equal(t, "last@contoso.example", row.OwnersMail)
			require.False(t, row.NoOwner)
		}
		require.Empty(t, h.byKey(directory.CredentialQuery{Owner: "none"}))
		require.Len(t, h.byKey(directory.CredentialQuery{Owner: "LAST@contoso.example"}), 4, "by the mail address")

		h.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.Applications,
			Question: simtenant.ForOne})
		h.at(day)
		require.Empty(t, h.byKey(directory.CredentialQuery{Owner: "none"}), "those of the night before are known")
	})
}

func TestAPrincipalWithoutOwnersAnswersWithThoseOfItsApplication(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		h.tenant.AddObject(simtenant.Applications, []byte(`{"id":"i","appId":"app-a","displayName":"A","keyCredentials":[],
			"owners":[{"@odata.type":"#microsoft.graph.user","id":"o","mail":"o@contoso.example"}],"passwordCredentials":[]}`))
		h.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"j","appId":"app-j","displayName":"J",
			"owners":[],"keyCredentials":[],"passwordCredentials":[{"keyId":"kj","endDateTime":%q}]}`, stamp(now.Add(9*day))))
		h.tenant.AddObject(simtenant.ServicePrincipals, fmt.Appendf(nil, `{"id":"pj","appId":"app-j","accountEnabled":false,
			"appOwnerOrganizationId":%q,"keyCredentials":[],"passwordCredentials":[]}`, ofOurs))
		h.addSAML("a", oldCertificate)
		snap := h.at(0)
		require.EqualValues(t, 1, snap.Applications, "with credentials")
		require.EqualValues(t, 1, snap.Principals)
		got := h.byKey(directory.CredentialQuery{})
		require.Equal(t, "o@contoso.example", got["old-a"].OwnersMail)
		require.Equal(t, ofOurs, got["kj"].OwnerTenant)
		require.False(t, *got["kj"].Enabled)
		require.True(t, *got["old-a"].Enabled)
		_, err := h.reader.Application(t.Context(), "app-j", 0, 0)
		require.NoError(t, err)
	})
}

// addMicrosofts adds, or replaces, a service principal of Microsoft's with some secrets.
func (h *house) addMicrosofts(add func(id string, raw []byte), secrets ...string) {
	for i, id := range secrets {
		secrets[i] = fmt.Sprintf(`{"keyId":%q,"startDateTime":%q,"endDateTime":%q}`, id, stamp(now.Add(-day)),
			stamp(now.Add(20*day)))
	}
	add("exchange", fmt.Appendf(nil, `{"id":"exchange","appId":"app-exchange","displayName":"Office 365 Exchange Online",
		"servicePrincipalType":"Application","accountEnabled":true,"appOwnerOrganizationId":%q,"owners":[],
		"keyCredentials":[],"passwordCredentials":[%s]}`, ofMicrosoft, strings.Join(secrets, ",")))
}

// asVersionBefore writes applications as a version before did, which did not ask for their tenants
// and addresses.
type asVersionBefore struct{ directory.Store }

func (s asVersionBefore) Put(ctx context.Context, id, partition string, rows []directory.Row) error {
	if partition == directory.ReadApps {
		rows = slices.Clone(rows)
		for i, row := range rows {
			var app rules.App
			if err := json.Unmarshal(row.Doc, &app); err != nil {
				return err
			}
			app.Form, app.OwnerTenant, app.Enabled, app.Preferred = 0, "", nil, ""
			for j := range app.Owners {
				app.Owners[j].Mail, app.Owners[j].Kind = "", ""
			}
			rows[i] = directory.Document(row.Key, app)
		}
	}
	return s.Store.Put(ctx, id, partition, rows)
}

// TestAnUpgradeTellsNothingAnew: the first snapshot of this version says more of each credential
// than the one before.
func TestAnUpgradeTellsNothingAnew(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, simtenant.Config{})
		var written bytes.Buffer
		h.log = slog.New(slog.NewTextHandler(&written, nil))
		h.wrap = func(s directory.Store) directory.Store { return asVersionBefore{s} }
		add := func(_ string, raw []byte) { h.tenant.AddObject(simtenant.ServicePrincipals, raw) }
		change := func(id string, raw []byte) { h.tenant.ChangeObject(simtenant.ServicePrincipals, id, raw) }
		h.addMicrosofts(add, "first")
		h.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"i","appId":"app-i","displayName":"I",
			"owners":[{"@odata.type":"#microsoft.graph.user","id":"o","mail":"o@contoso.example"}],"keyCredentials":[],
			"passwordCredentials":[{"keyId":"ours","endDateTime":%q}]}`, stamp(now.Add(10*day))))
		h.tenant.AddObject(simtenant.Applications, fmt.Appendf(nil, `{"id":"j","appId":"app-j","displayName":"J","owners":[],
			"keyCredentials":[],"passwordCredentials":[{"keyId":"nobodys","endDateTime":%q}]}`, stamp(now.Add(10*day))))
		h.at(0)

		all := directory.CredentialQuery{UnusedFor: 30 * day}
		only, nobodys, expiring := all, all, all
		only.Microsoft, nobodys.Owner = timeline.OnlyMicrosoft, "none"
		expiring.States, expiring.Within = []directory.State{directory.Expiring}, 30*day
		cursor := map[*directory.CredentialQuery]string{}
		told := func(q *directory.CredentialQuery, since directory.NewSince) string {
			c := caller{creds: q}
			p, err := c.all(t, h.reader, since, 2)
			require.NoError(t, err)
			cursor[q] = p.cursor
			return strings.Join(p.ids, " ")
		}
		require.ElementsMatch(t, []string{"app-i/ours", "app-j/nobodys", "app-exchange/first"},
			strings.Fields(told(&expiring, directory.NewSince{})), "a version before did not tell whose they are")
		require.NotEmpty(t, told(&all, directory.NewSince{}))
		require.Equal(t, "app-j/nobodys app-exchange/first", told(&nobodys, directory.NewSince{}))
		told(&only, directory.NewSince{})

		h.wrap = nil
		snap := h.at(day)
		require.Zero(t, snap.MicrosoftNew)
		for name, q := range map[string]*directory.CredentialQuery{"all": &all, "nobody's": &nobodys,
			"expiring": &expiring} {
			require.Empty(t, told(q, since(cursor[q])), name)
		}
		require.Empty(t, told(&only, directory.NewSince{Previous: true}), "what was there is not new")
		require.Equal(t, "app-exchange/first", told(&only, directory.NewSince{}))
		require.NotContains(t, written.String(), "is new on a service principal of Microsoft's")

		h.addMicrosofts(change, "first", "second")
		snap = h.at(2 * day)
		require.EqualValues(t, 1, snap.MicrosoftNew)
		require.Equal(t, "app-exchange/second", told(&only, since(cursor[&only])), "an attacker's")
		require.Empty(t, told(&expiring, since(cursor[&expiring])), "no ticket")
		require.Contains(t, written.String(), "is new on a service principal of Microsoft's")
		require.Contains(t, written.String(), "keyId=second")
		require.Zero(t, h.at(3*day).MicrosoftNew, "told once")
		require.Empty(t, told(&only, since(cursor[&only])))
	})
}

func TestAnIDThatFitsNothingGetsAHint(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := open(t, small())
		h.take()
		one := h.credentials(directory.CredentialQuery{UnusedFor: 30 * day}, 999)[0]
		const unknown = "00000000-1111-2222-3333-444444444444"
		for name, c := range map[string]struct {
			query directory.CredentialQuery
			hint  string
		}{
			"everything":     {directory.CredentialQuery{}, ""},
			"an application": {directory.CredentialQuery{AppID: strings.ToUpper(one.AppID)}, ""},
			"an object as application": {directory.CredentialQuery{AppID: unknown}, "no credential of application " +
				unknown},
			"known exceptions": {directory.CredentialQuery{
				Exclude: []string{one.AppID, one.ObjectID, strings.ToUpper(one.KeyID)}}, ""},
			"one of two exceptions": {directory.CredentialQuery{Exclude: []string{unknown, one.AppID}},
				"exclude leaves out nothing by " + unknown + ":"},
			"nobody": {directory.CredentialQuery{Owner: "none"}, ""},
			"a stranger": {directory.CredentialQuery{Owner: "stranger@contoso.example"},
				"none has the owner stranger@contoso.example"},
			"an owner": {directory.CredentialQuery{Owner: ownerOf(h)}, ""},
		} {
			c.query.UnusedFor = 30 * day
			page, err := h.reader.Credentials(t.Context(), c.query, 1, false, "")
			require.NoError(t, err)
			if require.Contains(t, page.Hint, c.hint, name); c.hint == "" {
				require.Empty(t, page.Hint, name)
				require.NotEmpty(t, page.Rows, name)
			}
			if page.Next != "" {
				page, err = h.reader.Credentials(t.Context(), c.query, 1, false, page.Next)
				require.NoError(t, err)
				require.Empty(t, page.Hint, "on the first page only")
			}
		}
	})
}

// ownerOf is the address of somebody who owns a credential.
func ownerOf(h *house) string {
	for _, row := range h.credentials(directory.CredentialQuery{UnusedFor: 30 * day}, 999) {
		if !row.NoOwner {
			return row.Owners[0].Mail
		}
	}
	return ""
}
