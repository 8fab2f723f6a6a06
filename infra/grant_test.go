package infra_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const appName = "func-ledger-x1y2z3w4"

func TestTheScriptGrantsWhatIsMissingAndNoMore(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.Granted = []string{"role-of-AuditLog.Read.All"} })
	out := c.deployed("--grants", "script")
	require.Contains(t, out, "AuditLog.Read.All: granted already")
	require.Contains(t, out, "User.Read.All: granted\n")
	require.Len(t, c.state().Granted, 4)
	require.Equal(t, 1, c.state().App.Restarts, "a token from before has none of them")
	c.deployed("--grants", "script")
	require.Equal(t, 1, c.state().App.Restarts, "nothing was granted anew")

	c.change(func(s *subscription) {
		s.Granted = nil
		s.Faults = []fault{{Call: "appRoleAssignments --headers",
			Says: "Authorization_RequestDenied: Insufficient privileges", Times: -1}}
	})
	out, code := c.run("grant.sh", "--principal", principal, "AuditLog.Read.All", "User.Read.All")
	require.Equal(t, 1, code)
	require.Contains(t, out, "these permissions were not granted: AuditLog.Read.All User.Read.All")
	require.Contains(t, out, "NOT granted: Authorization_RequestDenied")
	require.Contains(t, out, "grant.sh --print --principal")
}

// TestAGrantThatWasMadeMeanwhileIsNoFailure: what was granted was read before, and Microsoft
// Graph's copies are not always of one time.
func TestAGrantThatWasMadeMeanwhileIsNoFailure(t *testing.T) {
	c := newCloud(t, func(s *subscription) {
		s.Granted = []string{"role-of-AuditLog.Read.All"}
		s.Faults = []fault{{Call: "appRoleAssignments?", Answers: `{"value": []}`, Times: 1}}
	})
	out, code := c.run("grant.sh", "--principal", principal, "AuditLog.Read.All", "User.Read.All")
	require.Zero(t, code, out)
	require.Contains(t, out, "AuditLog.Read.All: granted already")
	require.Equal(t, []string{"role-of-AuditLog.Read.All", "role-of-User.Read.All"}, c.state().Granted,
		"of the roles of this name those of apps")
}

func TestGrantByAppFindsTheIdentityRestartsAndAsks(t *testing.T) {
	c := afterDeploying(t, "--grants", "print")
	before := c.state()
	out, code := c.run("grant.sh", "--resource-group", "rg-ledger", "--app", appName, "AuditLog.Read.All",
		"User.Read.All")
	require.Zero(t, code, out)
	require.Contains(t, out, "ok  tables: it works")
	require.Equal(t, []string{"role-of-AuditLog.Read.All", "role-of-User.Read.All"}, c.state().Granted)
	require.Equal(t, before.App.Restarts+1, c.state().App.Restarts)

	// Of several identities the app's own setting names the one that it works with.
	c.change(func(s *subscription) {
		identities := s.get(provider("Microsoft.Web/sites", appName))["identity"].(arm)["userAssignedIdentities"].(arm)
		identities[subID+"/another"] = arm{"principalId": "99999999-2222-3333-4444-555555555555",
			"clientId": "client-of-another"}
	})
	out, code = c.run("grant.sh", "--resource-group", "rg-ledger", "--app", appName, "--print", "AuditLog.Read.All",
		"GroupMember.Read.All")
	require.Zero(t, code, out)
	require.Contains(t, out, "# GroupMember.Read.All")
	require.NotContains(t, out, "# AuditLog.Read.All", "it is granted already")
	require.Contains(t, out, "servicePrincipals/"+principal+"/appRoleAssignments")
	require.NotContains(t, out, "99999999-2222")

	c.change(func(s *subscription) { s.App.Status = 503 })
	out, code = c.run("grant.sh", "--resource-group", "rg-ledger", "--app", appName, "AuditLog.Read.All")
	require.Equal(t, 1, code)
	require.Contains(t, out, "the permissions are granted, and the app does not answer: it answers 503")

	c.deployed("--set", "entraClientId=0a1b2c3d-0000-0000-0000-00000000000e", "--overwrite-settings", "--grants",
		"print")
	out, code = c.run("grant.sh", "--resource-group", "rg-ledger", "--app", appName, "AuditLog.Read.All")
	require.Zero(t, code, out)
	require.Contains(t, out, "asks for a Microsoft Entra token beside the key")
}

