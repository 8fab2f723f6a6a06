package mim

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/tidwall/gjson"
)

// Removed stands for a value that is not stored.
const Removed = "[removed]"

// RedactJSON removes from a JSON value what the rules name: the values of members with such a name,
// and, of an object that names such a property (Propertyname), all its values but those that say
// what was done. It looks into texts that are JSON themselves. A value from which nothing is removed
// keeps its bytes.
func (r *Rules) RedactJSON(raw string) string {
	out, _ := r.redacted(gjson.Parse(raw))
	return out
}

// keptOfParameter are the members of a request's parameter that are no value.
var keptOfParameter = []string{"Calculated", "Propertyname", "Operation", "Mode"}

// names reports whether a name is one of the rules.
func (r *Rules) names(name string) bool { return has(strings.TrimSpace(name), r.Redact) }

// redacted is a value without what is to be removed, and whether something was.
func (r *Rules) redacted(v gjson.Result) (string, bool) {
	switch {
	case v.IsObject():
		return r.redactedObject(v, r.redacted)
	case v.IsArray():
		return rebuilt(v, "[", "]", func(_, value gjson.Result) (string, bool) { return r.redacted(value) })
	case v.Type == gjson.String && holdsJSON(v.Str):
		inner, changed := r.redacted(gjson.Parse(v.Str))
		if !changed {
			return v.Raw, false
		}
		return quoted(inner), true
	case v.Type == gjson.String && holdsMarkup(v.Str) && r.namesIn(v.Str)(0) >= 0:
		return quoted(r.redactedText(v.Str, leastDigits)), true
	}
	return v.Raw, false
}

// redactedObject is an object without what is to be removed; other does all else.
func (r *Rules) redactedObject(v gjson.Result, other func(gjson.Result) (string, bool)) (string, bool) {
	named := false
	v.ForEach(func(name, value gjson.Result) bool {
		named = named || strings.EqualFold(strings.TrimSpace(name.Str), "propertyname") && r.names(value.Str)
		return !named
	})
	return rebuilt(v, "{", "}", func(name, value gjson.Result) (string, bool) {
		if r.names(name.Str) || named && !has(strings.TrimSpace(name.Str), keptOfParameter) {
			return removed(value)
		}
		return other(value)
	})
}

// loose is a value of which nothing is known: beside what the rules name, it loses whatever may be a
// phone number in any of its texts and numbers. least is how many digits make one in a text.
func (r *Rules) loose(v gjson.Result, least int) (string, bool) {
	inside := func(value gjson.Result) (string, bool) { return r.loose(value, least) }
	switch {
	case v.IsObject():
		return r.redactedObject(v, inside)
	case v.IsArray():
		return rebuilt(v, "[", "]", func(_, value gjson.Result) (string, bool) { return inside(value) })
	case v.Type == gjson.String && holdsJSON(v.Str):
		inner, _ := inside(gjson.Parse(v.Str))
		return quoted(inner), true
	case v.Type == gjson.String:
		return quoted(r.redactedText(v.Str, least)), true
	case v.Type == gjson.Number && len(digits.FindAllString(v.Raw, leastDigits)) == leastDigits:
		return removed(v)
	}
	return v.Raw, false
}

func quoted(text string) string {
	out, _ := json.Marshal(text) // a text has a JSON form
	return string(out)
}

// removed stands for a value. One that is empty stays: it tells that there is nothing.
func removed(v gjson.Result) (string, bool) {
	if v.Type == gjson.Null || v.Type == gjson.String && v.Str == "" {
		return v.Raw, false
	}
	return `"` + Removed + `"`, true
}

// holdsJSON reports whether a text is an object or a list in JSON.
func holdsJSON(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && (text[0] == '{' || text[0] == '[') && Shallow(text) && gjson.Valid(text)
}

// holdsMarkup reports whether a text is XML, or JSON that is not whole.
func holdsMarkup(text string) bool {
	text = strings.TrimSpace(text)
	return text != "" && strings.IndexByte("{[<", text[0]) >= 0
}

// deepest is how deep what is read may be nested. Requests have some six levels.
const deepest = 100

