package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
)

// directorySystem is a tenant with a number of users, whose snapshots may need any number of
// requests.
func directorySystem(t *testing.T, users int) *system {
	s := newSystemOnAzurite(t, simtenant.Config{Generate: &generate.Config{Seed: 9, Users: users, Apps: 100, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	return s
}

// get asks an HTTP function and reads its answer as JSON.
func (p *process) get(path string, header ...string) (int, http.Header, map[string]any) {
	p.Helper()
	address := path
	if !strings.HasPrefix(path, "http") {
		address = p.url + path
	}
	req, err := http.NewRequest(http.MethodGet, address, nil)
	require.NoError(p, err)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p, err)
	var answer map[string]any
	require.NoError(p, json.Unmarshal(body, &answer), "%s: %.300s", path, body)
	return resp.StatusCode, resp.Header, answer
}

func TestBeforeTheFirstSnapshotAnAnswerSaysWhatToDo(t *testing.T) {
	p := directorySystem(t, 20).start()
	for _, path := range []string{"/api/inactive-users", "/api/inactive-users/summary", "/api/expiring-credentials",
		"/api/expiring-credentials/summary",
		"/api/users/somebody@contoso.example", "/api/applications/1", "/api/inactive-users?$format=csv",
		"/api/inactive-users?newSince=previous"} {
		status, header, answer := p.get(path)
		require.Equal(t, http.StatusServiceUnavailable, status, path)
		require.Equal(t, "300", header.Get("Retry-After"))
		require.Equal(t, "noSnapshot", answer["error"].(map[string]any)["code"])
		require.Contains(t, answer["error"].(map[string]any)["message"], "POST /api/snapshot")
	}
}

func TestBadQuestionsAreRefusedInWords(t *testing.T) {
	p := directorySystem(t, 20).start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	for query, want := range map[string]string{
		"days=-1":                                  "from 1 to 3650",
		"days=abc":                                 "from 1 to 3650",
		"days=100000":                              "from 1 to 3650",
		"days=":                                    "from 1 to 3650",
		"days=90.5":                                "from 1 to 3650",
		"days=90&days=30":                          "one value",
		"days=90&before=2026-01-01":                "both days and before",
		"before=yesterday":                         "a date such as",
		"before=0001-01-01T00:00:00Z":              "a date such as",
		"userType=robot":                           "member, guest, all",
		"enabled=yes":                              "true, false, all",
		"neverSignedIn=maybe":                      "include, only, exclude",
		"state=dead":                               "inactive, unknown, all",
		"unknown=1":                                "accepted are: days, before",
		"$top=0":                                   "from 1 to 999",
		"$top=1000":                                "from 1 to 999",
		"$select=password":                         "one or several of id",
		"$select=":                                 "one or several of id",
		"$orderby=mail":                            "one of inactiveSinceDateTime",
		"$orderby=displayName up":                  "asc or desc",
		"$count=yes":                               "true, false",
		"$format=xml":                              "json and csv",
		"$skiptoken=abc":                           "none that this app gave",
		"exclude=":                                 "a variable may have come out empty",
		"exclude=, ,":                              "a variable may have come out empty",
		"exclude=nobody@contoso.example":           "no user of the snapshot",
		"exclude=' or true or '":                   "no user of the snapshot",
		"newSince=tomorrow":                        "a date such as",
		"newSince=":                                "nextCursor as an answer gave it",
		"newSince=2026-01-01T00:00:00":             "with its zone",
		"newSince=2026-13-01T00:00:00Z":            "with its zone",
		"newSince=2999-01-01T00:00:00Z":            "and now it is",
		"newSince=2026-01-01&state=unknown":        "ask with days, and state=inactive or all",
		"newSince=2026-01-01&before=2026-01-01":    "ask with days, and state=inactive or all",
		"newSince=" + strings.Repeat("A", 80):      "none that this app gave",
		"newSince=" + strings.Repeat("A", 5000):    "nextCursor as an answer gave it",
		"newSince=" + strings.Repeat("%F0%9F", 40): "nextCursor as an answer gave it",
		"reader=a b":                               "letters, digits",
		"reader=../x":                              "letters, digits",
		"reader=":                                  "leave it out",
		"reader=" + strings.Repeat("r", 65):        "64 letters",
		"reader=weekly&newSince=2026-01-01":        "both newSince and reader",
		"reader=weekly&$format=csv":                "a file carries no cursor",
		"reader=weekly&before=2026-01-01":          "read reader: it is asked together with before",
		"reader=weekly&state=unknown":              "ask with days, and state=inactive or all",
	} {
		parts := strings.Split(query, "&")
		for i, part := range parts {
			name, value, _ := strings.Cut(part, "=")
			parts[i] = url.QueryEscape(name) + "=" + url.QueryEscape(value)
		}
		status, _, answer := p.get("/api/inactive-users?" + strings.Join(parts, "&"))
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Contains(t, answer["error"].(map[string]any)["message"], want, query)
	}
	for path, want := range map[string]int{
		"/api/inactive-users?days=%zz":                                                    http.StatusBadRequest,
		"/api/inactive-users/nothing":                                                     http.StatusNotFound,
		"/api/inactive-users/summary?before=2026-01-01":                                   http.StatusBadRequest,
		"/api/expiring-credentials?withinDays=-1":                                         http.StatusBadRequest,
		"/api/expiring-credentials?state=expired,gone":                                    http.StatusBadRequest,
		"/api/expiring-credentials?newSince=previous&state=valid":                         http.StatusBadRequest,
		"/api/expiring-credentials?state=unused&unusedDays=6&reader=x":                    http.StatusBadRequest,
		"/api/expiring-credentials?successor=no":                                          http.StatusBadRequest,
		"/api/expiring-credentials?appId=":                                                http.StatusBadRequest,
		"/api/expiring-credentials?appId=payroll":                                         http.StatusBadRequest,
		"/api/expiring-credentials?appId=0b3c2a4e-0000-4000-8000-00000000000g":            http.StatusBadRequest,
		"/api/expiring-credentials?appId=%20or%20true":                                    http.StatusBadRequest,
		"/api/expiring-credentials?exclude=payroll":                                       http.StatusBadRequest,
		"/api/expiring-credentials?exclude=0b3c2a4e-0000-4000-8000-000000000000;x":        http.StatusBadRequest,
		"/api/expiring-credentials?exclude=0b3c2a4e-0000-4000-8000-000000000000,0b3c2a4e": http.StatusBadRequest,
		"/api/expiring-credentials?owner=":                                                http.StatusBadRequest,
		"/api/expiring-credentials?owner=nobody":                                          http.StatusBadRequest,
		"/api/expiring-credentials?owner=a@b@c":                                           http.StatusBadRequest,
		"/api/expiring-credentials?owner=@contoso.example":                                http.StatusBadRequest,
		"/api/expiring-credentials?owner=a%20b@contoso.example":                           http.StatusBadRequest,
		"/api/expiring-credentials?microsoft=yes":                                         http.StatusBadRequest,
		"/api/expiring-credentials/summary?owner=nobody":                                  http.StatusBadRequest,
		"/api/expiring-credentials?$format=csv&exclude=payroll":                           http.StatusBadRequest,
		"/api/expiring-credentials?appId=0b3c2a4e-0000-4000-8000-000000000000":            http.StatusOK,
		"/api/expiring-credentials?owner=a.b@contoso.example":                             http.StatusOK,
		"/api/expiring-credentials?owner=g_fabrikam.example%23EXT%23@contoso.example":     http.StatusOK,
		"/api/expiring-credentials?exclude=0b3c2a4e-0000-4000-8000-000000000000&reader=y": http.StatusOK,
		"/api/expiring-credentials?exclude=":                                              http.StatusBadRequest,
		"/api/expiring-credentials?microsoft=only&state=all&reader=z":                     http.StatusOK,
		"/api/expiring-credentials/summary?microsoft=include&owner=none":                  http.StatusOK,
		"/api/expiring-credentials/summary?successor=none":                                http.StatusBadRequest,
		"/api/inactive-users/summary?reader=x":                                            http.StatusBadRequest,
		"/api/expiring-credentials/nothing":                                               http.StatusNotFound,
		"/api/users/nobody":                                                               http.StatusNotFound,
		"/api/applications/nothing":                                                       http.StatusNotFound,
		"/api/snapshot?now=1":                                                             http.StatusBadRequest,
		"/api/inactive-users?exclude=" + strings.Repeat("a", 40<<10):                      http.StatusRequestURITooLong,
	} {
		status, _, answer := p.get(path)
		require.Equal(t, want, status, "%.100s", path)
		if want == http.StatusOK {
			fits := !strings.Contains(path, "0b3c2a4e") && !strings.Contains(path, "contoso")
			require.Equal(t, fits, answer["hint"] == nil, "%.100s", path)
			continue
		}
		require.NotEmpty(t, answer["error"].(map[string]any)["message"], "%.100s", path)
		require.Less(t, len(fmt.Sprint(answer)), 2000)
	}
	require.NotContains(t, p.stdout.String(), "panic")
}

func TestAFileForExcelIsSafeAndLinksHoldNoKey(t *testing.T) {
	s := directorySystem(t, 50)
	s.tenant.AddObject(simtenant.Users, []byte(`{"id":"evil","userPrincipalName":"=cmd|' /C calc'!A0","displayName":"+SUM(A1)","department":"\ttab","createdDateTime":"2019-01-01T00:00:00Z","accountEnabled":true}`))
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	resp, err := http.Get(p.url + "/api/inactive-users?$format=csv")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Contains(t, string(body), "'=cmd|")
	require.Contains(t, string(body), "'+SUM(A1)")
	require.True(t, strings.HasPrefix(string(body), "\ufeffid,userPrincipalName,"))
	require.Equal(t, `attachment; filename="inactive-users.csv"`, resp.Header.Get("Content-Disposition"))

	resp, err = http.Get(p.url + "/api/inactive-users?$format=csv&$select=id,reason&userType=member")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(string(body), "\ufeffid,reason\r\n"), "%.100s", body)

	_, _, answer := p.get("/api/inactive-users?state=all&$top=3&code=secretkey&clientId=me", "X-Forwarded-Host",
		"ledger.example", "X-Forwarded-Proto", "https")
	link := answer["@odata.nextLink"].(string)
	require.True(t, strings.HasPrefix(link, "https://ledger.example/api/inactive-users?"), link)
	require.NotContains(t, link, "secretkey")
	require.NotContains(t, p.stdout.String(), "secretkey")
}

// follow goes through all pages of all users over HTTP, as Power Automate's pagination does, and
// calls halfway once.
func follow(t *testing.T, p *process, users, top int, halfway func()) {
	seen := make(map[string]bool, users)
	next := fmt.Sprintf("%s/api/inactive-users?state=all&days=1&$top=%d&$select=id", p.url, top)
	for pages := 0; next != ""; pages++ {
		status, _, answer := p.get(next)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		for _, row := range answer["value"].([]any) {
			id := row.(map[string]any)["id"].(string)
			require.False(t, seen[id], "%s comes twice", id)
			seen[id] = true
		}
		if halfway != nil && len(seen) > users/2 {
			halfway()
			halfway = nil
		}
		next, _ = answer["@odata.nextLink"].(string)
	}
	require.Len(t, seen, users, "without a gap")
	require.Nil(t, halfway)
}

// walkWhileASnapshotLands makes a snapshot, walks through it, and makes another one of a changed
// tenant meanwhile.
func walkWhileASnapshotLands(t *testing.T, users, top int) {
	s := directorySystem(t, users)
	p := s.start()
	began := time.Now()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	t.Logf("a snapshot of %d users took %s", users, time.Since(began).Round(time.Second))
	gone := s.tenant.Objects(simtenant.Users)[:users/3]
	follow(t, p, users, top, func() {
		for _, raw := range gone {
			var u struct{ ID string }
			require.NoError(t, json.Unmarshal(raw, &u))
			s.tenant.RemoveObject(simtenant.Users, u.ID)
		}
		status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
		require.Equal(t, http.StatusOK, status)
	})
	follow(t, p, users-len(gone), 999, nil)
}

func TestAClientFollowsEveryPageWhileANewSnapshotLands(t *testing.T) {
	t.Parallel() // it waits most of the time
	walkWhileASnapshotLands(t, 2500, 100)
}

// asText asks an HTTP function whose answer need not be JSON.
func (p *process) asText(path string) (int, http.Header, string) {
	p.Helper()
	resp, err := http.Get(p.url + path)
	require.NoError(p, err, path)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p, err, path)
	return resp.StatusCode, resp.Header, string(body)
}

