package infra_test

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEachMistakeStopsAtItsStepWithTheRemedyAndRunningAgainGoesOn makes one mistake at a time,
// mends it, and runs again.
func TestEachMistakeStopsAtItsStepWithTheRemedyAndRunningAgainGoesOn(t *testing.T) {
	says := func(call, text string) func(*subscription) {
		return func(s *subscription) { s.Faults = []fault{{Call: call, Says: text, Times: -1}} }
	}
	roles := func(names ...string) func(*subscription) {
		return func(s *subscription) {
			s.Roles = nil
			for _, n := range names {
				s.Roles = append(s.Roles, role{Name: n})
			}
		}
	}
	const rbac = "Role Based Access Control Administrator"
	cases := []struct {
		name   string
		change func(*subscription)
		args   []string
		says   []string
	}{
		{"not signed in", func(s *subscription) { s.SignedOut = true }, nil, []string{"az is not signed in",
			"az login"}},
		{"a cloud that is none", func(s *subscription) { s.Cloud = "AzureStack" }, nil, []string{"AzureStack",
			"az cloud set"}},
		{"an old az", func(s *subscription) { s.Az = "2.9.1" }, nil, []string{"az is version 2.9.1", "2.60.0",
			"az upgrade"}},
		{"an old Bicep", func(s *subscription) { s.Bicep = "0.9.1" }, []string{"--grants", "bicep"},
			[]string{"Bicep is version 0.9.1", "0.36.1", "az bicep upgrade"}},
		{"a region that is none", nil, []string{"--location", "westeurop"}, []string{"'westeurop' is no region",
			"list-locations"}},
		{"a region without the plan", nil, []string{"--location", "westus9"}, []string{"not offered in westus9",
			"westeurope eastus"}},
		{"a region without zones", nil, []string{"--location", "westus"},
			[]string{"westus does not offer Standard_ZRS", "Standard_GRS Standard_LRS Standard_RAGRS>"}},
		{"a name too long", nil, []string{"--name", "entraledger-contoso"}, []string{"it has 19 characters",
			"3 to 11"}},
		{"a group's name that is none", nil, []string{"--resource-group", "rg ledger."}, []string{"'rg ledger.'",
			"90"}},
		{"no rights", roles(), nil, []string{"no role", "ask for Owner"}},
		{"no right to assign roles", roles("Contributor"), nil, []string{"you have Contributor",
			"User Access Administrator"}},
		{"no right to lock", roles("Contributor", rbac), nil, []string{"may not make locks", "Locks Contributor",
			"--set lockArchive=false"}},
		{"a group elsewhere", func(s *subscription) { s.GroupLocation = "eastus" }, nil, []string{"is in eastus",
			"--location eastus"}},
		{"a package that is not there", nil, []string{"--package", "other.zip"}, []string{"no package at",
			"make package"}},
		{"a release that is none", nil, []string{"--package", "app.zip", "--release", "v1.2.3"},
			[]string{"--release and --package", "give one"}},
		{"parameters that are not there", nil, []string{"--parameters", "mine.json"}, []string{"mine.json",
			"small.json"}},
		{"parameters that are none", nil, []string{"--parameters", "app.zip"}, []string{"is no parameter file",
			"bicep build-params"}},
		{"a parameter that is none", nil, []string{"--set", "retentoin=forever"}, []string{"no parameter retentoin",
			"it has: alertAfter"}},
		{"a parameter without a value", nil, []string{"--set", "retention"}, []string{"--set 'retention' is none",
			"<parameter>=<value>"}},
		{"a parameter of another type", nil, []string{"--set", "softDeleteDays=many"},
			[]string{"softDeleteDays: 'many'", "JSON"}},
		{"a parameter above its limit", nil, []string{"--set", "softDeleteDays=366"}, []string{"softDeleteDays",
			"out of its limits", "nothing was changed"}},
		{"a parameter that is not allowed", nil, []string{"--set", "instanceMemoryMB=1024"},
			[]string{"instanceMemoryMB", "not among the allowed ones"}},
		{"a stream that is none", nil, []string{"--set", `streams=["signins"]`}, []string{"streams",
			"not among the allowed ones"}},
		{"an option that is none", nil, []string{"--force"}, []string{"unknown option --force", "--help"}},
		{"an option without its value", nil, []string{"--name"}, []string{"--name has no value"}},
		{"grants that are none", nil, []string{"--grants", "maybe"}, []string{"'maybe'", "bicep, script and print"}},
		{"a provider that can't be registered", func(s *subscription) {
			s.Unregistered = []string{"Microsoft.App"}
			s.Faults = []fault{{Call: "provider register", Says: "Forbidden", Times: -1}}
		}, nil, []string{"Microsoft.App", "Forbidden", "ask an owner"}},
		{"a policy of the company", says("deployment group what-if",
			"InvalidTemplateDeployment: the policy 'no-public-storage' denies it (RequestDisallowedByPolicy)"), nil,
			[]string{"no-public-storage", "ask who owns it for an exemption"}},
		{"a property that Flex refuses", says("deployment group create",
			`{"error":{"code":"DeploymentFailed","message":"x","details":[{"code":"BadRequest","message":`+
				`"{\"Code\":\"BadRequest\",\"Message\":\"Site.SiteConfig.FtpsState for Flex Consumption sites `+
				`is invalid\",\"ExtendedCode\":\"51021\"}"}]}}`),
			nil, []string{"BadRequest 51021: Site.SiteConfig.FtpsState", "take the newest release"}},
		{"somebody's lock on the group", says("deployment group create",
			"(ScopeLocked) The scope cannot perform write operation"), nil, []string{"ScopeLocked", "az lock list"}},
		{"a condition on the rights", says("deployment group create",
			"(AuthorizationFailed) does not have authorization to perform action "+
				"'Microsoft.Authorization/roleAssignments/write'"),
			nil, []string{"can't judge conditions", "ask for Owner"}},
		{"a deployment under way", says("deployment group create",
			"(DeploymentActive) The deployment is still active"), nil, []string{"wait until it has ended"}},
		{"a name that is taken", says("deployment group create",
			"(StorageAccountAlreadyTaken) The storage account named st is already taken."), nil,
			[]string{"another --name"}},
		{"a package that is refused", says("config-zip", "Forbidden (403)"), nil, []string{"was not published",
			"403", "without --package"}},
		{"a restart that is refused", says("functionapp restart",
			"(AuthorizationFailed) does not have authorization"), nil,
			[]string{"restarting func-ledger-x1y2z3w4 failed", "ask for Owner"}},
		{"an answer that is none", func(s *subscription) { s.Host = "127.0.0.1:1" }, nil, []string{"nothing answers",
			"docs/runbook.md"}},
		{"settings that can't be read", func(s *subscription) {
			s.GroupLocation = "westeurope"
			s.put(provider("Microsoft.Web/sites", "func-ledger-x1y2z3w4"), arm{"tags": arm{"entraledger": "ledger",
				"part": "app"}})
			s.Faults = []fault{{Call: "appsettings list", Says: "(AuthorizationFailed) does not have authorization",
				Times: -1}}
		}, nil, []string{"reading the settings of func-ledger-x1y2z3w4 failed", "ask for Owner"}},
	}
	var again beginnings
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			c := newCloud(t, m.change)
			out, code := c.deploy(m.args...)
			require.Equal(t, 1, code, out)
			for _, words := range m.says {
				require.Contains(t, out, words)
			}
			// Mended, the same command comes to the end. Where nothing was made, it is a first
			// deployment.
			if s := c.state(); s.GroupLocation == "" || strings.HasSuffix(s.Host, ":1") {
				return
			}
			c.change(mend)
			if again.first(c) {
				c.deployed()
			}
		})
	}
}

