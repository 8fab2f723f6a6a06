package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// archivedSystem is a tenant whose logs are all archived.
func archivedSystem(t *testing.T, cfg simtenant.Config, streams string) (*system, *process) {
	s := newSystem(t, cfg)
	if streams != "" {
		s.env["ARCHIVE_STREAMS"] = streams
	}
	s.tenant.Freeze(s.tenant.Now().Add(10 * time.Minute)) // so that nothing is too new to be read
	p := s.start()
	status, body, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", body)
	return s, p
}

// pages follows a list to its end, and gives each record's bytes. authorization is for Graph.
func pages(t *testing.T, address, authorization string) (records []string) {
	t.Helper()
	for address != "" {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", authorization)
		req.Header.Set("Prefer", "include-unknown-enum-members")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %.500s", address, body)
		require.True(t, gjson.ValidBytes(body), "%.500s", body)
		for _, rec := range gjson.GetBytes(body, "value").Array() {
			records = append(records, rec.Raw)
		}
		address = gjson.GetBytes(body, `@odata\.nextLink`).Str
	}
	return records
}

// graphToken is a token of the tenant.
func (s *system) graphToken() string {
	token, err := s.GetToken(s.Context(), policy.TokenRequestOptions{})
	require.NoError(s, err)
	return "Bearer " + token.Token
}

// manual are the queries of Microsoft's manual, and others by the documented operators of each
// property. %d and %s are filled with the tenant's values.
func manual(sample map[string]gjson.Result) map[string][]string {
	signIn, audit := sample["signIns"], sample["directoryAudits"]
	text := func(rec gjson.Result, path string) string {
		return "'" + strings.ReplaceAll(rec.Get(path).String(), "'", "''") + "'"
	}
	day := signIn.Get("createdDateTime").Str[:10]
	within := fmt.Sprintf("(createdDateTime ge %sT06:13:32Z and createdDateTime le %sT17:43:26Z)", day, day)
	types := func(name string) string { return "signInEventTypes/any(t: t eq '" + name + "')" }
	return map[string][]string{
		"signIns": {
			"", "conditionalAccessStatus eq 'failure'", within + " and appId eq " + text(signIn, "appId"),
			within + " and " + types("nonInteractiveUser"), within + " and " + types("servicePrincipal"),
			within + " and " + types("managedIdentity"),
			"userDisplayName eq " + text(signIn, "userDisplayName"), "createdDateTime gt " + day + "T12:30:00.0Z",
			"status/errorCode eq 50126", "appDisplayName eq 'StoreFrontStudio [wsfed enabled]'",
			"userDisplayName eq " + text(signIn, "userDisplayName") +
				" and status/errorCode ne 0 and appDisplayName eq " + text(signIn, "appDisplayName"),
			types("servicePrincipal") + " and servicePrincipalId eq '00000000-0000-0000-0000-000000000000'",
			types("servicePrincipal") + " and servicePrincipalId eq " +
				text(sample["servicePrincipal"], "servicePrincipalId"),
			types("servicePrincipal") + " and resourceServicePrincipalId eq " +
				text(sample["servicePrincipal"], "resourceServicePrincipalId"),
			"startswith(userPrincipalName,'a')", "startswith(userDisplayName,'Z')",
			"startswith(appDisplayName,'Office')", "startswith(ipAddress,'2001:')",
			"startswith(location/city,'Z')", "startswith(location/countryOrRegion,'D')",
			"startswith(deviceDetail/browser,'Edge')",
			"startswith(deviceDetail/operatingSystem,'Windows')", "id eq " + text(signIn, "id"), "correlationId eq " +
				text(signIn, "correlationId"),
			"resourceId eq " + text(signIn, "resourceId"), "riskState eq 'none'", "riskLevelDuringSignIn eq 'none'",
			"riskEventTypes_v2/any(r: r eq 'unfamiliarFeatures')",
			"userId eq " + text(signIn, "userId") + " or appId eq " + text(signIn, "appId"),
			"not (status/errorCode eq 0)",
		},
		"directoryAudits": {
			"", "loggedByService eq 'Conditional Access'",
			"loggedByService eq 'Core Directory' and operationType eq 'Update'",
			"loggedByService eq 'Conditional Access' and operationType eq 'Add'",
			"loggedByService eq 'Core Directory' and activityDateTime ge " + audit.Get("activityDateTime").Str,
			"initiatedBy/app/displayName eq 'Azure AD Cloud Sync'",
			"category eq 'ApplicationManagement'", "activityDateTime gt " + day,
			"category eq 'UserManagement' and activityDateTime gt 2019-04-18",
			"startswith(activityDisplayName,'Add')", "correlationId eq " + text(audit, "correlationId"),
			"initiatedBy/user/id eq " + text(audit, "initiatedBy.user.id"),
			"startswith(initiatedBy/user/userPrincipalName,'a')", "targetResources/any(t: t/id eq " +
				text(audit, "targetResources.0.id") + ")",
			"targetResources/any(t: startswith(t/displayName, 'A'))", "id eq " + text(audit, "id"),
		},
		"provisioning": {
			"", "provisioningAction eq 'create'", "provisioningStatusInfo/status eq 'success'",
			"durationInMilliseconds gt 500",
			"activityDateTime gt " + day + "T00:00:00Z and activityDateTime lt " + day + "T23:59:59Z",
			"contains(targetIdentity/displayName,'a')",
			"jobId eq " + text(sample["provisioning"], "jobId"), "servicePrincipal/id eq " +
				text(sample["provisioning"], "servicePrincipal.id"),
		},
	}
}

