package simtenant_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/entra"
)

// counted asks for a count as Graph wants it.
func (c *client) counted(path string) (int, string) {
	status, _, body := c.get(path, "ConsistencyLevel", "eventual", "Accept", "text/plain")
	return status, strings.TrimPrefix(string(body), "\xef\xbb\xbf")
}

const countOfUsers = "/v1.0/users/$count"

func TestACollectionIsCounted(t *testing.T) {
	c := directory(t)
	for n := range 5 {
		c.tenant.AddObject(simtenant.GroupMembers, fmt.Appendf(nil, `{"id":"u%d","groupId":"g%d"}`, n, n%2))
	}
	c.tenant.AddObject(simtenant.Users, []byte(`{"id":"more"}`))
	c.tenant.RemoveObject(simtenant.Users, gjson.GetBytes(c.tenant.Objects(simtenant.Users)[3], "id").Str)
	c.tenant.RemoveObject(simtenant.Users, "whom nobody knows")
	for path, want := range map[string]int{
		countOfUsers: len(c.tenant.Objects(simtenant.Users)), "/v1.0/applications/$count": 60,
		"/v1.0/servicePrincipals/$count":                                60,
		"/v1.0/groups/g0/transitiveMembers/microsoft.graph.user/$count": 3,
		"/v1.0/groups/g1/transitiveMembers/$count":                      2,
		"/v1.0/groups/g2/transitiveMembers/microsoft.graph.user/$count": 0,
	} {
		status, body := c.counted(path)
		require.Equal(t, http.StatusOK, status, path)
		require.Equal(t, strconv.Itoa(want), body, path)
	}
	require.Len(t, c.tenant.Objects(simtenant.Users), 1200)
	_, header, body := c.get(countOfUsers, "ConsistencyLevel", "eventual")
	require.Equal(t, "text/plain", header.Get("Content-Type"))
	require.Equal(t, "\xef\xbb\xbf1200", string(body), "it begins with a mark of byte order")
}

func TestACountIsRefusedWhereItIsNotAskedForAsTextFromTheIndex(t *testing.T) {
	c := directory(t)
	for _, path := range []string{countOfUsers, "/v1.0/applications/$count", "/v1.0/servicePrincipals/$count",
		"/v1.0/groups/g/transitiveMembers/microsoft.graph.user/$count"} {
		status, _, body := c.get(path, "Accept", "text/plain")
		require.Equal(t, http.StatusBadRequest, status, path)
		require.Equal(t, "Request_UnsupportedQuery", gjson.GetBytes(body, "error.code").Str)
		status, _, _ = c.get(path, "ConsistencyLevel", "eventual", "Accept", "application/json")
		require.Equal(t, http.StatusUnsupportedMediaType, status, path)
		status, _ = c.counted(path + "?$select=id")
		require.Equal(t, http.StatusBadRequest, status, path)
	}
	status, _ := c.counted("/beta/reports/appCredentialSignInActivities/$count")
	require.Equal(t, http.StatusBadRequest, status, "reports aren't counted")

	c.tenant.Revoke("User.Read.All", true)
	_, _, body := c.get("/msi/token?api-version=2019-08-01&resource=graph", "X-IDENTITY-HEADER", "simtenant")
	c.token = gjson.GetBytes(body, "access_token").Str
	status, text := c.counted(countOfUsers)
	require.Equal(t, http.StatusForbidden, status)
	require.Contains(t, text, "User.Read.All")
}

// byIDs asks for objects by their ids.
func (c *client) byIDs(path string, ids ...string) (int, []byte) {
	for i, id := range ids {
		ids[i] = "'" + strings.ReplaceAll(id, "'", "''") + "'"
	}
	status, _, body := c.get(query(path, "$filter", "id in ("+strings.Join(ids, ",")+")", "$select", "id"))
	return status, body
}

