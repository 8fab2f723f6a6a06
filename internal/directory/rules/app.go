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
	Secrets     []Entry  `json:",omitempty"` // passwordCredentials, without their hint
	Keys        []Entry  `json:",omitempty"` // keyCredentials, without the key
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
	doc.Get("tags").ForEach(func(_, tag gjson.Result) bool {
		h.Tags = append(h.Tags, own(tag))
		return true
	})
	doc.Get("owners").ForEach(func(_, o gjson.Result) bool {
		h.Owners = append(h.Owners, readOwner(o))
		return true
	})
	h.Secrets, h.Keys = entries(doc.Get("passwordCredentials")), entries(doc.Get("keyCredentials"))
	if h.ID == "" {
		return h, ErrNoApp
	}
	return h, nil
}

func entries(list gjson.Result) (out []Entry) {
	list.ForEach(func(_, e gjson.Result) bool {
		out = append(out, Entry{own(e.Get("keyId")), own(e.Get("displayName")), own(e.Get("customKeyIdentifier")),
			own(e.Get("usage")), when(e.Get("startDateTime")), when(e.Get("endDateTime")), thumbprintOf(e)})
		return true
	})
	return out
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

// Tells tells whether an object without credentials tells anything of those of the same application:
// its owners, or of a service principal whether it is enabled.
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
		h.Owners = nil
	}
	return h
}

// LacksThumbprint tells whether only the certificates themselves, which did not come, can tell which
// one signs SAML tokens.
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

// own is a text that does not share the document's memory.
func own(v gjson.Result) string { return strings.Clone(v.String()) }

// Credentials are the app's, each once. Graph has a SAML signing certificate as a Sign key, a
// Verify key and a password, all with one customKeyIdentifier, and is one certificate. Source:
// learn.microsoft.com/graph/api/serviceprincipal-addtokensigningcertificate.
func (h App) Credentials() []Credential {
	var out []Credential
	for _, k := range h.Keys {
		at := slices.IndexFunc(out, func(c Credential) bool { return c.has(k) && c.Start.Equal(k.Start) })
		if at < 0 {
			at = slices.IndexFunc(out, func(c Credential) bool { return c.has(k) })
		}
		if at < 0 {
			at = len(out)
			out = append(out, h.credential(Certificate, k))
		}
		c := &out[at]
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
	certificates := len(out)
	for _, s := range h.Secrets {
		of := func(c Credential) bool {
			return c.Identifier == s.Identifier && s.Identifier != "" && c.End.Equal(s.End)
		}
		if !slices.ContainsFunc(out[:certificates], of) {
			out = append(out, h.credential(Secret, s))
		}
	}
	return out
}

// has tells whether a key is an entry of a certificate that was found already. What the uploader
// chose as customKeyIdentifier may be that of another certificate, too; the thumbprint can't be.
func (c Credential) has(k Entry) bool {
	switch {
	case c.Thumbprint != "" && k.Thumbprint != "":
		return c.Thumbprint == k.Thumbprint && c.End.Equal(k.End)
	case c.Identifier != k.Identifier || !c.End.Equal(k.End):
		return false
	case c.SAML && k.Usage == "Sign" && c.KeyID != k.KeyID && !c.Start.Equal(k.Start):
		return false
	case c.Identifier != "":
		return true
	}
	return c.Start.Equal(k.Start) && (c.SAML && k.Usage == "Verify" || !c.SAML && k.Usage == "Sign")
}

func (h App) credential(kind Kind, e Entry) Credential {
	c := Credential{Kind: kind, Origin: h.Origin, ObjectID: h.ID, AppID: h.AppID, DisplayName: h.DisplayName,
		KeyID: e.KeyID, Name: e.Name, Identifier: e.Identifier, Thumbprint: e.Thumbprint, Start: e.Start, End: e.End,
		Owners: h.Owners, Rotates: h.rotates(e), OwnerTenant: h.OwnerTenant, TenantKnown: h.Form >= appForm,
		preferred: h.Preferred}
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
