package describe

import (
	"fmt"
	"reflect"
	"strings"

	"github.com/entraledger/entraledger/internal/web"
)

// Overview is a table of all HTTP operations, with the key and the role that each requires.
func Overview(functions []web.Function) (string, error) {
	var b strings.Builder
	b.WriteString("| ask | for | key | app role |\n| --- | --- | --- | --- |\n")
	err := each(functions, func(f web.Function, bound web.Binding, o web.Operation) error {
		ask := "`" + address(bound, o) + "`"
		if o.ID != "" {
			ask = fmt.Sprintf("[%s](#%s)", ask, strings.ToLower(o.ID))
		}
		role := "none: it holds no data"
		if !f.Public {
			role = "`" + string(o.Role) + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", ask, o.Summary, bound.Level, role)
		return nil
	})
	return b.String(), err
}

// Reference lists for each operation of the connector its parameters and its answer.
func Reference(functions []web.Function) (string, error) {
	var b strings.Builder
	err := each(functions, func(_ web.Function, bound web.Binding, o web.Operation) error {
		if o.ID == "" {
			return nil
		}
		fmt.Fprintf(&b, "\n### %s\n\n`%s`\n\n%s\n", o.ID, address(bound, o), sentences(o.Text))
		parameterTable(&b, o)
		if o.Body != nil {
			if err := columnTable(&b, "key of the body", o.Body); err != nil {
				return err
			}
		}
		if o.Answers.Rows != nil {
			return columnTable(&b, "column", o.Answers.Rows)
		}
		return nil
	})
	return b.String() + "\n", err
}

// sentences puts each of a text on a line of its own.
func sentences(text string) string { return strings.ReplaceAll(text, ". ", ".\n") }

func each(functions []web.Function, do func(web.Function, web.Binding, web.Operation) error) error {
	for _, f := range functions {
		bound, err := f.Binding()
		if err != nil {
			return err
		}
		for _, o := range f.Operations {
			if err := do(f, bound, o); err != nil {
				return err
			}
		}
	}
	return nil
}

func address(bound web.Binding, o web.Operation) string {
	return o.Verb() + " /api/" + bound.Address(o)
}

func parameterTable(b *strings.Builder, o web.Operation) {
	if len(o.Path)+len(o.Parameters) == 0 {
		return
	}
	b.WriteString("\n| parameter | meaning | accepted | default |\n| --- | --- | --- | --- |\n")
	for _, p := range o.Path {
		fmt.Fprintf(b, "| `{%s}` | %s | %s | |\n", p.Name, p.Text, accepted(p))
	}
	for _, p := range o.Parameters {
		if p.Refused {
			continue
		}
		text, preset := p.Text, ""
		if p.Note != "" {
			text += ". " + p.Note
		}
		if p.Required {
			preset = "required"
		} else if p.Default != "" {
			preset = "`" + p.Default + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.Name, text, accepted(p), preset)
	}
}

// mostListed is how many words a cell lists; $select accepts every column, and they are listed
// below it.
const mostListed = 12

func accepted(p web.Parameter) string {
	words := ""
	if len(p.Accepted) <= mostListed && len(p.Accepted) > 0 {
		words = "`" + strings.Join(p.Accepted, "`, `") + "`"
	}
	switch p.Kind {
	case web.KindInt:
		return fmt.Sprintf("%d to %d", p.Least, p.Most)
	case web.KindTime:
		if p.Word != "" {
			return "date or time, `" + p.Word + "`"
		}
		return "date or time"
	case web.KindInstant:
		return "time"
	case web.KindWords:
		if words == "" {
			return "names of columns"
		}
	}
	return words
}

func columnTable(b *strings.Builder, head string, row any) error {
	all, err := columns(reflect.TypeOf(row))
	if err != nil || len(all) == 0 {
		return err
	}
	fmt.Fprintf(b, "\n| %s | type | meaning |\n| --- | --- | --- |\n", head)
	for _, c := range all {
		kind := kindOf(c)
		if !c.required {
			kind += ", or absent"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", c.name, kind, c.text)
	}
	return nil
}

// kindOf is a column's type in a word or two.
func kindOf(c column) string {
	t := plain(c.of)
	switch {
	case c.format == "date-time":
		return "time"
	case t.Kind() == reflect.Slice:
		return "list"
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "object"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.String:
		return "text"
	}
	return "number"
}
