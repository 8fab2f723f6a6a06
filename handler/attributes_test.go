package main

import (
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/report"
)

// attributeCase is a question that is asked of an app with audits of custom security attributes.
type attributeCase struct {
	of    string // the operation, as in docs/http.md
	ask   string // method and address; an audit's id and time stand in braces
	body  string
	gives bool // records of the audits are its answer
}

// page is the one operation that everybody may ask: it holds no data.
const page = "GET /api/ui/{*path}"

// attributeCases are questions of every operation of every HTTP function.
func attributeCases() []attributeCase {
	const audits = "/auditLogs/customSecurityAttributeAudits"
	out := []attributeCase{
		{of: "GET /api/verify/proof", gives: true,
			ask: "GET /api/verify/proof?stream=customSecurityAttributeAudits&id={id}&dateTime={time}"},
		{of: "GET /api/applications", ask: "GET /api/applications?$filter=id eq 'x'"},
		{of: "GET /api/users", ask: "GET /api/users?$filter=id eq 'x'"},
		{of: "GET /api/applications/{id}", ask: "GET /api/applications/x"},
		{of: "POST /api/collect", ask: "POST /api/collect", body: `{"streams":["customSecurityAttributeAudits"]}`},
		{of: "GET /api/collect/{job}", ask: "GET /api/collect/x"},
		{of: "GET /api/cost", ask: "GET /api/cost"},
		{of: "GET /api/coverage", ask: "GET /api/coverage"},
		{of: "GET /api/coverage/{stream}", ask: "GET /api/coverage/customSecurityAttributeAudits"},
		{of: "GET /api/downloads", ask: "GET /api/downloads"},
		{of: "GET /api/downloads/{name}", ask: "GET /api/downloads/AuditLogs?format=ndjson"},
		{of: "GET /api/expiring-credentials", ask: "GET /api/expiring-credentials"},
		{of: "GET /api/expiring-credentials/summary", ask: "GET /api/expiring-credentials/summary"},
		{of: "GET /api/inactive-users", ask: "GET /api/inactive-users"},
		{of: "GET /api/expiring-credentials/$count", ask: "GET /api/expiring-credentials/$count"},
		{of: "GET /api/inactive-users/$count", ask: "GET /api/inactive-users/$count"},
		{of: "GET /api/inactive-users/summary", ask: "GET /api/inactive-users/summary"},
		{of: "POST /api/mim/events", ask: "POST /api/mim/events", body: "[]"},
		{of: "GET /api/preflight", ask: "GET /api/preflight"},
		{of: "GET /api/preflight/latest", ask: "GET /api/preflight/latest"},
		{of: "GET /api/purge", ask: "GET /api/purge"},
		{of: "GET /api/readers", ask: "GET /api/readers"},
		{of: "POST /api/readers/{name}", ask: "POST /api/readers/x", body: `{"nextCursor":"x"}`},
		{of: "DELETE /api/readers/{name}", ask: "DELETE /api/readers/x"},
		{of: "GET /api/reference/{list}", ask: "GET /api/reference/activities"},
		{of: "GET /api/repair", ask: "GET /api/repair?stream=customSecurityAttributeAudits"},
		{of: "POST /api/repair", ask: "POST /api/repair", body: `{"stream":"customSecurityAttributeAudits"}`},
		{of: "GET /api/repair/{job}", ask: "GET /api/repair/x"},
		{of: "GET /api/reports", ask: "GET /api/reports"},
		{of: "GET /api/reports/legacy", ask: "GET /api/reports/legacy"},
		{of: "GET /api/reports/{name}", ask: "GET /api/reports/auditEvents?$top=1000"},
		{of: "GET /api/reports/{name}", ask: "GET /api/reports/auditEvents?$format=csv"},
		{of: "GET /api/runs", ask: "GET /api/runs"},
		{of: "GET /api/settings", ask: "GET /api/settings"},
		{of: "GET /api/snapshot", ask: "GET /api/snapshot"},
		{of: "POST /api/snapshot", ask: "POST /api/snapshot"},
		{of: "GET /api/snapshot/{job}", ask: "GET /api/snapshot/x"},
		{of: "GET /api/status", ask: "GET /api/status"},
		{of: page, ask: "GET /api/ui"},
		{of: "GET /api/users/{id}", ask: "GET /api/users/x"},
		{of: "GET /api/users/{id}/{job}", ask: "GET /api/users/x/y"},
		{of: "GET /api/verify", ask: "GET /api/verify?stream=customSecurityAttributeAudits"},
		{of: "GET /api/verify/seal",
			ask: "GET /api/verify/seal?stream=customSecurityAttributeAudits&hour={time}"},
		{of: "GET /api/verify/{job}", ask: "GET /api/verify/x"},
	}
	for _, r := range report.All() { // of which each might read one log too many
		out = append(out, attributeCase{of: "GET /api/reports/legacy/{item}",
			ask: "GET /api/reports/legacy/" + r.Name + "?$top=1000"})
	}
	for at, of := range map[string]string{"/api": "/api", "/API": "/api", "/api/v1.0": "/api/{version}",
		"/api/beta": "/api/{version}"} {
		list, one := "GET "+of+"/auditLogs/{collection}", "GET "+of+"/auditLogs/{collection}/{id}"
		gives := func(of, ask string) { out = append(out, attributeCase{of: of, ask: ask, gives: true}) }
		gives(list, "GET "+at+audits)
		gives(list, "HEAD "+at+audits)
		gives(list, "GET "+at+audits+"/")
		gives(list, "GET "+at+audits+"?versions=all")
		gives(list, "GET "+at+audits+"?$count=true&$top=1&$select=id")
		gives(list, "GET "+at+audits+"?$filter=id eq '{id}'")
		gives(list, "POST "+at+audits+"/$query")
		gives(list, "POST "+at+audits+"/$query?$top=1")
		gives(list+"/$count", "POST "+at+audits+"/$count/$query")
		gives(one, "POST "+at+audits+"/{id}/$query")
		gives(list, "GET "+at+strings.ReplaceAll(audits, "S", "%53"))
		gives(list+"/$count", "GET "+at+audits+"/$count")
		gives(list+"/$count", "GET "+at+audits+"/$count?$filter=startswith(activityDisplayName, 'Update')")
		gives(one, "GET "+at+audits+"/{id}")
		gives(one, "HEAD "+at+audits+"/{id}")
		gives(one, "GET "+at+audits+"/{id}?$select=targetResources")
		out = append(out,
			attributeCase{of: list, ask: "GET " + at + "/auditLogs/directoryAudits?$top=1000&versions=all"},
			attributeCase{of: list, ask: "GET " + at + "/auditLogs/signIns?aggregate=1h&$filter=" +
				"signInEventTypes/any(t: t eq 'nonInteractiveUser')"},
			attributeCase{of: one, ask: "GET " + at + "/auditLogs/directoryAudits/{id}"})
	}
	return out
}

