package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
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
	own := map[string]map[string]bool{}
	for i, r := range all {
		if own[r.Template] == nil {
			if own[r.Template], err = p.ownVariables(r.Template); err != nil {
				return nil, fmt.Errorf("check infra/%s: %w", r.Template, err)
			}
		}
		said, early, err := p.refuse(r, own[r.Template])
		if err != nil {
			return nil, fmt.Errorf("check infra/%s: entry %d: %w", refusals, i+1, err)
		}
		if !early {
			out = append(out,
				fmt.Sprintf("infra/%s: entry %d: refused by a module or a resource, and not by the template's own "+
					"variables, when some of it may be made already: %v", refusals, i+1, said))
			continue
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

// refuse returns the error for each parameter: from the compiler, which knows types, lengths and
// allowed values, or, if it finds nothing, from the evaluation, which reaches fail(). early reports
// whether that is before anything is made: in one of the template's own variables.
func (p *project) refuse(r refusal, own map[string]bool) (said map[string]string, early bool, err error) {
	names := slices.Sorted(maps.Keys(r.Parameters))
	text := "using '../../" + r.Template + "'\n"
	for _, name := range names {
		text += "param " + name + " = " + literal(r.Parameters[name].Value) + "\n"
	}
	// A name that placeOf knows.
	file := filepath.Join(p.copy, "snapshots", "refused", strings.TrimSuffix(r.Template, ".bicep")+".bicepparam")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, false, err
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, false, err
	}
	defer os.Remove(file)
	var answer struct{ Diagnostics []diagnostic }
	if err := p.call("bicep/compile", map[string]any{"path": file}, &answer); err != nil {
		return nil, false, err
	}
	said = map[string]string{}
	for _, d := range answer.Diagnostics {
		if at := d.Range.Start.Line - 1; at >= 0 && at < len(names) {
			said[names[at]] += d.Message + " "
		}
	}
	if len(answer.Diagnostics) > 0 {
		return said, true, nil
	}
	var refused *refusedError
	if _, err := p.evaluate(file, placeOf(file)); err == nil {
		return said, true, nil
	} else if !errors.As(err, &refused) {
		return nil, false, err
	}
	for _, name := range names {
		said[name] = refused.message
	}
	found := inVariable.FindStringSubmatch(refused.message)
	return said, found != nil && own[found[1]], nil
}

// inVariable is how the evaluation names the variable in which it came to fail().
var inVariable = regexp.MustCompile(`^The template variable '(\w+)' is not valid`)

// ownVariables are the variables of a template that none of its modules has as well.
func (p *project) ownVariables(template string) (map[string]bool, error) {
	var built struct{ Contents string }
	if err := p.call("bicep/compile", map[string]any{"path": filepath.Join(p.copy, template)}, &built); err != nil {
		return nil, err
	}
	var top struct{ Variables map[string]json.RawMessage }
	var document map[string]any
	if err := errors.Join(json.Unmarshal([]byte(built.Contents), &top), json.Unmarshal([]byte(built.Contents),
		&document)); err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for name := range top.Variables {
		own[name] = true
	}
	delete(document, "variables")
	var within func(v any)
	within = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if variables, ok := v["variables"].(map[string]any); ok {
				for name := range variables {
					delete(own, name)
				}
			}
			for _, member := range v {
				within(member)
			}
		case []any:
			for _, element := range v {
				within(element)
			}
		}
	}
	within(document)
	return own, nil
}

var identifier = regexp.MustCompile(`^[A-Za-z_]\w*$`)

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
	case map[string]any:
		var members []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			key := name
			if !identifier.MatchString(name) {
				key = literal(name)
			}
			members = append(members, key+": "+literal(v[name]))
		}
		return "{" + strings.Join(members, ", ") + "}"
	}
	return fmt.Sprint(v)
}
