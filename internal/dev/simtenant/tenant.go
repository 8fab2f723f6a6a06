// Package simtenant is a Microsoft Entra tenant to develop against: the token endpoint of a managed
// identity, and the log collections and the directory of Microsoft Graph, with their page sizes,
// filters, order, error bodies, throttling and faults.
package simtenant

import (
	"fmt"
	"iter"
	"net/http"
	"sync"
	"time"

	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// Config of a tenant. Zero values mean the defaults.
type Config struct {
	Generate *generate.Config // records that are made up
	Records  string           // instead: a folder with files named after their stream, one record a line

	// the tenant's clock at the start; zero: the real time, or shortly after the newest line of
	// Records
	Now       time.Time
	Retention time.Duration // how long the tenant keeps a record; default 30 days, or long enough for all of Records

	PageSize          int           // the most records of a page, whatever $top says; 0: $top
	RequestsPer10s    int           // ceiling of reporting requests; 0: none
	UnitsPer10s       int           // ceiling of the directory's resource units; 0: none. Graph has 3,500 to 8,000
	KeysOfOne         bool          // certificates themselves come with single objects only, not in lists
	KeysPerMinute     int           // ceiling of requests for keyCredentials; 0: none. Graph has 150
	NoRetryAfter      bool          // a 429 of the ceiling comes without Retry-After
	SkipTokenLifetime time.Duration // default 10 minutes
	TokenLifetime     time.Duration // of access tokens, in real time; default 1 hour
	IdentityHeader    string        // the secret of the token endpoint; default "simtenant"
	NoGzip            bool          // answers are never compressed

	// OtherSpelling makes v1.0 write values otherwise than beta though they are equal: times with
	// seven digits, 1.0 for 1, letters beyond ASCII escaped.
	OtherSpelling bool
	// AlwaysNewer gives every reader the members of enums that v1.0's list lacks, whether it
	// prefers them or not.
	AlwaysNewer bool
}

// Tenant is an http.Handler. It is safe for concurrent use.
type Tenant struct {
	cfg    Config
	routes *http.ServeMux
	known  []*logs.Log
	logs   map[entra.Stream]*log

	directory map[entra.Stream]*objects
	hidden    []string // ids of groups whose membership is hidden
	noGroups  []string // ids of groups that are not there

	mu       sync.Mutex
	offset   time.Duration // the tenant's clock less the real one
	frozen   time.Time     // a clock that does not run; zero: it runs
	faults   []*Fault
	happened map[Kind]int
	walks    walks
	requests []*Request
	counts   map[entra.Stream]*Counter
	units    ceiling
	keys     ceiling
	tokens   map[string]pass
	revoked  map[string]bool // permissions that were removed
	granted  []string        // those that were granted beside what the logs need
	issued   int
}

// New makes a tenant that has the logs of logs.Collected, and reads its records' folder, if it has one.
func New(cfg Config) (*Tenant, error) { return newTenant(cfg, logs.Collected()) }

func newTenant(cfg Config, known []*logs.Log) (*Tenant, error) {
	cfg.SkipTokenLifetime = orElse(cfg.SkipTokenLifetime, 10*time.Minute)
	cfg.TokenLifetime = orElse(cfg.TokenLifetime, time.Hour)
	if cfg.IdentityHeader == "" {
		cfg.IdentityHeader = "simtenant"
	}
	t := &Tenant{cfg: cfg, known: known, logs: make(map[entra.Stream]*log), counts: make(map[entra.Stream]*Counter),
		happened: make(map[Kind]int), tokens: make(map[string]pass), revoked: make(map[string]bool)}
	t.units, t.keys = ceiling{most: cfg.UnitsPer10s, per: 10 * time.Second}, ceiling{most: cfg.KeysPerMinute,
		per: time.Minute}
	for _, l := range known {
		kept, err := newLog(l, cfg)
		if err != nil {
			return nil, err
		}
		t.logs[l.Stream] = kept
		t.counts[l.Stream] = &Counter{ByStatus: make(map[int]int)}
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
	routes, err := t.newRoutes()
	t.routes = routes
	return t, err
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
	for s, l := range t.logs {
		l.base = made{generator: g, stream: s}
	}
	return g
}

func (t *Tenant) readRecords() error {
	var oldest, newest time.Time
	for _, l := range t.logs {
		read, err := l.readLines(t.cfg.Records)
		if err != nil {
			return err
		}
		l.base = read
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
		return fmt.Errorf("read records from %s: there is no file with lines named after a stream, such as %s.jsonl",
			t.cfg.Records, logs.SignInsInteractiveUser)
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

// Add adds a record, which is served once the tenant's clock has passed visibleAt; a zero visibleAt
// is at once. The record is the one of beta: v1.0 serves its projection.
func (t *Tenant) Add(s entra.Stream, raw []byte, visibleAt time.Time) error {
	rec, err := t.logs[s].parse(raw)
	if err != nil {
		return fmt.Errorf("add a record to %s: %w", s, err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logs[s].add(rec.Time, rec.ID, raw, visibleAt)
	return nil
}

// Change replaces the content of records that were added under an id and returns how many there
// were.
func (t *Tenant) Change(s entra.Stream, id string, raw []byte) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.logs[s].change(id, raw)
}

// Truth is every record of a stream that the tenant would serve now, in the order of time: in the
// log's own form, as a reader gets it that asks for every member of enums.
func (t *Tenant) Truth(s entra.Stream) iter.Seq[[]byte] { return t.TruthIn(t.logs[s].about.Form(), s) }

// TruthIn is Truth in a form, entra.FormBeta or entra.FormV1.
func (t *Tenant) TruthIn(form string, s entra.Stream) iter.Seq[[]byte] {
	return t.served(s, asked{form: form, members: true})
}

// served is every record of a stream as a reader gets it now.
func (t *Tenant) served(s entra.Stream, as asked) iter.Seq[[]byte] {
	t.mu.Lock()
	v := t.view(s)
	t.mu.Unlock()
	form := t.logs[s].forms[as]
	return func(yield func([]byte) bool) {
		for at := v.start(false); ; {
			e, next, ok := v.next(at, false)
			if !ok || !yield(form.append(nil, v.append(nil, e))) {
				return
			}
			at = next
		}
	}
}

// Count is how many records of a stream the tenant would serve now.
func (t *Tenant) Count(s entra.Stream) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	v := t.view(s)
	return v.hi - v.lo + len(v.added)
}
