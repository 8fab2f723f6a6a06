package web_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/questions"
	"github.com/entraledger/entraledger/internal/web"
)

// shelf keeps questions in memory.
type shelf struct {
	mu     sync.Mutex
	rows   map[string]questions.Question
	writes int
	broken error

	refused error // of writes alone
}

func (s *shelf) Question(_ context.Context, token string) (questions.Question, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, ok := s.rows[token]
	if s.broken != nil {
		return q, s.broken
	}
	if !ok {
		return q, questions.ErrNone
	}
	return q, nil
}

func (s *shelf) KeepQuestion(_ context.Context, q questions.Question) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := cmp.Or(s.broken, s.refused); err != nil {
		return err
	}
	s.writes++
	s.rows[q.Token] = q
	return nil
}

func (s *shelf) DropQuestions(context.Context, time.Time) error { return nil }

// asking is a server of functions whose answers say what was asked, and link to a next page.
type asking struct {
	*testing.T
	server *httptest.Server
	host   *web.Host
	log    *logged
	kept   *shelf
	now    time.Time
	place  string // of the next page
}

func newAsking(t *testing.T) *asking {
	a := &asking{T: t, log: &logged{}, kept: &shelf{rows: map[string]questions.Question{}}, place: "next",
		now: time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)}
	list := web.Operation{Role: web.RoleRead, Do: a.answer, Path: []web.Parameter{web.Text("id", "")},
		Parameters: []web.Parameter{web.Text("$filter", ""), web.Top(1000, ""), web.SkipToken(), web.Text("who", "")}}
	one := list
	one.Given = "id"
	var err error
	a.host, err = web.Serve(web.NewLogger(a.log, slog.LevelInfo), "",
		function("things", "things/{id?}/{query?}", `"get","head","post"`, list, one),
		function("others", "others/{id?}/{query?}", `"get","post"`, list, one),
		function("closed", "closed/{id?}", `"get"`, list, one))
	require.NoError(t, err)
	a.host.KeepQuestions(questions.New(a.kept, func() time.Time { return a.now }))
	a.server = httptest.NewServer(a.host)
	t.Cleanup(a.server.Close)
	return a
}

func (a *asking) answer(_ context.Context, r web.Request) (web.Answer, error) {
	next := r.NextLink(a.place)
	r.Header.Set("Location", r.Link(nil))
	return web.Object(map[string]any{"id": r.Path("id"), "filter": r.Query.Text("$filter"), "top": r.Query.Int("$top"),
		"token": r.Query.Text("$skiptoken"), "who": r.Query.Text("who"), "@odata.nextLink": next}), nil
}

type said struct {
	ID, Filter, Token, Who string
	Top                    int
	Next                   string `json:"@odata.nextLink"`
	Error                  struct{ Code, Message string }
	status                 int
	header                 http.Header
}

func (a *asking) ask(method, address, contentType, body string) said {
	if !strings.HasPrefix(address, "http") {
		address = a.server.URL + address
	}
	req, err := http.NewRequestWithContext(a.Context(), method, address, strings.NewReader(body))
	require.NoError(a, err)
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(a, err)
	defer resp.Body.Close()
	out := said{status: resp.StatusCode, header: resp.Header}
	if method != http.MethodHead {
		require.NoError(a, json.NewDecoder(resp.Body).Decode(&out))
	}
	return out
}

func (a *asking) get(address string) said { return a.ask(http.MethodGet, address, "", "") }

const plainText = "text/plain"

// TestAnAddressOf7Point9KBIsAnsweredAndOneOf8Point1NamesTheLimit over a real socket.
func TestAnAddressOf7Point9KBIsAnsweredAndOneOf8Point1NamesTheLimit(t *testing.T) {
	a := newAsking(t)
	for _, c := range []struct{ bytes, status int }{{8089, 200}, {8177, 200}, {8178, 414}, {8294, 414}} {
		path := "/api/things?$filter="
		got := a.get(path + strings.Repeat("a", c.bytes-len(path)))
		require.Equal(t, c.status, got.status, c.bytes)
		if c.status == http.StatusOK {
			require.Less(t, len(got.Next), 6<<10)
			require.Less(t, len(got.header.Get("Location")), 6<<10)
			continue
		}
		require.Equal(t, "requestTooLarge", got.Error.Code)
		require.Contains(t, got.Error.Message, "at most are 8177; ask with POST .../$query")
	}
	got := a.get("/api/things/" + strings.Repeat("a", 4100))
	require.Equal(t, 414, got.status)
	require.Contains(t, got.Error.Message, "$filter=id eq")
}

