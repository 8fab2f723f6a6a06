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

// redacted is a value without what is to be removed, and whether something was.
func (r *Rules) redacted(v gjson.Result) (string, bool) {
	switch {
	case v.IsObject():
		named := has(members(v)["propertyname"].Str, r.Redact)
		return rebuilt(v, "{", "}", func(name, value gjson.Result) (string, bool) {
			if has(name.Str, r.Redact) || named && !has(name.Str, keptOfParameter) {
				return removed(value)
			}
			return r.redacted(value)
		})
	case v.IsArray():
		return rebuilt(v, "[", "]", func(_, value gjson.Result) (string, bool) { return r.redacted(value) })
	case v.Type == gjson.String && holdsJSON(v.Str):
		inner, changed := r.redacted(gjson.Parse(v.Str))
		if !changed {
			return v.Raw, false
		}
		text, _ := json.Marshal(inner) // a text has a JSON form
		return string(text), true
	}
	return v.Raw, false
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
	return text != "" && (text[0] == '{' || text[0] == '[') && gjson.Valid(text)
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

// RedactText removes from a text that is not JSON, or only a part of it, all that may be a phone
// number: runs of five digits and more that are neither an ID nor a time, and every digit and value
// beside a name that the rules have.
func (r *Rules) RedactText(text string) string {
	if holdsJSON(text) {
		return r.RedactJSON(text)
	}
	text = r.besideNames(text)
	return replaceRuns(text, leastDigits)
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
	text = r.besideNames(text)
	return replaceRuns(text, leastDigits)
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
	folded := strings.ToLower(text)
	if len(folded) != len(text) { // a letter changed its length: no place in one is that of the other
		folded = text
	}
	done := 0
	var out strings.Builder
	for {
		at := r.nextName(folded, done)
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

// nextName is where the first name of the rules stands in a text after a place; -1: there is none.
func (r *Rules) nextName(folded string, after int) int {
	first := -1
	for _, name := range r.Redact {
		at := strings.Index(folded[after:], strings.ToLower(name))
		if at >= 0 && (first < 0 || after+at < first) {
			first = after + at
		}
	}
	return first
}
