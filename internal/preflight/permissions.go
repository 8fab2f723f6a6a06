package preflight

import (
	"fmt"
	"slices"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Permission is a Microsoft Graph application permission that the app uses.
type Permission struct {
	Name    string
	For     string
	Without string // what its lack means
	// Optional: the app works without it, and says so.
	Optional bool
	// Alternative: it takes the place of another one where a tenant asks for it; nothing misses it by itself.
	Alternative bool
	needed      func(streams []entra.Stream, groups bool) bool
}

// Permissions lists all of them, the indispensable first. Source: learn.microsoft.com/graph/permissions-reference, and the pages of
// the requests that package graph makes.
func Permissions() []Permission {
	always := func([]entra.Stream, bool) bool { return true }
	out := []Permission{
		{Name: "AuditLog.Read.All", For: "all logs but the custom security attributes; sign-in activity of users; reports of credential and application use",
			Without: "nothing is archived; who is inactive is unknown; no credential is reported as unused", needed: always},
		{Name: "User.Read.All", For: "users of the snapshot", Without: "`inactive-users` can't answer", needed: always},
		{Name: "Application.Read.All", For: "applications and service principals with their credentials and owners", Without: "`expiring-credentials` can't answer", needed: always},
		{Name: "GroupMember.Read.All", For: "members of the groups in `SNAPSHOT_GROUPS`; needed only where that is set", Without: "`exclude` refuses these groups",
			needed: func(_ []entra.Stream, groups bool) bool { return groups }},
	}
	return append(out, ofLogs()...)
}

// ofLogs are the permissions that single logs ask for, each once.
func ofLogs() []Permission {
	var own, alternative, optional []Permission
	for _, log := range logs.All() {
		collected := func(streams []entra.Stream, _ bool) bool { return slices.Contains(streams, log.Stream) }
		if log.Permission != logs.AuditLog {
			p := Permission{Name: log.Permission, For: fmt.Sprintf("the stream `%s`", log.Stream), Without: "that stream is not archived", needed: collected}
			if log.OptIn {
				p.For += ", which is opt-in"
			}
			own = append(own, p)
		}
		if log.Alternative != "" {
			alternative = append(alternative, Permission{Name: log.Alternative,
				For:     fmt.Sprintf("%s logs, where a tenant asks for it in place of `%s`", log.Collection, log.Permission),
				Without: log.Collection + " is not archived; the other logs are", Alternative: true, needed: collected})
		}
		if o := log.Optional; o != nil && !slices.ContainsFunc(optional, func(p Permission) bool { return p.Name == o.Name }) {
			optional = append(optional, Permission{Name: o.Name, For: "optional: " + o.For, Without: o.Without, Optional: true,
				needed: func(streams []entra.Stream, _ bool) bool {
					return slices.ContainsFunc(streams, func(s entra.Stream) bool { g := logs.Of(s).Optional; return g != nil && g.Name == o.Name })
				}})
		}
	}
	return slices.Concat(own, alternative, optional)
}

// Needed are the permissions for some streams; groups: SNAPSHOT_GROUPS names any.
func Needed(streams []entra.Stream, groups bool) []Permission {
	return slices.DeleteFunc(Permissions(), func(p Permission) bool { return p.Alternative || !p.needed(streams, groups) })
}

// Role is an Azure role that the app's identity has.
type Role struct {
	Name string
	ID   string // of the role's definition, the same in all of Azure
	On   string
	For  string
}

// Roles lists them. Source of the ids: learn.microsoft.com/azure/role-based-access-control/built-in-roles.
func Roles() []Role {
	const host = "the Functions host's storage account"
	return []Role{
		{"Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "the archive's storage account", "records, ledger, snapshots"},
		{"Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "the archive's storage account", "the heads of the logs of seals"},
		{"Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", host, "the host's leases, timers and keys, and the package"},
		{"Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88", host, "the host's own bookkeeping"},
		{"Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", host, "the host's own bookkeeping"},
		{"Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb", "Application Insights", "logs and metrics"},
	}
}
