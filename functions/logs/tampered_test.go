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
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/functions/logs"
	"github.com/entraledger/entraledger/internal/entra"
	tenantlogs "github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/search"
	"github.com/entraledger/entraledger/internal/search/searchtest"
	"github.com/entraledger/entraledger/internal/streams"
	"github.com/entraledger/entraledger/internal/web"
)

var begin = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)

// signIn is a sign-in at a minute of the day.
func signIn(id string, minute int) map[string]any {
	at := begin.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339)
	return map[string]any{"id": id, "createdDateTime": at, "appId": "x", "userDisplayName": "A"}
}

// serve serves an archive's logs.
func serve(t *testing.T, a *searchtest.Archive, slice time.Duration, of ...entra.Stream) string {
	host, err := web.Serve(slog.New(slog.DiscardHandler), "",
		logs.New(logs.Config{Archive: a, Streams: streams.New(of, nil),
			Gaps: search.NewGaps(a), Now: a.Now, Slice: slice}))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return server.URL + "/api/auditLogs/signIns"
}

func get(t *testing.T, address string) (*http.Response, gjson.Result) {
	t.Helper()
	resp, err := http.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.True(t, gjson.ValidBytes(body), "%s", body)
	return resp, gjson.ParseBytes(body)
}

const header = "X-EntraLedger-Tampered"

func TestAnAlteredRecordIsAnObjectThatSaysSo(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin,
		signIn("a", 1), signIn("b", 2), signIn("c/ä", 3), signIn("d", 90))
	a.Altered["b"], a.Altered["c/ä"], a.NoKey["b"] = `its "hash" differs`, "its codec is not known", true
	list := serve(t, a, time.Minute, tenantlogs.SignInsInteractiveUser)
	const (
		b = `{"@entraledger.tampered":"its \"hash\" differs","@entraledger.rowKey":"2026-11-21T00:02:00.0000000Z_b"}`
		c = `{"id":"c/ä","createdDateTime":"2026-11-21T00:03:00Z","@entraledger.tampered":"its codec is not known",` +
			`"@entraledger.rowKey":"2026-11-21T00:03:00.0000000Z_c~2F~C3~A4"}`
		selected = `{"createdDateTime":"2026-11-21T00:03:00Z","@entraledger.tampered":"its codec is not known",` +
			`"@entraledger.rowKey":"2026-11-21T00:03:00.0000000Z_c~2F~C3~A4"}`
	)
	for query, want := range map[string][]string{
		"$top=100":                       {"d", c, b, "a"},
		"$orderby=createdDateTime asc":   {"a", b, c, "d"},
		"versions=all":                   {"d", c, b, "a"}, // without dates: they may be what was altered
		"$select=createdDateTime,appId":  {"", selected, b, ""},
		"$filter=userDisplayName eq 'B'": {c, b},
	} {
		name, value, _ := strings.Cut(query, "=")
		resp, answer := get(t, list+"?$count=true&"+url.Values{name: {value}}.Encode())
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
		require.Equal(t, "2", resp.Header.Get(header), query)
		require.EqualValues(t, 2, answer.Get(`@entraledger\.tamperedCount`).Int(), query)
		require.EqualValues(t, len(want), answer.Get(`@odata\.count`).Int(), query)
		values := answer.Get("value").Array()
		require.Len(t, values, len(want), query)
		for i, v := range values {
			if strings.HasPrefix(want[i], "{") {
				require.Equal(t, want[i], v.Raw, query)
				continue
			}
			require.Equal(t, want[i], v.Get("id").Str, query)
			require.False(t, v.Get(`@entraledger\.tampered`).Exists(), query)
		}
	}
	for query, want := range map[string]string{"$filter=createdDateTime ge 2026-11-21T01:00:00Z": "",
		"$filter=id eq 'c/ä'": "2", "$filter=id eq 'a'": "1"} {
		name, value, _ := strings.Cut(query, "=")
		resp, answer := get(t, list+"?"+url.Values{name: {value}}.Encode())
		require.Equal(t, want, resp.Header.Get(header), query)
		require.Equal(t, want != "", answer.Get(`@entraledger\.tamperedCount`).Exists(), query)
	}
}

// TestAWalkThroughPagesOfOneGoesOnBehindAnAlteredRecord follows links: an altered record is a page
// like any other.
func TestAWalkThroughPagesOfOneGoesOnBehindAnAlteredRecord(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin,
		signIn("a", 1), signIn("b", 2), signIn("c", 3), signIn("d", 90))
	a.Altered["b"], a.Altered["d"] = "why", "why"
	list := serve(t, a, time.Minute, tenantlogs.SignInsInteractiveUser)
	for order, want := range map[string]string{"asc": " a b! c d!", "desc": " d! c b! a"} {
		got := ""
		for address := list + "?$top=1&$orderby=createdDateTime+" + order; address != ""; {
			resp, answer := get(t, address)
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Len(t, answer.Get("value").Array(), 1)
			got += " " + answer.Get("value.0.id").Str
			if answer.Get(`value.0.@entraledger\.tampered`).Exists() {
				got += "!"
			}
			require.Equal(t, map[bool]string{true: "1"}[strings.HasSuffix(got, "!")], resp.Header.Get(header))
			address = answer.Get(`@odata\.nextLink`).Str
		}
		require.Equal(t, want, got)
	}
}

