package importing

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Place is where a file was read up to, so that another run can go on there.
type Place struct {
	Offset  int64    `json:"offset"`            // bytes of the unpacked file, or events
	Begun   bool     `json:"begun,omitempty"`   // what follows was found out
	Lines   bool     `json:"lines,omitempty"`   // each line is an entry
	InList  bool     `json:"inList,omitempty"`  // within a list
	Closing int      `json:"closing,omitempty"` // what is open around the list
	Columns []string `json:"columns,omitempty"` // of rows
}

// element is an entry as it is in the file.
type element struct {
	at      int64
	raw     []byte
	columns []string // of a row: raw is the list of its values
	row     bool     // raw is an object that was made of a row
	refused Reason
	why     string
}

// lookAhead is how much of a file is looked at to find out what it is.
const lookAhead = 256 << 10

// jsonFile reads JSON lines, or values of any layout: a list, several behind each other, entries in
// an object.
type jsonFile struct {
	in    *bufio.Reader
	place Place
	value []byte
}

// newJSONFile goes on at a place; in is at that place already.
func newJSONFile(in io.Reader, from Place) *jsonFile {
	return &jsonFile{in: bufio.NewReaderSize(in, lookAhead), place: from}
}

// newJSONText reads a text in memory.
func newJSONText(text []byte, from Place) *jsonFile {
	return &jsonFile{in: bufio.NewReaderSize(bytes.NewReader(text), min(len(text)+16, lookAhead)), place: from}
}

func (f *jsonFile) at() Place { return f.place }

// begin finds out whether the file has one entry a line: its first line is one JSON object.
func (f *jsonFile) begin() error {
	f.place.Begun = true
	if err := f.skipSpace(); err != nil {
		return err
	}
	ahead, err := f.in.Peek(f.in.Size())
	if err != nil && !errors.Is(err, io.EOF) {
		return f.cut(err)
	}
	line, _, ended := bytes.Cut(ahead, []byte("\n"))
	f.place.Lines = len(ahead) > 0 && ahead[0] == '{' && (ended || err != nil) && !tooDeep(line) &&
		gjson.ValidBytes(line)
	return nil
}

// next is the next element; its bytes are valid until the one after it. At the end it is io.EOF, or
// a *Cut.
func (f *jsonFile) next() (element, error) {
	if !f.place.Begun {
		if err := f.begin(); err != nil {
			return element{}, err
		}
	}
	if f.place.Lines {
		return f.line()
	}
	for {
		e, found, err := f.step()
		if found || err != nil {
			return e, err
		}
	}
}

func (f *jsonFile) cut(err error) error {
	why := err.Error()
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		why = "it ends within an entry"
	}
	return &Cut{At: f.place.Offset, Unit: "byte", Why: why}
}

// line reads one line. A line that is no JSON is refused, and the next one is read as ever; the
// last one of a file that was cut has no end.
func (f *jsonFile) line() (element, error) {
	for {
		e := element{at: f.place.Offset}
		f.value = f.value[:0]
		length, ended := int64(0), false
		for !ended {
			part, err := f.in.ReadSlice('\n')
			length += int64(len(part))
			if int64(len(f.value)+len(part)) <= MaxEntry {
				f.value = append(f.value, part...)
			}
			switch {
			case err == nil:
				ended = true
			case errors.Is(err, bufio.ErrBufferFull):
			case errors.Is(err, io.EOF):
				return f.lastLine(e, length)
			default:
				return element{}, f.cut(err)
			}
		}
		f.place.Offset += length
		if length > MaxEntry {
			e.refused, e.why = TooLong, fmt.Sprintf("the line has %d bytes", length)
			return e, nil
		}
		if e.raw = bytes.TrimSpace(f.value); len(e.raw) > 0 {
			return checked(e), nil
		}
	}
}

// lastLine is what is behind the last end of a line.
func (f *jsonFile) lastLine(e element, length int64) (element, error) {
	e.raw = bytes.TrimSpace(f.value)
	if length <= MaxEntry && len(e.raw) == 0 {
		f.place.Offset += length
		return element{}, io.EOF
	}
	if length > MaxEntry || !tooDeep(e.raw) && !gjson.ValidBytes(e.raw) {
		return element{}, f.cut(io.ErrUnexpectedEOF)
	}
	f.place.Offset += length
	return checked(e), nil
}

