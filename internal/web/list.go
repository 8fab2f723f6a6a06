package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// List is a collection as Graph has it, with the keys in this order. T is a row: its JSON keys are
// the columns of the CSV file of the same list, and the properties that $select accepts.
type List[T any] struct {
	Of       string    // what it is of, in @odata.context
	AsOf     time.Time // zero: the list does not say
	About    any       // a struct whose keys follow these; nil: there are none
	Count    *int64    // of all rows
	NextLink string
	Value    []T

	File string // name of the file, without .csv; empty: it is not given as one
}

// Answer gives the list as JSON, or as a file where the request asks for one.
func (l List[T]) Answer() Answer {
	return Answer{func(w http.ResponseWriter, r Request) error {
		if r.Query.CSV() && l.File != "" {
			return CSV(w, l.File+".csv", l.Value)
		}
		body, err := l.JSON(r.Context(l.Of))
		if err == nil {
			writeRaw(w, append(body, '\n'))
		}
		return err
	}}
}

// Later is the list of a job that is in progress.
func (l List[T]) Later(location string) Answer {
	return Answer{func(w http.ResponseWriter, r Request) error {
		body, err := l.JSON(r.Context(l.Of))
		if err != nil {
			return err
		}
		return Later(location, json.RawMessage(body)).write(w, r)
	}}
}

// JSON is the list as JSON. A row that is JSON already is kept byte for byte.
func (l List[T]) JSON(context string) ([]byte, error) {
	about, err := encode(context)
	if err != nil {
		return nil, err
	}
	body := append([]byte(`{"@odata.context":`), about...)
	if !l.AsOf.IsZero() {
		body = AppendText(append(body, `,"asOfDateTime":`...), Time(l.AsOf))
	}
	if l.About != nil {
		about, err := encode(l.About)
		if err != nil {
			return nil, err
		}
		if inner := about[1 : len(about)-1]; len(inner) > 0 {
			body = append(append(body, ','), inner...)
		}
	}
	if l.Count != nil {
		body = strconv.AppendInt(append(body, `,"@odata.count":`...), *l.Count, 10)
	}
	if l.NextLink != "" {
		link, err := encode(l.NextLink)
		if err != nil {
			return nil, err
		}
		body = append(append(body, `,"@odata.nextLink":`...), link...)
	}
	body = append(body, `,"value":[`...)
	if raw, ok := any(l.Value).([]json.RawMessage); ok { // the whole size is known
		size := len(body) + len("]}\n")
		for _, row := range raw {
			size += len(row) + 1
		}
		body = slices.Grow(body, size-len(body))
	}
	for i, row := range l.Value {
		if i > 0 {
			body = append(body, ',')
		}
		text, err := rowJSON(row)
		if err != nil {
			return nil, err
		}
		body = append(body, text...)
	}
	return append(body, "]}"...), nil
}

func rowJSON(row any) ([]byte, error) {
	if raw, ok := row.(json.RawMessage); ok {
		return raw, nil
	}
	return encode(row)
}

// encode is v as JSON with <, > and & unescaped.
func encode(v any) ([]byte, error) {
	var body bytes.Buffer
	enc := json.NewEncoder(&body)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(body.Bytes(), []byte("\n")), err
}

// Only keeps the rows that a query asks for by their id, whatever its case; without such a filter
// all.
func Only[T any](q Query, rows []T, id func(T) string) []T {
	asked := q.ID()
	if asked == "" {
		return rows
	}
	return slices.DeleteFunc(rows, func(row T) bool { return !strings.EqualFold(id(row), asked) })
}

// Names are the JSON names of a row's columns, for $select.
func Names[T any]() []string {
	var out []string
	t := reflect.TypeFor[T]()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out = append(out, name)
	}
	return out
}

// Project keeps the selected properties of an object; nil keeps all.
func Project(object []byte, fields []string) []byte {
	if fields == nil {
		return object
	}
	out := append(make([]byte, 0, len(object)), '{')
	gjson.ParseBytes(object).ForEach(func(key, value gjson.Result) bool {
		if slices.Contains(fields, key.Str) {
			if len(out) > 1 {
				out = append(out, ',')
			}
			out = append(append(append(out, key.Raw...), ':'), value.Raw...)
		}
		return true
	})
	return append(out, '}')
}

// Selected is an object of which only some fields are written; without fields, all.
type Selected struct {
	Object any
	Fields []string
}

// MarshalJSON writes the selected fields.
func (s Selected) MarshalJSON() ([]byte, error) {
	body, err := json.Marshal(s.Object)
	return Project(body, s.Fields), err
}
