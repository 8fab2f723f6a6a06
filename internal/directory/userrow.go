package directory

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/entraledger/entraledger/internal/directory/rules"
	"github.com/entraledger/entraledger/internal/entra"
)

// UserRow is one user in an answer. What is not known is left out.
type UserRow struct {
	ID                string      `json:"id" text:"Object ID"`
	UserPrincipalName string      `json:"userPrincipalName" text:"Sign-in name"`
	DisplayName       string      `json:"displayName,omitempty" text:"Name"`
	Mail              string      `json:"mail,omitempty" text:"Mail address"`
	Department        string      `json:"department,omitempty" text:"Department"`
	UserType          string      `json:"userType,omitempty" text:"Member or Guest"`
	AccountEnabled    bool        `json:"accountEnabled" text:"Whether the account may sign in"`
	Licensed          bool        `json:"licensed" text:"Whether it has a licence"`
	AssignedSkuIDs    []string    `json:"assignedSkuIds" text:"Products of its licences"`
	Licences          []string    `json:"licences,omitempty"`
	Synced            bool        `json:"onPremisesSyncEnabled" text:"Whether it is synchronised from on-premises"`
	ExternalUserState string      `json:"externalUserState,omitempty" text:"Of a guest: PendingAcceptance or Accepted"`
	Created           string      `json:"createdDateTime,omitempty" text:"When it was created"`
	PasswordChanged   string      `json:"lastPasswordChangeDateTime,omitempty"`
	LastSuccessful    string      `json:"lastSuccessfulSignInDateTime,omitempty" text:"Last successful sign-in, by Graph"`
	LastInteractive   string      `json:"lastSignInDateTime,omitempty" text:"Last interactive attempt"`
	LastNonInteract   string      `json:"lastNonInteractiveSignInDateTime,omitempty" text:"Last non-interactive attempt"`
	LastArchived      string      `json:"lastArchivedSignInDateTime,omitempty"`
	ArchiveReaches    string      `json:"archiveReachesBackDateTime,omitempty"`
	GraceUntil        string      `json:"graceUntilDateTime,omitempty"`
	InactiveSince     string      `json:"inactiveSinceDateTime,omitempty" text:"The last sign of life"`
	DaysInactive      *int        `json:"daysInactive,omitempty" text:"Whole days since then"`
	NeverSignedIn     bool        `json:"neverSignedIn" text:"No successful sign-in is known of"`
	State             string      `json:"state,omitempty" always:"true" enum:"active,inactive,unknown"`
	DecidedBy         rules.Basis `json:"decidedBy" text:"Which timestamp or rule decided"`
	Reason            string      `json:"reason" text:"Why, in a sentence"`
}

// Texts are those that are too long for their line.
func (UserRow) Texts() map[string]string {
	return map[string]string{
		"licences":                   "Names of these products, in the same order, where the tenant discloses them",
		"lastPasswordChangeDateTime": "When the password was last changed, or made",
		"lastArchivedSignInDateTime": "Newest successful sign-in in the archive",
		"archiveReachesBackDateTime": "From when on the archive has every sign-in, where neither it nor " +
			"Graph has a success",
		"graceUntilDateTime": "Until when it counts as active, because it was restored or enabled",
		"state":              "active, inactive or unknown",
	}
}

// The states of a user.
const (
	Active   = "active"
	Inactive = "inactive"
	Unknown  = "unknown"
)

