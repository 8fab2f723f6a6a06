package web

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// maxCell is how many characters Excel keeps of a cell, in UTF-16 units. Source:
// support.microsoft.com, "Excel specifications and limits".
const maxCell = 32_767

// Cell makes a text safe to open in a spreadsheet, whatever its separator is. Sources: OWASP, "CSV
// Injection" (the signs, their full-width forms, tab, line ends, and separators within a text), and
// maxCell. What it changes:
//
//   - A sign that could begin a formula gets an apostrophe before it: where the cell begins, and
//     where a program that splits at semicolons or tabs, or that does not know the quotes, would
//     begin another cell or row. A cell that begins with a tab or a line end begins with an apostrophe.
//   - NUL is left out. Other control characters become their pictures (U+2400 and following), and
//     those behind ASCII a \u escape, so that no terminal obeys them. Tabs and line ends stay.
//   - Bytes that are no UTF-8 become U+FFFD each, and the end of the cell says how many.
//   - What is longer than maxCell is cut, and the end of the cell says how long it was.
func Cell(text string) string {
	if harmless(text) {
		return text
	}
	out, broken := defused(text)
	note := ""
	if broken > 0 {
		note = fmt.Sprintf(" [entraledger: %d bytes were no UTF-8]", broken)
	}
	length := units(out)
	if length+len(note) <= maxCell {
		return out + note
	}
	note = fmt.Sprintf(" [entraledger: cut, %d characters]", length) + note
	return cut(out, maxCell-len(note)) + note
}

// harmless reports whether a text needs none of it, as most do: short ASCII in one line, without a sign
// where a cell could begin. It only saves time: defused would leave such a text as it is.
func harmless(text string) bool {
	const asciiSigns = "=+-@"
	at := true
	for i := range len(text) {
		c := text[i]
		switch {
		case c < ' ' || c > '~' || at && strings.IndexByte(asciiSigns, c) >= 0:
			return false
		case c == ';':
			at = true
		case c != ' ' && c != '"':
			at = false
		}
	}
	return len(text) <= maxCell
}

// Where a cell can begin.
const (
	within    = iota // nowhere here
	atBegin          // it begins here
	atPart           // it would for a program that splits otherwise
	signs     = "=+-@＝＋－＠"
	splitters = "\t\r\n;"
)

// defused is a text without what a spreadsheet or a terminal would obey, and how many of its bytes
// were no UTF-8.
func defused(text string) (string, int) {
	var out strings.Builder
	out.Grow(len(text) + 1)
	at, broken := atBegin, 0
	for i, size := 0, 0; i < len(text); i += size {
		var r rune
		r, size = utf8.DecodeRuneInString(text[i:])
		switch {
		case r == 0:
			continue
		case r == utf8.RuneError && size == 1:
			broken, at = broken+1, within
			out.WriteRune(utf8.RuneError)
			continue
		case strings.ContainsRune(splitters, r):
			if out.Len() == 0 && r != ';' {
				out.WriteByte('\'')
			}
			at = atPart
		case at != within && strings.ContainsRune(signs, r):
			out.WriteByte('\'')
			at = within
		case unicode.IsControl(r):
			out.WriteString(picture(r))
			at = within
			continue
		case r == '"' && at == atPart: // doubled within the file, which is an empty quoted text
		case !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r):
			at = within
		}
		out.WriteRune(r)
	}
	return out.String(), broken
}

// picture is how a control character is shown.
func picture(r rune) string {
	const pictures, ofDelete = 0x2400, "\u2421"
	switch {
	case r < ' ':
		return string(pictures + r)
	case r == 0x7f:
		return ofDelete
	}
	return fmt.Sprintf(`\u%04x`, r)
}

// units is a text's length as Excel counts.
func units(text string) int {
	n := 0
	for _, r := range text {
		n += utf16.RuneLen(r)
	}
	return n
}

// cut is the beginning of a text, of at most so many units. No character and no line end is split.
func cut(text string, most int) string {
	n, end := 0, 0
	for i, r := range text {
		if n += utf16.RuneLen(r); n > most {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	return strings.TrimSuffix(text[:end], "\r")
}
