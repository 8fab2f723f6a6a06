package rules

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"
)

// Origin says which kind of object has a credential.
type Origin string

// The origins.
const (
	OnApplication      Origin = "application"
	OnServicePrincipal Origin = "servicePrincipal"
)

// App is an application or service principal with its credentials, as Graph has it.
type App struct {
	Origin      Origin
	ID          string // of the object
	AppID       string
	DisplayName string
	Type        string   `json:",omitempty"` // of a service principal: Application, ManagedIdentity, ...
	Tags        []string `json:",omitempty"`
	Owners      []Owner  `json:",omitempty"`
	// MoreOwners says that it may have owners beside those: the list of all of them did not come.
	MoreOwners bool    `json:",omitempty"`
	Secrets    []Entry `json:",omitempty"` // passwordCredentials, without their hint
	Keys       []Entry `json:",omitempty"` // keyCredentials, without the key
	// Federated are its federated credentials, of an object whose origin is Federations.
	Federated []Federated `json:",omitempty"`

	// Form tells what was read of it; see appForm. 0: a version before wrote it, which knew nothing
	// of what follows, nor of owners' addresses.
	Form        int    `json:",omitempty"`
	OwnerTenant string `json:",omitempty"` // appOwnerOrganizationId
	Enabled     *bool  `json:",omitempty"` // accountEnabled; nil: it has none
	// Preferred is preferredTokenSigningKeyThumbprint in lower case; empty where it is none.
	Preferred string `json:",omitempty"`
}

const managedIdentity = "ManagedIdentity"

// appForm is the Form of what this version reads.
const appForm = 2

// Entry is one passwordCredential or keyCredential.
type Entry struct {
	KeyID      string
	Name       string    `json:",omitempty"`
	Identifier string    `json:",omitempty"` // customKeyIdentifier
	Usage      string    `json:",omitempty"`
	Start      time.Time `json:",omitzero"`
	End        time.Time `json:",omitzero"`
	Thumbprint string    `json:",omitempty"` // SHA-1 of the key in hex; empty: Graph did not give the key
}

// ErrNoApp says that a text is neither an application nor a service principal.
var ErrNoApp = errors.New("it is no application or service principal: it has no id")

// ParseApp reads an application or service principal with its credentials and owners. raw must be
// valid JSON; nothing of it is kept.
func ParseApp(origin Origin, raw []byte) (App, error) {
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
	h := App{Origin: origin, ID: own(doc.Get("id")), AppID: own(doc.Get("appId")),
		DisplayName: own(doc.Get("displayName")), Type: own(doc.Get("servicePrincipalType")),
		Form: appForm, OwnerTenant: own(doc.Get("appOwnerOrganizationId")),
		Preferred: readThumbprint(own(doc.Get("preferredTokenSigningKeyThumbprint")))}
	if enabled := doc.Get("accountEnabled"); enabled.IsBool() {
		h.Enabled = new(enabled.Bool())
	}
	for _, tag := range listOf(doc.Get("tags")) {
		h.Tags = append(h.Tags, own(tag))
	}
	for _, o := range listOf(doc.Get("owners")) {
		h.Owners = append(h.Owners, readOwner(o))
	}
	h.Secrets, h.Keys = entries(doc.Get("passwordCredentials")), entries(doc.Get("keyCredentials"))
	if h.ID == "" {
		return h, ErrNoApp
	}
	return h, nil
}

func entries(list gjson.Result) (out []Entry) {
	for _, e := range listOf(list) {
		out = append(out, Entry{own(e.Get("keyId")), own(e.Get("displayName")), own(e.Get("customKeyIdentifier")),
			own(e.Get("usage")), when(e.Get("startDateTime")), when(e.Get("endDateTime")), thumbprintOf(e)})
	}
	return out
}

// listOf are the elements of a list but null; none where it is no list. gjson takes null itself for
// a list with one element.
func listOf(v gjson.Result) []gjson.Result {
	if !v.IsArray() {
		return nil
	}
	return slices.DeleteFunc(v.Array(), func(one gjson.Result) bool { return one.Type == gjson.Null })
}

// Key is by what the snapshot keeps the object: the objects of one application are beside each
// other.
func (h App) Key() string { return h.AppID + "_" + string(h.Origin) + "_" + h.ID }

// KeyIDs are the ids of all entries, secrets first.
func (h App) KeyIDs() []string {
	var out []string
	for _, e := range slices.Concat(h.Secrets, h.Keys) {
		out = append(out, e.KeyID)
	}
	return out
}

