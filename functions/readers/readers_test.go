package readers_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions/readers"
	"github.com/entraledger/entraledger/internal/dev/memstorage"
	"github.com/entraledger/entraledger/internal/directory/cursors"
	"github.com/entraledger/entraledger/internal/directory/timeline"
	"github.com/entraledger/entraledger/internal/tables"
	"github.com/entraledger/entraledger/internal/tables/tablestest"
	"github.com/entraledger/entraledger/internal/web"
)

// app is the function behind the host's adapter, over a socket.
type app struct {
	*testing.T
	cursors *cursors.Cursors
	log     strings.Builder
	*httptest.Server
}

var present = time.Date(2026, 11, 26, 7, 0, 0, 500_000_000, time.UTC)

func serve(t *testing.T) *app {
	service := memstorage.New(time.Now)
	store, err := tablestest.New(tables.Config{ConnectionString: service.ConnectionString(), HTTP: service.Client()})
	require.NoError(t, err)
	a := &app{T: t, cursors: cursors.New(store, store, func() time.Time { return present })}
	host, err := web.Serve(web.NewLogger(&a.log, slog.LevelInfo), "https://here", readers.New(a.cursors))
	require.NoError(t, err)
	a.Server = httptest.NewServer(host)
	t.Cleanup(a.Close)
	return a
}

// body is that of a move up to the snapshot of a day.
func (a *app) body(day int) string { return `{"cursor":"` + a.cursor("q", day) + `"}` }

func (a *app) cursor(question string, day int) string {
	archive, err := a.cursors.Archive(a.Context())
	require.NoError(a, err)
	at := time.Date(2026, 11, day, 1, 10, 0, 0, time.UTC)
	text, err := a.cursors.Seal(a.Context(), timeline.Cursor{Archive: archive, Question: question,
		Number: int(at.Unix()), AsOf: at})
	require.NoError(a, err)
	return text
}

// ask sends a request whose path stands in its first line as it is given here.
func (a *app) ask(method, path, body string) (int, http.Header, map[string]any) {
	conn, err := net.Dial("tcp", a.Listener.Addr().String())
	require.NoError(a, err)
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s",
		method, path, len(body), body)
	require.NoError(a, err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(a, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(a, err)
	require.NotContains(a, string(text), "null")
	var answer map[string]any
	require.NoError(a, json.Unmarshal(text, &answer), "%s %s: %s", method, path, text)
	return resp.StatusCode, resp.Header, answer
}

func message(answer map[string]any) string {
	of, _ := answer["error"].(map[string]any)
	text, _ := of["message"].(string)
	return text
}

func TestAReaderIsMovedListedAndForgotten(t *testing.T) {
	a := serve(t)
	status, _, answer := a.ask("GET", "/api/readers", "")
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, map[string]any{"@odata.context": "https://here/api/$metadata#readers", "value": []any{}}, answer)
	for _, step := range []struct {
		name  string
		day   int
		then  string
		moved bool
	}{
		{"Tickets", 7, "2026-11-07T01:10:00Z", true},
		{"tickets", 7, "2026-11-07T01:10:00Z", false},
		{"TICKETS", 9, "2026-11-09T01:10:00Z", true},
		{"Tickets", 8, "2026-11-09T01:10:00Z", false},
	} {
		status, _, answer = a.ask("POST", "/api/readers/"+step.name, a.body(step.day))
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, map[string]any{"@odata.context": "https://here/api/$metadata#reader", "name": "Tickets",
			"asOfDateTime": step.then, "movedAtDateTime": "2026-11-26T07:00:00.5Z", "moved": step.moved}, answer)
	}
	_, _, answer = a.ask("GET", "/api/READERS/", "")
	require.Equal(t, []any{map[string]any{"name": "Tickets", "asOfDateTime": "2026-11-09T01:10:00Z",
		"movedAtDateTime": "2026-11-26T07:00:00.5Z"}}, answer["value"])
	for _, was := range []bool{true, false} {
		status, _, answer = a.ask("DELETE", "/api/readers/tickets", "")
		require.Equal(t, http.StatusOK, status, "%v", answer)
		require.Equal(t, map[string]any{"@odata.context": "https://here/api/$metadata#deletedReader",
			"name": "tickets", "deleted": was}, answer)
	}
	_, _, answer = a.ask("GET", "/api/readers", "")
	require.Empty(t, answer["value"])
}

