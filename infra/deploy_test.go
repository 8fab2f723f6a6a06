// Package infra_test runs the deployment scripts against an az that plays a subscription.
package infra_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMain plays az where the binary is called by that name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "az" {
		os.Exit(playAz(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// cloud is a subscription with the tools to work on it.
type cloud struct {
	*testing.T
	folder string // with az in it, and the state
}

// newCloud is a subscription in which everything is as it should be; change takes something of it away.
func newCloud(t *testing.T, change func(*subscription)) *cloud {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("x-functions-key") != key || r.URL.Path != "/api/preflight" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"status":"limited","value":[{"name":"tables","status":"ok","detail":"it works"},{"name":"licence","status":"limited","detail":"none \"yet\""}]}`))
	}))
	t.Cleanup(api.Close)
	c := &cloud{t, t.TempDir()}
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Symlink(self, filepath.Join(c.folder, "az")))
	require.NoError(t, os.WriteFile(filepath.Join(c.folder, "app.zip"), []byte("zip"), 0o600))
	s := subscription{Cloud: "AzureCloud", Locations: []string{"westeurope", "westus9"}, Flex: []string{"westeurope", "eastus"}, Roles: []string{"Owner"},
		DirectoryRoles: []string{"e8611ab8-c189-46e8-94e1-60213ab1f814"}, API: api.URL + "/api"}
	if change != nil {
		change(&s)
	}
	c.write(s)
	return c
}

func (c *cloud) write(s subscription) {
	data, err := json.Marshal(s)
	require.NoError(c, err)
	require.NoError(c, os.WriteFile(filepath.Join(c.folder, "state.json"), data, 0o600))
}

func (c *cloud) state() (s subscription) {
	data, err := os.ReadFile(filepath.Join(c.folder, "state.json"))
	require.NoError(c, err)
	require.NoError(c, json.Unmarshal(data, &s))
	return s
}

// run runs a script, and gives what it printed and its exit code.
func (c *cloud) run(script string, args ...string) (string, int) {
	here, err := os.Getwd()
	require.NoError(c, err)
	cmd := exec.CommandContext(c.Context(), "bash", append([]string{filepath.Join(here, script)}, args...)...)
	cmd.Dir = c.folder
	cmd.Env = append(os.Environ(), "PATH="+c.folder+":"+os.Getenv("PATH"), "AZ_STATE="+filepath.Join(c.folder, "state.json"), "RETRY_SECONDS=0",
		"GORACE=atexit_sleep_ms=0") // the race detector lets each program sleep a second at its end
	out, err := cmd.CombinedOutput()
	if err != nil {
		var exit *exec.ExitError
		require.ErrorAs(c, err, &exit)
		return string(out), exit.ExitCode()
	}
	return string(out), 0
}

func (c *cloud) deploy(args ...string) (string, int) {
	return c.run("deploy.sh", append([]string{"--resource-group", "rg-ledger", "--location", "westeurope", "--package", "app.zip", "--yes"}, args...)...)
}

func TestADeploymentGoesFromNothingToAnAnswerAndCanBeRepeated(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.Unregistered = []string{"Microsoft.App"} })
	for range 2 {
		out, code := c.deploy()
		require.Zero(t, code, out)
		require.Contains(t, out, "ok  tables: it works")
		require.Contains(t, out, `limited  licence: none \"yet\"`)
		require.Contains(t, out, "The app runs, and reaches everything.")
		require.NotContains(t, out, key)
	}
	s := c.state()
	require.True(t, s.Published)
	require.True(t, s.GrantsInBicep)
	require.Empty(t, s.Unregistered)
	require.Equal(t, "westeurope", s.GroupLocation)
	require.Equal(t, "false", s.HeadsLocked)
	require.NotContains(t, strings.Join(s.Log, "\n"), key)
	// What-if comes before each deployment.
	var order []string
	for _, call := range s.Log {
		for _, step := range []string{"group create --name", "deployment group what-if", "deployment group create", "config-zip"} {
			if strings.Contains(call, step) {
				order = append(order, step)
			}
		}
	}
	again := []string{"deployment group what-if", "deployment group create", "config-zip"}
	require.Equal(t, append(append([]string{"group create --name"}, again...), again...), order)
}

// TestEachMistakeStopsAtItsStepWithTheRemedyAndRunningAgainGoesOn makes one mistake at a time, mends it, and runs again.
func TestEachMistakeStopsAtItsStepWithTheRemedyAndRunningAgainGoesOn(t *testing.T) {
	cases := []struct {
		name    string
		change  func(*subscription)
		args    []string
		says    []string
		changed bool // something was deployed before it stopped
	}{
		{"not signed in", func(s *subscription) { s.SignedOut = true }, nil, []string{"az is not signed in", "az login"}, false},
		{"a cloud that is none", func(s *subscription) { s.Cloud = "AzureStack" }, nil, []string{"AzureStack", "az cloud set"}, false},
		{"a region that is none", nil, []string{"--location", "westeurop"}, []string{"'westeurop' is no region", "list-locations"}, false},
		{"a region without the plan", nil, []string{"--location", "westus9"}, []string{"not offered in westus9", "westeurope eastus"}, false},
		{"a name too long", nil, []string{"--name", "entraledger-contoso"}, []string{"it has 19 characters", "3 to 11"}, false},
		{"a group's name that is none", nil, []string{"--resource-group", "rg ledger."}, []string{"'rg ledger.'", "90"}, false},
		{"no rights", func(s *subscription) { s.Roles = nil }, nil, []string{"no role", "ask for Owner"}, false},
		{"no right to assign roles", func(s *subscription) { s.Roles = []string{"Contributor"} }, nil, []string{"Contributor", "User Access Administrator"}, false},
		{"a group elsewhere", func(s *subscription) { s.GroupLocation = "eastus" }, nil, []string{"is in eastus", "--location eastus"}, false},
		{"a package that is not there", nil, []string{"--package", "other.zip"}, []string{"no package at", "make package"}, false},
		{"parameters that are not there", nil, []string{"--parameters", "mine.json"}, []string{"mine.json", "small.json"}, false},
		{"an option that is none", nil, []string{"--force"}, []string{"unknown option --force", "--help"}, false},
		{"an option without its value", nil, []string{"--name"}, []string{"--name has no value"}, false},
		{"grants that are none", nil, []string{"--grants", "maybe"}, []string{"'maybe'", "bicep, script and print"}, false},
		{"a policy of the company", func(s *subscription) { s.WhatIfFails = true }, nil, []string{"no-public-storage", "nothing was changed"}, false},
		{"a deployment that fails half-way", func(s *subscription) { s.DeployFails = 1 }, nil, []string{"a conflict", "run this again"}, false},
		{"a package that is refused", func(s *subscription) { s.PublishFails = 3 }, nil, []string{"was not published", "it goes on here"}, true},
		{"an app that does not answer", func(s *subscription) { s.API = "http://127.0.0.1:1/api" }, nil, []string{"does not answer", "docs/runbook.md"}, true},
	}
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			c := newCloud(t, m.change)
			out, code := c.deploy(m.args...)
			require.Equal(t, 1, code, out)
			require.Equal(t, 1, strings.Count(out, "STOP:"), out)
			for _, words := range m.says {
				require.Contains(t, out, words)
			}
			require.Equal(t, m.changed, c.state().Deployed)

			// Mended, the same command comes to the end.
			s := c.state()
			mended := newCloud(t, nil).state()
			mended.Deployed, mended.Settings = s.Deployed, s.Settings
			c.write(mended)
			out, code = c.deploy()
			require.Zero(t, code, out)
		})
	}
}