func TestEveryQueryOfTheManualAnswersAsGraphDoes(t *testing.T) {
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 21, Users: 60, Apps: 25, Days: 4,
		Policies: 2}}, "")
	token := s.graphToken()
	sample := map[string]gjson.Result{}
	for name, stream := range map[string]entra.Stream{"signIns": tenantlogs.SignInsInteractiveUser,
		"directoryAudits": tenantlogs.DirectoryAudits, "provisioning": tenantlogs.Provisioning,
		"servicePrincipal": tenantlogs.SignInsServicePrincipal} {
		n := 0
		for raw := range s.tenant.Truth(stream) {
			rec := gjson.ParseBytes(slices.Clone(raw))
			if n++; n > 20 && (name != "directoryAudits" || rec.Get("initiatedBy.user.id").Str != "") {
				sample[name] = rec
				break
			}
		}
	}
	somethingFound := 0
	for collection, filters := range manual(sample) {
		for _, filter := range filters {
			query := url.Values{}
			if filter != "" {
				query.Set("$filter", filter)
			}
			path := "/auditLogs/" + collection + "?"
			want := pages(t, s.graph.URL+"/beta"+path+query.Encode(), token)
			for version, order := range map[string]string{"/v1.0": "", "/beta": "asc"} {
				asked := url.Values{"$top": {"37"}}
				if filter == "" {
					asked.Set("$top", "1000")
				}
				if filter != "" {
					asked.Set("$filter", filter)
				}
				property := "activityDateTime"
				if collection == "signIns" {
					property = "createdDateTime"
				}
				if order != "" {
					asked.Set("$orderby", property+" "+order)
				}
				got := pages(t, p.url+"/api"+version+path+asked.Encode(), "")
				require.True(t, slices.IsSortedFunc(got, func(a, b string) int {
					l, _ := entra.ParseTime(gjson.Get(a, property).Str)
					r, _ := entra.ParseTime(gjson.Get(b, property).Str)
					if order == "" {
						l, r = r, l
					}
					return l.Compare(r)
				}), "%s %q %s", collection, filter, order)
				require.ElementsMatch(t, want, got, "%s %q", collection, filter)
			}
			if len(want) > 0 {
				somethingFound++
			}
		}
	}
	require.Greater(t, somethingFound, 35)
}

