package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/web"
)

// answering serves one function and gives what is logged.
func answering(t *testing.T, operations ...web.Operation) (*httptest.Server, *logged) {
	var log logged
	host, err := web.Serve(web.NewLogger(&log, slog.LevelInfo), "", function("things", "things/{view?}", `"get"`,
		operations...))
	require.NoError(t, err)
	server := httptest.NewServer(host)
	t.Cleanup(server.Close)
	return server, &log
}

func fails(err error) web.Operation {
	return web.Operation{Role: web.RoleRead, Do: func(context.Context, web.Request) (web.Answer, error) {
		return web.Answer{}, err
	}}
}

func TestAnErrorIsWrittenAndLoggedOnce(t *testing.T) {
	for name, c := range map[string]struct {
		err    error
		status int
		level  string
		says   string // in the log
	}{
		"the caller's": {&entra.Error{Code: entra.CodeNotFound, Doing: "find somebody@contoso.com"}, 404, "INFO", ""},
		"ours":         {errors.New("AccountKey=abc"), 500, "ERROR", "AccountKey=abc"},
		"another's":    {&entra.Error{Code: entra.CodeUnavailable, Doing: "read x"}, 503, "WARN", "read x"},
	} {
		t.Run(name, func(t *testing.T) {
			server, log := answering(t, fails(c.err))
			status, _, _ := call(t, server, http.MethodGet, "/api/things", "")
			require.Equal(t, c.status, status)
			require.Equal(t, 1, strings.Count(log.String(), "\n"), "%s", log)
			var line struct {
				Level, Msg, Function, Method, Code, Error, InvocationID string
				Status                                                  int
			}
			require.NoError(t, json.Unmarshal([]byte(log.String()), &line))
			require.Equal(t, c.level, line.Level)
			require.Equal(t, c.status, line.Status)
			require.Equal(t, c.says, line.Error, "what the caller can mend may name somebody")
			require.Equal(t, []string{"things", "GET", "5c2e"}, []string{line.Function, line.Method, line.InvocationID})
		})
	}
}

func TestWhatFailsWithinAFileCutsTheConnectionAndIsLogged(t *testing.T) {
	type row struct {
		Name string `json:"name"`
	}
	rows := func(before int) web.Operation {
		return web.Operation{Role: web.RoleRead, Do: func(context.Context, web.Request) (web.Answer, error) {
			return web.File("rows.csv", nil, func(yield func(row) error) error {
				for range before {
					if err := yield(row{"a"}); err != nil {
						return err
					}
				}
				return &entra.Error{Code: entra.CodeUnavailable, Doing: "read on"}
			}), nil
		}}
	}
	server, log := answering(t, rows(0))
	status, _, _ := call(t, server, http.MethodGet, "/api/things", "")
	require.Equal(t, http.StatusServiceUnavailable, status, "nothing was written")
	require.Contains(t, log.String(), `"msg":"request failed"`)

	server, log = answering(t, rows(3))
	resp, err := http.Get(server.URL + "/api/things")
	require.NoError(t, err)
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	require.Error(t, err, "half a file must not look like a whole one")
	require.Equal(t, 1, strings.Count(log.String(), "\n"), "%s", log)
	require.Contains(t, log.String(), `"msg":"a download broke off","error":"read on`)
}

// TestHEADHasTheHeadersOfGETAndReadsNothing for a body that nobody asked for.
func TestHEADHasTheHeadersOfGETAndReadsNothing(t *testing.T) {
	parts := 0
	server, log := answering(t, web.Operation{Role: web.RoleRead, Do: func(context.Context, web.Request) (web.Answer,
		error) {
		return web.Stream(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Content-Type", "text/csv")
			for range 1000 {
				parts++
				if _, err := io.WriteString(w, "a row\n"); err != nil {
					return fmt.Errorf("write a row: %w", err)
				}
			}
			return nil
		}), nil
	}})
	resp, err := http.Head(server.URL + "/api/things")
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, "text/csv", resp.Header.Get("Content-Type"))
	require.Equal(t, 1, parts)
	require.Empty(t, log.String(), "it is no broken download")
}

