package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// identityPath is where the tenant answers as Azure's managed-identity endpoint, identityHeader the secret it asks for.
const (
	identityPath   = "/identity/token"
	identityHeader = "bench"
)

// tenant is as much of Microsoft Graph as both programs use: tokens, the clock and the interactive sign-ins, in pages of
// 1,000, filtered by time and in either order. Records are computed when they are asked for, so that a million of them
// take no memory; the same index of the same seed always gives the same bytes.
type tenant struct {
	records  int
	seed     uint64
	now      time.Time
	begin    time.Time     // of the first record
	step     time.Duration // from one record to the next
	policies []string      // ids of the Conditional Access policies
	apps     []string      // ids
	users    []string      // ids
}

const (
	tenantPage = 1000 // what Graph gives at most
	// policiesEvaluated makes a sign-in about 5 kB, the size of one of a tenant with 12 policies.
	policiesEvaluated = 12
)

// newTenant makes the handler that answers as the tenant, and the secret for its tokens.
func newTenant(j job) (handler http.Handler, header string) {
	t := newRecords(j)
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+identityPath, t.token)
	mux.HandleFunc("GET /v1.0/{$}", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /v1.0/auditLogs/signIns", t.signIns)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", t.now.UTC().Format(http.TimeFormat)) // the tenant's clock, which decides what is due
		mux.ServeHTTP(w, r)
	}), identityHeader
}

// newRecords spreads the sign-ins evenly over 29 days, none of them in the last hour, which a collector may leave to its
// next run.
func newRecords(j job) *tenant {
	const retention = 29 * 24 * time.Hour
	t := &tenant{records: j.Records, seed: uint64(j.Seed), now: j.Now, begin: j.Now.Add(-retention)}
	t.step = ((retention - time.Hour) / time.Duration(j.Records)).Truncate(100 * time.Nanosecond) // a time's last digit
	random := rand.New(rand.NewPCG(t.seed, 0))
	t.policies = guids(random, policiesEvaluated)
	t.apps = guids(random, 60)
	t.users = guids(random, 2000)
	return t
}