func TestOneRecordIsFoundByItsID(t *testing.T) {
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 4, Users: 20, Days: 2}},
		"directoryAudits,signIns.servicePrincipal,signIns.interactiveUser")
	for stream, collection := range map[entra.Stream]string{tenantlogs.DirectoryAudits: "directoryAudits",
		tenantlogs.SignInsServicePrincipal: "signIns"} {
		var raw []byte
		for raw = range s.tenant.Truth(stream) {
			break
		}
		id := gjson.GetBytes(raw, "id").Str
		resp, err := http.Get(p.url + "/api/auditLogs/" + collection + "/" + url.PathEscape(id))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, sha256.Sum256(raw), sha256.Sum256(body), "byte for byte")
	}
	status, _, answer := p.get("/api/auditLogs/directoryAudits/nothing")
	require.Equal(t, http.StatusNotFound, status)
	require.Contains(t, answer["error"].(map[string]any)["message"], "the archive has none")
}

func TestEarlierVersionsAreThereIfAskedFor(t *testing.T) {
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 4, Users: 20, Days: 2}},
		"signIns.interactiveUser")
	at := s.tenant.Now().Add(-30 * time.Minute).Format(time.RFC3339)
	record := func(risk string) []byte {
		// with blanks that no encoder would keep
		return fmt.Appendf(nil, `{"id":"changing","createdDateTime":%q, "riskState":%q ,"status":{"errorCode":0}}`, at,
			risk)
	}
	require.NoError(t, s.tenant.Add(tenantlogs.SignInsInteractiveUser, record("none"), time.Time{}))
	again := func(later time.Duration) { // a pass is due by then
		s.tenant.Freeze(s.tenant.Now().Add(later))
		status, body, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", body)
	}
	again(4 * time.Hour)
	require.Equal(t, 1, s.tenant.Change(tenantlogs.SignInsInteractiveUser, "changing", record("atRisk")))
	again(24 * time.Hour)
	query := "?$filter=" + url.QueryEscape("id eq 'changing'")
	got := pages(t, p.url+"/api/auditLogs/signIns"+query, "")
	require.Equal(t, []string{string(record("atRisk"))}, got)
	got = pages(t, p.url+"/api/auditLogs/signIns"+query+"&versions=all&$top=1", "")
	require.Len(t, got, 2)
	require.ElementsMatch(t, []string{"atRisk", "none"},
		[]string{gjson.Get(got[0], "riskState").Str, gjson.Get(got[1], "riskState").Str})
	superseded := 0
	for _, rec := range got {
		require.NotEmpty(t, gjson.Get(rec, `@entraledger\.firstSeenDateTime`).Str)
		if gjson.Get(rec, `@entraledger\.supersededDateTime`).Exists() {
			superseded++
			require.Equal(t, "none", gjson.Get(rec, "riskState").Str)
		}
	}
	require.Equal(t, 1, superseded)
}

