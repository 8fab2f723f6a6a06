package rules

import (
	"errors"
	"fmt"
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

// Kind of a credential.
type Kind string

// The kinds.
const (
	Secret      Kind = "secret"
	Certificate Kind = "certificate"
)

// Owner of an application or service principal.
type Owner struct {
	ID                string
	UserPrincipalName string `json:",omitempty"`
	DisplayName       string `json:",omitempty"`
}

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
}

// Entry is one passwordCredential or keyCredential.
type Entry struct {
	KeyID      string
	Name       string    `json:",omitempty"`
	Identifier string    `json:",omitempty"` // customKeyIdentifier
	Usage      string    `json:",omitempty"`
	Start      time.Time `json:",omitzero"`
	End        time.Time `json:",omitzero"`
}

// Credential is one secret or certificate: one thing that somebody has to renew, however many
// entries of Graph describe it.
type Credential struct {
	Kind        Kind
	Origin      Origin
	ObjectID    string
	AppID       string
	DisplayName string // of the application
	KeyID       string
	Name        string
	Identifier  string    `json:",omitempty"` // customKeyIdentifier: a certificate's thumbprint in base64, as a rule
	SAML        bool      `json:",omitempty"` // it signs SAML tokens
	Start       time.Time `json:",omitzero"`
	End         time.Time `json:",omitzero"`  // zero where it never ends
	Rotates     string    `json:",omitempty"` // who renews it by itself; empty: a person has to
	Owners      []Owner   `json:",omitempty"`
	LastUsed    time.Time `json:",omitzero"` // zero: not known, or never
	// UseKnown: the tenant's report of credential use names it, or names others and not it.
	UseKnown  bool   `json:",omitempty"`
	Successor string `json:",omitempty"` // key id of a newer credential beside it that is valid
}

// ErrNoApp says that a text is neither an application nor a service principal.
var ErrNoApp = errors.New("it is no application or service principal: it has no id")

