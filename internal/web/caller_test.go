package web_test

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web"
)

// principal is the header that App Service puts in for a caller with roles.
func principal(claims string) string {
	return base64.StdEncoding.EncodeToString([]byte(`{"auth_typ":"aad","name_typ":"name","role_typ":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role","claims":[` + claims + `]}`))
}

// snapshot is a function that answers a question, and makes the app work.
func snapshot(do func(context.Context, web.Request) (web.Answer, error)) web.Function {
	return function("snapshot", "snapshot/{view?}", `"get","post"`, web.Operation{Role: web.RoleRead, Do: do},
		web.Operation{Method: http.MethodPost, Role: web.RoleOperate, Do: do},
		web.Operation{Given: "view", Word: "whole", Role: web.RoleRead, Do: do},
		web.Operation{Given: "view", Word: "whole", Method: http.MethodPost, Role: web.RoleOperate, Do: do})
}

func TestWithEntraAuthenticationACallerNeedsTheRoleForWhatItDoes(t *testing.T) {
	do := func(context.Context, web.Request) (web.Answer, error) {
		return web.Object(map[string]string{"done": "yes"}), nil
	}
	host, err := web.Serve(web.NewLogger(io.Discard, nil), "", snapshot(do),
		timer("archivelogs", func(context.Context) (web.Result, error) { return web.Result{Summary: "done"}, nil }))
	require.NoError(t, err)
	host.RequireRoles(true)
	server := httptest.NewServer(host)
	defer server.Close()

	const somebody = `{"typ":"name","val":"Flow"}`
	cases := []struct {
		name, method, header string
		status               int
		says                 string
	}{
		{"nobody", "GET", "", 401, `"unauthenticated"`},
		{"a header that can't be read", "GET", "%%%", 401, `"unauthenticated"`},
		{"a header that is no principal", "GET", base64.StdEncoding.EncodeToString([]byte("{}")), 401,
			`"unauthenticated"`},
		{"without a role", "GET", principal(somebody), 403, "Ledger.Read"},
		{"a reader asks", "GET", principal(somebody + `,{"typ":"roles","val":"Ledger.Read"}`), 200, "yes"},
		{"a reader under the long name of the claim", "GET",
			principal(`{"typ":"http://schemas.microsoft.com/ws/2008/06/identity/claims/role","val":"Ledger.Read"}`),
			200, "yes"},
		{"a reader makes it work", "POST", principal(`{"typ":"roles","val":"Ledger.Read"}`), 403, "Ledger.Operate"},
		{"an operator asks", "GET", principal(`{"typ":"roles","val":"Ledger.Operate"}`), 200, "yes"},
		{"an operator makes it work", "POST", principal(`{"typ":"roles","val":"Ledger.Operate"}`), 200, "yes"},
		{"another app's role", "POST", principal(`{"typ":"roles","val":"ledger.operate.all"}`), 403, "Ledger.Operate"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), c.method, server.URL+"/api/snapshot", nil)
			require.NoError(t, err)
			req.Header.Set("X-MS-CLIENT-PRINCIPAL", c.header)
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.Equal(t, c.status, resp.StatusCode, string(body))
			require.Contains(t, string(body), c.says)
		})
	}

	// The host's own calls are no callers': a timer and the question whether the handler is ready.
	resp, err := http.Get(server.URL + "/")
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
	resp, err = http.Post(server.URL+"/archivelogs", "application/json", strings.NewReader(`{"Data":{},"Metadata":{}}`))
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 200, resp.StatusCode)
}

// TestWithoutAppServicesAuthenticationEveryCallerIsRefusedAndTimersRun sends what the platform
// would have removed.
func TestWithoutAppServicesAuthenticationEveryCallerIsRefusedAndTimersRun(t *testing.T) {
	through := func(context.Context, web.Request) (web.Answer, error) {
		t.Error("it was let through")
		return web.Answer{}, nil
	}
	ran := 0
	host, err := web.Serve(web.NewLogger(io.Discard, nil), "", snapshot(through),
		timer("archivelogs", func(context.Context) (web.Result, error) {
			ran++
			return web.Result{Summary: "done"}, nil
		}))
	require.NoError(t, err)
	host.RequireRoles(false)
	server := httptest.NewServer(host)
	defer server.Close()
	for _, path := range []string{"/api/snapshot", "/api/snapshot/of-no-kind"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			req, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
			require.NoError(t, err)
			req.Header.Set("X-MS-CLIENT-PRINCIPAL", principal(`{"typ":"roles","val":"Ledger.Operate"}`))
			resp, err := http.DefaultClient.Do(req)
			require.NoError(t, err)
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			require.NoError(t, err)
			require.Equal(t, http.StatusServiceUnavailable, resp.StatusCode, string(body))
			require.Contains(t, string(body), `"authenticationOff"`)
			require.Contains(t, string(body), "switch the app's authentication on")
			require.Equal(t, "300", resp.Header.Get("Retry-After"))
		}
	}
	for _, ask := range []func() (*http.Response, error){
		func() (*http.Response, error) { return http.Get(server.URL + "/") },
		func() (*http.Response, error) {
			return http.Post(server.URL+"/archivelogs", "application/json", strings.NewReader(timerBody))
		},
	} {
		resp, err := ask()
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
	}
	require.Equal(t, 1, ran)
}
