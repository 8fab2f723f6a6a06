package describe

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/entraledger/entraledger/internal/web"
)

// OpenAPI is the connector's definition, in OpenAPI 2.0, which Power Platform requires.
func OpenAPI(functions []web.Function) ([]byte, error) {
	s := &schemas{named: make(map[reflect.Type]string)}
	if err := s.name("error", reflect.TypeOf(web.ErrorShape())); err != nil {
		return nil, err
	}
	var (
		paths object
		probe string
	)
	for _, f := range functions {
		b, err := f.Binding()
		if err != nil {
			return nil, err
		}
		for _, o := range f.Operations {
			if o.ID == "" {
				continue
			}
			described, err := s.operation(o)
			if err != nil {
				return nil, err
			}
			if probe, err = probeOf(o, probe); err != nil {
				return nil, err
			}
			paths = paths.with("/"+b.Address(o), member{lower(o.Verb()), described})
		}
	}
	out := head()
	if probe != "" {
		out = append(out, member{"x-ms-capabilities", object{
			{"testConnection", object{{"operationId", probe}, {"parameters", object{}}}},
		}})
	}
	return indented(append(out, member{"paths", paths}, member{"definitions", s.definitions}))
}

// probeOf is the operation that tests a connection, where there was none or another before.
func probeOf(o web.Operation, before string) (string, error) {
	required := func(p web.Parameter) bool { return p.Required }
	switch {
	case !o.Probe:
		return before, nil
	case before != "":
		return "", fmt.Errorf("describe %s: %s tests connections, too, and one operation does", o.ID, before)
	case o.Verb() != http.MethodGet || len(o.Path) > 0 || slices.ContainsFunc(o.Parameters, required):
		return "", fmt.Errorf("describe %s: only a GET that works without parameters can test connections", o.ID)
	}
	return o.ID, nil
}

func indented(o object) ([]byte, error) {
	text, err := json.MarshalIndent(o, "", "  ")
	return append(text, '\n'), err
}

// with adds an operation to a path's.
func (o object) with(path string, operation member) object {
	for i := range o {
		if o[i].name == path {
			o[i].value = append(o[i].value.(object), operation)
			return o
		}
	}
	return append(o, member{path, object{operation}})
}

func head() object {
	return object{
		{"swagger", "2.0"},
		{"info", object{
			{"title", "Entra Ledger"}, {"version", "1.0"},
			{"description", "Who is inactive, which credentials expire, and what the archive of the Entra logs holds " +
				"and can prove."},
			{"license", object{{"name", "MIT"}}},
		}},
		{"host", "your-function-app.azurewebsites.net"},
		{"basePath", "/api"},
		{"schemes", []string{"https"}},
		{"consumes", []string{asJSON}},
		{"produces", []string{asJSON}},
		{"securityDefinitions", object{
			{keyParameter, object{{"type", "apiKey"}, {"in", "header"}, {"name", "x-functions-key"}}},
		}},
		{"security", []object{{{keyParameter, []string{}}}}},
	}
}

const asJSON = "application/json"

func (s *schemas) operation(o web.Operation) (object, error) {
	out := object{{"operationId", o.ID}, {"summary", o.Summary}, {"description", o.Text}}
	produces := []string{asJSON}
	if len(o.Answers.File) > 0 {
		produces = o.Answers.File
	}
	out = append(out, member{"produces", produces})
	if o.Body != nil {
		out = append(out, member{"consumes", []string{asJSON}})
	}
	parameters, err := s.parameters(o)
	if err != nil {
		return nil, err
	}
	if len(parameters) > 0 {
		out = append(out, member{"parameters", parameters})
	}
	responses, err := s.responses(o)
	if err != nil {
		return nil, err
	}
	out = append(out, member{"responses", responses})
	if o.Answers.Pages {
		out = append(out, member{"x-ms-pageable", object{{"nextLinkName", nextLink}}})
	}
	return append(out, member{"x-entraledger-role", o.Role}), nil
}

func (s *schemas) parameters(o web.Operation) ([]object, error) {
	var out []object
	for _, p := range o.Path {
		p.Required = true
		out = append(out, append(parameter(p, "path"), member{"x-ms-url-encoding", "single"}))
	}
	for _, p := range o.Parameters {
		if p.Kind != web.KindFormat && !p.Refused { // a flow reads JSON
			out = append(out, parameter(p, "query"))
		}
	}
	if o.Body == nil {
		return out, nil
	}
	body, err := s.body(o)
	return append(out, body), err
}

// body is required where one of its keys is.
func (s *schemas) body(o web.Operation) (object, error) {
	t := reflect.TypeOf(o.Body)
	all, err := columns(t)
	if err != nil {
		return nil, err
	}
	name := lower(o.ID) + "Request"
	schema, err := s.definition(name, t)
	return object{{"name", "body"}, {"in", "body"},
		{"required", slices.ContainsFunc(all, func(c column) bool { return c.required })}, {"schema", schema},
		{"description", o.BodyText}, {"x-ms-summary", o.BodyTitle}}, err
}

