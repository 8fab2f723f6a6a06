package web_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web"
)

type line struct {
	Name string `json:"name"`
}

func lines(context.Context, web.Request) (web.Answer, error) {
	return web.List[line]{Of: "things", Value: []line{{"a"}}, File: "things"}.Answer(), nil
}

func TestAFileIsAskedForByItsFormatOrByWhatIsAccepted(t *testing.T) {
	server, _ := answering(t, web.Operation{Role: web.RoleRead, Parameters: []web.Parameter{web.Format()}, Do: lines})
	for _, c := range []struct{ query, accept, is string }{
		{"", "", "json"}, {"", "text/csv", "csv"}, {"", "text/csv; charset=utf-8", "csv"},
		{"", "application/json", "json"},
		{"?$format=", "", "json"}, {"?$format=", "text/csv", "csv"}, {"?$format", "text/csv", "csv"},
		{"?$format=json", "text/csv", "json"}, {"?$format=csv", "application/json", "csv"},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/api/things"+c.query, nil)
		require.NoError(t, err)
		req.Header.Set("Accept", c.accept)
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Contains(t, resp.Header.Get("Content-Type"), c.is, "%v", c)
	}
	status, _, answer := call(t, server, http.MethodGet, "/api/things?$format=CSV", "")
	require.Equal(t, http.StatusBadRequest, status)
	require.Contains(t, answer["error"].(map[string]any)["message"], "accepted are json and csv")
}

// TestNothingBesideWordsIsTakenWhereAListIsStrict and elsewhere what is empty is passed over.
func TestNothingBesideWordsIsTakenWhereAListIsStrict(t *testing.T) {
	loose := web.Words("loose", "", "", "a", "b")
	strict := web.Words("strict", "", "", "a", "b")
	strict.Strict = true
	server, _ := answering(t, web.Operation{Role: web.RoleRead, Parameters: []web.Parameter{loose, strict},
		Do: func(_ context.Context, r web.Request) (web.Answer, error) {
			return web.Object(map[string]any{"is": append(r.Query.List("loose"), r.Query.List("strict")...)}), nil
		}})
	for text, c := range map[string]struct{ loose, strict bool }{
		"a": {true, true}, "a,b": {true, true}, "a,": {true, false}, ",a": {true, false}, "a,,b": {true, false},
		"a, b": {true, false}, "": {false, false}, ",": {false, false}, "a,c": {false, false}, "A": {false, false},
	} {
		for name, fits := range map[string]bool{"loose": c.loose, "strict": c.strict} {
			status, _, answer := call(t, server, http.MethodGet, "/api/things?"+name+"="+url.QueryEscape(text), "")
			require.Equal(t, fits, status == http.StatusOK, "%s=%s", name, text)
			if fits {
				require.Equal(t, strings.FieldsFunc(text, func(c rune) bool {
					return c == ',' || c == ' '
				}), texts(answer["is"]))
			}
		}
	}
	_, _, answer := call(t, server, http.MethodGet, "/api/things?strict=a,c", "")
	require.Equal(t, `read the query: strict is "a,c"; accepted is one or several of a, b, with commas between`,
		answer["error"].(map[string]any)["message"])
}

func texts(list any) []string {
	var out []string
	for _, item := range list.([]any) {
		out = append(out, item.(string))
	}
	return out
}

// TestALinkHoldsNoKeyOfItsCaller and all else that was asked.
func TestALinkHoldsNoKeyOfItsCaller(t *testing.T) {
	server, _ := answering(t, web.Operation{Given: "view", Role: web.RoleRead,
		Parameters: []web.Parameter{web.Text("who", ""), web.SkipToken()},
		Do: func(_ context.Context, r web.Request) (web.Answer, error) {
			return web.List[line]{Of: "things", NextLink: r.NextLink("next")}.Answer(), nil
		}})
	const asked = "/api/things/a%2Fb?code=5ecret&who=x%26y&clientId=default&$skiptoken=before"
	_, _, answer := call(t, server, http.MethodGet, asked, "")
	require.Equal(t, server.URL+"/api/things/a%2Fb?%24skiptoken=next&who=x%26y", answer["@odata.nextLink"])
}

// TestAWordIsListedOnce: of each record thousands of them would be compared with each property.
func TestAWordIsListedOnce(t *testing.T) {
	server, _ := limited(t, web.DefaultLimits(), function("lists", "lists", `"get"`, web.Operation{Role: web.RoleRead,
		Parameters: []web.Parameter{web.Select(nil)},
		Do: func(_ context.Context, r web.Request) (web.Answer, error) {
			return web.Object(map[string]any{"is": r.Query.List("$select")}), nil
		}}))
	_, _, answer := call(t, server, http.MethodGet, "/api/lists?$select=id,b,"+strings.Repeat("id,", 2000), "")
	require.Equal(t, []any{"id", "b"}, answer["is"])
}
