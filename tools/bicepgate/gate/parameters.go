package gate

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
)

// CheckParameters checks a parameter file (JSON, as az deployment takes it) against a template's declarations. given are the
// parameters that come from elsewhere.
func (g *Gate) CheckParameters(path string, template *File, given ...string) ([]Problem, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read a parameter file: %w", err)
	}
	var file struct {
		Schema     string `json:"$schema"`
		Version    string `json:"contentVersion"`
		Parameters map[string]struct {
			Value any `json:"value"`
		} `json:"parameters"`
	}
	var out []Problem
	report := func(format string, args ...any) {
		out = append(out, Problem{File: path, Line: 1, Column: 1, Text: fmt.Sprintf(format, args...)})
	}
	if err := json.Unmarshal(data, &file); err != nil {
		report("%v", err)
		return out, nil
	}
	if file.Schema == "" || file.Version == "" {
		report("$schema and contentVersion are required")
	}
	for _, name := range slices.Sorted(maps.Keys(file.Parameters)) {
		d := template.params[name]
		if d == nil {
			report("%s has no parameter %q", template.Path, name)
			continue
		}
		if why := unfit(file.Parameters[name].Value, template.typeOf(d)); why != "" {
			report("%s: %s", name, why)
		}
	}
	for name, d := range template.params {
		_, has := d.value()
		if _, ok := file.Parameters[name]; !ok && !has && !template.typeOf(d).nullable && !slices.Contains(given, name) {
			report("%s is required", name)
		}
	}
	return inOrder(out), nil
}

// unfit tells why a value of JSON does not fit a parameter.
func unfit(value any, want *typ) string {
	got := &typ{kind: anything}
	switch v := value.(type) {
	case string:
		got = literalOf(v)
	case bool:
		got = boolType
	case float64:
		got = intType
		if why := outOfBounds(int(v), want, ""); why != "" && want.kind == integer {
			return fmt.Sprintf("%v %s", v, why)
		}
	case []any:
		got = anyList
		if why := outOfBounds(len(v), want, "elements"); why != "" && want.kind == list {
			return why
		}
		for _, e := range v {
			if why := unfit(e, want.element()); why != "" && want.kind == list {
				return why
			}
		}
	case map[string]any:
		got = anyObj
	case nil:
		return "has no value"
	}
	return mismatch(got, want)
}
