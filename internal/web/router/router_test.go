package router_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web/router"
)

// transcript is what the real Functions host did in a case.
func transcript(t *testing.T, name string, into any) {
	file, err := os.Open(filepath.Join("..", "..", "..", "..", "shared", "samples", "host", "transcripts.jsonl"))
	require.NoError(t, err)
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 10<<20)
	for lines.Scan() {
		var one struct {
			Case       string
			Transcript json.RawMessage
		}
		require.NoError(t, json.Unmarshal(lines.Bytes(), &one))
		if one.Case == name {
			require.NoError(t, json.Unmarshal(one.Transcript, into))
			return
		}
	}
	require.NoError(t, lines.Err())
	require.Fail(t, "there is no such transcript", name)
}

func route(t *testing.T, function, template string, methods ...string) router.Route {
	parsed, err := router.Parse(template)
	require.NoError(t, err)
	return router.Route{Function: function, Template: parsed, Methods: methods}
}

// TestRequestsGoWhereTheRealHostSendsThem has the routes that the host mapped, and where each
// request went.
func TestRequestsGoWhereTheRealHostSendsThem(t *testing.T) {
	var host struct {
		Mapped   []string
		Requests map[string]json.RawMessage
	}
	transcript(t, "index-02-odd-functions", &host)
	mapped := regexp.MustCompile(`^Mapped function route '(.+)' \[(.+)\] to '(.+)'$`)
	var routes []router.Route
	for _, line := range host.Mapped {
		m := mapped.FindStringSubmatch(line)
		require.NotNil(t, m, line)
		methods := strings.Split(strings.ToUpper(m[2]), ",")
		if m[2] == "all" {
			methods = nil
		}
		routes = append(routes, route(t, m[3], m[1], methods...))
	}
	require.Len(t, routes, 30)
	found := router.New(routes)
	served, refused := 0, 0
	for request, raw := range host.Requests {
		var got struct {
			Got, Fn string
			Handler []string
		}
		if json.Unmarshal(raw, &got) != nil { // a case of keys, which are none of the router's
			continue
		}
		method, path, ok := strings.Cut(request, " ")
		if !ok {
			method, path = "GET", request
		}
		m, ok := found.Find(method, path)
		switch {
		case got.Fn != "":
			served++
			require.True(t, ok, request)
			require.Equal(t, got.Fn, m.Route.Function, request)
		case len(got.Handler) > 0:
			served++
			require.True(t, ok, request)
		case got.Got == "HTTP/1.1 404 Not Found":
			refused++
			require.False(t, ok, "%s went to %s", request, m.Route.Function)
		}
	}
	require.Greater(t, served, 30)
	require.Greater(t, refused, 15)
}

func TestTheFirstRouteByNameMatchesAndNotTheMoreSpecificOne(t *testing.T) {
	var host struct{ O map[string]string }
	transcript(t, "index-05-route-order", &host)
	found := router.New([]router.Route{
		route(t, "zone", "api/y/one", "GET"), route(t, "zlit", "api/x/lit", "GET"),
		route(t, "zget", "api/z/{a}", "GET"),
		route(t, "apost", "api/z/{b}", "POST"), route(t, "acatch", "api/y/{*rest}", "GET"),
		route(t, "aparam", "api/x/{p}", "GET"),
	})
	require.Len(t, host.O, 3)
	for path, want := range host.O {
		m, ok := found.Find("GET", path)
		require.True(t, ok, path)
		require.Equal(t, want, m.Route.Function, path)
	}
}

func TestLiteralsAreComparedWithoutCaseAndValuesKeepTheirs(t *testing.T) {
	var host struct {
		ClientSent string
		HostLog    []string
	}
	transcript(t, "http-21-route-case", &host)
	require.Contains(t, strings.Join(host.HostLog, "\n"), "Executed 'Functions.logs' (Succeeded")
	path := strings.Fields(host.ClientSent)[1]
	require.Equal(t, "/API/AUDITLOGS/SignIns/AbC", path)
	found := router.New([]router.Route{route(t, "versionedlogs", "api/{version}/auditLogs/{collection}/{id?}", "GET"),
		route(t, "logs", "api/auditLogs/{collection}/{id?}", "GET")})
	m, ok := found.Find("GET", path)
	require.True(t, ok)
	require.Equal(t, "logs", m.Route.Function)
	require.Equal(t, map[string]string{"collection": "SignIns", "id": "AbC"}, m.Values)

	m, ok = found.Find("GET", "/api/beta/auditLogs/signIns/a%2Fb")
	require.True(t, ok)
	require.Equal(t, "versionedlogs", m.Route.Function)
	require.Equal(t, map[string]string{"version": "beta", "collection": "signIns", "id": "a/b"}, m.Values)
}

