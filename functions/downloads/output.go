package downloads

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/export"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/records"
	"github.com/entraledger/entraledger/internal/web"
)

// output writes a file in one of its formats.
type output struct {
	response http.ResponseWriter
	zip      *gzip.Writer // nil: not compressed
	to       io.Writer
	file     export.File
	name     string // of the file that the caller saves
	format   string
	csv      *web.CSVWriter
	rows     int
	altered  int // records that were altered, among them
}

// head writes what precedes the first row. A caller that has disconnected shows in the context, not
// in these errors.
func (o *output) head() {
	switch o.format {
	case "csv":
		o.csv = web.NewCSVWriter(o.to, o.file.Names())
	case "json":
		_, _ = io.WriteString(o.to, "[")
	}
}

// record writes the rows of a record. JSON has a record as it was received; if it makes several
// rows, each is an object of the columns.
func (o *output) record(raw []byte) error {
	if o.format != "csv" && o.file.Each == "" {
		return o.object(raw)
	}
	return o.file.Rows(gjson.ParseBytes(raw), func(cells []string) error {
		if o.format == "csv" {
			return o.csv.Row(cells)
		}
		return o.object(object(o.file.Names(), cells))
	})
}

// tampered writes the row of a record that was altered. In JSON it is the object that lists have;
// in a file of elements with the file's own names for id and time, by which it is joined.
func (o *output) tampered(rec records.Archived) error {
	o.altered++
	cells := o.file.TamperedRow(rec)
	switch {
	case o.format == "csv":
		return o.csv.Row(cells)
	case o.file.Each == "":
		return o.object(web.Tampered(rec, logs.Of(o.file.Stream).TimeProperty))
	}
	last := len(cells) - 1
	body := object(o.file.Names()[:last], cells[:last])
	return o.object(append(web.AppendAnnotations(body[:len(body)-1], rec), '}'))
}

// object is a row as JSON, its columns in their order.
func object(names, cells []string) []byte {
	out := []byte{'{'}
	for i, name := range names {
		if cells[i] == "" {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		key, _ := json.Marshal(name) // a text always has a JSON form
		value, _ := json.Marshal(cells[i])
		out = append(append(append(out, key...), ':'), value...)
	}
	return append(out, '}')
}

func (o *output) object(body []byte) error {
	separator := ""
	if o.format == "json" && o.rows > 0 {
		separator = ",\n"
	}
	o.rows++
	if _, err := io.WriteString(o.to, separator); err != nil {
		return err
	}
	if o.format == "ndjson" && bytes.ContainsAny(body, "\r\n") { // between its parts; a text can't hold one
		var line bytes.Buffer
		if err := json.Compact(&line, body); err != nil {
			return err
		}
		body = line.Bytes()
	}
	if _, err := o.to.Write(body); err != nil {
		return err
	}
	if o.format == "ndjson" {
		_, err := io.WriteString(o.to, "\n")
		return err
	}
	return nil
}

func (o *output) flush() {
	if o.csv != nil {
		_ = o.csv.Flush() // a caller that went away needs no answer
	}
	if o.zip != nil {
		_ = o.zip.Flush() // a caller that went away needs no answer
	}
	_ = http.NewResponseController(o.response).Flush() // likewise
}

// end writes what follows the last row.
func (o *output) end() {
	if o.format == "json" {
		_, _ = io.WriteString(o.to, "]\n") // likewise
	}
	o.flush()
	if o.zip != nil {
		_ = o.zip.Close() // likewise
	}
	o.response.Header().Set(web.TamperedHeader, strconv.Itoa(o.altered)) // the trailer that was announced
}
