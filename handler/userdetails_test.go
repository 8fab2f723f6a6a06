package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
)

const leaver = `{"id":"0b3c2a4e-0000-4000-8000-0000000000aa","userPrincipalName":"lea@contoso.example",
	"displayName":"Lea","userType":"Member","accountEnabled":false,"createdDateTime":"2020-01-01T00:00:00Z",
	"department":"Sales","assignedLicenses":[{"skuId":"06ebc4ee-1bb5-47dd-8120-11324bc54e06"},{"skuId":"other"}],
	"lastPasswordChangeDateTime":"2024-05-06T07:08:09Z","employeeLeaveDateTime":"2026-11-30T00:00:00Z",
	"signInActivity":{"lastSuccessfulSignInDateTime":"2025-01-01T00:00:00Z"},
	"manager":{"id":"m","displayName":"Max","mail":"max@contoso.example"},"sponsors":[],
	"transitiveMemberOf":[{"@odata.type":"#microsoft.graph.group","id":"g","displayName":"Readers"},
	{"@odata.type":"#microsoft.graph.directoryRole","id":"r","displayName":"Global Administrator"},
	{"@odata.type":"#microsoft.graph.administrativeUnit","id":"a","displayName":"Unit"}],
	"appRoleAssignments":[{"id":"x","resourceId":"sp","resourceDisplayName":"Payroll","appRoleId":"role",
	"principalType":"Group","createdDateTime":"2021-02-02T04:22:45Z"}],"mailboxSettings":{"userPurpose":"shared"}}`

// TestDetailsOfOneUserAreAskedForEachWithItsPermission: what is not granted is named, and takes
// nothing from the rest; the plain answer asks Graph for nothing.
func TestDetailsOfOneUserAreAskedForEachWithItsPermission(t *testing.T) {
	t.Parallel()
	s := directorySystem(t, 20)
	const lea, many, bare = "0b3c2a4e-0000-4000-8000-0000000000aa", "many", "bare"
	s.tenant.AddObject(simtenant.Users, []byte(leaver))
	var groups []string
	for n := range 1000 {
		groups = append(groups, fmt.Sprintf(`{"@odata.type":"#microsoft.graph.group","id":"g%d","displayName":"G"}`, n))
	}
	s.tenant.AddObject(simtenant.Users, []byte(`{"id":"many","userPrincipalName":"many@contoso.example",
		"transitiveMemberOf":[`+strings.Join(groups, ",")+`],"mailboxSettings":{"userPurpose":{"value":"user"}}}`))
	s.tenant.Revoke("GroupMember.Read.All", true)
	s.tenant.AddObject(simtenant.Users, []byte(`{"id":"bare","userPrincipalName":"bare@contoso.example"}`))
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	details := func(id string) (map[string]any, []string) {
		status, answer := p.ask(http.MethodGet, "/api/users/"+id+"?details=true", "")
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.NotContains(t, answer, "status")
		out := answer["details"].(map[string]any)
		lacks := []string{}
		for _, one := range out["undisclosed"].([]any) {
			one := one.(map[string]any)
			lacks = append(lacks, one["resource"].(string)+" "+one["code"].(string))
		}
		slices.Sort(lacks)
		return out, lacks
	}

	got, lacks := details(lea)
	require.Equal(t, []string{"applications permissionMissing", "employeeLeaveDateTime permissionMissing",
		"mailbox permissionMissing"}, lacks)
	require.Equal(t, map[string]any{"id": "m", "displayName": "Max", "mail": "max@contoso.example"}, got["manager"])
	require.Equal(t, []any{}, got["sponsors"])
	require.Equal(t, []any{map[string]any{"id": "r"}}, got["directoryRoles"], "without a name")
	require.Equal(t, []any{map[string]any{"id": "g"}}, got["groups"])
	for _, absent := range []string{"employeeLeaveDateTime", "applications", "mailboxPurpose", "sharedMailbox"} {
		require.NotContains(t, got, absent)
	}

	grant := func(permissions ...string) {
		for _, permission := range permissions {
			s.tenant.Grant(permission)
		}
		p.kill()
		p = s.start() // a process keeps its token
	}
	s.tenant.Revoke("GroupMember.Read.All", false)
	grant()
	got, _ = details(lea)
	require.Equal(t, []any{map[string]any{"id": "g", "displayName": "Readers"}}, got["groups"])
	require.Equal(t, []any{map[string]any{"id": "r"}}, got["directoryRoles"])
	grant("User-LifeCycleInfo.Read.All", "Directory.Read.All", "MailboxSettings.Read")
	got, lacks = details("lea@contoso.example")
	require.Empty(t, lacks)
	require.Equal(t, "2026-11-30T00:00:00Z", got["employeeLeaveDateTime"])
	require.Equal(t, []any{map[string]any{"id": "r", "displayName": "Global Administrator"}}, got["directoryRoles"])
	require.Equal(t, []any{map[string]any{"id": "g", "displayName": "Readers"}}, got["groups"])
	require.Equal(t, []any{map[string]any{"resourceId": "sp", "resourceDisplayName": "Payroll", "appRoleId": "role",
		"principalType": "Group", "createdDateTime": "2021-02-02T04:22:45Z"}}, got["applications"])
	require.Equal(t, []any{"shared", true, []any{}}, []any{got["mailboxPurpose"], got["sharedMailbox"], got["partial"]})

	got, lacks = details(many)
	require.Empty(t, lacks)
	require.Len(t, got["groups"], 1000)
	require.Empty(t, got["partial"])
	require.Equal(t, false, got["sharedMailbox"])

	got, lacks = details(bare)
	require.Equal(t, []string{"mailbox notFound"}, lacks, "it may be elsewhere")
	require.NotContains(t, got, "manager")
	require.NotContains(t, got, "employeeLeaveDateTime")
	require.Equal(t, []any{}, got["applications"])

	s.tenant.RemoveObject(simtenant.Users, bare)
	_, lacks = details(bare)
	require.Equal(t, []string{"applications notFound", "employeeLeaveDateTime notFound", "mailbox notFound",
		"manager notFound", "memberships notFound", "sponsors notFound"}, lacks)
	_, _, answer := p.get("/api/users/" + lea)
	require.NotContains(t, answer, "details")
	for path, want := range map[string]int{"?details=yes": 400, "?details=": 400, "?details=false": 200} {
		status, _, _ := p.get("/api/users/" + lea + path)
		require.Equal(t, want, status, path)
	}
	status, _, _ = p.get("/api/users/nobody?details=true")
	require.Equal(t, http.StatusNotFound, status)
}