func TestGroupsSayHowManyRecordsTheyLeaveOut(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsServicePrincipal, begin, signIn("a", 1), signIn("b", 2), signIn("c", 3))
	a.Altered["b"] = "why"
	list := serve(t, a, time.Minute, tenantlogs.SignInsServicePrincipal)
	filter := url.QueryEscape("signInEventTypes/any(t: t eq 'servicePrincipal')")
	resp, answer := get(t, list+"?aggregate=1h&$filter="+filter)
	require.Equal(t, "1", resp.Header.Get(header))
	require.EqualValues(t, 1, answer.Get(`@entraledger\.tamperedCount`).Int())
	require.Len(t, answer.Get("value").Array(), 1)
	require.EqualValues(t, 2, answer.Get("value.0.signInCount").Int())
}

func TestOneAlteredRecordIsAnErrorThatNamesItsRow(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin,
		signIn("a", 1), signIn("fine", 2), signIn("lost", 3), signIn("both", 4))
	a.Add(t, tenantlogs.SignInsServicePrincipal, signIn("other", 5))
	a.Altered["a"], a.Altered["other"] = "its hash differs", "its codec is not known"
	list := serve(t, a, time.Minute, tenantlogs.SignInsInteractiveUser, tenantlogs.SignInsServicePrincipal)
	message := func(id string, status int, code, tampered string) string {
		t.Helper()
		resp, answer := get(t, list+"/"+id)
		require.Equal(t, status, resp.StatusCode, "%s", answer)
		require.Equal(t, code, answer.Get("error.code").Str)
		require.Equal(t, tampered, resp.Header.Get(header))
		return answer.Get("error.message").Str
	}
	require.Contains(t, message("a", http.StatusConflict, "tampered", "1"),
		"row 2026-11-21T00:01:00.0000000Z_a of signIns.interactiveUser: its hash differs")
	require.Contains(t, message("other", http.StatusConflict, "tampered", "1"),
		"of signIns.servicePrincipal: its codec is not known")
	require.Empty(t, message("fine", http.StatusOK, "", ""))
	require.NotContains(t, message("nothing", http.StatusNotFound, "notFound", ""), "altered")

	a.Altered["lost"], a.NoKey["lost"] = "its key is no key", true
	said := message("nothing", http.StatusNotFound, "notFound", "1")
	require.Contains(t, said, "it may be one that was altered, and whose key does not tell its id: "+
		"row 2026-11-21T00:03:00.0000000Z_lost of signIns.interactiveUser: its key is no key;")
	require.Contains(t, message("a", http.StatusConflict, "tampered", "2"), "_a of signIns.interactiveUser")
	require.Empty(t, message("both", http.StatusOK, "", ""), "it is found before the search comes to the altered one")

	late := serve(t, a, time.Nanosecond, tenantlogs.SignInsInteractiveUser, tenantlogs.SignInsServicePrincipal)
	resp, answer := follow(t, late+"/none")
	require.Equal(t, http.StatusNotFound, resp.StatusCode, "%s", answer)
	require.Equal(t, "1", resp.Header.Get(header), "it is counted once on the way through all")
	require.Contains(t, answer.Get("error.message").Str, "row 2026-11-21T00:03:00.0000000Z_lost")
}

// TestAnotherContentThatIsFineIsTheAnswer: the same id comes with another time, or in another log.
func TestAnotherContentThatIsFineIsTheAnswer(t *testing.T) {
	a := searchtest.New(t, tenantlogs.SignInsInteractiveUser, begin, signIn("a", 1), signIn("b", 2))
	a.Add(t, tenantlogs.SignInsServicePrincipal, signIn("a", 5))
	a.AlteredIn, a.Altered["a"] = tenantlogs.SignInsInteractiveUser, "why"
	list := serve(t, a, time.Minute, tenantlogs.SignInsInteractiveUser, tenantlogs.SignInsServicePrincipal)
	resp, answer := get(t, list+"/a")
	require.Equal(t, http.StatusOK, resp.StatusCode, "%s", answer)
	require.Equal(t, "1", resp.Header.Get(header))
	require.Equal(t, "2026-11-21T00:05:00Z", answer.Get("createdDateTime").Str)
}
