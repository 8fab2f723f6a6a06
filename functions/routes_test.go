package functions_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/web/router"
)

// TestNoRouteTakesAnothersRequests: the host tries routes in the order of the functions' names, so an
// optional parameter of one may take the addresses of another that follows it.
func TestNoRouteTakesAnothersRequests(t *testing.T) {
	var routes []router.Route
	for _, f := range functions.All(functions.Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		if !b.HTTP {
			continue
		}
		template, err := router.Parse("api/" + b.Route)
		require.NoError(t, err)
		routes = append(routes, router.Route{Function: f.Name, Template: template, Methods: b.Methods})
	}
	host, asked := router.New(routes), 0
	for _, f := range functions.All(functions.Parts{}) {
		b, err := f.Binding()
		require.NoError(t, err)
		for _, o := range f.Operations {
			for _, value := range []string{"x", "auditLogs", "$count", "v1.0"} { // of parameters
				address := b.Address(o)
				for _, version := range f.Only["version"] {
					address = strings.Replace(address, "{version}", version, 1)
				}
				parts := strings.Split(address, "/")
				for i, part := range parts {
					if strings.HasPrefix(part, "{") {
						parts[i] = value
					}
				}
				address = "/api/" + strings.Join(parts, "/")
				methods := map[string]string{address: o.Verb()}
				if o.Verb() == http.MethodGet && strings.HasSuffix(b.Route, "{query?}") {
					methods[address+"/$query"] = http.MethodPost
				}
				for path, method := range methods {
					m, ok := host.Find(method, path)
					require.True(t, ok, "%s %s", method, path)
					require.Equal(t, f.Name, m.Route.Function, "%s %s", method, path)
					asked++
				}
				if o.Verb() == http.MethodGet {
					m, ok := host.Find(http.MethodHead, address)
					require.True(t, ok, address)
					require.Equal(t, f.Name, m.Route.Function, address)
				}
			}
		}
	}
	require.Greater(t, asked, 100)
}
