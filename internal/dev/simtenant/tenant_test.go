package simtenant_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

var now = time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)

// client talks to a tenant over a socket, as an app that has a token.
type client struct {
	*testing.T
	*httptest.Server
	tenant *simtenant.Tenant
	token  string
}

func serve(t *testing.T, cfg simtenant.Config) *client {
	tenant, err := simtenant.New(cfg)
	require.NoError(t, err)
	if !cfg.Now.IsZero() {
		tenant.Freeze(cfg.Now)
	}
	server := httptest.NewServer(tenant)
	t.Cleanup(server.Close)
	c := &client{T: t, Server: server, tenant: tenant}
	status, _, body := c.get("/msi/token?api-version=2019-08-01&resource=https%3A%2F%2Fgraph.microsoft.com",
		"X-IDENTITY-HEADER", "simtenant")
	require.Equal(t, 200, status)
	c.token = gjson.GetBytes(body, "access_token").Str
	require.NotEmpty(t, gjson.GetBytes(body, "expires_on").Str)
	return c
}

func (c *client) get(path string, header ...string) (int, http.Header, []byte) {
	if !strings.HasPrefix(path, "http") {
		path = c.URL + path
	}
	req, err := http.NewRequestWithContext(c.Context(), http.MethodGet, path, nil)
	require.NoError(c, err)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	req.Header.Set("Prefer", "include-unknown-enum-members")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(c, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return resp.StatusCode, resp.Header, nil
	}
	return resp.StatusCode, resp.Header, body
}

// all follows the next links and returns the records' texts and the number of pages.
func (c *client) all(path string) (records []string, pages int) {
	for path != "" {
		status, _, body := c.get(path)
		require.Equal(c, 200, status, "%s", body)
		require.True(c, gjson.ValidBytes(body), "%s", path)
		for _, rec := range gjson.GetBytes(body, "value").Array() {
			records = append(records, rec.Raw)
		}
		path = gjson.GetBytes(body, `@odata\.nextLink`).Str
		if pages++; pages > 1000 {
			require.Fail(c, "the walk does not end")
		}
	}
	return records, pages
}

func query(path string, options ...string) string {
	values := url.Values{}
	for i := 0; i < len(options); i += 2 {
		values.Set(options[i], options[i+1])
	}
	return path + "?" + strings.ReplaceAll(values.Encode(), "+", "%20")
}

func samples(stream entra.Stream) string {
	return filepath.Join("..", "..", "..", "..", "shared", "samples", string(stream)+".jsonl")
}

// paths are where the streams are had in the form of which Truth is.
var paths = func() map[entra.Stream]string {
	out := make(map[entra.Stream]string)
	for _, l := range logs.Collected() {
		out[l.Stream] = pathIn(l.Form(), l.Stream)
	}
	return out
}()

func pathIn(form string, s entra.Stream) string {
	l := logs.Of(s)
	path := "/" + form + "/auditLogs/" + l.Collection
	if !l.Unfiltered {
		return query(path, "$filter", "signInEventTypes/any(t: t eq '"+l.EventType+"')")
	}
	return path
}

// signInsV1 is the collection whose refusals differ from beta's.
const signInsV1 = "/v1.0/auditLogs/signIns"

func TestRecordsOfAFolderAreServedByteForByte(t *testing.T) {
	c := serve(t, simtenant.Config{Records: filepath.Dir(samples(""))})
	for _, s := range logs.Streams() {
		text, err := os.ReadFile(samples(s))
		if err != nil {
			text = nil
		}
		want := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' })
		got, _ := c.all(pathIn(entra.FormBeta, s))
		require.ElementsMatch(t, want, got, "%s", s)
		require.Equal(t, len(want), c.tenant.Count(s))
	}
}

func made(t *testing.T) *client {
	return serve(t,
		simtenant.Config{Now: now, Generate: &generate.Config{Seed: 1, Users: 60, Apps: 10, Days: 40, Policies: 3,
			End: now}})
}

