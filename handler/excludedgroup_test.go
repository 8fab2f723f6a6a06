package main

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
)

const askedGroup = "11111111-2222-3333-4444-555555555555"

// TestAGroupOutsideSnapshotGroupsIsReadByA202 in the list, in its file and in its number; and what
// Graph refuses of it is refused.
func TestAGroupOutsideSnapshotGroupsIsReadByA202(t *testing.T) {
	t.Parallel()
	s := directorySystem(t, 20)
	for i := range 5 {
		s.tenant.AddObject(simtenant.Users, fmt.Appendf(nil, `{"id":"old%d","userPrincipalName":"old%d@contoso.example",
			"createdDateTime":"2020-01-01T00:00:00Z",
			"signInActivity":{"lastSuccessfulSignInDateTime":"2021-01-0%dT00:00:00Z"}}`, i, i, i+1))
	}
	for i := range 3 {
		s.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil,
			`{"@odata.type":"#microsoft.graph.user","id":"old%d","groupId":%q}`, i, askedGroup))
	}
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	path := "/api/inactive-users?days=1000&$top=1&$select=id&exclude=" + askedGroup
	refused := func(path, code string, want int, words string) {
		status, _, answer := p.get(path)
		require.Equal(t, want, status, "%v", answer)
		problem := answer["error"].(map[string]any)
		require.Equal(t, code, problem["code"])
		require.Contains(t, problem["message"], words)
	}

	s.tenant.RemoveGroup("99999999-2222-3333-4444-555555555555")
	refused("/api/inactive-users?exclude=99999999-2222-3333-4444-555555555555", "badRequest", 400,
		"no group of the tenant")
	refused(path+"&newSince=previous", "badRequest", 400, "SNAPSHOT_GROUPS")
	refused(path+"&reader=mine", "badRequest", 400, "SNAPSHOT_GROUPS")
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.TooManyRequests, Stream: simtenant.GroupMembers, RetryAfter: "600"})
	refused(path, "throttled", 429, "429")
	s.tenant.ClearFaults()
	s.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: simtenant.GroupMembers})
	refused(path, "permissionMissing", 403, "GroupMember.Read.All")
	s.tenant.ClearFaults()

	status, header, answer := p.get(path + "&code=secret")
	require.Equal(t, http.StatusAccepted, status, "%v", answer)
	require.Equal(t, "1", header.Get("Retry-After"))
	require.Equal(t, "readingGroups", answer["status"])
	require.NotContains(t, answer, "value", "it is no list")
	require.NotContains(t, header.Get("Location"), "secret")
	var got []string
	for next := header.Get("Location"); next != ""; {
		status, _, answer = p.get(next)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		for _, row := range answer["value"].([]any) {
			got = append(got, row.(map[string]any)["id"].(string))
		}
		next, _ = answer["@odata.nextLink"].(string)
	}
	require.Contains(t, got, "old3")
	require.Contains(t, got, "old4")
	for i := range 3 {
		require.NotContains(t, got, fmt.Sprintf("old%d", i))
	}
	require.NotContains(t, answer, "nextCursor")

	for other, form := range map[string]string{"44444444-2222-3333-4444-555555555555": "$format=csv",
		"55555555-2222-3333-4444-555555555555": ""} {
		s.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil,
			`{"@odata.type":"#microsoft.graph.user","id":"old4","groupId":%q}`, other))
		path := "/api/inactive-users?days=1000&exclude=" + other + "&" + form
		if form == "" {
			path = strings.Replace(path, "?", "/$count?", 1)
		}
		for n, want := range []int{http.StatusAccepted, http.StatusOK} {
			resp, err := http.Get(p.url + path)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, want, resp.StatusCode, "%s: %s", path, body)
			if n == 1 && form != "" {
				require.Contains(t, string(body), "old3")
				require.NotContains(t, string(body), "old4")
			}
			if n == 1 && form == "" {
				require.Equal(t, fmt.Sprint(len(got)+2), string(body)) // three come back, and one is left out
			}
		}
	}

	s.tenant.HideMembers("66666666-2222-3333-4444-555555555555")
	refused("/api/inactive-users?exclude=66666666-2222-3333-4444-555555555555", "permissionMissing", 403,
		"Member.Read.Hidden")
}
