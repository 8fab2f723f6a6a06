package reference_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/reference"
	"github.com/entraledger/entraledger/internal/web"
)

func TestAnEmptyListHintsAtWhatIsNear(t *testing.T) {
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", reference.New(time.Now))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	for query, want := range map[string]string{
		"auditActivities?service=Core+Directori": `service "Core Directori" is not among the known ones; ` +
			`did you mean "Core Directory"?`,
		"auditActivities?category=UserManagment":                        `did you mean "UserManagement"?`,
		"auditActivities?service=Core+Directori&category=GroupManagmen": `"Core Directory"?; category "GroupManagmen"`,
		"auditActivities?service=core+directory":                        "",
		"auditActivities?service=SomethingElse":                         "",
		"auditActivities?service=":                                      "",
		"auditActivities?search=no+such+words":                          "",
		"errorCodes?search=no+such+words":                               "",
		"errorCodes?search=50126":                                       "",
		"auditActivities?service=Core+Directori&$format=csv":            `did you mean "Core Directory"?`,
	} {
		resp, err := http.Get(server.URL + "/api/reference/" + query)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, http.StatusOK, resp.StatusCode, query)
		require.Equal(t, want != "", resp.Header.Get("X-EntraLedger-Hint") != "", query)
		require.Contains(t, resp.Header.Get("X-EntraLedger-Hint"), want, query)
		if gjson.ValidBytes(body) {
			require.Equal(t, resp.Header.Get("X-EntraLedger-Hint"), gjson.GetBytes(body, "hint").Str, query)
		}
	}
}
