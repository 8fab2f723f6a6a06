package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/ledger"
	"github.com/entraledger/entraledger/internal/logs"
)

// gate is a proxy for a service that delays one request until it is opened.
type gate struct {
	*httptest.Server
	mu    sync.Mutex
	bars  func(r *http.Request) bool // what it refuses; nil: nothing
	holds func(r *http.Request) bool // nil: none
	held  chan struct{}              // closed when one is held
	open  chan struct{}
}

func newGate(t *testing.T, endpoint string) *gate {
	target, err := url.Parse(endpoint)
	require.NoError(t, err)
	target.Path = ""
	forward := httputil.NewSingleHostReverseProxy(target)
	forward.ErrorLog = log.New(io.Discard, "", 0) // callers that went away
	g := &gate{}
	g.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if open := g.due(r); open != nil {
			<-open
		}
		if g.barred(r) {
			w.Header().Set("x-ms-error-code", "AuthorizationFailure")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(g.Close)
	return g
}

func (g *gate) due(r *http.Request) (open chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.holds == nil || !g.holds(r) {
		return nil
	}
	g.holds = nil
	close(g.held)
	return g.open
}

func (g *gate) barred(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bars != nil && g.bars(r)
}

// bar makes the gate refuse requests from now on.
func (g *gate) bar(bars func(r *http.Request) bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.bars = bars
}

// tableGate is a proxy for the system's tables; its address opens the same account.
func (s *system) tableGate() (g *gate, address string) {
	account := s.env["ARCHIVE_STORAGE"]
	_, rest, _ := strings.Cut(account, "TableEndpoint=")
	endpoint, _, _ := strings.Cut(rest, ";")
	target, err := url.Parse(endpoint)
	require.NoError(s, err)
	g = newGate(s.T, endpoint)
	return g, strings.Replace(account, target.Scheme+"://"+target.Host, g.URL, 1)
}

// hold makes the gate hold the next request of a kind; release lets it go.
func (g *gate) hold(holds func(r *http.Request) bool) (held <-chan struct{}, release func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds, g.held, g.open = holds, make(chan struct{}), make(chan struct{})
	open := g.open
	return g.held, sync.OnceFunc(func() { close(open) })
}

func (v *versions) await(what string, done <-chan struct{}) {
	v.Helper()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		require.Fail(v, "it does not happen", what)
	}
}

// cross lets one version read a sealed hour again, hold its page, and store it when a run of the
// other version has come and gone: it can't count what it has stored.
func cross(t *testing.T, before string, newIsLate bool) {
	v := newVersions(t, before, logs.SignInsServicePrincipal)
	at, late := v.begin.Add(-8*day), v.startBefore
	v.put("first", v.begin.Add(-9*day), time.Time{}, "the oldest")
	v.put("of the hour", at, time.Time{}, "A")
	if newIsLate {
		late = v.start
	}
	g := newGate(t, v.env["GRAPH_ENDPOINT"])
	direct := v.env["GRAPH_ENDPOINT"]
	v.env["GRAPH_ENDPOINT"] = g.URL
	overtaken := late()
	v.env["GRAPH_ENDPOINT"] = direct
	old, now := v.startBefore(), v.start()
	v.at(0, old)
	v.at(10*time.Minute, old)
	v.at(20*time.Minute, now)
	v.lateWritesArrived()
	v.at(30*time.Minute, now)
	require.Equal(t, ledger.WindowSealed, v.window(logs.SignInsServicePrincipal, at).State)

	v.put("late", at, time.Time{}, "late")
	v.tenant.Freeze(v.begin.Add(2 * hour))
	asked, read := g.hold(func(r *http.Request) bool { return strings.Contains(r.URL.Path, "/auditLogs/") })
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := http.Post(overtaken.url+"/api/collect", "application/json", strings.NewReader(hourOf(at)))
		if err == nil {
			resp.Body.Close()
		}
	}()
	v.await("it asks for a page", asked)
	if newIsLate {
		v.at(2*hour, old)
	} else {
		v.at(2*hour, now)
	}
	read()
	v.await("it ends", done)
	old.stop()
	overtaken.stop()
	counted := v.window(logs.SignInsServicePrincipal, at)
	stored, err := v.store.Count(t.Context(), counted.Window)
	require.NoError(t, err)
	require.EqualValues(t, counted.Records+1, stored.Records, "what was stored is not counted")
	p := v.progress(logs.SignInsServicePrincipal)
	require.Equal(t, newIsLate, p.SteppedAt.IsZero(), "the next run has to look at what the version before wrote")

	v.at(3*hour, now)
	v.lateWritesArrived()
	v.at(3*hour+10*time.Minute, now)
	v.at(3*hour+20*time.Minute, now)
	v.requireTruth()
	v.requireLedger()
	v.requireVerified(now)
}