// TestLinksStayBelow6KBAndGoOnWithTheSameQuestion for questions of every length.
func TestLinksStayBelow6KBAndGoOnWithTheSameQuestion(t *testing.T) {
	for _, place := range []string{"next", strings.Repeat("p", 5_000), strings.Repeat("+", 5_000)} {
		a := newAsking(t)
		a.place = place
		for _, long := range []int{1, 100, 3_000, 5_900, 6_060, 6_100, 16_000, 60_000} {
			filter := strings.Repeat("x", long)
			query := "$top=7&who=a+b&$filter=" + filter
			got := a.ask(http.MethodPost, "/api/things/o%27n%20e/$query?code=secret", plainText, query)
			for page := range 3 {
				require.Equal(t, http.StatusOK, got.status)
				require.Equal(t, []any{"o'n e", filter, "a b", 7}, []any{got.ID, got.Filter, got.Who, got.Top})
				if page > 0 {
					require.Equal(t, place, got.Token)
				}
				for _, link := range []string{got.Next, got.header.Get("Location")} {
					require.LessOrEqual(t, len(link), 6<<10)
					require.NotContains(t, link, "code=")
					require.NotContains(t, link, "$query")
				}
				got = a.get(got.Next)
			}
		}
	}
}

func TestAShortQuestionIsNotKept(t *testing.T) {
	a := newAsking(t)
	got := a.get("/api/things?$filter=x&$top=3")
	require.Equal(t, a.server.URL+"/api/things?%24filter=x&%24skiptoken=next&%24top=3", got.Next)
	require.Zero(t, a.kept.writes)
}

// TestPagesOfAQuestionHaveOneToken, so that a walk through years leaves one row.
func TestPagesOfAQuestionHaveOneToken(t *testing.T) {
	a := newAsking(t)
	got := a.ask(http.MethodPost, "/api/things/$query", plainText, "$filter="+strings.Repeat("x", 7_000))
	first := got.Next
	for range 5 {
		got = a.get(got.Next)
		require.Equal(t, first, got.Next)
	}
	for range 20 { // as often as the question itself is asked again
		got = a.ask(http.MethodPost, "/api/things/$query", plainText, "$filter="+strings.Repeat("x", 7_000))
		require.Equal(t, first, got.Next)
	}
	require.Len(t, a.kept.rows, 1)
	a.now = a.now.Add(23 * time.Hour)
	require.Equal(t, first, a.get(first).Next)
	a.now = a.now.Add(23 * time.Hour)
	require.Equal(t, http.StatusOK, a.get(first).status, "its link was written again a day less an hour ago")
}

func TestATokenThatIsUnknownOrOlderThanADayIsGone(t *testing.T) {
	a := newAsking(t)
	link := a.ask(http.MethodPost, "/api/things/$query", plainText, "$filter="+strings.Repeat("x", 7_000)).Next
	a.now = a.now.Add(24*time.Hour + time.Second)
	for name, address := range map[string]string{
		"old": link, "unknown": "/api/things?question=" + strings.Repeat("A", 32), "none": "/api/things?question=",
		"of another form": "/api/things?question=../x",
	} {
		got := a.get(address)
		require.Equal(t, http.StatusGone, got.status, name)
		require.Equal(t, "skipTokenExpired", got.Error.Code, name)
		require.Contains(t, got.Error.Message, "ask again from the first page", name)
	}
}

// TestATokenIsGoodForItsOperationAndPathAlone, and for nothing beside its question.
func TestATokenIsGoodForItsOperationAndPathAlone(t *testing.T) {
	a := newAsking(t)
	link := a.ask(http.MethodPost, "/api/things/a/$query", plainText, "$filter="+strings.Repeat("x", 7_000)).Next
	_, query, _ := strings.Cut(link, "?")
	for address, status := range map[string]int{
		"/api/things/a?" + query: 200, "/API/Things/a?" + query: 200, "/api/things/a?code=k&clientId=d&" + query: 200,
		"/api/things?" + query: 400, "/api/things/b?" + query: 400, "/api/others/a?" + query: 400,
		"/api/things/a?$top=1&" + query: 400, "/api/things/a?$filter=y&" + query: 400,
		"/api/things/a?" + query + "&" + query: 400,
	} {
		require.Equal(t, status, a.get(address).status, address)
	}
	require.Equal(t, http.StatusMethodNotAllowed, a.ask(http.MethodPost, "/api/things/a?"+query, plainText, "").status)
	got := a.ask(http.MethodPost, "/api/things/a/$query", plainText, query)
	require.Equal(t, http.StatusOK, got.status, "a link's query is one as any other")
}

