package rules

import (
	"slices"
	"time"
)

// WithSuccessors lets each credential of one application know the newest one beside it that takes
// its place: see replaces.
func WithSuccessors(credentials []Credential, now time.Time) []Credential {
	out := slices.Clone(credentials)
	findActive(out, now)
	for i := range out {
		c := &out[i]
		var best, waiting *Credential
		for j := range out {
			o := &out[j]
			if i == j || !o.replaces(*c, now) {
				continue
			}
			into := &best
			if c.SAML && (!c.ActiveKnown || !o.Active) {
				into = &waiting
			}
			if *into == nil || !(*into).End.IsZero() && (o.End.IsZero() || (*into).End.Before(o.End)) {
				*into = o
			}
		}
		if best != nil {
			c.Successor = best.KeyID
		}
		if best == nil && waiting != nil && (c.Active || !c.ActiveKnown) {
			c.Waiting = waiting.KeyID
		}
	}
	return out
}

// replaces tells whether a credential that is valid now can take the place of another one: it is of
// the same kind, begins no earlier, ends later, and lies where that one lies, for the same use. A
// secret replaces no certificate, and one on the service principal none on the application.
func (c Credential) replaces(old Credential, now time.Time) bool {
	same := c.AppID == old.AppID && c.Kind == old.Kind && c.SAML == old.SAML &&
		c.Usage == old.Usage && c.KeyID != old.KeyID && c.beside(old)
	return same && !old.End.IsZero() && !c.Start.After(now) && !c.Start.Before(old.Start) &&
		(c.End.IsZero() || c.End.After(old.End) && c.End.After(now))
}

// beside tells whether two credentials of one use lie on one object. A SAML certificate may be on
// the application, too, and signs for the service principal all the same.
func (c Credential) beside(old Credential) bool {
	if c.SAML {
		return c.signer == old.signer
	}
	return c.Origin == old.Origin
}

// findActive finds, for each service principal, the certificate that signs its SAML tokens.
//
// It is the one whose thumbprint, computed from the certificate, is
// preferredTokenSigningKeyThumbprint, even if it has ended. That property may be null, of a
// certificate that is gone, or no thumbprint; then it is the only one that has not ended. Where the
// certificate that is preferred may be one whose thumbprint is not known, nobody can say. Sources:
// learn.microsoft.com/graph/application-saml-sso-configure-api (activate the certificate),
// learn.microsoft.com/graph/api/resources/keycredential (customKeyIdentifier is the uploader's).
func findActive(all []Credential, now time.Time) {
	of := make(map[string][]*Credential)
	for i := range all {
		if c := &all[i]; c.SAML {
			of[c.signer] = append(of[c.signer], c)
		}
	}
	for _, certificates := range of {
		active := activeOf(certificates, now)
		for _, c := range certificates {
			c.ActiveKnown = active != nil
			c.Active = active == c
		}
	}
}

// activeOf is the active one of a service principal's certificates; nil: nobody can say.
func activeOf(certificates []*Credential, now time.Time) *Credential {
	unknown := false
	var valid []*Credential
	for _, c := range certificates {
		if c.preferred != "" && c.Thumbprint == c.preferred {
			return c
		}
		unknown = unknown || c.Thumbprint == ""
		if c.End.IsZero() || c.End.After(now) {
			valid = append(valid, c)
		}
	}
	mayBeOther := unknown && certificates[0].preferred != "" && len(certificates) > 1
	if len(valid) != 1 || mayBeOther || valid[0].Start.After(now) {
		return nil
	}
	return valid[0]
}