// TestNoOtherLettersAreTakenForThoseOfALiteral has letters that Unicode folds to ASCII ones.
func TestNoOtherLettersAreTakenForThoseOfALiteral(t *testing.T) {
	found := router.New([]router.Route{route(t, "snapshot", "api/snapshot", "POST"),
		route(t, "kept", "api/kept/{b:bool}", "POST")})
	for path, want := range map[string]bool{
		"/api/SNAPSHOT": true, "/api/%53napshot": true, "/api/\u017fnapshot": false, "/api/%C5%BFnapshot": false,
		"/api/KEPT/FALSE": true, "/api/\u212aept/true": false, "/api/kept/fal\u017fe": false,
	} {
		m, ok := found.Find("POST", path)
		require.Equal(t, want, ok, path)
		require.Equal(t, want, m.Route.Function != "", path)
	}
}

func TestAPathWithAnotherMethodIsToldFromAnUnknownOne(t *testing.T) {
	found := router.New([]router.Route{route(t, "things", "api/things/{id?}", "GET")})
	m, ok := found.Find("POST", "/api/things")
	require.False(t, ok)
	require.Equal(t, "things", m.Route.Function)
	for _, path := range []string{"/api/nothing", "/api/things/1/2", "/api//things", "/api/things/%zz", "/", ""} {
		m, ok = found.Find("GET", path)
		require.False(t, ok, path)
		require.Empty(t, m.Route.Function, path)
	}
	m, ok = found.Find("GET", "/api/things/")
	require.True(t, ok, "a slash at the end is none of the path's")
	require.Empty(t, m.Values)
}

func TestConstraintsAcceptWhatAspNetAccepts(t *testing.T) {
	for template, paths := range map[string]map[string]bool{
		"a/{n:int}":       {"a/12": true, "a/-1": true, "a/99999999999": false, "a/x": false},
		"a/{n:long}":      {"a/99999999999": true, "a/1.5": false},
		"a/{b:bool}":      {"a/True": true, "a/yes": false},
		"a/{w:alpha}":     {"a/abc": true, "a/a1": false},
		"a/{g:guid}":      {"a/0b3c2a4e-0000-4000-8000-000000000000": true, "a/0b3c": false},
		"a/{x:length(3)}": {"a/abc": true, "a/abcd": false},
		"a/{*rest}":       {"a": true, "a/b/c": true, "b": false},
	} {
		found := router.New([]router.Route{route(t, "f", template)})
		for path, want := range paths {
			_, ok := found.Find("GET", path)
			require.Equal(t, want, ok, "%s %s", template, path)
		}
	}
}

func TestARouteThatTheHostWouldRefuseIsRefused(t *testing.T) {
	for template, says := range map[string]string{
		"bad/{unclosed": `part "{unclosed" is not understood`,
		"u/{x:nope}":    `constraint "nope" is unknown here`,
		"m/{*rest}/x":   "{*rest} must come last",
		"a//b":          "empty part",
	} {
		_, err := router.Parse(template)
		require.ErrorContains(t, err, says)
	}
}

func TestTheLastPartsOfARouteMayAllBeOptional(t *testing.T) {
	found := router.New([]router.Route{route(t, "reports", "api/reports/{name?}/{item?}", "GET")})
	for path, want := range map[string]map[string]string{
		"/api/reports": {}, "/api/reports/": {}, "/api/Reports/legacy": {"name": "legacy"},
		"/api/reports/legacy/auditEvents": {"name": "legacy", "item": "auditEvents"},
	} {
		m, ok := found.Find("GET", path)
		require.True(t, ok, path)
		require.Equal(t, want, m.Values, path)
	}
	_, ok := found.Find("GET", "/api/reports/legacy/auditEvents/more")
	require.False(t, ok)
	_, err := router.Parse("a/{b?}/c")
	require.ErrorContains(t, err, "{b?} must come last")
}
