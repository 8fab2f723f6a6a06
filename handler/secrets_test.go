package main

import (
	"encoding/json"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"testing"

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

// secretsIn finds what must not be in a log, an error or an answer. What keeps it out: web's fail logs
// a refusal by its code alone, and its Error shows no text of an error without a code; Link takes the
// key out of a link; graph's checkHost sends no token to another host; settings name no value of a
// connection string.
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
	if strings.Contains(text, "sig=") {
		found = append(found, "a shared access signature")
	}
	return found
}

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
		"https://x.blob.core.windows.net/a?sv=2024&sig=abc"} {
		require.Len(t, s.secretsIn(text), 1, text)
	}
	require.Empty(t, s.secretsIn(`{"level":"INFO","msg":"invocation done","summary":"signIns: 3 new"}`))
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
			case "tables gone":
				paths = paths[:1] // each lasts as long as the table requests are retried
			}
			_, _, _ = p.invoke("archivelogs") // it may fail: what it says then is looked through
			for i, path := range paths {
				key := []string{"x-functions-key", functionKey}
				if i%2 == 0 {
					separator := "?"
					if strings.Contains(path, "?") {
						separator = "&"
					}
					path, key = path+separator+"code="+functionKey, nil
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
