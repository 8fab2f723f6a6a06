package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// compiled are the templates that are committed as JSON, by the file that each comes from: a portal
// deploys them.
var compiled = map[string]string{"main.bicep": "azuredeploy.json", "upgrade.bicep": "upgrade.json"}

// Made-up ids and names: resources are named after them, so that they have to stay as they are.
const (
	subscriptionID = "11111111-1111-4111-8111-111111111111"
	tenantID       = "22222222-2222-4222-8222-222222222222"
	resourceGroup  = "rg-ledger"
	deploymentName = "entraledger"
)

// place is where a snapshot's deployment is thought to happen, as the compiler wants it.
type place struct {
	TenantID       string `json:"tenantId"`
	SubscriptionID string `json:"subscriptionId,omitempty"`
	ResourceGroup  string `json:"resourceGroup,omitempty"`
	Location       string `json:"location"`
	DeploymentName string `json:"deploymentName"`
}

// placeOf is the place of a case: a resource group in Europe, unless its name says otherwise.
func placeOf(file string) place {
	at := place{TenantID: tenantID, SubscriptionID: subscriptionID, ResourceGroup: resourceGroup,
		Location: "westeurope", DeploymentName: deploymentName}
	switch strings.TrimSuffix(path.Base(file), ".bicepparam") {
	case "government":
		at.Location = "usgovvirginia"
	case "tenant", "partner":
		at.SubscriptionID, at.ResourceGroup = "", ""
	}
	return at
}

// diagnostic is one finding of the compiler or its linter.
type diagnostic struct {
	Source        string
	Range         struct{ Start struct{ Line, Char int } } // from 0
	Code, Message string
}

// warnings are the compiler's findings about every file, whatever their level, each once, in the
// order of files and lines.
func (p *project) warnings() ([]string, error) {
	files, err := find(p.copy, ".bicep", ".bicepparam")
	if err != nil {
		return nil, err
	}
	var all []diagnostic
	for _, name := range files {
		var answer struct{ Diagnostics []diagnostic }
		if err := p.call("bicep/compile", map[string]any{"path": filepath.Join(p.copy, name)}, &answer); err != nil {
			return nil, fmt.Errorf("compile infra/%s: %w", name, err)
		}
		all = append(all, answer.Diagnostics...)
	}
	slices.SortFunc(all, func(a, b diagnostic) int {
		x, y := a.Range.Start, b.Range.Start
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(x.Line, y.Line), cmp.Compare(x.Char, y.Char),
			cmp.Compare(a.Code, b.Code))
	})
	var out []string
	for _, d := range slices.Compact(all) {
		source := strings.TrimPrefix(d.Source, filepath.Dir(p.copy)+"/")
		out = append(out, fmt.Sprintf("%s:%d:%d: %s: %s", source, d.Range.Start.Line+1, d.Range.Start.Char+1,
			d.Code, strings.Join(strings.Fields(d.Message), " ")))
	}
	return out, nil
}

// made is every file that the compiler makes, by its path in infra/: formatted sources, compiled
// templates, snapshots.
func (p *project) made() (map[string][]byte, error) {
	files, err := find(p.copy, ".bicep", ".bicepparam")
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, name := range files {
		whole := filepath.Join(p.copy, name)
		var formatted, built struct{ Contents string }
		if err := p.call("bicep/format", map[string]any{"path": whole}, &formatted); err != nil {
			return nil, fmt.Errorf("format infra/%s: %w", name, err)
		}
		out[name] = oneEnd(formatted.Contents)
		if target := compiled[name]; target != "" {
			if err := p.call("bicep/compile", map[string]any{"path": whole}, &built); err != nil {
				return nil, fmt.Errorf("compile infra/%s: %w", name, err)
			}
			out[target] = oneEnd(built.Contents)
		}
		if path.Ext(name) == ".bicepparam" {
			if out[snapshotOf(name)], err = p.evaluate(whole, placeOf(name)); err != nil {
				return nil, fmt.Errorf("evaluate infra/%s: %w", name, err)
			}
		}
	}
	return out, nil
}

func snapshotOf(params string) string {
	return strings.TrimSuffix(params, ".bicepparam") + ".snapshot.json"
}

// evaluate gives the snapshot of a file with parameters: what the compiler predicts that a
// deployment there would ask for.
func (p *project) evaluate(params string, at place) ([]byte, error) {
	var answer struct{ Snapshot string }
	if err := p.call("bicep/getSnapshot", map[string]any{"path": params, "metadata": at}, &answer); err != nil {
		return nil, err
	}
	// Outputs come in another order each time: a map's is fixed.
	var snapshot struct {
		PredictedResources json.RawMessage            `json:"predictedResources"`
		Diagnostics        []string                   `json:"diagnostics"`
		Outputs            map[string]json.RawMessage `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(answer.Snapshot), &snapshot); err != nil {
		return nil, err
	}
	if len(snapshot.Diagnostics) > 0 {
		return nil, fmt.Errorf("the compiler could not evaluate all of it: %s",
			strings.Join(snapshot.Diagnostics, "; "))
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err := e.Encode(snapshot)
	return b.Bytes(), err
}

// oneEnd ends a text with one line's end, as every text file here.
func oneEnd(text string) []byte {
	return []byte(strings.TrimRight(strings.ReplaceAll(text, "\r\n", "\n"), "\n") + "\n")
}

// extended finds what keeps a template from being deployed from the portal: resources of an
// extension, as Microsoft Graph's are.
func extended(template []byte) ([]string, error) {
	var document any
	if err := json.Unmarshal(template, &document); err != nil {
		return nil, err
	}
	var out []string
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, member := range v {
				if key == "imports" || key == "extensions" {
					out = append(out, path+"/"+key)
				}
				walk(path+"/"+key, member)
			}
		case []any:
			for i, member := range v {
				walk(fmt.Sprintf("%s/%d", path, i), member)
			}
		}
	}
	walk("", document)
	slices.Sort(out)
	return out, nil
}
