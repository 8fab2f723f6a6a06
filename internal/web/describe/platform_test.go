package describe_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/web"
	"github.com/entraledger/entraledger/internal/web/describe"
)

// definition is the connector's OpenAPI, as far as the rules of Power Platform are about it.
type definition struct {
	Info struct{ Title, Description, Version string }
	Host string

	Paths               map[string]map[string]*described
	Definitions         map[string]*schema
	SecurityDefinitions map[string]map[string]any
	Capabilities        struct {
		TestConnection struct {
			OperationID string
			Parameters  map[string]any
		}
	} `json:"x-ms-capabilities"`
}

type described struct {
	Path, Method string `json:"-"`
	ID           string `json:"operationId"`
	Summary      string
	Description  string
	Visibility   *string                        `json:"x-ms-visibility"`
	Pages        *struct{ NextLinkName string } `json:"x-ms-pageable"`
	Parameters   []describedParameter
	Responses    map[string]struct {
		Description string
		Schema      *schema
		Headers     map[string]typed
	}
}

type describedParameter struct {
	Name, In, Description string
	Title                 string `json:"x-ms-summary"`
	Encoding              string `json:"x-ms-url-encoding"`
	Required              bool
	Schema                *schema
	typed
}

type schema struct {
	Ref         string `json:"$ref"`
	Title       string `json:"x-ms-summary"`
	Description string
	Properties  map[string]*schema
	Required    []string
	Items       *schema
	Additional  json.RawMessage `json:"additionalProperties"`
	typed
}

type typed struct {
	Type    string
	Format  string
	Default any
	Enum    []any
}

func definitionOf(t *testing.T) definition {
	text, err := describe.OpenAPI(functions.All(functions.Parts{}))
	require.NoError(t, err)
	var d definition
	require.NoError(t, json.Unmarshal(text, &d))
	require.NotEmpty(t, d.operations())
	return d
}

func (d definition) operations() []*described {
	var out []*described
	for _, path := range slices.Sorted(maps.Keys(d.Paths)) {
		for method, o := range d.Paths[path] {
			o.Path, o.Method = path, method
			out = append(out, o)
		}
	}
	return out
}

func (o *described) takes(name string) bool {
	return slices.ContainsFunc(o.Parameters, func(p describedParameter) bool { return p.Name == name })
}

func (d definition) of(s *schema) *schema {
	if s.Ref == "" {
		return s
	}
	return d.Definitions[strings.TrimPrefix(s.Ref, "#/definitions/")]
}

// each calls do with a schema and all below it, and the path to each.
func (d definition) each(s *schema, path string, do func(string, *schema)) {
	s = d.of(s)
	do(path, s)
	for name, p := range s.Properties {
		d.each(p, path+"."+name, do)
	}
	if s.Items != nil {
		d.each(s.Items, path+"[]", do)
	}
	var values schema
	if len(s.Additional) > 0 && json.Unmarshal(s.Additional, &values) == nil {
		d.each(&values, path+".*", do)
	}
}

// eachSchema calls do with every schema of a body and of an answer.
func (d definition) eachSchema(do func(string, *schema)) {
	for _, o := range d.operations() {
		for _, p := range o.Parameters {
			if p.Schema != nil {
				d.each(p.Schema, o.ID+" body", do)
			}
		}
		for status, r := range o.Responses {
			if r.Schema != nil {
				d.each(r.Schema, o.ID+" "+status, do)
			}
		}
	}
}

// The rules below are those that the validator of Power Platform and the reviewers of
// microsoft/PowerPlatformConnectors refuse by; each names where it is said. Learn is
// learn.microsoft.com/connectors/custom-connectors.

