// Package describe generates from the declarations of functions the connector's OpenAPI and the
// docs' tables.
package describe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/entraledger/entraledger/internal/web"
)

// object is a JSON object whose members keep their order.
type object []member

type member struct {
	name  string
	value any
}

// MarshalJSON writes the members in their order.
func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, part := range []any{m.name, m.value} {
			if j > 0 {
				b.WriteByte(':')
			}
			enc := json.NewEncoder(&b)
			enc.SetEscapeHTML(false)
			if err := enc.Encode(part); err != nil {
				return nil, err
			}
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// column is one key of a struct, as its tags declare it.
type column struct {
	name     string
	text     string
	enum     []string
	required bool
	of       reflect.Type
	format   string
	partly   bool // a list whose rows have the keys that the caller chose
}

// columns are the keys of a struct in their order. Those of embedded structs are included.
func columns(t reflect.Type) ([]column, error) {
	var out []column
	texts := map[string]string{}
	if long, ok := reflect.Zero(t).Interface().(interface{ Texts() map[string]string }); ok {
		texts = long.Texts()
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if field.Anonymous {
			inner, err := columns(plain(field.Type))
			if err != nil {
				return nil, err
			}
			for _, c := range inner {
				c.required = c.required && field.Type.Kind() != reflect.Pointer
				out = append(out, c)
			}
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		c := column{name: name, text: field.Tag.Get("text"), of: field.Type, format: field.Tag.Get("format")}
		if c.text == "" {
			c.text = texts[name]
		}
		if c.text == "" {
			return nil, fmt.Errorf("describe %s: its key %s says nothing of itself; give it a tag text", t, name)
		}
		c.required = !strings.Contains(options, "omitempty") || field.Tag.Get("always") == "true"
		if words := field.Tag.Get("enum"); words != "" {
			c.enum = strings.Split(words, ",")
		}
		if c.format == "" && strings.HasSuffix(strings.ToLower(name), "datetime") {
			c.format = "date-time"
		}
		out = append(out, c)
	}
	return out, nil
}

func plain(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// schemas makes schemas of Go types. A type with an exported name is described once, under its own
// name.
type schemas struct {
	definitions object
	named       map[reflect.Type]string
}

func (s *schemas) property(c column) (object, error) {
	of := s.of
	switch {
	case c.partly:
		of = s.partlyEach
	case plain(c.of).Kind() == reflect.Struct: // beside a reference a title is not read
		of = func(t reflect.Type) (object, error) { return s.inline(plain(t)) }
	}
	if plain(c.of).Kind() == reflect.Struct { // beside a reference no title would be read
		of = func(t reflect.Type) (object, error) { return s.inline(plain(t)) }
	}
	out, err := of(c.of)
	if err != nil {
		return nil, err
	}
	if c.format != "" {
		out = append(out, member{"format", c.format})
	}
	if len(c.enum) > 0 {
		out = append(out, member{"enum", c.enum})
	}
	return append(out, member{"description", c.text}, member{"x-ms-summary", title(c.name)}), nil
}

func (s *schemas) of(t reflect.Type) (object, error) {
	t = plain(t)
	switch t.Kind() {
	case reflect.String:
		return object{{"type", "string"}}, nil
	case reflect.Bool:
		return object{{"type", "boolean"}}, nil
	case reflect.Int:
		return object{{"type", "integer"}, {"format", "int32"}}, nil
	case reflect.Int64:
		return object{{"type", "integer"}, {"format", "int64"}}, nil
	case reflect.Float64:
		return object{{"type", "number"}, {"format", "double"}}, nil
	case reflect.Slice:
		items, err := s.of(t.Elem())
		return object{{"type", "array"}, {"items", items}}, err
	case reflect.Map:
		values, err := s.of(t.Elem())
		return object{{"type", "object"}, {"additionalProperties", values}}, err
	case reflect.Struct:
		return s.ofStruct(t)
	}
	return nil, fmt.Errorf("describe %s: a %s has no form here", t, t.Kind())
}

func (s *schemas) ofStruct(t reflect.Type) (object, error) {
	name := t.Name()
	if name == "" || !('A' <= name[0] && name[0] <= 'Z') {
		return s.inline(t)
	}
	if known, ok := s.named[t]; ok {
		return reference(known), nil
	}
	known := lower(strings.TrimSuffix(name, "Row"))
	s.named[t] = known
	body, err := s.inline(t)
	if err != nil {
		return nil, err
	}
	return reference(known), s.define(known, body)
}

// lower is a name in the manner of JSON; an HTTP method as OpenAPI has it.
func lower(name string) string {
	if name == strings.ToUpper(name) {
		return strings.ToLower(name)
	}
	return strings.ToLower(name[:1]) + name[1:]
}

func reference(name string) object { return object{{"$ref", "#/definitions/" + name}} }

func (s *schemas) define(name string, body object) error {
	for _, m := range s.definitions {
		if m.name == name {
			return fmt.Errorf("describe %s: two things have this name", name)
		}
	}
	s.definitions = append(s.definitions, member{name, body})
	return nil
}

// inline is a struct's schema at its place of use.
func (s *schemas) inline(t reflect.Type) (object, error) {
	all, err := columns(t)
	if err != nil {
		return nil, err
	}
	out, err := s.object(all)
	if open, ok := reflect.Zero(t).Interface().(web.Open); ok {
		out = append(out, member{"description", open.Open()}, member{"additionalProperties", true})
	}
	return out, err
}

// partly is a struct's schema at its place of use, without a key that has to be there.
func (s *schemas) partly(t reflect.Type) (object, error) {
	out, err := s.inline(t)
	return slices.DeleteFunc(out, func(m member) bool { return m.name == "required" }), err
}

// partlyEach is the schema of a list of what partly describes.
func (s *schemas) partlyEach(t reflect.Type) (object, error) {
	rows, err := s.partly(t.Elem())
	return object{{"type", "array"}, {"items", rows}}, err
}

func (s *schemas) object(all []column) (object, error) {
	var (
		properties object
		required   []string
	)
	for _, c := range all {
		p, err := s.property(c)
		if err != nil {
			return nil, err
		}
		properties = append(properties, member{c.name, p})
		if c.required {
			required = append(required, c.name)
		}
	}
	out := object{{"type", "object"}}
	if len(properties) > 0 {
		out = append(out, member{"properties", properties})
	}
	if len(required) > 0 {
		out = append(out, member{"required", required})
	}
	return out, nil
}

var (
	humps = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	ids   = regexp.MustCompile(` Id(s?)\b`)
)

// optionTitles are OData's query options in a maker's words.
var optionTitles = map[string]string{
	"$count":     "Count All Rows",
	"$filter":    "Graph Filter",
	"$orderby":   "Sort By",
	"$select":    "Columns",
	"$skiptoken": "Next Page",
	"$top":       "Rows per Page",
}

// title is a key as a person reads it: assignedSkuIds is Assigned Sku IDs.
func title(name string) string {
	if words, ok := optionTitles[name]; ok {
		return words
	}
	name = strings.TrimPrefix(name[strings.LastIndexByte(name, '.')+1:], "$")
	if head, ok := strings.CutSuffix(name, "DateTime"); ok && head != "" {
		return title(head) + " (UTC)"
	}
	words := humps.ReplaceAllString(name, "$1 $2")
	first, rest, more := strings.Cut(words, " ")
	switch first {
	case "gb", "usd":
		first = strings.ToUpper(first)
	default:
		first = strings.ToUpper(first[:1]) + first[1:]
	}
	if more {
		first += " " + rest
	}
	return strings.ReplaceAll(ids.ReplaceAllString(first, " ID$1"), "Sha256", "SHA-256")
}