func TestObjectsAreHadByTheirIDsFifteenAtMost(t *testing.T) {
	c := directory(t)
	for path, collection := range map[string]entra.Stream{"/v1.0/users": simtenant.Users,
		"/v1.0/applications": simtenant.Applications, "/v1.0/servicePrincipals": simtenant.ServicePrincipals} {
		c.tenant.AddObject(collection, []byte(`{"id":"o'c"}`))
		all := c.tenant.Objects(collection)
		ids := []string{"o'c", "nobody"}
		for _, raw := range all[:13] {
			ids = append(ids, gjson.GetBytes(raw, "id").Str)
		}
		status, body := c.byIDs(path, ids...)
		require.Equal(t, http.StatusOK, status, "%s", body)
		require.Len(t, gjson.GetBytes(body, "value").Array(), 14, path)
		require.False(t, gjson.GetBytes(body, `@odata\.nextLink`).Exists())
		status, body = c.byIDs(path, append(ids, "one more")...)
		require.Equal(t, http.StatusBadRequest, status)
		require.Equal(t, "Request_UnsupportedQuery", gjson.GetBytes(body, "error.code").Str)
		require.Contains(t, gjson.GetBytes(body, "error.message").Str, "16. Max allowed: 15")
	}
	for _, filter := range []string{"id in ()", "id in ('a'", "id in 'a'", "id in ('a' 'b')", "id in ('a',)",
		"id in ('a'),", "id in (a)", "mail in ('a')", "id eq 'a'", ""} {
		status, _, _ := c.get(query("/v1.0/users", "$filter", filter))
		require.Equal(t, http.StatusBadRequest, status, filter)
	}
	for _, path := range []string{"/v1.0/groups/g/transitiveMembers", "/beta/reports/appCredentialSignInActivities"} {
		status, _ := c.byIDs(path, "a")
		require.Equal(t, http.StatusBadRequest, status, path)
	}
}

func TestFaultsOfQuestions(t *testing.T) {
	const id = "anna"
	for name, c := range map[string]struct {
		fault simtenant.Fault
		page  int // the status of a page
		count int
		ids   int
		says  string // the count
		found int    // by id
	}{
		"out of order altogether": {simtenant.Fault{Kind: simtenant.Unavailable}, 503, 503, 503, "", 0},
		"a count is refused": {simtenant.Fault{Kind: simtenant.UnsupportedQuery, Question: simtenant.ForCount},
			200, 400, 200, "", 1},
		"a count is throttled": {simtenant.Fault{Kind: simtenant.TooManyRequests, Question: simtenant.ForCount}, 200,
			429, 200, "", 1},
		"a count is too great": {simtenant.Fault{Kind: simtenant.WrongCount, Records: 40}, 200, 200, 200, "41", 1},
		"a count is too small": {simtenant.Fault{Kind: simtenant.WrongCount, Records: -40}, 200, 200, 200, "0", 1},
		"a count is a page": {simtenant.Fault{Kind: simtenant.HTMLPage, Question: simtenant.ForCount}, 200, 200,
			200, "<!DOCTYPE", 1},
		"ids are not implemented": {simtenant.Fault{Kind: simtenant.Refused, Status: 501, Question: simtenant.ForIDs},
			200, 200, 501, "1", 0},
		"ids find nothing": {simtenant.Fault{Kind: simtenant.EndsEmpty, Question: simtenant.ForIDs}, 200, 200,
			200, "1", 0},
		"a page is empty": {simtenant.Fault{Kind: simtenant.EndsEmpty}, 200, 200, 200, "1", 1},
		"a page breaks": {simtenant.Fault{Kind: simtenant.ServerError, Question: simtenant.ForPage}, 500, 200,
			200, "1", 1},
		"no licence": {simtenant.Fault{Kind: simtenant.NoLicence}, 200, 200, 200, "1", 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, simtenant.Config{Now: now})
			s.tenant.AddObject(simtenant.Users, []byte(`{"id":"`+id+`"}`))
			require.NoError(t, c.fault.Check())
			s.tenant.Inject(c.fault)
			status, _, _ := s.get("/v1.0/users?$select=id")
			require.Equal(t, c.page, status, "a page")
			status, body := s.counted(countOfUsers)
			require.Equal(t, c.count, status, "a count")
			if c.says != "" {
				require.True(t, strings.HasPrefix(body, c.says), body)
			}
			status, found := s.byIDs("/v1.0/users", id)
			require.Equal(t, c.ids, status, "by id")
			require.Len(t, gjson.GetBytes(found, "value").Array(), c.found)
		})
	}
	for _, f := range []simtenant.Fault{{Kind: simtenant.EndsEmpty, Question: simtenant.ForCount},
		{Kind: simtenant.WrongCount, Question: simtenant.ForIDs},
		{Kind: simtenant.ServerError, Question: "why"}} {
		require.ErrorContains(t, f.Check(), "does not happen to question")
	}
}