// beginnings are the states that the same command was begun in: from equal ones it goes the same
// way.
type beginnings struct{ seen sync.Map }

// first reports whether no run began in this state before. The log of the past decides nothing.
func (b *beginnings) first(c *cloud) bool {
	s := c.state()
	s.Log, s.Host = nil, "the-host-of-the-app"
	data, err := json.Marshal(s)
	require.NoError(c, err)
	text := strings.NewReplacer(c.state().Host, s.Host, c.folder, "the-folder").Replace(string(data))
	_, before := b.seen.LoadOrStore(text, true)
	return !before
}

// mend removes the mistakes from a state, and leaves what was made so far.
func mend(s *subscription) {
	s.SignedOut, s.Cloud, s.Az, s.Bicep, s.Faults, s.Unregistered = false, "AzureCloud", "2.77.0", "0.49.2", nil, nil
	s.Roles, s.Principal = []role{{Name: "Owner"}}, false
	if s.GroupLocation != "" {
		s.GroupLocation = "westeurope"
	}
	// An app of which nothing but its tags is played is no app.
	app := strings.ToLower(provider("Microsoft.Web/sites", appName))
	if r := s.Resources[app]; r != nil && r["properties"] == nil {
		delete(s.Resources, app)
	}
}

func TestRightsThatSufficeAndConditionsThatCantBeJudged(t *testing.T) {
	const rbac = "Role Based Access Control Administrator"
	t.Run("locks by a role of their own", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) {
			s.Roles = []role{{Name: "Contributor"}, {Name: rbac}, {Name: "Locks Contributor"}}
		})
		require.NotContains(t, c.deployed(), "A condition limits")
	})
	t.Run("no lock, and a condition", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) {
			s.Roles = []role{{Name: "Contributor"}, {Name: rbac, Condition: "@Request[...] ForAnyOfAnyValues"}}
		})
		out := c.deployed("--set", "lockArchive=false")
		require.Contains(t, out, "A condition limits what you may assign, and can't be judged here")
		require.Empty(t, c.state().below("/locks/"))
		// It was given once: the script does not request a lock that the deployer may not make.
		c.deployed()
	})
	t.Run("a role of the company's own", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) { s.Roles = []role{{Name: "Contoso deployer"}} })
		out := c.deployed("--skip-rights-check")
		require.Contains(t, out, "not looked at")
	})
	t.Run("a service principal", func(t *testing.T) {
		c := newCloud(t, func(s *subscription) { s.Principal = true })
		out := c.deployed()
		require.Contains(t, strings.Join(c.state().Log, "\n"), "ad sp show --id 77777777-2222-3333-4444-555555555555")
		require.Contains(t, out, "az rest --method POST")
		require.Empty(t, c.state().Granted, "which directory roles it has can't be told")
	})
}