func (t *tenant) token(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-IDENTITY-HEADER") != identityHeader {
		http.Error(w, "X-IDENTITY-HEADER is wrong", http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"bench","expires_on":"%d","resource":"https://graph.microsoft.com","token_type":"Bearer"}`,
		time.Now().Add(24*time.Hour).Unix())
}

var betweenTimes = regexp.MustCompile(`^createdDateTime ge (\S+) and createdDateTime le (\S+)$`)

// signIns answers one page. The skip token is how many records of the same query were served before.
func (t *tenant) signIns(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	first, end, err := t.matching(query.Get("$filter"))
	if err != nil {
		http.Error(w, fmt.Sprintf(`{"error":{"code":"BadRequest","message":%q}}`, err), http.StatusBadRequest)
		return
	}
	served, _ := strconv.Atoi(query.Get("$skiptoken")) // the first page has none
	from, to := first+served, min(first+served+tenantPage, end)
	var page bytes.Buffer
	page.Grow(tenantPage * 6000)
	page.WriteString(`{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#auditLogs/signIns",`)
	if to < end {
		query.Set("$skiptoken", strconv.Itoa(served+tenantPage))
		fmt.Fprintf(&page, `"@odata.nextLink":"http://%s%s?%s",`, r.Host, r.URL.Path, query.Encode())
	}
	page.WriteString(`"value":[`)
	for i := from; i < to; i++ {
		if i > from {
			page.WriteByte(',')
		}
		if query.Get("$orderby") == "createdDateTime asc" {
			t.signIn(&page, i)
		} else {
			t.signIn(&page, end-1-(i-first)) // Graph's default: newest first
		}
	}
	page.WriteString("]}")
	w.Header().Set("Content-Type", "application/json;odata.metadata=minimal;charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(page.Len()))
	_, _ = w.Write(page.Bytes()) // a client that has gone away is no fault of this server
}

// matching is the range of indices that a filter means.
func (t *tenant) matching(filter string) (first, end int, err error) {
	if filter == "" {
		return 0, t.records, nil
	}
	m := betweenTimes.FindStringSubmatch(filter)
	if m == nil {
		return 0, 0, fmt.Errorf("only createdDateTime ge <time> and createdDateTime le <time> is understood, not %s", filter)
	}
	from, err := time.Parse(time.RFC3339Nano, m[1])
	if err != nil {
		return 0, 0, err
	}
	last, err := time.Parse(time.RFC3339Nano, m[2])
	if err != nil {
		return 0, 0, err
	}
	// first is the first record at or after from, end the first one after last.
	first = int((max(0, from.Sub(t.begin)) + t.step - 1) / t.step)
	if sinceBegin := last.Sub(t.begin); sinceBegin >= 0 {
		end = int(sinceBegin/t.step) + 1
	}
	return min(first, t.records), min(max(first, end), t.records), nil
}

// signIn writes the record at an index, as v1.0 has it on the wire.
func (t *tenant) signIn(w *bytes.Buffer, index int) {
	random := rand.New(rand.NewPCG(t.seed, uint64(index)+1))
	user, app, ids := random.IntN(len(t.users)), random.IntN(len(t.apps)), guids(random, 3)
	places := []string{`"Zürich","state":"Zürich","countryOrRegion":"CH"`, `"Toronto","state":"Ontario","countryOrRegion":"CA"`,
		`"Osaka","state":"Osaka","countryOrRegion":"JP"`, `"Lyon","state":"Rhone","countryOrRegion":"FR"`}
	status, access := `"errorCode":0,"failureReason":"Other."`, "success"
	if random.IntN(12) == 0 {
		status, access = `"errorCode":50126,"failureReason":"Error validating credentials due to invalid username or password."`, "notApplied"
	}
	fmt.Fprintf(w, `{"id":"%s","createdDateTime":"%s","userDisplayName":"User %d","userPrincipalName":"user.%[3]d@contoso.com","userId":"%s",`+
		`"appId":"%s","appDisplayName":"Application %d","ipAddress":"%d.%d.%d.%d","clientAppUsed":"Browser","correlationId":"%s",`,
		ids[0], t.begin.Add(time.Duration(index)*t.step).UTC().Format("2006-01-02T15:04:05.0000000Z"), user, t.users[user],
		t.apps[app], app, 20+random.IntN(180), random.IntN(256), random.IntN(256), random.IntN(256), ids[1])
	fmt.Fprintf(w, `"conditionalAccessStatus":"%s","isInteractive":true,"riskDetail":"none","riskLevelAggregated":"none",`+
		`"riskLevelDuringSignIn":"none","riskState":"none","riskEventTypes":[],"riskEventTypes_v2":[],"resourceDisplayName":"Microsoft Graph",`+
		`"resourceId":"00000003-0000-0000-c000-000000000000","status":{%s,"additionalDetails":null},`, access, status)
	fmt.Fprintf(w, `"deviceDetail":{"deviceId":"%s","displayName":"LAPTOP-%d","operatingSystem":"Windows10","browser":"Edge %d.0.%d",`+
		`"isCompliant":true,"isManaged":true,"trustType":"Azure AD joined"},"location":{"city":%s,"geoCoordinates":{"altitude":null,`+
		`"latitude":%.5f,"longitude":%.5f}},"appliedConditionalAccessPolicies":[`, ids[2], user, 110+random.IntN(30), random.IntN(4000),
		places[random.IntN(len(places))], random.Float64()*120-60, random.Float64()*300-150)
	results := []string{"success", "notApplied", "notEnabled", "reportOnlyNotApplied"}
	for i, id := range t.policies {
		grant := []string{`"Mfa"`, `"Block"`, `"Mfa","RequireCompliantDevice"`}[i%3]
		fmt.Fprintf(w, `{"id":"%s","displayName":"CA%03d: %s for all applications and %s users","enforcedGrantControls":[%s],`+
			`"enforcedSessionControls":[],"result":"%s"},`, id, i, strings.Trim(grant, `"`)[:3], []string{"all", "guest", "admin"}[i%3], grant, results[random.IntN(len(results))])
	}
	w.Truncate(w.Len() - 1)
	w.WriteString("]}")
}

// guids draws identifiers.
func guids(random *rand.Rand, n int) []string {
	out := make([]string, n)
	for i := range out {
		a, b := random.Uint64(), random.Uint64()
		out[i] = fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", a>>32, a>>16&0xffff, a&0xffff, b>>48, b&0xffffffffffff)
	}
	return out
}
