package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/entraledger/entraledger/internal/entra"
)

// Query is a request's query. Reading a parameter that the operation does not declare is a fault of
// the program.
type Query struct {
	declared []Parameter
	values   url.Values
	csv      bool
}

// readQuery reads a query and checks it: the first parameter that can't be used is the error.
func readQuery(r *http.Request, declared []Parameter) (Query, error) {
	q := Query{declared: declared}
	var err error
	if q.values, err = url.ParseQuery(r.URL.RawQuery); err != nil {
		return q, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query",
			Why: "it is not encoded as a URL has to be", Remedy: "write % as %25, and & within a value as %26"}
	}
	if err := checkUTF8(q.values); err != nil {
		return q, err
	}
	var names []string
	for _, p := range declared {
		names = append(names, p.Name)
	}
	if err := CheckParameters(r, names...); err != nil {
		return q, err
	}
	for _, p := range declared {
		if given := q.values[p.Name]; len(given) > 1 && !p.Repeated {
			return q, p.refuse(strings.Join(given, "\" and \""), "one value")
		}
	}
	for _, p := range declared {
		if q.values.Has(p.Name) {
			if err := p.check(q.values.Get(p.Name)); err != nil {
				return q, err
			}
		}
		if p.Kind == KindFormat {
			format := q.values.Get(p.Name)
			q.csv = format == "csv" || format == "" && strings.HasPrefix(r.Header.Get("Accept"), "text/csv")
		}
	}
	return q, nil
}

// checkUTF8 refuses letters of another encoding: they would be compared with those of records, and
// nothing would be found.
func checkUTF8(query url.Values) error {
	for name, values := range query {
		if !utf8.ValidString(name + "=" + strings.Join(values, "&")) {
			return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: "it is not UTF-8",
				Remedy: "write it as UTF-8, such as %C3%BC for ü; Windows PowerShell sends a body that is a text as " +
					"ISO-8859-1, and one that is bytes as it is: [Text.Encoding]::UTF8.GetBytes('...')"}
		}
	}
	return nil
}

// missing is the first required parameter that was not given; empty: none is.
func (q Query) missing() string {
	for _, p := range q.declared {
		if p.Required && q.values.Get(p.Name) == "" {
			return p.Name
		}
	}
	return ""
}

func (q Query) parameter(name string) Parameter {
	i := slices.IndexFunc(q.declared, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		panic("the parameter " + name + " is not declared")
	}
	return q.declared[i]
}

// Declares reports whether the operation has a parameter.
func (q Query) Declares(name string) bool {
	return slices.ContainsFunc(q.declared, func(p Parameter) bool { return p.Name == name })
}

// CSV reports whether the caller requests a file: $format=csv, or Accept: text/csv.
func (q Query) CSV() bool { return q.csv }

// Has reports whether a parameter was given.
func (q Query) Has(name string) bool { return q.values.Has(name) }

// Text is a parameter as it was given, or its default.
func (q Query) Text(name string) string {
	p := q.parameter(name)
	if !q.Has(name) {
		return p.Default
	}
	return q.values.Get(name)
}

// All are the values of a parameter that may be repeated.
func (q Query) All(name string) []string { return q.values[q.parameter(name).Name] }

// Int is a whole number; 0 where it is not given and has no default.
func (q Query) Int(name string) int {
	n, _ := strconv.Atoi(q.Text(name)) // it was checked
	return n
}

// ID is the id that ByID's parameter asks for; empty: all rows are asked for.
func (q Query) ID() string {
	id, _ := q.parameter("$filter").readID(q.Text("$filter")) // it was checked
	return id
}

// Flag reads true, false or all; nil is all.
func (q Query) Flag(name string) *bool {
	switch q.Text(name) {
	case "true":
		return new(true)
	case "false":
		return new(false)
	}
	return nil
}

// List are words with commas between, each once; nil: none.
func (q Query) List(name string) []string {
	known := make(map[string]bool)
	return slices.DeleteFunc(listed(q.Text(name)), func(word string) bool {
		again := known[word]
		known[word] = true
		return again
	})
}