// TestMembershipsOfAUserAreAnsweredBy202, with all that is quick at once.
func TestMembershipsOfAUserAreAnsweredBy202(t *testing.T) {
	t.Parallel()
	s := directorySystem(t, 5)
	s.tenant.AddObject(simtenant.Users, []byte(leaver))
	s.tenant.AddObject(simtenant.Users, []byte(`{"id":"other","userPrincipalName":"other@contoso.example"}`))
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	status, header, answer := p.get("/api/users/lea@contoso.example?details=true&days=400")
	require.Equal(t, http.StatusAccepted, status)
	require.Equal(t, "running", answer["status"])
	require.Equal(t, "inactive", answer["state"])
	quick := answer["details"].(map[string]any)
	require.Equal(t, "Max", quick["manager"].(map[string]any)["displayName"])
	require.NotContains(t, quick, "groups")
	at, err := url.Parse(header.Get("Location"))
	require.NoError(t, err)
	require.Regexp(t, `^/api/users/0b3c2a4e-0000-4000-8000-0000000000aa/[0-9a-f-]{36}$`, at.Path)

	p.kill()
	p = s.start()
	for range 2 { // once it is there, it stays
		status, _, answer = p.get(at.Path)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Len(t, answer["details"].(map[string]any)["groups"], 1)
		require.Equal(t, "inactive", answer["state"], "as it was asked")
		require.NotContains(t, answer, "status")
	}
	for _, path := range []string{strings.Replace(at.Path, "0b3c2a4e-0000-4000-8000-0000000000aa", "other", 1),
		"/api/users/other/nothing", at.Path + "x"} {
		status, _, _ = p.get(path)
		require.Equal(t, http.StatusNotFound, status, path)
	}
}