func TestAWalkHandsOutEachRecordOnceInTheOrderAskedFor(t *testing.T) {
	c := made(t)
	for _, s := range logs.Streams() {
		var truth []string
		for raw := range c.tenant.Truth(s) {
			truth = append(truth, string(raw))
		}
		require.NotEmpty(t, truth, s)
		join := "?"
		if strings.Contains(paths[s], "?") {
			join = "&"
		}
		oldest, _ := c.all(paths[s] + join + "$top=70&$orderby=" + logs.Of(s).TimeProperty + "%20asc")
		newest, _ := c.all(paths[s] + join + "$top=70")
		if s == logs.Provisioning {
			require.ElementsMatch(t, truth, oldest)
			require.NotEqual(t, truth, oldest, "provisioning does not obey $orderby")
			continue
		}
		require.Equal(t, truth, oldest, s)
		slices.Reverse(newest)
		require.Equal(t, truth, newest, s)
	}
}

func TestTheTenantDeletesOldRecordsAndDoesNotReturnFutureOnes(t *testing.T) {
	c := made(t)
	for raw := range c.tenant.Truth(logs.DirectoryAudits) {
		at := gjson.GetBytes(raw, "activityDateTime").Time()
		require.False(t, at.Before(now.Add(-30*24*time.Hour)) || at.After(now), at)
	}
	before := c.tenant.Count(logs.DirectoryAudits)
	c.tenant.Freeze(now.Add(-10 * 24 * time.Hour))
	require.NotEqual(t, before, c.tenant.Count(logs.DirectoryAudits))
	status, header, _ := c.get("/v1.0/")
	require.Equal(t, 200, status)
	require.Equal(t, now.Add(-10*24*time.Hour).Format(http.TimeFormat), header.Get("Date"), "the Date is the tenant's")
}

func record(id string, ago time.Duration, content string) []byte {
	return fmt.Appendf(nil, `{"id":%q,"createdDateTime":%q,"content":%q}`, id, now.Add(-ago).Format(time.RFC3339),
		content)
}

func TestLateAndChangedRecordsShowWhenTheirTimeHasCome(t *testing.T) {
	c := made(t)
	s := logs.SignInsInteractiveUser
	before := c.tenant.Count(s)
	require.NoError(t, c.tenant.Add(s, record("late", 5*time.Hour, "1"), now.Add(time.Hour)))
	require.NoError(t, c.tenant.Add(s, record("there", 5*time.Hour, "1"), time.Time{}))
	require.Equal(t, before+1, c.tenant.Count(s))
	require.Equal(t, 1, c.tenant.Change(s, "there", record("there", 5*time.Hour, "2")))
	c.tenant.Freeze(now.Add(90 * time.Minute))
	got, _ := c.all(query(paths[s], "$top", "50", "$filter",
		"createdDateTime ge "+now.Add(-6*time.Hour).Format(time.RFC3339)))
	require.Contains(t, got, string(record("late", 5*time.Hour, "1")))
	require.Contains(t, got, string(record("there", 5*time.Hour, "2")))
	require.NotContains(t, got, string(record("there", 5*time.Hour, "1")))
}