// TestEachNameIsTakenOrRefused as it comes over a socket, whatever it is escaped as.
func TestEachNameIsTakenOrRefused(t *testing.T) {
	a := serve(t)
	for path, is := range map[string]struct {
		status int
		says   string // the name that is taken, or what is said of it
	}{
		"x":                          {200, "x"},
		"%78":                        {200, "x"},
		"Daily_1.0-b":                {200, "Daily_1.0-b"},
		"...a":                       {200, "...a"},
		"x/":                         {200, "x"},
		"%C3%BC":                     {200, "ü"},
		"%E5%A0%B1%E5%91%8A":         {200, "報告"},
		strings.Repeat("y", 64):      {200, strings.Repeat("y", 64)},
		strings.Repeat("%C3%BC", 64): {200, strings.Repeat("ü", 64)},
		strings.Repeat("y", 65):      {400, "it has 65 characters"},
		strings.Repeat("%C3%BC", 65): {400, "it has 65 characters"},
		strings.Repeat("y", 4_000):   {400, "it has 4000 characters"},
		"a%2Fb":                      {400, `"a/b" has '/' (U+002F) in it`},
		"a%5Cb":                      {400, `(U+005C)`},
		"a%20b":                      {400, `"a b" has ' ' (U+0020) in it`},
		"a+b":                        {400, `(U+002B)`},
		"%22":                        {400, `(U+0022)`},
		"o'brien":                    {400, `(U+0027)`},
		"%27%20or%201%20eq%201":      {400, `(U+0027)`},
		".":                          {400, "has only dots"},
		"..":                         {400, "has only dots"},
		"%2E%2E":                     {400, "has only dots"},
		"%00":                        {400, `(U+0000)`},
		"%0D%0ASet-Cookie":           {400, `(U+000D)`},
		"%FF":                        {400, `(U+FFFD)`},
		"u%CC%88":                    {400, `(U+0308)`},
		"%F0%9F%98%80":               {400, `(U+1F600)`},
		"a%3Fb":                      {400, `(U+003F)`},
		"a%23b":                      {400, `(U+0023)`},
		"a~41":                       {400, `(U+007E)`},
		"%20":                        {400, `(U+0020)`},
		"x?name=y":                   {400, `unknown parameter "name"`},
		"../readers/x":               {404, "there is no such function"},
		"x/y":                        {404, "there is no such function"},
		"/x":                         {404, "there is no such function"},
		"":                           {405, "this function takes GET"},
	} {
		for _, method := range []string{"POST", "DELETE"} {
			status, header, answer := a.ask(method, "/api/readers/"+path, a.body(7))
			require.Equal(t, is.status, status, "%s %.80s: %v", method, path, answer)
			if status == http.StatusOK {
				require.EqualValues(t, is.says, answer["name"], "%s %s", method, path)
				continue
			}
			require.Contains(t, message(answer), is.says, "%s %.80s", method, path)
			if status == http.StatusMethodNotAllowed {
				require.Equal(t, "GET", header.Get("Allow"))
			}
		}
	}
	_, _, answer := a.ask("GET", "/api/readers", "")
	require.Empty(t, answer["value"], "each that was made is forgotten")
	a.Close() // a line of the log may come behind its answer
	require.NotContains(t, a.log.String(), `"level":"ERROR"`)
}