// TestAPartOfOneUsersDetailsThatFailsTakesNothingFromTheRest.
func TestAPartOfOneUsersDetailsThatFailsTakesNothingFromTheRest(t *testing.T) {
	t.Parallel()
	s := directorySystem(t, 5)
	s.tenant.AddObject(simtenant.Users, []byte(leaver))
	for _, permission := range []string{"User-LifeCycleInfo.Read.All", "Directory.Read.All", "MailboxSettings.Read"} {
		s.tenant.Grant(permission)
	}
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	for part, word := range map[string]string{"employeeLeaveDateTime": "employeeLeaveDateTime", "manager": "manager",
		"sponsors": "sponsors", "transitiveMemberOf": "memberships", "appRoleAssignments": "applications",
		"mailboxSettings": "mailbox"} {
		kinds := map[simtenant.Kind]string{simtenant.NoPermission: "permissionMissing"}
		if word == "memberships" || word == "manager" { // each is asked for again, with pauses
			kinds[simtenant.Unavailable] = "serviceUnavailable"
		}
		for kind, code := range kinds {
			s.tenant.Inject(simtenant.Fault{Kind: kind, Stream: simtenant.Users, Question: simtenant.ForOne,
				Part: part})
			status, answer := p.ask(http.MethodGet, "/api/users/lea@contoso.example?details=true", "")
			require.Equal(t, http.StatusOK, status, "%s %s: %v", part, kind, answer)
			lacks := answer["details"].(map[string]any)["undisclosed"].([]any)
			require.Len(t, lacks, 1, "%s %s", part, kind)
			require.Equal(t, word, lacks[0].(map[string]any)["resource"])
			require.Equal(t, code, lacks[0].(map[string]any)["code"], "%s %s", part, kind)
			require.Positive(t, s.tenant.Happened(kind))
			s.tenant.ClearFaults()
		}
	}
}

// TestUsersAreAskedForByTexts: counts are of those that are asked for, and what is new goes on.
func TestUsersAreAskedForByTexts(t *testing.T) {
	t.Parallel()
	s := directorySystem(t, 40)
	s.tenant.AddObject(simtenant.Users, []byte(leaver))
	s.tenant.AddObject(simtenant.Users, []byte(`{"id":"guest","userPrincipalName":"x_y.com#EXT#@other.example",
		"userType":"Guest","createdDateTime":"2020-01-01T00:00:00Z","externalUserState":"PendingAcceptance",
		"department":"Sales, EMEA","signInActivity":{"lastSuccessfulSignInDateTime":"2025-01-01T00:00:00Z"}}`))
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	ids := func(query string) (out []string, answer map[string]any) {
		status, _, answer := p.get("/api/inactive-users?$count=true&" + query)
		require.Equal(t, http.StatusOK, status, "%s: %v", query, answer)
		for _, row := range answer["value"].([]any) {
			out = append(out, row.(map[string]any)["id"].(string))
		}
		require.InDelta(t, len(out), answer["@odata.count"], 0, query)
		return out, answer
	}
	all, answer := ids("$top=999&state=all")
	sales := 0
	for _, row := range answer["value"].([]any) {
		if strings.EqualFold(fmt.Sprint(row.(map[string]any)["department"]), "sales") {
			sales++
		}
	}
	require.Greater(t, sales, 1)
	require.Less(t, sales, len(all)-1)
	found, _ := ids("$top=999&state=all&department=SALES")
	require.Len(t, found, sales)
	require.True(t, slices.Contains(found, "0b3c2a4e-0000-4000-8000-0000000000aa"))
	for query, want := range map[string][]string{
		"domain=OTHER.example": {"guest"}, "domain=y.com": nil, "department=Sales%2C%20EMEA": {"guest"},
		"domain=other.example&externalUserState=PendingAcceptance": {"guest"},
		"domain=other.example&externalUserState=Accepted":          nil,
		"domain=other.example&days=1&$orderby=displayName":         {"guest"},
	} {
		got, _ := ids(query)
		require.Equal(t, want, got, query)
	}
	for query, want := range map[string]int{"domain=a%40b.com": 400, "externalUserState=accepted2": 400,
		"department=" + strings.Repeat("x", 300): 200} {
		status, _, _ := p.get("/api/inactive-users?" + query)
		require.Equal(t, want, status, query)
	}
	status, _, _ = p.get("/api/inactive-users/summary?department=Sales")
	require.Equal(t, http.StatusBadRequest, status)

	_, answer = ids("domain=other.example")
	row := answer["value"].([]any)[0].(map[string]any)
	require.NotContains(t, row, "licences")
	next, ok := answer["nextCursor"].(string)
	require.True(t, ok)
	got, _ := ids("domain=other.example&newSince=" + next)
	require.Empty(t, got)
	status, _, _ = p.get("/api/inactive-users?domain=contoso.example&newSince=" + next)
	require.Equal(t, http.StatusBadRequest, status, "it is a cursor of another question")

	_, _, user := p.get("/api/users/lea@contoso.example")
	require.Equal(t, []any{"SPE_E5", "other"}, user["licences"])
	require.Equal(t, []any{"06ebc4ee-1bb5-47dd-8120-11324bc54e06", "other"}, user["assignedSkuIds"])
	require.Equal(t, "2024-05-06T07:08:09Z", user["lastPasswordChangeDateTime"])
}
