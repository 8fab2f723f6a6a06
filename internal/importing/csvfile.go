package importing

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// csvFile reads the rows of a CSV file, as the portal exports the answer to a query of Log
// Analytics.
type csvFile struct {
	in    *metered
	rows  *csv.Reader
	place Place
	base  int64 // of the reader's own offsets
	value []byte
}

// metered bounds what is read for one row, and knows the last byte.
type metered struct {
	in    io.Reader
	left  int
	total int64
	last  byte
	ended bool
}

var errLongRow = errors.New("a row is too long: a quote may be missing")

func (m *metered) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errLongRow
	}
	n, err := m.in.Read(p[:min(len(p), m.left)])
	if m.left -= n; n > 0 {
		m.last = p[n-1]
	}
	m.total += int64(n)
	m.ended = m.ended || err != nil
	return n, err
}

func newCSVFile(in io.Reader, from Place) *csvFile {
	m := &metered{in: in, left: MaxEntry}
	rows := csv.NewReader(m)
	rows.ReuseRecord, rows.FieldsPerRecord = true, -1 // a row of another length is refused alone
	return &csvFile{in: m, rows: rows, place: from, base: from.Offset}
}

func (f *csvFile) at() Place { return f.place }

// next is the next row, as an object with texts: empty cells have no member. The last row counts
// only where its line has an end: without one nothing tells whether its last cell is whole.
func (f *csvFile) next() (element, error) {
	if !f.place.Begun {
		if err := f.header(); err != nil {
			return element{}, err
		}
	}
	e := element{at: f.place.Offset, row: true}
	cells, err := f.read()
	if err != nil {
		return element{}, err
	}
	if len(cells) != len(f.place.Columns) {
		e.refused, e.why = UnknownShape, fmt.Sprintf("it has %d cells, and the table %d columns", len(cells),
			len(f.place.Columns))
		return e, nil
	}
	f.value = append(f.value[:0], '{')
	for i, cell := range cells {
		if cell == "" {
			continue
		}
		if len(f.value) > 1 {
			f.value = append(f.value, ',')
		}
		f.value = appendText(f.value, f.place.Columns[i])
		f.value = append(f.value, ':')
		f.value = appendText(f.value, cell)
	}
	f.value = append(f.value, '}')
	e.raw = f.value
	return checked(e), nil
}

func (f *csvFile) read() ([]string, error) {
	f.in.left = MaxEntry
	cells, err := f.rows.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	end := f.base + f.rows.InputOffset()
	switch {
	case err != nil:
		return nil, &Cut{At: f.place.Offset, Unit: "byte", Why: err.Error()}
	case f.in.ended && f.rows.InputOffset() == f.in.total && f.in.last != '\n':
		return nil, &Cut{At: f.place.Offset, Unit: "byte", Why: "its last line has no end"}
	}
	f.place.Offset = end
	return cells, nil
}

// header reads the columns' names, without the zone that the portal writes behind those of times.
func (f *csvFile) header() error {
	cells, err := f.read()
	if err != nil {
		return err
	}
	f.place.Begun, f.place.Columns = true, slices.Clone(cells)
	for i, name := range f.place.Columns {
		name = strings.TrimPrefix(name, "\ufeff")
		f.place.Columns[i] = strings.TrimSuffix(strings.Trim(name, `" `), " [UTC]")
	}
	return nil
}

// looksLikeRows reports whether a text begins with the header of such a file.
func looksLikeRows(ahead []byte) bool {
	line, _, _ := bytes.Cut(ahead, []byte("\n"))
	return bytes.Contains(line, []byte("TimeGenerated")) && bytes.IndexByte(line, ',') >= 0
}

// appendText writes a JSON text.
func appendText(out []byte, s string) []byte {
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20:
			out = append(out, fmt.Sprintf(`\u%04x`, c)...)
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// appendRow makes an object of a row's values.
func appendRow(out []byte, columns []string, values []string) []byte {
	out = append(out, '{')
	for i, v := range values {
		if i >= len(columns) {
			break
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, strconv.Quote(columns[i])...)
		out = append(append(out, ':'), v...)
	}
	return append(out, '}')
}
