package directory

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// CredentialRow is one credential in an answer. What is not known is left out.
type CredentialRow struct {
	KeyID         string     `json:"keyId" text:"ID of the credential"`
	Kind          Kind       `json:"kind" text:"secret or certificate" enum:"secret,certificate"`
	State         State      `json:"state" text:"expired, expiring, unused or valid" enum:"expired,expiring,unused,valid"`
	Reason        string     `json:"reason" text:"Why, in a sentence"`
	AppID         string     `json:"appId" text:"Client ID of the application"`
	AppName       string     `json:"appDisplayName" text:"Name of the application"`
	Origin        Origin     `json:"origin" text:"Where it lies" enum:"application,servicePrincipal"`
	ObjectID      string     `json:"objectId" text:"ID of the object on which it lies"`
	Name          string     `json:"displayName,omitempty" text:"Name of the credential"`
	Identifier    string     `json:"customKeyIdentifier,omitempty" text:"A certificate's thumbprint, in base64 as a rule"`
	SAML          bool       `json:"samlSigning" text:"Whether it signs SAML tokens"`
	Start         string     `json:"startDateTime,omitempty" text:"Valid from"`
	End           string     `json:"endDateTime,omitempty" text:"Valid to; absent where it never ends"`
	DaysLeft      *int       `json:"daysLeft,omitempty" text:"Whole days up to its end; negative once it has ended"`
	LastUsed      string     `json:"lastUsedDateTime,omitempty" text:"Last use, by the report of the tenant"`
	UseKnown      bool       `json:"useKnown" text:"Whether the tenant has the report of use"`
	Successor     string     `json:"successorKeyId,omitempty" text:"A newer valid credential beside it"`
	HasSuccessor  bool       `json:"hasSuccessor" text:"Whether there is one"`
	SelfRotating  bool       `json:"selfRotating" text:"Whether it is renewed without a person"`
	NoOwner       bool       `json:"noOwner" text:"Whether nobody owns it"`
	Owners        []OwnerRow `json:"owners" text:"Owners of application and service principal"`
	OwnersAddress string     `json:"ownersUserPrincipalNames"`
}

// Texts are those that are too long for their line.
func (CredentialRow) Texts() map[string]string {
	return map[string]string{
		"ownersUserPrincipalNames": "Their sign-in names, with semicolons between: a list of addresses",
	}
}

// OwnerRow is an owner in an answer.
type OwnerRow struct {
	ID                string `json:"id" text:"Object ID"`
	UserPrincipalName string `json:"userPrincipalName,omitempty" text:"Sign-in name"`
	DisplayName       string `json:"displayName,omitempty" text:"Name"`
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
		SelfRotating: c.Rotates != "", NoOwner: len(c.Owners) == 0, Owners: []OwnerRow{},
	}
	if !c.End.IsZero() {
		left := c.DaysLeft(now)
		row.DaysLeft = &left
	}
	for i, o := range c.Owners {
		row.Owners = append(row.Owners, OwnerRow(o))
		if i > 0 {
			row.OwnersAddress += ";"
		}
		row.OwnersAddress += o.UserPrincipalName
	}
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
	Ends     time.Time
	Start    time.Time `json:",omitzero"`
	Idle     time.Time `json:",omitzero"`
	Kind     Kind
	Origin   Origin
	UseKnown bool `json:",omitempty"`
	NoOwner  bool `json:",omitempty"`
}

// EndOf is what a summary needs of a credential.
func EndOf(c rules.Credential) CredentialEnd {
	return CredentialEnd{Ends: endsOf(c), Start: c.Start, Idle: c.IdleSince(), Kind: c.Kind, Origin: c.Origin,
		UseKnown: c.UseKnown, NoOwner: len(c.Owners) == 0}
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