func parameter(p web.Parameter, in string) object {
	number := p.Kind == web.KindInt || p.Number
	out := object{{"name", p.Name}, {"in", in}, {"required", p.Required}, {"type", "string"}}
	if number {
		out[3].value = "integer"
	}
	out = append(out, member{"description", p.Text}, member{"x-ms-summary", title(p.Name)})
	if number {
		out = append(out, member{"format", "int32"})
	}
	if p.Kind == web.KindInt {
		out = append(out, member{"minimum", p.Least}, member{"maximum", p.Most})
	}
	if p.Kind == web.KindChoice {
		var words []any
		for _, word := range p.Accepted {
			words = append(words, valueOf(word, number))
		}
		out = append(out, member{"enum", words})
	}
	if p.Default != "" {
		out = append(out, member{"default", valueOf(p.Default, number)})
	}
	return out
}

func valueOf(text string, number bool) any {
	if n, err := strconv.Atoi(text); err == nil && number {
		return n
	}
	return text
}

func (s *schemas) responses(o web.Operation) (object, error) {
	failed := member{"default", object{{"description", "An error, in the shape of Microsoft Graph"},
		{"schema", reference("error")}}}
	after := object{{"type", "integer"}, {"description", "After how many seconds to ask again"}}
	ends := object{failed}
	if o.MayBeRefused() {
		ends = object{{"429", object{{"description", "As many of its kind are answered as an instance can; ask again"},
			{"schema", reference("error")}, {"headers", object{{"Retry-After", after}}}}}, failed}
	}
	if len(o.Answers.File) > 0 {
		return append(object{{"200", object{{"description", "The file"}, {"schema", object{{"type", "file"}}}}}},
			ends...), nil
	}
	schema, err := s.answers(o)
	if err != nil {
		return nil, err
	}
	out := object{{"200", object{{"description", "OK"}, {"schema", schema}}}}
	if o.Answers.Later {
		where := "Where to ask for the next part; it ends with the job"
		switch {
		case o.Answers.Pages:
			where = "This address: what it waited for is there when it is asked again"
		case slices.ContainsFunc(o.Parameters, func(p web.Parameter) bool { return p.Name == "$skiptoken" }):
			where = "Where to go on: this address, with a $skiptoken"
		}
		location := object{{"type", "string"}, {"description", where}}
		out = append(out, member{"202", object{{"description", "It goes on; ask again at Location"},
			{"schema", schema}, {"headers", object{{"Location", location}}}}})
	}
	return append(out, ends...), nil
}

// answers is the schema of an answer, under its name.
func (s *schemas) answers(o web.Operation) (object, error) {
	if o.Answers.Rows == nil {
		if selects(o) && !s.knows(o.Answers.Name) {
			body, err := s.partly(reflect.TypeOf(o.Answers.Is))
			if err != nil {
				return nil, err
			}
			return reference(o.Answers.Name), s.define(o.Answers.Name, body)
		}
		return s.definition(o.Answers.Name, reflect.TypeOf(o.Answers.Is))
	}
	if s.knows(o.Answers.Name) {
		return reference(o.Answers.Name), nil
	}
	all, err := listColumns(o)
	if err != nil {
		return nil, err
	}
	body, err := s.object(all)
	if err != nil {
		return nil, err
	}
	return reference(o.Answers.Name), s.define(o.Answers.Name, body)
}

// selects reports whether the caller chooses which keys a row has, or an object.
func selects(o web.Operation) bool {
	return slices.ContainsFunc(o.Parameters, func(p web.Parameter) bool { return p.Name == "$select" })
}

// listColumns are the keys of a list, in the order of web.List.
func listColumns(o web.Operation) ([]column, error) {
	text := reflect.TypeFor[string]()
	all := []column{{name: "@odata.context", text: "What this is", required: true, of: text}}
	if o.Answers.AsOf {
		all = append(all, column{name: "asOfDateTime", text: "As of when", required: true, of: text,
			format: "date-time"})
	}
	if o.Answers.Is != nil {
		about, err := columns(reflect.TypeOf(o.Answers.Is))
		if err != nil {
			return nil, err
		}
		all = append(all, about...)
	}
	if o.Answers.Count {
		c := column{name: "@odata.count", text: "How many rows there are", required: true, of: reflect.TypeFor[int64]()}
		if slices.ContainsFunc(o.Parameters, func(p web.Parameter) bool { return p.Name == "$count" }) {
			c.text, c.required = "All rows, where $count=true asked for it", false
		}
		all = append(all, c)
	}
	if o.Answers.Pages {
		all = append(all, column{name: nextLink, text: "Address of the next page; absent on the last",
			of: text})
	}
	return append(all, column{name: "value", text: o.Answers.Text, required: true,
		of: reflect.SliceOf(reflect.TypeOf(o.Answers.Rows)), partly: selects(o)}), nil
}

func (s *schemas) knows(name string) bool {
	return slices.ContainsFunc(s.definitions, func(m member) bool { return m.name == name })
}

// definition describes a struct under a name, once.
func (s *schemas) definition(name string, t reflect.Type) (object, error) {
	if s.knows(name) {
		return reference(name), nil
	}
	return reference(name), s.name(name, t)
}

func (s *schemas) name(name string, t reflect.Type) error {
	body, err := s.inline(t)
	if err != nil {
		return err
	}
	return s.define(name, body)
}
