package web_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// TestWhatTheCallerSentIsNotLoggedOfAFailure in whatever form it stands in the error's text.
func TestWhatTheCallerSentIsNotLoggedOfAFailure(t *testing.T) {
	const name = "Jane.O'Doe+x@contoso.com"
	for text, want := range map[string]string{
		"read user " + name + " from rows":                                  "read user {view} from rows",
		`Get "https://x/t(RowKey='jane.o''doe+x@contoso.com')": reset`:      `Get \"https://x/t(RowKey='{view}')\": reset`,
		"read https://x/" + url.PathEscape(name) + ": reset":                "read https://x/{view}: reset",
		"read https://x/" + url.QueryEscape(url.QueryEscape(name)) + "?sig": "read https://x/{view}?sig",
		"read user*3Ajane*2Eo*27doe*2Bx*40contoso*2Ecom":                    "read user*3A{view}",
		"look for second@contoso.com, and for 4711-a and Łó": "look for {exclude}, and for " +
			"{exclude} and {exclude}",
		"Limited list of 12 rows for Li; 30 days": "Limited list of 12 rows for " +
			"{exclude}; 30 days",
		"filter O'Brien of Sales":                                "filter {exclude} of {$filter}",
		"somebody.else@fabrikam.com is beside it, and a%40b.org": "{address} is beside it, and {address}",
		"key 5EcRet of code":                                     "key {query} of {query}",
		"read the rows: the table is cut off; wait": "read the rows: the " +
			"table is cut off; wait",
	} {
		server, log := answering(t, web.Operation{Given: "view", Role: web.RoleRead,
			Parameters: []web.Parameter{web.Text("exclude", ""), web.Text("$filter", ""),
				web.Whole("days", 1, 1, 90, "")},
			Do: func(context.Context, web.Request) (web.Answer, error) {
				return web.Answer{}, &entra.Error{Code: entra.CodeUnavailable, Doing: text}
			}})
		query := url.Values{"exclude": {"second@contoso.com, 4711-a,Łó,Li,O'Brien"},
			"$filter": {"department eq 'Sales'"},
			"days":    {"30"}, "code": {"5EcRet"}}
		status, _, answer := call(t, server, http.MethodGet, "/api/things/"+url.PathEscape(name)+"?"+query.Encode(), "")
		require.Equal(t, http.StatusServiceUnavailable, status)
		require.Equal(t, text, answer["error"].(map[string]any)["message"], "the caller has the words")
		require.Contains(t, log.String(), `"error":"`+want+`"`)
	}
}

// TestWhatTheCallerSentIsNotLoggedOfOtherEnds: where the query was not read yet, of a body, of a
// panic, and of a file that broke off.
func TestWhatTheCallerSentIsNotLoggedOfOtherEnds(t *testing.T) {
	const name = "jane@contoso.com"
	find := web.Operation{Given: "view", Role: web.RoleRead, Find: func(context.Context, web.Request) error {
		return errors.New("look for jane, by 1 of a-name and of true")
	}}
	server, log := answering(t, find)
	call(t, server, http.MethodGet, "/api/things/"+name+"?who=jane&a-name=true", "")
	require.Contains(t, log.String(), `"error":"look for {query}, by 1 of {query} and of {query}"`)

	body := web.Operation{Role: web.RoleRead, Do: func(_ context.Context, r web.Request) (web.Answer, error) {
		var asked struct {
			Name  string
			Names []string
		}
		require.NoError(t, r.ReadBody(&asked))
		return web.Answer{}, errors.New("the names " + asked.Name + " and " + asked.Names[0])
	}}
	server, log = answering(t, body)
	call(t, server, http.MethodGet, "/api/things", `{"name":"jane","names":["joan"]}`)
	require.Contains(t, log.String(), `"error":"the names {body} and {body}"`)

	panics := web.Operation{Given: "view", Role: web.RoleRead}
	panics.Do = func(_ context.Context, r web.Request) (web.Answer, error) {
		panic("no " + r.Path("view"))
	}
	server, log = answering(t, panics)
	call(t, server, http.MethodGet, "/api/things/"+name, "")
	require.Contains(t, log.String(), `"path":"/api/things/{view}","cause":"no {view}"`)
	require.NotContains(t, log.String(), "jane")

	breaks := web.Operation{Given: "view", Role: web.RoleRead}
	breaks.Do = func(_ context.Context, r web.Request) (web.Answer, error) {
		return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
			_, err := w.Write([]byte("a"))
			return errors.Join(err, errors.New("read on for "+r.Path("view")))
		}), nil
	}
	server, log = answering(t, breaks)
	resp, err := http.Get(server.URL + "/api/things/" + name)
	if err == nil {
		resp.Body.Close()
	}
	server.Close()
	require.Contains(t, log.String(), `"msg":"a download broke off","error":"read on for {view}"`)
}

// TestALogLineOfAPostedQueryCostsLittle: it may have thousands of values, of which an error has few.
func TestALogLineOfAPostedQueryCostsLittle(t *testing.T) {
	server, log := answering(t, web.Operation{Given: "view", Role: web.RoleRead,
		Parameters: []web.Parameter{web.Text("$filter", "")}, Do: func(context.Context, web.Request) (web.Answer,
			error) {
			return web.Answer{}, &entra.Error{Code: entra.CodeUnavailable, Doing: "look for Name4999"}
		}})
	var names strings.Builder
	for n := range 5_000 {
		fmt.Fprintf(&names, ",'name%d'", n)
	}
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/things/x", nil)
	req.URL.RawQuery = url.Values{"$filter": {names.String()}}.Encode() // longer than an address is
	allocated := testing.AllocsPerRun(1, func() { server.Config.Handler.ServeHTTP(httptest.NewRecorder(), req) })
	require.Contains(t, log.String(), `"error":"look for {$filter}"`)
	require.Less(t, allocated, 60_000.0, "no pattern is made of a value that is not there")
}
