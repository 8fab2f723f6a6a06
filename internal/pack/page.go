package pack

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pagePackages is where make ui lists the npm packages of which something is in the page.
const pagePackages = "functions/ui/dist/.packages.json"

// npmPackage is one of them, as npm's lock file has it.
type npmPackage struct {
	Name, Version, License string
	Integrity              string // sha512- and base64
}

// readPagePackages lists the page's packages; none where the page is not built, and thus not part of
// the handler.
func readPagePackages(root string) ([]npmPackage, error) {
	text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(pagePackages)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out []npmPackage
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s, which make ui writes: %w", pagePackages, err)
	}
	return out, nil
}

// component is the package in CycloneDX's form, as its generators for npm have it: the scope is the
// group. Source: cyclonedx.org/docs/1.6/json, "components", and the purl type npm.
func (p npmPackage) component() (ref string, of map[string]any, err error) {
	group, name := "", p.Name
	if strings.HasPrefix(p.Name, "@") {
		group, name, _ = strings.Cut(p.Name, "/")
	}
	purl := "pkg:npm/"
	if group != "" {
		purl += "%40" + url.PathEscape(group[1:]) + "/"
	}
	purl += url.PathEscape(name) + "@" + url.PathEscape(p.Version)
	sum, ok := strings.CutPrefix(p.Integrity, "sha512-")
	digest, wrong := base64.StdEncoding.DecodeString(sum)
	if p.Name == "" || p.Version == "" || !ok || wrong != nil {
		return "", nil, fmt.Errorf("read %s: package %q has no version, or no SHA-512", pagePackages, p.Name)
	}
	of = map[string]any{"bom-ref": purl, "type": "library", "name": name, "version": p.Version, "purl": purl,
		"scope": "required", "hashes": []any{map[string]any{"alg": "SHA-512", "content": hex.EncodeToString(digest)}}}
	if group != "" {
		of["group"] = group
	}
	if p.License != "" {
		of["licenses"] = []any{map[string]any{"license": map[string]any{"id": p.License}}}
	}
	return purl, of, nil
}

// addPackages adds the page's packages to a bill of materials: they are in the handler, too.
func addPackages(bom map[string]any, packages []npmPackage) error {
	components, _ := bom["components"].([]any)
	var refs []any
	for _, p := range packages {
		ref, of, err := p.component()
		if err != nil {
			return err
		}
		components, refs = append(components, of), append(refs, ref)
	}
	if len(refs) == 0 {
		return nil
	}
	bom["components"] = components
	metadata, _ := bom["metadata"].(map[string]any)
	main, _ := metadata["component"].(map[string]any)
	dependencies, _ := bom["dependencies"].([]any)
	at := slices.IndexFunc(dependencies, func(d any) bool {
		of, ok := d.(map[string]any)
		return ok && main["bom-ref"] != nil && of["ref"] == main["bom-ref"]
	})
	if at >= 0 {
		of, _ := dependencies[at].(map[string]any)
		on, _ := of["dependsOn"].([]any)
		of["dependsOn"] = append(on, refs...)
	}
	for _, ref := range refs {
		dependencies = append(dependencies, map[string]any{"ref": ref})
	}
	bom["dependencies"] = dependencies
	return nil
}