func TestGrantRefusesWhatCantBeMeant(t *testing.T) {
	c := afterDeploying(t, "--grants", "print")
	for args, says := range map[string]string{
		"AuditLog.Read.All":                                             "is no object id",
		"--principal me AuditLog.Read.All":                              "'me' is no object id",
		"--principal " + principal:                                      "no permission is named",
		"--principal " + principal + " Everything.Read":                 "no application permission 'Everything.Read'",
		"--app " + appName + " AuditLog.Read.All":                       "--app needs --resource-group",
		"--resource-group rg-ledger --app func-other AuditLog.Read.All": "there is no app func-other in rg-ledger",
		"--force": "unknown option --force",
	} {
		out, code := c.run("grant.sh", strings.Fields(args)...)
		require.Equal(t, 1, code, args)
		require.Contains(t, out, says)
	}
	require.Empty(t, c.state().Granted)
}

// TestTheRegistrationAsksForVersion2TokensAndItsScopeIsTheOneInTheDocs reads the request in
// docs/security.md.
func TestTheRegistrationAsksForVersion2TokensAndItsScopeIsTheOneInTheDocs(t *testing.T) {
	data, err := os.ReadFile("entraapi.json")
	require.NoError(t, err)
	var registration struct {
		API struct {
			RequestedAccessTokenVersion int
			Oauth2PermissionScopes      []struct {
				ID, Value, Type string
				IsEnabled       bool
			}
		}
	}
	require.NoError(t, json.Unmarshal(data, &registration))
	require.Equal(t, 2, registration.API.RequestedAccessTokenVersion)
	require.Len(t, registration.API.Oauth2PermissionScopes, 1)
	scope := registration.API.Oauth2PermissionScopes[0]
	require.True(t, scope.IsEnabled)
	docs, err := os.ReadFile(filepath.Join("..", "docs", "security.md"))
	require.NoError(t, err)
	require.Contains(t, string(docs),
		"--api-permissions "+scope.ID+"=Scope   # "+scope.Value+", in infra/entraapi.json")
}

// TestEveryChapterThatIsNamedIsThere looks for the chapters of the runbook that scripts and alerts
// send people to.
func TestEveryChapterThatIsNamedIsThere(t *testing.T) {
	runbook, err := os.ReadFile(filepath.Join("..", "docs", "runbook.md"))
	require.NoError(t, err)
	files, err := filepath.Glob("*.sh")
	require.NoError(t, err)
	named := 0
	for _, file := range append(files, "azuredeploy.json") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`docs/runbook\.md, \\*"([^"\\]+)\\*"`).FindAllStringSubmatch(string(text),
			-1) {
			named++
			require.Contains(t, string(runbook), "\n## "+m[1]+"\n", file)
		}
	}
	require.GreaterOrEqual(t, named, 6)
}

func TestAToolThatIsMissingIsNamed(t *testing.T) {
	for _, missing := range []string{"az", "jq", "curl", "timeout"} {
		t.Run(missing, func(t *testing.T) {
			c := newCloud(t, nil)
			tools := t.TempDir()
			for _, tool := range []string{"bash", "az", "jq", "curl", "timeout", "dirname", "mktemp", "rm", "cat",
				"cp", "sed", "tr"} {
				if tool == missing {
					continue
				}
				path, err := exec.LookPath(tool)
				if tool == "az" {
					path, err = filepath.Join(c.folder, "az"), nil
				}
				require.NoError(t, err)
				require.NoError(t, os.Symlink(path, filepath.Join(tools, tool)))
			}
			c.env = []string{"PATH=" + tools}
			out, code := c.deploy()
			require.Equal(t, 1, code)
			require.Contains(t, out, missing+" is not on the PATH")
			require.Contains(t, out, "Azure Cloud Shell")
		})
	}
}
