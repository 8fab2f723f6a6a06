package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
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

// reportsNow is the clock of the tenants whose reports are asked for.
var reportsNow = time.Date(2026, time.November, 21, 2, 0, 0, 0, time.UTC)

// reportedTenant is a tenant with made-up days, and some records of each kind that reports are
// about.
type reportedTenant struct {
	*system
	*process
	n int
}

func newReportedTenant(t *testing.T, days int) *reportedTenant {
	s := newSystem(t, simtenant.Config{Now: reportsNow, Retention: 60 * day,
		Generate: &generate.Config{Seed: 19, Users: 60, Apps: 6, Days: days, End: reportsNow.Add(-time.Hour)}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.env["ARCHIVE_BACKFILL"] = "60d"
	s.tenant.Freeze(reportsNow)
	return &reportedTenant{system: s}
}

// audit puts an audit into the tenant's log.
func (w *reportedTenant) audit(ago time.Duration, service, category, activity, result, by, target string, more string) {
	w.n++
	at := reportsNow.Add(-ago)
	raw := fmt.Sprintf(`{"id":"audit-%03d","activityDateTime":%q,"activityDisplayName":%q,"category":%q,"result":%q,
		"loggedByService":%q,"initiatedBy":{"app":null,"user":{"id":%q,"userPrincipalName":%q,"displayName":null}},
		"targetResources":[%s{"id":%q,"type":"User","userPrincipalName":%q,"displayName":"Name of %[10]s"}]}`, w.n,
		at.Format(time.RFC3339), activity, category, result, service, by, by+"@contoso.com", more, target,
		target+"@contoso.com")
	require.NoError(w.system, w.tenant.Add(logs.DirectoryAudits, []byte(raw), at))
}

// signIn puts a sign-in into one of the tenant's logs.
func (w *reportedTenant) signIn(stream entra.Stream, ago time.Duration, user string, code int, risk string) {
	w.n++
	at := reportsNow.Add(-ago)
	raw := fmt.Sprintf(`{"id":"signin-%03d","createdDateTime":%q,"userId":%q,"userPrincipalName":"%[3]s@contoso.com",
		"userDisplayName":"Name of %[3]s","appId":"app-1","appDisplayName":"Made up","signInEventTypes":[%q],
		"location":{"city":"Bern","countryOrRegion":"CH"},"status":{"errorCode":%d},%s}`, w.n, at.Format(time.RFC3339),
		user, logs.Of(stream).EventType, code, risk)
	require.NoError(w.system, w.tenant.Add(stream, []byte(raw), at))
}

func riskOf(types ...string) string {
	text, _ := json.Marshal(types) // texts always have a JSON form
	return `"riskState":"atRisk","riskLevelDuringSignIn":"high","riskEventTypes_v2":` + string(text)
}

const noRisk = `"riskState":"none","riskLevelDuringSignIn":"none","riskEventTypes_v2":[]`

// fill adds what the made-up days lack.
func (w *reportedTenant) fill() {
	const password = "Self-service Password Management"
	w.audit(50*time.Hour, password, "UserManagement", "Reset password (self-service)", "success", "ann", "ann", "")
	w.audit(51*time.Hour, password, "UserManagement", "Reset password (self-service)", "failure", "bob", "bob", "")
	w.audit(52*time.Hour, password, "UserManagement", "Blocked from self-service password reset", "failure", "bob",
		"bob",
		"")
	w.audit(53*time.Hour, password, "UserManagement", "Security info saved for self-service password reset", "success",
		"ann", "ann", "")
	w.audit(54*time.Hour, "Authentication Methods", "UserManagement", "User started password reset", "success", "eve",
		"eve", "")
	group := `{"id":"group-1","type":"Group","displayName":"Chess"},`
	w.audit(55*time.Hour, "Core Directory", "GroupManagement", "Add member to group", "success", "ann", "ann", group)
	w.audit(56*time.Hour, "Self-service Group Management", "GroupManagement", "Request to join a group", "success",
		"ann",
		"bob", group)
	interactive, other := logs.SignInsInteractiveUser, logs.SignInsNonInteractiveUser
	w.signIn(interactive, 60*time.Hour, "ann", 0, riskOf("maliciousIPAddress"))
	w.signIn(other, 61*time.Hour, "bob", 0, riskOf("suspiciousIPAddress", "unlikelyTravel"))
	w.signIn(other, 62*time.Hour, "eve", 50126, riskOf("malwareInfectedIPAddress"))
	for n := range 6 { // six wrong passwords, and then the right one
		w.signIn([]entra.Stream{interactive, other}[n%2], 70*time.Hour-time.Duration(n)*time.Minute, "mia", 50126,
			noRisk)
	}
	w.signIn(interactive, 69*time.Hour+50*time.Minute, "mia", 0, noRisk)
	for n := range 4 { // too few
		w.signIn(interactive, 80*time.Hour-time.Duration(n)*time.Minute, "tim", 50126, noRisk)
	}
	w.signIn(interactive, 79*time.Hour+50*time.Minute, "tim", 0, noRisk)
	for n := range 6 { // too long before
		w.signIn(interactive, 90*time.Hour-time.Duration(n)*time.Minute, "zoe", 50126, noRisk)
	}
	w.signIn(interactive, 88*time.Hour, "zoe", 0, noRisk)
}

// archives lets the timers run, so that every hour is read as often as it has to be.
func (w *reportedTenant) archives() {
	if w.process == nil {
		w.process = w.start()
	}
	for n := range 3 {
		w.tenant.Freeze(reportsNow.Add(time.Duration(n) * 10 * time.Minute))
		status, answer, err := w.fire()
		require.NoError(w.system, err)
		require.Equal(w.system, http.StatusOK, status, "%v", answer)
	}
}

// reported is an answer.
type reported struct {
	status int
	header http.Header
	body   gjson.Result
}

// report asks for a report, and again at Location as long as it is not there.
func (p *process) report(path string) reported {
	p.Helper()
	if !strings.HasPrefix(path, "http") {
		path = p.url + path
	}
	for range 10_000 {
		resp, body := p.at(path)
		got := reported{resp.StatusCode, resp.Header, gjson.ParseBytes(body)}
		if resp.StatusCode != http.StatusAccepted {
			return got
		}
		require.Equal(p, "running", got.body.Get(`@entraledger\.status`).Str)
		path = resp.Header.Get("Location")
	}
	require.Fail(p, "the report does not end", path)
	return reported{}
}

// at asks at a whole address.
func (p *process) at(address string) (*http.Response, []byte) {
	return p.raw(strings.TrimPrefix(address, p.url))
}

// reportRows follows a report's pages to their end.
func (p *process) reportRows(path string) []gjson.Result {
	p.Helper()
	var out []gjson.Result
	for path != "" {
		got := p.report(path)
		require.Equal(p, http.StatusOK, got.status, "%s: %s", path, got.body)
		out = append(out, got.body.Get("value").Array()...)
		path = got.body.Get(`@odata\.nextLink`).Str
	}
	return out
}

func (w *reportedTenant) within(from, to time.Time) string {
	return "$filter=" + url.QueryEscape("eventTime gt "+from.Format(time.RFC3339)+" and eventTime lt "+
		to.Format(time.RFC3339))
}

// truth are the tenant's records of a time, both ends left out, that fit; the newest first.
func (w *reportedTenant) truth(
	from, to time.Time, fits func(gjson.Result) bool, streams ...entra.Stream,
) []gjson.Result {
	var out []gjson.Result
	when := map[string]time.Time{}
	for _, s := range streams {
		for raw := range w.tenant.Truth(s) {
			rec, err := logs.ParseRecord(s, raw)
			require.NoError(w.system, err)
			doc := gjson.ParseBytes(slices.Clone(raw))
			if rec.Time.After(from) && rec.Time.Before(to) && fits(doc) {
				when[doc.Raw] = rec.Time
				out = append(out, doc)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b gjson.Result) int { return when[b.Raw].Compare(when[a.Raw]) })
	return out
}

func anyRecord(gjson.Result) bool { return true }

// keysOfRecords are ids with times, in order: what a report's rows are compared by.
func keysOfRecords(t *testing.T, records []gjson.Result, time string) []string {
	out := []string{}
	for _, r := range records {
		out = append(out, r.Get("id").Str+" "+instant(t, r.Get(time).Str))
	}
	slices.Sort(out)
	return out
}

// instant is a time in one spelling.
func instant(t *testing.T, text string) string {
	at, err := entra.ParseTime(text)
	require.NoError(t, err)
	return at.UTC().Format(time.RFC3339Nano)
}

func hasRisk(types ...string) func(gjson.Result) bool {
	return func(r gjson.Result) bool {
		for _, found := range r.Get("riskEventTypes_v2").Array() {
			if slices.Contains(types, found.Str) {
				return true
			}
		}
		return false
	}
}

// csvRows are a file's rows, its header first.
func csvRows(t *testing.T, body []byte) [][]string {
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(body), "\ufeff"))).ReadAll()
	require.NoError(t, err)
	return rows
}
