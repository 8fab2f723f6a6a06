package memstorage

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// The words that begin a line of a dump.
const (
	lineTable     = "table"     // and a table's name
	lineRow       = "row"       // and a table's name, and the row's JSON with its columns in order
	lineContainer = "container" // and a container's name
	lineBlob      = "blob"      // and the path of the blob, container first, and its dumpedBlob
)

// dumpedBlob is a blob in a dump: a text as it is, anything else as bytes.
type dumpedBlob struct {
	Type  string `json:"type"`
	Text  string `json:"text,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

// Dump writes the account's content, in order, one line for each table, row, container and blob. A
// row has the types of its columns, and neither ETag nor Timestamp: a load makes new ones.
func (s *Service) Dump(w io.Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := bufio.NewWriter(w)
	for _, lower := range slices.Sorted(maps.Keys(s.state.tables)) {
		t := s.state.tables[lower]
		fmt.Fprintf(out, "%s %s\n", lineTable, t.name)
		for _, r := range t.rows {
			fmt.Fprintf(out, "%s %s %s\n", lineRow, t.name, r.dumped())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.state.containers)) {
		fmt.Fprintf(out, "%s %s\n", lineContainer, name)
	}
	for _, path := range slices.Sorted(maps.Keys(s.state.blobs)) {
		b := s.state.blobs[path]
		d := dumpedBlob{Type: b.contentType, Bytes: b.content}
		if utf8.Valid(b.content) {
			d = dumpedBlob{Type: b.contentType, Text: string(b.content)}
		}
		body, err := json.Marshal(d)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s %s %s\n", lineBlob, path, body)
	}
	return out.Flush()
}

// dumped is the row's JSON as a client could write it, its columns in the order of their names.
func (r *row) dumped() []byte {
	b := appendText([]byte(`{"PartitionKey":`), r.partition)
	b = appendText(append(b, `,"RowKey":`...), r.key)
	sorted := slices.Clone(r.properties)
	slices.SortFunc(sorted, func(a, b property) int { return strings.Compare(a.name, b.name) })
	for _, p := range sorted {
		if p.edm != "Edm.String" && p.edm != "Edm.Int32" && p.edm != "Edm.Boolean" {
			b = append(b, `,"`+p.name+`@odata.type":"`+p.edm+`"`...)
		}
		b = append(b, `,"`+p.name+`":`+p.raw...)
	}
	return append(b, '}')
}

// Load adds what a dump has to an account. The rows are dated by the account's clock.
func (s *Service) Load(from io.Reader) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := bufio.NewReader(from)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			break
		}
		if err != nil && err != io.EOF {
			return fmt.Errorf("load line %d of a dump: %w", n, err)
		}
		if err := s.loadLine(bytes.TrimSuffix(line, []byte("\n"))); err != nil {
			return fmt.Errorf("load line %d of a dump: %w", n, err)
		}
	}
	for _, t := range s.state.tables {
		slices.SortFunc(t.rows, compareKeys)
	}
	return nil
}

// loadLine loads one line. The rows of a table stay in the order in which they come.
func (s *Service) loadLine(line []byte) error {
	word, rest, _ := bytes.Cut(line, []byte(" "))
	name, body, _ := strings.Cut(string(rest), " ")
	switch string(word) {
	case lineTable:
		s.state.tables[strings.ToLower(name)] = &table{name: name}
	case lineContainer:
		s.state.containers[name] = true
	case lineRow:
		t, ok := s.state.tables[strings.ToLower(name)]
		r, failed := parseEntity([]byte(body))
		if !ok || failed != nil || !gjson.Valid(body) {
			return fmt.Errorf("it is no row of a table that stands before it: %.80s", line)
		}
		r.stamp = s.nextStamp()
		t.rows = append(t.rows, r)
	case lineBlob:
		var d dumpedBlob
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			return err
		}
		content := d.Bytes
		if d.Text != "" {
			content = []byte(d.Text)
		}
		s.state.blobs[name] = blob{content: content, contentType: d.Type, stamp: s.nextStamp()}
	default:
		return fmt.Errorf("it begins with no word that is known: %.80s", line)
	}
	return nil
}
