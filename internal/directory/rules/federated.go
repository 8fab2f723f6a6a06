package rules

import (
	"slices"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Federated is a credential of an application that is no secret: whoever has a token of its issuer
// for its subject signs in as the application. It has no end. Source:
// learn.microsoft.com/graph/api/resources/federatedidentitycredential.
type Federated struct {
	ID, Name, Issuer, Subject, Description string
	Audiences                              []string
	Matching                               string // which subjects, where it is an expression in place of one
}

// ParseFederated reads one.
func ParseFederated(raw []byte) Federated {
	doc := gjson.ParseBytes(raw)
	f := Federated{ID: own(doc.Get("id")), Name: own(doc.Get("name")), Issuer: own(doc.Get("issuer")),
		Subject: own(doc.Get("subject")), Description: own(doc.Get("description"))}
	f.Matching = own(doc.Get("claimsMatchingExpression.value"))
	for _, audience := range listOf(doc.Get("audiences")) {
		f.Audiences = append(f.Audiences, own(audience))
	}
	return f
}

// Federations is the origin under which a snapshot keeps the federated credentials of an
// application, beside the application itself, which is read with other requests.
const Federations Origin = "federated"

// ParseFederations reads an application of which the federated credentials are expanded. raw must
// be valid JSON; nothing of it is kept.
func ParseFederations(raw []byte) (App, error) {
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
	h := App{Origin: Federations, ID: own(doc.Get("id")), AppID: own(doc.Get("appId")),
		DisplayName: own(doc.Get("displayName")), Form: appForm}
	for _, one := range listOf(doc.Get("federatedIdentityCredentials")) {
		if f := ParseFederated([]byte(one.Raw)); f.ID != "" {
			h.Federated = append(h.Federated, f)
		}
	}
	if h.ID == "" {
		return h, ErrNoApp
	}
	return h, nil
}

// trusts are the federated credentials of some objects of one application. They have neither begin
// nor end, no use is reported of them, and nothing takes their place.
func trusts(apps []App) (out []Credential) {
	for _, app := range apps {
		for _, f := range app.Federated {
			c := Credential{Kind: FederatedKind, Origin: OnApplication, ObjectID: app.ID, AppID: app.AppID,
				DisplayName: app.DisplayName, KeyID: f.ID, Name: f.Name, Trust: &f}
			at := slices.IndexFunc(apps, func(a App) bool { return a.Origin == OnApplication })
			if at >= 0 {
				c.Owners = apps[at].Owners
			}
			c.complete(apps)
			out = append(out, c)
		}
	}
	return out
}

// judge tells why it is valid.
func (f Federated) judge() string {
	whom := "subject " + f.Subject
	if f.Subject == "" {
		whom = "subjects that match " + f.Matching
	}
	return "it has no end: whoever has a token of " + f.Issuer + " for " + whom + " signs in as the application"
}