func TestBadQuestionsToTheLogsAreRefusedInWords(t *testing.T) {
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 4, Users: 20, Days: 2}},
		"directoryAudits,signIns.interactiveUser")
	list := p.url + "/api/auditLogs/directoryAudits"
	for query, want := range map[string]string{
		"$top=0":                              "from 1 to 1000",
		"$top=5000":                           "from 1 to 1000",
		"$skip=5":                             "accepted are: $filter",
		"$orderby=category":                   "one of activityDateTime",
		"$select=categry":                     "did you mean category?",
		"$filter=(category eq 'x'":            ") is missing",
		"$filter=categry eq 'x'":              "did you mean category?",
		"$filter=category gt 'x'":             "category can't be compared with gt",
		"$filter=category eq 5":               "a text in single quotes",
		"$filter=" + strings.Repeat("(", 500): "nested more than 100 deep",
		"$skiptoken=abc":                      "none that this app gave",
		"versions=some":                       "current, all",
	} {
		name, value, _ := strings.Cut(query, "=")
		status, _, answer := p.get("/api/auditLogs/directoryAudits?" + url.Values{name: {value}}.Encode())
		require.Equal(t, http.StatusBadRequest, status, query)
		require.Contains(t, answer["error"].(map[string]any)["message"], want, query)
	}
	for path, want := range map[string]int{
		"/api/auditLogs/nothing":      http.StatusNotFound,
		"/api/auditLogs/provisioning": http.StatusNotFound, // not archived
		"/api/v2.0/auditLogs/signIns": http.StatusNotFound,
		"/api/auditLogs/signIns?$filter=" + url.QueryEscape("signInEventTypes/any(t: t eq 'a') or "+
			"signInEventTypes/any(t: t eq 'b')"): http.StatusBadRequest,
		"/api/auditLogs/signIns?$filter=" + url.QueryEscape("signInEventTypes/any(t: t eq 'robot')"): http.StatusOK,
		"/api/auditLogs/signIns?$filter=" + url.QueryEscape("userId eq '"+strings.Repeat("x", 7_000)+
			"'"): http.StatusOK,
		"/api/auditLogs/signIns?$filter=" + url.QueryEscape("userId eq '"+strings.Repeat("x", 64<<10)+
			"'"): http.StatusRequestURITooLong,
	} {
		status, _, answer := p.get(path)
		require.Equal(t, want, status, "%.150s: %.300v", path, answer)
	}

	// What tries to get out of its quotes is a text like any other, on its way to the table too.
	for _, column := range []string{"category", "activityDisplayName", "correlationId"} {
		text := "x' or PartitionKey ge '' or Category eq '"
		got := pages(t, list+"?$filter="+url.QueryEscape(column+" eq '"+strings.ReplaceAll(text, "'", "''")+"'"), "")
		require.Empty(t, got)
	}

	_, _, answer := p.get("/api/auditLogs/directoryAudits?$top=2&$filter=" + url.QueryEscape("category ne 'x'"))
	link := answer["@odata.nextLink"].(string)
	status, _, _ := p.get(strings.ReplaceAll(link, "category+ne", "category+eq"))
	require.Equal(t, http.StatusBadRequest, status, "a token belongs to its question")
	at := strings.Index(link, "skiptoken=") + 30
	changed := []byte(link)
	changed[at] = map[bool]byte{true: 'A', false: 'B'}[changed[at] != 'A']
	status, _, _ = p.get(string(changed))
	require.Equal(t, http.StatusBadRequest, status, "a token that was changed")
	require.False(t, bytes.Contains([]byte(p.stdout.String()), []byte("panic")))
	require.Len(t, pages(t, list+"?$count=true&$select=id", ""), s.tenant.Count(tenantlogs.DirectoryAudits))
	_, _, answer = p.get("/api/auditLogs/directoryAudits?$count=true&$top=1")
	require.EqualValues(t, s.tenant.Count(tenantlogs.DirectoryAudits), answer["@odata.count"])
}

