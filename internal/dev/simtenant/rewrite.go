package simtenant

import (
	"bytes"
	"slices"
	"time"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// rule is how a value is rewritten for a reader. No rule leaves a value as it is.
type rule struct {
	left    bool             // out
	members map[string]*rule // of an object, or of each object of a list
	newer   map[string]bool  // texts that the reader gets as unknownFutureValue
}

// form writes the tenant's records, which are beta's, as one kind of reader gets them. It keeps the
// text of what stays.
type form struct {
	rule  *rule // nil: nothing changes
	spell bool  // otherwise than beta
}

// append appends a record. What is no JSON object is appended as it is.
func (f form) append(dst, raw []byte) []byte {
	if f.rule == nil && !f.spell {
		return append(dst, raw...)
	}
	r := rewriter{raw: raw, spell: f.spell, out: slices.Grow(dst, len(raw))}
	if !r.value(f.rule, 0) || len(bytes.TrimSpace(raw[r.at:])) > 0 {
		return append(dst, raw...)
	}
	return append(r.out, raw[r.at:]...)
}

// rewriter goes through a text once. Its methods are false where the text is no JSON.
type rewriter struct {
	raw   []byte
	at    int
	out   []byte
	spell bool
}

// maxNesting bounds the recursion; Graph's records are five deep.
const maxNesting = 100

// next is the byte after blanks, which are copied; 0 at the end.
func (r *rewriter) next() byte {
	from := r.at
	r.at = blanks(r.raw, r.at)
	r.out = append(r.out, r.raw[from:r.at]...)
	if r.at == len(r.raw) {
		return 0
	}
	return r.raw[r.at]
}

func blanks(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\t' || raw[at] == '\r' || raw[at] == '\n') {
		at++
	}
	return at
}

func (r *rewriter) value(rule *rule, depth int) bool {
	switch c := r.next(); {
	case depth > maxNesting || c == 0:
		return false
	case rule == nil && !r.spell:
		return r.copy()
	case c == '{':
		return r.object(rule, depth)
	case c == '[':
		return r.list(rule, depth)
	}
	from := r.at
	if r.at = skipValue(r.raw, r.at); r.at < 0 {
		return false
	}
	text := r.raw[from:r.at]
	switch {
	case rule != nil && text[0] == '"' && rule.newer[unsafe.String(&text[0], len(text))]:
		r.out = append(r.out, `"unknownFutureValue"`...)
	case r.spell:
		r.out = appendOtherwise(r.out, text)
	default:
		r.out = append(r.out, text...)
	}
	return true
}

func (r *rewriter) copy() bool {
	from := r.at
	if r.at = skipValue(r.raw, r.at); r.at < 0 {
		return false
	}
	r.out = append(r.out, r.raw[from:r.at]...)
	return true
}

func (r *rewriter) list(rule *rule, depth int) bool {
	r.out = append(r.out, '[')
	r.at++
	if r.next() == ']' {
		r.out = append(r.out, ']')
		r.at++
		return true
	}
	for {
		if !r.value(rule, depth+1) {
			return false
		}
		c := r.next()
		if c != ',' && c != ']' {
			return false
		}
		r.out = append(r.out, c)
		r.at++
		if c == ']' {
			return true
		}
	}
}

// object copies the members that stay, each with the blanks around it.
func (r *rewriter) object(of *rule, depth int) bool {
	r.out = append(r.out, '{')
	r.at++
	if end := blanks(r.raw, r.at); end < len(r.raw) && r.raw[end] == '}' {
		r.out = append(r.out, r.raw[r.at:end+1]...)
		r.at = end + 1
		return true
	}
	for first := true; ; {
		key := blanks(r.raw, r.at)
		end := skipString(r.raw, key)
		if end < 0 {
			return false
		}
		colon := blanks(r.raw, end)
		if colon == len(r.raw) || r.raw[colon] != ':' {
			return false
		}
		var member *rule
		if of != nil {
			member = of.members[text(r.raw[key+1:end-1])]
		}
		if member != nil && member.left {
			if end = skipValue(r.raw, blanks(r.raw, colon+1)); end < 0 {
				return false
			}
			r.at = blanks(r.raw, end)
		} else {
			if !first {
				r.out = append(r.out, ',')
			}
			first = false
			r.out = append(r.out, r.raw[r.at:colon+1]...)
			r.at = colon + 1
			if !r.value(member, depth+1) {
				return false
			}
			r.next()
		}
		switch {
		case r.at == len(r.raw) || r.raw[r.at] != ',' && r.raw[r.at] != '}':
			return false
		case r.raw[r.at] == '}':
			r.out = append(r.out, '}')
			r.at++
			return true
		}
		r.at++
	}
}

// text looks at bytes as a string; it is gone with them.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// skipValue is the position after the value at a position; -1 if there is none. It accepts some
// invalid JSON: a record's garbage stays garbage.
func skipValue(raw []byte, at int) int {
	if at >= len(raw) {
		return -1
	}
	switch raw[at] {
	case '"':
		return skipString(raw, at)
	case '{', '[':
		for depth := 0; at < len(raw); {
			switch raw[at] {
			case '"':
				if at = skipString(raw, at); at < 0 {
					return -1
				}
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return at + 1
				}
			}
			at++
		}
		return -1
	}
	end := at
	for end < len(raw) && bytes.IndexByte(afterScalar, raw[end]) < 0 {
		end++
	}
	if end == at {
		return -1
	}
	return end
}

var afterScalar = []byte(",}] \t\r\n")

// skipString is the position after the string at a position; -1 if there is none.
func skipString(raw []byte, at int) int {
	if at >= len(raw) || raw[at] != '"' {
		return -1
	}
	for at++; ; {
		n := bytes.IndexByte(raw[at:], '"')
		if n < 0 {
			return -1
		}
		at += n + 1
		back := at - 2
		for raw[back] == '\\' {
			back--
		}
		if (at-2-back)%2 == 0 {
			return at
		}
	}
}

// appendOtherwise writes a text, number or literal in another way that means the same.
func appendOtherwise(dst, value []byte) []byte {
	switch c := value[0]; {
	case c == '"':
		if at, err := time.Parse(time.RFC3339Nano, text(value[1:len(value)-1])); err == nil {
			return append(append(append(dst, '"'), at.UTC().Format("2006-01-02T15:04:05.0000000Z")...), '"')
		}
		return appendEscaped(dst, value)
	case (c == '-' || c >= '0' && c <= '9') && !bytes.ContainsAny(value, ".eE"):
		return append(append(dst, value...), ".0"...)
	}
	return append(dst, value...)
}

func appendEscaped(dst, value []byte) []byte {
	escape := func(unit rune) {
		dst = append(dst, '\\', 'u')
		for shift := 12; shift >= 0; shift -= 4 {
			dst = append(dst, "0123456789abcdef"[unit>>shift&15])
		}
	}
	for len(value) > 0 {
		c, size := utf8.DecodeRune(value)
		switch {
		case c < utf8.RuneSelf || c == utf8.RuneError:
			dst = append(dst, value[:size]...)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			escape(high)
			escape(low)
		default:
			escape(c)
		}
		value = value[size:]
	}
	return dst
}
