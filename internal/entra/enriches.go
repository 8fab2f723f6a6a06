package entra

import (
	"bytes"
	"hash/maphash"
	"strconv"
	"sync"
	"time"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// unknownFutureValue is what Graph's v1.0 writes for a member of an evolvable enum that v1.0 does
// not know.
const unknownFutureValue = "unknownFutureValue"

// Enriches reports whether rich holds all that poor says: each member of poor, at every depth, is
// in rich with an equal value. It compares a record as Graph's v1.0 gives it with the same record
// as beta gives it; the caller has checked that id and time are the same. That such a rich record
// replaces the poor one is this project's rule, and no promise of Graph's: it rests on the
// documented members of v1.0's signIn being a subset of those of beta's.
//
//   - Objects: rich may have more members. Of repeated names the first counts, as in [ParseRecord].
//     A member that rich lacks is a difference, even where poor's is null.
//   - Lists are of the same length and equal element by element, in order.
//   - Numbers are equal by their exact value: 1, 1.0 and 10e-1.
//   - Texts and names are equal once their escapes are resolved. A lone surrogate equals only
//     itself, and bytes that are not UTF-8 are compared as they are. Two date-times, in the forms
//     that ParseTime reads and with at most nine digits of a second's fraction, are equal where
//     they are the same instant.
//   - The text unknownFutureValue in poor equals any value.
//   - true, false and null equal only themselves.
//
// It is false where one of the two is not a JSON object, or is nested deeper than ParseRecord
// accepts. A text with a byte order mark enriches only its own equal. Time and memory are linear in
// the texts' size. Neither text is changed or kept.
func Enriches(poor, rich []byte) bool {
	if bytes.Equal(poor, rich) {
		return isObject(bytes.TrimPrefix(poor, []byte("\ufeff")))
	}
	m := matchers.Get().(*matcher)
	defer m.release()
	return m.poor.read(poor) && m.rich.read(rich) && m.match()
}

func isObject(text []byte) bool {
	s := scanner{data: text}
	at := s.space(0)
	if at >= len(text) || text[at] != '{' {
		return false
	}
	end := s.object(at, 0, nil)
	return end >= 0 && s.space(end) == len(text)
}

// span is where a value or a member's name is. An object's span is followed by those of its
// members, name and value in turn; a list's by those of its elements.
type span struct {
	from, to int // bytes, the quotes of a text included
	size     int // spans from this one to the end of what it holds
}

// outline is a text's spans in the order in which they begin. It makes one pass do for all depths.
type outline struct {
	scan    scanner
	spans   []span
	escapes bool // there is a backslash somewhere: most records have none
}

// read outlines a text; false where it is not a JSON object.
func (o *outline) read(text []byte) bool {
	o.scan, o.spans, o.escapes = scanner{data: text}, o.spans[:0], bytes.IndexByte(text, '\\') >= 0
	at := o.scan.space(0)
	if at >= len(text) || text[at] != '{' {
		return false
	}
	end := o.add(at, 0)
	return end >= 0 && o.scan.space(end) == len(text)
}

// add outlines the value at a position and returns the position after it; -1 where it is not JSON.
// The scanner's bound on nesting bounds the recursion.
func (o *outline) add(at, depth int) int {
	s, own := &o.scan, len(o.spans)
	o.spans = append(o.spans, span{from: at})
	var end int
	switch {
	case at < len(s.data) && s.data[at] == '{':
		end = s.object(at, depth, func(name []byte, from int) int {
			// A name is a slice of the text. Its capacity gives its start.
			begin := cap(s.data) - cap(name)
			o.spans = append(o.spans, span{begin - 1, begin + len(name) + 1, 1})
			return o.add(from, depth+1)
		})
	case at < len(s.data) && s.data[at] == '[':
		end = s.elements(at, depth, func(from int) int { return o.add(from, depth+1) })
	default:
		end = s.value(at, depth)
	}
	o.spans[own].to, o.spans[own].size = end, len(o.spans)-own
	return end
}

func (o *outline) raw(i int) []byte { return o.scan.data[o.spans[i].from:o.spans[i].to] }

// text is a text or name without quotes and escapes.
func (o *outline) text(i int) []byte {
	if quoted := o.raw(i); o.escapes {
		return unescaped(quoted)
	}
	return o.scan.data[o.spans[i].from+1 : o.spans[i].to-1]
}

// end is the index of the first span that is not in span i.
func (o *outline) end(i int) int { return i + o.spans[i].size }

// matcher holds what one comparison needs, for the next one to use again.
type matcher struct {
	poor, rich outline
	todo       []pair // objects and lists that are still to be compared
	slots      []slot // rich's members of the object at hand, by hash; a power of two of them
}

// pair is the indices of two spans that must be equal.
type pair struct{ poor, rich int }

// slot is a member of rich.
type slot struct {
	name int  // its index; 0 is a free slot, for span 0 is the record
	seen bool // poor has it too
}

const (
	keptSpans = 1 << 14 // in a matcher that is used again: those of a record of some 200 kB
	smallSize = 64      // spans in a value that is worth a look whether it is the same bytes
)

var (
	matchers = sync.Pool{New: func() any { return new(matcher) }}
	seed     = maphash.MakeSeed()
)

func (m *matcher) release() {
	if max(cap(m.poor.spans), cap(m.rich.spans), cap(m.slots), cap(m.todo)) > keptSpans {
		return
	}
	m.poor.scan, m.rich.scan = scanner{}, scanner{}
	matchers.Put(m)
}

func (m *matcher) match() bool {
	m.todo = append(m.todo[:0], pair{})
	for len(m.todo) > 0 {
		next := m.todo[len(m.todo)-1]
		m.todo = m.todo[:len(m.todo)-1]
		isList := m.poor.raw(next.poor)[0] == '['
		if isList && !m.elements(next) || !isList && !m.members(next) {
			return false
		}
	}
	return true
}

// value compares two values; objects and lists later.
func (m *matcher) value(v pair) bool {
	a, b := m.poor.raw(v.poor), m.rich.raw(v.rich)
	// Large values are not compared as bytes: repeated at each depth, that would not be linear.
	if m.poor.spans[v.poor].size <= smallSize && bytes.Equal(a, b) {
		return true
	}
	switch a[0] {
	case '"':
		return sameText(a, b)
	case '{', '[':
		m.todo = append(m.todo, v)
		return a[0] == b[0]
	case 't', 'f', 'n':
		return false
	}
	return (b[0] == '-' || isDigit(b[0])) && sameNumber(a, b)
}

func (m *matcher) elements(v pair) bool {
	p, r := v.poor+1, v.rich+1
	for p < m.poor.end(v.poor) && r < m.rich.end(v.rich) {
		if !m.value(pair{p, r}) {
			return false
		}
		p, r = m.poor.end(p), m.rich.end(r)
	}
	return p == m.poor.end(v.poor) && r == m.rich.end(v.rich)
}

func (m *matcher) members(v pair) bool {
	m.index(v.rich)
	for p := v.poor + 1; p < m.poor.end(v.poor); p = m.poor.end(p + 1) {
		s := m.find(m.poor.text(p))
		if s.name == 0 {
			return false
		}
		if s.seen {
			continue
		}
		s.seen = true
		if !m.value(pair{p + 1, s.name + 1}) {
			return false
		}
	}
	return true
}

// index fills the slots with the members of one of rich's objects.
func (m *matcher) index(object int) {
	count := 0
	for r := object + 1; r < m.rich.end(object); r = m.rich.end(r + 1) {
		count++
	}
	size := 8
	for size < 2*count { // at most half of the slots are filled
		size *= 2
	}
	if cap(m.slots) < size {
		m.slots = make([]slot, size)
	}
	m.slots = m.slots[:size]
	clear(m.slots)
	for r := object + 1; r < m.rich.end(object); r = m.rich.end(r + 1) {
		if s := m.find(m.rich.text(r)); s.name == 0 {
			s.name = r
		}
	}
}

// find is the slot of a name, or the free one where it belongs. The hash has a random seed, so that
// an attacker cannot choose names that all meet in one slot.
func (m *matcher) find(name []byte) *slot {
	mask := len(m.slots) - 1
	for i := int(maphash.Bytes(seed, name)) & mask; ; i = (i + 1) & mask {
		if s := &m.slots[i]; s.name == 0 || bytes.Equal(m.rich.text(s.name), name) {
			return s
		}
	}
}

// sameText compares a text of poor, quotes included, with any value of rich that has not the same
// bytes.
func sameText(poor, rich []byte) bool {
	a := unescaped(poor)
	if string(a) == unknownFutureValue {
		return true
	}
	if rich[0] != '"' {
		return false
	}
	b := unescaped(rich)
	if bytes.Equal(a, b) {
		return true
	}
	at, ok := instant(a)
	if !ok {
		return false
	}
	other, ok := instant(b)
	return ok && at.Equal(other)
}

// unescaped is a JSON text without its quotes and with its escapes resolved. A backslash stays
// doubled and a lone surrogate stays escaped, in lower case, so that no two texts become the same
// bytes that are not the same text.
func unescaped(quoted []byte) []byte {
	text := quoted[1 : len(quoted)-1]
	at := bytes.IndexByte(text, '\\')
	if at < 0 {
		return text
	}
	out := make([]byte, 0, len(text))
	for ; at >= 0; at = bytes.IndexByte(text, '\\') {
		out = append(out, text[:at]...)
		out, text = appendEscape(out, text[at:])
	}
	return append(out, text...)
}

// appendEscape resolves the escape that a text begins with, and returns the rest of the text.
func appendEscape(out, text []byte) (resolved, rest []byte) {
	c := text[1]
	switch c {
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case '\\':
		return append(out, `\\`...), text[2:]
	case 'u':
		unit, rest := codeUnit(text), text[6:]
		switch {
		case unit == '\\':
			return append(out, `\\`...), rest
		case !utf16.IsSurrogate(unit):
			return utf8.AppendRune(out, unit), rest
		}
		if len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
			if r := utf16.DecodeRune(unit, codeUnit(rest)); r != utf8.RuneError {
				return utf8.AppendRune(out, r), rest[6:]
			}
		}
		return append(out, bytes.ToLower(text[:6])...), rest
	}
	return append(out, c), text[2:]
}