// TestATokenGrantsNoMoreThanItsAskerHas: the role is asked for before the question is looked for.
func TestATokenGrantsNoMoreThanItsAskerHas(t *testing.T) {
	a := newAsking(t)
	link := a.ask(http.MethodPost, "/api/things/$query", plainText, "$filter="+strings.Repeat("x", 7_000)).Next
	a.host.RequireRoles(true)
	a.kept.broken = errors.New("it was looked for")
	require.Equal(t, http.StatusUnauthorized, a.get(link).status)
	require.Equal(t, http.StatusUnauthorized, a.ask(http.MethodPost, "/api/things/$query", "x/y", "").status)
}

// TestWhereTheQuestionCannotBeKeptNoLinkIsGiven: the page is asked for again.
func TestWhereTheQuestionCannotBeKeptNoLinkIsGiven(t *testing.T) {
	a := newAsking(t)
	body := "$filter=upn in ('jane.doe'" + strings.Repeat(",'x'", 2_000) + ")"
	a.kept.broken = &entra.Error{Code: entra.CodeUnavailable, Doing: "write jane.doe", Err: errors.New("refused")}
	got := a.ask(http.MethodPost, "/api/things/$query", plainText, body)
	require.Equal(t, http.StatusServiceUnavailable, got.status)
	require.NotEmpty(t, got.header.Get("Retry-After"))
	require.Empty(t, got.Next)
	a.kept.broken = nil
	link := a.ask(http.MethodPost, "/api/things/$query", plainText, body).Next
	a.kept.broken = &entra.Error{Code: entra.CodeTampered, Doing: "read row x", Why: "it is not what was written"}
	require.Equal(t, http.StatusConflict, a.get(link).status)
	require.NotContains(t, a.log.String(), "jane")
}

// TestWhoAskTheSameAtOnceHaveOneLink, and it is good.
func TestWhoAskTheSameAtOnceHaveOneLink(t *testing.T) {
	a := newAsking(t)
	body := "$filter=" + strings.Repeat("x", 7_000)
	links := make([]string, 8)
	var all sync.WaitGroup
	for i := range links {
		all.Go(func() { links[i] = a.ask(http.MethodPost, "/api/things/$query", plainText, body).Next })
	}
	all.Wait()
	for _, link := range links {
		require.Equal(t, links[0], link)
	}
	require.Equal(t, http.StatusOK, a.get(links[0]).status)
	require.Len(t, a.kept.rows, 1)
}

// TestAPostedQueryIsReadAsODataHasIt.
func TestAPostedQueryIsReadAsODataHasIt(t *testing.T) {
	a := newAsking(t)
	for name, c := range map[string]struct{ address, contentType, body, filter string }{
		"text":               {"/api/things/$query", "text/plain", "$filter=a%20eq%20'x%26y'&$top=5", "a eq 'x&y'"},
		"text in UTF-8":      {"/api/things/$query", "text/plain; charset=utf-8", "%24filter=a%2Bb&%24top=5", "a+b"},
		"spaces as they are": {"/api/things/$query", "text/plain", "$filter=a eq 'x'&$top=5\r\n", "a eq 'x'"},
		"a form": {"/api/things/$query", "application/x-www-form-urlencoded", "$filter=a+eq+1&$top=5",
			"a eq 1"},
		"both places":        {"/api/things/$query?$top=5", "text/plain", "$filter=x", "x"},
		"the address alone":  {"/api/things/$query?$top=5&$filter=x", "text/plain", "", "x"},
		"an escaped segment": {"/api/things/%24query", "text/plain", "$top=5&$filter=x", "x"},
		"a slash behind it":  {"/api/things/$query/", "text/plain", "$top=5&$filter=x", "x"},
	} {
		got := a.ask(http.MethodPost, c.address, c.contentType, c.body)
		require.Equal(t, http.StatusOK, got.status, "%s: %s", name, got.Error.Message)
		require.Equal(t, []any{c.filter, 5}, []any{got.Filter, got.Top}, name)
		require.NotContains(t, got.Next, "query")
		require.Equal(t, []any{c.filter, 5, "next"}, []any{a.get(got.Next).Filter, got.Top, a.get(got.Next).Token})
	}
}

