package answer

import (
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
)

// WantsCSV tells whether the caller asks for CSV: $format=csv, or Accept: text/csv. Another $format is refused.
func WantsCSV(r *http.Request) (bool, error) {
	switch format := r.URL.Query().Get("$format"); format {
	case "csv":
		return true, nil
	case "json":
		return false, nil
	case "":
		return strings.HasPrefix(r.Header.Get("Accept"), "text/csv"), nil
	default:
		return false, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: "$format is " + strconv.Quote(format), Remedy: "accepted are json and csv"}
	}
}

// Table writes rows as CSV, one after the other, with a header of their JSON names, in UTF-8 with a byte order mark, which
// Excel needs. A struct within a row becomes columns of its own, named like lastError.message; a list stands in one cell.
type Table[T any] struct {
	w      http.ResponseWriter
	out    *csv.Writer
	keep   []bool // which columns
	record []string
}

// NewTable begins a file. fields are the top-level names that are wanted; none means all.
func NewTable[T any](w http.ResponseWriter, file string, fields []string) *Table[T] {
	t := &Table[T]{w: w}
	var header []string
	columns(reflect.TypeFor[T](), "", &header)
	for _, name := range header {
		top, _, _ := strings.Cut(name, ".")
		t.keep = append(t.keep, len(fields) == 0 || slices.Contains(fields, top))
	}
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", file))
	w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(w, "\ufeff") // a caller that went away needs no answer
	t.out = csv.NewWriter(w)
	t.out.UseCRLF = true
	t.write(header)
	return t
}

// Row writes one row.
func (t *Table[T]) Row(row T) {
	t.record = t.record[:0]
	cells(reflect.ValueOf(row), &t.record)
	t.write(t.record)
}

func (t *Table[T]) write(record []string) {
	kept := make([]string, 0, len(record))
	for i, cell := range record {
		if t.keep[i] {
			kept = append(kept, cell)
		}
	}
	_ = t.out.Write(kept) // likewise
}

// Close ends the file. After an error the connection is cut: half a file must not look like a whole one.
func (t *Table[T]) Close(err error) {
	t.out.Flush()
	if err != nil {
		_ = http.NewResponseController(t.w).Flush() // likewise
		panic(http.ErrAbortHandler)
	}
}

// File is a Table that begins with its first row, so that what fails before can still be answered as an error.
type File[T any] struct {
	w      http.ResponseWriter
	name   string
	fields []string
	table  *Table[T]
}

// NewFile makes a File; nothing is written yet.
func NewFile[T any](w http.ResponseWriter, name string, fields []string) *File[T] {
	return &File[T]{w: w, name: name, fields: fields}
}

// Row writes one row.
func (f *File[T]) Row(row T) error {
	if f.table == nil {
		f.table = NewTable[T](f.w, f.name, f.fields)
	}
	f.table.Row(row)
	return nil
}

// End ends the file. It gives err back where nothing has been written, and cuts the connection otherwise.
func (f *File[T]) End(err error) error {
	if f.table == nil {
		if err != nil {
			return err
		}
		f.table = NewTable[T](f.w, f.name, f.fields)
	}
	f.table.Close(err)
	return nil
}

// CSV writes rows that are all there.
func CSV[T any](w http.ResponseWriter, file string, rows []T) error {
	t := NewTable[T](w, file, nil)
	for _, row := range rows {
		t.Row(row)
	}
	t.Close(nil)
	return nil
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
			*record = append(*record, harmless(strings.Join(parts, "; "), reflect.String))
			continue
		}
		*record = append(*record, harmless(fmt.Sprint(field.Interface()), field.Kind()))
	}
}

// harmless is Harmless for what is a text; a number may begin with a minus.
func harmless(text string, kind reflect.Kind) string {
	if kind == reflect.String {
		return Harmless(text)
	}
	return text
}

// Harmless keeps a spreadsheet from taking a text for a formula.
func Harmless(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