func TestSettingsThatWereChangedByHandAreNotRunOver(t *testing.T) {
	c := newCloud(t, nil)
	_, code := c.deploy()
	require.Zero(t, code)
	s := c.state()
	s.Settings["ARCHIVE_HOLD"] = "*=2026-01-01/2026-03-31"
	s.Settings["MY_OWN"] = "a secret value"
	delete(s.Settings, "HTTP_AUTHORIZATION")
	c.write(s)
	out, code := c.deploy()
	require.Equal(t, 1, code)
	require.Contains(t, out, "ARCHIVE_HOLD HTTP_AUTHORIZATION MY_OWN")
	require.Contains(t, out, "--overwrite-settings")
	require.NotContains(t, out, "a secret value")
	require.Equal(t, s.Settings, c.state().Settings)

	out, code = c.deploy("--overwrite-settings")
	require.Zero(t, code, out)
	require.Equal(t, deployedSettings(), c.state().Settings)
}

func TestWhoMayNotGrantGetsTheCommandsForWhoMay(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.DirectoryRoles = []string{"88d8e3e3-8f55-4a1e-953a-9b9898b8876b"} })
	out, code := c.deploy()
	require.Zero(t, code, out)
	require.False(t, c.state().GrantsInBicep)
	require.Empty(t, c.state().Granted)
	require.Contains(t, out, "Privileged Role Administrator")
	require.Contains(t, out, "az rest --method POST --url 'https://graph.microsoft.com/v1.0/servicePrincipals/11111111-2222-3333-4444-555555555555/appRoleAssignments'")
	require.Contains(t, out, `"appRoleId":"role-AuditLog.Read.All"`)
	require.Contains(t, out, "# User.Read.All")
	require.True(t, c.state().Published)
}

