package collections

// Detail is something that is asked for one user alone, when somebody asks for it: snapshots read
// none of it, so no refusal can fail them.
type Detail struct {
	Word string // what an answer lacks where it is refused
	Path string // below the user's; empty: the user's own
	// Query asks for no more than one page.
	Query string
	// Permission is needed beside that for users; its zero value: none. Where the app's token lacks
	// it, nothing is asked: Graph may give null in place of a refusal.
	Permission Permission
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

// MaxDetails is how many memberships and applications are asked for: one page.
const MaxDetails = 999

// UserDetails lists what is asked for one user. The first is whether there is one. Sources:
// learn.microsoft.com/graph/api/resources/user, "employeeLeaveDateTime"; .../user-list-manager,
// user-list-sponsors, user-list-transitivememberof, user-list-approleassignments,
// user-get-mailboxsettings.
func UserDetails() []Detail {
	const person = "id,displayName,mail,userPrincipalName"
	leave := Permission{Name: "User-LifeCycleInfo.Read.All", For: "the day on which a user leaves",
		Without: "`details` of a user lacks `employeeLeaveDateTime`"}
	all := Permission{Name: "Directory.Read.All",
		For:     "applications that a user is assigned to, and names of roles and groups",
		Without: "`details` of a user lacks `applications`, and has roles and groups by id alone"}
	mailbox := Permission{Name: "MailboxSettings.Read", For: "whether a mailbox is a shared one",
		Without: "`details` of a user lacks `mailboxPurpose` and `sharedMailbox`"}
	return []Detail{
		{Word: DetailUser, Query: "$select=id"},
		{Word: DetailLeave, Query: "$select=id,employeeLeaveDateTime", Permission: leave},
		{Word: DetailManager, Query: "$select=id&$expand=manager($select=" + person + ")"},
		{Word: DetailSponsors, Path: "/sponsors", Query: "$select=" + person},
		{Word: DetailMemberships, Path: "/transitiveMemberOf", Query: "$top=999&$select=id,displayName"},
		{Word: DetailApplications, Path: "/appRoleAssignments", Query: "$top=999", Permission: all},
		{Word: DetailMailbox, Path: "/mailboxSettings", Query: "$select=userPurpose", Permission: mailbox},
	}
}
