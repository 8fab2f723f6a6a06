package main

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/settings"
)

// TestThePreflightsWordsAreTrue of an app that lacks one thing: which checks fail, what they say,
// and what of it is not said.
func TestThePreflightsWordsAreTrue(t *testing.T) {
	for name, c := range map[string]struct {
		lacks  func(s *system)
		status string
		check  string
		says   []string
		never  string
	}{
		"401": {func(s *system) { s.tenant.Inject(simtenant.Fault{Kind: simtenant.TokenExpired}) }, "failed",
			"clock and token", []string{"Graph answers 401 InvalidAuthenticationToken", "there was a token",
				"AZURE_CLOUD, GRAPH_ENDPOINT", "nothing can be read"}, "the other logs are archived"},
		"401, and the directory's collections": {func(s *system) {
			s.tenant.Inject(simtenant.Fault{Kind: simtenant.TokenExpired})
		}, "failed", "directory users", []string{"nothing can be read"}, "users are listed"},
		"no identity": {func(s *system) { s.env["IDENTITY_HEADER"] = "wrong" }, "failed", "clock and token",
			[]string{"no token for Graph: ManagedIdentityCredential: 127.0.0.1", "answers 401 (The X-IDENTITY-HEADER is " +
				"missing or wrong.)", "AZURE_CLIENT_ID", "nothing can be read"}, "failed. ;"},
		"no BlobEndpoint": {func(s *system) {
			s.env["ARCHIVE_STORAGE"] = regexp.MustCompile(`BlobEndpoint=[^;]*;?`).ReplaceAllString(
				s.env["ARCHIVE_STORAGE"], "")
		}, "limited", "blobs", []string{"ARCHIVE_STORAGE has no BlobEndpoint", "add BlobEndpoint",
			"the heads of the logs of seals lie in the tables only"}, "it works"},
		"users aren't listed": {func(s *system) { s.tenant.Revoke("User.Read.All", true) }, "failed", "directory users",
			[]string{"403", "User.Read.All", "inactive-users can't answer"}, "users are listed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // it waits most of the time
			s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
			s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
			c.lacks(s)
			status, checks := s.start().checks()
			require.Equal(t, c.status, status)
			check := checks[c.check]
			require.Equal(t, c.status, check["status"], "%v", check)
			text := check["detail"].(string) + "; " + check["consequence"].(string)
			for _, part := range c.says {
				require.Contains(t, text, part)
			}
			require.NotContains(t, text, c.never)
			require.NotContains(t, text, "\n")
			for other, check := range checks {
				if c.status == "failed" {
					require.NotContains(t, fmt.Sprint(check["consequence"]), c.never, other)
				}
			}
		})
	}
}

// TestAStreamThatCantGetATokenIsFailingInCoverage with the reason, whether it was read before or
// not, and until it gets one.
func TestAStreamThatCantGetATokenIsFailingInCoverage(t *testing.T) {
	s := newSystem(t, brief())
	s.env["ARCHIVE_STREAMS"] = "directoryAudits,provisioning"
	right := s.env["IDENTITY_HEADER"]
	fails := func(when string) {
		s.env["IDENTITY_HEADER"] = "wrong"
		p := s.start()
		defer p.kill()
		for range 2 {
			status, answer, err := p.fire()
			require.NoError(t, err)
			require.Equal(t, http.StatusForbidden, status, "%s: %v", when, answer)
			for _, row := range p.coverage() {
				require.Equal(t, "failing", row["status"], "%s: %v", when, row)
				last := row["lastError"].(map[string]any)
				require.Equal(t, "tokenRefused", last["code"], "%s: %v", when, row)
				require.Contains(t, last["message"], "X-IDENTITY-HEADER is missing or wrong", when)
				require.NotEmpty(t, last["dateTime"], when)
			}
		}
	}
	works := func() {
		s.env["IDENTITY_HEADER"] = right
		p := s.start()
		defer p.kill()
		status, answer, err := p.fire()
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status, "%v", answer)
		for _, row := range p.coverage() {
			require.Equal(t, "current", row["status"], "%v", row)
		}
	}
	fails("at the first run")
	works()
	s.requireArchived("directoryAudits", "provisioning")
	fails("later")
	works()
	s.requireArchived("directoryAudits", "provisioning")
	s.requireIntact("directoryAudits", "provisioning")
}

func TestThePreflightSaysWhoIsGivenAuditsOfAttributes(t *testing.T) {
	for want, cfg := range map[string]settings.Settings{
		"given to nobody":                     {},
		"everybody who has a function key":    {AttributeAudits: true},
		"the app role Ledger.ReadAttributes ": {RequireRoles: true},
		"callers with the app role":           {RequireRoles: true, AttributeAudits: true},
	} {
		require.Contains(t, readBy(cfg, logs.ReadAttributes), want)
	}
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.env["ARCHIVE_STREAMS"] = "customSecurityAttributeAudits"
	_, checks := s.start().checks()
	require.Equal(t, "ok", checks["callers of customSecurityAttributeAudits"]["status"])
	require.Contains(t, checks["callers of customSecurityAttributeAudits"]["detail"], "HTTP_ATTRIBUTE_AUDITS allow")
	s.env["ARCHIVE_STREAMS"] = "directoryAudits"
	_, checks = s.start().checks()
	require.NotContains(t, checks, "callers of customSecurityAttributeAudits")
}