// codeUnit reads \uXXXX, which was scanned.
func codeUnit(escape []byte) rune {
	var unit rune
	for _, c := range escape[2:6] {
		if isDigit(c) {
			unit = unit<<4 | rune(c-'0')
		} else {
			unit = unit<<4 | rune(c|0x20-'a'+10)
		}
	}
	return unit
}

// instant is a text's time. Unlike ParseTime it accepts the year 1, because two forms of it are
// equal too, and nothing that time.Parse would round or guess.
func instant(text []byte) (time.Time, bool) {
	const shape, maxFraction = "0000-00-00T00:00:00", 9
	if len(text) < len(shape) {
		return time.Time{}, false
	}
	for i := range len(shape) {
		c := text[i]
		if same := c == shape[i] || shape[i] == '0' && isDigit(c) || shape[i] == 'T' && c == ' '; !same {
			return time.Time{}, false
		}
	}
	if rest := text[len(shape):]; len(rest) > 0 && rest[0] == ',' ||
		len(rest) > maxFraction+1 && rest[0] == '.' && isDigit(rest[maxFraction+1]) {
		return time.Time{}, false
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, unsafe.String(unsafe.SliceData(text), len(text))); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

// sameNumber compares numbers by their value, whatever the size of their exponents: as 0.digits
// times a power of ten.
func sameNumber(a, b []byte) bool {
	aNegative, aDigits, aPower := decimal(a)
	bNegative, bDigits, bPower := decimal(b)
	return aNegative == bNegative && bytes.Equal(aDigits, bDigits) && bytes.Equal(aPower, bPower)
}

// decimal is a number as 0.digits times ten to the power, which is a decimal text. The digits
// neither begin nor end with 0; zero has none, and no sign and power either.
func decimal(number []byte) (negative bool, digits, power []byte) {
	var exponent []byte
	if e := bytes.IndexAny(number, "eE"); e >= 0 {
		number, exponent = number[:e], number[e+1:]
	}
	number, negative = bytes.CutPrefix(number, []byte("-"))
	whole, fraction, _ := bytes.Cut(number, []byte("."))
	all := append(append(make([]byte, 0, len(number)), whole...), fraction...)
	digits = bytes.TrimLeft(all, "0")
	point := len(whole) - (len(all) - len(digits))
	if digits = bytes.TrimRight(digits, "0"); len(digits) == 0 {
		return false, nil, nil
	}
	return negative, digits, sum(exponent, point)
}

// sum adds a number to an exponent of any length, in decimal digits.
func sum(exponent []byte, n int) []byte {
	const safeDigits = 18 // of an int64, with room for n
	exponent, negative := bytes.CutPrefix(exponent, []byte("-"))
	size := bytes.TrimLeft(exponent, "+0")
	if len(size) <= safeDigits {
		e, _ := strconv.ParseInt(string(size), 10, 64) // no digits are 0
		if negative {
			e = -e
		}
		return strconv.AppendInt(nil, e+int64(n), 10)
	}
	if negative {
		n = -n
	}
	// The exponent is larger than any n, so that the sum has its sign.
	size = append([]byte{'0'}, size...)
	for i := len(size) - 1; n != 0; i-- {
		n += int(size[i] - '0')
		digit := (n%10 + 10) % 10
		size[i], n = byte('0'+digit), (n-digit)/10
	}
	size = bytes.TrimLeft(size, "0")
	if negative {
		return append([]byte{'-'}, size...)
	}
	return size
}