// checked refuses what is no JSON. Text in another encoding than UTF-8 would be another text in a
// table's columns.
func checked(e element) element {
	switch {
	case tooDeep(e.raw):
		e.refused, e.why = UnknownShape, fmt.Sprintf("it is nested deeper than %d", maxDepth)
	case !utf8.Valid(e.raw):
		e.refused, e.why = NotJSON, "it is not in UTF-8"
	case !gjson.ValidBytes(e.raw):
		e.refused, e.why = NotJSON, "it is no JSON value"
	}
	return e
}

// skipSpace skips blanks, and the marks that some programs write before UTF-8.
func (f *jsonFile) skipSpace() error {
	for {
		c, err := f.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return f.cut(err)
		case isSpace(c):
			f.place.Offset++
			continue
		}
		_ = f.in.UnreadByte() // a byte was read
		if mark, _ := f.in.Peek(3); string(mark) == "\ufeff" {
			f.discard(3)
			continue
		}
		return nil
	}
}

// discard skips bytes that were looked at.
func (f *jsonFile) discard(n int) {
	n, _ = f.in.Discard(n)
	f.place.Offset += int64(n)
}

// step reads up to the next element, or what is between two.
func (f *jsonFile) step() (e element, found bool, err error) {
	if err := f.skipSpace(); err != nil {
		return e, false, err
	}
	head, err := f.in.Peek(1)
	if errors.Is(err, io.EOF) {
		if f.place.InList {
			return e, false, &Cut{At: f.place.Offset, Unit: "byte", Why: "its list has no end"}
		}
		return e, false, io.EOF
	}
	if err != nil {
		return e, false, f.cut(err)
	}
	switch c := head[0]; {
	case c == ',' && f.place.InList:
		f.discard(1)
		return e, false, nil
	case c == ']' && f.place.InList:
		return f.leaveList()
	case c == '[' && !f.place.InList:
		f.discard(1)
		f.place.InList, f.place.Closing, f.place.Columns = true, 0, nil
		return e, false, nil
	case c == '{' && !f.place.InList:
		ahead, _ := f.in.Peek(f.in.Size())
		if l, ok := listIn(ahead); ok {
			f.discard(l.length)
			f.place.InList, f.place.Closing, f.place.Columns = true, l.closing, l.columns
			return e, false, nil
		}
	case c == '{', c == '[' && f.place.Columns != nil:
	default:
		return e, false, &Cut{At: f.place.Offset, Unit: "byte", Why: "what follows is no entry"}
	}
	e, err = f.read()
	return e, err == nil, err
}

// leaveList skips the end of a list, and what follows in the objects around it. Another list there is
// an element that is refused.
func (f *jsonFile) leaveList() (e element, found bool, err error) {
	f.discard(1)
	e = element{at: f.place.Offset, refused: UnknownShape, why: moreBehind}
	var around extent
	f.value = f.value[:0]
	for around.depth = f.place.Closing; around.depth > 0; {
		c, err := f.in.ReadByte()
		if err != nil {
			return element{}, false, f.cut(err)
		}
		f.place.Offset++
		around.step(c)
		if len(f.value) < MaxEntry {
			f.value = append(f.value, c)
		}
	}
	f.place.InList, f.place.Closing, f.place.Columns = false, 0, nil
	return e, holdsMore(f.value), nil
}

// moreBehind is why what follows a list in its object is refused.
const moreBehind = "what its object holds behind the list is not read"

// read reads one object or list.
func (f *jsonFile) read() (element, error) {
	e := element{at: f.place.Offset, columns: f.place.Columns}
	f.value = f.value[:0]
	var (
		x      extent
		length int64
	)
	for done := false; !done; {
		c, err := f.in.ReadByte()
		if err != nil {
			return element{}, f.cut(err)
		}
		if length++; length <= MaxEntry {
			f.value = append(f.value, c)
		}
		done = x.step(c)
	}
	f.place.Offset += length
	if length > MaxEntry {
		e.refused, e.why = TooLong, fmt.Sprintf("the entry has %d bytes", length)
		return e, nil
	}
	e.raw = f.value
	return checked(e), nil
}