func TestTheScriptGrantsWhatIsMissingAndNoMore(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.Granted = []string{"role-AuditLog.Read.All"} })
	out, code := c.deploy("--grants", "script")
	require.Zero(t, code, out)
	require.Contains(t, out, "AuditLog.Read.All: granted already")
	require.Contains(t, out, "User.Read.All: granted\n")
	require.Equal(t, []string{"role-AuditLog.Read.All", "role-User.Read.All"}, c.state().Granted)

	c = newCloud(t, func(s *subscription) { s.GrantRefused = true })
	out, code = c.run("grant.sh", "--principal", "11111111-2222-3333-4444-555555555555", "AuditLog.Read.All")
	require.Equal(t, 1, code)
	require.Contains(t, out, "1 of 1 permissions were not granted")
	require.Contains(t, out, "grant.sh --print --principal")

	for _, wrong := range [][]string{{"AuditLog.Read.All"}, {"--principal", "me", "AuditLog.Read.All"}, {"--principal", "11111111-2222-3333-4444-555555555555"}} {
		out, code = c.run("grant.sh", wrong...)
		require.Equal(t, 1, code)
		require.Contains(t, out, "STOP:")
	}
}

func TestAServicePrincipalDeploysAndIsGivenTheGrantsToHandOn(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.Principal = true })
	out, code := c.deploy()
	require.Zero(t, code, out)
	require.Contains(t, strings.Join(c.state().Log, "\n"), "ad sp show --id 77777777-2222-3333-4444-555555555555")
	require.Contains(t, out, "az rest --method POST")
	require.False(t, c.state().GrantsInBicep, "which directory roles it has can't be told")
}

func TestAnAppBehindEntraAuthenticationRefusesTheKeyAloneAsItShould(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	defer api.Close()
	c := newCloud(t, func(s *subscription) { s.API = api.URL + "/api" })
	out, code := c.deploy()
	require.Zero(t, code, out)
	require.Contains(t, out, "asks for a Microsoft Entra token beside the key")
}

func TestAnImmutabilityPolicyThatIsLockedIsLeftAlone(t *testing.T) {
	c := newCloud(t, nil)
	_, code := c.deploy()
	require.Zero(t, code)
	s := c.state()
	s.HeadsState = "Locked"
	c.write(s)
	_, code = c.deploy()
	require.Zero(t, code)
	require.Equal(t, "true", c.state().HeadsLocked)
}

func TestNobodyToAskMeansNothingIsDone(t *testing.T) {
	c := newCloud(t, nil)
	out, code := c.run("deploy.sh", "--resource-group", "rg-ledger", "--location", "westeurope", "--package", "app.zip")
	require.Equal(t, 1, code)
	require.Contains(t, out, "--yes")
	require.False(t, c.state().Deployed)
}

func deployedResources() []resource {
	return []resource{{"Microsoft.Storage/storageAccounts", "stledgerxa", "archive"}, {"Microsoft.Storage/storageAccounts", "stledgerxh", "host"},
		{"Microsoft.Web/sites", "func-ledger-x", "app"}, {"Microsoft.Web/serverfarms", "asp-ledger-x", "app"},
		{"Microsoft.ManagedIdentity/userAssignedIdentities", "id-ledger-x", "identity"}, {"Microsoft.Insights/scheduledQueryRules", "alert-x", "alerts"}}
}

func TestDestroyKeepsTheArchiveUnlessItIsSpeltOut(t *testing.T) {
	setUp := func(change func(*subscription)) *cloud {
		return newCloud(t, func(s *subscription) {
			s.GroupLocation, s.Deployed, s.ArchiveLock, s.Resources = "westeurope", true, true, deployedResources()
			if change != nil {
				change(s)
			}
		})
	}
	c := setUp(nil)
	out, code := c.run("destroy.sh", "--resource-group", "rg-ledger", "--yes")
	require.Zero(t, code, out)
	require.Contains(t, out, "kept: the archive, stledgerxa")
	require.Equal(t, deployedResources()[:1], c.state().Resources)
	require.True(t, c.state().ArchiveLock)
	out, code = c.run("destroy.sh", "--resource-group", "rg-ledger", "--yes")
	require.Zero(t, code)
	require.Contains(t, out, "nothing")

	c = setUp(nil)
	out, code = c.run("destroy.sh", "--resource-group", "rg-ledger", "--yes", "--delete-archive", "yes")
	require.Equal(t, 1, code)
	require.Contains(t, out, "'stledgerxa', and not 'yes'")
	require.Equal(t, deployedResources(), c.state().Resources)
	out, code = c.run("destroy.sh", "--resource-group", "rg-ledger", "--yes", "--delete-archive", "stledgerxa")
	require.Zero(t, code, out)
	require.Empty(t, c.state().Resources)

	c = setUp(func(s *subscription) { s.HeadsState = "Locked" })
	out, code = c.run("destroy.sh", "--resource-group", "rg-ledger", "--yes", "--delete-archive", "stledgerxa")
	require.Equal(t, 1, code)
	require.Contains(t, out, "locked")
	require.Equal(t, deployedResources()[:1], c.state().Resources)
}
