package gate

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Index is Bicep's own index of ARM types, as a folder holds it: index.json and the types beside it.
type Index struct {
	folder string
	names  map[string]string // resource type and version, in lower case -> path#number
	files  map[string][]armType
	made   map[string]*typ
}

type armRef struct {
	Ref string `json:"$ref"`
}

type armProp struct {
	Type  armRef `json:"type"`
	Flags int    `json:"flags"` // 1 required, 2 read-only, 4 write-only, 8 constant at deployment
}

type armType struct {
	Kind       string             `json:"$type"`
	Value      string             `json:"value"`
	Body       armRef             `json:"body"`
	ScopeType  int                `json:"scopeType"` // 1 tenant, 2 management group, 4 subscription, 8 resource group, 16 extension; 0 unknown
	Properties map[string]armProp `json:"properties"`
	Additional *armRef            `json:"additionalProperties"`
	Elements   json.RawMessage    `json:"elements"` // a list for unions, a map for discriminated objects
	ItemType   armRef             `json:"itemType"`
	BaseProps  map[string]armProp `json:"baseProperties"`
	Key        string             `json:"discriminator"`
	MinLength  *int               `json:"minLength"`
	MaxLength  *int               `json:"maxLength"`
	MinValue   *int               `json:"minValue"`
	MaxValue   *int               `json:"maxValue"`
	Pattern    string             `json:"pattern"`
}

// OpenIndex reads the index of a folder.
func OpenIndex(folder string) (*Index, error) {
	data, err := os.ReadFile(filepath.Join(folder, "index.json"))
	if err != nil {
		return nil, fmt.Errorf("open the index of ARM types: %w", err)
	}
	var parsed struct {
		Resources map[string]armRef `json:"resources"`
	}
	if err := json.Unmarshal(data, &parsed); err != nil {
		return nil, fmt.Errorf("read the index of ARM types: %w", err)
	}
	x := &Index{folder: folder, names: make(map[string]string), files: make(map[string][]armType), made: make(map[string]*typ)}
	for name, ref := range parsed.Resources {
		x.names[strings.ToLower(name)] = ref.Ref
	}
	return x, nil
}

// resource finds a resource type: its body and where it can be deployed. name selects the body of types that depend on it.
func (x *Index) resource(typeAndVersion, name string) (body *typ, scopes int, ok bool, err error) {
	ref, ok := x.names[strings.ToLower(typeAndVersion)]
	if !ok {
		return nil, 0, false, nil
	}
	file, n, err := x.at(ref, "")
	if err != nil {
		return nil, 0, false, err
	}
	r := x.files[file][n]
	bodyFile, bodyAt, err := x.at(r.Body.Ref, file)
	if err != nil {
		return nil, 0, false, err
	}
	t := x.files[bodyFile][bodyAt]
	if t.Kind == "DiscriminatedObjectType" {
		body, err = x.chosen(bodyFile, t, name)
	} else {
		body, err = x.make(bodyFile, bodyAt)
	}
	return body, r.ScopeType, true, err
}

// at splits a reference into file and number, and loads the file.
func (x *Index) at(ref, from string) (string, int, error) {
	path, number, _ := strings.Cut(ref, "#/")
	if path == "" {
		path = from
	}
	n, err := strconv.Atoi(number)
	if err != nil {
		return "", 0, fmt.Errorf("read the index of ARM types: reference %q", ref)
	}
	if _, ok := x.files[path]; !ok {
		data, err := os.ReadFile(filepath.Join(x.folder, filepath.FromSlash(path)))
		if err != nil {
			return "", 0, fmt.Errorf("read the index of ARM types: %w", err)
		}
		var types []armType
		if err := json.Unmarshal(data, &types); err != nil {
			return "", 0, fmt.Errorf("read the index of ARM types: %s: %w", path, err)
		}
		x.files[path] = types
	}
	if n < 0 || n >= len(x.files[path]) {
		return "", 0, fmt.Errorf("read the index of ARM types: reference %q leads nowhere", ref)
	}
	return path, n, nil
}

