package web

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Table writes rows as CSV, one after the other, with a header of their JSON names. A struct within a
// row becomes columns of its own, named like lastError.message; a list is one cell.
type Table[T any] struct {
	out    *CSVWriter
	keep   []bool // which columns
	record []string
}

// NewTable begins a file. fields are the top-level names that are wanted; none means all.
func NewTable[T any](w http.ResponseWriter, file string, fields []string) *Table[T] {
	t := &Table[T]{}
	var header []string
	columns(reflect.TypeFor[T](), "", &header)
	for _, name := range header {
		top, _, _ := strings.Cut(name, ".")
		t.keep = append(t.keep, len(fields) == 0 || slices.Contains(fields, top))
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", file))
	w.WriteHeader(http.StatusOK)
	t.out = NewCSVWriter(w, t.kept(header))
	return t
}

// Row writes one row. After an error there is nothing more to be read for the file: a HEAD is
// answered, or the caller went away.
func (t *Table[T]) Row(row T) error {
	t.record = t.record[:0]
	cells(reflect.ValueOf(row), &t.record)
	return t.out.write(t.kept(t.record))
}

// kept are the wanted ones of a row's cells.
func (t *Table[T]) kept(record []string) []string {
	kept := make([]string, 0, len(record))
	for i, cell := range record {
		if t.keep[i] {
			kept = append(kept, cell)
		}
	}
	return kept
}

// Close ends the file.
func (t *Table[T]) Close() error { return t.out.Flush() }

// File answers with rows as they are read. It begins with the first one, so that what fails before
// is answered as an error. fields are the top-level names that are wanted; none means all.
func File[T any](name string, fields []string, each func(row func(T) error) error) Answer {
	return Stream(func(w http.ResponseWriter, _ *http.Request) error {
		var table *Table[T]
		begin := func() {
			if table == nil {
				table = NewTable[T](w, name, fields)
			}
		}
		err := each(func(row T) error {
			begin()
			return table.Row(row)
		})
		if err == nil {
			begin()
		}
		if table != nil {
			err = cmp.Or(err, table.Close())
		}
		return err
	})
}

// CSV writes rows that are all there.
func CSV[T any](w http.ResponseWriter, file string, rows []T) error {
	t := NewTable[T](w, file, nil)
	for _, row := range rows {
		if err := t.Row(row); err != nil {
			return err
		}
	}
	return t.Close()
}

func columns(t reflect.Type, prefix string, header *[]string) {
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct {
			columns(inner, prefix+name+".", header)
			continue
		}
		*header = append(*header, prefix+name)
	}
}

func cells(v reflect.Value, record *[]string) {
	for i := range v.NumField() {
		field := v.Field(i)
		if field.Kind() == reflect.Pointer {
			switch {
			case !field.IsNil():
				field = field.Elem()
			case field.Type().Elem().Kind() == reflect.Struct:
				field = reflect.Zero(field.Type().Elem())
			default:
				*record = append(*record, "") // not known, which is not 0
				continue
			}
		}
		switch field.Kind() {
		case reflect.Struct:
			cells(field, record)
			continue
		case reflect.Slice:
			var parts []string
			for j := range field.Len() {
				parts = append(parts, fmt.Sprint(field.Index(j).Interface()))
			}
			*record = append(*record, Cell(strings.Join(parts, "; ")))
			continue
		}
		text := fmt.Sprint(field.Interface())
		if !isNumber(field.Kind()) {
			text = Cell(text)
		}
		*record = append(*record, text)
	}
}

// isNumber reports whether values of a kind are numbers, which may begin with a minus.
func isNumber(kind reflect.Kind) bool { return kind >= reflect.Int && kind <= reflect.Float64 }
