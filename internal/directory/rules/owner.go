package rules

import (
	"strings"

	"github.com/tidwall/gjson"
)

// Owner of an application or service principal.
type Owner struct {
	ID                string
	UserPrincipalName string `json:",omitempty"`
	DisplayName       string `json:",omitempty"`
	Mail              string `json:",omitempty"`
	Kind              string `json:",omitempty"` // user, servicePrincipal, ...; empty: a version before read it
}

const kindOfPrincipal = "servicePrincipal"

func readOwner(o gjson.Result) Owner {
	kind := o.Get(`@odata\.type`).Str
	return Owner{ID: own(o.Get("id")), UserPrincipalName: own(o.Get("userPrincipalName")),
		DisplayName: own(o.Get("displayName")), Mail: own(o.Get("mail")),
		Kind: strings.Clone(kind[strings.LastIndexByte(kind, '.')+1:])}
}

// Address is where the owner can be written to; empty: nowhere. The sign-in name is none: a mailbox
// has mail set, and the name of a guest, which has #EXT# in it, belongs to no mailbox. Source:
// learn.microsoft.com/graph/api/resources/user, "mail", "userPrincipalName".
func (o Owner) Address() string {
	name, domain, ok := strings.Cut(o.Mail, "@")
	if o.Kind == kindOfPrincipal || !ok || name == "" || domain == "" || strings.Contains(o.Mail, "#EXT#") {
		return ""
	}
	return o.Mail
}

// unreachable says why none of some owners can be written to; empty: one can.
func unreachable(owners []Owner) string {
	people := 0
	for _, o := range owners {
		if o.Address() != "" {
			return ""
		}
		if o.Kind != kindOfPrincipal {
			people++
		}
	}
	switch {
	case len(owners) == 0:
		return "nobody owns it"
	case people == 0:
		return "only service principals own it"
	}
	return "none of its owners has a mail address"
}
