package simtenant

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// riskDetections is a log that is described to the tenant only here.
func riskDetections() *logs.Log {
	return &logs.Log{
		Stream: "riskDetections", Collection: "riskDetections", Unfiltered: true, Forms: []string{entra.FormV1,
			entra.FormBeta},
		TimeProperty: "detectedDateTime", Ordered: true, Permission: "IdentityRiskEvent.Read.All",
		Shape: "detectedDateTime:t id riskLevel user{id displayName} detections[{name}] score:n",
	}
}

// newLogServer serves a tenant that has one log more, with ten records of a folder.
func newLogServer(t *testing.T, l *logs.Log) func(path string, options ...string) (int, string) {
	var lines []byte
	for i := range 10 {
		lines = fmt.Appendf(lines, `{"id":"r%d","detectedDateTime":"2026-11-21T10:%02d:00Z","riskLevel":"level%d",`, i,
			i, i%2)
		lines = fmt.Appendf(lines, `"user":{"id":"u%d"},"score":1.50}`+"\n", i)
	}
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, string(l.Stream)+".jsonl"), lines, 0o600))
	tenant, err := newTenant(Config{Records: folder}, append(logs.Collected(), l))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 21, 12, 9, 0, 0, time.UTC), tenant.Now().Truncate(time.Minute))
	server := httptest.NewServer(tenant)
	t.Cleanup(server.Close)
	token, _ := tenant.issue()
	return func(path string, options ...string) (int, string) {
		values := url.Values{}
		for i := 0; i < len(options); i += 2 {
			values.Set(options[i], options[i+1])
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path+"?"+values.Encode(), nil)
		require.NoError(t, err)
		req.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
}

func TestALogThatIsDescribedIsServedWithoutAnotherLine(t *testing.T) {
	get := newLogServer(t, riskDetections())
	for _, version := range []string{entra.FormV1, entra.FormBeta} {
		path := "/" + version + "/auditLogs/riskDetections"
		for filter, want := range map[string]int{
			"": 10,
			"detectedDateTime ge 2026-11-21T10:03:00Z":                                              7,
			"detectedDateTime gt 2026-11-21T10:03:00Z and detectedDateTime lt 2026-11-21T10:05:00Z": 1,
			"detectedDateTime le 2026-11-21T10:03:00Z and riskLevel eq 'level1'":                    2,
			"startswith(riskLevel,'level')":                                                         10,
			"user/id eq 'u4'":                                                                       1,
		} {
			options := []string{"$orderby", "detectedDateTime asc"}
			if filter != "" {
				options = append(options, "$filter", filter)
			}
			status, body := get(path, options...)
			require.Equal(t, 200, status, body)
			require.Len(t, gjson.Get(body, "value").Array(), want, filter)
		}
		for _, filter := range []string{"score eq 1", "shoeSize eq 'x'", "user/id ne 'u4'", "contains(riskLevel,'x')"} {
			status, _ := get(path, "$filter", filter)
			require.Equal(t, 400, status, filter)
		}
		status, body := get(path + "/r3")
		require.Equal(t, 200, status)
		require.Contains(t, body, `"score":1.50`, "as the folder has it")
	}
}

func TestALogIsInV1OnlyWhereItHasThatFormAndStrictLogsKnowNeitherGeNorLe(t *testing.T) {
	l := riskDetections()
	l.Forms, l.Strict = []string{entra.FormBeta}, true
	get := newLogServer(t, l)
	status, _ := get("/v1.0/auditLogs/riskDetections")
	require.Equal(t, 400, status)
	for operator, want := range map[string]int{"ge": 400, "gt": 200} {
		status, body := get("/beta/auditLogs/riskDetections", "$filter", "detectedDateTime "+operator+
			" 2026-11-21T10:03:00Z")
		require.Equal(t, want, status, body)
	}
}

func TestRoutesDoNotDependOnTheOrderOfForms(t *testing.T) {
	for _, l := range logs.Collected() {
		for _, version := range []string{entra.FormV1, entra.FormBeta} {
			turned := *l
			turned.Forms = slices.Clone(l.Forms)
			slices.Reverse(turned.Forms)
			require.Equal(t, servedIn(l, version), servedIn(&turned, version))
		}
		require.True(t, servedIn(l, entra.FormBeta))
	}
	require.True(t, servedIn(logs.Of(logs.DirectoryAudits), entra.FormV1))
	require.True(t, servedIn(logs.Of(logs.SignInsInteractiveUser), entra.FormV1))
	require.True(t, servedIn(logs.Of(logs.Provisioning), entra.FormV1))
	require.False(t, servedIn(logs.Of(logs.CustomSecurityAttributeAudits), entra.FormV1))
}
