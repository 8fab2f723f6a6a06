package rules_test

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// made-up certificates, and their thumbprints
var (
	certA, certB   = []byte("0 certificate A"), []byte("0 certificate B")
	thumbA, thumbB = thumb(certA), thumb(certB)
)

func thumb(certificate []byte) string {
	sum := sha1.Sum(certificate)
	return hex.EncodeToString(sum[:])
}

// saml is a certificate that can sign SAML tokens as Graph has it: a Sign key, whose private part
// it keeps, and a Verify key. Without a certificate the key is null, as lists may have it.
func saml(id, identifier string, certificate []byte, start, end string) string {
	public := "null"
	if certificate != nil {
		public = `"` + base64.StdEncoding.EncodeToString(certificate) + `"`
	}
	one := func(id, kind, usage, key string) string {
		return fmt.Sprintf(`{"keyId":%q,"customKeyIdentifier":%q,"usage":%q,"type":%q,"startDateTime":%q,`+
			`"endDateTime":%q,"key":%s}`, id, identifier, usage, kind, start, end, key)
	}
	return one(id+"-verify", "AsymmetricX509Cert", "Verify", public) + "," +
		one(id, "X509CertAndPassword", "Sign", "null")
}

// TestASuccessorThatNobodyActivatedIsNone: now is 21 November 2026. A ends in 9 days, and B is
// newer.
func TestASuccessorThatNobodyActivatedIsNone(t *testing.T) {
	const (
		begin, soon   = "2023-11-30T00:00:00Z", "2026-11-30T00:00:00Z"
		newer, late   = "2026-11-01T00:00:00Z", "2029-11-01T00:00:00Z"
		gone, notYet  = "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"
		aGone, pasted = "2023-11-01T00:00:00Z", "saml"
	)
	upper := func(thumb string) string { return strings.ToUpper(thumb) }
	a, b := saml("a", "YQ==", certA, begin, soon), saml("b", "Yg==", certB, newer, late)
	for name, c := range map[string]struct {
		preferred          string // JSON; empty: null
		keys               string
		active             string // empty: nobody can say
		successor, waiting string // of a
	}{
		"A is active":                       {quote(upper(thumbA)), a + "," + b, "a", "", "b"},
		"A is active, B is first":           {quote(upper(thumbA)), b + "," + a, "a", "", "b"},
		"in lower case":                     {quote(thumbA), a + "," + b, "a", "", "b"},
		"with colons":                       {quote(colons(upper(thumbA))), a + "," + b, "a", "", "b"},
		"B is active":                       {quote(upper(thumbB)), a + "," + b, "b", "b", ""},
		"nothing is preferred":              {"null", a + "," + b, "", "", "b"},
		"it is unused":                      {`"unused"`, a + "," + b, "", "", "b"},
		"it is of one that is gone":         {quote(strings.Repeat("0", 40)), a + "," + b, "", "", "b"},
		"nothing is preferred, and A ended": {"null", saml("a", "YQ==", certA, aGone, gone) + "," + b, "b", "b", ""},
		"a stale one is preferred, A ended": {quote(strings.Repeat("0", 40)),
			saml("a", "YQ==", certA, aGone, gone) + "," + b, "b", "b", ""},
		"A ended, and is the active one still": {quote(thumbA),
			saml("a", "YQ==", certA, aGone, gone) + "," + b, "a", "", "b"},
		"A ended, and B has not begun": {"null",
			saml("a", "YQ==", certA, aGone, gone) + "," + saml("b", "Yg==", certB, notYet, late), "", "", ""},
		"A ended, and the keys did not come": {quote(thumbA),
			saml("a", "YQ==", nil, aGone, gone) + "," + saml("b", "Yg==", nil, newer, late), "", "", "b"},
		"the keys did not come, and none is preferred": {"null",
			saml("a", "YQ==", nil, aGone, gone) + "," + saml("b", "Yg==", nil, newer, late), "b", "b", ""},
		"the uploader gave B the thumbprint of A": {quote(thumbA),
			a + "," + saml("b", base64.StdEncoding.EncodeToString(sum(certA)), certB, newer, late), "a", "", "b"},
		"both have one customKeyIdentifier": {quote(thumbA),
			saml("a", "c2FtbA==", certA, begin, soon) + "," + saml("b", "c2FtbA==", certB, newer, late), "a", "", "b"},
		"both have one customKeyIdentifier and end": {quote(thumbB),
			saml("a", "c2FtbA==", certA, begin, soon) + "," + saml("b", "c2FtbA==", certB, newer, soon), "b", "", ""},
		"as text": {quote(thumbA), saml("a", "YQ==", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certA}),
			begin, soon) + "," + b, "a", "", "b"},
		"B began before A": {quote(thumbB), a + "," + saml("b", "Yg==", certB, "2022-01-01T00:00:00Z", late), "b", "",
			""},
		"there is A alone": {quote(strings.Repeat("0", 40)), a, "a", "", ""},
		pasted + " keys without identifiers": {quote(thumbA),
			strings.ReplaceAll(saml("a", "", certA, begin, soon)+","+saml("b", "", certB, newer, late),
				`"customKeyIdentifier":""`, `"customKeyIdentifier":null`), "a", "", "b"},
	} {
		t.Run(name, func(t *testing.T) {
			h := holder(t, rules.OnServicePrincipal, `"id":"sp","preferredTokenSigningKeyThumbprint":`+c.preferred+
				`,"keyCredentials":[`+c.keys+`],"passwordCredentials":[]`)
			all := rules.JoinedWithUse([]rules.App{h}, nil, false, now)
			require.Len(t, all, strings.Count(c.keys, `"Sign"`), "each once")
			for _, got := range all {
				require.True(t, got.SAML)
				require.Equal(t, c.active != "", got.ActiveKnown, got.KeyID)
				require.Equal(t, c.active == got.KeyID, got.Active, got.KeyID)
				if got.KeyID == "a" {
					require.Equal(t, c.successor, got.Successor)
					require.Equal(t, c.waiting, got.Waiting)
					_, why := got.Judge(now, 30*day, 30*day)
					require.Equal(t, c.waiting != "" && c.active == "a", strings.Contains(why, "nobody has activated"))
				} else {
					require.Empty(t, got.Successor)
				}
			}
		})
	}
}