// make turns a type of the index into ours. Types refer to themselves, so what is being made is noted first.
func (x *Index) make(file string, n int) (*typ, error) {
	key := file + "#" + strconv.Itoa(n)
	if t, ok := x.made[key]; ok {
		return t, nil
	}
	t := new(typ)
	x.made[key] = t
	a := x.files[file][n]
	sub := func(ref armRef) (*typ, error) {
		f, i, err := x.at(ref.Ref, file)
		if err != nil {
			return nil, err
		}
		return x.make(f, i)
	}
	var err error
	switch a.Kind {
	case "StringType":
		*t = typ{kind: text, least: a.MinLength, most: a.MaxLength, pattern: a.Pattern}
	case "StringLiteralType":
		*t = typ{kind: text, literals: []string{a.Value}}
	case "IntegerType":
		*t = typ{kind: integer, least: a.MinValue, most: a.MaxValue}
	case "BooleanType":
		t.kind = boolean
	case "NullType":
		t.kind = null
	case "ArrayType":
		t.kind = list
		t.elem, err = sub(a.ItemType)
	case "UnionType":
		err = x.union(file, a, t, sub)
	case "ObjectType":
		t.kind = object
		t.props, err = x.props(a.Properties, sub)
		if err == nil && a.Additional != nil {
			t.extra, err = sub(*a.Additional)
		}
	case "DiscriminatedObjectType":
		*t = typ{kind: object, untyped: true}
	case "AnyType":
		t.kind = anything
	default:
		return nil, fmt.Errorf("the index of ARM types holds a %s, which the gate does not know", a.Kind)
	}
	return t, err
}

func (x *Index) props(from map[string]armProp, sub func(armRef) (*typ, error)) (map[string]prop, error) {
	out := make(map[string]prop)
	for name, p := range from {
		t, err := sub(p.Type)
		if err != nil {
			return nil, err
		}
		out[name] = prop{typ: t, required: p.Flags&1 != 0, readOnly: p.Flags&2 != 0}
	}
	return out, nil
}

func (x *Index) union(file string, a armType, t *typ, sub func(armRef) (*typ, error)) error {
	var elements []armRef
	if err := json.Unmarshal(a.Elements, &elements); err != nil {
		return fmt.Errorf("read the index of ARM types: %s: %w", file, err)
	}
	for i, e := range elements {
		m, err := sub(e)
		if err != nil {
			return err
		}
		if i == 0 {
			t.kind = m.kind
		}
		if m.kind != t.kind {
			*t = typ{kind: anything}
			return nil
		}
		// Some of Azure's enumerations are open. The gate takes them for closed: a value that the index does not know is a mistake.
		t.literals = append(t.literals, m.literals...)
	}
	if slices.Equal(t.literals, []string{"AuditLogs", "SignInLogs"}) {
		t.literals = nil // the index knows two of Entra's log categories, and there are many: tenant.bicep lists them
	}
	return nil
}

// chosen is the body of a type whose form depends on one property's value; without it, the form is not known.
func (x *Index) chosen(file string, a armType, value string) (*typ, error) {
	var forms map[string]armRef
	if err := json.Unmarshal(a.Elements, &forms); err != nil {
		return nil, fmt.Errorf("read the index of ARM types: %s: %w", file, err)
	}
	sub := func(ref armRef) (*typ, error) {
		f, i, err := x.at(ref.Ref, file)
		if err != nil {
			return nil, err
		}
		return x.make(f, i)
	}
	form, ok := forms[value]
	if !ok {
		return nil, fmt.Errorf("%s %q is none of its forms", a.Key, value)
	}
	body, err := sub(form)
	if err != nil {
		return nil, err
	}
	out := &typ{kind: object}
	if out.props, err = x.props(a.BaseProps, sub); err != nil {
		return nil, err
	}
	for name, p := range body.props {
		out.props[name] = p
	}
	return out, nil
}
