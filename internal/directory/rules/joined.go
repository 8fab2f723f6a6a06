package rules

import (
	"slices"
	"strings"
	"time"
)

// Joined puts the credentials of applications and of their service principals together. One that
// both have, under one key id or one certificate's thumbprint, is one credential, the
// application's, with the owners of both. Each learns its successor.
func Joined(credentials []Credential) []Credential {
	type place struct{ appID, key string }
	var (
		out  []Credential
		seen = make(map[place][]int)
	)
	sorted := slices.Clone(credentials)
	slices.SortStableFunc(sorted, func(a, b Credential) int { // applications first
		return strings.Compare(string(a.Origin), string(b.Origin))
	})
	for _, c := range sorted {
		places := []place{{c.AppID, "id " + c.KeyID}}
		if c.Kind == Certificate && c.Identifier != "" {
			places = append(places, place{c.AppID, "certificate " + c.Identifier + c.End.String()})
		}
		at := -1
		for i, p := range places {
			// One key id is one credential, whatever its entries say: the password of a SAML
			// certificate may lack the certificate's identifier, or end at another time.
			same := func(at int) bool {
				return i == 0 || out[at].ObjectID != c.ObjectID && !differ(out[at].Thumbprint, c.Thumbprint)
			}
			if n := slices.IndexFunc(seen[p], same); at < 0 && n >= 0 {
				at = seen[p][n]
			}
		}
		if at >= 0 {
			out[at].join(c)
			continue
		}
		for _, p := range places {
			seen[p] = append(seen[p], len(out))
		}
		out = append(out, c)
	}
	return out
}

// join takes what another entry of the same credential says of it. Of two ends that one object
// tells, the earlier one counts.
func (c *Credential) join(o Credential) {
	if c.ObjectID == o.ObjectID && !o.End.IsZero() && o.End.Before(c.End) {
		c.End = o.End
	}
	c.Owners, c.MoreOwners = union(c.Owners, o.Owners), c.MoreOwners || o.MoreOwners
	if o.Kind == Certificate && c.Thumbprint == "" {
		c.Thumbprint = o.Thumbprint
	}
	if o.SAML {
		c.SAML, c.Usage, c.preferred, c.signer = true, "", o.preferred, o.signer
	}
}

// differ tells whether two thumbprints are known, and not the same.
func differ(a, b string) bool { return a != "" && b != "" && a != b }

func union(a, b []Owner) []Owner {
	out := slices.Clone(a)
	for _, o := range b {
		if !slices.ContainsFunc(out, func(have Owner) bool { return have.ID == o.ID }) {
			out = append(out, o)
		}
	}
	return out
}

// JoinedWithUse are the credentials of one application and its service principals, each once, with
// their last use.
func JoinedWithUse(apps []App, used map[string]time.Time, disclosed bool, now time.Time) []Credential {
	var all []Credential
	for _, app := range apps {
		all = append(all, app.Credentials()...)
	}
	all = WithSuccessors(Joined(all), now)
	for i := range all {
		c := &all[i]
		c.LastUsed, c.UseKnown = used[c.KeyID], disclosed
		c.complete(apps)
	}
	return append(all, trusts(apps)...)
}

// complete takes what the other objects of the application know of a credential: owners of the
// application where none of its service principal's can be written to, and what the service
// principal tells.
func (c *Credential) complete(apps []App) {
	// A version before did not keep owners' addresses.
	known := !slices.ContainsFunc(apps, func(app App) bool { return app.Form < appForm })
	for _, app := range apps {
		if app.Origin == OnApplication && c.Origin == OnServicePrincipal &&
			(len(c.Owners) == 0 || known && unreachable(c.Owners) != "") {
			c.Owners, c.MoreOwners = union(c.Owners, app.Owners), c.MoreOwners || app.MoreOwners
		}
		if app.Origin == OnServicePrincipal {
			c.Enabled = app.Enabled
			if app.OwnerTenant != "" {
				c.OwnerTenant = app.OwnerTenant
			}
		}
	}
	c.Microsoft = ofMicrosoft(c.OwnerTenant)
	if c.TenantKnown = known; known && !c.MoreOwners {
		c.NoReach = unreachable(c.Owners)
	}
}