// TestSignInsAreGroupedAsThePortalDoes counts the tenant's sign-ins by itself.
func TestSignInsAreGroupedAsThePortalDoes(t *testing.T) {
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 12, Users: 15, Apps: 6, Days: 2}},
		"signIns.interactiveUser,signIns.nonInteractiveUser,signIns.servicePrincipal,signIns.managedIdentity")
	for stream, every := range map[entra.Stream]time.Duration{tenantlogs.SignInsNonInteractiveUser: 6 * time.Hour,
		tenantlogs.SignInsServicePrincipal: time.Hour, tenantlogs.SignInsManagedIdentity: 24 * time.Hour} {
		want := map[string]int64{}
		for raw := range s.tenant.Truth(stream) {
			rec := gjson.ParseBytes(raw)
			key := rec.Get("createdDateTime").Time().Truncate(every).Format(time.RFC3339)
			for _, name := range []string{"appId", "userId", "ipAddress"} {
				if stream == tenantlogs.SignInsNonInteractiveUser || stream == tenantlogs.SignInsServicePrincipal &&
					name == "ipAddress" {
					key += "|" + rec.Get(name).String()
				}
			}
			if stream != tenantlogs.SignInsNonInteractiveUser {
				key += "|" + rec.Get("servicePrincipalId").String()
			}
			want[key+"|"+rec.Get("status.errorCode").String()+"|"+rec.Get("resourceId").String()]++
		}
		query := url.Values{"aggregate": {strings.TrimSuffix(every.String(), "0m0s")}, "$top": {"50"},
			"$filter": {"signInEventTypes/any(t: t eq '" + strings.TrimPrefix(string(stream), "signIns.") + "')"}}
		got := map[string]int64{}
		for _, raw := range pages(t, p.url+"/api/auditLogs/signIns?"+query.Encode(), "") {
			g := gjson.Parse(raw)
			key := g.Get("aggregatedStartDateTime").Str
			for _, name := range []string{"appId", "userId", "ipAddress", "servicePrincipalId"} {
				if g.Get(name).Exists() {
					key += "|" + g.Get(name).Str
				}
			}
			key += "|" + g.Get("errorCode").String() + "|" + g.Get("resourceId").Str
			require.NotContains(t, got, key, "a group comes once")
			got[key] = g.Get("signInCount").Int()
			require.LessOrEqual(t, g.Get("firstSignInDateTime").Str, g.Get("lastSignInDateTime").Str)
		}
		require.Equal(t, want, got, stream)
	}
	for query, want := range map[string]string{"aggregate=1h": "only signIns.nonInteractiveUser, " +
		"signIns.servicePrincipal, signIns.managedIdentity are grouped", "aggregate=2h": "1h, 6h, 24h"} {
		status, _, answer := p.get("/api/auditLogs/signIns?" + query)
		require.Equal(t, http.StatusBadRequest, status)
		require.Contains(t, answer["error"].(map[string]any)["message"], want)
	}
}

// TestASlowSearchAnswersWithWhatItHas gives each request no time at all: every page is cut short,
// and the links lead through everything all the same.
func TestASlowSearchAnswersWithWhatItHas(t *testing.T) {
	s, p := archivedSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 14, Users: 30, Days: 6}},
		"signIns.interactiveUser")
	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		logs.New(logs.Config{Archive: s.store, Gaps: search.NewGaps(s.store),
			Streams: streams.New([]entra.Stream{tenantlogs.SignInsInteractiveUser}, s.store), Now: s.tenant.Now,
			Slice: time.Nanosecond}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	defer server.Close()
	query := "/api/auditLogs/signIns?$top=1000&$filter=" + url.QueryEscape("startswith(userDisplayName,'A')")
	want := pages(t, p.url+query, "")
	require.NotEmpty(t, want)
	require.Equal(t, want, pages(t, server.URL+query, ""))
	for address, header := range map[string]string{
		server.URL + query: "partial",
		p.url + query:      "scan",
		p.url + "/api/auditLogs/signIns?$filter=" +
			url.QueryEscape("createdDateTime ge 2026-01-01 and startswith(userDisplayName,'A')"): "",
		p.url + "/api/auditLogs/signIns?$filter=" +
			url.QueryEscape("userId eq 'u'"): "",
		p.url + "/api/auditLogs/signIns": "",
	} {
		resp, err := http.Get(address)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.True(t, strings.HasPrefix(resp.Header.Get("X-EntraLedger-Search"), header) &&
			(header != "" || resp.Header.Get("X-EntraLedger-Search") == ""), "%s: %s", address, resp.Header)
	}
}
