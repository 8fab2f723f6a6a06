package generate

import (
	"encoding/base64"
	"fmt"
	"time"
)

const day = 24 * time.Hour

// dormant reports whether a person has stopped signing in, or never began: such a person has no
// sign-in in the logs.
func dormant(k int) bool { return k%7 == 3 }

// Users is how many people the tenant has.
func (g *Generator) Users() int { return len(g.users) }

// Apps is how many applications the tenant has. Each has a service principal, too.
func (g *Generator) Apps() int { return len(g.apps) }

// lastSignIns are a signInActivity: JSON literals of the three times; nothing at all where none is
// set.
type lastSignIns struct{ interactive, nonInteractive, successful string }

func quoted(t time.Time) string { return `"` + t.UTC().Format(time.RFC3339) + `"` }

const noTime = `"0001-01-01T00:00:00Z"`

// AppendUser appends person k as Graph's /users has it.
func (g *Generator) AppendUser(dst []byte, k int) []byte {
	w, u, r := writer{dst}, g.users[k], newRand(g.cfg.Seed, "directory user", k)
	end := g.cfg.End
	created := end.Add(-time.Duration(40+r.below(3500)) * day).Add(-time.Duration(r.below(86400)) * time.Second)
	guest, state, enabled := r.oneIn(9), `null`, !r.oneIn(12)
	if guest {
		state = `"Accepted"`
	}
	a := g.activeSince(r)
	if dormant(k) {
		a, created, guest, state = g.inactiveSince(r, created, guest, state)
		enabled = !r.oneIn(4)
	}
	w.raw("{")
	w.str("id", u.id)
	w.str("displayName", u.name)
	upn, kind := u.upn, "Member"
	if guest {
		upn, kind = fmt.Sprintf("%s%d_fabrikam.example#EXT#@contoso.example", ascii(u.name), k), "Guest"
	}
	w.str("userPrincipalName", upn)
	w.str("mail", u.upn)
	w.str("userType", kind)
	w.lit("accountEnabled", fmt.Sprint(enabled))
	if created.Before(time.Date(2018, 6, 1, 0, 0, 0, 0, time.UTC)) && r.oneIn(4) {
		w.nulls("createdDateTime")
	} else {
		w.lit("createdDateTime", quoted(created))
	}
	w.str("department", pick(r, []string{"Sales", "Engineering", "Finance", "HR – People", ""}))
	w.lit("onPremisesSyncEnabled", pick(r, []string{"true", "true", "null", "false"}))
	w.lit("externalUserState", state)
	if k%5 > 0 {
		w.lit("lastPasswordChangeDateTime", quoted(created.Add(time.Duration(k%90)*day)))
	}
	w.raw(`,"assignedLicenses":[`)
	if !guest && !r.oneIn(5) {
		w.raw(`{"disabledPlans":[],"skuId":"` + pick(r, []string{"05e9a617-0261-4cee-bb44-138d3ef5d965",
			"06ebc4ee-1bb5-47dd-8120-11324bc54e06"}) + `"}`)
	}
	w.raw("]")
	if a != (lastSignIns{}) {
		w.raw(`,"signInActivity":{"lastSignInDateTime":` + a.interactive + `,"lastSignInRequestId":"` + guid(r) +
			`","lastNonInteractiveSignInDateTime":` + a.nonInteractive +
			`,"lastNonInteractiveSignInRequestId":"","lastSuccessfulSignInDateTime":` +
			a.successful + `,"lastSuccessfulSignInRequestId":""}`)
	}
	w.raw("}")
	return w.b
}

// activeSince is of a person who signs in every day, as Graph shows it: hours late.
func (g *Generator) activeSince(r *rand) lastSignIns {
	last := g.cfg.End.Add(-6*time.Hour - time.Duration(r.below(18*3600))*time.Second)
	return lastSignIns{quoted(last.Add(-2 * time.Hour)), quoted(last), quoted(last)}
}

