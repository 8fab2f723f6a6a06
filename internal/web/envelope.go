package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
)

// envelope is an invocation that is not plain HTTP.
type envelope struct {
	Data     map[string]json.RawMessage
	Metadata map[string]json.RawMessage
}

func readEnvelope(body io.Reader) (envelope, error) {
	var e envelope
	if err := json.NewDecoder(body).Decode(&e); err != nil {
		return e, fmt.Errorf("the envelope is not JSON: %w", inWords(err, "it"))
	}
	if e.Data == nil {
		return e, fmt.Errorf("the envelope has no Data")
	}
	return e, nil
}

// inWords is the error of JSON that doesn't fit, without the names of this program's types. of is
// what was read.
func inWords(err error, of string) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	if wrong.Field != "" {
		of = strconv.Quote(wrong.Field)
	}
	is, _, _ := strings.Cut(wrong.Value, " ") // a number's digits stand behind it
	needed := "a whole number"
	switch wrong.Type.Kind() {
	case reflect.Float32, reflect.Float64:
		needed = "number"
	case reflect.Bool:
		needed = "bool"
	case reflect.String:
		needed = "string"
	case reflect.Slice, reflect.Array:
		needed = "array"
	case reflect.Struct, reflect.Map:
		needed = "object"
	}
	return fmt.Errorf("%s has the JSON type %s; %s is needed", of, is, needed)
}

// decode reads a value of Data or Metadata. The host writes everything but objects as a JSON text
// within a JSON string, and a string therefore twice.
func decode(raw json.RawMessage, into any) error {
	var text string
	if json.Unmarshal(raw, &text) == nil && json.Valid([]byte(text)) {
		raw = json.RawMessage(text)
	}
	return json.Unmarshal(raw, into)
}

// pastDue reports whether a timer fires late. The binding's name is free, so every value is
// checked.
func (e envelope) pastDue() bool {
	for _, raw := range e.Data {
		var timer struct{ IsPastDue bool }
		if decode(raw, &timer) == nil && timer.IsPastDue {
			return true
		}
	}
	return false
}

// retry is which try this is, 0 for the first.
func (e envelope) retry() int {
	var context struct{ RetryCount int }
	if decode(e.Metadata["RetryContext"], &context) != nil {
		return 0
	}
	return context.RetryCount
}
