// Package memstorage is Azure Table Storage, and the small part of Blob Storage that the archive
// uses, held in memory. It answers as the service does, not as its emulator: If-Match counts within
// transactions, and all limits are enforced. Tests use it where the order of requests matters, or
// where a state has to be set up many times.
package memstorage

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	tableHost = "memory.table.core.example"
	blobHost  = "memory.blob.core.example"
)

// Limits of a Service's answers. They may be changed while no request is in progress.
type Limits struct {
	PageEntities int           // entities of one page of a query; 0: 1,000, as the service has it
	PageScan     int           // entities that are looked at for one page: it may be short, or empty; 0: all
	PageSplits   bool          // a page ends at the end of a partition
	DeleteTakes  time.Duration // for so long after its deletion a table answers 409 TableBeingDeleted
}

// Service is a storage account in memory. It is safe for concurrent use, and an http.RoundTripper.
type Service struct {
	Limits Limits

	clock func() time.Time

	mu    sync.Mutex
	state state
}

// state is everything that the account holds. Slices of rows are never changed in place, so that a
// copy of the maps is a copy of the state.
type state struct {
	tables     map[string]*table // by lower-case name
	deleted    map[string]time.Time
	containers map[string]bool
	blobs      map[string]blob // by container/name
	stamp      time.Time       // of the newest write: no two have the same
	requests   int64
}

// Snapshot is a state of a Service.
type Snapshot struct{ state state }

// New makes an empty account. clock dates rows and answers; nil is the machine's.
func New(clock func() time.Time) *Service {
	if clock == nil {
		clock = time.Now
	}
	s := &Service{clock: clock, Limits: Limits{DeleteTakes: 40 * time.Second}}
	s.Reset()
	return s
}

// Reset drops everything.
func (s *Service) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = state{tables: make(map[string]*table), deleted: make(map[string]time.Time),
		containers: make(map[string]bool), blobs: make(map[string]blob)}
}

// Snapshot copies the state. It costs one map of table names: rows are shared.
func (s *Service) Snapshot() Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Snapshot{s.state.clone()}
}

// Restore goes back to a state, of this Service or of another one. A snapshot may be restored many
// times.
func (s *Service) Restore(from Snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state = from.state.clone()
}

func (s state) clone() state {
	s.tables, s.deleted = maps.Clone(s.tables), maps.Clone(s.deleted)
	s.containers, s.blobs = maps.Clone(s.containers), maps.Clone(s.blobs)
	return s
}

// ConnectionString opens the account for a client whose transport is the Service. Any key is
// accepted.
func (s *Service) ConnectionString() string {
	return "DefaultEndpointsProtocol=http;AccountName=memory;AccountKey=bWVtb3J5" +
		";TableEndpoint=http://" + tableHost + ";BlobEndpoint=http://" + blobHost
}

// Client is an HTTP client that reaches the Service and nothing else.
func (s *Service) Client() *http.Client { return &http.Client{Transport: s} }

// RoundTrip answers a request at once.
func (s *Service) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	received, err := s.Receive(req)
	if err != nil {
		return nil, err
	}
	return received.Execute().Response(req), nil
}

// ServeHTTP makes the Service a handler. Requests whose host names a blob service are about blobs.
func (s *Service) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	received, err := s.Receive(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	a := received.Execute()
	maps.Copy(w.Header(), a.Header)
	w.WriteHeader(a.Status)
	_, _ = w.Write(a.Body)
}

// Answer is what the service says to one request.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Response is the answer as a client gets it.
func (a Answer) Response(req *http.Request) *http.Response {
	return &http.Response{
		Status: fmt.Sprintf("%d %s", a.Status, http.StatusText(a.Status)), StatusCode: a.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: a.Header.Clone(),
		Body: io.NopCloser(bytes.NewReader(a.Body)), ContentLength: int64(len(a.Body)), Request: req,
	}
}

// Execute carries a request out and answers it. It may be called later than the request was
// received, and more than once: each time it meets the state as it is then.
func (r *Request) Execute() Answer {
	s := r.service
	s.mu.Lock()
	defer s.mu.Unlock()
	var a Answer
	switch {
	case r.refused != nil:
		a = r.refused.answer()
	case r.blob:
		a = s.executeBlob(r)
	default:
		a = s.executeTable(r)
	}
	s.state.requests++
	if a.Header == nil {
		a.Header = http.Header{}
	}
	a.Header.Set("Date", s.clock().UTC().Format(http.TimeFormat))
	a.Header.Set("X-Ms-Request-Id", strconv.FormatInt(s.state.requests, 10))
	a.Header.Set("X-Ms-Version", "2019-02-02")
	a.Header.Set("Content-Length", strconv.Itoa(len(a.Body)))
	return a
}

// nextStamp dates a write. The caller holds the lock.
func (s *Service) nextStamp() time.Time {
	now := s.clock().UTC().Truncate(tick)
	if !now.After(s.state.stamp) {
		now = s.state.stamp.Add(tick)
	}
	s.state.stamp = now
	return now
}

// tick is the resolution of Table Storage.
const tick = 100 * time.Nanosecond

// isBlob returns which of the two services a host names.
func isBlob(host string) bool { return strings.Contains(host, ".blob.") }

// Row is an entity as the account holds it, for checks that look at the state without a request.
type Row struct {
	Partition, Key string
	row            *row
}

// Raw is the JSON of a property's value; empty where the row has none of that name.
func (r Row) Raw(name string) string {
	for _, p := range r.row.properties {
		if p.name == name {
			return p.raw
		}
	}
	return ""
}

// Size is what the service counts for the row, in bytes.
func (r Row) Size() int64 { return int64(r.row.size()) }

// Rows lists the rows of a table in order; none where there is no such table.
func (s *Service) Rows(name string) []Row {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.state.tables[strings.ToLower(name)]
	if !ok {
		return nil
	}
	out := make([]Row, len(t.rows))
	for i, r := range t.rows {
		out[i] = Row{r.partition, r.key, r}
	}
	return out
}

// TableNames lists the tables in order.
func (s *Service) TableNames() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for _, lower := range slices.Sorted(maps.Keys(s.state.tables)) {
		out = append(out, s.state.tables[lower].name)
	}
	return out
}
