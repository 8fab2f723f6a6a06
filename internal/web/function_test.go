package web_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web"
)

// TestAPathOfWhichAPartIsNotServedIsNotFound whatever the method is, and whoever asks.
func TestAPathOfWhichAPartIsNotServedIsNotFound(t *testing.T) {
	f := function("versioned", "{version}/things", `"get"`, web.Operation{Role: web.RoleRead, Do: lines})
	f.Only = map[string][]string{"version": {"v1.0", "beta"}}
	for _, roles := range []bool{false, true} {
		server, host, _ := serveHost(t, ok, f)
		if roles {
			host.RequireRoles(true)
		}
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete} {
			for path, want := range map[string]int{"/api/v2.0/things": 404, "/api/V1.0/things": 404,
				"/api/beta/things": 200} {
				if want == 200 && method != http.MethodGet {
					want = 405
				}
				if want == 200 && roles {
					want = 401
				}
				status, header, answer := call(t, server, method, path, "")
				require.Equal(t, want, status, "%s %s", method, path)
				require.Equal(t, want == 405, header.Get("Allow") != "")
				if want == 404 {
					require.Equal(t, "find "+path+": there is no such function",
						answer["error"].(map[string]any)["message"])
				}
			}
		}
	}
}
