package rules

import "github.com/tidwall/gjson"

// Federated is a credential of an application that is no secret: whoever has a token of its issuer
// for its subject signs in as the application. It has no end. Source:
// learn.microsoft.com/graph/api/resources/federatedidentitycredential.
type Federated struct {
	ID, Name, Issuer, Subject, Description string
	Audiences                              []string
}

// ParseFederated reads one.
func ParseFederated(raw []byte) Federated {
	doc := gjson.ParseBytes(raw)
	f := Federated{ID: own(doc.Get("id")), Name: own(doc.Get("name")), Issuer: own(doc.Get("issuer")),
		Subject: own(doc.Get("subject")), Description: own(doc.Get("description"))}
	doc.Get("audiences").ForEach(func(_, audience gjson.Result) bool {
		f.Audiences = append(f.Audiences, own(audience))
		return true
	})
	return f
}