func quote(text string) string { return `"` + text + `"` }

func sum(certificate []byte) []byte {
	of := sha1.Sum(certificate)
	return of[:]
}

func colons(thumb string) string {
	var pairs []string
	for pair := range slices.Chunk([]byte(thumb), 2) {
		pairs = append(pairs, string(pair))
	}
	return strings.Join(pairs, ":")
}

func TestWhatReplacesACredential(t *testing.T) {
	const begin, soon, late = "2024-11-30T00:00:00Z", "2026-11-30T00:00:00Z", "2028-01-01T00:00:00Z"
	old := secret("old", begin, soon)
	for name, c := range map[string]struct {
		application, principal string // passwordCredentials; then keyCredentials
		keys, principalKeys    string
		of, successor          string
	}{
		"a newer secret": {application: old + "," + secret("new", "2026-11-01T00:00:00Z", late), of: "old",
			successor: "new"},
		"one that began on the day": {application: old + "," + secret("new", begin, late), of: "old", successor: "new"},
		"one that began before":     {application: old + "," + secret("new", "2024-11-29T00:00:00Z", late), of: "old"},
		"one that has not begun":    {application: old + "," + secret("new", "2026-11-22T00:00:00Z", late), of: "old"},
		"one that ends with it":     {application: old + "," + secret("new", "2026-11-01T00:00:00Z", soon), of: "old"},
		"one that never ends": {application: old + "," + secret("new", "2026-11-01T00:00:00Z", ""), of: "old",
			successor: "new"},
		"a certificate": {application: old,
			keys: key("new", "eA==", "Verify", "2026-11-01T00:00:00Z", late), of: "old"},
		"a secret for a certificate": {application: secret("new", "2026-11-01T00:00:00Z", late),
			keys: key("old", "eA==", "Verify", begin, soon), of: "old"},
		"a certificate for a certificate": {
			keys: key("old", "eA==", "Verify", begin, soon) + "," +
				key("new", "eQ==", "Verify", "2026-11-01T00:00:00Z", late),
			of: "old", successor: "new"},
		"one for encryption": {
			keys: key("old", "eA==", "Verify", begin, soon) + "," +
				key("new", "eQ==", "Encrypt", "2026-11-01T00:00:00Z", late),
			of: "old"},
		"a secret on the principal": {application: old, principal: secret("new", "2026-11-01T00:00:00Z", late),
			of: "old"},
		"two on the principal": {principal: old + "," + secret("new", "2026-11-01T00:00:00Z", late), of: "old",
			successor: "new"},
		"the longest of two": {application: old + "," + secret("b", "2026-11-01T00:00:00Z", "2027-01-01T00:00:00Z") +
			"," +
			secret("c", "2026-11-01T00:00:00Z", late), of: "old", successor: "c"},
		"one that signs SAML tokens": {
			principalKeys: key("old", "eA==", "Verify", begin, soon) + "," +
				saml("new", "eQ==", certB, "2026-11-01T00:00:00Z", late),
			of: "old"},
	} {
		t.Run(name, func(t *testing.T) {
			app := holder(t, rules.OnApplication, `"id":"app","passwordCredentials":[`+c.application+
				`],"keyCredentials":[`+c.keys+`]`)
			sp := holder(t, rules.OnServicePrincipal, `"id":"sp","passwordCredentials":[`+c.principal+
				`],"keyCredentials":[`+c.principalKeys+`]`)
			all := rules.JoinedWithUse([]rules.App{app, sp}, nil, false, now)
			at := slices.IndexFunc(all, func(got rules.Credential) bool { return got.KeyID == c.of })
			require.GreaterOrEqual(t, at, 0)
			require.Equal(t, c.successor, all[at].Successor)
			require.Empty(t, all[at].Waiting)
		})
	}
}

