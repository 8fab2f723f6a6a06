package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/dev/simtenant"
	"github.com/entraledger/entraledger/internal/dev/simtenant/generate"
	"github.com/entraledger/entraledger/internal/directory/collections"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/logs"
	"github.com/entraledger/entraledger/internal/preflight"
)

// checks are the answer of the preflight, by name.
func (p *process) checks() (status string, checks map[string]map[string]any) {
	code, _, answer := p.get("/api/preflight")
	require.Equal(p, http.StatusOK, code)
	checks = map[string]map[string]any{}
	for _, c := range answer["value"].([]any) {
		checks[c.(map[string]any)["name"].(string)] = c.(map[string]any)
	}
	return answer["status"].(string), checks
}

// TestThePreflightNamesEachRevokedPermission removes one at a time: its check fails, names the
// permission and what its lack means, and no other check does.
func TestThePreflightNamesEachRevokedPermission(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	p := s.start()
	status, checks := p.checks()
	require.Equal(t, "ok", status, "%v", checks)
	require.Contains(t, checks["licence"]["detail"], "30 days")
	require.Contains(t, checks["licence"]["detail"], "P2", "the generated sign-ins carry their risk")
	require.Len(t, checks, 1+1+1+5+3+len(logs.DefaultStreams())+7+1+1)
	taken := map[entra.Stream]string{
		simtenant.Users: "directory users", simtenant.Applications: "directory applications",
		simtenant.ServicePrincipals: "directory servicePrincipals",
		simtenant.Federated:         "directory federatedCredentials",
		simtenant.CredentialUse:     "directory credentialUse", simtenant.PrincipalUse: "directory applicationUse",
	}
	for _, stream := range logs.DefaultStreams() {
		taken[stream] = "stream " + string(stream)
	}
	permissions := map[string]string{"directory applications": "Application.Read.All",
		"directory servicePrincipals": "Application.Read.All", "directory federatedCredentials": "Application.Read.All",
		"directory users": "User.Read.All"}
	for stream, name := range taken {
		s.tenant.ClearFaults()
		s.tenant.Inject(simtenant.Fault{Kind: simtenant.NoPermission, Stream: stream})
		status, checks := p.checks()
		require.NotEqual(t, "ok", status, name)
		for other, c := range checks {
			if other != name {
				require.Equal(t, "ok", c["status"], "%s, with %s taken away: %v", other, name, c)
				continue
			}
			permission := permissions[name]
			if permission == "" {
				permission = "AuditLog.Read.All"
			}
			require.Equal(t, "permissionMissing", c["code"], name)
			require.Contains(t, c["detail"], permission, name)
			require.NotEmpty(t, c["consequence"], name)
		}
	}
}

// TestThePreflightTellsP1FromP2 goes by what a sign-in of the tenant says of its risk.
func TestThePreflightTellsP1FromP2(t *testing.T) {
	for risk, says := range map[string]string{"hidden": "Microsoft Entra ID P1:", "none": "Microsoft Entra ID P2:",
		"": "P1 or P2"} {
		folder := t.TempDir()
		now := time.Now().UTC()
		record := fmt.Sprintf(`{"id":"a","createdDateTime":%q,"riskDetail":%q,"riskLevelAggregated":%[2]q,"riskLevelDuringSignIn":%[2]q}`, now.Add(-2*time.Hour).Format(time.RFC3339), risk)
		if risk == "" {
			record = fmt.Sprintf(`{"id":"a","createdDateTime":%q}`, now.Add(-2*time.Hour).Format(time.RFC3339))
		}
		require.NoError(t, os.WriteFile(filepath.Join(folder, "signIns.interactiveUser.jsonl"), []byte(record+"\n"),
			0o600))
		s := newSystem(t, simtenant.Config{Records: folder, Now: now})
		s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
		_, checks := s.start().checks()
		require.Contains(t, checks["licence"]["detail"], says)
		require.Equal(t, "ok", checks["licence"]["status"])
	}
}

