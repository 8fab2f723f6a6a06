// Package discard is a table server that accepts records and discards them, so that a benchmark
// measures its clients and not a database. Named tables are kept, because a program that reads its
// own state back would otherwise restart without end. It speaks as much of Table Storage's protocol
// as aztables uses.
package discard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Counters sum up what clients sent since the last reset.
type Counters struct {
	Requests    int64 `json:"requests"`    // HTTP requests; a batch is one
	Operations  int64 `json:"operations"`  // writes of entities, kept tables included
	Records     int64 `json:"records"`     // writes of entities that were discarded
	BodyBytes   int64 `json:"bodyBytes"`   // of all request bodies
	StoredBytes int64 `json:"storedBytes"` // what Table Storage would bill for the discarded entities
}

// Server is an http.Handler. Create it with New.
type Server struct {
	keep []string // tables that are remembered
	all  bool     // the others are, too, as bulk

	requests, operations, records, bodyBytes, storedBytes atomic.Int64

	mu     sync.Mutex
	tables map[string]*table // by lower-case name, as the service compares them
	etags  int64
}

// New makes a server that keeps the tables of these names (in lower case) and discards the entities
// of all others.
func New(keep ...string) *Server {
	return &Server{keep: keep, tables: map[string]*table{}}
}

// NewKeepingAll makes a server that remembers everything: the tables of these names with all that
// Table Storage does with them, all others as rows that are written once and read back.
func NewKeepingAll(keep ...string) *Server {
	s := New(keep...)
	s.all = true
	return s
}

// Counters reads the counts so far.
func (s *Server) Counters() Counters {
	return Counters{
		Requests: s.requests.Load(), Operations: s.operations.Load(), Records: s.records.Load(),
		BodyBytes: s.bodyBytes.Load(), StoredBytes: s.storedBytes.Load(),
	}
}

// Reset drops every table and sets the counts to zero.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tables = map[string]*table{}
	for _, c := range []*atomic.Int64{&s.requests, &s.operations, &s.records, &s.bodyBytes, &s.storedBytes} {
		c.Store(0)
	}
}

// ServeHTTP answers one request of the Table protocol. The first segment of the path is the
// account's name. Signatures are not checked.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	_, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	body, err := readBody(r)
	if err != nil {
		writeFault(w, fault{http.StatusBadRequest, "InvalidInput", "read the request's body: " + err.Error()})
		return
	}
	s.bodyBytes.Add(int64(len(body)))
	switch {
	case rest == "$batch":
		s.batch(w, r, body)
	case rest == "Tables" && r.Method == http.MethodPost:
		s.createTable(w, r, body)
	case rest == "Tables" && r.Method == http.MethodGet:
		s.listTables(w, r)
	case strings.HasPrefix(rest, "Tables(") && r.Method == http.MethodDelete:
		s.deleteTable(w, strings.TrimSuffix(strings.TrimPrefix(rest, "Tables('"), "')"))
	default:
		s.entity(w, r, rest, body)
	}
}

