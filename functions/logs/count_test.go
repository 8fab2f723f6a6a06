package logs_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/functions/versionedlogs"
	"github.com/entraledger/entraledger/internal/entra"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

// count asks for a number, and goes on at Location.
func count(t *testing.T, address string, headers ...string) (*http.Response, string) {
	t.Helper()
	for {
		req, err := http.NewRequest(http.MethodGet, address, nil)
		require.NoError(t, err)
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			req.Header.Set(name, value)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		if resp.StatusCode != http.StatusAccepted {
			return resp, string(body)
		}
		require.NotEqual(t, address, resp.Header.Get("Location"), "it comes further")
		address = resp.Header.Get("Location")
	}
}

// TestAPathThatEndsWithCountIsTheNumberAsText, by each address that clients of Graph use.
func TestAPathThatEndsWithCountIsTheNumberAsText(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin,
		signIn("a", 1), signIn("b", 2), signIn("c", 3), signIn("d", 90))
	a.Add(t, tenantlogs.SignInsServicePrincipal, signIn("e", 5))
	a.Altered["b"] = "why"
	of := []entra.Stream{tenantlogs.SignInsInteractiveUser, tenantlogs.SignInsServicePrincipal,
		tenantlogs.DirectoryAudits}
	for _, slice := range []time.Duration{time.Minute, time.Nanosecond} {
		cfg := logs.Config{Archive: a, Streams: streams.New(of, nil), Gaps: search.NewGaps(a), Now: a.Now, Slice: slice}
		host, err := web.Serve(slog.New(slog.DiscardHandler), "", logs.New(cfg), versionedlogs.New(cfg))
		require.NoError(t, err)
		server := httptest.NewServer(host)
		t.Cleanup(server.Close)
		for _, base := range []string{"/api/", "/api/v1.0/", "/api/beta/"} {
			list := server.URL + base + "auditLogs/signIns/"
			for asked, want := range map[string]string{
				"$count":                      "4", // altered ones included
				"%24count":                    "4",
				"$count?$filter=id eq 'a'":    "1",
				"$count?$filter=id eq 'none'": "0",
				"$count?$filter=createdDateTime ge 2026-11-21T01:00:00Z":          "1",
				"$count?$filter=appId eq 'x'":                                     "4",
				"$count?$filter=userDisplayName eq 'nobody'":                      "1", // the altered one
				"$count?$filter=signInEventTypes/any(t: t eq 'servicePrincipal')": "1",
				"$count?versions=all":                                             "4",
				"$count?$filter=createdDateTime lt 2020-01-01":                    "0",
				"../directoryAudits/$count?$filter=category eq 'usermanagement'":  "0",
				"$count?$filter=status/errorCode eq 0&$top=1":                     "!400",
				"$count?$count=true":                                              "!400",
				"$count?$select=id":                                               "!400",
				"$count?$filter=":                                                 "!400",
				"$count?$filter=nothing eq 1":                                     "!400",
				"$count?$skiptoken=x":                                             "!400",
				"$COUNT":                                                          "!404", // an id
				"../nothing/$count":                                               "!404",
				"../provisioning/$count":                                          "!404", // not archived
			} {
				path, query, _ := strings.Cut(asked, "?")
				name, value, _ := strings.Cut(query, "=")
				address, err := url.JoinPath(list, path)
				require.NoError(t, err)
				if address = strings.ReplaceAll(address, "%2524", "%24"); query != "" {
					value, more, _ := strings.Cut(value, "&")
					address += "?" + url.QueryEscape(name) + "=" + url.QueryEscape(value)
					if more != "" {
						address += "&" + more
					}
				}
				resp, body := count(t, address, "ConsistencyLevel: eventual", "Accept: text/plain")
				if status, refused := strings.CutPrefix(want, "!"); refused {
					require.Equal(t, status, resp.Status[:3], "%s: %s", address, body)
					continue
				}
				require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", address, body)
				require.Equal(t, want, body, address)
				require.Equal(t, "text/plain; charset=utf-8", resp.Header.Get("Content-Type"))
				require.Equal(t, strings.Contains(asked, "usermanagement"), resp.Header.Get("X-EntraLedger-Hint") != "")
			}
			resp, body := count(t, list+"$count", "Accept: application/json")
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, "4", body)
			resp, err := http.Post(list+"$count", "", nil)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusMethodNotAllowed, resp.StatusCode)
		}
	}
}