// text writes a time for an answer; empty for none.
func text(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// judgedBy is the time by which a user is active or inactive in a snapshot: the last sign of life,
// or in a grace that of the snapshot. ok is false where nobody can say.
func judgedBy(d rules.Decision, asOf time.Time) (since time.Time, ok bool) {
	if !d.GraceUntil.IsZero() {
		return asOf, true
	}
	return d.Since, d.Known
}

// StoredUser is the row of a decided user, and its partition. licences are the names of products.
func StoredUser(
	u rules.User, d rules.Decision, e rules.Evidence, asOf time.Time, licences map[string]string,
) (partition string, row Row) {
	answer := UserRow{
		ID: u.ID, UserPrincipalName: u.UserPrincipalName, DisplayName: u.DisplayName, Mail: u.Mail,
		Department: u.Department, UserType: u.UserType, AccountEnabled: u.Enabled, Licensed: len(u.Licences) > 0,
		AssignedSkuIDs: u.Licences, Synced: u.Synced, ExternalUserState: u.ExternalState, Created: text(u.Created),
		Licences: named(u.Licences, licences), PasswordChanged: text(u.PasswordChanged),
		LastSuccessful:  text(entra.Later(u.Activity.LastSuccessful, e.Earlier)),
		LastInteractive: text(u.Activity.LastInteractive),
		LastNonInteract: text(u.Activity.LastNonInteractive), LastArchived: text(e.Archived),
		NeverSignedIn: d.Never, DecidedBy: d.By, Reason: d.Reason, GraceUntil: text(d.GraceUntil),
	}
	if rules.Silent(u, e) {
		answer.ArchiveReaches = text(e.ReachesBack)
	}
	if answer.AssignedSkuIDs == nil {
		answer.AssignedSkuIDs = []string{}
	}
	partition, key := UnknownUsers, u.ID
	if since, ok := judgedBy(d, asOf); ok {
		partition, key = KnownUsers, since.UTC().Format(KeyTime)+"_"+u.ID
	}
	if d.Known {
		days := d.DaysInactive(asOf)
		answer.InactiveSince, answer.DaysInactive = text(d.Since), &days
	}
	row = Document(key, answer)
	row.Columns = answer.columns()
	return partition, row
}

// columns are the copies beside a user's document.
func (u UserRow) columns() []Column {
	return []Column{
		{"UserPrincipalName", u.UserPrincipalName}, {"DisplayName", u.DisplayName},
		{"Guest", rules.IsGuest(u.UserType)}, {"AccountEnabled", u.AccountEnabled},
		{"Licensed", u.Licensed}, {"Synced", u.Synced}, {"NeverSignedIn", u.NeverSignedIn},
		{"DecidedBy", string(u.DecidedBy)}, {"Reason", u.Reason},
	}
}

// userColumns are those of a user's row that was read.
func userColumns(row Row) ([]Column, error) {
	u, err := readUserRow(row.Doc)
	if err != nil {
		return nil, fmt.Errorf("read user %s of the snapshot: %w", row.Key, err)
	}
	return u.columns(), nil
}

// kind of users that are counted together.
type kind struct{ Guest, Enabled, Licensed, Synced, Never bool }

// AgeCounts counts users by kind and by the most days after which they still count as inactive; -1
// are those of whom that is not known.
type AgeCounts map[ageKey]int64

type ageKey struct {
	kind
	days int
}

// AgeCount is one of them as it is stored.
type AgeCount struct {
	Guest, Enabled, Licensed, Synced, Never bool `json:",omitempty"`
	Days                                    int
	Users                                   int64
}

// Add counts a user.
func (c AgeCounts) Add(u rules.User, d rules.Decision, asOf time.Time) {
	c[ageKey{kind{u.Guest(), u.Enabled, len(u.Licences) > 0, u.Synced, d.Never}, d.InactiveFor(asOf)}]++
}

// List gives the counts in the order of days.
func (c AgeCounts) List() []AgeCount {
	out := make([]AgeCount, 0, len(c))
	for k, n := range c {
		out = append(out, AgeCount{k.Guest, k.Enabled, k.Licensed, k.Synced, k.Never, k.days, n})
	}
	// The order is total: what is stored does not depend on the order of a map.
	slices.SortFunc(out, func(a, b AgeCount) int {
		return cmp.Or(cmp.Compare(a.Days, b.Days), falseFirst(a.Guest, b.Guest), falseFirst(a.Enabled, b.Enabled),
			falseFirst(a.Licensed, b.Licensed), falseFirst(a.Synced, b.Synced), falseFirst(a.Never, b.Never))
	})
	return out
}

func falseFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// readUserRow reads a row's document.
func readUserRow(doc []byte) (UserRow, error) {
	var u UserRow
	err := json.Unmarshal(doc, &u)
	return u, err
}