// TestEachRevokedPermissionIsNamed removes one from the token at a time, like a tenant that never
// granted it.
func TestEachRevokedPermissionIsNamed(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	s.env["SNAPSHOT_GROUPS"] = "8f1c2d3e-0000-4000-8000-000000000001"
	s.tenant.HideMembers(s.env["SNAPSHOT_GROUPS"])
	s.tenant.Grant("Member.Read.Hidden")
	var streams []string
	for _, stream := range logs.Streams() {
		streams = append(streams, string(stream))
	}
	s.env["ARCHIVE_STREAMS"] = strings.Join(streams, ",")
	also := map[string][]string{ // what else fails for the lack of it
		"AuditLog.Read.All": {"licence", "stream directoryAudits", "stream signIns.interactiveUser",
			"stream signIns.nonInteractiveUser", "stream signIns.servicePrincipal",
			"stream signIns.managedIdentity", "stream provisioning", "directory users", "directory credentialUse",
			"directory applicationUse"},
		"User.Read.All": {"directory users", "directory usersWithoutActivity"},
		"Application.Read.All": {"directory applications", "directory servicePrincipals",
			"directory federatedCredentials"},
		"GroupMember.Read.All":                 {"permission Member.Read.Hidden"}, // whether one is hidden is not told
		"Member.Read.Hidden":                   nil,
		"LicenseAssignment.Read.All":           {"directory licences"},
		"CustomSecAttributeAuditLogs.Read.All": {"stream customSecurityAttributeAudits"},
		"Policy.Read.ConditionalAccess":        nil,
	}
	require.Len(t, also, len(preflight.Needed(logs.Streams(), true)))
	for _, permission := range preflight.Needed(logs.Streams(), true) {
		t.Run(permission.Name, func(t *testing.T) {
			s.tenant.Revoke(permission.Name, true)
			defer s.tenant.Revoke(permission.Name, false)
			p := s.start() // a process keeps its token
			_, checks := p.checks()
			p.kill()
			want := append([]string{"permission " + permission.Name}, also[permission.Name]...)
			var failed []string
			for name, c := range checks {
				if c["status"] != "ok" {
					failed = append(failed, name)
				}
			}
			require.ElementsMatch(t, want, failed)
			about := checks["permission "+permission.Name]
			require.Equal(t, "permissionMissing", about["code"])
			require.Contains(t, about["detail"], permission.Name)
			require.Contains(t, about["detail"], "infra/grant.sh")
			require.NotEmpty(t, about["consequence"])
			require.Equal(t, permission.Optional, about["status"] == "limited")
		})
	}
}

// TestWhatErrorsAskForIsAPermissionThatIsListed keeps the list in step with the requests that
// Graph's adapter makes.
func TestWhatErrorsAskForIsAPermissionThatIsListed(t *testing.T) {
	listed := map[string]bool{}
	for _, p := range preflight.Permissions() {
		listed[p.Name] = true
	}
	asked := map[string]bool{}
	form := regexp.MustCompile(`[A-Za-z]+\.Read\.All`)
	texts := []string{}
	for _, s := range logs.Streams() {
		texts = append(texts, graph.Permission(s))
	}
	for _, c := range collections.All() {
		texts = append(texts, c.Permission())
		for _, p := range c.Beside {
			asked[p.Name] = true
		}
	}
	for _, d := range collections.UserDetails() {
		asked[d.Permission.Name] = true
	}
	for _, text := range texts {
		require.NotEmpty(t, text)
		for _, name := range form.FindAllString(text, -1) {
			require.True(t, listed[name], name)
			asked[name] = true
		}
	}
	for name := range listed {
		// Graph gives less without it, and no error
		require.True(t, asked[name] || name == "Policy.Read.ConditionalAccess", name)
	}
}

// TestTheFirstTimerRunMakesThePreflightAndLogsItOnce looks at the log of the first run of a
// version, of the second, and of another process.
func TestTheFirstTimerRunMakesThePreflightAndLogsItOnce(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	service, err := aztables.NewServiceClientFromConnectionString(s.env["ARCHIVE_STORAGE"], nil)
	require.NoError(t, err)
	_, err = service.DeleteTable(t.Context(), "jobs", nil)
	require.NoError(t, err)
	s.tenant.Revoke("Policy.Read.ConditionalAccess", true)
	p := s.start()
	for range 2 {
		p.invoke("archivelogs")
	}
	log := p.stdout.String()
	require.Equal(t, 1, strings.Count(log, `"msg":"preflight done"`), log)
	require.Equal(t, 1, strings.Count(log, `"check":"permission Policy.Read.ConditionalAccess"`))
	require.Contains(t, log, "infra/grant.sh")
	p.kill()
	p = s.start()
	p.invoke("archivelogs")
	require.NotContains(t, p.stdout.String(), "preflight")
}

