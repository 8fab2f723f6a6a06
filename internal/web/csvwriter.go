package web

import (
	"bufio"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// CSVWriter writes all CSV that this program hands out: in UTF-8 with a byte order mark, which Excel
// needs, commas between the cells, and CR LF behind each row (RFC 4180). Line ends within a cell stay
// as they are. Errors are those of the writer below; after one, all further rows fail with it.
type CSVWriter struct{ to *bufio.Writer }

// NewCSVWriter begins a file with the names of its columns, as they are.
func NewCSVWriter(w io.Writer, names []string) *CSVWriter {
	out := &CSVWriter{bufio.NewWriter(w)}
	_, _ = out.to.WriteString("\ufeff") // an error comes again with the next row
	_ = out.write(names)
	return out
}

// Row writes a row of texts, each as Cell makes it.
func (w *CSVWriter) Row(texts []string) error {
	cells := make([]string, len(texts))
	for i, text := range texts {
		cells[i] = Cell(text)
	}
	return w.write(cells)
}

// Flush hands on what was written.
func (w *CSVWriter) Flush() error { return w.to.Flush() }

// write writes a row of cells as they are.
func (w *CSVWriter) write(cells []string) error {
	for i, cell := range cells {
		if i > 0 {
			_ = w.to.WriteByte(',') // an error stays until the row's end
		}
		if quoted(cell) || len(cells) == 1 && cell == "" { // an empty line would be no row
			cell = `"` + strings.ReplaceAll(cell, `"`, `""`) + `"`
		}
		_, _ = w.to.WriteString(cell) // likewise
	}
	_, err := w.to.WriteString("\r\n")
	return err
}

// quoted reports whether a cell needs quotes. The text \. ends a file for some databases.
func quoted(cell string) bool {
	if cell == `\.` || strings.ContainsAny(cell, ",\"\r\n") {
		return true
	}
	first, _ := utf8.DecodeRuneInString(cell)
	return cell != "" && unicode.IsSpace(first)
}