func TestSecretsWithoutANameHaveTheOneThatOlderToolsWrote(t *testing.T) {
	utf16 := func(text string) []byte {
		var out []byte
		for _, r := range text {
			out = append(out, byte(r), byte(r>>8))
		}
		return out
	}
	for name, c := range map[string]struct {
		identifier []byte
		want       string
	}{
		"the Azure CLI's":                {append([]byte{0xff, 0xfe}, utf16("rbac")...), "rbac"},
		"big endian":                     {[]byte{0xfe, 0xff, 0, 'k', 0, '1'}, "k1"},
		"Azure PowerShell's":             {utf16("My pw id"), "My pw id"},
		"in Russian":                     {utf16("ключ"), "ключ"},
		"Chinese, with a mark":           {append([]byte{0xff, 0xfe}, utf16("密钥")...), "密钥"},
		"UTF-8":                          {[]byte("Schlüssel 2019"), "Schlüssel 2019"},
		"UTF-8, with a mark":             {[]byte("\xef\xbb\xbfkey"), "key"},
		"one letter":                     {[]byte("k"), "k"},
		"random bytes":                   {sum(certA)[:16], ""},
		"a mark alone":                   {[]byte{0xff, 0xfe}, ""},
		"half a character":               {[]byte{0xff, 0xfe, 'a'}, ""},
		"control characters":             {[]byte("a\nb"), ""},
		"nothing":                        {nil, ""},
		"ends with what ends texts in C": {append(utf16("key"), 0, 0), "key"},
	} {
		t.Run(name, func(t *testing.T) {
			h := holder(t, rules.OnApplication, fmt.Sprintf(`"id":"o","passwordCredentials":[{"keyId":"k",`+
				`"customKeyIdentifier":%q,"displayName":null,"startDateTime":%q,"endDateTime":%q}]`,
				base64.StdEncoding.EncodeToString(c.identifier), start, end))
			require.Equal(t, c.want, h.Credentials()[0].Name)
		})
	}
	h := holder(t, rules.OnApplication, `"id":"o","passwordCredentials":[`+secret("k", start, end)+
		`,{"keyId":"l","customKeyIdentifier":"no base64 %","displayName":null}]`)
	require.Equal(t, "s", h.Credentials()[0].Name, "its own name comes first")
	require.Empty(t, h.Credentials()[1].Name)
}

func TestCertificatesShowTheirThumbprintAsThePortalDoes(t *testing.T) {
	hexA := strings.ToUpper(thumbA)
	for name, c := range map[string]struct{ identifier, key, want string }{
		"computed":                       {"c2FtbA==", base64.StdEncoding.EncodeToString(certA), hexA},
		"computed, in the other letters": {"c2FtbA==", base64.RawURLEncoding.EncodeToString(certA), hexA},
		"by customKeyIdentifier":         {base64.StdEncoding.EncodeToString(sum(certA)), "", hexA},
		"by one that is text":            {base64.StdEncoding.EncodeToString([]byte(thumbA)), "", hexA},
		"by one that is no base64":       {thumbA, "", hexA},
		"a name of 20 letters":           {base64.StdEncoding.EncodeToString([]byte("my-saml-certificate1")), "", ""},
		"neither":                        {"c2FtbA==", "", ""},
	} {
		h := holder(t, rules.OnApplication, fmt.Sprintf(`"id":"o","keyCredentials":[{"keyId":"k","usage":"Verify",`+
			`"type":"AsymmetricX509Cert","customKeyIdentifier":%q,"key":%q,"startDateTime":%q,"endDateTime":%q}]`,
			c.identifier, c.key, start, end))
		require.Equal(t, c.want, h.Credentials()[0].ShownThumbprint(), name)
		require.NotContains(t, fmt.Sprint(h), base64.StdEncoding.EncodeToString(certA), "the key is not kept")
	}
}
