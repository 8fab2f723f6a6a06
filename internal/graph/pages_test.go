package graph_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
)

// TestEveryRequestAsksForEveryMemberOfEnums: a next link does not remember a header.
func TestEveryRequestAsksForEveryMemberOfEnums(t *testing.T) {
	graphs := newScript(t, step{"1", "/v1.0/x?a"}.page, failing(503, "x"), body(onePage))
	client := graphs.client(t, nil)
	of := graph.NewDirectory(client)
	_, err := read(t.Context(), client, logs.SignInsInteractiveUser)
	require.NoError(t, err)
	_, err = of.Objects(t.Context(), about(collections.Users), "")
	require.NoError(t, err)
	_, err = of.Objects(t.Context(), about(collections.Users), graphs.URL+"/v1.0/users?$skiptoken=a")
	require.NoError(t, err)
	prober := graph.Prober{Logs: client, Directory: of}
	require.NoError(t, prober.ProbeStream(t.Context(), logs.SignInsInteractiveUser))
	require.NoError(t, prober.ProbeDirectory(t.Context(), about(collections.Applications).Collection))
	_, _, err = prober.RiskDisclosed(t.Context())
	require.NoError(t, err)
	_, err = client.Now(t.Context())
	require.NoError(t, err)
	require.Len(t, graphs.requests, 9)
	for _, r := range graphs.requests {
		require.Equal(t, []string{"include-unknown-enum-members"}, r.Header["Prefer"], r.URL)
	}
	form := logs.Of(logs.SignInsInteractiveUser).Form()
	for _, n := range []int{0, 5, 7} {
		require.Equal(t, "/"+form+"/auditLogs/signIns", graphs.requests[n].URL.Path, "the richest form is probed, too")
	}
	require.Equal(t, "1", graphs.requests[5].URL.Query().Get("$top"))
	require.Equal(t, "/v1.0/", graphs.requests[8].URL.Path)
}

// TestWhatIsOddInAPageArrivesAsItIs has records between braces and commas that are the page's.
func TestWhatIsOddInAPageArrivesAsItIs(t *testing.T) {
	const dated = `"createdDateTime":"2026-11-20T15:00:00Z"`
	cases := map[string]struct {
		records []string
		ids     []string // of those that can be filed
		rest    error    // why the others can't
	}{
		"properties of next year": {[]string{`{"id":"a",` + dated +
			`,"agent2027":{"x":[{"y":null}]},"@odata.etag":"W/1"}`}, []string{"a"}, nil},
		"unknown members of enums": {[]string{`{"id":"a",` + dated +
			`,"riskState":"unknownFutureValue","riskDetail":"m365DAdminDismissed9"}`}, []string{"a"}, nil},
		"nulls": {[]string{`{"id":"a",` + dated +
			`,"status":null,"userId":null,"appliedConditionalAccessPolicies":[null]}`}, []string{"a"}, nil},
		"numbers beyond 2^53": {[]string{`{"id":"a",` + dated +
			`,"n":9007199254740993,"m":-1.10e+400,"status":{"errorCode":99999999999}}`}, []string{"a"}, nil},
		"duplicate keys": {[]string{`{"id":"a",` + dated + `,"id":"b","userId":"1","userId":"2"}`},
			[]string{"a"}, nil},
		"lone surrogates": {[]string{`{"id":"a",` + dated +
			`,"userDisplayName":"\ud83d x \uDE00","appDisplayName":"\u0000"}`}, []string{"a"}, nil},
		"bytes that are no UTF-8": {[]string{`{"id":"a",` + dated + `,"userDisplayName":"` + "\xff\xc0" + `"}`},
			[]string{"a"}, nil},
		"two forms of a record": {[]string{`{"id":"a",` + dated + `}`, `{"id":"a",` + dated +
			`,"signInEventTypes":["interactiveUser"]}`}, []string{"a", "a"}, nil},
		"a record twice": {[]string{`{"id":"a",` + dated + `}`, `{"id":"a",` + dated + `}`},
			[]string{"a", "a"}, nil},
		"blanks": {[]string{"{ \"id\" :\t\"a\",\r\n" + dated + " }"}, []string{"a"}, nil},
		"a record of 2 MB": {[]string{`{"id":"a",` + dated + `,"x":"` + strings.Repeat("é", 1<<20) + `"}`},
			[]string{"a"}, nil},
		"every record empty":    {[]string{"{}", "{}", "{ }"}, nil, entra.ErrNoID},
		"every record null":     {[]string{"null", "null"}, nil, entra.ErrNoObject},
		"an id that is no text": {[]string{`{"id":7,` + dated + `}`}, nil, entra.ErrNoID},
		"a time that is none":   {[]string{`{"id":"a","createdDateTime":"soon"}`}, nil, entra.ErrNoTime},
		"a list within a page": {[]string{`{"id":"a",` + dated + `,"value":[{"id":"x"}],"error":{"code":"x"}}`},
			[]string{"a"}, nil},
		"a link within a record": {[]string{`{"id":"a",` + dated + `,"@odata.nextLink":"https://evil.example"}`},
			[]string{"a"}, nil},
		"one good among three": {[]string{`{}`, `{"id":"a",` + dated + `}`, `{}`}, []string{"a"}, entra.ErrNoID},
		"nothing":              {nil, nil, nil},
		"names of the page's frame": {[]string{`{"id":"a",` + dated + `,"note":"\"value\":[] \"@odata.nextLink\":1"}`},
			[]string{"a"}, nil},
	}
	for name, c := range cases {
		for frame, text := range map[string]string{
			"usual": `{"@odata.context":"x","value":[%]}`, "marked": "\xef\xbb\xbf" + `{"value":[%]}`,
			"indented":     "\n{\n \"value\": [\n%\n ],\n \"@odata.nextLink\": null }\n",
			"of next year": `{"@odata.deltaLink":"x","value":[%],"warnings":[{"value":[1]}],"@odata.nextLink":""}`,
		} {
			t.Run(name+", "+frame, func(t *testing.T) {
				graphs := newScript(t, body(strings.Replace(text, "%", strings.Join(c.records, ","), 1)))
				var records, ids []string
				for page, err := range graphs.client(t, nil).Pages(t.Context(),
					entra.Query{Stream: logs.SignInsInteractiveUser, From: from, To: to}) {
					require.NoError(t, err)
					for _, rec := range page.Records {
						records = append(records, string(rec.Raw))
						require.Equal(t, entra.HashOf(rec.Raw), rec.Hash)
						if rec.Err == nil {
							ids = append(ids, rec.ID)
						} else {
							require.ErrorIs(t, rec.Err, c.rest)
						}
					}
				}
				require.Equal(t, c.records, records)
				require.Equal(t, c.ids, ids)
				require.Len(t, graphs.requests, 1)
			})
		}
	}
}

