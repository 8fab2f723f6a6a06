package describe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/entraledger/entraledger/internal/web"
)

// OpenAPI3 is the same API as OpenAPI describes, in OpenAPI 3.0: for programs that generate clients
// and types. What only Power Platform reads is left out of it.
func OpenAPI3(functions []web.Function) ([]byte, error) {
	text, err := OpenAPI(functions)
	if err != nil {
		return nil, err
	}
	var two object
	text = bytes.ReplaceAll(text, []byte(`"#/definitions/`), []byte(`"#/components/schemas/`))
	if err := json.Unmarshal(text, &two); err != nil {
		return nil, fmt.Errorf("describe in OpenAPI 3: %w", err)
	}
	var paths object
	for _, path := range two.objectAt("paths") {
		var operations object
		for _, o := range path.value.(object) {
			operations = append(operations, member{o.name, operation3(o.value.(object))})
		}
		paths = append(paths, member{path.name, operations})
	}
	return indented(object{
		{"openapi", "3.0.3"},
		{"info", two.at("info")},
		{"servers", []object{{{"url", "https://your-function-app.azurewebsites.net/api"}}}},
		{"security", two.at("security")},
		{"paths", paths},
		{"components", object{
			{"securitySchemes", two.at("securityDefinitions")},
			{"schemas", described(two.at("definitions"))},
		}},
	})
}

// operation3 is an operation of OpenAPI 2 in the form of 3: a parameter's type is in its schema, a
// body and an answer have a content type each.
func operation3(two object) object {
	out := object{{"operationId", two.at("operationId")}, {"summary", two.at("summary")},
		{"description", two.at("description")}}
	var (
		parameters []any
		body       object
	)
	given, _ := two.at("parameters").([]any)
	for _, p := range given {
		p := p.(object)
		if p.at("in") == "body" {
			body = object{{"required", p.at("required")}, {"description", p.at("description")},
				{"content", object{{asJSON, object{{"schema", p.at("schema")}}}}}}
			continue
		}
		parameters = append(parameters, parameter3(p))
	}
	if len(parameters) > 0 {
		out = append(out, member{"parameters", parameters})
	}
	if body != nil {
		out = append(out, member{"requestBody", body})
	}
	var responses object
	for _, r := range two.objectAt("responses") {
		responses = append(responses, member{r.name, response3(r.value.(object), two.at("produces").([]any))})
	}
	return append(out, member{"responses", responses}, member{"x-entraledger-role", two.at("x-entraledger-role")})
}

func parameter3(two object) object {
	var out, schema object
	for _, m := range two {
		switch m.name {
		case "name", "in", "required", "description":
			out = append(out, m)
		case "x-ms-summary", "x-ms-url-encoding":
		default:
			schema = append(schema, m)
		}
	}
	return append(out, member{"schema", schema})
}

func response3(two object, produces []any) object {
	out := object{{"description", two.at("description")}}
	var headers object
	for _, h := range two.objectAt("headers") {
		of := h.value.(object)
		headers = append(headers, member{h.name, object{{"description", of.at("description")},
			{"schema", object{{"type", of.at("type")}}}}})
	}
	if headers != nil {
		out = append(out, member{"headers", headers})
	}
	schema := two.objectAt("schema")
	if schema.at("type") != "file" {
		return append(out, member{"content", object{{asJSON, object{{"schema", schema}}}}})
	}
	var content object
	for _, kind := range produces {
		file := object{{"type", "string"}, {"format", "binary"}}
		content = append(content, member{kind.(string), object{{"schema", file}}})
	}
	return append(out, member{"content", content})
}

// described is a schema without what is of the connector alone.
func described(v any) any {
	switch v := v.(type) {
	case object:
		var out object
		for _, m := range v {
			if !strings.HasPrefix(m.name, "x-ms-") {
				out = append(out, member{m.name, described(m.value)})
			}
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = described(v[i])
		}
		return out
	}
	return v
}

// at is a member's value; nil: there is none.
func (o object) at(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

func (o object) objectAt(name string) object {
	out, _ := o.at(name).(object)
	return out
}

// UnmarshalJSON reads the members in their order; nested objects are of this type, too.
func (o *object) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := inOrder(dec)
	if err != nil {
		return err
	}
	read, ok := v.(object)
	if !ok {
		return fmt.Errorf("read an object: it is a %T", v)
	}
	*o = read
	return nil
}

// inOrder reads a value; objects are of type object, lists of type []any.
func inOrder(dec *json.Decoder) (any, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch token {
	case json.Delim('{'):
		out := object{}
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return nil, err
			}
			value, err := inOrder(dec)
			if err != nil {
				return nil, err
			}
			out = append(out, member{name.(string), value})
		}
		_, err = dec.Token()
		return out, err
	case json.Delim('['):
		out := []any{}
		for dec.More() {
			value, err := inOrder(dec)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		_, err = dec.Token()
		return out, err
	}
	return token, nil
}
