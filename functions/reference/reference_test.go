package reference_test

import (
	"encoding/csv"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/reference"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/odata"
	known "github.com/entraledger/entraledger/internal/reference"
	"github.com/entraledger/entraledger/internal/web"
)

func serve(t *testing.T) func(path string) (int, string) {
	now := func() time.Time { return time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC) }
	host, err := web.Serve(slog.New(slog.DiscardHandler), "", reference.New(now))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return func(path string) (int, string) {
		resp, err := http.Get(server.URL + "/api/reference/" + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
}

func TestEachListSaysWhatItsSourcesSay(t *testing.T) {
	ask := serve(t)
	for path, want := range map[string]string{
		"errorCodes?search=50057%09UserDisabled": `[{"errorCode":50057,"name":"UserDisabled","status":"Failure",` +
			`"meaning":"The account is disabled.","remedy":"Enable it if it should be used.","statusSource":"workbook"}]`,
		"errorCodes?search=UserInformationNotProvided": `[{"errorCode":50058,"name":"UserInformationNotProvided",` +
			`"status":"Interrupted","meaning":"There was no session for a silent sign-in.",` +
			`"remedy":"The application has to ask the user to sign in.","statusSource":"workbook"}]`,
		"errorCodes?search=165100": `[{"errorCode":165100,"status":"Interrupted","statusSource":"workbook"}]`,
		"errorCodes?search=70046": `[{"errorCode":70046,"status":"Failure","meaning":"The session has expired or is ` +
			`invalid, because Conditional Access asked for authentication again.","remedy":"Sign in again.",` +
			`"statusSource":"workbook"}]`,
		"properties?collection=signIns&search=autonomousSystemNumber": `[{"collection":"signIns",` +
			`"property":"autonomousSystemNumber","type":"number","forms":"beta",` +
			`"meaning":"The number of the network (ASN) that it came from."}]`,
		"properties?collection=signIns&search=status/errorCode": `[{"collection":"signIns","property":"status/errorCode",` +
			`"type":"number","forms":"v1.0, beta","meaning":"0 for a success; else why not: see errorCodes."}]`,
		"properties?search=rngcStatus": `[{"collection":"signIns","property":"rngcStatus","type":"object"}]`,
		"microsoftApplications?search=00000002-0000-0ff1-ce00-000000000000": `[{` +
			`"appId":"00000002-0000-0ff1-ce00-000000000000","displayName":"Office 365 Exchange Online",` +
			`"ownerTenantId":"f8cdef31-a31e-4b4a-93e4-5f571e91255a","nameSource":"graph"}]`,
		"microsoftApplications?search=Microsoft+Azure+PowerShell": `[{` +
			`"appId":"1950a258-227b-4e31-a9cf-717495945fc2","displayName":"Microsoft Azure PowerShell",` +
			`"nameSource":"learn"}]`,
		"provisioningErrorCodes?search=InvalidAnchor": `[{"provisioningErrorCode":"InvalidAnchor","meaning":"An object ` +
			`that was made or matched before is gone.","remedy":"Make it again, or restart the job."}]`,
		"provisioningErrorCodes?search=EntityType": `[{"provisioningErrorCode":"EntityTypeNotSupported"}]`,
		"errorCodes?search=nothing+has+this":       `[]`,
		"auditActivities?service=Nothing":          `[]`,
	} {
		status, body := ask(path)
		require.Equal(t, http.StatusOK, status, "%s: %s", path, body)
		require.JSONEq(t, want, gjson.Get(body, "value").Raw, path)
	}
}

func TestAListIsAlsoAFile(t *testing.T) {
	ask := serve(t)
	for list, rows := range map[string]int{"auditActivities": 1100, "errorCodes": 190, "properties": 290,
		"microsoftApplications": 690, "provisioningErrorCodes": 35} {
		_, body := ask(list)
		count := int(gjson.Get(body, "value.#").Int())
		require.GreaterOrEqual(t, count, rows, list)
		status, body := ask(list + "?$format=csv")
		require.Equal(t, http.StatusOK, status)
		got, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll()
		require.NoError(t, err)
		require.Len(t, got, count+1, list)
	}
}

func TestWhatIsNotAListOrNotOfItIsRefused(t *testing.T) {
	ask := serve(t)
	for path, want := range map[string]int{
		"nothing":                              http.StatusNotFound,
		"nothing?service=x":                    http.StatusNotFound,
		"errorcode":                            http.StatusNotFound,
		"errorCodes?service=Core+Directory":    http.StatusBadRequest,
		"properties?category=UserManagement":   http.StatusBadRequest,
		"microsoftApplications?collection=x":   http.StatusBadRequest,
		"auditActivities?collection=signIns":   http.StatusBadRequest,
		"properties?collection=users":          http.StatusBadRequest,
		"properties?$top=1":                    http.StatusBadRequest,
		"provisioningErrorCodes?$format=xlsx":  http.StatusBadRequest,
		"microsoftApplications?appId=00000002": http.StatusBadRequest,
	} {
		status, body := ask(path)
		require.Equal(t, want, status, "%s: %s", path, body)
		require.NotEmpty(t, gjson.Get(body, "error.message").Str, path)
	}
}

// TestEveryPropertyOfEveryLogIsListed: what a filter can ask for is documented.
func TestEveryPropertyOfEveryLogIsListed(t *testing.T) {
	listed := make(map[string]known.Property)
	for _, p := range known.Properties() {
		key := p.Collection + " " + p.Path
		require.NotContains(t, listed, key, "each once")
		listed[key] = p
		require.Contains(t, []string{"v1.0, beta", "v1.0", "beta", ""}, p.Forms, key)
	}
	kinds := map[odata.Kind]string{odata.KindText: "text", odata.KindNumber: "number", odata.KindBool: "boolean",
		odata.KindTime: "time", odata.KindObject: "object", odata.KindOpen: "object"}
	var walk func(prefix string, shape *odata.Shape)
	walk = func(prefix string, shape *odata.Shape) {
		for name, field := range shape.Fields {
			p, ok := listed[prefix+name]
			require.True(t, ok, prefix+name)
			switch {
			case field.Kind == odata.KindList && field.Elem.Kind == odata.KindObject:
				require.Equal(t, "list of objects", p.Type, prefix+name)
				walk(prefix+name+"/", field.Elem)
			case field.Kind == odata.KindList:
				require.Equal(t, "list of texts", p.Type, prefix+name)
			default:
				require.Equal(t, kinds[field.Kind], p.Type, prefix+name)
				walk(prefix+name+"/", field)
			}
		}
	}
	for _, l := range logs.All() {
		shape, err := odata.ShapeOf(l.Stream)
		require.NoError(t, err)
		walk(l.Collection+" ", shape)
	}
	require.NotEmpty(t, listed["customSecurityAttributeAudits userAgent"].Meaning)
}

// TestNoRowHasANull: Parse JSON of Power Automate breaks on it.
func TestNoRowHasANull(t *testing.T) {
	ask := serve(t)
	for _, list := range []string{"errorCodes", "properties", "microsoftApplications", "provisioningErrorCodes"} {
		_, body := ask(list)
		var answer struct{ Value []map[string]any }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		for _, row := range answer.Value {
			for key, value := range row {
				require.NotNil(t, value, "%s: %s", list, key)
				require.NotEqual(t, "", value, "%s: %s", list, key)
			}
		}
	}
}
