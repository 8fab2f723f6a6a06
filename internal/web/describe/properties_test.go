package describe_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/functions"
	"github.com/entraledger/entraledger/internal/web"
	"github.com/entraledger/entraledger/internal/web/describe"
)

// properties are the members of apiProperties.json that we use, as the schema has them that
// Microsoft's tools check by (microsoft/PowerPlatformConnectors,
// schemas/paconn-apiProperties.schema.json). It allows no others in these places.
type properties struct {
	Properties struct {
		ConnectionParameters    map[string]connectionParameter `json:"connectionParameters"`
		IconBrandColor          string                         `json:"iconBrandColor"` // the only one that is required
		Capabilities            []string                       `json:"capabilities"`
		PolicyTemplateInstances []struct {
			TemplateID string `json:"templateId"`
			Title      string `json:"title"`
			Parameters struct {
				NextLink   string   `json:"x-ms-apimTemplateParameter.nextLinkPropertyName"`
				Operations []string `json:"x-ms-apimTemplate-operationName"`
			} `json:"parameters"`
		} `json:"policyTemplateInstances,omitempty"`
	} `json:"properties"`
}

type connectionParameter struct {
	Type         string `json:"type"` // string, securestring, int or bool
	UIDefinition struct {
		DisplayName string `json:"displayName"`
		Description string `json:"description"`
		Tooltip     string `json:"tooltip"`
		Constraints struct {
			TabIndex  int    `json:"tabIndex"`
			ClearText bool   `json:"clearText"`
			Required  string `json:"required"` // a text, not a boolean
		} `json:"constraints"`
	} `json:"uiDefinition"`
}

func propertiesOf(t *testing.T, all []web.Function) properties {
	text, err := describe.Properties(all)
	require.NoError(t, err)
	var p properties
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	require.NoError(t, dec.Decode(&p))
	again, err := json.Marshal(p)
	require.NoError(t, err)
	require.JSONEq(t, string(again), string(text), "each member is there, spelt as the schema spells it")
	return p
}

func TestTheConnectorsPropertiesHaveTheFormOfTheirSchema(t *testing.T) {
	p := propertiesOf(t, functions.All(functions.Parts{})).Properties
	require.Regexp(t, regexp.MustCompile(`^#[0-9a-f]{6}$`), p.IconBrandColor)
	require.NotContains(t, []string{"#007ee5", "#ffffff"}, p.IconBrandColor, "certification refuses these two")
	require.NotNil(t, p.Capabilities)
	require.Empty(t, p.Capabilities)

	require.Len(t, p.ConnectionParameters, 1)
	key := p.ConnectionParameters["api_key"]
	require.Equal(t, "securestring", key.Type)
	require.Equal(t, "true", key.UIDefinition.Constraints.Required)
	require.False(t, key.UIDefinition.Constraints.ClearText)
	require.NotEmpty(t, key.UIDefinition.DisplayName)
	require.Contains(t, key.UIDefinition.Description, "never the master key")
	require.Contains(t, key.UIDefinition.Tooltip, "App keys")
	security := definitionOf(t).SecurityDefinitions
	require.Equal(t, map[string]any{"type": "apiKey", "in": "header", "name": "x-functions-key"}, security["api_key"])
}

// TestThePolicyNamesTheOperationsThatPage: those with a next link in their answer, and no others.
func TestThePolicyNamesTheOperationsThatPage(t *testing.T) {
	policies := propertiesOf(t, functions.All(functions.Parts{})).Properties.PolicyTemplateInstances
	require.Len(t, policies, 1)
	require.Equal(t, "updatenextlink", policies[0].TemplateID)
	require.Equal(t, "@odata.nextLink", policies[0].Parameters.NextLink)
	d, paging := definitionOf(t), []string{}
	for _, o := range d.operations() {
		_, links := d.of(o.Responses["200"].Schema).Properties["@odata.nextLink"]
		require.Equal(t, links, o.Pages != nil, "%s: x-ms-pageable", o.ID)
		if links {
			require.Equal(t, "@odata.nextLink", o.Pages.NextLinkName)
			require.True(t, o.takes("$skiptoken"), "%s pages, and takes no $skiptoken", o.ID)
			paging = append(paging, o.ID)
		}
	}
	require.ElementsMatch(t, paging, policies[0].Parameters.Operations)
	require.Contains(t, paging, "ListCoverageOfStream")
}

// TestAPolicyWithoutOperationsIsNone: it would hold for all of them.
func TestAPolicyWithoutOperationsIsNone(t *testing.T) {
	f := madeUp()
	require.Equal(t, []string{"ListIdleDevices"},
		propertiesOf(t, []web.Function{f}).Properties.PolicyTemplateInstances[0].Parameters.Operations)
	f.Operations[0].Answers.Pages = false
	require.Empty(t, propertiesOf(t, []web.Function{f}).Properties.PolicyTemplateInstances)
}

func TestOneOperationTestsConnections(t *testing.T) {
	d := definitionOf(t)
	var found []string
	for _, o := range d.operations() {
		if o.ID == d.Capabilities.TestConnection.OperationID {
			require.Equal(t, "get", o.Method)
			for _, p := range o.Parameters {
				require.False(t, p.Required, "%s %s", o.ID, p.Name)
			}
			found = append(found, o.ID)
		}
	}
	require.Len(t, found, 1)
	require.Equal(t, map[string]any{}, d.Capabilities.TestConnection.Parameters)

}

func TestWhatCannotTestAConnectionIsRefused(t *testing.T) {
	owner := web.Text("owner", "Whose devices")
	owner.Required = true
	for name, c := range map[string]struct {
		change func(*web.Function)
		says   string
	}{
		"it fits":           {func(*web.Function) {}, ""},
		"a POST":            {func(f *web.Function) { f.Operations[0].Method = "POST" }, "only a GET that works without"},
		"a parameter":       {func(f *web.Function) { f.Operations[0].Parameters = []web.Parameter{owner} }, "only a GET"},
		"a part of a path":  {func(f *web.Function) { f.Operations[0].Path = []web.Parameter{owner} }, "only a GET"},
		"two of the kind":   {func(f *web.Function) { f.Operations = append(f.Operations, f.Operations[0]) }, "too"},
		"an optional value": {func(f *web.Function) { f.Operations[0].Parameters = []web.Parameter{web.Count()} }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := madeUp()
			f.Operations[0].Parameters, f.Operations[0].Probe = nil, true
			c.change(&f)
			_, err := describe.OpenAPI([]web.Function{f})
			if c.says == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, c.says)
		})
	}
}
