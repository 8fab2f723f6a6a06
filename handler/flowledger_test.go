package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/stretchr/testify/require"
)

// flowLedger is the app as a flow reaches it: through the operations of a custom connector, with
// the key of its connection.
type flowLedger struct {
	url        string
	key        string
	operations map[string]flowOperation
}

// flowOperation is one of a connector, with where each parameter of a flow goes: path, query or
// body. A property of the body is body/<name> in a flow.
type flowOperation struct {
	method, path string
	in           map[string]string
}

// call calls an operation. A parameter that is null is left out; one that the connector doesn't
// have fails the test.
func (l flowLedger) call(f *flow, id string, params map[string]any) flowAnswer {
	op, ok := l.operations[id]
	require.True(f, ok, "the connector has no operation %s", id)
	path, query, body := op.path, url.Values{}, map[string]any{}
	for name, value := range params {
		require.Contains(f, op.in, name, "a parameter of %s", id)
		switch {
		case value == nil:
		case op.in[name] == "path":
			path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(asText(value)))
		case op.in[name] == "query":
			query.Set(name, asText(value))
		default:
			body[strings.TrimPrefix(name, "body/")] = value
		}
	}
	var content io.Reader
	if op.method != http.MethodGet {
		encoded, err := json.Marshal(body)
		require.NoError(f, err)
		content = bytes.NewReader(encoded)
	}
	req, err := http.NewRequest(op.method, l.url+path+"?"+query.Encode(), content)
	require.NoError(f, err)
	req.Header.Set("x-functions-key", l.key)
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return l.send(f, req)
}

// follow asks the address that a 202 has named. A flow does so without the key of its connection, as
// github.com/MicrosoftDocs/architecture-center/issues/4307 has it.
func (l flowLedger) follow(f *flow, location string) flowAnswer {
	req, err := http.NewRequest(http.MethodGet, location, nil)
	require.NoError(f, err)
	return l.send(f, req)
}

func (l flowLedger) send(f *flow, req *http.Request) flowAnswer {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return flowAnswer{}
	}
	defer resp.Body.Close()
	content, err := io.ReadAll(resp.Body)
	if err != nil {
		return flowAnswer{}
	}
	got := flowAnswer{status: resp.StatusCode, headers: map[string]any{}}
	for name := range resp.Header {
		got.headers[name] = resp.Header.Get(name)
	}
	if err := json.Unmarshal(content, &got.body); err != nil {
		got.body = string(content)
	}
	return got
}

// contractOperations are those that the two flows call, as the app describes them in docs/http.md.
func contractOperations() map[string]flowOperation {
	list := func(path string, params ...string) flowOperation {
		op := flowOperation{http.MethodGet, path, map[string]string{}}
		for _, name := range slices.Concat(params, []string{"reader", "$top", "$skiptoken"}) {
			op.in[name] = "query"
		}
		return op
	}
	return map[string]flowOperation{
		"ListInactiveUsers": list("/api/inactive-users", "days", "enabled", "exclude"),
		"ListExpiringCredentials": list("/api/expiring-credentials", "state", "withinDays", "successor",
			"selfRotating"),
		"AdvanceReader": {http.MethodPost, "/api/readers/{name}",
			map[string]string{"name": "path", "body/cursor": "body"}},
	}
}