// TestWhatPassesByItselfIsTriedAgain lets each step of a deployment fail as Azure does under load.
func TestWhatPassesByItselfIsTriedAgain(t *testing.T) {
	texts := []string{"(TooManyRequests) The request was throttled.",
		"Operation returned an invalid status 'Service Unavailable' (503)",
		"('Connection aborted.', ConnectionResetError(104, 'Connection reset by peer'))",
		"(InternalServerError) Encountered an internal server error."}
	c := afterDeploying(t)
	c.change(func(s *subscription) {
		for i, call := range []string{"version", "account list-locations", "role assignment list", "resource list",
			"deployment group list", "sites/func-ledger-x1y2z3w4?",
			"appsettings list", "authsettingsV2", "entraledger-heads", "workspaces/", "cloud show",
			"deployment group what-if", "deployment group create",
			"ad sp show", "appRoleAssignments", "config-zip", "keys list", "function list"} {
			s.Faults = append(s.Faults, fault{Call: call, Says: texts[i%len(texts)], Times: 1})
		}
	})
	c.deployed()
	for _, f := range c.state().Faults {
		require.Zero(t, f.Times, f.Call)
	}
	// What lasts ends in one STOP, and is not tried forever.
	c.change(func(s *subscription) { s.Faults = []fault{{Call: "resource list", Says: texts[0], Times: -1}} })
	out, code := c.deploy()
	require.Equal(t, 1, code)
	require.Contains(t, out,
		"listing the resources of rg-ledger failed. Azure says: (TooManyRequests) The request was throttled.")
	require.Equal(t, -1-5, c.state().Faults[0].Times)
}

func TestANationalCloudGrantsByScriptAndAsksItsOwnGraph(t *testing.T) {
	c := newCloud(t, func(s *subscription) { s.Cloud = "AzureUSGovernment" })
	out := c.deployed("--grants", "bicep")
	require.Contains(t, out, "AzureUSGovernment does not take them from Bicep everywhere")
	require.Len(t, c.state().Granted, 4)
	require.NotContains(t, strings.Join(c.state().Log, "\n"), "grants.bicep")
	require.Equal(t, "AzureUSGovernment", c.state().Settings["AZURE_CLOUD"])
}

// TestTheRedundancyOfAnArchiveThatIsThereIsAskedForOnlyWhereItChanges: what the archive has is not
// judged again.
func TestTheRedundancyOfAnArchiveThatIsThereIsAskedForOnlyWhereItChanges(t *testing.T) {
	c := afterDeploying(t)
	c.deployed()
	require.NotContains(t, strings.Join(c.state().Log, "\n"), "/Microsoft.Storage/skus")

	s := c.state()
	s.Zoneless = append(s.Zoneless, "westeurope")
	c.write(s)
	out, code := c.deploy("--set", "archiveRedundancy=Standard_GZRS", "--overwrite-settings")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "STOP: westeurope does not offer Standard_GZRS for the archive")
}