// Learn, connector-string-guidance: at most 30 characters, no "API" and no product of the platform.
// Pull request 3407: neither title nor description may have the restricted words.
func TestTheConnectorsNameHasNoRestrictedWord(t *testing.T) {
	info := definitionOf(t).Info
	require.LessOrEqual(t, len(info.Title), 30)
	require.NotEqual(t, info.Title, info.Description)
	require.NotEmpty(t, info.Description, "pull request 3841, and paconn reads it")
	words := regexp.MustCompile(`(?i)\b(api|connector|power apps|power automate|logic apps|copilot studio)\b`)
	require.NotRegexp(t, words, info.Title)
	require.NotRegexp(t, words, info.Description)
}

// Learn, connector-string-guidance and coding-standards; pull request 1095 has the characters that
// no summary may have.
func TestEveryOperationHasANameAndASentence(t *testing.T) {
	seen := map[string]string{}
	for _, o := range definitionOf(t).operations() {
		require.Regexp(t, regexp.MustCompile(`^[A-Z][A-Za-z0-9]*$`), o.ID)
		require.Empty(t, seen[o.ID], "%s stands twice", o.ID)
		seen[o.ID] = o.Path
		require.Regexp(t, regexp.MustCompile(`^[A-Z].*[A-Za-z0-9]$`), o.Summary, o.ID)
		require.LessOrEqual(t, len(o.Summary), 80, o.ID)
		require.False(t, strings.ContainsAny(o.Summary, `/\<>*%&?`), "%s: %s", o.ID, o.Summary)
		require.Regexp(t, regexp.MustCompile(`^[A-Z].*\.$`), o.Description, o.ID)
		require.NotEqual(t, o.Summary, strings.TrimSuffix(o.Description, "."), o.ID)
	}
}

// A maker can ask every operation: also those that go on with what was answered with 202.
func TestNoOperationIsHiddenFromMakers(t *testing.T) {
	continues := 0
	for _, o := range definitionOf(t).operations() {
		require.Nil(t, o.Visibility, o.ID)
		for status, r := range o.Responses {
			require.Equal(t, status == "202", r.Headers["Location"].Type == "string", "%s %s", o.ID, status)
		}
		if _, later := o.Responses["202"]; later && o.takes("job") {
			continues++
			require.Contains(t, o.Description, web.UntilDone, o.ID)
		}
	}
	require.Positive(t, continues)
}

// powerapps-tools issue 222: paths that differ in capitals alone are one path, as are those whose
// parameters are named otherwise.
func TestNoTwoPathsAreOne(t *testing.T) {
	seen := map[string]string{}
	for path := range definitionOf(t).Paths {
		one := strings.ToLower(regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(path, "{}"))
		require.Empty(t, seen[one], path)
		seen[one] = path
	}
}

// Pull requests 4041 and 4160: each parameter, the body's too, has a title and a description. Learn,
// coding-standards: they differ. apiDefinition.swagger.schema.json has x-ms-url-encoding on
// parameters of the path alone.
func TestEveryParameterHasATitleAndADescription(t *testing.T) {
	bodies := 0
	for _, o := range definitionOf(t).operations() {
		var path []string
		for _, p := range o.Parameters {
			at := o.ID + " " + p.Name
			requireTitle(t, p.Title, p.Description, at)
			require.False(t, strings.EqualFold("$"+p.Title, p.Name), "%s says no more than OData does: %s", at, p.Title)
			switch p.In {
			case "path":
				path = append(path, "{"+p.Name+"}")
				require.True(t, p.Required, at)
				require.Equal(t, "single", p.Encoding, at)
			case "query":
				require.Empty(t, p.Encoding, at)
			case "body":
				bodies++
				require.False(t, strings.HasSuffix(p.Title, "Request"), "%s says no more than its operation: %s", at,
					p.Title)
				require.NotEqual(t, "get", o.Method, "%s: a GET has no body", at)
				require.NotEqual(t, "delete", o.Method, "%s: a DELETE has no body", at)
			default:
				require.Fail(t, "no such place", "%s is in %s", at, p.In)
			}
			if p.In != "body" {
				requireTyped(t, p.typed, at)
			}
		}
		require.ElementsMatch(t, regexp.MustCompile(`\{[^}]*\}`).FindAllString(o.Path, -1), path, o.ID)
	}
	require.Positive(t, bodies)
}

