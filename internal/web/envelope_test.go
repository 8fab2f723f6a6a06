package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/web"
)

func TestABodyThatDoesNotFitIsRefusedWithoutNamesOfTypes(t *testing.T) {
	type asked struct {
		Name  string   `json:"name"`
		Names []string `json:"names"`
		Most  int      `json:"most"`
		Whole bool     `json:"whole"`
		Of    struct {
			Kind string `json:"kind"`
		} `json:"of"`
	}
	var got error
	read := func(_ context.Context, r web.Request) (web.Answer, error) {
		got = r.ReadBody(new(asked))
		return web.Object(struct{}{}), nil
	}
	server, _ := answering(t, web.Operation{Role: web.RoleRead, Do: read})
	for body, want := range map[string]string{
		``:                     "",
		`{"name": "a"}`:        "",
		`[]`:                   "the body has the JSON type array; object is needed",
		`7`:                    "the body has the JSON type number; object is needed",
		`{"name": 7}`:          `"name" has the JSON type number; string is needed`,
		`{"names": "a"}`:       `"names" has the JSON type string; array is needed`,
		`{"most": "a"}`:        `"most" has the JSON type string; a whole number is needed`,
		`{"most": 1.5}`:        `"most" has the JSON type number; a whole number is needed`,
		`{"whole": {}}`:        `"whole" has the JSON type object; bool is needed`,
		`{"of": true}`:         `"of" has the JSON type bool; object is needed`,
		`{"of": {"kind": 1}}`:  `"of.kind" has the JSON type number; string is needed`,
		`{"other": 1}`:         `json: unknown field "other"`,
		`{`:                    "unexpected EOF",
		`{"name": "a"}{`:       "the body goes on after its JSON value",
		`{"name": "a"} null`:   "the body goes on after its JSON value",
		"{\"name\": \"a\"}\n ": "",
		`{"name": "` + strings.Repeat("a", 70<<10) + `"}`: "http: request body too large",
	} {
		_, _, _ = call(t, server, http.MethodGet, "/api/things", body)
		if want == "" {
			require.NoError(t, got)
			continue
		}
		require.EqualError(t, got, want)
	}
}

func TestAnEnvelopeThatDoesNotFitIsRefusedWithoutNamesOfTypes(t *testing.T) {
	server, _ := serve(t, ok)
	for body, want := range map[string]string{
		`{"Data":"x"}`: `invoke archivelogs: the envelope is not JSON: "Data" has the JSON type string; object is needed`,
		`[]`:           "invoke archivelogs: the envelope is not JSON: it has the JSON type array; object is needed",
	} {
		_, _, answer := call(t, server, http.MethodPost, "/archivelogs", body)
		require.Equal(t, want, answer["error"].(map[string]any)["message"])
	}
}
