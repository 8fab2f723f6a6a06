package pack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Released is the folder that everything in a release's zip lies in.
const Released = "entraledger"

// BinarySum is the name of the file with the SHA-256 of the handler, which GET /api/preflight tells
// as well.
const BinarySum = "handler.sha256"

// released are the files of the repository that go with the app: patterns of package path, by
// folder. Whatever else lies there, such as parameters of somebody's own, stays there.
var released = map[string][]string{
	"docs": {"architecture.md", "cost.md", "deploy.md", "http.md", "import.md", "legacy-reports.md", "mim.md",
		"openapi.json", "permissions.md", "power-automate.md",
		"power-bi.md", "proof.md", "releases.md", "runbook.md", "security.md", "settings.md",
		"storage-explorer.md", "tables.md", "screenshots/*.png"},
	"infra": {"*.sh", "*.jq", "*.bicep", "modules/*.bicep", "azuredeploy.json", "portal.json", "upgrade.json",
		"approles.json", "entraapi.json", "bicepconfig.json", "functions.txt", "release.txt",
		"parameters/large.json", "parameters/small.json", "connector/README.md",
		"connector/apiDefinition.swagger.json", "connector/apiProperties.json",
		"flows/expiring-credential-tickets.json", "flows/weekly-inactive-users.json"},
}

// Release packs what an administrator needs, without Go and without this repository: the packed
// app, the scripts and templates that deploy it, the docs, and the licences. layout is the app's
// folder, app its zip.
func Release(root, layout, app, file string) error {
	files := []packed{
		{name: path.Join(Released, "entraledger.zip"), from: app},
		{name: path.Join(Released, Notices), from: filepath.Join(layout, Notices)},
	}
	for _, name := range []string{"CONTRIBUTING.md", "LICENSE", "README.md"} {
		files = append(files, packed{name: path.Join(Released, name), from: filepath.Join(root, name)})
	}
	var missing []string
	for _, folder := range slices.Sorted(maps.Keys(released)) {
		found, left, err := matching(filepath.Join(root, folder), path.Join(Released, folder), released[folder])
		if err != nil {
			return fmt.Errorf("write %s: %w", file, err)
		}
		files = append(files, found...)
		for _, pattern := range left {
			missing = append(missing, path.Join(folder, pattern))
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("write %s: it would not be whole, there is no %s; make infra writes the templates", file,
			strings.Join(missing, ", "))
	}
	return write(file, files)
}

// matching lists the files of a folder that match any of some patterns, in lexical order, below
// another name, and the patterns that none matches.
func matching(folder, below string, patterns []string) (found []packed, left []string, err error) {
	left = slices.Clone(patterns)
	found, err = walk(folder, below, func(name string) (take, executable bool) {
		for _, pattern := range patterns {
			if ok, _ := path.Match(pattern, name); ok { // the patterns are ours, and right
				left = slices.DeleteFunc(left, func(other string) bool { return other == pattern })
				take = true
			}
		}
		return take, strings.HasSuffix(name, ".sh")
	})
	return found, left, err
}

// cycloneDX reads the modules out of a binary. Its version is part of what it writes.
const cycloneDX = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

// SBOM writes a software bill of materials (CycloneDX, JSON) of the handler in a layout: the
// modules that are linked into it, Go's own, and the npm packages that are in the page. The same
// binary gives the same bytes.
func SBOM(ctx context.Context, o Options, file string) error {
	version := o.Version
	if version == "" {
		version = describe(ctx, o.Root)
	}
	binary, err := filepath.Abs(filepath.Join(o.Out, Binary))
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	// The tool runs here, whatever the binary is for.
	text, err := Options{Root: o.Root}.goTool(ctx, "run", cycloneDX, "bin", "-json", "-std", "-noserial",
		"-notimestamp",
		"-version", version, binary)
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	packages, err := readPagePackages(o.Root)
	if err == nil {
		text, err = mended(text, packages)
	}
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

// mended is a bill of materials with the page's packages and without the tool's own hashes, which
// differ with the machine that it was compiled on.
func mended(text []byte, packages []npmPackage) ([]byte, error) {
	var bom map[string]any
	if err := json.Unmarshal(text, &bom); err != nil {
		return nil, err
	}
	metadata, _ := bom["metadata"].(map[string]any)
	tools, ok := metadata["tools"].([]any)
	if !ok {
		return nil, errors.New("it names no tool that made it: another version of cyclonedx-gomod")
	}
	for _, tool := range tools {
		if of, ok := tool.(map[string]any); ok {
			delete(of, "hashes")
		}
	}
	if err := addPackages(bom, packages); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(bom)
	return out.Bytes(), err
}

// Sums writes the SHA-256 of the handler in a layout to BinarySum, and those of it and other files
// of the same folder to file, as sha256sum --check reads them.
func Sums(layout, file string, others ...string) error {
	folder := filepath.Dir(file)
	line, err := sumLine(filepath.Join(layout, Binary))
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, BinarySum), []byte(line), 0o644)
	}
	var lines strings.Builder
	for _, name := range append(others, filepath.Join(folder, BinarySum)) {
		if err == nil && filepath.Dir(name) != folder {
			err = fmt.Errorf("%s lies in another folder", name)
		}
		if err == nil {
			line, err = sumLine(name)
			lines.WriteString(line)
		}
	}
	if err == nil {
		err = os.WriteFile(file, []byte(lines.String()), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", file, err)
	}
	return nil
}

func sumLine(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x  %s\n", hash.Sum(nil), filepath.Base(file)), nil
}
