package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/preflight"
	"github.com/entraledger/entraledger/internal/settings"
	"github.com/entraledger/entraledger/internal/web"
)

// leaving is the network of a program whose caller goes away while the nth request is under way.
type leaving struct {
	mu    sync.Mutex
	n     int // requests until then; 0: the caller stays
	leave context.CancelFunc
	// inAnswer: the caller leaves once the answer has begun, and not before the request is sent.
	inAnswer bool
}

func (l *leaving) RoundTrip(req *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.n--
	now := l.n == 0
	if now && !l.inAnswer {
		l.leave()
	}
	l.mu.Unlock()
	if err := req.Context().Err(); err != nil { // what was under way for the caller ends with it
		return nil, err
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if now && l.inAnswer {
		l.leave()
	}
	return resp, err
}

// left reports whether the caller is away.
func (l *leaving) left() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.n <= 0
}

// inProcess is the program with a network of its own. Its log is the system's.
func (s *system) inProcess(network *leaving) *web.Host {
	cfg, err := settings.Load(s.environ)
	require.NoError(s, err)
	log := web.NewLogger(&s.log, slog.LevelInfo)
	before := slog.Default()
	slog.SetDefault(log)
	s.Cleanup(func() { slog.SetDefault(before) })
	app, err := wire(cfg, preflight.Binary{Version: "1.2.3"}, s.environ, log,
		outside{Graph: network, Storage: &http.Client{Transport: network}, Identity: s})
	require.NoError(s, err)
	return app
}

// TestAClientThatLeavesIsNoErrorInTheLog whatever it asked for, and at whichever request that is
// made for it: one line says so, at the level of information.
func TestAClientThatLeavesIsNoErrorInTheLog(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 3, Users: 40, Apps: 3, Days: 2}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.nonInteractiveUser,customSecurityAttributeAudits"
	s.env["HTTP_ATTRIBUTE_AUDITS"] = "allow"
	network := &leaving{}
	app := s.inProcess(network)
	for _, timer := range []string{"archivelogs", "archivelogs", "indexarchive", "snapshotdirectory"} {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/"+timer, strings.NewReader(envelope)))
		require.Equal(t, http.StatusOK, w.Code, "%s: %s", timer, w.Body)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet,
		"/api/auditLogs/customSecurityAttributeAudits", nil))
	audit := gjson.GetBytes(w.Body.Bytes(), "value.0")
	require.NotEmpty(t, audit.Get("id").Str, "%s", w.Body)
	app = s.inProcess(network) // what the first one remembers is asked for again

	cut := 0
	for _, c := range attributeCases() {
		if strings.HasPrefix(c.ask, "GET /API") || strings.HasPrefix(c.ask, "GET /api/beta") {
			continue // another address of the same
		}
		cut += s.cutAtEach(app, network, c, audit)
	}
	require.Greater(t, cut, 100)
}

// TestAClientThatLeavesLongWorkIsNoErrorInTheLog while all is still to be read.
func TestAClientThatLeavesLongWorkIsNoErrorInTheLog(t *testing.T) {
	s := newSystem(t, simtenant.Config{PageSize: 40, Generate: &generate.Config{Seed: 3, Users: 60, Apps: 3, Days: 3}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,signIns.nonInteractiveUser"
	network := &leaving{}
	app := s.inProcess(network)
	now := s.tenant.Now().UTC().Truncate(time.Hour)
	for _, c := range []attributeCase{
		{ask: "POST /api/collect"},
		{ask: "POST /api/snapshot"},
		{ask: "POST /api/collect", body: fmt.Sprintf(`{"from":%q,"to":%q}`, now.Add(-40*time.Hour).Format(time.RFC3339),
			now.Add(-2*time.Hour).Format(time.RFC3339))},
		{ask: "GET /api/verify"},
	} {
		require.NotZero(t, s.cutAtEach(app, network, c, gjson.Result{}), c.ask)
	}
	w := httptest.NewRecorder()
	app.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/archivelogs",
		strings.NewReader(envelope)))
	require.Equal(t, http.StatusOK, w.Code, "%s", w.Body)
	s.requireArchived("directoryAudits", "signIns.nonInteractiveUser")
}

// cutAtEach asks as a caller who leaves at the first request, the second one, and so on, and looks
// at what is logged of it. It returns how often that was.
func (s *system) cutAtEach(app *web.Host, network *leaving, c attributeCase, audit gjson.Result) (cut int) {
	for n := 1; n < 400; n += 1 + n/8 {
		ctx, leave := context.WithCancel(s.Context())
		network.mu.Lock()
		network.n, network.leave, network.inAnswer = n, leave, n%2 == 0
		network.mu.Unlock()
		before := len(s.log.String())
		method, address := c.fill(audit)
		answered := hungUp(app, httptest.NewRequestWithContext(ctx, method, address, strings.NewReader(c.body)))
		left := network.left()
		leave()
		if !left {
			break // it is answered by then
		}
		where := fmt.Sprintf("%s, request %d", c.ask, n)
		lines, told := s.log.String()[before:], 0
		for line := range strings.Lines(lines) {
			var said struct{ Level, Msg string }
			require.NoError(s, json.Unmarshal([]byte(line), &said), "%s: %s", where, line)
			require.Equal(s, "INFO", said.Level, "%s: %s", where, line)
			if said.Msg == "the caller hung up" {
				told++
			}
		}
		if told == 0 && answered && n%2 == 0 {
			continue // the last answer of storage was read before anybody saw the caller leave
		}
		require.Equal(s, 1, told, "%s: %s", where, lines)
		cut++
	}
	return cut
}

// hungUp lets the program answer a request, and takes it that an answer is cut off. It reports
// whether the answer is whole and good.
func hungUp(app http.Handler, r *http.Request) (answered bool) {
	defer func() {
		if cause := recover(); cause != nil && cause != http.ErrAbortHandler {
			panic(cause)
		}
	}()
	w := httptest.NewRecorder()
	app.ServeHTTP(w, r)
	return w.Code < http.StatusMultipleChoices
}
