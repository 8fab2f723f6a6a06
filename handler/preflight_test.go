package main

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/entraledger/entraledger/internal/directory"
	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/graph"
	"github.com/entraledger/entraledger/internal/simtenant"
	"github.com/entraledger/entraledger/internal/simtenant/generate"
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

// TestThePreflightNamesEachPermissionTakenAway takes one away at a time: its check fails, names the permission and what its lack
// means, and no other check does.
func TestThePreflightNamesEachPermissionTakenAway(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	p := s.start()
	status, checks := p.checks()
	require.Equal(t, "ok", status, "%v", checks)
	require.Contains(t, checks["licence"]["detail"], "30 days")
	require.Len(t, checks, 1+1+1+len(entra.DefaultStreams())+6+1)
	taken := map[entra.Stream]string{
		simtenant.Users: "directory users", simtenant.Applications: "directory applications", simtenant.ServicePrincipals: "directory servicePrincipals",
		simtenant.CredentialUse: "directory credentialUse", simtenant.PrincipalUse: "directory applicationUse",
	}
	for _, stream := range entra.DefaultStreams() {
		taken[stream] = "stream " + string(stream)
	}
	permissions := map[string]string{"directory applications": "Application.Read.All", "directory servicePrincipals": "Application.Read.All", "directory users": "User.Read.All"}
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

// TestEveryPermissionIsDocumentedWithItsReason keeps docs/permissions.md in step with what errors ask for.
func TestEveryPermissionIsDocumentedWithItsReason(t *testing.T) {
	text, err := os.ReadFile("../docs/permissions.md")
	require.NoError(t, err)
	named := map[string]bool{}
	form := regexp.MustCompile(`[A-Za-z]+\.Read\.All`)
	for _, s := range entra.AllStreams() {
		for _, p := range form.FindAllString(graph.Permission(s), -1) {
			named[p] = true
		}
	}
	for _, phase := range []directory.Phase{directory.PhaseUsers, directory.PhasePlainUsers, directory.PhaseGroups, directory.PhaseApps, directory.PhasePrincipals, directory.PhaseUse, directory.PhaseAppUse} {
		require.NotEmpty(t, graph.DirectoryPermission(phase))
		for _, p := range form.FindAllString(graph.DirectoryPermission(phase), -1) {
			named[p] = true
		}
	}
	require.Len(t, named, 6)
	for p := range named {
		require.Contains(t, string(text), "| `"+p+"` |")
	}
}

func TestThePreflightTellsALicenceFromAPermissionAndAStorageThatIsGone(t *testing.T) {
	s := newSystem(t, simtenant.Config{Generate: &generate.Config{Seed: 2, Users: 10, Apps: 5, Days: 1}})
	s.env["GRAPH_REQUESTS_PER_10S"] = "100000,100000"
	for _, stream := range entra.DefaultStreams() {
		if stream != entra.DirectoryAudits {
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
	require.Contains(t, out.String(), "failed   tables:")
	require.Contains(t, out.String(), "failed   blobs:")
	require.Contains(t, out.String(), "ok       stream directoryAudits")
	require.NotContains(t, out.String(), "a2V5")
	require.Less(t, strings.Count(out.String(), "\n"), 30)
}
