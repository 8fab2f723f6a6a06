package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
)

// The index of ARM types that Bicep is built with comes in the Terraform provider azapi, whose module is all data but for its
// name: it is never compiled. The checksum pins what the module proxy gives.
const (
	typesModule = "github.com/Azure/terraform-provider-azapi@v1.15.0"
	typesSum    = "h1:A963Vm8nOaOTu9uUKvI6fr3Q69TFOdqwSqSp8Y0/p7M="
)

// TypesFolder fetches the index of ARM types into Go's module cache, where it is not there yet, and names its folder.
func TypesFolder() (string, error) {
	out, err := exec.Command("go", "mod", "download", "-json", typesModule).Output()
	var m struct{ Dir, Sum, Error string }
	if jsonErr := json.Unmarshal(out, &m); jsonErr != nil || m.Error != "" {
		return "", fmt.Errorf("fetch the index of ARM types (%s): %w", typesModule, errors.Join(err, jsonErr, errors.New(m.Error)))
	}
	if m.Sum != typesSum {
		return "", fmt.Errorf("fetch the index of ARM types (%s): its checksum is %s and not %s", typesModule, m.Sum, typesSum)
	}
	return filepath.Join(m.Dir, "internal", "azure", "generated"), nil
}

// CheckTree checks the templates of a folder and their modules, also against the project's own rules, modules that no template uses, and
// the parameter files of main.bicep.
func (g *Gate) CheckTree(folder string) (problems []Problem, checked int, err error) {
	templates, err := filepath.Glob(filepath.Join(folder, "*.bicep"))
	if err != nil {
		return nil, 0, err
	}
	if len(templates) == 0 {
		return nil, 0, fmt.Errorf("%s holds no .bicep files", folder)
	}
	for _, path := range templates {
		f, err := g.Check(path)
		if err != nil {
			return nil, 0, err
		}
		problems = append(problems, f.Problems...)
	}
	for _, f := range g.files {
		f.Problems = nil
		f.policy()
		problems = append(problems, f.Problems...)
	}
	modules, err := filepath.Glob(filepath.Join(folder, "modules", "*.bicep"))
	if err != nil {
		return nil, 0, err
	}
	for _, path := range modules {
		if _, used := g.files[filepath.Clean(path)]; !used {
			problems = append(problems, Problem{File: path, Line: 1, Column: 1, Text: "no template uses this module"})
		}
	}
	parameters, err := filepath.Glob(filepath.Join(folder, "parameters", "*.json"))
	if err != nil {
		return nil, 0, err
	}
	main, err := g.Check(filepath.Join(folder, "main.bicep"))
	if err != nil {
		return nil, 0, err
	}
	for _, path := range parameters {
		found, err := g.CheckParameters(path, main)
		if err != nil {
			return nil, 0, err
		}
		problems = append(problems, found...)
	}
	return inOrder(problems), len(g.files) + len(parameters), nil
}
