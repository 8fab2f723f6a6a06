package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// CredentialRow is one credential in an answer. What is not known is left out.
type CredentialRow struct {
	KeyID         string     `json:"keyId" text:"ID of the credential"`
	Kind          Kind       `json:"kind" text:"secret, certificate or federated" enum:"secret,certificate,federated"`
	State         State      `json:"state" text:"expired, expiring, unused or valid" enum:"expired,expiring,unused,valid"`
	Reason        string     `json:"reason" text:"Why, in a sentence"`
	AppID         string     `json:"appId" text:"Client ID of the application"`
	AppName       string     `json:"appDisplayName" text:"Name of the application"`
	Origin        Origin     `json:"origin" text:"Where it lies" enum:"application,servicePrincipal"`
	ObjectID      string     `json:"objectId" text:"ID of the object on which it lies"`
	Name          string     `json:"displayName,omitempty" text:"Name of the credential"`
	Identifier    string     `json:"customKeyIdentifier,omitempty" text:"As its maker chose it, in base64"`
	SAML          bool       `json:"samlSigning" text:"Whether it can sign SAML tokens"`
	Start         string     `json:"startDateTime,omitempty" text:"Valid from"`
	End           string     `json:"endDateTime,omitempty" text:"Valid to; absent where it never ends"`
	DaysLeft      *int       `json:"daysLeft,omitempty" text:"Whole days up to its end; negative once it has ended"`
	LastUsed      string     `json:"lastUsedDateTime,omitempty" text:"Last use, by the report of the tenant"`
	UseKnown      bool       `json:"useKnown" text:"Whether the tenant has the report of use"`
	Successor     string     `json:"successorKeyId,omitempty"`
	HasSuccessor  bool       `json:"hasSuccessor" text:"Whether there is one"`
	SelfRotating  bool       `json:"selfRotating" text:"Whether it is renewed without a person"`
	NoOwner       bool       `json:"noOwner" text:"Whether none of its owners can be written to"`
	Owners        []OwnerRow `json:"owners"`
	OwnersAddress string     `json:"ownersUserPrincipalNames"`

	OwnersMail    string `json:"ownersMail"`
	MoreOwners    bool   `json:"moreOwners,omitempty"`
	NoOwnerReason string `json:"noOwnerReason,omitempty" text:"Why none of its owners can be written to"`
	Thumbprint    string `json:"thumbprint,omitempty"`
	ActiveKnown   *bool  `json:"activeKnown,omitempty"`
	Active        *bool  `json:"active,omitempty"`
	Waiting       string `json:"inactiveSuccessorKeyId,omitempty"`
	Microsoft     bool   `json:"microsoft"`
	OwnerTenant   string `json:"appOwnerOrganizationId,omitempty" text:"Tenant that owns the application"`
	Enabled       *bool  `json:"accountEnabled,omitempty"`

	Issuer    string   `json:"issuer,omitempty" text:"Of a federated credential: whose tokens sign in as the application"`
	Subject   string   `json:"subject,omitempty" text:"Of a federated credential: for whom they are issued"`
	Matching  string   `json:"claimsMatchingExpression,omitempty"`
	Audiences []string `json:"audiences,omitempty" text:"Of a federated credential: what they are issued for"`
}

// Texts are those that are too long for their line.
func (CredentialRow) Texts() map[string]string {
	return map[string]string{
		"successorKeyId": "A newer valid credential that takes its place: of the same kind, on the same object, " +
			"and active where it signs SAML tokens",
		"owners": "Owners of application and service principal; those of the application " +
			"where none of the principal's can be written to",
		"moreOwners": "Whether it may have owners beside these: the list of all of them did not come, and then " +
			"noOwner is false",
		"ownersUserPrincipalNames": "Their sign-in names, with semicolons between; to write to them take ownersMail",
		"ownersMail":               "Their mail addresses, with semicolons between",
		"thumbprint": "SHA-1 of a certificate as the portal shows it: computed, " +
			"or by customKeyIdentifier where Graph gives no key",
		"activeKnown": "Of a certificate that can sign SAML tokens: whether it is known which one does",
		"active":      "Whether it is the one that signs SAML tokens; absent where that is not known",
		"inactiveSuccessorKeyId": "A newer certificate for SAML tokens that nobody has activated, " +
			"as far as is known: sign-on stops unless somebody does",
		"microsoft": "Whether it is on a service principal of Microsoft's: one that somebody adds is suspicious, " +
			"and nobody here renews it unless it signs SAML tokens",
		"claimsMatchingExpression": "Of a federated credential: for whom, as an expression",
		"accountEnabled": "Whether the service principal is enabled; absent where there is none, " +
			"or it is not known",
	}
}

// OwnerRow is an owner in an answer.
type OwnerRow struct {
	ID                string `json:"id" text:"Object ID"`
	UserPrincipalName string `json:"userPrincipalName,omitempty" text:"Sign-in name"`
	DisplayName       string `json:"displayName,omitempty" text:"Name"`
	Mail              string `json:"mail,omitempty" text:"Mail address; absent where the owner has none"`
	Kind              string `json:"kind,omitempty" text:"user, servicePrincipal, ..."`
}

// String is how an owner is written in a cell of a table.
func (o OwnerRow) String() string {
	if o.UserPrincipalName != "" {
		return o.UserPrincipalName
	}
	return o.ID
}

