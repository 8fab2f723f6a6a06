package directory

import (
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/directory/rules"
)

// UserDetails is what the tenant says of one user when it is asked. What Undisclosed names is not
// known; of the rest, what is absent is not there.
type UserDetails struct {
	AsOf         string        `json:"asOfDateTime" text:"When the tenant was asked"`
	Leave        string        `json:"employeeLeaveDateTime,omitempty" text:"When the user leaves"`
	Manager      *Person       `json:"manager,omitempty" text:"The manager"`
	Sponsors     *[]Person     `json:"sponsors,omitempty" text:"Who answers for a guest"`
	Roles        *[]Membership `json:"directoryRoles,omitempty"`
	Groups       *[]Membership `json:"groups,omitempty" text:"Groups, those of groups too"`
	Applications *[]AppRole    `json:"applications,omitempty"`
	Purpose      string        `json:"mailboxPurpose,omitempty"`
	Shared       *bool         `json:"sharedMailbox,omitempty"`
	Partial      []string      `json:"partial" text:"Lists of which there are more than the 9,990 that were asked for"`
	Undisclosed  []Undisclosed `json:"undisclosed" text:"What the tenant did not disclose, and why"`
}

// Texts are those that are too long for their line.
func (UserDetails) Texts() map[string]string {
	return map[string]string{
		"directoryRoles": "Administrative roles that are active, by groups too; not those that can be activated",
		"applications": "Applications to which the user is assigned, itself or by a group that it is " +
			"a direct member of",
		"mailboxPurpose": "user, linked, shared, room, equipment, others",
		"sharedMailbox": "Whether the mailbox is a shared one: its account is disabled as a rule, and none the less " +
			"in use",
	}
}

// Person is somebody beside a user.
type Person struct {
	ID                string `json:"id" text:"Object ID"`
	DisplayName       string `json:"displayName,omitempty" text:"Name"`
	Mail              string `json:"mail,omitempty" text:"Mail address"`
	UserPrincipalName string `json:"userPrincipalName,omitempty" text:"Sign-in name"`
}

// Membership is a role or group of a user.
type Membership struct {
	ID          string `json:"id" text:"Object ID"`
	DisplayName string `json:"displayName,omitempty" text:"Name, where the tenant discloses it"`
}

// AppRole is an assignment of a user, or of a group of it, to an application.
type AppRole struct {
	ResourceID  string `json:"resourceId" text:"Object ID of the service principal"`
	DisplayName string `json:"resourceDisplayName,omitempty" text:"Name of the application"`
	RoleID      string `json:"appRoleId" text:"ID of the role; all zeros for the default one"`
	By          string `json:"principalType,omitempty" text:"User, or Group where a group is assigned"`
	Created     string `json:"createdDateTime,omitempty" text:"Since when"`
}

// copied is a text of a document whose memory is used again.
func copied(doc gjson.Result, path string) string { return strings.Clone(doc.Get(path).String()) }

// TakeLeave takes in a user with employeeLeaveDateTime.
func (d *UserDetails) TakeLeave(user gjson.Result) {
	d.Leave = text(rules.When(user.Get("employeeLeaveDateTime")))
}

// TakeManager takes in a user with its manager expanded.
func (d *UserDetails) TakeManager(user gjson.Result) {
	if m := user.Get("manager"); m.IsObject() && m.Get("id").Exists() {
		d.Manager = new(personOf(m))
	}
}

func personOf(doc gjson.Result) Person {
	return Person{copied(doc, "id"), copied(doc, "displayName"), copied(doc, "mail"), copied(doc, "userPrincipalName")}
}

// TakeSponsors takes in a page of sponsors. Graph allows ten, so there is one page.
func (d *UserDetails) TakeSponsors(page gjson.Result) {
	out := []Person{}
	for _, one := range page.Get("value").Array() {
		if one.Get("id").Str != "" {
			out = append(out, personOf(one))
		}
	}
	d.Sponsors = &out
}

// TakeMemberships takes in one more page of what the user is a member of. Administrative units are
// left out.
func (d *UserDetails) TakeMemberships(page gjson.Result) {
	roles, groups := slices.Clone(had(d.Roles)), slices.Clone(had(d.Groups))
	for _, one := range page.Get("value").Array() {
		m := Membership{copied(one, "id"), copied(one, "displayName")}
		switch kind := one.Get(`@odata\.type`).Str; {
		case m.ID == "":
		case kind == "#microsoft.graph.directoryRole":
			roles = append(roles, m)
		case kind == "#microsoft.graph.group":
			groups = append(groups, m)
		}
	}
	d.Roles, d.Groups = &roles, &groups
}

// had are the elements of a list that came so far.
func had[T any](list *[]T) []T {
	if list == nil {
		return []T{}
	}
	return *list
}

// TakeApplications takes in one more page of assignments to applications.
func (d *UserDetails) TakeApplications(page gjson.Result) {
	out := slices.Clone(had(d.Applications))
	for _, one := range page.Get("value").Array() {
		if one.Get("resourceId").Str == "" {
			continue
		}
		out = append(out, AppRole{copied(one, "resourceId"), copied(one, "resourceDisplayName"),
			copied(one, "appRoleId"), copied(one, "principalType"), text(rules.When(one.Get("createdDateTime")))})
	}
	d.Applications = &out
}

// More says that there is more of a list than was asked for.
func (d *UserDetails) More(lists ...string) {
	d.Partial = append(slices.Clone(d.Partial), lists...)
	slices.Sort(d.Partial)
}

// TakeMailbox takes in mailboxSettings.
func (d *UserDetails) TakeMailbox(settings gjson.Result) {
	purpose := copied(settings, "userPurpose")
	if of := settings.Get("userPurpose"); of.IsObject() { // as some examples of the documentation have it
		purpose = copied(of, "value")
	}
	if purpose != "" {
		d.Purpose, d.Shared = purpose, new(strings.EqualFold(purpose, "shared"))
	}
}
