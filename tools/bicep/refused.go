package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// refusal is a set of parameters, each of which a template has to refuse by itself, before anything
// is made.
type refusal struct {
	Template   string
	Parameters map[string]struct {
		Value any
		Says  string // a part of what is said against it
	}
}

const refusals = "snapshots/refused.json"

// taken are the parameters in snapshots/refused.json that are not refused, or not with these words.
func (p *project) taken() ([]string, error) {
	data, err := os.ReadFile(filepath.Join(p.copy, refusals))
	if err != nil {
		return nil, fmt.Errorf("check infra/%s: %w", refusals, err)
	}
	var all []refusal
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		return nil, fmt.Errorf("check infra/%s: %w", refusals, err)
	}
	var out []string
	for i, r := range all {
		said, err := p.refuse(r)
		if err != nil {
			return nil, fmt.Errorf("check infra/%s: entry %d: %w", refusals, i+1, err)
		}
		for _, name := range slices.Sorted(maps.Keys(r.Parameters)) {
			if wrong := r.Parameters[name]; said[name] == "" || !strings.Contains(said[name], wrong.Says) {
				out = append(out, fmt.Sprintf("infra/%s: entry %d: %s=%v: not refused with %q, but with %q",
					refusals, i+1, name, wrong.Value,
					wrong.Says, said[name]))
			}
		}
	}
	return out, nil
}

// refuse gives what is said against each parameter: by the compiler, which knows types, lengths and
// allowed values, or, if it finds nothing, by the evaluation, which comes to fail().
func (p *project) refuse(r refusal) (map[string]string, error) {
	names := slices.Sorted(maps.Keys(r.Parameters))
	text := "using '../../" + r.Template + "'\n"
	for _, name := range names {
		text += "param " + name + " = " + literal(r.Parameters[name].Value) + "\n"
	}
	// A name that placeOf knows.
	file := filepath.Join(p.copy, "snapshots", "refused", strings.TrimSuffix(r.Template, ".bicep")+".bicepparam")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	defer os.Remove(file)
	var answer struct{ Diagnostics []diagnostic }
	if err := p.call("bicep/compile", map[string]any{"path": file}, &answer); err != nil {
		return nil, err
	}
	said := map[string]string{}
	for _, d := range answer.Diagnostics {
		if at := d.Range.Start.Line - 1; at >= 0 && at < len(names) {
			said[names[at]] += d.Message + " "
		}
	}
	if len(answer.Diagnostics) > 0 {
		return said, nil
	}
	var refused *refusedError
	if _, err := p.evaluate(file, placeOf(file)); errors.As(err, &refused) {
		for _, name := range names {
			said[name] = refused.message
		}
	} else if err != nil {
		return nil, err
	}
	return said, nil
}

// literal is a JSON value in Bicep's own form, on one line.
func literal(v any) string {
	switch v := v.(type) {
	case string:
		return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`, "${", `\${`).Replace(v) + "'"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		elements := make([]string, len(v))
		for i := range v {
			elements[i] = literal(v[i])
		}
		return "[" + strings.Join(elements, ", ") + "]"
	}
	return fmt.Sprint(v)
}