func TestQuestionsCountButNotAgainstTheReportingCeiling(t *testing.T) {
	c := serve(t, simtenant.Config{Now: now, RequestsPer10s: 1})
	c.tenant.AddObject(simtenant.Users, []byte(`{"id":"anna"}`))
	for range 3 {
		status, _ := c.counted(countOfUsers)
		require.Equal(t, http.StatusOK, status)
		status, _ = c.byIDs("/v1.0/users", "anna")
		require.Equal(t, http.StatusOK, status)
	}
	require.Empty(t, c.tenant.Requests())
	_, _, body := c.get("/_sim/requests")
	require.EqualValues(t, 6, gjson.GetBytes(body, "users.total").Int())
}

func TestEachRequestToTheDirectoryCostsItsUnits(t *testing.T) {
	c := serve(t, simtenant.Config{Now: now})
	for path, want := range map[string]string{"/v1.0/users": "2", "/v1.0/users?$select=id": "1",
		"/v1.0/users?$top=5&$select=id":     "1",
		"/v1.0/applications?$expand=owners": "3", "/v1.0/servicePrincipals": "1",
		"/v1.0/groups/g/transitiveMembers?$select=id": "4",
		"/beta/reports/appCredentialSignInActivities": ""} {
		_, header, _ := c.get(path)
		require.Equal(t, want, header.Get("x-ms-resource-unit"), path)
	}
}

// TestTheDirectorysCeilingsAreKept asks within a bubble, where no time passes but by sleeping, and
// without a socket.
func TestTheDirectorysCeilingsAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tenant, err := simtenant.New(simtenant.Config{UnitsPer10s: 20, KeysPerMinute: 3})
		require.NoError(t, err)
		token := ""
		get := func(path string, header ...string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodGet, path, nil)
			r.Header.Set("Authorization", "Bearer "+token)
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
			w := httptest.NewRecorder()
			tenant.ServeHTTP(w, r)
			return w
		}
		token = gjson.GetBytes(get("/msi/token?api-version=2019-08-01&resource=graph", "X-IDENTITY-HEADER",
			"simtenant").Body.Bytes(), "access_token").Str
		statuses := func(n int, path string) map[int]int {
			out := map[int]int{}
			for range n {
				a := get(path, "ConsistencyLevel", "eventual")
				if out[a.Code]++; a.Code == http.StatusTooManyRequests {
					require.Equal(t, "10", a.Header().Get("Retry-After"))
				}
			}
			return out
		}
		require.Equal(t, map[int]int{200: 10, 429: 2}, statuses(12, countOfUsers), "two units each")
		time.Sleep(10 * time.Second)
		require.Equal(t, map[int]int{200: 3, 429: 1}, statuses(4, "/v1.0/servicePrincipals?$select=id,keyCredentials"))
		require.Equal(t, map[int]int{200: 1}, statuses(1, "/v1.0/servicePrincipals?$select=id"),
			"without keys there are units left")
		time.Sleep(time.Minute)
		require.Equal(t, map[int]int{200: 1}, statuses(1, "/v1.0/servicePrincipals?$select=id,keyCredentials"))
	})
}
