package answer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// Parameters reads a query. The first thing that can't be understood is kept as its error, and what is read after it is
// the default.
type Parameters struct {
	values url.Values
	err    error
}

// ReadParameters checks that a query can be read, names no unknown parameter, and none twice.
func ReadParameters(r *http.Request, accepted ...string) *Parameters {
	p := &Parameters{}
	if p.values, p.err = url.ParseQuery(r.URL.RawQuery); p.err != nil {
		p.err = &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: "it is not encoded as a URL has to be", Remedy: "write % as %25, and & within a value as %26"}
		return p
	}
	if p.err = CheckParameters(r, accepted...); p.err != nil {
		return p
	}
	for _, name := range accepted {
		if len(p.values[name]) > 1 {
			p.refuse(name, strings.Join(p.values[name], "\" and \""), "one value")
		}
	}
	return p
}

// Err is the first error.
func (p *Parameters) Err() error { return p.err }

// Has tells whether a parameter was given.
func (p *Parameters) Has(name string) bool { return p.values.Has(name) }

// Text is a parameter as it was given.
func (p *Parameters) Text(name string) string { return p.values.Get(name) }

func (p *Parameters) refuse(name, value, accepted string) {
	if len(value) > 200 {
		value = value[:200] + "..."
	}
	if p.err == nil {
		p.err = &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: fmt.Sprintf("%s is %q", name, value), Remedy: "accepted is " + accepted}
	}
}

// CSV tells whether the caller asks for a file: $format=csv, or Accept: text/csv.
func (p *Parameters) CSV(r *http.Request) bool {
	wants, err := WantsCSV(r)
	if p.err == nil {
		p.err = err
	}
	return wants
}

// Refuse makes a combination of parameters the error.
func (p *Parameters) Refuse(why, remedy string) {
	if p.err == nil {
		p.err = &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: why, Remedy: remedy}
	}
}

// Int reads a whole number.
func (p *Parameters) Int(name string, fallback, least, most int) int {
	if !p.Has(name) {
		return fallback
	}
	n, err := strconv.Atoi(p.Text(name))
	if err != nil || n < least || n > most {
		p.refuse(name, p.Text(name), fmt.Sprintf("a whole number from %d to %d", least, most))
		return fallback
	}
	return n
}

// Choice reads one of several words.
func (p *Parameters) Choice(name, fallback string, accepted ...string) string {
	if !p.Has(name) {
		return fallback
	}
	if !slices.Contains(accepted, p.Text(name)) {
		p.refuse(name, p.Text(name), "one of "+strings.Join(accepted, ", "))
		return fallback
	}
	return p.Text(name)
}

// Flag reads true, false or all; nil is all.
func (p *Parameters) Flag(name string) *bool {
	switch p.Choice(name, "all", "true", "false", "all") {
	case "true":
		return new(true)
	case "false":
		return new(false)
	}
	return nil
}

// List reads words with commas between.
func (p *Parameters) List(name string) []string {
	var out []string
	for item := range strings.SplitSeq(p.Text(name), ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// Words reads words with commas between, each one of several.
func (p *Parameters) Words(name string, accepted ...string) []string {
	out := p.List(name)
	for _, word := range out {
		if !slices.Contains(accepted, word) {
			p.refuse(name, word, "one or several of "+strings.Join(accepted, ", ")+", with commas between")
			return nil
		}
	}
	if p.Has(name) && len(out) == 0 {
		p.refuse(name, p.Text(name), "one or several of "+strings.Join(accepted, ", ")+", with commas between")
	}
	return out
}

// Time reads a time, or a date, which is its first moment in UTC; zero where the parameter is not given.
func (p *Parameters) Time(name string) time.Time {
	if !p.Has(name) {
		return time.Time{}
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, p.Text(name)); err == nil && t.Year() >= 1970 && t.Year() < 9999 {
			return t.UTC()
		}
	}
	p.refuse(name, p.Text(name), "a date such as 2026-11-21, or a time such as 2026-11-21T14:00:00Z (write + as %2B)")
	return time.Time{}
}

// Since reads a time or a date, or a word that stands for one.
func (p *Parameters) Since(name, word string) (at time.Time, isWord bool) {
	if p.Text(name) == word {
		return time.Time{}, true
	}
	return p.Time(name), false
}

// Select reads $select; nil is everything.
func (p *Parameters) Select(accepted []string) []string {
	if !p.Has("$select") {
		return nil
	}
	return p.Words("$select", accepted...)
}

// OrderBy reads $orderby: one property, and asc or desc after it.
func (p *Parameters) OrderBy(accepted ...string) (by string, desc bool) {
	if !p.Has("$orderby") {
		return "", false
	}
	words := strings.Fields(p.Text("$orderby"))
	if len(words) == 0 || len(words) > 2 || !slices.Contains(accepted, words[0]) || len(words) == 2 && words[1] != "asc" && words[1] != "desc" {
		p.refuse("$orderby", p.Text("$orderby"), "one of "+strings.Join(accepted, ", ")+", and asc or desc after it")
		return "", false
	}
	return words[0], len(words) == 2 && words[1] == "desc"
}

// Names are the JSON names of a struct's fields, for $select.
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

// NextLink is the address of the next page: this request's, with a skip token. The caller's key is no part of a link.
func NextLink(r *http.Request, configured, token string) string {
	next := r.URL.Query()
	next.Del("code")
	next.Del("clientId")
	next.Set("$skiptoken", token)
	return BaseURL(r, configured) + r.URL.EscapedPath() + "?" + next.Encode()
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