// Tells tells whether an object without credentials tells anything of those of the same
// application: its owners, or of a service principal whether it is enabled.
func (h App) Tells() bool {
	if h.Origin == OnApplication {
		return len(h.Owners) > 0
	}
	return h.Enabled != nil && h.Type != managedIdentity && !h.OfMicrosoft()
}

// Bare is what is kept of such an object.
func (h App) Bare() App {
	h.Tags = nil
	if h.Origin == OnServicePrincipal {
		h.Owners, h.MoreOwners = nil, false
	}
	return h
}

// LacksThumbprint tells whether only the certificates themselves, which did not come, can tell
// which one signs SAML tokens.
func (h App) LacksThumbprint() bool {
	if h.Preferred == "" {
		return false
	}
	signing, unknown := 0, false
	for _, c := range h.Credentials() {
		if c.SAML {
			signing++
			unknown = unknown || c.Thumbprint == ""
		}
	}
	return signing > 1 && unknown
}

// AddThumbprints takes thumbprints from the same object, as Graph has it by itself.
func (h *App) AddThumbprints(raw []byte) {
	h.takeThumbprints(entries(gjson.GetBytes(raw, "keyCredentials")))
}

// TakeThumbprints takes thumbprints from the same object, as a snapshot before has kept it: the
// certificate of a key id stays the same.
func (h *App) TakeThumbprints(doc []byte) {
	var old App
	if json.Unmarshal(doc, &old) == nil {
		h.takeThumbprints(old.Keys)
	}
}

func (h *App) takeThumbprints(from []Entry) {
	for _, e := range from {
		for i := range h.Keys {
			if h.Keys[i].KeyID == e.KeyID && e.Thumbprint != "" {
				h.Keys[i].Thumbprint = e.Thumbprint
			}
		}
	}
}

// AddOwners takes owners from the list of all of them.
func (h *App) AddOwners(items [][]byte) {
	var all []Owner
	for _, raw := range items {
		all = append(all, readOwner(gjson.ParseBytes(raw)))
	}
	h.Owners = union(h.Owners, all)
}

// TakeOwners takes owners from the same object, as a snapshot before has kept it, where the list of
// all of them did not come. doc is nil where that snapshot does not have the object.
func (h *App) TakeOwners(doc []byte) {
	var old App
	h.MoreOwners = json.Unmarshal(doc, &old) != nil || old.MoreOwners || old.Form < appForm
	h.Owners = union(h.Owners, old.Owners)
}

// own is a text that does not share the document's memory.
func own(v gjson.Result) string { return strings.Clone(v.String()) }

func (h App) credential(kind Kind, e Entry) Credential {
	c := Credential{Kind: kind, Origin: h.Origin, ObjectID: h.ID, AppID: h.AppID, DisplayName: h.DisplayName,
		KeyID: e.KeyID, Name: e.Name, Identifier: e.Identifier, Thumbprint: e.Thumbprint, Start: e.Start, End: e.End,
		Owners: h.Owners, MoreOwners: h.MoreOwners, Rotates: h.rotates(e), OwnerTenant: h.OwnerTenant,
		TenantKnown: h.Form >= appForm, preferred: h.Preferred, signer: h.ID}
	if c.Name == "" && kind == Secret {
		c.Name = nameIn(e.Identifier)
	}
	if kind == Certificate && e.Usage != "Verify" && e.Usage != "Sign" {
		c.Usage = e.Usage
	}
	return c
}

// rotates names who renews a credential by itself. Sources:
// learn.microsoft.com/entra/identity/managed-identities-azure-resources (certificates of managed
// identities), .../app-proxy (tag WindowsAzureActiveDirectoryOnPremApp), .../hybrid/connect (the
// certificate CWAP_AuthSecret and the application ConnectSyncProvisioning).
func (h App) rotates(e Entry) string {
	switch {
	case h.Type == managedIdentity:
		return "Microsoft renews the certificates of managed identities"
	case slices.Contains(h.Tags, "WindowsAzureActiveDirectoryOnPremApp") || e.Name == "CWAP_AuthSecret":
		return "Application Proxy renews its own secret"
	case strings.HasPrefix(h.DisplayName, "ConnectSyncProvisioning_"):
		return "Entra Connect Sync renews its own certificate"
	}
	return ""
}