func requireTitle(t *testing.T, title, description, at string) {
	t.Helper()
	require.NotEmpty(t, title, "%s has no x-ms-summary", at)
	require.NotEmpty(t, description, "%s has no description", at)
	require.LessOrEqual(t, len(title), 80, at)
	require.Regexp(t, regexp.MustCompile(`^[A-Z0-9]`), title, at)
	if title != "Department" { // there is no more to say of it
		require.False(t, strings.EqualFold(title, description), "%s says nothing of itself but its name: %s", at, title)
	}
}

// requireTyped checks that a default and the words have the type of the value.
func requireTyped(t *testing.T, v typed, at string) {
	t.Helper()
	require.NotEmpty(t, v.Type, at)
	for _, value := range append(slices.Clone(v.Enum), v.Default) {
		switch value.(type) {
		case nil:
			require.Nil(t, v.Default, at)
		case string:
			require.Equal(t, "string", v.Type, at)
		case float64:
			require.Contains(t, []string{"integer", "number"}, v.Type, at)
		case bool:
			require.Equal(t, "boolean", v.Type, at)
		default:
			require.Fail(t, "no such type", "%s: %v", at, value)
		}
	}
	if v.Enum != nil && v.Default != nil {
		require.Contains(t, v.Enum, v.Default, at)
	}
}

// Learn, coding-standards: a success is a 2xx of its own. Pull requests 1086, 1316, 2145 and 2755:
// no schema is empty, and default is not the only answer. The designer shows one schema: every
// success of an operation has the same.
func TestEveryOperationHasOneSchemaOfItsSuccess(t *testing.T) {
	for _, o := range definitionOf(t).operations() {
		require.NotNil(t, o.Responses["200"].Schema, o.ID)
		for status, r := range o.Responses {
			require.NotEmpty(t, r.Description, o.ID)
			if strings.HasPrefix(status, "2") {
				require.Equal(t, o.Responses["200"].Schema, r.Schema, "%s %s", o.ID, status)
				continue
			}
			require.Equal(t, "#/definitions/error", r.Schema.Ref, "%s %s", o.ID, status)
			if status == "429" {
				require.Equal(t, "integer", r.Headers["Retry-After"].Type, o.ID)
			}
		}
		require.Equal(t, "#/definitions/error", o.Responses["default"].Schema.Ref, o.ID)
	}
}

// Pull request 2145: no empty schema. An object without a property shows a maker nothing; one whose
// keys are not known has their values described.
func TestEverySchemaSaysWhatItHolds(t *testing.T) {
	definitionOf(t).eachSchema(func(path string, s *schema) {
		require.NotEmpty(t, s.Type, path)
		switch s.Type {
		case "object":
			var values schema
			_ = json.Unmarshal(s.Additional, &values)
			require.True(t, len(s.Properties) > 0 || values.Type != "", "%s is an object without properties", path)
			for _, name := range s.Required {
				require.Contains(t, s.Properties, name, path)
			}
		case "array":
			require.NotNil(t, s.Items, path)
		default:
			if s.Type != "file" {
				requireTyped(t, s.typed, path)
			}
		}
	})
}

// Learn, openapi-extensions: x-ms-summary is what a maker sees of a property.
func TestEveryPropertyOfABodyHasATitle(t *testing.T) {
	checked := 0
	definitionOf(t).eachSchema(func(path string, s *schema) {
		for name, p := range s.Properties {
			checked++
			requireTitle(t, p.Title, p.Description, path+"."+name)
		}
	})
	require.Greater(t, checked, 100)
}