// TestAPageThatIsReadInPartIsNone is about what the scanner would go over in silence.
func TestAPageThatIsReadInPartIsNone(t *testing.T) {
	const a, b = `{"id":"a"}`, `{"id":"b"}`
	for name, text := range map[string]string{
		"two lists":                `{"value":[` + a + `],"value":[` + b + `]}`,
		"a list and an empty one":  `{"value":[` + a + `],"value":[]}`,
		"an empty list and one":    `{"value":[],"value":[` + a + `]}`,
		"a link that is an object": `{"@odata.nextLink":{"href":"x"},"value":[` + a + `]}`,
		"a link that is a number":  `{"value":[` + a + `],"@odata.nextLink":2}`,
		"a link, and none": `{"@odata.nextLink":"https://graph.example/x","value":[` + a +
			`],"@odata.nextLink":null}`,
		"a mark in the middle":            `{"value":` + "\xef\xbb\xbf" + `[` + a + `]}`,
		"two marks":                       "\xef\xbb\xbf\xef\xbb\xbf" + onePage,
		"two pages":                       onePage + onePage,
		"a list within an object":         `{"value":{"value":[` + a + `]}}`,
		"an error beside the list":        `{"value":[` + a + `],"error":{"code":"x"}}`,
		"an error in place of the record": `{"value":[{"error":{"code":"x"}}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			graphs := newScript(t, body(text), body(onePage))
			records, err := read(t.Context(), graphs.client(t, nil), logs.SignInsInteractiveUser)
			require.NoError(t, err)
			require.Equal(t, []string{`{"id":"a","n":1.10}`, `{"id":"b","n":null}`}, records, "it is asked for again")
			require.Len(t, graphs.requests, 2)
		})
	}
}

func TestAMarkBeforeAnErrorOrTheDirectoryIsGoneBy(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	graphs := newScript(t, status(http.StatusForbidden, nil, mark+`{"error":{"code":"`+premium+`","message":"m"}}`))
	_, err := read(t.Context(), graphs.client(t, nil), logs.SignInsInteractiveUser)
	require.Equal(t, entra.CodeLicence, entra.CodeOf(err))
	graphs = newScript(t, body(mark+onePage))
	page, err := graph.NewDirectory(graphs.client(t, nil)).Objects(t.Context(), about(collections.Applications), "")
	require.NoError(t, err)
	require.Len(t, page.Items, 2)
}
