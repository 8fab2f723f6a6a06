package rules

import "slices"

// Credentials are the app's, each once. Graph has a SAML signing certificate as a Sign key, a
// Verify key and a password, all with one customKeyIdentifier, and is one certificate. Source:
// learn.microsoft.com/graph/api/serviceprincipal-addtokensigningcertificate.
//
// What the uploader chose as customKeyIdentifier, and the end, may be those of another credential,
// too. So a certificate has one entry of each kind, and nothing that is added hides behind it.
func (h App) Credentials() []Credential {
	groups := h.groups()
	var out []Credential
	for i, k := range h.Keys {
		if groups[i] != i {
			continue
		}
		c := h.credential(Certificate, k)
		for j, k := range h.Keys {
			if groups[j] == i {
				c.add(k)
			}
		}
		out = append(out, c)
	}
	return append(out, h.secrets(out)...)
}

// groups tells for each key which one of the same certificate comes first.
func (h App) groups() []int {
	groups := make([]int, len(h.Keys))
	for i := range groups {
		groups[i] = i
	}
	for _, fit := range []func(a, b Entry) bool{sameThumbprint, sameTimes, sameEnd} { // the surest first
		for i, a := range h.Keys {
			for j, b := range h.Keys[:i] {
				one, other := groups[i], groups[j]
				if one == other || !fit(a, b) || !sameThumbprint(a, b) && h.shareUsage(groups, one, other) {
					continue
				}
				for k, g := range groups {
					if g == one || g == other {
						groups[k] = min(one, other)
					}
				}
			}
		}
	}
	return groups
}

// shareUsage tells whether two groups of keys have keys of one usage.
func (h App) shareUsage(groups []int, one, other int) bool {
	for i, a := range h.Keys {
		for j, b := range h.Keys {
			if groups[i] == one && groups[j] == other && a.Usage == b.Usage {
				return true
			}
		}
	}
	return false
}

// sameThumbprint tells whether two keys are of one certificate for sure.
func sameThumbprint(a, b Entry) bool {
	return a.Thumbprint != "" && a.Thumbprint == b.Thumbprint && a.End.Equal(b.End)
}

// sameTimes tells whether two keys seem to be of one certificate, begin and end.
func sameTimes(a, b Entry) bool {
	pair := a.Usage == "Sign" && b.Usage == "Verify" || a.Usage == "Verify" && b.Usage == "Sign"
	return a.Start.Equal(b.Start) && a.End.Equal(b.End) && a.Identifier == b.Identifier &&
		(a.Identifier != "" || pair) && !differ(a.Thumbprint, b.Thumbprint)
}

// sameEnd is as sameTimes, of keys that begin at two times.
func sameEnd(a, b Entry) bool {
	return a.End.Equal(b.End) && a.Identifier == b.Identifier && a.Identifier != "" &&
		!differ(a.Thumbprint, b.Thumbprint)
}

// add takes what a key says of its certificate.
func (c *Credential) add(k Entry) {
	if k.Usage == "Sign" {
		c.SAML, c.KeyID, c.Usage = true, k.KeyID, "" // the one that the password names, too
	}
	if c.Thumbprint == "" {
		c.Thumbprint = k.Thumbprint
	}
	if c.Name == "" {
		c.Name = k.Name
	}
}

// secrets are the passwords that are not those of SAML certificates. Each of these has one, by its
// key id, or else by its identifier and end.
func (h App) secrets(certificates []Credential) (out []Credential) {
	taken := make([]bool, len(certificates))
	for i, c := range certificates {
		taken[i] = slices.ContainsFunc(h.Secrets, func(s Entry) bool { return s.KeyID == c.KeyID })
	}
	for _, s := range h.Secrets {
		at := slices.IndexFunc(certificates, func(c Credential) bool {
			return c.SAML && c.KeyID == s.KeyID && c.Identifier == s.Identifier && c.End.Equal(s.End)
		})
		if at < 0 {
			for i, c := range certificates {
				if c.SAML && !taken[i] && s.Identifier != "" && c.Identifier == s.Identifier && c.End.Equal(s.End) {
					at, taken[i] = i, true
					break
				}
			}
		}
		if at < 0 {
			out = append(out, h.credential(Secret, s))
		}
	}
	return out
}