// ParseApp reads an application or service principal with its credentials and owners. raw must be
// valid JSON; nothing of it is kept.
func ParseApp(origin Origin, raw []byte) (App, error) {
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
	h := App{Origin: origin, ID: own(doc.Get("id")), AppID: own(doc.Get("appId")),
		DisplayName: own(doc.Get("displayName")), Type: own(doc.Get("servicePrincipalType"))}
	doc.Get("tags").ForEach(func(_, tag gjson.Result) bool {
		h.Tags = append(h.Tags, own(tag))
		return true
	})
	doc.Get("owners").ForEach(func(_, o gjson.Result) bool {
		h.Owners = append(h.Owners, Owner{own(o.Get("id")), own(o.Get("userPrincipalName")), own(o.Get("displayName"))})
		return true
	})
	entries := func(path string) (out []Entry) {
		doc.Get(path).ForEach(func(_, e gjson.Result) bool {
			out = append(out, Entry{own(e.Get("keyId")), own(e.Get("displayName")), own(e.Get("customKeyIdentifier")),
				own(e.Get("usage")), when(e.Get("startDateTime")), when(e.Get("endDateTime"))})
			return true
		})
		return out
	}
	h.Secrets, h.Keys = entries("passwordCredentials"), entries("keyCredentials")
	if h.ID == "" {
		return h, ErrNoApp
	}
	return h, nil
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

// own is a text that does not share the document's memory.
func own(v gjson.Result) string { return strings.Clone(v.String()) }

// Credentials are the app's, each once. Graph has a SAML signing certificate as a Sign key, a
// Verify key and a password, all with one customKeyIdentifier, and is one certificate.
func (h App) Credentials() []Credential {
	var out []Credential
	byIdentifier := make(map[string]int)
	for _, k := range h.Keys {
		if at, ok := byIdentifier[k.Identifier]; ok && k.Identifier != "" && out[at].End.Equal(k.End) {
			if k.Usage == "Sign" {
				out[at].SAML, out[at].KeyID = true, k.KeyID // the one that the password names, too
			}
			continue
		}
		c := h.credential(Certificate, k)
		c.SAML = k.Usage == "Sign"
		byIdentifier[k.Identifier] = len(out)
		out = append(out, c)
	}
	for _, s := range h.Secrets {
		if at, ok := byIdentifier[s.Identifier]; ok && s.Identifier != "" && out[at].End.Equal(s.End) {
			continue
		}
		out = append(out, h.credential(Secret, s))
	}
	return out
}

func (h App) credential(kind Kind, e Entry) Credential {
	return Credential{Kind: kind, Origin: h.Origin, ObjectID: h.ID, AppID: h.AppID, DisplayName: h.DisplayName,
		KeyID: e.KeyID, Name: e.Name, Identifier: e.Identifier, Start: e.Start, End: e.End,
		Owners: h.Owners, Rotates: h.rotates(e)}
}

// rotates names who renews a credential by itself. Sources:
// learn.microsoft.com/entra/identity/managed-identities-azure-resources (certificates of managed
// identities), .../app-proxy (tag WindowsAzureActiveDirectoryOnPremApp), .../hybrid/connect (the
// certificate CWAP_AuthSecret and the application ConnectSyncProvisioning).
func (h App) rotates(e Entry) string {
	switch {
	case h.Type == "ManagedIdentity":
		return "Microsoft renews the certificates of managed identities"
	case slices.Contains(h.Tags, "WindowsAzureActiveDirectoryOnPremApp") || e.Name == "CWAP_AuthSecret":
		return "Application Proxy renews its own secret"
	case strings.HasPrefix(h.DisplayName, "ConnectSyncProvisioning_"):
		return "Entra Connect Sync renews its own certificate"
	}
	return ""
}

// Joined puts the credentials of applications and of their service principals together. One that
// both have, under one key id or one certificate's thumbprint, is one credential, the
// application's, with the owners of both. Each learns its successor.
func Joined(credentials []Credential) []Credential {
	type place struct{ appID, key string }
	var (
		out  []Credential
		seen = make(map[place]int)
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
		joined := false
		for i, p := range places {
			// One key id is one credential, whatever its entries say: the password of a SAML
			// certificate may lack the certificate's identifier, or end at another time. The
			// earlier one counts.
			if at, ok := seen[p]; ok && (i == 0 || out[at].ObjectID != c.ObjectID) {
				if out[at].ObjectID == c.ObjectID && !c.End.IsZero() && c.End.Before(out[at].End) {
					out[at].End = c.End
				}
				out[at].Owners = union(out[at].Owners, c.Owners)
				out[at].SAML = out[at].SAML || c.SAML
				joined = true
				break
			}
		}
		if joined {
			continue
		}
		for _, p := range places {
			seen[p] = len(out)
		}
		out = append(out, c)
	}
	return out
}

func union(a, b []Owner) []Owner {
	out := slices.Clone(a)
	for _, o := range b {
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	return out
}

// WithSuccessors lets each credential of one application know the newest one beside it that is
// valid now and outlives it.
func WithSuccessors(credentials []Credential, now time.Time) []Credential {
	out := slices.Clone(credentials)
	for i := range out {
		c := &out[i]
		if c.End.IsZero() {
			continue
		}
		var best *Credential
		for j := range out {
			o := &out[j]
			newer := o.AppID == c.AppID && o.SAML == c.SAML && o.KeyID != c.KeyID && !o.Start.After(now) &&
				(o.End.IsZero() || o.End.After(c.End) && o.End.After(now))
			if newer && (best == nil || best.End.Before(o.End) && !best.End.IsZero() || o.End.IsZero()) {
				best = o
			}
		}
		if best != nil {
			c.Successor = best.KeyID
		}
	}
	return out
}

// State of a credential.
type State string

// The states; the first that fits counts.
const (
	Expired  State = "expired"
	Expiring State = "expiring"
	Unused   State = "unused"
	Valid    State = "valid"
)

// Judge tells the state of a credential now, and why: whether it ends within a time, and whether it
// was not used for one. On the very moment of its end it has expired.
func (c Credential) Judge(now time.Time, within, unusedFor time.Duration) (State, string) {
	const day = "2 January 2006"
	beside := ""
	if c.Successor != "" {
		beside = "; a newer one is beside it"
	}
	if c.Rotates != "" {
		beside += "; " + c.Rotates
	}
	switch {
	case !c.End.IsZero() && !c.End.After(now):
		return Expired, "it ended on " + c.End.Format(day) + beside
	case !c.End.IsZero() && !c.End.After(now.Add(within)):
		return Expiring, fmt.Sprintf("it ends on %s, in %d days%s", c.End.Format(day), c.DaysLeft(now), beside)
	case c.Start.After(now):
		return Valid, "it begins on " + c.Start.Format(day)
	}
	if idle := c.IdleSince(); c.UseKnown && idle.Before(now.Add(-unusedFor)) {
		if c.LastUsed.IsZero() {
			return Unused, "no use of it is on record, and it has been valid since " + c.Start.Format(day)
		}
		return Unused, "it was last used on " + c.LastUsed.Format(day)
	}
	if c.End.IsZero() {
		return Valid, "it has no end"
	}
	return Valid, "it ends on " + c.End.Format(day)
}

// IdleSince is the last use that is known of, or the begin of a credential that was never used.
func (c Credential) IdleSince() time.Time {
	if c.LastUsed.After(c.Start) {
		return c.LastUsed
	}
	return c.Start
}

// DaysLeft counts the whole days up to the end; negative once it has ended. Without an end it is 0.
func (c Credential) DaysLeft(now time.Time) int {
	if c.End.IsZero() {
		return 0
	}
	const perDay = 24 * 60 * 60
	left := c.End.Unix() - now.Unix() // a Duration ends after 292 years, and some credentials do not
	if left < 0 {
		return -int((-left + perDay - 1) / perDay)
	}
	return int(left / perDay)
}