func TestAPostedQueryThatCannotBeReadIsRefused(t *testing.T) {
	a := newAsking(t)
	for name, c := range map[string]struct {
		method, address, contentType, body string
		status                             int
		says                               string
	}{
		"JSON":           {"POST", "/api/things/$query", "application/json", "{}", 415, "Content-Type: text/plain"},
		"no type":        {"POST", "/api/things/$query", "", "$top=5", 415, "of no Content-Type"},
		"no type at all": {"POST", "/api/things/$query", "text", "$top=5", 415, "Content-Type: text/plain"},
		"65,537 bytes": {"POST", "/api/things/$query", plainText, "who=" + strings.Repeat("a", 65_533), 413,
			"65,536"},
		"unknown parameter": {"POST", "/api/things/$query", plainText, "$expand=x", 400, "$expand"},
		"given twice":       {"POST", "/api/things/$query?$top=1", plainText, "$top=2", 400, "one value"},
		"broken":            {"POST", "/api/things/$query", plainText, "who=%zz", 400, "not encoded"},
		"GET":               {"GET", "/api/things/$query", "", "", 405, "takes POST"},
		"DELETE":            {"DELETE", "/api/things/$query", "", "", 405, "takes POST"},
		"without $query":    {"POST", "/api/things", plainText, "$top=5", 405, "takes GET"},
		"twice":             {"POST", "/api/things/$query/$query", plainText, "$top=5", 404, "no such function"},
		"not let through":   {"POST", "/api/closed/$query", plainText, "$top=5", 404, "no such function"},
		"nothing before it": {"POST", "/api/$query", plainText, "$top=5", 404, "no such function"},
		"too many parts":    {"GET", "/api/things/a/b", "", "", 404, "$filter=id eq"},
	} {
		got := a.ask(c.method, c.address, c.contentType, c.body)
		require.Equal(t, c.status, got.status, "%s: %s", name, got.Error.Message)
		require.Contains(t, got.Error.Message, c.says, name)
	}
	got := a.ask(http.MethodPost, "/api/things/$query", plainText, "who="+strings.Repeat("a", 65_532))
	require.Equal(t, http.StatusOK, got.status)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.server.URL+"/api/things/$query",
		bytes.NewReader([]byte{0x1f, 0x8b}))
	require.NoError(t, err)
	req.Header.Set("Content-Type", plainText)
	req.Header.Set("Content-Encoding", "gzip")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusUnsupportedMediaType, resp.StatusCode)
}

// TestAChunkedQueryWithoutAnEndIsCut.
func TestAChunkedQueryWithoutAnEndIsCut(t *testing.T) {
	a := newAsking(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.server.URL+"/api/things/$query", unending{})
	require.NoError(t, err)
	req.Header.Set("Content-Type", plainText)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
}

type unending struct{}

func (unending) Read(p []byte) (int, error) { return copy(p, url.QueryEscape("$top=1&")), nil }

// TestALinkInAnErrorIsGoodToo: what a refusal offers instead is kept as any other question.
func TestALinkInAnErrorIsGoodToo(t *testing.T) {
	a := newAsking(t)
	var offered string
	host, err := web.Serve(web.NewLogger(a.log, slog.LevelInfo), "", function("things", "things/{id?}", `"get","post"`,
		web.Operation{Role: web.RoleRead, Parameters: []web.Parameter{web.Text("who", "")},
			Do: func(_ context.Context, r web.Request) (web.Answer, error) {
				if len(r.Query.Text("who")) < 7_000 {
					return web.Object(map[string]string{"id": "small"}), nil
				}
				offered = r.Link(map[string]string{"who": strings.Repeat("y", 6_500)})
				return web.Answer{}, web.Refuse("it is too much", "ask "+offered)
			}}))
	require.NoError(t, err)
	host.KeepQuestions(questions.New(a.kept, time.Now))
	a.server.Config.Handler = host
	got := a.ask(http.MethodPost, "/api/things/$query", plainText, "who="+strings.Repeat("x", 7_500))
	require.Equal(t, http.StatusBadRequest, got.status)
	require.Less(t, len(offered), 6<<10)
	require.Contains(t, got.Error.Message, offered)
	require.Equal(t, http.StatusOK, a.get(offered).status)
	a.kept.broken = &entra.Error{Code: entra.CodeUnavailable, Doing: "keep a question"}
	got = a.ask(http.MethodPost, "/api/things/$query", plainText, "who="+strings.Repeat("x", 7_500))
	require.Equal(t, http.StatusServiceUnavailable, got.status, "a link that leads nowhere is not given")
}

// TestAKilledProcessLosesNoLinkThatItGave: another one answers it, and what was kept for an answer
// that nobody had is asked for by nobody.
func TestAKilledProcessLosesNoLinkThatItGave(t *testing.T) {
	a := newAsking(t)
	link := a.ask(http.MethodPost, "/api/things/$query", plainText, "$filter="+strings.Repeat("x", 7_000)).Next
	a.server.CloseClientConnections()
	other := newAsking(t)
	_, query, _ := strings.Cut(link, "?")
	require.Equal(t, http.StatusGone, other.get("/api/things?"+query).status, "another archive does not know it")
	other.kept.rows = a.kept.rows
	got := other.get("/api/things?" + query)
	require.Equal(t, http.StatusOK, got.status)
	require.Len(t, got.Filter, 7_000)
}
