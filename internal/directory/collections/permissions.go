package collections

// The permissions of several collections. Source: learn.microsoft.com/graph/permissions-reference.
var (
	signInActivity = Permission{Name: "AuditLog.Read.All", For: "sign-in activity of users",
		Without: "who is inactive is unknown"}
	reportsOfUse = Permission{Name: "AuditLog.Read.All", For: "reports of credential and application use",
		Without: "no credential is reported as unused"}
	readUsers = Permission{Name: "User.Read.All", For: "users of the snapshot",
		Without: "`inactive-users` can't answer"}
	readApplications = Permission{Name: "Application.Read.All",
		For:     "applications and service principals with their credentials and owners",
		Without: "`expiring-credentials` can't answer"}
	readLicences = Permission{Name: "LicenseAssignment.Read.All", For: "names of licences",
		Without: "licences have ids only", Optional: true}
	readMembers = Permission{Name: "GroupMember.Read.All",
		For: "members of the groups in `SNAPSHOT_GROUPS`, and of others that `exclude` names; needed " +
			"only where there " +
			"are any",
		Without: "`exclude` refuses groups", Setting: true}
	readHidden = Permission{Name: "Member.Read.Hidden",
		For: "optional: members of those of these groups whose `visibility` is `HiddenMembership`; " +
			"needed only where there is one",
		Without: "`exclude` refuses such a group", Setting: true, Optional: true}
)