func listed(text string) []string {
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// Time is a moment in UTC; zero where it is not given, or is the parameter's word.
func (q Query) Time(name string) time.Time {
	t, _ := readTime(q.Text(name)) // it was checked
	return t
}

// Is reports whether a moment is given by the parameter's word.
func (q Query) Is(name string) bool {
	p := q.parameter(name)
	return p.Word != "" && q.values.Get(name) == p.Word
}

// SinceWhen is from when on a caller wants to know what is new; the zero value is everything. One of
// its fields is set.
type SinceWhen struct {
	At       time.Time // in UTC
	Previous bool      // the snapshot before
	Cursor   string    // of an answer
	Reader   string    // whose cursor is kept
}

// Since reads the parameters that the function Since declares.
func (q Query) Since() (SinceWhen, error) {
	out := SinceWhen{Reader: q.Text("reader"), At: q.Time("newSince"), Previous: q.Is("newSince")}
	given := q.Has("newSince")
	if given && out.At.IsZero() && !out.Previous {
		out.Cursor = q.Text("newSince")
	}
	switch {
	case q.Has("reader") && given:
		return out, Refuse("both newSince and reader are given", "give one of the two")
	case q.Has("reader") && out.Reader == "":
		return out, Refuse("reader is empty", "give it a name, or leave it out")
	case q.Has("reader") && q.CSV():
		return out, Refuse("reader is given, and a file carries no cursor", "ask without $format=csv")
	}
	return out, nil
}

func readTime(text string) (time.Time, bool) {
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil && t.Year() >= 1970 && t.Year() < 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

// OrderBy reads a property, and whether desc follows it; empty if no order is requested.
func (q Query) OrderBy(name string) (by string, desc bool) {
	words := strings.Fields(q.Text(name))
	if len(words) == 0 {
		return "", false
	}
	return words[0], len(words) == 2 && words[1] == "desc"
}

// OrderedBy reads an order whose properties depend on what is asked for.
func (q Query) OrderedBy(p Parameter) (by string, desc bool, err error) {
	if q.Has(p.Name) {
		err = p.check(q.values.Get(p.Name))
	}
	if err != nil {
		return "", false, err
	}
	by, desc = q.OrderBy(p.Name)
	return by, desc, nil
}

// Refuse is the error of parameters that don't go together.
func Refuse(why, remedy string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the query", Why: why, Remedy: remedy}
}

// ListQuery is what every list accepts beside its own filters.
type ListQuery struct {
	Top    int
	Fields []string // of $select; nil: all
	By     string   // of $orderby
	Desc   bool
	Count  bool
	Token  string // of $skiptoken
}

// ListQuery reads what ListParameters declares.
func (q Query) ListQuery() ListQuery {
	l := ListQuery{Top: q.Int("$top"), Count: q.Text("$count") == "true", Token: q.Text("$skiptoken")}
	if q.Has("$select") {
		l.Fields = q.List("$select")
	}
	l.By, l.Desc = q.OrderBy("$orderby")
	return l
}

// Streams reads names of streams: each may hold several, with commas between. None means all that
// are archived.
func Streams(names []string, archived []entra.Stream) ([]entra.Stream, error) {
	var out []entra.Stream
	for _, list := range names {
		for name := range strings.SplitSeq(list, ",") {
			s := entra.Stream(strings.TrimSpace(name))
			if !slices.Contains(archived, s) {
				return nil, &entra.Error{Code: entra.CodeBadRequest, Doing: "read the streams",
					Why:    strconv.Quote(string(s)) + " is not archived",
					Remedy: fmt.Sprintf("archived are %v", archived)}
			}
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	if len(out) == 0 {
		return archived, nil
	}
	return out, nil
}

// Range is a range of time, [From, To). What was not given is zero.
type Range struct{ From, To time.Time }

// ReadRange reads the parameters from and to. A range that ends before it begins, or begins in the
// future, is refused.
func ReadRange(q url.Values, now time.Time) (Range, error) {
	var out Range
	for _, end := range []struct { // of two that can't be read, the first is named
		name string
		into *time.Time
	}{{"from", &out.From}, {"to", &out.To}} {
		if !q.Has(end.name) {
			continue
		}
		t, err := time.Parse(time.RFC3339, q.Get(end.name))
		if err != nil {
			return out, badRange(end.name, q.Get(end.name), wantsInstant)
		}
		*end.into = t.UTC()
	}
	// A day of grace: the clocks of the tenant, the machine and the caller need not agree.
	if out.From.After(now.Add(24 * time.Hour)) {
		return out, badRange("from", q.Get("from"), "it lies in the future, of which nothing is archived")
	}
	if !out.From.IsZero() && !out.To.IsZero() && out.To.Before(out.From) {
		return out, badRange("to", q.Get("to"), "accepted is a time that is not before from")
	}
	return out, nil
}

const wantsInstant = "accepted is a time such as 2026-11-21T14:00:00Z"

func badRange(name, value, remedy string) error {
	return &entra.Error{Code: entra.CodeBadRequest, Doing: "read the range",
		Why: fmt.Sprintf("%s is %q", name, value), Remedy: remedy}
}
