package simtenant_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
)

func directory(t *testing.T) *client {
	return serve(t,
		simtenant.Config{Now: now, Generate: &generate.Config{Seed: 1, Users: 1200, Apps: 60, Days: 2, End: now}})
}

func TestUsersComeInPagesAsLargeAsGraphAllows(t *testing.T) {
	c := directory(t)
	for path, want := range map[string]int{
		"/v1.0/users?$top=999&$select=id,userPrincipalName": 2,
		"/v1.0/users?$top=500&$select=id,signInActivity":    3,
		"/v1.0/users": 12,
		"/v1.0/applications?$top=999&$expand=owners($select=id)": 1,
	} {
		records, pages := c.all(path)
		require.Equal(t, want, pages, path)
		seen := make(map[string]bool)
		for _, r := range records {
			seen[gjson.Get(r, "id").Str] = true
		}
		require.Len(t, seen, len(records))
	}
	for _, path := range []string{"/v1.0/users?$top=501&$select=id,signInActivity", "/v1.0/users?$top=1000",
		"/v1.0/users?$skip=3", "/v1.0/users?$expand=owners"} {
		status, _, _ := c.get(path)
		require.Equal(t, http.StatusBadRequest, status, path)
	}
}

func TestOnlyWhatIsSelectedComesAndOwnersOnlyExpanded(t *testing.T) {
	c := directory(t)
	_, _, body := c.get("/v1.0/users?$select=id,mail")
	require.Len(t, gjson.GetBytes(body, "value.0").Map(), 2)
	_, _, body = c.get("/v1.0/applications?$top=20&$select=id,appId&$expand=owners($select=id)")
	require.NotEmpty(t, gjson.GetBytes(body, "value.#.owners.#.id").Array())
	_, _, body = c.get("/v1.0/applications?$top=20&$select=id,appId")
	require.Empty(t, gjson.GetBytes(body, "value.#.owners").Array())
}

func TestWithoutTheLicenceUsersComeWithoutTheirActivity(t *testing.T) {
	c := directory(t)
	c.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: simtenant.Users})
	status, _, _ := c.get("/v1.0/users?$select=id,signInActivity")
	require.Equal(t, http.StatusForbidden, status)
	status, _, _ = c.get("/v1.0/users?$select=id")
	require.Equal(t, http.StatusOK, status)
}

// TestTheDirectoryHasEveryQuirkOfGraph counts the ways in which Graph says nothing of a sign-in,
// and the kinds of credentials.
func TestTheDirectoryHasEveryQuirkOfGraph(t *testing.T) {
	c := directory(t)
	quirks, names := make(map[string]int), make(map[string]bool)
	for _, raw := range c.tenant.Objects(simtenant.Users) {
		require.True(t, gjson.ValidBytes(raw), "%s", raw)
		u := gjson.ParseBytes(raw)
		names[strings.ToLower(u.Get("userPrincipalName").Str)] = true
		last := u.Get("signInActivity.lastSuccessfulSignInDateTime")
		quirks[fmt.Sprintf("success %t %.4s", last.Exists(), last.Raw)]++
		quirks["state "+u.Get("externalUserState").String()]++
		quirks["created "+u.Get("createdDateTime").Type.String()]++
	}
	require.Len(t, names, 1200, "no two have the same name")
	for _, want := range []string{"success false ", "success true null", `success true ""`, `success true "000`,
		`success true "202`,
		"state PendingAcceptance", "state Accepted", "created Null", "created String"} {
		require.NotZero(t, quirks[want], "%s of %v", want, quirks)
	}
	triples, endless := 0, 0
	for _, raw := range c.tenant.Objects(simtenant.ServicePrincipals) {
		require.True(t, gjson.ValidBytes(raw), "%s", raw)
		if len(gjson.GetBytes(raw, "keyCredentials").Array()) == 2 &&
			len(gjson.GetBytes(raw, "passwordCredentials").Array()) == 1 {
			triples++
		}
	}
	for _, raw := range c.tenant.Objects(simtenant.Applications) {
		require.True(t, gjson.ValidBytes(raw), "%s", raw)
		for _, secret := range gjson.GetBytes(raw, "passwordCredentials").Array() {
			if !secret.Get("endDateTime").Exists() {
				endless++
			}
		}
	}
	require.NotZero(t, triples)
	require.NotZero(t, endless)
	require.NotEmpty(t, c.tenant.Objects(simtenant.CredentialUse))
}

func TestObjectsAreAddedChangedAndRemoved(t *testing.T) {
	c := serve(t, simtenant.Config{Now: now})
	for n := range 3 {
		c.tenant.AddObject(simtenant.Users, fmt.Appendf(nil, `{"id":"u%d","mail":"old"}`, n))
		c.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil, `{"id":"u%d","groupId":"g%d"}`, n, n%2))
	}
	c.tenant.ChangeObject(simtenant.Users, "u1", []byte(`{"id":"u1","mail":"new"}`))
	c.tenant.RemoveObject(simtenant.Users, "u0")
	records, _ := c.all("/v1.0/users?$top=1")
	require.Equal(t, []string{`{"id":"u1","mail":"new"}`, `{"id":"u2","mail":"old"}`}, records)
	records, _ = c.all("/v1.0/groups/g0/transitiveMembers?$select=id")
	require.Equal(t, []string{`{"id":"u0"}`, `{"id":"u2"}`}, records)
}
