package rules_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// TestEachSAMLCertificateIsOneRowAsTheRulesSay: principals are made at random, also such whose
// certificates have one customKeyIdentifier and one end, in any order.
func TestEachSAMLCertificateIsOneRowAsTheRulesSay(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const day = 24 * time.Hour
	for seed := range uint64(6000) {
		r := rand.New(rand.NewPCG(seed, 1))
		type made struct {
			id, sum  string
			from, to time.Time
			given    bool
		}
		var certs []made
		keys, secrets := []any{}, []any{}
		same := r.IntN(3) == 0
		for i := range 1 + r.IntN(4) {
			raw := fmt.Appendf(nil, "0 cert %d %d", seed, i)
			sum := sha1.Sum(raw)
			m := made{fmt.Sprintf("k%d", i), hex.EncodeToString(sum[:]),
				now.Add(time.Duration(r.IntN(100)-90)*day + time.Duration(i)*time.Second),
				now.Add(time.Duration(r.IntN(100)-20) * day), r.IntN(4) > 0}
			if seed%2 == 0 { // ends that are not those of another
				m.to = m.to.Add(time.Duration(i) * time.Minute)
			} else if r.IntN(2) == 0 && i > 0 {
				m.to = certs[0].to
			}
			chosen := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "chosen %d", i))
			if same {
				chosen = base64.StdEncoding.EncodeToString([]byte("same"))
			}
			if r.IntN(5) == 0 {
				chosen = ""
			}
			verify := map[string]any{"keyId": "v" + m.id, "usage": "Verify", "type": "AsymmetricX509Cert",
				"startDateTime": m.from.Format(time.RFC3339), "endDateTime": m.to.Format(time.RFC3339)}
			sign := map[string]any{"keyId": m.id, "usage": "Sign", "type": "X509CertAndPassword",
				"startDateTime": m.from.Format(time.RFC3339), "endDateTime": m.to.Format(time.RFC3339)}
			if chosen != "" {
				verify["customKeyIdentifier"], sign["customKeyIdentifier"] = chosen, chosen
			}
			if m.given {
				verify["key"] = base64.StdEncoding.EncodeToString(raw)
			}
			two := []any{verify, sign}
			if r.IntN(2) == 0 {
				two = []any{sign, verify}
			}
			keys = append(keys, two...)
			if r.IntN(2) == 0 {
				secret := map[string]any{"keyId": m.id, "startDateTime": m.from.Format(time.RFC3339),
					"endDateTime": m.to.Format(time.RFC3339)}
				if chosen != "" {
					secret["customKeyIdentifier"] = chosen
				}
				secrets = append(secrets, secret)
			}
			certs = append(certs, m)
		}
		r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		preferred, match := any(nil), -1
		switch r.IntN(4) {
		case 0:
			preferred = "unused"
		case 1:
			preferred = strings.Repeat("ab", 20)
		case 2:
			match = r.IntN(len(certs))
			preferred = strings.ToUpper(certs[match].sum)
		}
		raw, err := json.Marshal(map[string]any{"id": "o", "appId": "a", "keyCredentials": keys,
			"passwordCredentials":                secrets,
			"preferredTokenSigningKeyThumbprint": preferred})
		require.NoError(t, err)
		app, err := rules.ParseApp(rules.OnServicePrincipal, raw)
		require.NoError(t, err)
		all := rules.JoinedWithUse([]rules.App{app}, nil, false, now)
		got := map[string]rules.Credential{}
		for _, c := range all {
			got[c.KeyID] = c
		}
		require.Len(t, all, len(certs), "seed %d: %s", seed, raw)
		for i, m := range certs {
			c, ok := got[m.id]
			require.True(t, ok, "seed %d: %s: %v", seed, raw, all)
			require.True(t, c.SAML)
			require.True(t, c.End.Equal(m.to), "seed %d: of another certificate: %s", seed, raw)
			if m.given {
				require.Equal(t, m.sum, c.Thumbprint, "seed %d: %s", seed, raw)
			}
			if match >= 0 && certs[match].given {
				require.True(t, c.ActiveKnown, "seed %d", seed)
				require.Equal(t, i == match, c.Active, "seed %d: %s", seed, raw)
			}
			if c.Successor != "" {
				o := got[c.Successor]
				require.True(t, o.ActiveKnown && o.Active && o.End.After(c.End) && !o.Start.Before(c.Start) &&
					!o.Start.After(now), "seed %d", seed)
			}
		}
	}
}

// TestNothingHidesBehindACertificate: whoever adds a key or a secret chooses its identifier and
// end.
func TestNothingHidesBehindACertificate(t *testing.T) {
	const id = "c2FtZQ=="
	named := func(keyID string) string {
		return fmt.Sprintf(`{"keyId":%q,"customKeyIdentifier":%q,"startDateTime":%q,"endDateTime":%q}`, keyID, id,
			start, end)
	}
	for name, c := range map[string]struct {
		keys, secrets string
		want          []string
	}{
		"a secret behind a certificate": {key("k", id, "Verify", start, end), named("evil"), []string{"k", "evil"}},
		"a second secret behind a SAML certificate": {saml("k", id, certA, start, end), named("evil") + "," +
			named("k"),
			[]string{"k", "evil"}},
		"a secret of another key id": {saml("k", id, certA, start, end), named("other"), []string{"k"}},
		"a key behind a certificate": {key("k", id, "Verify", start, end) + "," + key("evil", id, "Verify", start, end),
			"",
			[]string{"k", "evil"}},
		"a signing key behind a SAML certificate": {saml("k", id, nil, start, end) + "," +
			key("evil", id, "Sign", start, end), "", []string{"k", "evil"}},
	} {
		app := holder(t, rules.OnServicePrincipal, `"id":"o","keyCredentials":[`+c.keys+`],"passwordCredentials":[`+
			c.secrets+`]`)
		var got []string
		for _, one := range rules.JoinedWithUse([]rules.App{app}, nil, false, now) {
			got = append(got, one.KeyID)
		}
		require.Equal(t, c.want, got, name)
	}
}

// TestAnActiveCertificateThatTheApplicationHasToo: the newer one, which nobody activated, is on the
// service principal alone.
func TestAnActiveCertificateThatTheApplicationHasToo(t *testing.T) {
	for name, own := range map[string]string{"with its key": base64.StdEncoding.EncodeToString(certA), "without": ""} {
		const soon, late = "2026-11-30T00:00:00Z", "2029-11-01T00:00:00Z"
		app := holder(t, rules.OnApplication, fmt.Sprintf(`"id":"i","keyCredentials":[{"keyId":"a-app","usage":"Verify",
			"type":"AsymmetricX509Cert","customKeyIdentifier":"YQ==","startDateTime":%q,"endDateTime":%q,"key":%q}]`,
			start, soon, own))
		sp := holder(t, rules.OnServicePrincipal, `"id":"s","preferredTokenSigningKeyThumbprint":`+quote(thumbA)+
			`,"keyCredentials":[`+saml("a", "YQ==", certA, start, soon)+","+
			saml("b", "Yg==", certB, "2026-11-01T00:00:00Z", late)+`]`)
		all := rules.JoinedWithUse([]rules.App{app, sp}, nil, false, now)
		require.Len(t, all, 2, name)
		require.Equal(t, "a-app", all[0].KeyID, name)
		require.True(t, all[0].Active, name)
		require.Equal(t, "b", all[0].Waiting, name)
		require.Empty(t, all[0].Successor, name)
		require.True(t, all[1].ActiveKnown, name)
		require.False(t, all[1].Active, name)
	}
}
