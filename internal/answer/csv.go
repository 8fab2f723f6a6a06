package answer

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"reflect"
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

// CSV writes rows with a header of their JSON names, in UTF-8 with a byte order mark, which Excel needs. A struct within
// a row becomes columns of its own, named like lastError.message.
func CSV[T any](w http.ResponseWriter, file string, rows []T) error {
	var body bytes.Buffer
	body.WriteString("\ufeff")
	out := csv.NewWriter(&body)
	out.UseCRLF = true
	var header []string
	columns(reflect.TypeFor[T](), "", &header)
	_ = out.Write(header) // a buffer takes everything
	for _, row := range rows {
		var record []string
		cells(reflect.ValueOf(row), &record)
		_ = out.Write(record)
	}
	out.Flush()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", file))
	w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(body.Bytes()) // a caller that went away needs no answer
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
			if field.IsNil() {
				field = reflect.Zero(field.Type().Elem())
			} else {
				field = field.Elem()
			}
		}
		if field.Kind() == reflect.Struct {
			cells(field, record)
			continue
		}
		*record = append(*record, harmless(fmt.Sprint(field.Interface()), field.Kind()))
	}
}

// harmless keeps a spreadsheet from taking a text for a formula.
func harmless(text string, kind reflect.Kind) string {
	if kind == reflect.String && text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
