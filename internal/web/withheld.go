package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/entra"
)

// sent is what a caller sent with a request, which may name somebody.
type sent struct {
	path  map[string]string // values of the route's parameters
	route []Parameter
	query []Parameter
	body  []string
	kept  string // the query that was stored under the request's token
}

type sentKey struct{}

func withSent(ctx context.Context) context.Context {
	return context.WithValue(ctx, sentKey{}, &sent{})
}

// sentBy is what is noted of a request; it is never nil.
func sentBy(r *http.Request) *sent {
	if s, ok := r.Context().Value(sentKey{}).(*sent); ok {
		return s
	}
	return &sent{}
}

// deepest bounds how deep a body is looked into. No body that is taken is as deep, and each level
// costs as much as the whole text.
const deepest = 16

// texts are the strings within a JSON value, without keys. What is too deep is one text.
func texts(v gjson.Result, deep int) []string {
	switch {
	case v.Type == gjson.String:
		return []string{v.Str}
	case !v.IsObject() && !v.IsArray():
		return nil
	case deep == deepest:
		return []string{v.Raw}
	}
	var out []string
	v.ForEach(func(_, inner gjson.Result) bool {
		out = append(out, texts(inner, deep+1)...)
		return true
	})
	return out
}

// value is one that a caller sent, with the parameter's name.
type value struct{ name, text string }

// values are those that may name somebody. One that fits a parameter which takes numbers, times or
// words of ours names nobody.
func (s *sent) values(query url.Values) []value {
	var out []value
	for name, text := range s.path {
		if _, ours := declaredOf(s.route, name, text); !ours {
			out = append(out, value{name, text})
		}
	}
	for name, all := range query {
		as := name
		if known, _ := declaredOf(s.query, name, ""); !known { // its name is the caller's, too
			as = "query"
			out = append(out, value{as, name})
		}
		for _, text := range all {
			if _, ours := declaredOf(s.query, name, text); ours {
				continue
			}
			out = append(out, value{as, text})
			for _, between := range []string{",", `,'"`} { // items of a list, and texts within a filter
				for _, part := range strings.FieldsFunc(text, func(c rune) bool {
					return strings.ContainsRune(between, c)
				}) {
					out = append(out, value{as, strings.TrimSpace(part)})
				}
			}
		}
	}
	for _, text := range s.body {
		out = append(out, value{"body", text})
	}
	// Of two values of which one holds the other, the longer one goes first.
	slices.SortFunc(out, func(a, b value) int {
		return cmp.Or(len(b.text)-len(a.text), strings.Compare(a.name, b.name), strings.Compare(a.text, b.text))
	})
	return slices.Compact(out)
}

// declaredOf tells whether a parameter is declared, and whether a value of it is one of ours.
func declaredOf(declared []Parameter, name, text string) (known, ours bool) {
	i := slices.IndexFunc(declared, func(p Parameter) bool { return p.Name == name })
	return i >= 0, i >= 0 && declared[i].Kind != KindText && declared[i].Kind != KindID &&
		declared[i].check(text) == nil
}

// address is what looks like a sign-in name or a mail address, also where the @ is escaped.
var address = regexp.MustCompile(`[\w.+-]+(?:@|%40|\*40)[\w-]+(?:\.[\w-]+)+`)

// loggable is an error's text for the log. That there is no snapshot is said without a word of the
// request.
func loggable(r *http.Request, err error) string {
	if entra.CodeOf(err) == entra.CodeNoSnapshot {
		return address.ReplaceAllLiteralString(err.Error(), "{address}")
	}
	return withheld(r, err.Error())
}

// withheld is a text for the log, in which what the caller sent stands as the name of its
// parameter, and no address.
func withheld(r *http.Request, text string) string {
	query, _ := url.ParseQuery(r.URL.RawQuery + "&" + sentBy(r).kept) // what of it can be read
	lower := strings.ToLower(text)
	for _, v := range sentBy(r).values(query) {
		// A posted query has thousands of values, and a pattern of each would take a second.
		if len(v.text) > 3*len(text) || !strings.Contains(lower, strings.ToLower(plain.FindString(v.text))) {
			continue
		}
		if found := v.pattern(); found != nil {
			text = found.ReplaceAllLiteralString(text, "{"+v.name+"}")
			lower = strings.ToLower(text)
		}
	}
	return address.ReplaceAllLiteralString(text, "{address}")
}

var (
	plain     = regexp.MustCompile(`[0-9A-Za-z]+`)
	mostApart = 100 // characters between two plain parts of a value
)

// pattern finds a value also where it is escaped: its letters and digits stand as they are, and
// for each character between them some others may stand. nil: nothing can be found.
func (v value) pattern() *regexp.Regexp {
	parts := plain.FindAllStringIndex(v.text, -1)
	if len(parts) == 0 {
		if v.text = strings.TrimSpace(v.text); v.text == "" {
			return nil
		}
		return regexp.MustCompile(regexp.QuoteMeta(v.text) + "|" + regexp.QuoteMeta(url.PathEscape(v.text)))
	}
	var b strings.Builder
	b.WriteString("(?i)")
	letters := 0
	for i, part := range parts {
		if i > 0 {
			fmt.Fprintf(&b, ".{1,%d}?", min(9*(part[0]-parts[i-1][1]), mostApart))
		}
		b.WriteString(v.text[part[0]:part[1]])
		letters += part[1] - part[0]
	}
	text := b.String()
	if letters < 4 { // within a word it is not the value
		text = `(?i)\b(?:` + text[len("(?i)"):] + `)\b`
	}
	found, err := regexp.Compile(text)
	if err != nil { // it is longer than a pattern may be, and so than any text
		return nil
	}
	return found
}