// inactiveSince makes up one of the ways not to sign in, and the quirks with which Graph shows it.
func (g *Generator) inactiveSince(r *rand, created time.Time, guest bool, state string) (lastSignIns, time.Time, bool,
	string) {
	end := g.cfg.End
	switch r.below(10) {
	case 0: // never, and no longer new
		return lastSignIns{}, created, guest, state
	case 1: // never, and new
		return lastSignIns{}, end.Add(-time.Duration(1+r.below(30)) * day), guest, state
	case 2: // an attempt that failed
		attempt := end.Add(-time.Duration(r.below(60)) * day)
		return lastSignIns{quoted(attempt), "null", "null"}, end.Add(-400 * day), guest, state
	case 3: // a success from before successes were recorded
		attempt := time.Date(2022, 1+time.Month(r.below(12)), 1+r.below(28), 8, 30, 0, 0, time.UTC)
		return lastSignIns{quoted(attempt), `""`, `""`}, time.Date(2019, 3, 4, 9, 0, 0, 0, time.UTC), guest, state
	case 4: // invited, and never came
		return lastSignIns{}, created, true, `"PendingAcceptance"`
	case 5:
		return lastSignIns{noTime, noTime, noTime}, created, guest, state
	}
	last := end.Add(-time.Duration(60+r.below(600)) * day).Add(-time.Duration(r.below(86400)) * time.Second)
	return lastSignIns{quoted(last), quoted(last.Add(-3 * day)), quoted(last)}, last.Add(-300 * day), guest, state
}

// Licences are the products that the tenant has, as Graph's /subscribedSkus has them. Source:
// learn.microsoft.com/entra/identity/users/licensing-service-plan-reference.
func (g *Generator) Licences() (out [][]byte) {
	for _, one := range [][2]string{{"06ebc4ee-1bb5-47dd-8120-11324bc54e06", "SPE_E5"},
		{"05e9a617-0261-4cee-bb44-138d3ef5d965", "SPE_E3"}} {
		w := writer{}
		w.raw("{")
		w.str("id", tenantID+"_"+one[0])
		w.str("skuId", one[0])
		w.str("skuPartNumber", one[1])
		w.raw("}")
		out = append(out, w.b)
	}
	return out
}

// credential is a secret or certificate of the generator.
type credential struct {
	keyID, name, thumbprint string
	start, end              time.Time // end is zero where it never ends
	certificate, saml       bool
	onPrincipal             bool
	lastUsed                time.Time // zero: never
}

// credentials are those of application k.
func (g *Generator) credentials(k int) []credential {
	r := newRand(g.cfg.Seed, "credentials", k)
	end := g.cfg.End
	made := func(name string, daysLeft int) credential {
		c := credential{keyID: guid(r), name: name, thumbprint: base64.StdEncoding.EncodeToString([]byte(token(r, 20)))}
		c.end = end.Add(time.Duration(daysLeft)*day + time.Duration(r.below(86400))*time.Second)
		c.start = c.end.Add(-730 * day)
		if r.below(3) > 0 && c.start.Before(end) {
			c.lastUsed = end.Add(-time.Duration(r.below(90)) * day)
		}
		return c
	}
	var out []credential
	switch k % 6 {
	case 0:
		return nil
	case 1:
		c := made("CN=Microsoft Azure Federated SSO Certificate", -40+r.below(800))
		c.certificate, c.saml, c.onPrincipal = true, true, true
		out = append(out, c)
	case 2:
		out = append(out, made("rotated", -10), made("rotated again", 300))
	case 3:
		c := made("CN=contoso", 1+r.below(45))
		c.certificate = true
		out = append(out, c)
	case 4:
		c := made("for ever", 0)
		c.start, c.end = end.Add(-300*day), time.Time{}
		out = append(out, c, made("secret", 1+r.below(28)))
	case 5:
		out = append(out, made("old", -1-r.below(700)))
	}
	return out
}

func (w *writer) secret(c credential) {
	identifier := "null"
	if c.saml {
		identifier = `"` + c.thumbprint + `"`
	}
	w.next()
	w.raw(`{"customKeyIdentifier":` + identifier)
	w.str("displayName", c.name)
	w.ends(c)
	w.str("hint", "a1B")
	w.str("keyId", c.keyID)
	w.nulls("secretText")
	w.lit("startDateTime", quoted(c.start))
	w.raw("}")
}

func (w *writer) certificate(c credential, keyID, kind, usage string) {
	w.next()
	w.raw(`{"customKeyIdentifier":"` + c.thumbprint + `"`)
	w.str("displayName", c.name)
	w.ends(c)
	w.nulls("key")
	w.str("keyId", keyID)
	w.lit("startDateTime", quoted(c.start))
	w.str("type", kind)
	w.str("usage", usage)
	w.raw("}")
}

func (w *writer) ends(c credential) {
	if !c.end.IsZero() {
		w.lit("endDateTime", quoted(c.end))
	}
}

