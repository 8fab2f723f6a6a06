package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-openapi/loads"
	"github.com/go-openapi/spec"
	"github.com/go-openapi/strfmt"
	"github.com/go-openapi/validate"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
)

const definition = "../infra/connector/apiDefinition.swagger.json"

// connector is the definition, read once; every object in it allows only the properties that it
// names, so that an answer with an undescribed one fails.
func connector(t *testing.T) *loads.Document {
	doc, err := readConnector()
	require.NoError(t, err)
	return doc
}

var readConnector = sync.OnceValues(func() (*loads.Document, error) {
	text, err := os.ReadFile(definition)
	if err != nil {
		return nil, err
	}
	var tree any
	if err := json.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	closed, err := json.Marshal(closeObjects(tree))
	if err != nil {
		return nil, err
	}
	doc, err := loads.Analyzed(closed, "2.0")
	if err != nil {
		return nil, err
	}
	return doc.Expanded(&spec.ExpandOptions{})
})

func TestTheConnectorIsValidOpenAPI(t *testing.T) {
	text, err := os.ReadFile(definition)
	require.NoError(t, err)
	require.Less(t, len(text), 1_000_000, "Power Platform takes less than 1 MB")
	doc, err := loads.Analyzed(text, "2.0")
	require.NoError(t, err)
	require.NoError(t, validate.Spec(doc, strfmt.Default))
}

func closeObjects(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name := range v {
			v[name] = closeObjects(v[name])
		}
		if v["type"] == "object" && v["additionalProperties"] == nil {
			v["additionalProperties"] = false
		}
	case []any:
		for i := range v {
			v[i] = closeObjects(v[i])
		}
	}
	return v
}

func (o operation) String() string { return o.method + " " + o.path }

type operation struct {
	method, path string
	*spec.Operation
}