func TestABodyThatSaysNoCursorIsRefused(t *testing.T) {
	a := serve(t)
	good, other := a.cursor("q", 7), serve(t)
	_, _, answer := a.ask("POST", "/api/readers/x", a.body(7))
	require.Equal(t, true, answer["moved"])
	const wants = `accepted is {"cursor": "..."}, with nextCursor of the answer that was dealt with`
	for body, is := range map[string]struct {
		status int
		says   string
	}{
		"":                                {400, "it has no cursor; " + wants},
		"{}":                              {400, "it has no cursor; " + wants},
		`{"cursor":""}`:                   {400, "it has no cursor; " + wants},
		`{"cursor":null}`:                 {400, "it has no cursor; " + wants},
		`null`:                            {400, "it has no cursor; " + wants},
		`{"cursor":7}`:                    {400, `"cursor" has the JSON type number; string is needed; ` + wants},
		`{"cursor":["` + good + `"]}`:     {400, `"cursor" has the JSON type array; string is needed; ` + wants},
		`["` + good + `"]`:                {400, "the body has the JSON type array; object is needed; " + wants},
		good:                              {400, wants},
		`{"cursor":"` + good:              {400, wants},
		`{"nextCursor":"` + good + `"}`:   {400, `unknown field "nextCursor"; ` + wants},
		`{"cursor":"` + good + `","n":1}`: {400, `unknown field "n"; ` + wants},
		"cursor=" + good:                  {400, wants},
		`{"cursor":"` + strings.Repeat("A", 5001) + `"}`:    {400, "the cursor is none that this app gave"},
		`{"cursor":"` + strings.Repeat("A", 100_000) + `"}`: {400, "request body too large; " + wants},
		`{"cursor":"garbage"}`:                              {400, "give nextCursor exactly as the answer had it"},
		`{"cursor":" ` + good + `"}`:                        {400, "give nextCursor exactly as the answer had it"},
		`{"cursor":"` + good[:len(good)-1] + `"}`:           {400, "give nextCursor exactly as the answer had it"},
		`{"cursor":"` + a.cursor("r", 9) + `"}`:             {400, "one reader asks one question"},
		`{"cursor":"` + other.cursor("q", 9) + `"}`:         {410, "the cursor belongs to another archive"},
	} {
		status, _, answer := a.ask("POST", "/api/readers/x", body)
		require.Equal(t, is.status, status, "%.60s: %v", body, answer)
		require.Contains(t, message(answer), is.says, "%.60s", body)
	}
	_, _, answer = a.ask("POST", "/api/readers/x", a.body(7))
	require.Equal(t, false, answer["moved"], "it is where it was")
}

func TestOtherMethodsAreRefused(t *testing.T) {
	a := serve(t)
	for _, method := range []string{"GET", "PUT", "PATCH"} {
		status, header, _ := a.ask(method, "/api/readers/x", "")
		require.Equal(t, http.StatusMethodNotAllowed, status, method)
		require.Equal(t, "POST, DELETE", header.Get("Allow"), method)
	}
	for _, query := range []string{"?$top=0", "?$top=1001", "?$skiptoken=x", "?name=x", "?$filter=x"} {
		status, _, answer := a.ask("GET", "/api/readers"+query, "")
		require.Equal(t, http.StatusBadRequest, status, "%s: %v", query, answer)
	}
}

func TestReadersComeInPages(t *testing.T) {
	a := serve(t)
	for n := range 5 {
		status, _, _ := a.ask("POST", fmt.Sprintf("/api/readers/r%d", n), a.body(7))
		require.Equal(t, http.StatusOK, status)
	}
	var names []string
	for at := "/api/readers?$top=2&code=key"; at != ""; {
		status, _, answer := a.ask("GET", at, "")
		require.Equal(t, http.StatusOK, status, "%v", answer)
		for _, row := range answer["value"].([]any) {
			names = append(names, row.(map[string]any)["name"].(string))
		}
		next, _ := answer["@odata.nextLink"].(string)
		require.NotContains(t, next, "key")
		at = strings.TrimPrefix(next, "https://here")
	}
	require.Equal(t, []string{"r0", "r1", "r2", "r3", "r4"}, names)
}
