package entra

import (
	"encoding/binary"
	"fmt"
)

// The scanner checks JSON (RFC 8259) and finds properties in the same pass, because pages are
// megabytes and every other pass over them costs as much again. Strings are not checked to be
// UTF-8: what Graph sent is what is kept.

// maxDepth bounds the nesting, as encoding/json does.
const maxDepth = 10_000

// errJSON says where a text stops being JSON.
type errJSON struct{ at int }

func (e errJSON) Error() string { return fmt.Sprintf("the text is not JSON at byte %d", e.at) }

// scanner scans a text. Its methods expect the position of a value's first byte and return the
// position after it, or -1, with bad set to where the text is wrong.
type scanner struct {
	data []byte
	bad  int
}

func (s *scanner) fail(at int) int {
	s.bad = at
	return -1
}

// space skips blanks.
func (s *scanner) space(at int) int {
	for at < len(s.data) && s.data[at] <= ' ' {
		if c := s.data[at]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return at
		}
		at++
	}
	return at
}

func (s *scanner) value(at, depth int) int {
	if at >= len(s.data) {
		return s.fail(at)
	}
	switch c := s.data[at]; c {
	case '"':
		return s.text(at)
	case '{':
		return s.object(at, depth, nil)
	case '[':
		return s.array(at, depth)
	case 't':
		return s.literal(at, "true")
	case 'f':
		return s.literal(at, "false")
	case 'n':
		return s.literal(at, "null")
	default:
		return s.number(at)
	}
}

func (s *scanner) literal(at int, word string) int {
	if len(s.data)-at < len(word) || string(s.data[at:at+len(word)]) != word {
		return s.fail(at)
	}
	return at + len(word)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func (s *scanner) digits(at int) int {
	from := at
	for at < len(s.data) && isDigit(s.data[at]) {
		at++
	}
	if at == from {
		return s.fail(at)
	}
	return at
}

func (s *scanner) number(at int) int {
	if s.data[at] == '-' {
		at++
	}
	if at < len(s.data) && s.data[at] == '0' {
		at++
	} else if at = s.digits(at); at < 0 {
		return at
	}
	if at < len(s.data) && s.data[at] == '.' {
		if at = s.digits(at + 1); at < 0 {
			return at
		}
	}
	if at < len(s.data) && (s.data[at] == 'e' || s.data[at] == 'E') {
		if at++; at < len(s.data) && (s.data[at] == '+' || s.data[at] == '-') {
			at++
		}
		return s.digits(at)
	}
	return at
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// text skips a string. It looks at eight bytes at a time while none of them is a quote, a backslash
// or a control character: subtracting lets the high bit of a byte show that it was zero, or below
// 0x20.
func (s *scanner) text(at int) int {
	data := s.data
	for at++; ; {
		for at+8 <= len(data) {
			x := binary.LittleEndian.Uint64(data[at:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			special := (quote-ones)&^quote | (slash-ones)&^slash | (x-ones*0x20)&^x
			if special&highs != 0 {
				break
			}
			at += 8
		}
		for {
			if at >= len(data) {
				return s.fail(at)
			}
			c := data[at]
			if c == '"' {
				return at + 1
			}
			if c < 0x20 {
				return s.fail(at)
			}
			if c == '\\' {
				if at = s.escape(at); at < 0 {
					return at
				}
				break
			}
			at++
		}
	}
}

// escape skips what a backslash begins.
func (s *scanner) escape(at int) int {
	if at+1 >= len(s.data) {
		return s.fail(at)
	}
	switch s.data[at+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return at + 2
	case 'u':
		if at+6 > len(s.data) {
			return s.fail(at)
		}
		for _, c := range s.data[at+2 : at+6] {
			if !isDigit(c) && (c|0x20 < 'a' || c|0x20 > 'f') {
				return s.fail(at)
			}
		}
		return at + 6
	}
	return s.fail(at)
}

// object skips an object. member skips the value of a property, given its name without the quotes;
// nil: any value.
func (s *scanner) object(at, depth int, member func(name []byte, from int) int) int {
	if depth++; depth > maxDepth {
		return s.fail(at)
	}
	at = s.space(at + 1)
	if at < len(s.data) && s.data[at] == '}' {
		return at + 1
	}
	for {
		if at >= len(s.data) || s.data[at] != '"' {
			return s.fail(at)
		}
		end := s.text(at)
		if end < 0 {
			return end
		}
		name := s.data[at+1 : end-1]
		if at = s.space(end); at >= len(s.data) || s.data[at] != ':' {
			return s.fail(at)
		}
		from := s.space(at + 1)
		var to int
		if member == nil {
			to = s.value(from, depth)
		} else {
			to = member(name, from)
		}
		if to < 0 {
			return to
		}
		if at = s.space(to); at >= len(s.data) {
			return s.fail(at)
		}
		switch s.data[at] {
		case '}':
			return at + 1
		case ',':
			at = s.space(at + 1)
		default:
			return s.fail(at)
		}
	}
}

func (s *scanner) array(at, depth int) int {
	return s.elements(at, depth, func(from int) int { return s.value(from, depth+1) })
}

// elements skips an array, each of whose elements element skips.
func (s *scanner) elements(at, depth int, element func(from int) int) int {
	if depth >= maxDepth {
		return s.fail(at)
	}
	at = s.space(at + 1)
	if at < len(s.data) && s.data[at] == ']' {
		return at + 1
	}
	for {
		end := element(at)
		if end < 0 {
			return end
		}
		if at = s.space(end); at >= len(s.data) {
			return s.fail(at)
		}
		switch s.data[at] {
		case ']':
			return at + 1
		case ',':
			at = s.space(at + 1)
		default:
			return s.fail(at)
		}
	}
}
