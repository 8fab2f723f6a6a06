package main

import (
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestAPathThatEndsWithCountIsTheNumberOfAListsRows of each list that has one.
func TestAPathThatEndsWithCountIsTheNumberOfAListsRows(t *testing.T) {
	p := directorySystem(t, 60).start()
	count := func(path string) (int, string, string) {
		resp, err := http.Get(p.url + path)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body), resp.Header.Get("Content-Type")
	}
	for _, path := range []string{"/api/inactive-users/$count", "/api/expiring-credentials/$count"} {
		status, body, _ := count(path)
		require.Equal(t, http.StatusServiceUnavailable, status, "there is no snapshot: %s", body)
	}
	status, _ := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status)
	some := false
	for _, list := range []struct{ path, query string }{
		{"/api/inactive-users", "?days=30"}, {"/api/inactive-users", "?state=all"},
		{"/api/inactive-users", "?userType=guest&enabled=true"}, {"/api/inactive-users", "?days=3650"},
		{"/api/expiring-credentials", "?state=all"}, {"/api/expiring-credentials", "?withinDays=300&kind=secret"},
		{"/api/expiring-credentials", "?owner=none&state=all"},
	} {
		_, _, answer := p.get(list.path + list.query + "&$count=true&$top=1")
		number, ok := answer["@odata.count"].(float64)
		require.True(t, ok, "%v", answer)
		status, body, kind := count(list.path + "/$count" + list.query)
		require.Equal(t, http.StatusOK, status, body)
		require.Equal(t, "text/plain; charset=utf-8", kind)
		require.Equal(t, strconv.Itoa(int(number)), body, list.query)
		some = some || number > 1
	}
	require.True(t, some)
	for _, path := range []string{"/api/inactive-users/$count?$top=1", "/api/inactive-users/$count?$count=true",
		"/api/inactive-users/$count?exclude=nobody@contoso.example", "/api/expiring-credentials/$count?state=gone"} {
		status, body, _ := count(path)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", path, body)
	}
}