func TestRefusalsAreGraphs(t *testing.T) {
	c := made(t)
	cases := []struct {
		path    string
		status  int
		code    string
		message string
	}{
		{"/v1.0/auditLogs/nothing", 400, "BadRequest", "Resource not found for the segment 'nothing'."},
		{query(signInsV1, "$top", "1001"), 400, "BadRequest",
			"Invalid page size specified: '1001'. Must be between 1 and 1000 inclusive."},
		{query(signInsV1, "$top", "0"), 400, "BadRequest", "$top"},
		{query(signInsV1, "$skip", "5"), 400, "BadRequest", "Query option 'Skip' is not allowed."},
		{query(signInsV1, "$filter", "signInEventTypes/any(t: t eq 'interactiveUser')"), 400, "BadRequest",
			"Could not find a property named 'signInEventTypes' on type 'microsoft.graph.signIn'"},
		{query(signInsV1, "$filter", "shoeSize eq 45"), 400, "BadRequest",
			"Could not find a property named 'shoeSize' on type 'microsoft.graph.signIn'"},
		{query(signInsV1, "$filter", "appId startsWith 'x'"), 400, "BadRequest", "Invalid filter clause"},
		{query(signInsV1, "$filter", "startswith(appId,'x')"), 400, "BadRequest", "Invalid filter clause"},
		{query(signInsV1, "$filter", "userId eq 'x"), 400, "BadRequest", "Invalid filter clause"},
		{query(signInsV1, "$filter", "(userId eq 'x'"), 400, "BadRequest", "Invalid filter clause"},
		{query(signInsV1, "$filter", strings.Repeat("(", 5000)), 400, "BadRequest", "nested too deeply"},
		{query("/beta/auditLogs/signIns", "$filter",
			"signInEventTypes/any(t: t eq 'nonInteractiveUser') and signInEventTypes/any(t: t eq "+
				"'servicePrincipal')"), 400, "BadRequest", "mixed"},
		{query(paths[logs.Provisioning], "$filter", "activityDateTime ge 2026-11-01T00:00:00Z"), 400, "BadRequest",
			"Invalid filter clause"},
		{query(paths[logs.Provisioning], "$count", "true"), 400, "BadRequest", "Count"},
		{query(signInsV1, "$orderby", "appId"), 400, "BadRequest", "$orderby"},
		{query(signInsV1, "$skiptoken", strings.Repeat("0", 64)), 400, "",
			"Token not found: token is either invalid or expired"},
		{"/v1.0/auditLogs/signIns/none", 404, "Request_ResourceNotFound", "Resource 'none' does not exist"},
	}
	for _, ca := range cases {
		t.Run(ca.path[:min(len(ca.path), 60)], func(t *testing.T) {
			status, header, body := c.get(ca.path, "client-request-id", "mine")
			require.Equal(t, ca.status, status, "%s", body)
			require.Equal(t, ca.code, gjson.GetBytes(body, "error.code").Str)
			require.Contains(t, gjson.GetBytes(body, "error.message").Str, ca.message)
			require.Equal(t, "mine", gjson.GetBytes(body, "error.innerError.client-request-id").Str)
			require.Equal(t, "application/json", header.Get("Content-Type"))
			require.NotEmpty(t, header.Get("x-ms-ags-diagnostic"))
		})
	}
}

func TestTokensAreAskedForAndExpire(t *testing.T) {
	c := made(t)
	good := c.token
	for token, message := range map[string]string{"": "Access token is empty.",
		"x":     "CompactToken parsing failed with error code: 80049217",
		"a.b.c": "Access token has expired or is not yet valid."} {
		c.token = token
		status, _, body := c.get(paths[logs.DirectoryAudits])
		require.Equal(t, 401, status)
		require.Equal(t, message, gjson.GetBytes(body, "error.message").Str)
	}
	c.token = good
	status, _, _ := c.get(paths[logs.DirectoryAudits])
	require.Equal(t, 200, status)
	c.tenant.RevokeTokens()
	status, _, _ = c.get(paths[logs.DirectoryAudits])
	require.Equal(t, 401, status)
	status, _, _ = c.get("/msi/token?api-version=2019-08-01&resource=x", "X-IDENTITY-HEADER", "wrong")
	require.Equal(t, 401, status)
}

func TestSkipTokensLiveForTenMinutesOfTheTenantsClock(t *testing.T) {
	c := made(t)
	_, _, body := c.get(query(paths[logs.SignInsInteractiveUser], "$top", "5"))
	link := gjson.GetBytes(body, `@odata\.nextLink`).Str
	require.Contains(t, link, "$skiptoken=")
	status, _, _ := c.get(link)
	require.Equal(t, 200, status)
	status, _, _ = c.get(strings.Replace(link, "$skiptoken", "%24skiptoken", 1))
	require.Equal(t, 200, status, "names are compared decoded")
	c.tenant.Freeze(now.Add(11 * time.Minute))
	status, _, _ = c.get(link)
	require.Equal(t, 400, status)
}

func TestTheCeilingIsKeptOverTenSeconds(t *testing.T) {
	c := serve(t, simtenant.Config{Now: now, RequestsPer10s: 5,
		Generate: &generate.Config{Seed: 1, Users: 5, Apps: 2, Days: 2, Policies: 1, End: now}})
	statuses := map[int]int{}
	var after string
	for range 8 {
		status, header, _ := c.get(paths[logs.DirectoryAudits])
		statuses[status]++
		after += header.Get("Retry-After")
	}
	require.Equal(t, map[int]int{200: 5, 429: 3}, statuses)
	require.Equal(t, "101010", after)
	require.Len(t, c.tenant.Requests(), 8)
	status, _, _ := c.get("/v1.0/")
	require.Equal(t, 200, status, "what is no report does not count")
}