// TestEveryOperationHasAQuestionAboutAuditsOfAttributes: one that is added has to say whether it
// gives their records.
func TestEveryOperationHasAQuestionAboutAuditsOfAttributes(t *testing.T) {
	asked := map[string]bool{}
	for _, c := range attributeCases() {
		asked[c.of] = true
	}
	there := map[string]bool{}
	for _, f := range functions.All(functions.Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		for _, o := range f.Operations {
			there[o.Verb()+" /api/"+b.Address(o)] = true
		}
	}
	require.Equal(t, there, asked)
}

// fill puts an audit's id and time into a case's address, and escapes its query.
func (c attributeCase) fill(audit gjson.Result) (method, address string) {
	method, address, _ = strings.Cut(c.ask, " ")
	address = strings.NewReplacer("{id}", audit.Get("id").Str, "{time}", audit.Get("activityDateTime").Str).
		Replace(address)
	path, query, _ := strings.Cut(address, "?")
	if query == "" {
		return method, path
	}
	var parts []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		parts = append(parts, url.QueryEscape(name)+"="+url.QueryEscape(value))
	}
	return method, path + "?" + strings.Join(parts, "&")
}

// asked asks a case's question as a caller with roles; none: with a key alone.
func (p *process) asked(c attributeCase, audit gjson.Result, roles ...string) (int, string) {
	method, address := c.fill(audit)
	req, err := http.NewRequestWithContext(p.Context(), method, p.url+address, strings.NewReader(c.body))
	require.NoError(p, err)
	if strings.Contains(address, "/$query") {
		req.Header.Set("Content-Type", "text/plain")
	}
	if roles != nil {
		claims := `{"typ":"name","val":"Flow"}`
		for _, role := range roles {
			claims += `,{"typ":"roles","val":"` + role + `"}`
		}
		req.Header.Set("X-MS-CLIENT-PRINCIPAL",
			base64.StdEncoding.EncodeToString([]byte(`{"role_typ":"roles","claims":[`+claims+`]}`)))
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p, err)
	return resp.StatusCode, string(body)
}

