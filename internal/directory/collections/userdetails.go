package collections

// Detail is something that is asked for one user alone, when somebody asks for it: snapshots read
// none of it, so no refusal can fail them.
type Detail struct {
	Word  string // what an answer lacks where it is refused
	Path  string // below the user's; empty: the user's own
	Query string
	// Permission is needed beside that for users; its zero value: none. Where the app's token lacks
	// it, nothing is asked: Graph may give null in place of a refusal.
	Permission Permission
	// Names are the permissions without which Graph leaves names out of it.
	Names []Permission
	// Paged says that it is a list which may be longer than a page.
	Paged bool
}

// The words of what is asked for one user.
const (
	DetailUser         = "user"
	DetailLeave        = "employeeLeaveDateTime"
	DetailManager      = "manager"
	DetailSponsors     = "sponsors"
	DetailMemberships  = "memberships"
	DetailApplications = "applications"
	DetailMailbox      = "mailbox"
)

// MaxPages is how many pages of a list are read, with 999 elements each.
const MaxPages = 10

// UserDetails lists what is asked for one user. The first is whether there is one. Sources:
// learn.microsoft.com/graph/api/resources/user, "employeeLeaveDateTime"; .../user-list-manager,
// user-list-sponsors, user-list-transitivememberof, user-list-approleassignments,
// user-get-mailboxsettings. What Names are needed for:
// learn.microsoft.com/graph/permissions-overview, "Limited information returned for inaccessible
// member objects".
func UserDetails() []Detail {
	const person = "id,displayName,mail,userPrincipalName"
	leave := Permission{Name: "User-LifeCycleInfo.Read.All", For: "the day on which a user leaves",
		Without: "`details` of a user lacks `employeeLeaveDateTime`"}
	groups := Permission{Name: "GroupMember.Read.All", For: "names of groups that a user is a member of",
		Without: "`details` of a user has groups by id alone"}
	all := Permission{Name: "Directory.Read.All",
		For:     "applications that a user is assigned to, and names of roles",
		Without: "`details` of a user lacks `applications`, and has roles by id alone"}
	mailbox := Permission{Name: "MailboxSettings.Read", For: "whether a mailbox is a shared one",
		Without: "`details` of a user lacks `mailboxPurpose` and `sharedMailbox`"}
	return []Detail{
		{Word: DetailUser, Query: "$select=id"},
		{Word: DetailLeave, Query: "$select=id,employeeLeaveDateTime", Permission: leave},
		{Word: DetailManager, Query: "$select=id&$expand=manager($select=" + person + ")"},
		{Word: DetailSponsors, Path: "/sponsors", Query: "$select=" + person},
		{Word: DetailMemberships, Path: "/transitiveMemberOf", Query: "$top=999&$select=id,displayName",
			Names: []Permission{groups, all}, Paged: true},
		{Word: DetailApplications, Path: "/appRoleAssignments", Query: "$top=999", Permission: all, Paged: true},
		{Word: DetailMailbox, Path: "/mailboxSettings", Query: "$select=userPurpose", Permission: mailbox},
	}
}