func TestAnAnswerIsCompressedIfTheCallerAcceptsIt(t *testing.T) {
	c := made(t)
	status, header, body := c.get(paths[logs.DirectoryAudits], "Accept-Encoding", "gzip")
	require.Equal(t, 200, status)
	require.Equal(t, "gzip", header.Get("Content-Encoding"))
	require.True(t, bytes.HasPrefix(body, []byte{0x1f, 0x8b}))
}

func TestTheQueriesOfMicrosoftsManualWork(t *testing.T) {
	c := made(t)
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "facts", "queries.md"))
	require.NoError(t, err)
	path, n := "", 0
	for line := range strings.Lines(string(text)) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "## $filter on sign-ins"):
			path = "/beta/auditLogs/signIns"
		case strings.HasPrefix(line, "## $filter on directory audits"):
			path = "/v1.0/auditLogs/directoryAudits"
		case strings.HasPrefix(line, "Also, by") || strings.HasPrefix(line, "## Questions"):
			path = ""
		case path != "" && line != "" && line[0] != '`':
			filter := strings.TrimSpace(strings.Split(line, "   ")[0])
			status, _, body := c.get(query(path, "$filter", filter))
			require.Equal(t, 200, status, "%s: %s", filter, body)
			n++
		}
	}
	require.Greater(t, n, 15)
}

func TestAFilterSelectsWhatItSays(t *testing.T) {
	c := made(t)
	var truth []gjson.Result
	for raw := range c.tenant.Truth(logs.SignInsInteractiveUser) {
		truth = append(truth, gjson.ParseBytes(raw))
	}
	one := truth[len(truth)/2]
	at := one.Get("createdDateTime").Str
	cases := map[string]func(gjson.Result) bool{
		"userId eq '" + one.Get("userId").Str + "'": func(r gjson.Result) bool {
			return r.Get("userId").Str == one.Get("userId").Str
		},
		"status/errorCode ne 0": func(r gjson.Result) bool {
			return r.Get("status.errorCode").Int() != 0
		},
		"not (status/errorCode eq 0)": func(r gjson.Result) bool {
			return r.Get("status.errorCode").Int() != 0
		},
		"createdDateTime ge " + at + " and createdDateTime le " + at: func(r gjson.Result) bool {
			return r.Get("createdDateTime").Str == at
		},
		"createdDateTime gt " + at: func(r gjson.Result) bool {
			return r.Get("createdDateTime").Str > at
		},
		"createdDateTime lt " + at + " or status/errorCode eq 50126": func(r gjson.Result) bool {
			return r.Get("createdDateTime").Str < at || r.Get("status.errorCode").Int() == 50126
		},
		"startsWith(userPrincipalName,'" + one.Get("userPrincipalName").Str[:3] + "')": func(r gjson.Result) bool {
			return strings.HasPrefix(r.Get("userPrincipalName").Str, one.Get("userPrincipalName").Str[:3])
		},
	}
	for filter, want := range cases {
		var ids []string
		for _, r := range truth {
			if want(r) {
				ids = append(ids, r.Raw)
			}
		}
		got, _ := c.all(query(paths[logs.SignInsInteractiveUser], "$filter", filter, "$top", "90"))
		require.ElementsMatch(t, ids, got, filter)
	}
	_, _, body := c.get(query(paths[logs.SignInsInteractiveUser], "$select", "id,userId", "$top", "1", "$count",
		"true"))
	var page struct {
		Count int `json:"@odata.count"`
		Value []map[string]any
	}
	require.NoError(t, json.Unmarshal(body, &page))
	require.Len(t, page.Value[0], 2)
	require.Equal(t, len(truth), page.Count)
	_, _, body = c.get("/v1.0/auditLogs/signIns/" + one.Get("id").Str)
	require.Equal(t, one.Get("id").Str, gjson.GetBytes(body, "id").Str)
}

