package rules

import (
	"fmt"
	"time"
)

// Kind of a credential.
type Kind string

// The kinds.
const (
	Secret      Kind = "secret"
	Certificate Kind = "certificate"
	// FederatedKind is that of trust in tokens of another issuer.
	FederatedKind Kind = "federated"
)

// Credential is one secret, certificate or federated credential: one thing that somebody has to
// renew, however many entries of Graph describe it.
type Credential struct {
	Kind        Kind
	Origin      Origin
	ObjectID    string
	AppID       string
	DisplayName string // of the application
	KeyID       string
	Name        string
	Identifier  string    `json:",omitempty"` // customKeyIdentifier: what the uploader chose, in base64
	Thumbprint  string    `json:",omitempty"` // SHA-1 of the certificate in hex; empty: Graph did not give it
	Usage       string    `json:",omitempty"` // of a certificate, where it is neither Verify nor Sign
	SAML        bool      `json:",omitempty"` // it signs SAML tokens, or may
	ActiveKnown bool      `json:",omitempty"` // of one that may sign SAML tokens: whether Active is known
	Active      bool      `json:",omitempty"` // it is the one that does sign them
	Start       time.Time `json:",omitzero"`
	End         time.Time `json:",omitzero"`  // zero where it never ends
	Rotates     string    `json:",omitempty"` // who renews it by itself; empty: a person has to
	Owners      []Owner   `json:",omitempty"`
	NoReach     string    `json:",omitempty"` // why none of the owners can be written to; empty: one can
	OwnerTenant string    `json:",omitempty"` // of the application, by its service principal
	Enabled     *bool     `json:",omitempty"` // accountEnabled of the service principal; nil: not known
	// MoreOwners: there may be owners beside those, who did not come.
	MoreOwners bool `json:",omitempty"`
	// Microsoft: it is on a service principal of Microsoft's. Whoever adds one may be an attacker.
	Microsoft bool      `json:",omitempty"`
	LastUsed  time.Time `json:",omitzero"` // zero: not known, or never
	// UseKnown: the tenant's report of credential use names it, or names others and not it.
	UseKnown  bool   `json:",omitempty"`
	Successor string `json:",omitempty"` // key id of a newer credential that takes its place
	Waiting   string `json:",omitempty"` // key id of a newer SAML certificate that nobody activated
	// Trust is what a federated credential trusts; nil: it is none.
	Trust *Federated `json:",omitempty"`

	// TenantKnown: whether it is Microsoft's is known; a version before did not keep it.
	TenantKnown bool `json:"-"`

	preferred string // thumbprint of the SAML certificate that the object prefers
	signer    string // id of that object: the one whose SAML tokens it signs
}

// NoOwner tells whether it has no owner who can be written to.
func (c Credential) NoOwner() bool { return !c.MoreOwners && (c.NoReach != "" || len(c.Owners) == 0) }

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
	beside := c.remarks()
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
	if c.Trust != nil {
		return Valid, c.Trust.judge()
	}
	if c.End.IsZero() {
		return Valid, "it has no end"
	}
	return Valid, "it ends on " + c.End.Format(day)
}

// remarks are what a reason says beyond the dates.
func (c Credential) remarks() string {
	out := ""
	switch {
	case c.Successor != "":
		out = "; a newer one is beside it"
	case c.Waiting != "" && c.Active:
		out = "; a newer certificate is beside it, but nobody has activated that one"
	case c.Waiting != "":
		out = "; a newer certificate is beside it, but which one is active is not known"
	}
	if c.ActiveKnown && !c.Active {
		out += "; it is not the active certificate"
	}
	if c.Microsoft {
		out += "; it is on a service principal of Microsoft's"
	}
	if c.RenewedByMicrosoft() {
		out += ", which nobody here renews"
	}
	if c.Rotates != "" {
		out += "; " + c.Rotates
	}
	return out
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