// TestAuditsOfAttributesAreGivenToNobodyElse asks every question in every state of the settings, as
// every kind of caller.
func TestAuditsOfAttributesAreGivenToNobodyElse(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 120, Apps: 3, Days: 2}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.nonInteractiveUser,customSecurityAttributeAudits"
	s.env["HTTP_ATTRIBUTE_AUDITS"] = "allow"
	p := s.start()
	for range 3 {
		status, answer, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", answer)
	}
	status, answer, err := p.invoke("snapshotdirectory")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, "%v", answer)
	s.requireArchived(logs.CustomSecurityAttributeAudits)
	list := attributeCase{ask: "GET /api/auditLogs/customSecurityAttributeAudits?$top=1000"}
	_, body := p.asked(list, gjson.Result{})
	records := gjson.Get(body, "value").Array()
	require.NotEmpty(t, records)
	audit := records[len(records)-1] // the oldest: its hour is sealed

	type callers struct {
		name            string
		entra           bool
		allow           string
		roles           []string
		ofThese, others bool
	}
	for _, who := range []callers{
		{name: "a key", others: true},
		{name: "a key, denied", allow: "deny", others: true},
		{name: "a key, allowed", allow: "allow", ofThese: true, others: true},
		{name: "a reader", entra: true, allow: "allow", roles: []string{"Ledger.Read"}, others: true},
		{name: "an operator", entra: true, roles: []string{"Ledger.Operate"}, others: true},
		{name: "a reader of both", entra: true, roles: []string{"Ledger.Read", "Ledger.ReadAttributes"}, ofThese: true,
			others: true},
		{name: "an operator who reads both", entra: true, roles: []string{"Ledger.Operate", "Ledger.ReadAttributes"},
			ofThese: true, others: true},
		{name: "the role alone", entra: true, allow: "allow", roles: []string{"Ledger.ReadAttributes"}},
		{name: "nobody", entra: true, allow: "allow"},
	} {
		s.env["HTTP_AUTHORIZATION"], s.env["WEBSITE_AUTH_ENABLED"] = "key", "false"
		if who.entra {
			s.env["HTTP_AUTHORIZATION"], s.env["WEBSITE_AUTH_ENABLED"] = "entra", "true"
		}
		s.env["HTTP_ATTRIBUTE_AUDITS"] = who.allow
		p := s.start()
		for _, c := range attributeCases() {
			where := who.name + ": " + c.ask
			status, body := p.asked(c, audit, who.roles...)
			switch {
			case c.of == page:
				// Everybody has it; 503: make ui was not run before.
				require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, status, "%s: %s", where, body)
			case c.gives && who.ofThese:
				require.Equal(t, http.StatusOK, status, "%s: %s", where, body)
				continue
			case c.gives && who.others:
				require.Equal(t, http.StatusForbidden, status, "%s: %s", where, body)
				if !strings.HasPrefix(c.ask, "HEAD") {
					require.Equal(t, "roleMissing", gjson.Get(body, "error.code").Str, where)
					require.Contains(t, body, "Ledger.ReadAttributes", where)
				}
			case !who.others:
				require.Contains(t, []int{http.StatusUnauthorized, http.StatusForbidden}, status, "%s: %s", where, body)
			default:
				operates := strings.HasPrefix(c.ask, "POST") && !strings.Contains(c.ask, "readers")
				lacks := operates && slices.Contains(who.roles, "Ledger.Read")
				if strings.Contains(c.ask, "/mim/") { // none of these roles delivers
					lacks = who.entra
				}
				require.Equal(t, lacks, status == http.StatusForbidden, "%s: %s", where, body)
				require.Less(t, status, http.StatusInternalServerError, "%s: %s", where, body)
			}
			for _, r := range records {
				if !strings.Contains(c.ask, "{id}") {
					require.NotContains(t, body, r.Get("id").Str, where)
				}
				require.NotContains(t, body, "AttributeManagement", where)
			}
		}
		p.kill()
	}
}