func TestEveryFaultLeavesItsTrace(t *testing.T) {
	s := logs.SignInsInteractiveUser
	oldest := query(paths[s], "$top", "60", "$orderby", "createdDateTime asc")
	status := func(want int) func(*client) {
		return func(c *client) {
			got, _, body := c.get(oldest)
			require.Equal(c, want, got)
			if want == 200 {
				require.False(c, gjson.ValidBytes(body) && gjson.GetBytes(body, "value").IsArray(),
					"it must not look like a page")
			}
		}
	}
	walking := func(c *client) {
		_, _, body := c.get(oldest)
		got, _, _ := c.get(gjson.GetBytes(body, `@odata\.nextLink`).Str)
		require.Equal(c, 400, got)
	}
	complete := func(c *client) {
		var truth []string
		for raw := range c.tenant.Truth(s) {
			truth = append(truth, string(raw))
		}
		got, pages := c.all(oldest)
		slices.Sort(truth)
		slices.Sort(got)
		require.Equal(c, truth, slices.Compact(got), "the walk still hands out everything")
		require.GreaterOrEqual(c, pages, len(truth)/60)
	}
	checks := map[simtenant.Kind]func(*client){
		simtenant.TooManyRequests: status(429), simtenant.UnknownThrottle: status(429),
		simtenant.ServerError: status(500), simtenant.BadGateway: status(502),
		simtenant.Unavailable: status(503), simtenant.GatewayTimeout: status(504), simtenant.Reset: status(200),
		simtenant.CutJSON:  status(200),
		simtenant.HTMLPage: status(200), simtenant.NoLicence: status(403), simtenant.NoPermission: status(403),
		simtenant.TokenExpired:     status(401),
		simtenant.SkipTokenExpired: walking, simtenant.SkipTokenNull: walking, simtenant.SkipTokenInvalid: walking,
		simtenant.EmptyPage: complete, simtenant.ShortPage: complete, simtenant.RepeatRecords: complete,
		simtenant.SamePageTwice: complete,
		simtenant.Unordered:     complete, simtenant.Slow: complete,
		simtenant.BlankActivity: func(c *client) {
			for _, want := range []bool{false, true} {
				_, _, body := c.get("/v1.0/users?$select=id,signInActivity")
				require.Equal(c, want, strings.Contains(string(body), `"signInActivity":{`))
			}
		},
		simtenant.SplicedError: func(c *client) {
			_, _, body := c.get(oldest)
			require.Contains(c, string(body), `{"error":{`)
		},
		simtenant.SameNextLink: func(c *client) {
			_, _, body := c.get(oldest)
			link := gjson.GetBytes(body, `@odata\.nextLink`).Str
			_, _, body = c.get(link)
			require.Equal(c, link, gjson.GetBytes(body, `@odata\.nextLink`).Str)
		},
		simtenant.ClockSkew: func(c *client) {
			_, header, _ := c.get("/v1.0/")
			require.Equal(c, now.Add(time.Millisecond).Format(http.TimeFormat), header.Get("Date"))
		},
	}
	for _, kind := range simtenant.Kinds() {
		t.Run(string(kind), func(t *testing.T) {
			c := made(t)
			c.T = t
			body := fmt.Sprintf(`{"kind":%q,"stream":%q,"count":1,"delay":1000000}`, kind, s)
			resp, err := http.Post(c.URL+"/_sim/faults", "application/json", strings.NewReader(body))
			require.NoError(t, err)
			resp.Body.Close()
			require.Equal(t, 200, resp.StatusCode)
			require.Contains(t, checks, kind)
			checks[kind](c)
			got, _, _ := c.get(paths[s])
			require.Equal(t, 200, got, "it happened once")
		})
	}
}

func TestTheControlsAreReachedOverHTTP(t *testing.T) {
	c := made(t)
	c.get(paths[logs.DirectoryAudits])
	_, _, body := c.get("/_sim/requests")
	require.EqualValues(t, 1, gjson.GetBytes(body, "directoryAudits.total").Int())
	_, _, body = c.get("/_sim/records/directoryAudits")
	require.Equal(t, c.tenant.Count(logs.DirectoryAudits), bytes.Count(body, []byte("\n")))
	resp, err := http.Post(c.URL+"/_sim/faults", "application/json", strings.NewReader(`{"kind":"nothing"}`))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode)
	resp, err = http.Post(c.URL+"/_sim/clock", "application/json", strings.NewReader(`{"now":"2026-11-20T00:00:00Z"}`))
	require.NoError(t, err)
	resp.Body.Close()
	require.WithinDuration(t, now.Add(-38*time.Hour-30*time.Minute), c.tenant.Now(), time.Minute)
}

func TestAPageHoldsNoMoreThanThePageSize(t *testing.T) {
	c := serve(t, simtenant.Config{Records: filepath.Dir(samples("")), PageSize: 10})
	records, pages := c.all(paths[logs.SignInsInteractiveUser])
	require.Len(t, records, c.tenant.Count(logs.SignInsInteractiveUser))
	require.Equal(t, (len(records)+9)/10, pages)
}
