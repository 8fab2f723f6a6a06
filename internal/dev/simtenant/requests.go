package simtenant

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/entraledger/entraledger/internal/entra"
)

// Request is one reporting request.
type Request struct {
	Time   time.Time // when it came, by the real clock
	Stream entra.Stream
	Query  string
	Status int

	Version string // of the API: entra.FormV1 or entra.FormBeta
	Prefer  bool   // it came with Prefer: include-unknown-enum-members
}

// Counter counts a stream's requests.
type Counter struct {
	Total    int         `json:"total"`
	ByStatus map[int]int `json:"byStatus"`
}

// maxRequests bounds the memory for Requests.
const maxRequests = 20_000

// arrive records a reporting request when it comes, and reports whether the last ten seconds had as
// many before it as the tenant allows.
func (t *Tenant) arrive(s entra.Stream, r *http.Request) (noted *Request, over bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	noted = &Request{Time: time.Now(), Stream: s, Query: r.URL.RawQuery}
	noted.Version, noted.Prefer = versionOf(r), prefersMembers(r)
	if over = t.overCeiling(noted.Time); over {
		noted.Status = http.StatusTooManyRequests
	}
	if len(t.requests) == maxRequests {
		t.requests = t.requests[1:]
	}
	t.requests = append(t.requests, noted)
	return noted, over
}

// answered records the status that a request got.
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

// versionOf is the version of the API that a request asks.
func versionOf(r *http.Request) string {
	version, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	return version
}

// prefersMembers reports whether a request prefers every member of evolvable enums.
func prefersMembers(r *http.Request) bool {
	for _, line := range r.Header.Values("Prefer") {
		for wish := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(wish), "include-unknown-enum-members") {
				return true
			}
		}
	}
	return false
}

// overCeiling reports whether the ten seconds before now have seen as many reporting requests as
// the tenant allows. The caller holds the lock.
func (t *Tenant) overCeiling(now time.Time) bool {
	if t.cfg.RequestsPer10s == 0 {
		return false
	}
	since, n := now.Add(-10*time.Second), 0
	for _, r := range slices.Backward(t.requests) {
		if !r.Time.After(since) {
			break
		}
		if r.Status != http.StatusTooManyRequests {
			n++
		}
	}
	return n >= t.cfg.RequestsPer10s
}