// Shallow reports whether a text in JSON is nested no deeper than what is read: to look into a value
// is to read it, so that what is nested without end would be read without end.
func Shallow[T string | []byte](text T) bool {
	depth, inText := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			if depth++; depth > deepest {
				return false
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return true
}

// rebuilt is an object or a list with its values replaced.
func rebuilt(v gjson.Result, begin, end string, replace func(name, value gjson.Result) (string, bool)) (string, bool) {
	var out strings.Builder
	changed := false
	out.WriteString(begin)
	v.ForEach(func(name, value gjson.Result) bool {
		if out.Len() > len(begin) {
			out.WriteByte(',')
		}
		if v.IsObject() {
			out.WriteString(name.Raw + ":")
		}
		text, other := replace(name, value)
		out.WriteString(text)
		changed = changed || other
		return true
	})
	out.WriteString(end)
	if !changed {
		return v.Raw, false
	}
	return out.String(), true
}

const (
	guidPattern = `[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}`
	timePattern = `\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?|\d{1,2}/\d{1,2}/\d{4} \d{1,2}:\d\d:\d\d`
	// between are what may stand between two digits of a phone number.
	between = `[\s\-()./\x{00A0}\x{2010}-\x{2015}\x{202F}]`
)

var (
	// runs are GUIDs and times, which stay, and runs of digits with what may stand between them.
	runs    = regexp.MustCompile(`(` + guidPattern + `|` + timePattern + `)|\+?\(?\d(?:` + between + `*\d)*`)
	atBegin = regexp.MustCompile(`^` + between + `*\+?\(?\d(?:` + between + `*\d)*`)
	atEnd   = regexp.MustCompile(`\+?\(?\d(?:` + between + `*\d)*` + between + `*\+?$`)
	digits  = regexp.MustCompile(`\d`)
	aValue  = regexp.MustCompile(`(\\*"(?i:value)\\*"\s*:\s*\\*")[^"\\]+`)
)

// leastDigits is how many digits make a phone number, in a text of which nothing else is known.
const leastDigits = 5

// RedactText removes from a text, or a JSON value, of which nothing is known all that may be a phone
// number: runs of five digits and more that are neither an ID nor a time, and every digit and value
// beside a name that the rules have.
func (r *Rules) RedactText(text string) string { return r.redactUnknown(text, leastDigits) }

func (r *Rules) redactUnknown(text string, least int) string {
	if holdsJSON(text) {
		out, _ := r.loose(gjson.Parse(text), least)
		return out
	}
	return r.redactedText(text, least)
}

func (r *Rules) redactedText(text string, least int) string {
	return replaceRuns(r.besideNames(text), least)
}

// RedactPart is RedactText of a part, which also loses the digits at its edges: a number may go on
// in another part.
func (r *Rules) RedactPart(text string) string {
	if cut := atBegin.FindStringIndex(text); cut != nil {
		text = Removed + text[cut[1]:]
	}
	if cut := atEnd.FindStringIndex(text); cut != nil {
		text = text[:cut[0]] + Removed
	}
	return r.redactedText(text, leastDigits)
}

func replaceRuns(text string, least int) string {
	return runs.ReplaceAllStringFunc(text, func(run string) string {
		if runs.FindStringSubmatch(run)[1] != "" || len(digits.FindAllString(run, least)) < least {
			return run
		}
		return Removed
	})
}

// besideNames removes digits and values from each object that has a name of the rules in it.
func (r *Rules) besideNames(text string) string {
	next := r.namesIn(text)
	done := 0
	var out strings.Builder
	for {
		at := next(done)
		if at < 0 {
			out.WriteString(text[done:])
			return out.String()
		}
		from := max(done, strings.LastIndexByte(text[:at], '{'))
		to := len(text)
		if end := strings.IndexByte(text[at:], '}'); end >= 0 {
			to = at + end
		}
		out.WriteString(text[done:from])
		out.WriteString(replaceRuns(aValue.ReplaceAllString(text[from:to], "${1}"+Removed), 1))
		done = to
	}
}

// folded is a text in small letters, each where it was: those whose length would change stay.
func folded(text string) string {
	if lower := strings.ToLower(text); len(lower) == len(text) {
		return lower
	}
	out := []byte(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}

// namesIn gives where the first name of the rules stands in a text after a place; -1: there is none.
// Places only grow, so that a name is looked for once in each stretch of the text.
func (r *Rules) namesIn(text string) func(after int) int {
	lower := folded(text)
	names, places := make([]string, len(r.Redact)), make([]int, len(r.Redact))
	for i, name := range r.Redact {
		names[i] = strings.ToLower(name)
		places[i] = strings.Index(lower, names[i])
	}
	return func(after int) int {
		first := -1
		for i, at := range places {
			if at >= 0 && at < after {
				if at = strings.Index(lower[after:], names[i]); at >= 0 {
					at += after
				}
				places[i] = at
			}
			if at >= 0 && (first < 0 || at < first) {
				first = at
			}
		}
		return first
	}
}
