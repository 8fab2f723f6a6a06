package importing

import "bytes"

// The functions here find where JSON values end, without checking them: entries are checked as a
// whole once they are in memory.

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// extent follows a value byte by byte.
type extent struct {
	depth           int
	inText, escaped bool
}

// step takes the next byte of an object, a list or what is inside; done: it was the last one.
func (e *extent) step(c byte) (done bool) {
	switch {
	case e.escaped:
		e.escaped = false
	case e.inText:
		e.escaped, e.inText = c == '\\', c != '"'
	case c == '"':
		e.inText = true
	case c == '{' || c == '[':
		e.depth++
	case c == '}' || c == ']':
		e.depth--
		return e.depth <= 0
	}
	return false
}

// maxDepth bounds how deep an entry is nested: a parser takes memory for each level. Graph's records
// have some ten.
const maxDepth = 100

// tooDeep reports whether a value is nested deeper than maxDepth.
func tooDeep(data []byte) bool {
	if bytes.Count(data, []byte("{"))+bytes.Count(data, []byte("[")) <= maxDepth {
		return false
	}
	var e extent
	for _, c := range data {
		if e.step(c); e.depth > maxDepth {
			return true
		}
	}
	return false
}

// holdsMore reports whether an object or a list with something in it follows, in what is between the
// end of a list and that of the objects around it.
func holdsMore(rest []byte) bool {
	var e extent
	for i, c := range rest {
		opens := !e.inText && (c == '{' || c == '[')
		e.step(c)
		if !opens {
			continue
		}
		if next := skipSpace(rest, i+1); next < len(rest) && rest[next] != '}' && rest[next] != ']' {
			return true
		}
	}
	return false
}

// skipSpace is the position of the first byte that is no blank.
func skipSpace(data []byte, at int) int {
	for at < len(data) && isSpace(data[at]) {
		at++
	}
	return at
}

// skipValue is the position after a value; -1 where it does not end in data.
func skipValue(data []byte, at int) int {
	if at >= len(data) {
		return -1
	}
	switch c := data[at]; c {
	case '{', '[':
		var e extent
		for ; at < len(data); at++ {
			if e.step(data[at]) {
				return at + 1
			}
		}
		return -1
	case '"':
		escaped := false
		for at++; at < len(data); at++ {
			switch {
			case escaped:
				escaped = false
			case data[at] == '\\':
				escaped = true
			case data[at] == '"':
				return at + 1
			}
		}
		return -1
	}
	for ; at < len(data); at++ {
		if c := data[at]; isSpace(c) || c == ',' || c == '}' || c == ']' {
			return at
		}
	}
	return -1
}

// member reads the name of an object's member, and where its value begins.
func member(data []byte, at int) (name string, value int) {
	at = skipSpace(data, at)
	if at < len(data) && data[at] == ',' {
		at = skipSpace(data, at+1)
	}
	if at >= len(data) || data[at] != '"' {
		return "", -1
	}
	end := skipValue(data, at)
	if end < 0 {
		return "", -1
	}
	name = string(data[at+1 : end-1])
	if at = skipSpace(data, end); at >= len(data) || data[at] != ':' {
		return "", -1
	}
	if at = skipSpace(data, at+1); at >= len(data) {
		return "", -1
	}
	return name, at
}
