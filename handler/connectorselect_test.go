package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/go-openapi/loads"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/dev/simtenant"
)

func takes(op operation, name string) bool {
	for _, p := range op.Parameters {
		if p.Name == name {
			return true
		}
	}
	return false
}

// selectEach asks for each property by itself, of which call checks that it fits the schema. whole
// is the answer without $select: it has all that each row always has.
func (p *process) selectEach(doc *loads.Document, op operation, path examples, whole called) {
	p.Helper()
	schema := op.Responses.StatusCodeResponses[http.StatusOK].Schema
	if value, ok := schema.Properties["value"]; ok {
		schema = value.Items.Schema
	}
	names := map[string]bool{}
	for name := range schema.Properties {
		names[name] = true
	}
	require.NotEmpty(p, rowsOf(p.T, whole))
	for _, row := range rowsOf(p.T, whole) {
		for _, name := range alwaysThere(p.T, op.ID) {
			require.Contains(p, row, name, "%s", op)
		}
		for name := range row { // a record has more than its schema says
			names[name] = true
		}
	}
	found := map[string]bool{}
	for name := range names {
		if strings.HasPrefix(name, "@") { // what the archive says of a row is no property
			continue
		}
		got := p.call(doc, op, path, url.Values{"$select": {name}})
		require.Equal(p, http.StatusOK, got.status, "%s %s: %s", op, name, got.body)
		for _, row := range rowsOf(p.T, got) {
			delete(row, "@odata.context") // of an object, which says what it is
			require.Subset(p, []string{name}, slices.Collect(maps.Keys(row)), "%s", op)
			found[name] = found[name] || len(row) == 1
		}
	}
	for name := range rowsOf(p.T, whole)[0] {
		require.True(p, found[name] || strings.HasPrefix(name, "@"), "%s: $select=%s finds nothing", op, name)
	}
}

// rowsOf are the rows of a list, or the one object that is no list.
func rowsOf(t *testing.T, got called) []map[string]any {
	var list struct{ Value []map[string]any }
	require.NoError(t, json.Unmarshal(got.body, &list))
	if list.Value != nil {
		return list.Value
	}
	var one map[string]any
	require.NoError(t, json.Unmarshal(got.body, &one))
	return []map[string]any{one}
}

// alwaysThere are the keys that a row of an operation has whatever it is of. Its schema requires
// none of them where a caller may leave them out.
func alwaysThere(t *testing.T, id string) []string {
	for _, f := range functions.All(functions.Parts{}) {
		for _, o := range f.Operations {
			if o.ID != id {
				continue
			}
			if o.Answers.Rows != nil {
				return always(reflect.TypeOf(o.Answers.Rows))
			}
			return always(reflect.TypeOf(o.Answers.Is))
		}
	}
	require.Fail(t, "no such operation", id)
	return nil
}

func always(row reflect.Type) []string {
	var out []string
	for i := range row.NumField() {
		field := row.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Anonymous && field.Type.Kind() == reflect.Struct:
			out = append(out, always(field.Type)...)
		case field.Anonymous:
		case !strings.Contains(options, "omitempty") || field.Tag.Get("always") == "true":
			out = append(out, name)
		}
	}
	return out
}

// TestAWrongKeyShowsWhenAConnectionIsMade: Power Automate asks what the definition names as
// testConnection, of an app that has archived nothing yet and taken no snapshot.
func TestAWrongKeyShowsWhenAConnectionIsMade(t *testing.T) {
	text, err := os.ReadFile(definition)
	require.NoError(t, err)
	var named struct {
		Capabilities struct {
			TestConnection struct{ OperationID string }
		} `json:"x-ms-capabilities"`
	}
	require.NoError(t, json.Unmarshal(text, &named))
	doc := connector(t)
	ops := operations(doc)
	i := slices.IndexFunc(ops, func(o operation) bool { return o.ID == named.Capabilities.TestConnection.OperationID })
	require.GreaterOrEqual(t, i, 0)

	h := newSystem(t, simtenant.Config{}).behindTheHost()
	ask := func(key string) (int, string) {
		req, err := http.NewRequestWithContext(t.Context(), ops[i].method, h.host.URL()+doc.BasePath()+ops[i].path, nil)
		require.NoError(t, err)
		if key != "" {
			req.Header.Set("x-functions-key", key)
		}
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return resp.StatusCode, string(body)
	}
	status, _ := ask("")
	require.Equal(t, http.StatusUnauthorized, status)
	status, _ = ask("devfunctionkez")
	require.Equal(t, http.StatusUnauthorized, status)
	status, body := ask("devfunctionkey")
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"value":[{`)
}