// entity answers a request outside a batch for one table's entities.
func (s *Server) entity(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	target, ok := parseTarget(path)
	if !ok {
		writeFault(w, fault{http.StatusBadRequest, "InvalidUri", "no table request: " + path})
		return
	}
	if r.Method == http.MethodGet {
		if target.hasKeys {
			s.point(w, target)
		} else {
			s.query(w, r, target.table)
		}
		return
	}
	op := operation{method: r.Method, target: target, ifMatch: r.Header.Get("If-Match"), body: body}
	tags, _, failed := s.apply([]operation{op})
	if failed != nil {
		writeFault(w, *failed)
		return
	}
	if tags[0] != "" {
		w.Header().Set("ETag", tags[0])
	}
	if r.Method == http.MethodPost && r.Header.Get("Prefer") != "return-no-content" {
		writeJSON(w, http.StatusCreated, body)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) createTable(w http.ResponseWriter, r *http.Request, body []byte) {
	var asked struct{ TableName string }
	if err := json.Unmarshal(body, &asked); err != nil || asked.TableName == "" {
		writeFault(w, fault{http.StatusBadRequest, "InvalidInput", "TableName is missing"})
		return
	}
	name := strings.ToLower(asked.TableName)
	s.mu.Lock()
	_, exists := s.tables[name]
	if !exists {
		made := &table{name: asked.TableName, kept: slices.Contains(s.keep, name), rows: map[key]row{}}
		if s.all && !made.kept {
			made.bulk = newBulk()
		}
		s.tables[name] = made
	}
	s.mu.Unlock()
	switch {
	case exists:
		writeFault(w, fault{http.StatusConflict, "TableAlreadyExists", "The table specified already exists."})
	case r.Header.Get("Prefer") == "return-no-content":
		w.WriteHeader(http.StatusNoContent)
	default:
		writeJSON(w, http.StatusCreated, fmt.Appendf(nil, `{"TableName":%q}`, asked.TableName))
	}
}

func (s *Server) listTables(w http.ResponseWriter, r *http.Request) {
	matches, err := parseFilter(r.URL.Query().Get("$filter"))
	if err != nil {
		writeFault(w, fault{http.StatusNotImplemented, "NotImplemented", err.Error()})
		return
	}
	s.mu.Lock()
	names := make([]string, 0, len(s.tables))
	for _, t := range s.tables {
		if matches(func(string) string { return t.name }) {
			names = append(names, t.name)
		}
	}
	s.mu.Unlock()
	sort.Strings(names)
	type entry struct{ TableName string }
	list := struct {
		Value []entry `json:"value"`
	}{Value: []entry{}}
	for _, name := range names {
		list.Value = append(list.Value, entry{name})
	}
	body, err := json.Marshal(list)
	if err != nil {
		writeFault(w, fault{http.StatusInternalServerError, "InternalError", err.Error()})
		return
	}
	writeJSON(w, http.StatusOK, body)
}

func (s *Server) deleteTable(w http.ResponseWriter, name string) {
	s.mu.Lock()
	_, exists := s.tables[strings.ToLower(name)]
	delete(s.tables, strings.ToLower(name))
	s.mu.Unlock()
	if !exists {
		writeFault(w, tableNotFound())
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// target is what the path of an entity request names.
type target struct {
	table   string
	key     key
	hasKeys bool
}

// parseTarget reads table, table() or table(PartitionKey='p',RowKey='r'), unescaped but with
// doubled quotes.
func parseTarget(path string) (target, bool) {
	name, keys, found := strings.Cut(path, "(")
	t := target{table: strings.ToLower(name)}
	if !found || keys == ")" {
		return t, name != ""
	}
	keys, ok := strings.CutPrefix(keys, "PartitionKey='")
	if !ok || !strings.HasSuffix(keys, "')") {
		return t, false
	}
	partition, rowKey, ok := strings.Cut(strings.TrimSuffix(keys, "')"), "',RowKey='")
	if !ok {
		return t, false
	}
	t.key = key{strings.ReplaceAll(partition, "''", "'"), strings.ReplaceAll(rowKey, "''", "'")}
	t.hasKeys = true
	return t, true
}

// parseTargetURL reads the absolute URL of an operation within a batch.
func parseTargetURL(raw string) (target, bool) {
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, false
	}
	_, rest, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	return parseTarget(rest)
}

func readBody(r *http.Request) ([]byte, error) {
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := io.Copy(&buf, r.Body)
	return buf.Bytes(), err
}

// fault is an error answer as Table Storage words it.
type fault struct {
	status        int
	code, message string
}

func tableNotFound() fault {
	return fault{http.StatusNotFound, "TableNotFound", "The table specified does not exist."}
}

func (f fault) body(prefix string) []byte {
	return fmt.Appendf(nil, `{"odata.error":{"code":%q,"message":{"lang":"en-US","value":%q}}}`, f.code,
		prefix+f.message)
}

func writeFault(w http.ResponseWriter, f fault) {
	w.Header().Set("x-ms-error-code", f.code)
	writeJSON(w, f.status, f.body(""))
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json;odata=minimalmetadata")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	// A client that has gone away is no fault of this server.
	_, _ = w.Write(body)
}
