// Package snapshots_test reads what the compiler predicts for each set of parameters: the resources
// in Azure. It needs no compiler; make lint proves that the predictions are what the compiler makes
// of the templates.
package snapshots_test

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const infra = ".."

// predicted is a resource as a deployment would ask for it. Expressions are evaluated as far as
// they can be.
type predicted struct {
	ID         any               `json:"id"`
	Type       string            `json:"type"`
	Name       any               `json:"name"`
	APIVersion string            `json:"apiVersion"`
	Location   string            `json:"location"`
	Kind       string            `json:"kind"`
	Tags       map[string]string `json:"tags"`
	SKU        map[string]any    `json:"sku"`
	Identity   map[string]any    `json:"identity"`
	Properties map[string]any    `json:"properties"`
}

// snapshot is one case: what is known of it from its parameters, and what is predicted.
type snapshot struct {
	given
	Name      string
	Resources []predicted
	Outputs   map[string]any
}

// given are the parameters of a case as far as rules depend on them.
type given struct {
	template string // the file that is deployed; empty: main.bicep
	cloud    string // empty: AzureCloud
	base     string // the parameter name; empty: ledger
	archive  string // the archive's account; empty: named as the others
	private  bool   // network is private
	entra    bool   // entraClientId is set
	audit    bool   // auditArchiveAccess
	noCode   bool   // packageUri is empty
	locked   bool   // headsLocked
	noLock   bool   // lockArchive is false
	region   string // location; empty: the group's
	release  string // release; empty: infra/release.txt
	address  string // packageUri; empty: the release's, or none
	noPolicy bool   // conditionalAccessDetails is false
}

// cases are all that there are, by the name of their file.
var cases = map[string]given{
	"small": {}, "large": {},
	"private":    {private: true},
	"entra":      {entra: true, noPolicy: true},
	"audit":      {audit: true, release: "v9.8.7-rc.1"},
	"longname":   {base: "ledgerledge", private: true, audit: true},
	"government": {cloud: "AzureUSGovernment", private: true, entra: true},
	"nocode":     {noCode: true, region: "swedencentral"},
	"locked":     {locked: true},
	"chosen":     {archive: "stmovedhere", noLock: true, address: "https://packages.contoso.example/entraledger.zip"},
	"grants":     {template: "grants.bicep"},
	"upgrade":    {template: "upgrade.bicep", release: "v9.8.7-rc.1"},
	"mirror":     {template: "upgrade.bicep", address: "https://packages.contoso.example/entraledger.zip"},
	"tenant":     {template: "tenant.bicep"},
	"partner":    {template: "tenant.bicep"},
}

const (
	subscriptionID = "11111111-1111-4111-8111-111111111111"
	tenantID       = "22222222-2222-4222-8222-222222222222"
	clientID       = "33333333-3333-4333-8333-333333333333" // of the app registration in the cases with entraClientId
	group          = "/subscriptions/" + subscriptionID + "/resourceGroups/rg-ledger/providers/"
)

// clouds is what environment() says, as far as the templates ask. Source: learn.microsoft.com,
// Bicep's deployment functions.
var clouds = map[string]map[string]any{
	"AzureCloud": {"name": "AzureCloud", "suffixes": map[string]any{"storage": "core.windows.net"},
		"authentication": map[string]any{"loginEndpoint": "https://login.microsoftonline.com/"}},
	"AzureUSGovernment": {"name": "AzureUSGovernment", "suffixes": map[string]any{"storage": "core.usgovcloudapi.net"},
		"authentication": map[string]any{"loginEndpoint": "https://login.microsoftonline.us/"}},
}

// regions are those of the resource groups.
var regions = map[string]string{"AzureCloud": "westeurope", "AzureUSGovernment": "usgovvirginia"}

// load reads a case's snapshot.
func load(t *testing.T, name string) *snapshot {
	t.Helper()
	data, err := os.ReadFile(name + ".snapshot.json")
	require.NoError(t, err)
	s := &snapshot{Name: name, given: cases[name]}
	s.cloud = cmp.Or(s.cloud, "AzureCloud")
	s.base = cmp.Or(s.base, "ledger")
	s.region = cmp.Or(s.region, regions[s.cloud])
	s.release = cmp.Or(s.release, release())
	var document any
	require.NoError(t, json.Unmarshal(data, &document))
	evaluated, err := evaluate(evaluator{environment: clouds[s.cloud]}, document)
	require.NoError(t, err)
	top := evaluated.(map[string]any)
	s.Outputs = top["outputs"].(map[string]any)
	for _, r := range top["predictedResources"].([]any) {
		s.Resources = append(s.Resources, resource(t, r.(map[string]any)))
	}
	require.NotEmpty(t, s.Resources)
	return s
}

