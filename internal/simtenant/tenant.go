// Package simtenant is a Microsoft Entra tenant to develop against: the token endpoint of a managed identity, and the log
// collections and the directory of Microsoft Graph, with their page sizes, filters, order, error bodies, throttling and faults.
package simtenant

import (
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/simtenant/generate"
)

// Config of a tenant. Zero values mean the defaults.
type Config struct {
	Generate *generate.Config // records that are made up
	Records  string           // instead: a folder with files named after their stream, one record a line

	Now       time.Time     // the tenant's clock at the start; zero: the real time, or shortly after the newest line of Records
	Retention time.Duration // how long the tenant keeps a record; default 30 days, or long enough for all of Records

	PageSize          int           // the most records of a page, whatever $top says; 0: $top
	RequestsPer10s    int           // ceiling of reporting requests; 0: none
	NoRetryAfter      bool          // a 429 of the ceiling comes without Retry-After
	SkipTokenLifetime time.Duration // default 10 minutes
	TokenLifetime     time.Duration // of access tokens, in real time; default 1 hour
	IdentityHeader    string        // the secret of the token endpoint; default "simtenant"
	NoGzip            bool          // answers are never compressed
}

// Tenant is an http.Handler. It is safe for concurrent use.
type Tenant struct {
	cfg    Config
	routes *http.ServeMux
	logs   map[entra.Stream]*log

	directory map[entra.Stream]*objects

	mu       sync.Mutex
	offset   time.Duration // the tenant's clock less the real one
	frozen   time.Time     // a clock that stands; zero: it runs
	faults   []*Fault
	happened map[Kind]int
	requests []*Request
	counts   map[entra.Stream]*Counter
	tokens   map[string]pass
	withheld map[string]bool // permissions that were taken away
	issued   int
}

// New makes a tenant and reads its records' folder, if it has one.
func New(cfg Config) (*Tenant, error) {
	cfg.SkipTokenLifetime = orElse(cfg.SkipTokenLifetime, 10*time.Minute)
	cfg.TokenLifetime = orElse(cfg.TokenLifetime, time.Hour)
	if cfg.IdentityHeader == "" {
		cfg.IdentityHeader = "simtenant"
	}
	t := &Tenant{cfg: cfg, logs: make(map[entra.Stream]*log), counts: make(map[entra.Stream]*Counter), happened: make(map[Kind]int), tokens: make(map[string]pass), withheld: make(map[string]bool)}
	for _, s := range logs.Streams() {
		t.logs[s] = &log{base: lines{}}
		t.counts[s] = &Counter{ByStatus: make(map[int]int)}
	}
	var made *generate.Generator
	switch {
	case cfg.Records != "":
		if err := t.readRecords(); err != nil {
			return nil, err
		}
	case cfg.Generate != nil:
		made = t.makeUpRecords()
	}
	t.newDirectory(made)
	t.cfg.Retention = orElse(t.cfg.Retention, 30*24*time.Hour)
	if !t.cfg.Now.IsZero() {
		t.offset = time.Until(t.cfg.Now)
	}
	t.routes = t.newRoutes()
	return t, nil
}

func orElse(d, fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return d
}

func (t *Tenant) makeUpRecords() *generate.Generator {
	cfg := *t.cfg.Generate
	if cfg.End.IsZero() {
		if cfg.End = t.cfg.Now; cfg.End.IsZero() {
			cfg.End = time.Now()
		}
	}
	g := generate.New(cfg)
	for _, s := range logs.Streams() {
		t.logs[s].base = made{generator: g, stream: s}
	}
	return g
}

func (t *Tenant) readRecords() error {
	var oldest, newest time.Time
	for _, s := range logs.Streams() {
		read, err := readLines(t.cfg.Records, s)
		if err != nil {
			return err
		}
		t.logs[s].base = read
		if n := read.Len(); n > 0 {
			if first := read.Time(0); oldest.IsZero() || first.Before(oldest) {
				oldest = first
			}
			if last := read.Time(n - 1); last.After(newest) {
				newest = last
			}
		}
	}
	if newest.IsZero() {
		return fmt.Errorf("read records from %s: there is no file with lines named after a stream, such as %s.jsonl", t.cfg.Records, logs.SignInsInteractiveUser)
	}
	if t.cfg.Now.IsZero() {
		t.cfg.Now = newest.Add(2 * time.Hour)
	}
	t.cfg.Retention = orElse(t.cfg.Retention, t.cfg.Now.Sub(oldest)+24*time.Hour)
	return nil
}

// Now is the tenant's clock.
func (t *Tenant) Now() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.now()
}

func (t *Tenant) now() time.Time {
	if !t.frozen.IsZero() {
		return t.frozen
	}
	return time.Now().Add(t.offset).UTC()
}

// SetNow sets the clock; it runs on from there.
func (t *Tenant) SetNow(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offset, t.frozen = time.Until(now), time.Time{}
}

// Freeze sets the clock and stops it there, so that a test decides every second.
func (t *Tenant) Freeze(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.frozen = now.UTC()
}

// Add adds a record, which is served once the tenant's clock has passed visibleAt; a zero visibleAt is at once.
func (t *Tenant) Add(s entra.Stream, raw []byte, visibleAt time.Time) error {
	rec, err := logs.ParseRecord(s, raw)
	if err != nil {
		return fmt.Errorf("add a record to %s: %w", s, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logs[s].add(rec.Time, rec.ID, raw, visibleAt)
	return nil
}

// Change replaces the content of records that were added under an id and tells how many there were.
func (t *Tenant) Change(s entra.Stream, id string, raw []byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.logs[s].change(id, raw)
}

// Truth is every record of a stream that the tenant would serve now, in the order of time.
func (t *Tenant) Truth(s entra.Stream) iter.Seq[[]byte] {
	t.mu.Lock()
	v := t.view(s)
	t.mu.Unlock()
	return func(yield func([]byte) bool) {
		for at := v.start(false); ; {
			e, next, ok := v.next(at, false)
			if !ok || !yield(v.append(nil, e)) {
				return
			}
			at = next
		}
	}
}

// Count is how many records of a stream the tenant would serve now.
func (t *Tenant) Count(s entra.Stream) int {
	n := 0
	for range t.Truth(s) {
		n++
	}
	return n
}

// Request is one reporting request.
type Request struct {
	Time   time.Time // when it came, by the real clock
	Stream entra.Stream
	Query  string
	Status int
}

// Counter counts a stream's requests.
type Counter struct {
	Total    int         `json:"total"`
	ByStatus map[int]int `json:"byStatus"`
}

// maxRequests bounds the memory for Requests.
const maxRequests = 20_000

// arrive notes a reporting request when it comes, and tells whether the last ten seconds had as
// many before it as the tenant allows.
func (t *Tenant) arrive(s entra.Stream, r *http.Request) (noted *Request, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	noted = &Request{Time: time.Now(), Stream: s, Query: r.URL.RawQuery}
	if over = t.overCeiling(noted.Time); over {
		noted.Status = http.StatusTooManyRequests
	}
	if len(t.requests) == maxRequests {
		t.requests = t.requests[1:]
	}
	t.requests = append(t.requests, noted)
	return noted, over
}

// answered notes the status that a request got.
func (t *Tenant) answered(r *Request, status int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	r.Status = status
	t.counts[r.Stream].Total++
	t.counts[r.Stream].ByStatus[status]++
}

// Requests lists the latest reporting requests, oldest first. One that is not answered yet has no
// status.
func (t *Tenant) Requests() []Request {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make([]Request, len(t.requests))
	for i, r := range t.requests {
		out[i] = *r
	}
	return out
}
