package preflight

import (
	"fmt"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/directory/collections"
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
	// Instead are wider permissions that do as well; none of them is asked for.
	Instead []string
	// Alternative: it takes the place of another one where a tenant asks for it; nothing misses it
	// by itself.
	Alternative bool
	// OnDemand: nothing but an answer that somebody asks for by a parameter uses it.
	OnDemand  bool
	bySetting bool
	needed    func(streams []entra.Stream, groups bool) bool
}

// Permissions lists all of them, the indispensable first. Source:
// learn.microsoft.com/graph/permissions-reference, and the pages of the requests that package graph
// makes.
func Permissions() []Permission { return permissions(collections.All()) }

func permissions(of collections.List) []Permission {
	out := ofCollections(of)
	for i, p := range out {
		if p.Name == logs.AuditLog {
			out[i].For = "all logs" + except(logs.AuditLog) + "; " + p.For
			out[i].Without = "nothing is archived; " + p.Without
		}
	}
	out = append(out, ofLogs()...)
	for _, p := range ofDetails() {
		p.For = "by hand, where `details=true` of a user is wanted: " + p.For
		at := slices.IndexFunc(out, func(o Permission) bool { return o.Name == p.Name })
		if at < 0 {
			out = append(out, p)
			continue
		}
		out[at].For, out[at].Without = joined(out[at].For, p.For), joined(out[at].Without, p.Without)
	}
	return out
}

// ofDetails are the permissions that one user's details take, each once.
func ofDetails() (out []Permission) {
	for _, d := range collections.UserDetails() {
		for _, p := range append([]collections.Permission{d.Permission}, d.Names...) {
			if p.Name != "" && !slices.ContainsFunc(out, func(o Permission) bool { return o.Name == p.Name }) {
				out = append(out, Permission{Name: p.Name, For: p.For, Without: p.Without, OnDemand: true})
			}
		}
	}
	return out
}

// ofCollections are the permissions that collections of the directory ask for, those that only a
// setting asks for last.
func ofCollections(of collections.List) (out []Permission) {
	for _, c := range of {
		for _, p := range slices.Concat(c.Permissions, c.Beside) {
			at := slices.IndexFunc(out, func(o Permission) bool { return o.Name == p.Name })
			if at < 0 {
				needed := func(_ []entra.Stream, groups bool) bool { return groups || !p.Setting }
				out = append(out, Permission{Name: p.Name, For: p.For, Without: p.Without, Optional: p.Optional,
					bySetting: p.Setting, needed: needed})
				continue
			}
			out[at].For = joined(out[at].For, p.For)
			out[at].Without = joined(out[at].Without, p.Without)
		}
	}
	slices.SortStableFunc(out, func(a, b Permission) int { return rank(a) - rank(b) })
	return out
}

func rank(p Permission) int {
	if p.bySetting {
		return 1
	}
	return 0
}

// joined adds a text to others, unless it is one of them.
func joined(texts, more string) string {
	if slices.Contains(strings.Split(texts, "; "), more) {
		return texts
	}
	return texts + "; " + more
}

// except names the logs that another permission reads.
func except(permission string) string {
	others := slices.DeleteFunc(logs.Collected(), func(l *logs.Log) bool { return l.Permission == permission })
	if len(others) == 0 {
		return ""
	}
	return " but " + list(others, " (opt-in)")
}

// list names logs, those that are opt-in with a remark.
func list(some []*logs.Log, optIn string) string {
	names := make([]string, len(some))
	for i, l := range some {
		names[i] = "`" + string(l.Stream) + "`"
		if l.OptIn {
			names[i] += optIn
		}
	}
	return strings.Join(names, ", ")
}

// ofLogs are the permissions that single logs ask for.
func ofLogs() []Permission {
	own := each(func(l *logs.Log) string {
		if l.Permission == logs.AuditLog {
			return ""
		}
		return l.Permission
	}, func(of []*logs.Log) Permission {
		return Permission{For: list(of, " (opt-in)"), Without: list(of, "") + ": not archived; the other logs are"}
	})
	alternative := each(func(l *logs.Log) string { return l.Alternative }, func(of []*logs.Log) Permission {
		return Permission{For: fmt.Sprintf("%s, where a tenant asks for it in place of `%s`", list(of, ""),
			of[0].Permission),
			Without: list(of, "") + ": not archived; the other logs are", Alternative: true}
	})
	optional := each(func(l *logs.Log) string {
		if l.Optional == nil {
			return ""
		}
		return l.Optional.Name
	}, func(of []*logs.Log) Permission {
		grant := of[0].Optional
		return Permission{For: "optional: " + grant.For, Without: grant.Without, Instead: grant.Instead, Optional: true}
	})
	return slices.Concat(own, alternative, optional)
}

// each makes one permission of all logs that name it, and none of those that name none.
func each(name func(*logs.Log) string, describe func(of []*logs.Log) Permission) []Permission {
	var names []string
	of := make(map[string][]*logs.Log)
	for _, l := range logs.All() {
		n := name(l)
		if n != "" && of[n] == nil {
			names = append(names, n)
		}
		of[n] = append(of[n], l)
	}
	var out []Permission
	for _, n := range names {
		p := describe(of[n])
		p.Name, p.needed = n, func(streams []entra.Stream, _ bool) bool {
			return slices.ContainsFunc(of[n], func(l *logs.Log) bool { return slices.Contains(streams, l.Stream) })
		}
		out = append(out, p)
	}
	return out
}

// Needed are the permissions for some streams; groups: SNAPSHOT_GROUPS names any.
func Needed(streams []entra.Stream, groups bool) []Permission {
	return needed(collections.All(), streams, groups)
}

func needed(of collections.List, streams []entra.Stream, groups bool) []Permission {
	return slices.DeleteFunc(permissions(of), func(p Permission) bool {
		return p.Alternative || p.OnDemand || !p.needed(streams, groups)
	})
}

// Role is an Azure role that the app's identity has.
type Role struct {
	Name string
	ID   string // of the role's definition, the same in all of Azure
	On   string
	For  string
}

// Roles lists them. Source of the ids:
// learn.microsoft.com/azure/role-based-access-control/built-in-roles.
func Roles() []Role {
	const host = "the Functions host's storage account"
	return []Role{
		{"Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", "the archive's storage account",
			"records, ledger, snapshots"},
		{"Storage Blob Data Contributor", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "the archive's storage account",
			"the heads of the logs of seals"},
		{"Storage Blob Data Owner", "b7e6dc6d-f1e8-4753-8033-0f276bb0955b", host,
			"the host's leases, timers and keys, and the package"},
		{"Storage Queue Data Contributor", "974c5e8b-45b9-4653-ba55-5f855dd0fb88", host, "the host's own bookkeeping"},
		{"Storage Table Data Contributor", "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3", host, "the host's own bookkeeping"},
		{"Monitoring Metrics Publisher", "3913510d-42f4-4e42-8a64-420c390055eb", "Application Insights",
			"logs and metrics"},
	}
}