// AppendApplication appends application k as Graph's /applications has it, with its owners
// expanded.
func (g *Generator) AppendApplication(dst []byte, k int) []byte {
	w, a, r := writer{dst}, g.apps[k], newRand(g.cfg.Seed, "directory application", k)
	w.raw("{")
	w.str("id", guid(r))
	w.str("appId", a.id)
	w.str("displayName", a.name)
	w.lit("createdDateTime", quoted(g.cfg.End.Add(-900*day)))
	w.raw(`,"tags":[`)
	if k%17 == 4 {
		w.raw(`"WindowsAzureActiveDirectoryOnPremApp"`)
	}
	w.raw(`],"passwordCredentials":[`)
	for _, c := range g.credentials(k) {
		if !c.onPrincipal && !c.certificate {
			w.secret(c)
		}
	}
	w.raw(`],"keyCredentials":[`)
	for _, c := range g.credentials(k) {
		if !c.onPrincipal && c.certificate {
			w.certificate(c, c.keyID, "AsymmetricX509Cert", "Verify")
		}
	}
	w.raw(`]`)
	g.owners(&w, r, k)
	w.raw("}")
	return w.b
}

func (g *Generator) owners(w *writer, r *rand, k int) {
	w.raw(`,"owners":[`)
	if k%4 != 0 {
		for range 1 + k%2 {
			u := pick(r, g.users)
			w.next()
			w.raw(`{"@odata.type":"#microsoft.graph.user","id":"` + u.id + `"`)
			w.str("displayName", u.name)
			w.str("userPrincipalName", u.upn)
			w.str("mail", u.upn)
			w.raw("}")
		}
	}
	w.raw("]")
}

// AppendPrincipal appends the service principal of application k as Graph's /servicePrincipals has
// it.
func (g *Generator) AppendPrincipal(dst []byte, k int) []byte {
	w, a, r := writer{dst}, g.apps[k], newRand(g.cfg.Seed, "directory principal", k)
	w.raw("{")
	w.str("id", a.principal)
	w.str("appId", a.id)
	w.str("displayName", a.name)
	w.str("appOwnerOrganizationId", tenantID)
	w.lit("accountEnabled", "true")
	w.nulls("preferredTokenSigningKeyThumbprint")
	w.str("servicePrincipalType", "Application")
	w.raw(`,"tags":["WindowsAzureActiveDirectoryIntegratedApp"],"passwordCredentials":[`)
	for _, c := range g.credentials(k) {
		if c.saml {
			w.secret(c)
		}
	}
	w.raw(`],"keyCredentials":[`)
	for _, c := range g.credentials(k) {
		if c.saml {
			w.certificate(c, c.keyID, "X509CertAndPassword", "Sign")
			w.certificate(c, guid(r), "AsymmetricX509Cert", "Verify")
		}
	}
	w.raw(`]`)
	g.owners(&w, r, k)
	w.raw("}")
	return w.b
}

// CredentialUse is what the report of credential use says of application k: a row for each
// credential that was used.
func (g *Generator) CredentialUse(k int) [][]byte {
	var out [][]byte
	for _, c := range g.credentials(k) {
		if c.lastUsed.IsZero() {
			continue
		}
		w := writer{}
		w.raw("{")
		w.str("id", base64.StdEncoding.EncodeToString([]byte(c.keyID)))
		w.str("keyId", c.keyID)
		w.str("keyType", map[bool]string{false: "password", true: "certificate"}[c.certificate])
		w.str("keyUsage", map[bool]string{false: "verify", true: "sign"}[c.saml])
		w.str("appId", g.apps[k].id)
		w.nulls("servicePrincipalObjectId")
		w.str("credentialOrigin", map[bool]string{false: "application", true: "servicePrincipal"}[c.onPrincipal])
		w.raw(`,"signInActivity":{"lastSignInDateTime":` + quoted(c.lastUsed) + `,"lastSignInRequestId":"Aggregated"}`)
		w.raw("}")
		out = append(out, w.b)
	}
	return out
}

// PrincipalUse is what the report of service principals' use says of application k.
func (g *Generator) PrincipalUse(k int) []byte {
	w, r := writer{}, newRand(g.cfg.Seed, "principal use", k)
	last := quoted(g.cfg.End.Add(-time.Duration(r.below(40)) * day))
	w.raw("{")
	w.str("id", base64.StdEncoding.EncodeToString([]byte(g.apps[k].id)))
	w.str("appId", g.apps[k].id)
	w.raw(`,"delegatedClientSignInActivity":{"lastSignInDateTime":null,"lastSignInRequestId":null},` +
		`"lastSignInActivity":{"lastSignInDateTime":` + last +
		`,"lastSignInRequestId":"Aggregated"}}`)
	return w.b
}
