package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/web"
)

// TestWhoMayReadALog by its records, in every state of the two settings.
func TestWhoMayReadALog(t *testing.T) {
	role := func(name string) string { return `{"typ":"roles","val":"` + name + `"},` }
	end := `{"typ":"name","val":"Flow"}`
	for _, c := range []struct {
		name            string
		entra, allow    bool
		roles           string
		others, ofThese int
		says            string
	}{
		{"a key", false, false, "", 200, 403, "HTTP_ATTRIBUTE_AUDITS"},
		{"a key, and what looks like a role", false, false, role("Ledger.ReadAttributes"), 200, 403,
			"HTTP_ATTRIBUTE_AUDITS"},
		{"a key, allowed", false, true, "", 200, 200, ""},
		{"a reader", true, false, role("Ledger.Read"), 200, 403, "assign Ledger.ReadAttributes"},
		{"a reader, keys allowed", true, true, role("Ledger.Read"), 200, 403, "assign Ledger.ReadAttributes"},
		{"an operator", true, false, role("Ledger.Operate"), 200, 403, "Ledger.Operate does not include it"},
		{"a reader of both", true, false, role("Ledger.Read") + role("Ledger.ReadAttributes"), 200, 200, ""},
		{"an operator who reads both", true, false, role("Ledger.Operate") + role("Ledger.ReadAttributes"), 200, 200, ""},
		{"the role alone", true, true, role("Ledger.ReadAttributes"), 403, 403, "assign Ledger.Read "},
		{"another role", true, false, role("Ledger.Read") + role("ledger.readattributes"), 200, 403, "assign"},
		{"no role", true, true, "", 403, 403, "assign Ledger.Read "},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked entra.Stream
			host, err := web.Serve(web.NewLogger(io.Discard, nil), "", function("things", "things", `"get"`,
				web.Operation{Role: web.RoleRead, Do: func(_ context.Context, r web.Request) (web.Answer, error) {
					return web.Object(map[string]string{"a": "record"}), r.MayRead(asked)
				}}))
			require.NoError(t, err)
			if c.entra {
				host.RequireRoles(true)
			}
			if c.allow {
				host.AllowAttributes()
			}
			for _, asked = range logs.Streams() {
				want := c.others
				if asked == logs.CustomSecurityAttributeAudits {
					want = c.ofThese
				}
				w := httptest.NewRecorder()
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/things", nil)
				r.Header.Set("X-MS-CLIENT-PRINCIPAL", principal(c.roles+end))
				host.ServeHTTP(w, r)
				require.Equal(t, want, w.Code, "%s: %s", asked, w.Body)
				if want == http.StatusForbidden {
					require.Contains(t, w.Body.String(), `"roleMissing"`)
				}
				if asked == logs.CustomSecurityAttributeAudits {
					require.Contains(t, w.Body.String(), c.says)
				}
			}
		})
	}
}