func TestThePreflightTellsALicenceFromAPermissionAndAStorageThatIsGone(t *testing.T) {
	t.Parallel() // it waits most of the time
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	for _, stream := range logs.DefaultStreams() {
		if stream != logs.DirectoryAudits {
			s.tenant.Inject(simtenant.Fault{Kind: simtenant.NoLicence, Stream: stream})
		}
	}
	p := s.start()
	status, checks := p.checks()
	require.Equal(t, "failed", status)
	require.Contains(t, checks["licence"]["detail"], "no Microsoft Entra ID P1 or P2")
	require.Equal(t, "ok", checks["stream directoryAudits"]["status"])
	require.Equal(t, "licenceMissing", checks["stream signIns.interactiveUser"]["code"])

	s.tenant.ClearFaults()
	cmd := exec.Command(os.Args[0], "preflight") // a process of its own: the identity's cache is the process's
	cmd.Env = append(os.Environ(), playHandler+"=1")
	for name, value := range s.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	cmd.Env = append(cmd.Env, "ARCHIVE_STORAGE=DefaultEndpointsProtocol=http;AccountName=gone;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:1/gone;BlobEndpoint=http://127.0.0.1:1/gone;")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	require.Equal(t, exitDiffers, exit.ExitCode(), out.String())
	require.Contains(t, out.String(), "AzureCloud, Microsoft Graph at "+s.graph.URL)
	require.Contains(t, out.String(), "failed   tables:")
	require.Contains(t, out.String(), "failed   blobs:")
	require.Contains(t, out.String(), "ok       stream directoryAudits")
	require.NotContains(t, out.String(), "a2V5")
	require.Less(t, strings.Count(out.String(), "\n"), 40)
}

// TestAWiderPermissionThanTheOneThatIsAskedForIsFine: an app that was granted Policy.Read.All
// before need not be granted anything.
func TestAWiderPermissionThanTheOneThatIsAskedForIsFine(t *testing.T) {
	const check = "permission Policy.Read.ConditionalAccess"
	for _, wider := range []string{"Policy.Read.All", "Policy.ReadWrite.ConditionalAccess"} {
		s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
		s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
		s.tenant.Revoke("Policy.Read.ConditionalAccess", true)
		_, checks := s.start().checks()
		require.Equal(t, "limited", checks[check]["status"])
		require.Contains(t, checks[check]["consequence"], "appliedConditionalAccessPolicies")
		s.tenant.Grant(wider)
		status, checks := s.start().checks() // a process keeps its token
		require.Equal(t, "ok", status, "%v", checks)
		require.Equal(t, "ok", checks[check]["status"])
	}
}

// TestThePreflightNamesTheBinaryThatRuns compares it with the file's own bytes, over HTTP, in the
// log's first line and by command.
func TestThePreflightNamesTheBinaryThatRuns(t *testing.T) {
	file, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	sum := fmt.Sprintf("%x", sha256.Sum256(file))
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	p := s.start()
	_, _, answer := p.get("/api/preflight")
	require.Equal(t, version, answer["version"])
	require.Equal(t, sum, answer["binarySha256"])
	first, _, _ := strings.Cut(p.stdout.String(), "\n")
	require.Contains(t, first, `"binarySha256":"`+sum+`"`)
	require.Contains(t, first, `"version":"`+version+`"`)
	code, out, errs := s.command("preflight")
	require.Zero(t, code, out+errs)
	require.True(t, strings.HasPrefix(out, "Entra Ledger "+version+", SHA-256 "+sum+"\n"), out)
}

// TestWithEntraAndNoAuthenticationInFrontHTTPRefusesAndTheArchiveGoesOn: anyone could have set the
// header.
func TestWithEntraAndNoAuthenticationInFrontHTTPRefusesAndTheArchiveGoesOn(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"], s.env["HTTP_AUTHORIZATION"] = "100000,100000", "entra"
	p := s.start()
	for _, path := range []string{"/api/coverage", "/api/preflight", "/api/auditLogs/signIns"} {
		status, header, answer := p.get(path, "X-MS-CLIENT-PRINCIPAL",
			"eyJjbGFpbXMiOlt7InR5cCI6InJvbGVzIiwidmFsIjoiTGVkZ2VyLlJlYWQifV19")
		require.Equal(t, http.StatusServiceUnavailable, status, path)
		require.NotEmpty(t, header.Get("Retry-After"))
		require.Equal(t, "authenticationOff", answer["error"].(map[string]any)["code"], path)
	}
	status, _, err := p.fire()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	s.requireArchived()
	code, out, errs := s.command("preflight")
	require.Equal(t, exitDiffers, code, out+errs)
	require.Contains(t, out, "failed   authentication: ")

	s.env["WEBSITE_AUTH_ENABLED"] = "True"
	p = s.start()
	status, _, answer := p.get("/api/coverage")
	require.Equal(t, http.StatusUnauthorized, status, "%v", answer)
	status, _, answer = p.get("/api/preflight", "X-MS-CLIENT-PRINCIPAL",
		"eyJjbGFpbXMiOlt7InR5cCI6InJvbGVzIiwidmFsIjoiTGVkZ2VyLlJlYWQifV19")
	require.Equal(t, http.StatusOK, status, "%v", answer)
	require.Equal(t, "ok", answer["status"])
	require.Contains(t, fmt.Sprint(answer), "App Service verifies who calls")
}