// resource gives the parts of a resource their types. A part that is not known here would go
// unseen: it fails.
func resource(t *testing.T, r map[string]any) predicted {
	t.Helper()
	var out predicted
	object := func(v any) map[string]any { return v.(map[string]any) }
	for part, v := range r {
		switch part {
		case "id":
			out.ID = v
		case "name":
			out.Name = v
		case "type":
			out.Type = v.(string)
		case "apiVersion":
			out.APIVersion = v.(string)
		case "location":
			out.Location = v.(string)
		case "kind":
			out.Kind = v.(string)
		case "sku":
			out.SKU = object(v)
		case "identity":
			out.Identity = object(v)
		case "properties":
			if properties, ok := v.(map[string]any); ok {
				out.Properties = properties
			} else {
				out.Properties = map[string]any{"": v}
			}
		case "tags":
			out.Tags = map[string]string{}
			for name, value := range object(v) {
				out.Tags[name] = value.(string)
			}
		default:
			t.Fatalf("a resource has a part %q, which nothing looks at", part)
		}
	}
	return out
}

// evaluate evaluates every text within a JSON document.
func evaluate(e evaluator, v any) (any, error) {
	var err error
	switch v := v.(type) {
	case string:
		return e.value(v)
	case []any:
		for i := range v {
			if v[i], err = evaluate(e, v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for key := range v {
			if v[key], err = evaluate(e, v[key]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// of are the resources of a type.
func (s *snapshot) of(kind string) []*predicted {
	var out []*predicted
	for i := range s.Resources {
		if s.Resources[i].Type == kind {
			out = append(out, &s.Resources[i])
		}
	}
	return out
}

// isApp reports whether the case deploys main.bicep.
func (s *snapshot) isApp() bool { return s.template == "" }

// name is a resource's name as text.
func (r *predicted) name() string { return textOf(r.Name) }

// last is the last part of its name: app-package of st.../default/app-package.
func (r *predicted) last() string { return r.name()[strings.LastIndex(r.name(), "/")+1:] }

// at is the value at a path of members of the resource's properties, nil if there is none.
func (r *predicted) at(path string) any {
	var v any = r.Properties
	for part := range strings.SplitSeq(path, ".") {
		members, _ := v.(map[string]any)
		v = members[part]
	}
	return v
}

// list is at, for a list.
func (r *predicted) list(path string) []any {
	out, _ := r.at(path).([]any)
	return out
}

// settings are an app's settings by name, in the last writer's value; others are elements that are
// open.
func (r *predicted) settings() (byName map[string]string, others []open) {
	byName = map[string]string{}
	for _, v := range r.list("siteConfig.appSettings") {
		switch v := v.(type) {
		case open:
			others = append(others, v)
		case map[string]any:
			byName[textOf(v["name"])] = textOf(v["value"])
		}
	}
	return byName, others
}

func TestEveryCaseHasItsFilesAndIsReadHere(t *testing.T) {
	for _, ending := range []string{".bicepparam", ".snapshot.json"} {
		files, err := filepath.Glob("*" + ending)
		require.NoError(t, err)
		var names []string
		for _, f := range files {
			names = append(names, strings.TrimSuffix(f, ending))
		}
		want := make([]string, 0, len(cases))
		for name := range cases {
			want = append(want, name)
		}
		require.ElementsMatch(t, want, names, ending)
	}
	for name, c := range cases {
		text, err := os.ReadFile(name + ".bicepparam")
		require.NoError(t, err)
		template := c.template
		if template == "" {
			template = "main.bicep"
		}
		require.Contains(t, string(text), "using '../"+template+"'", name)
	}
}

// TestParameterFilesAreDeployedWhole compares what the cases small and large hand on with what the
// files have.
func TestParameterFilesAreDeployedWhole(t *testing.T) {
	for _, name := range []string{"small", "large"} {
		data, err := os.ReadFile(filepath.Join(infra, "parameters", name+".json"))
		require.NoError(t, err)
		var file struct{ Parameters map[string]any }
		require.NoError(t, json.Unmarshal(data, &file))
		text, err := os.ReadFile(name + ".bicepparam")
		require.NoError(t, err)
		require.Equal(t, len(file.Parameters), strings.Count(string(text), "= file."), name)
		for p := range file.Parameters {
			require.Contains(t, string(text), "param "+p+" = file."+p+".value", name)
		}
	}
}
