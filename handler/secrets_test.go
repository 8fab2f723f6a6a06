package main

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/web"
)

// identityHeader is the secret of the simulated token endpoint, unlike any other text.
const identityHeader = "identity-header-9b1f"

// functionKey is what callers' requests carry, as the host passes it on.
const functionKey = "function-key-27ac"

// token is how every token begins that the tenant issues: a JWT's head.
var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{10,}`)

// secretsIn finds what must not be in a log, an error or an answer. What keeps it out: web's fail
// logs a refusal by its code alone, and its Error shows no text of an error without a code; Link
// takes the key out of a link; graph's checkHost sends no token to another host; settings name no
// value of a connection string.
func (s *system) secretsIn(text string) (found []string) {
	for _, part := range strings.Split(s.env["ARCHIVE_STORAGE"], ";") {
		if key, ok := strings.CutPrefix(part, "AccountKey="); ok && strings.Contains(text, key) {
			found = append(found, "the account's key")
		}
	}
	if strings.Contains(text, identityHeader) {
		found = append(found, "the identity's header")
	}
	if strings.Contains(text, functionKey) {
		found = append(found, "a function key")
	}
	if token.MatchString(text) {
		found = append(found, "a token: "+token.FindString(text)[:10])
	}
	if signature.MatchString(text) {
		found = append(found, "a shared access signature")
	}
	return found
}

// signature is how a shared access signature ends an address or a connection string.
var signature = regexp.MustCompile(`(?i)sig(=|%3D)[^&;\s]`)

// watch looks through everything that was written once the test is over: each test of this package
// is so one of secrets, the whole matrix of faults among them.
func (s *system) watch(what string, output func() string) {
	s.Cleanup(func() {
		if found := s.secretsIn(output()); len(found) > 0 {
			s.Errorf("%s holds %s", what, strings.Join(found, ", "))
		}
	})
}

// logger is for what a test runs in its own process, at the level at which most is said.
func (s *system) logger() *slog.Logger {
	return web.NewLogger(&s.log, slog.LevelDebug)
}

func TestASecretInALogWouldBeFound(t *testing.T) {
	s := newSystem(t, simtenant.Config{})
	tokenOfTheTenant := s.graphToken()
	for _, text := range []string{s.env["ARCHIVE_STORAGE"], "header " + identityHeader, "GET /api/coverage?code=" +
		functionKey, "Bearer " + tokenOfTheTenant,
		"https://x.blob.core.windows.net/a?sv=2024&sig=abc", "SharedAccessSignature=sig=abc&sv=2024"} {
		require.Len(t, s.secretsIn(text), 1, text)
	}
	require.Empty(t, s.secretsIn("https://x.blob.core.windows.net/a?sig=&sv=2024"), "no value")
	require.Empty(t, s.secretsIn(`{"level":"INFO","msg":"invocation done","summary":"signIns: 3 new"}`))
}

// TestWhatAnotherProgramAnswersIsNotTakenForTheHandlers: one that had the port repeated the address that
// it was sent, with the key in it.
func TestWhatAnotherProgramAnswersIsNotTakenForTheHandlers(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(`{"got":"GET ` + r.RequestURI + `"}`))
	}))
	defer other.Close()
	p := &process{T: t, url: other.URL, stdout: &lockedBuffer{}}
	require.False(t, p.listens())
	web.NewLogger(p.stdout, slog.LevelInfo).Info("listening", "address", "127.0.0.1:1")
	require.False(t, p.listens(), "at another port")
	web.NewLogger(p.stdout, slog.LevelInfo).Info("listening", "address", other.Listener.Addr().String())
	require.True(t, p.listens())
}

// TestNoAnswerAndNoLogHoldsASecretWhateverFails asks everything with a key, in an app whose
// identity, tables and Graph fail in turn.
func TestNoAnswerAndNoLogHoldsASecretWhateverFails(t *testing.T) {
	breakages := map[string]func(*system){
		"nothing":         func(*system) {},
		"no permission":   func(s *system) { s.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission}) },
		"token refused":   func(s *system) { s.tenant.Inject(simtenant.Fault{Kind: simtenant.TokenExpired, Count: 2}) },
		"a page of HTML":  func(s *system) { s.tenant.Inject(simtenant.Fault{Kind: simtenant.HTMLPage, Count: 2}) },
		"identity broken": func(s *system) { s.env["IDENTITY_HEADER"] = identityHeader + "-of-another" },
		"tables gone": func(s *system) {
			s.env["ARCHIVE_STORAGE"] = "DefaultEndpointsProtocol=http;AccountName=x;AccountKey=c2VjcmV0LWtleQ==;TableEndpoint=http://127.0.0.1:1/x;BlobEndpoint=http://127.0.0.1:1/x"
		},
		"a signature's account gone": func(s *system) {
			// With a signature the SDK takes no endpoint but Azure's, which no request of a test
			// may reach.
			s.env["HTTPS_PROXY"] = "http://127.0.0.1:1"
			s.env["ARCHIVE_STORAGE"] = "AccountName=x;SharedAccessSignature=sv=2024-11-04&sig=c2lnbmF0dXJl"
		},
	}
	for name, broken := range breakages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 1, Users: 3, Apps: 2, Days: 1}})
			s.env["ARCHIVE_STREAMS"] = string(logs.DirectoryAudits)
			s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
			broken(s)
			p := s.start()
			paths := []string{"/api/coverage", "/api/inactive-users?state=all", "/api/expiring-credentials?state=all",
				"/api/auditLogs/directoryAudits", "/api/downloads",
				"/api/verify", "/api/snapshot", "/api/purge", "/api/nothing", "/api/coverage?unknown=1"}
			switch name {
			case "nothing":
				paths = append(paths, "/api/preflight")
			case "tables gone", "a signature's account gone":
				paths = paths[:1] // each takes as long as the tables are tried again
			}
			_, _, _ = p.invoke("archivelogs") // it may fail: what it says then is looked through
			for i, path := range paths {
				key := []string{"x-functions-key", functionKey}
				if i%2 == 0 {
					separator := "?"
					if strings.Contains(path, "?") {
						separator = "&"
					}
					// The host takes it in any case, and passes it on.
					path, key = path+separator+[]string{"code=", "CODE="}[i/2%2]+functionKey, nil
				}
				_, header, answer := p.get(path, key...)
				body, err := json.Marshal(answer)
				require.NoError(t, err)
				text := strings.Join(slices.Concat(header["Location"], header["Link"], []string{string(body)}), " ")
				require.Empty(t, s.secretsIn(text), path)
			}
		})
	}
}

// TestARequestToTheTablesThatIsCutNamesNobody: the address of a row may name a user.
func TestARequestToTheTablesThatIsCutNamesNobody(t *testing.T) {
	t.Parallel()
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 1, Users: 3, Apps: 2, Days: 1}})
	tables := newCutTables(s)
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	p := s.start()
	status, taken := p.ask(http.MethodPost, "/api/snapshot", "")
	require.Equal(t, http.StatusOK, status, "%v", taken)
	_, _, answer := p.get("/api/inactive-users?state=all")
	name, ok := answer["value"].([]any)[0].(map[string]any)["userPrincipalName"].(string)
	require.True(t, ok, "%v", answer)
	status, _, _ = p.get("/api/users/" + name)
	require.Equal(t, http.StatusOK, status)

	tables.cut.Store(&name)
	status, _, answer = p.get("/api/users/" + name)
	body, err := json.Marshal(answer)
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status, "%s", body)
	require.Contains(t, string(body), "can't be reached")
	require.Eventually(t, func() bool {
		return strings.Contains(p.stdout.String()+p.stderr.String(), "request failed")
	},
		10*time.Second, 10*time.Millisecond)
	for _, text := range []string{string(body), p.stdout.String(), p.stderr.String()} {
		require.Empty(t, s.secretsIn(text))
		require.NotContains(t, text, name)
		require.NotContains(t, text, url.QueryEscape(name))
		require.NotContains(t, text, "RowKey")
	}
}

// cutTables stands before an account's tables and ends the connections of requests about a row.
type cutTables struct {
	forward http.Handler
	cut     atomic.Pointer[string] // what the key of the row holds; nil: nothing is cut
}

// newCutTables stands before the tables of the system's account from now on.
func newCutTables(s *system) *cutTables {
	_, endpoint, _ := strings.Cut(s.env["ARCHIVE_STORAGE"], "TableEndpoint=")
	endpoint, _, _ = strings.Cut(endpoint, ";")
	target, err := url.Parse(endpoint)
	require.NoError(s, err)
	c := &cutTables{forward: httputil.NewSingleHostReverseProxy(target)}
	server := httptest.NewServer(c)
	s.Cleanup(server.Close)
	s.env["ARCHIVE_STORAGE"] = strings.Replace(s.env["ARCHIVE_STORAGE"], endpoint, server.URL, 1)
	return c
}

func (c *cutTables) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	asked, err := url.QueryUnescape(r.URL.RawQuery)
	if name := c.cut.Load(); err == nil && name != nil && strings.Contains(r.URL.Path+asked, *name) {
		panic(http.ErrAbortHandler)
	}
	c.forward.ServeHTTP(w, r)
}