// answered is the row of an answer that is given now.
func answered(c rules.Credential, now time.Time, within, unusedFor time.Duration) CredentialRow {
	state, reason := c.Judge(now, within, unusedFor)
	row := CredentialRow{
		KeyID: c.KeyID, Kind: c.Kind, State: state, Reason: reason,
		AppID: c.AppID, AppName: c.DisplayName, Origin: c.Origin, ObjectID: c.ObjectID,
		Name: c.Name, Identifier: c.Identifier, SAML: c.SAML, Start: text(c.Start), End: text(c.End),
		LastUsed: text(c.LastUsed), UseKnown: c.UseKnown, Successor: c.Successor, HasSuccessor: c.Successor != "",
		SelfRotating: c.Rotates != "", NoOwner: c.NoOwner(), Owners: []OwnerRow{},
		NoOwnerReason: c.NoReach, MoreOwners: c.MoreOwners, Thumbprint: c.ShownThumbprint(), Waiting: c.Waiting,
		Microsoft:   c.Microsoft,
		OwnerTenant: c.OwnerTenant, Enabled: c.Enabled,
	}
	if c.SAML {
		row.ActiveKnown = new(c.ActiveKnown)
	}
	if c.SAML && c.ActiveKnown {
		row.Active = new(c.Active)
	}
	if c.Trust != nil {
		row.Issuer, row.Subject, row.Matching, row.Audiences = c.Trust.Issuer, c.Trust.Subject, c.Trust.Matching,
			c.Trust.Audiences
	}
	if !c.End.IsZero() {
		left := c.DaysLeft(now)
		row.DaysLeft = &left
	}
	var names, addresses []string
	for _, o := range c.Owners {
		row.Owners = append(row.Owners, OwnerRow{o.ID, o.UserPrincipalName, o.DisplayName, o.Address(), o.Kind})
		if o.UserPrincipalName != "" {
			names = append(names, o.UserPrincipalName)
		}
		if o.Address() != "" && !slices.Contains(addresses, o.Address()) {
			addresses = append(addresses, o.Address())
		}
	}
	row.OwnersAddress, row.OwnersMail = strings.Join(names, ";"), strings.Join(addresses, ";")
	return row
}

// endsOf is the end by which a credential is found; one without an end has the last time there is.
func endsOf(c rules.Credential) time.Time {
	if c.End.IsZero() || c.End.After(endless) {
		return endless
	}
	return c.End
}

// StoredCredential is the row of a credential: its document, and copies by which it is found.
func StoredCredential(c rules.Credential) Row {
	row := Document(endsOf(c).UTC().Format(KeyTime)+"_"+c.AppID+"_"+c.KeyID, c)
	row.Columns = columnsOf(c)
	return row
}

// columnsOf are the copies beside a credential's document.
func columnsOf(c rules.Credential) []Column {
	return append(EndOf(c).columns(), Column{"AppDisplayName", c.DisplayName}, Column{"AppId", c.AppID})
}

// credentialColumns are those of a credential's row that was read.
func credentialColumns(row Row) ([]Column, error) {
	c, err := readCredential(row)
	return columnsOf(c), err
}

// CredentialEnd is what a summary needs of a credential.
type CredentialEnd struct {
	Ends      time.Time
	Start     time.Time `json:",omitzero"`
	Idle      time.Time `json:",omitzero"`
	Kind      Kind
	Origin    Origin
	UseKnown  bool `json:",omitempty"`
	NoOwner   bool `json:",omitempty"`
	Microsoft bool `json:",omitempty"` // on a service principal of Microsoft's
	// Renewed by Microsoft alone: no question asks for it unless it says so.
	Renewed bool `json:",omitempty"`
}

// EndOf is what a summary needs of a credential.
func EndOf(c rules.Credential) CredentialEnd {
	return CredentialEnd{Ends: endsOf(c), Start: c.Start, Idle: c.IdleSince(), Kind: c.Kind, Origin: c.Origin,
		UseKnown: c.UseKnown, NoOwner: c.NoOwner(), Microsoft: c.Microsoft, Renewed: c.RenewedByMicrosoft()}
}

// columns are those by which a credential is found.
func (e CredentialEnd) columns() []Column {
	return []Column{{"Kind", string(e.Kind)}, {"Origin", string(e.Origin)}, {"Start", e.Start}, {"Ends", e.Ends},
		{"IdleSince", e.Idle}, {"UseKnown", e.UseKnown}, {"NoOwner", e.NoOwner}}
}

// countCredentials counts the credentials of some ranges, by the snapshot's counts.
func (rd *Reader) countCredentials(ctx context.Context, snap Snapshot, segments []Range) (n int64, err error) {
	ends, err := rd.ends(ctx, snap)
	for _, e := range ends {
		at, columns := e.Ends.UTC().Format(KeyTime), e.columns()
		for _, r := range segments {
			if at >= r.From && (r.Below == "" || at < r.Below) && r.holds(columns) {
				n++
			}
		}
	}
	return n, err
}

// credential is enough of one to be judged.
func (e CredentialEnd) credential() rules.Credential {
	c := rules.Credential{Start: e.Start, End: e.Ends, UseKnown: e.UseKnown}
	if e.Ends.Equal(endless) {
		c.End = time.Time{}
	}
	if e.Idle.After(e.Start) {
		c.LastUsed = e.Idle
	}
	return c
}

func readCredential(row Row) (rules.Credential, error) {
	var c rules.Credential
	if err := json.Unmarshal(row.Doc, &c); err != nil {
		return c, fmt.Errorf("read credential %s of the snapshot: %w", row.Key, err)
	}
	return c, nil
}
