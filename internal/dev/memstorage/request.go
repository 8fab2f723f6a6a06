package memstorage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// Request is one request to the service, read and not yet executed.
type Request struct {
	service *Service
	method  string
	path    string // without the leading slash, unescaped
	query   url.Values
	header  http.Header
	body    []byte
	blob    bool
	batch   bool
	ops     []operation // of a write to rows
	refused *fault      // why it is refused whatever the state is
}

// operation is one write of a row.
type operation struct {
	method  string // POST inserts, PUT replaces, PATCH merges, DELETE deletes
	table   string
	ifMatch string // empty: whatever is there, or nothing
	row     *row   // of a deletion: only the keys
	quiet   bool   // an insertion's answer does not repeat the entity
	refused *fault
}

// maxBody is the most that a request's body may have.
const maxBody = 4 << 20

// Receive reads a request. Its body is read whole; nothing is executed.
func (s *Service) Receive(req *http.Request) (*Request, error) {
	r := &Request{service: s, method: req.Method, header: req.Header, query: req.URL.Query()}
	r.path = strings.TrimPrefix(req.URL.Path, "/")
	host := req.URL.Host
	if host == "" {
		host = req.Host
	}
	r.blob = isBlob(host)
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		_ = req.Body.Close()
		if err != nil {
			return nil, fmt.Errorf("read the body of %s %s: %w", req.Method, req.URL.Path, err)
		}
		r.body = body
	}
	switch {
	case r.blob:
	case len(r.body) > maxBody:
		r.refused = bodyTooLarge
	case r.path == "$batch":
		r.batch = true
		r.ops, r.refused = parseBatch(req.Header.Get("Content-Type"), r.body)
	case r.isRowWrite():
		r.ops = []operation{parseOperation(r.method, r.path, r.header, r.body)}
	}
	return r, nil
}

// isRowWrite reports whether the request writes one row: everything but reads and what is about
// whole tables.
func (r *Request) isRowWrite() bool {
	return r.method != http.MethodGet && !strings.HasPrefix(r.path, "Tables")
}

var address = regexp.MustCompile(`^(\w+)\(PartitionKey='((?:[^']|'')*)',\s*RowKey='((?:[^']|'')*)'\)$`)

// parseAddress parses the address of a row.
func parseAddress(path string) (table, partition, key string, ok bool) {
	m := address.FindStringSubmatch(path)
	if m == nil {
		return "", "", "", false
	}
	single := func(s string) string { return strings.ReplaceAll(s, "''", "'") }
	return m[1], single(m[2]), single(m[3]), true
}

func parseOperation(method, path string, header http.Header, body []byte) operation {
	o := operation{method: method, ifMatch: header.Get("If-Match"), quiet: header.Get("Prefer") == "return-no-content"}
	if method == "MERGE" || method == http.MethodPost && header.Get("X-HTTP-Method") == "MERGE" {
		o.method = http.MethodPatch
	}
	table, partition, key, addressed := parseAddress(path)
	switch {
	case o.method == http.MethodDelete && addressed:
		o.table, o.row = table, &row{partition: partition, key: key}
		if o.ifMatch == "" {
			o.refused = missingHeader
		}
		return o
	case o.method == http.MethodPost && !addressed:
		o.table = strings.TrimSuffix(path, "()")
		o.row, o.refused = parseEntity(body)
		if o.refused == nil && !(gjson.GetBytes(body, "PartitionKey").Exists() &&
			gjson.GetBytes(body, "RowKey").Exists()) {
			o.refused = propertiesMissing
		}
	case (o.method == http.MethodPut || o.method == http.MethodPatch) && addressed:
		o.table = table
		if o.row, o.refused = parseEntity(body); o.refused == nil {
			o.row.partition, o.row.key = partition, key
		}
	default:
		o.row, o.refused = &row{}, methodNotAllowed
	}
	if o.refused == nil {
		o.refused = o.row.check()
	}
	if o.row == nil {
		o.row = &row{}
	}
	return o
}

// IsWrite reports whether the request may change the state.
func (r *Request) IsWrite() bool { return r.method != http.MethodGet && r.method != http.MethodHead }

// Tables names the tables that the request reads or writes; none where it is about blobs.
func (r *Request) Tables() []string {
	switch {
	case r.blob:
		return nil
	case len(r.ops) > 0:
		return []string{r.ops[0].table}
	}
	name, _, _ := strings.Cut(r.path, "(")
	return []string{name}
}

// Key identifies what the request asks for, so that requests that arrive at the same time can be
// put in an order that does not depend on their arrival: boundaries, dates and the order of a
// transaction's operations are left out.
func (r *Request) Key() string {
	var parts []string
	for _, o := range r.ops {
		parts = append(parts, o.text())
	}
	slices.Sort(parts)
	if len(r.ops) == 0 {
		parts = append(parts, string(r.body))
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\n")))
	asked := r.method + " " + r.path + "?" + r.query.Encode() + " " + strings.Join(r.Tables(), ",")
	return asked + " " + hex.EncodeToString(sum[:8])
}

func (o operation) text() string {
	return o.method + " " + o.table + " " + o.ifMatch + " " + string(o.row.appendTo(nil, nil))
}

// String says in one line what the request asks for, for a person who follows a run.
func (r *Request) String() string {
	if len(r.ops) == 0 {
		text := r.method + " " + r.path
		if f := r.query.Get("$filter"); f != "" {
			text += " where " + f
		}
		return text
	}
	verbs := map[string]string{http.MethodPost: "insert", http.MethodPut: "replace",
		http.MethodPatch: "merge", http.MethodDelete: "delete"}
	var parts []string
	for _, o := range r.ops {
		part := verbs[o.method] + " " + o.row.key
		if o.ifMatch != "" && o.ifMatch != "*" {
			part += " if unchanged"
		}
		parts = append(parts, part)
	}
	slices.Sort(parts)
	return r.ops[0].table + "/" + r.ops[0].row.partition + ": " + strings.Join(parts, ", ")
}