func operations(doc *loads.Document) []operation {
	var out []operation
	for path, item := range doc.Spec().Paths.Paths {
		for method, op := range map[string]*spec.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post,
			http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete} {
			if op != nil {
				out = append(out, operation{method, path, op})
			}
		}
	}
	slices.SortFunc(out, func(a, b operation) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func TestTheConnectorIsWhatPowerPlatformTakes(t *testing.T) {
	doc := connector(t)
	seen := map[string]bool{}
	for _, op := range operations(doc) {
		require.False(t, seen[op.ID], "%s stands twice", op.ID)
		seen[op.ID] = true
		require.NotEmpty(t, op.Summary, op.ID)
		require.NotEmpty(t, op.Description, op.ID)
		require.LessOrEqual(t, len(op.Summary), 80, op.ID)
		for _, p := range op.Parameters {
			require.NotEmpty(t, p.Description, "%s %s", op.ID, p.Name)
		}
		require.NotNil(t, op.Responses.StatusCodeResponses[200].Schema, op.ID)
		require.NotNil(t, op.Responses.Default.Schema, op.ID)
	}
	text, err := os.ReadFile(definition)
	require.NoError(t, err)
	require.Contains(t, string(text), `"name": "x-functions-key"`)
}

// TestEveryHTTPFunctionIsPartOfTheConnector except those at Graph's own addresses, the page, those
// that require the app's master key, which are an operator's and no flow should have, and the one to
// which servers send events.
func TestEveryHTTPFunctionIsPartOfTheConnector(t *testing.T) {
	described := map[string]bool{}
	for _, op := range operations(connector(t)) {
		described[strings.Split(op.path, "/")[1]] = true
	}
	routes := 0
	for _, f := range functions.All(functions.Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		if b.HTTP && !f.Public && !strings.HasPrefix(b.Route, "{version}/") && b.Level != "admin" &&
			f.Name != "mim" {
			routes++
			require.True(t, described[strings.Split(b.Route, "/")[0]], "%s is not described", b.Route)
		}
	}
	require.Len(t, described, routes)
}

// examples are values for the parameters that need one, and for those that can't be made up.
type examples map[string]string

// TestEveryOperationOfTheConnectorAnswersAsDescribed calls each operation with every parameter by
// itself, and checks the answers against their schemas.
func TestEveryOperationOfTheConnectorAnswersAsDescribed(t *testing.T) {
	s := newSystem(t, simtenant.Config{Retention: 60 * 24 * time.Hour, Generate: &generate.Config{Seed: 5, Users: 300,
		Apps: 60, Days: 3}})
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.interactiveUser,signIns.servicePrincipal"
	s.env["ARCHIVE_BACKFILL"] = "20d"
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.tenant.Freeze(s.tenant.Now().Add(8 * 24 * time.Hour))
	p := s.start()
	for range 2 {
		status, body, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", body)
	}
	var raw []byte
	for raw = range s.tenant.Truth(logs.DirectoryAudits) {
		break
	}
	rec, err := logs.ParseRecord(logs.DirectoryAudits, raw)
	require.NoError(t, err)

	doc := connector(t)
	ops := operations(doc)
	byID := func(id string) operation {
		return ops[slices.IndexFunc(ops, func(o operation) bool { return o.ID == id })]
	}
	// Before the first snapshot, the answer is an error that says what to do.
	require.Equal(t, http.StatusServiceUnavailable, p.call(doc, byID("ListInactiveUsers"), nil, nil).status)
	taken := p.call(doc, byID("TakeSnapshot"), nil, nil)
	for taken.status == http.StatusAccepted {
		taken = p.call(doc, byID("ContinueSnapshot"),
			examples{"job": taken.location[strings.LastIndexByte(taken.location, '/')+1:]}, nil)
	}
	require.Equal(t, http.StatusOK, taken.status, "%s", taken.body)
	first := p.call(doc, byID("ListInactiveUsers"), nil, url.Values{"days": {"1"}, "$top": {"1"}})
	next, err := url.Parse(first.link())
	require.NoError(t, err)
	var app struct{ Value []struct{ AppID string } }
	require.NoError(t, json.Unmarshal(p.call(doc, byID("ListExpiringCredentials"), nil, url.Values{"state": {"all"}}).
		body, &app))

	costs := p.call(doc, byID("ForecastCost"), nil, nil)
	require.Contains(t, string(costs.body), `"logAnalytics":{"gbPerMonth":`, "amounts are among what is checked")

	known := map[string]examples{
		"ProveRecord": {"stream": "directoryAudits", "id": rec.ID,
			"dateTime": rec.Time.Format(time.RFC3339Nano)},
		"ListCoverageOfStream": {"stream": "directoryAudits", "from": rec.Time.Format(time.RFC3339),
			"to": rec.Time.Add(time.Hour).Format(time.RFC3339), "status": "complete,sealed", "$skiptoken": "none"},
		"ListRuns": {"function": "archivelogs"},
		"GetSeal":  {"stream": "directoryAudits", "hour": rec.Time.Format(time.RFC3339Nano)},
		"Verify": {"stream": "directoryAudits", "from": rec.Time.Format(time.RFC3339),
			"to": rec.Time.Add(time.Hour).Format(time.RFC3339)},
		"TakeSnapshot":   {"accept": "licences"},
		"GetUser":        {"id": first.field("value.0.userPrincipalName")},
		"GetApplication": {"id": app.Value[0].AppID},
		"ListInactiveUsers": {"before": "2026-08-01", "exclude": first.field("value.0.id"),
			"department": "Sales", "domain": "contoso.example",
			"newSince": "2026-01-01T00:00:00Z", "reader": "weekly", "$select": "id,reason",
			"$filter":  "id eq '" + first.field("value.0.id") + "'",
			"$orderby": "displayName desc", "$skiptoken": next.Query().Get("$skiptoken")},
		"ListExpiringCredentials": {"state": "expired,unused", "appId": app.Value[0].AppID,
			"exclude": app.Value[0].AppID, "newSince": "2026-01-01", "reader": "tickets", "$select": "keyId,state",
			"$orderby": "endDateTime desc", "owner": "none", "$skiptoken": "none", "$filter": "keyId eq 'x'"},
		"ListCoverage":  {"$filter": "stream eq 'directoryAudits'"},
		"ListDownloads": {"$filter": "name eq 'AuditLogs'"},
		"ListReports":   {"$filter": "name eq 'auditEvents'"},
		"ListSnapshots": {"$filter": "id eq 'x'"},
		"ListLogs": {"collection": "directoryAudits", "$filter": "category ne 'x'",
			"$orderby": "activityDateTime asc", "$select": "id,category", "$skiptoken": "none"},
		"Download": {"name": "AuditLogs", "from": rec.Time.Format(time.RFC3339), "to": "2099-01-01",
			"$filter": "category ne 'x'"},
		"ListReference": {"list": "auditActivities", "search": "password", "service": "Core Directory",
			"category": "UserManagement"},
		"PlanPurge":    {"stream": "directoryAudits"},
		"ForecastCost": {"retentionMonths": "145"}, // longer than Log Analytics keeps anything
		"GetLogRecord": {"collection": "directoryAudits", "id": rec.ID, "$select": "id",
			"$skiptoken": "none"},
		"SummarizeCredentials": {"state": "all", "owner": "none"},
		"ListReaders":          {"$skiptoken": "none", "$filter": "name eq 'x'"},
		"ListLegacyReports":    {"api-version": "beta", "$filter": "Name eq 'auditEvents'"},
		"GetReport": {"name": "auditEvents", "$filter": "eventTime gt 2026-11-01", "api-version": "beta",
			"$skiptoken": "none"},
		"GetLegacyReport": {"item": "groupActivitySummary", "$filter": "eventTime gt 2026-11-01", "api-version": "beta",
			"$skiptoken": "none"},
		"AdvanceReader": {"name": "tickets", "body": `{"cursor":"` + s.cursor(7) + `"}`},
		"DeleteReader":  {"name": "tickets"},
	}
	notFound := []string{"ContinueVerification", "ContinueCollection", "ContinueSnapshot", "ContinueUser"}
	// until follows an answer that is 202.
	until := func(op operation, got called) called {
		for range 100 {
			if got.status != http.StatusAccepted {
				break
			}
			at, err := url.Parse(got.location)
			require.NoError(t, err)
			// a second holds one snapshot, and its clock stands still
			s.tenant.Freeze(s.tenant.Now().Add(2 * time.Second))
			parts := strings.Split(at.Path, "/")
			values := examples{"id": parts[len(parts)-2], "job": parts[len(parts)-1]}
			got = p.call(doc, byID(map[string]string{"GetUser": "ContinueUser",
				"TakeSnapshot": "ContinueSnapshot"}[op.ID]),
				values, nil)
		}
		return got
	}
	for _, op := range ops {
		t.Run(op.ID, func(t *testing.T) {
			p.T = t
			values := known[op.ID]
			if slices.Contains(notFound, op.ID) {
				require.Equal(t, http.StatusNotFound, p.call(doc, op, examples{"id": "x", "job": "nothing"}, nil).
					status)
				return
			}
			required := url.Values{}
			for _, param := range op.Parameters {
				if param.In == "query" && param.Required {
					required.Set(param.Name, values[param.Name])
				}
			}
			got := p.call(doc, op, values, required)
			require.Equal(t, http.StatusOK, got.status, "%s", got.body)
			if takes(op, "$select") {
				p.selectEach(doc, op, values, got)
			}
			for _, param := range op.Parameters {
				if param.In != "query" || param.Required {
					continue
				}
				for _, value := range valuesOf(t, param, values) {
					query := url.Values{param.Name: {value}}
					switch {
					case param.Name == "merged" && value == "true": // of reports of Identity Manager
						continue
					case param.Name == "aggregate": // of which only some logs have groups
						values["collection"] = "signIns"
						query.Set("$filter", "signInEventTypes/any(t: t eq 'servicePrincipal')")
					case op.ID == "ListReference" && param.Name == "collection": // of one list only
						values["list"] = "properties"
					case param.Name == "$skiptoken" && value == "none":
						continue
					case param.Name == "$skiptoken":
						query.Set("days", "1")
						query.Set("$top", "1")
					}
					for name := range required {
						query.Set(name, required.Get(name))
					}
					got := until(op, p.call(doc, op, values, query))
					require.Equal(t, http.StatusOK, got.status, "%s: %s", query, got.body)
				}
			}
		})
	}
}

// valuesOf are the values with which a parameter is tried: all that it names, or an example.
func valuesOf(t *testing.T, p spec.Parameter, known examples) []string {
	var out []string
	for _, v := range p.Enum {
		out = append(out, fmt.Sprint(v))
	}
	if len(out) == 0 && p.Default != nil {
		out = append(out, fmt.Sprint(p.Default))
	}
	if v, ok := known[p.Name]; ok {
		out = append(out, v)
	}
	require.NotEmpty(t, out, "the test has no value for %s", p.Name)
	return out
}

// called is an answer that fits its schema.
type called struct {
	status   int
	location string
	body     []byte
}

func (c called) link() string { return c.field("@odata.nextLink") }

// field finds a text by a dotted path; a dot within a name is literal if the path is that name.
func (c called) field(path string) string {
	var v any
	_ = json.Unmarshal(c.body, &v) // it fits its schema
	if m, ok := v.(map[string]any); ok {
		if text, ok := m[path].(string); ok {
			return text
		}
	}
	for name := range strings.SplitSeq(path, ".") {
		switch at := v.(type) {
		case map[string]any:
			v = at[name]
		case []any:
			v = at[0]
		}
	}
	text, _ := v.(string)
	return text
}

func (p *process) call(doc *loads.Document, op operation, path examples, query url.Values) called {
	p.Helper()
	address, sent := op.path, path["body"]
	for name, value := range path {
		address = strings.ReplaceAll(address, "{"+name+"}", url.PathEscape(value))
	}
	req, err := http.NewRequest(op.method, p.url+doc.BasePath()+address+"?"+query.Encode(), strings.NewReader(sent))
	require.NoError(p, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(p, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(p, err)
	got := called{resp.StatusCode, resp.Header.Get("Location"), body}
	if slices.Contains(op.Produces, "text/csv") { // a file, which has no schema
		require.Contains(p, resp.Header.Get("Content-Disposition"), "attachment")
		return got
	}
	if resp.Header.Get("Content-Type") != "application/json; charset=utf-8" {
		require.Equal(p, "csv", query.Get("$format"), "%s", op)
		require.True(p, bytes.HasPrefix(body, []byte("\ufeff")))
		return got
	}
	schema := op.Responses.Default.Schema
	if r, ok := op.Responses.StatusCodeResponses[resp.StatusCode]; ok {
		schema = r.Schema
	}
	var v any
	require.NoError(p, json.Unmarshal(body, &v))
	if !strings.Contains(op.ID, "Log") { // records are as Graph sent them, nulls included
		requireNoNull(p.T, v, op.ID)
	}
	require.NoError(p, validate.AgainstSchema(schema, v, strfmt.Default), "%s %s: %.2000s", op, query, body)
	return got
}

// requireNoNull fails if a value is null, which Parse JSON of Power Automate rejects.
func requireNoNull(t *testing.T, v any, path string) {
	t.Helper()
	switch v := v.(type) {
	case nil:
		require.Fail(t, "a value is null", path)
	case map[string]any:
		for name, inner := range v {
			requireNoNull(t, inner, path+"."+name)
		}
	case []any:
		for _, inner := range v {
			requireNoNull(t, inner, path+"[]")
		}
	}
}