func TestAWordInThePathIsAQuestionOfItsOwn(t *testing.T) {
	says := func(given, word, text string) web.Operation {
		return web.Operation{Given: given, Word: word, Role: web.RoleRead,
			Do: func(_ context.Context, r web.Request) (web.Answer, error) {
				return web.Object(map[string]string{"is": text + r.Path("view")}), nil
			}}
	}
	server, _ := answering(t, says("", "", "all"), says("view", "summary", "counts: "))
	for path, want := range map[string]string{"/api/things": "all", "/api/things/": "all",
		"/API/Things/summary": "counts: summary"} {
		_, _, answer := call(t, server, http.MethodGet, path, "")
		require.Equal(t, want, answer["is"], path)
	}
	status, _, answer := call(t, server, http.MethodGet, "/api/things/other", "")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "find things/other: there is no such view; there is things/summary",
		answer["error"].(map[string]any)["message"])

	server, _ = answering(t, says("", "", "all"), says("view", "", "one: "), says("view", "summary", "counts: "))
	_, _, answer = call(t, server, http.MethodGet, "/api/things/other", "")
	require.Equal(t, "one: other", answer["is"])
	_, _, answer = call(t, server, http.MethodGet, "/api/things/summary", "")
	require.Equal(t, "counts: summary", answer["is"], "in whatever order they are declared")
}

func TestWhatThePathNamesIsLookedForBeforeTheQueryIsRead(t *testing.T) {
	server, _ := answering(t, web.Operation{Given: "view", Role: web.RoleRead,
		Parameters: []web.Parameter{web.Whole("days", 1, 1, 9, "Days")},
		Find: func(_ context.Context, r web.Request) error {
			if r.Path("view") == "known" {
				return nil
			}
			return &entra.Error{Code: entra.CodeNotFound, Doing: "find " + r.Path("view")}
		},
		Do: func(_ context.Context, r web.Request) (web.Answer, error) {
			return web.Object(map[string]int{"days": r.Query.Int("days")}), nil
		},
	})
	status, _, _ := call(t, server, http.MethodGet, "/api/things/unknown?days=x", "")
	require.Equal(t, http.StatusNotFound, status)
	status, _, _ = call(t, server, http.MethodGet, "/api/things/known?days=x", "")
	require.Equal(t, http.StatusBadRequest, status)
	_, _, answer := call(t, server, http.MethodGet, "/api/things/known", "")
	require.EqualValues(t, 1, answer["days"])
}

func TestAListKeepsItsOrderOfKeys(t *testing.T) {
	type about struct {
		Before string `json:"before"`
	}
	list := web.List[json.RawMessage]{Of: "things", About: about{"<x>"}, Count: new(int64(2)),
		NextLink: "https://x/?a=1&b=2",
		Value:    []json.RawMessage{[]byte(`{"a": 1}`), []byte(`{}`)}}
	body, err := list.JSON("https://x/$metadata#things")
	require.NoError(t, err)
	require.Equal(t, `{"@odata.context":"https://x/$metadata#things","before":"<x>","@odata.count":2,"@odata.nextLink":"https://x/?a=1&b=2",`+
		`"value":[{"a": 1},{}]}`, string(body), "a row that is JSON stands as it is")
	empty, err := web.List[int]{}.JSON("x")
	require.NoError(t, err)
	require.Equal(t, `{"@odata.context":"x","value":[]}`, string(empty))
}

func TestAFunctionJSONThatCannotBeServedIsRefused(t *testing.T) {
	for says, f := range map[string]web.Function{
		"read function.json of f": {Name: "f", Trigger: []byte("{")},
		"it has no trigger that this app knows": {Name: "f",
			Trigger: []byte(`{"bindings":[{"type":"queueTrigger"}]}`)},
		`serve f: read route "api/{a": part "{a" is`: function("f", "{a", `"get"`),
	} {
		_, err := web.Serve(slog.New(slog.DiscardHandler), "", f)
		require.ErrorContains(t, err, says)
	}
}
