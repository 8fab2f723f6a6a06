// Package rules decides who is inactive and which credentials are about to expire. Its rules are
// pure functions of what Microsoft Graph says of a user or an application, and each answer names
// what decided.
package rules

import (
	"errors"
	"strings"
	"time"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// User is what the rules need of a user.
type User struct {
	ID                string
	UserPrincipalName string
	DisplayName       string    `json:",omitempty"`
	Mail              string    `json:",omitempty"`
	Department        string    `json:",omitempty"`
	UserType          string    `json:",omitempty"` // Member or Guest; empty for some accounts of old
	Enabled           bool      `json:",omitempty"`
	Created           time.Time `json:",omitzero"`  // zero for some accounts from before June 2018
	Licences          []string  `json:",omitempty"` // ids of the products
	Synced            bool      `json:",omitempty"` // from on-premises, now
	ExternalState     string    `json:",omitempty"` // of a guest: PendingAcceptance, Accepted
	Activity          Activity  `json:",omitzero"`
	PasswordChanged   time.Time `json:",omitzero"` // or when it was made; zero: not known
}

// Activity is a user's signInActivity. Zero times are what Graph leaves out, gives as null, as an
// empty text or as year 1.
type Activity struct {
	LastSuccessful     time.Time `json:",omitzero"` // success of either kind; recorded since 1 December 2023
	LastInteractive    time.Time `json:",omitzero"` // attempt, successful or not
	LastNonInteractive time.Time `json:",omitzero"` // likewise
}

// None tells whether Graph says nothing of the user's sign-ins.
func (a Activity) None() bool { return a == Activity{} }

// ErrNoUser says that a text is no user.
var ErrNoUser = errors.New("it is no user: it has no id")

// ParseUser reads a user as Graph's /users has it. raw must be valid JSON; nothing of it is kept.
func ParseUser(raw []byte) (User, error) {
	doc := gjson.Parse(unsafe.String(unsafe.SliceData(raw), len(raw)))
	text := func(path string) string { return string([]byte(doc.Get(path).String())) }
	u := User{
		ID: text("id"), UserPrincipalName: text("userPrincipalName"), DisplayName: text("displayName"),
		Mail: text("mail"), Department: text("department"), UserType: text("userType"),
		Enabled: doc.Get("accountEnabled").Bool(), Created: when(doc.Get("createdDateTime")),
		PasswordChanged: when(doc.Get("lastPasswordChangeDateTime")),
		Synced:          doc.Get("onPremisesSyncEnabled").Bool(), ExternalState: text("externalUserState"),
		Activity: Activity{
			LastSuccessful:     when(doc.Get("signInActivity.lastSuccessfulSignInDateTime")),
			LastInteractive:    when(doc.Get("signInActivity.lastSignInDateTime")),
			LastNonInteractive: when(doc.Get("signInActivity.lastNonInteractiveSignInDateTime")),
		},
	}
	if licences := doc.Get("assignedLicenses"); licences.IsArray() { // without a copy of the list, as for listOf
		licences.ForEach(func(_, licence gjson.Result) bool {
			if sku := licence.Get("skuId").String(); sku != "" {
				u.Licences = append(u.Licences, string([]byte(sku)))
			}
			return true
		})
	}
	if u.ID == "" {
		return u, ErrNoUser
	}
	return u, nil
}

// When reads a time of the directory; zero: there is none.
func When(v gjson.Result) time.Time { return when(v) }

// when reads a time of the directory: absent, null, empty and year 1 are all no time.
func when(v gjson.Result) time.Time {
	if v.Type != gjson.String || v.Str == "" {
		return time.Time{}
	}
	t, err := entra.ParseTime(v.Str)
	if err != nil {
		return time.Time{}
	}
	return t
}

// Newest is the later of each time.
func Newest(a, b Activity) Activity {
	if a.LastSuccessful.After(b.LastSuccessful) {
		b.LastSuccessful = a.LastSuccessful
	}
	if a.LastInteractive.After(b.LastInteractive) {
		b.LastInteractive = a.LastInteractive
	}
	if a.LastNonInteractive.After(b.LastNonInteractive) {
		b.LastNonInteractive = a.LastNonInteractive
	}
	return b
}

// Guest tells guests from members. Accounts from before the property existed have no type, and are
// members.
func (u User) Guest() bool { return IsGuest(u.UserType) }

// DomainOf is the domain of a principal name. That of a guest is this tenant's, as a rule: the
// address is before it, as in ada_fabrikam.com#EXT#@contoso.com.
func DomainOf(principalName string) string {
	return principalName[strings.LastIndexByte(principalName, '@')+1:]
}

// IsGuest tells whether a userType is a guest's.
func IsGuest(userType string) bool { return strings.EqualFold(userType, "Guest") }