// A variable of a flow came out empty: the answer would be about everybody.
func TestAFilterThatIsGivenAndEmptyIsRefused(t *testing.T) {
	p := newSystem(t, simtenant.Config{}).start()
	for _, path := range []string{"/api/inactive-users?department=", "/api/inactive-users?domain=",
		"/api/inactive-users?domain=%20", "/api/inactive-users?exclude=", "/api/inactive-users/$count?department=",
		"/api/inactive-users?department=&$format=csv", "/api/inactive-users?externalUserState=",
		"/api/expiring-credentials?exclude=", "/api/expiring-credentials?exclude=,", "/api/expiring-credentials?owner=",
		"/api/expiring-credentials?appId=", "/api/expiring-credentials?kind=", "/api/expiring-credentials?state=,",
		"/api/expiring-credentials/$count?exclude="} {
		status, _, body := p.asText(path)
		require.Equal(t, http.StatusBadRequest, status, "%s: %.200s", path, body)
	}
}

// A file and a number have no field for a hint, and have it in the header.
func TestAnExceptionThatFitsNothingIsSaidOfAFileAndACountToo(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 9, Users: 60, Apps: 20, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	p := s.start()
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	for _, path := range []string{"/api/expiring-credentials?", "/api/expiring-credentials?$format=csv&",
		"/api/expiring-credentials/$count?"} {
		status, header, body := p.asText(path + "exclude=0b3c2a4e-0000-4000-8000-000000000000")
		require.Equal(t, http.StatusOK, status, body)
		require.Contains(t, header.Get("X-EntraLedger-Hint"), "exclude leaves out nothing by 0b3c2a4e-", path)
		_, header, _ = p.asText(path + "kind=secret")
		require.Empty(t, header.Get("X-EntraLedger-Hint"), path)
	}
}