// PowerPlatformConnectors issue 1088: "The total number of schemas in the object exceeds the max
// schema count allowed value of '512'".
func TestNoSchemaHasMoreThan512(t *testing.T) {
	d := definitionOf(t)
	for name, s := range d.Definitions {
		n := 0
		d.each(s, name, func(string, *schema) { n++ })
		require.LessOrEqual(t, n, 512, name)
	}
}

func TestEveryDefinitionIsUsed(t *testing.T) {
	text, err := describe.OpenAPI(functions.All(functions.Parts{}))
	require.NoError(t, err)
	for name := range definitionOf(t).Definitions {
		require.Contains(t, string(text), `"$ref": "#/definitions/`+name+`"`)
	}
}

// TestExtensionsStandWhereTheSchemaHasThem: apiDefinition.swagger.schema.json allows of those that
// begin with x-ms- what it names for a place, and any other name.
func TestExtensionsStandWhereTheSchemaHasThem(t *testing.T) {
	text, err := describe.OpenAPI(functions.All(functions.Parts{}))
	require.NoError(t, err)
	var root map[string]any
	require.NoError(t, json.Unmarshal(text, &root))
	found := map[string]bool{}
	var walk func(v any, path []string)
	walk = func(v any, path []string) {
		if list, ok := v.([]any); ok {
			for _, one := range list {
				walk(one, append(path, "-"))
			}
		}
		members, _ := v.(map[string]any)
		for name, value := range members {
			if strings.HasPrefix(name, "x-ms-") {
				found[placeOf(path)+" "+name] = true
			}
			walk(value, append(slices.Clone(path), name))
		}
	}
	walk(root, nil)
	require.Subset(t, []string{"root x-ms-capabilities", "operation x-ms-pageable", "parameter x-ms-summary",
		"parameter x-ms-url-encoding", "schema x-ms-summary"}, slices.Collect(maps.Keys(found)))
}

// placeOf says what stands at a path of the definition.
func placeOf(path []string) string {
	switch {
	case len(path) == 0:
		return "root"
	case len(path) == 3 && path[0] == "paths":
		return "operation"
	case len(path) == 5 && path[0] == "paths" && path[3] == "parameters":
		return "parameter"
	case len(path) > 1 && path[0] == "definitions":
		return "schema"
	}
	return strings.Join(path, ".")
}

// TestWhatACallerMayLeaveOutIsNotRequired: an answer that was asked with $select fits the schema.
func TestWhatACallerMayLeaveOutIsNotRequired(t *testing.T) {
	d, selecting := definitionOf(t), 0
	for _, o := range d.operations() {
		if !o.takes("$select") {
			continue
		}
		selecting++
		s := d.of(o.Responses["200"].Schema)
		if rows := s.Properties["value"]; rows != nil {
			require.Contains(t, s.Required, "value", o.ID)
			s = d.of(rows.Items)
		}
		require.NotEmpty(t, s.Properties, o.ID)
		require.Empty(t, s.Required, o.ID)
	}
	require.Positive(t, selecting)
}

// TestABodyIsRequiredWhereOneOfItsKeysIs, and may be left out where all may be.
func TestABodyIsRequiredWhereOneOfItsKeysIs(t *testing.T) {
	f := madeUp()
	f.Operations[0].Method, f.Operations[0].BodyTitle, f.Operations[0].BodyText = "POST", "Device", "Which one it is"
	required := func(body any) any {
		f.Operations[0].Body = body
		text, err := describe.OpenAPI([]web.Function{f})
		require.NoError(t, err)
		var d definition
		require.NoError(t, json.Unmarshal(text, &d))
		parameters := d.Paths["/devices/idle"]["post"].Parameters
		body = parameters[len(parameters)-1]
		require.Equal(t, "Device", body.(describedParameter).Title)
		return body.(describedParameter).Required
	}
	require.Equal(t, true, required(struct {
		Name string `json:"name" text:"Of the device"`
	}{}))
	require.Equal(t, false, required(struct {
		Name string `json:"name,omitempty" text:"Of the device"`
	}{}))
}
