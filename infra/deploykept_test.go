package infra_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// other has a value for each parameter of the template that is not its default: a value that is not
// given again has to stay.
var other = map[string]any{
	"tags": arm{"costCenter": "4711"}, "streams": []any{"directoryAudits", "customSecurityAttributeAudits"},
	"backfill": "7d", "passes": "3h,6h", "retention": "400d",
	"hold": "*=2026-01-01/2026-03-31", "alertAfter": "6h", "runBudget": "5m", "graphRequests": "3,1",
	"graceAfterRestore": "30d",
	"snapshotGroups":    []any{"8a1cb5c0-0000-0000-0000-000000000001"},
	"archiveSchedule":   "0 */15 * * * *", "snapshotSchedule": "0 */10 * * * *", "indexSchedule": "0 40 * * * *",
	"purgeSchedule": "0 30 4 * * *",
	"publicBaseUrl": "https://ledger.contoso.example", "attributeAudits": "allow",
	"mimPartsKeyReference": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/parts)",
	"archiveRedundancy":    "Standard_GZRS",
	"archiveAccountName":   "stmovedhere", "headsImmutableDays": 2555.0,
	"softDeleteDays": 90.0, "lockArchive": false, "auditArchiveAccess": true, "instanceMemoryMB": 2048.0,
	"maximumInstanceCount": 60.0, "logRetentionDays": 90.0,
	"logDailyCapGb": 5.0, "alertEmails": []any{"ada@contoso.example", "bob@contoso.example"}, "network": "private",
	"networkAddressPrefix": "10.20.0.0/24",
	"entraClientId":        "0a1b2c3d-0000-0000-0000-00000000000e", "conditionalAccessDetails": false,
	"provisioningPermission": true, "hiddenGroups": true,
	"otherSettings": arm{"GRAPH_ENDPOINT": "https://graph.example", "WEBHOOK": "a secret address"},
	"cloud":         "AzureUSGovernment",
}

// decided are the parameters that each deployment decides again.
var decided = []string{"name", "location", "release", "packageUri", "headsLocked"}

// parameters are the parameters of the last deployment, given or default.
func (c *cloud) parameters() arm {
	s := c.state()
	out := arm{}
	for name, p := range s.Deployments[len(s.Deployments)-1]["properties"].(arm)["parameters"].(arm) {
		out[name] = p.(arm)["value"]
	}
	return out
}

func (c *cloud) parameterFile(values map[string]any) string {
	parameters := arm{}
	for name, value := range values {
		parameters[name] = arm{"value": value}
	}
	data, err := json.Marshal(arm{"parameters": parameters})
	require.NoError(c, err)
	return c.file("mine.json", string(data))
}

// TestASecondDeploymentWithFewerParametersRevertsNothing compares every parameter of the template.
func TestASecondDeploymentWithFewerParametersRevertsNothing(t *testing.T) {
	template, err := readCompiled("azuredeploy.json")
	require.NoError(t, err)
	for name, d := range template.Parameters {
		if !slices.Contains(decided, name) {
			require.Contains(t, other, name, "the test has no value for it")
			require.NotEqual(t, d.DefaultValue, other[name], "%s: its default proves nothing", name)
		}
	}
	c := newCloud(t, nil)
	c.deployed("--parameters", c.parameterFile(other))
	first, settings := c.parameters(), c.state().Settings
	for _, again := range [][]string{nil, {"--set", "retention=400d"}, {"--parameters", c.parameterFile(other)}} {
		c.deployed(again...)
		require.Equal(t, settings, c.state().Settings)
		require.Equal(t, first, c.parameters())
	}
	// A map is added to, and a value that was not there before is not reverted.
	c.deployed("--set", `tags={"owner":"ada"}`, "--set", `otherSettings={"NEW":"yes"}`)
	require.Equal(t, arm{"costCenter": "4711", "owner": "ada"}, c.parameters()["tags"])
	settings["NEW"] = "yes"
	require.Equal(t, settings, c.state().Settings)
}

// TestTheScriptKnowsTheSettingsOfTheTemplate compares the names that kept.jq has with what the
// template writes.
func TestTheScriptKnowsTheSettingsOfTheTemplate(t *testing.T) {
	text, err := os.ReadFile("azuredeploy.json")
	require.NoError(t, err)
	pairs, names := map[string]string{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`"name": "([A-Z0-9_]+)",\s+"value": "\[([^"]*)\]"`).
		FindAllStringSubmatch(string(text), -1) {
		parameter := regexp.MustCompile(`parameters\('(\w+)'\)`).FindStringSubmatch(m[2])
		require.NotNil(t, parameter, m[2])
		pairs[parameter[1]] = m[1]
	}
	for _, m := range regexp.MustCompile(`createObject\('name', '(\w+)', 'value'`).FindAllStringSubmatch(string(text),
		-1) {
		names[m[1]] = true
	}
	require.Equal(t, parameterSettings, pairs, "the played template")
	program, err := os.ReadFile("kept.jq")
	require.NoError(t, err)
	out, err := exec.Command("jq", "-n", strings.Split(string(program),
		"# What is decided anew")[0]+" {setting_of: setting_of, made: (made | sort)}").Output()
	require.NoError(t, err)
	var known struct {
		SettingOf map[string]string `json:"setting_of"`
		Made      []string
	}
	require.NoError(t, json.Unmarshal(out, &known))
	require.Equal(t, pairs, known.SettingOf)
	var made []string
	for name := range names {
		made = append(made, name)
	}
	slices.Sort(made)
	require.Equal(t, made, known.Made)
}

func TestAHoldThatWasSetByHandStaysOrTheCallStopsWithTheDifference(t *testing.T) {
	c := afterDeploying(t)
	c.change(func(s *subscription) {
		s.Settings["ARCHIVE_HOLD"] = "*=2026-01-01/2026-03-31"
		s.Settings["MY_OWN"] = "a secret value"
	})
	out := c.deployed()
	require.Equal(t, "*=2026-01-01/2026-03-31", c.state().Settings["ARCHIVE_HOLD"])
	require.Equal(t, "a secret value", c.state().Settings["MY_OWN"])
	require.Contains(t, out, "siteConfig.appSettings: map[MY_OWN:(not shown)]", "what-if was shown without it")
	before := c.state().Settings

	for _, args := range [][]string{{"--set", "hold="}, {"--parameters", "none.json"}, {"--set",
		`otherSettings={"MY_OWN":"another"}`}} {
		c.file("none.json", `{"parameters": {"hold": {"value": ""}, "alertAfter": {"value": "9h"}}}`)
		out, code := c.deploy(args...)
		require.Equal(t, 1, code)
		require.Contains(t, out, "--overwrite-settings")
		require.NotContains(t, out, "a secret value")
		if strings.HasPrefix(args[1], "other") {
			require.Contains(t, out, "setting MY_OWN: another value was given")
		} else {
			require.Contains(t, out, "hold (ARCHIVE_HOLD): *=2026-01-01/2026-03-31 is there, (empty) was given")
		}
		require.Equal(t, before, c.state().Settings)
	}
	out, code := c.deploy("--parameters", "none.json", "--overwrite-settings")
	require.Zero(t, code, out)
	require.Contains(t, out, "alertAfter (ARCHIVE_ALERT_AFTER): 3h is there, 9h was given")
	require.Empty(t, c.state().Settings["ARCHIVE_HOLD"])
	require.Equal(t, "9h", c.state().Settings["ARCHIVE_ALERT_AFTER"])
}

func TestSecretsAreNeitherInTheHistoryNorInTheListOfProcesses(t *testing.T) {
	c := newCloud(t, nil)
	c.deployed("--set", `otherSettings={"MY_OWN":"a secret value"}`)
	c.deployed()
	s := c.state()
	require.NotContains(t, strings.Join(s.Log, "\n"), "a secret value")
	history, err := json.Marshal(s.Deployments)
	require.NoError(t, err)
	require.NotContains(t, string(history), "a secret value")
	require.Equal(t, "a secret value", s.Settings["MY_OWN"])
}

func TestWhatWasMadeByHandAndHasNoParameterStopsTheCall(t *testing.T) {
	cases := []struct {
		name   string
		change func(properties func(kind, name string) arm)
		says   string
	}{
		{"always-ready instances", func(p func(kind, name string) arm) {
			p("Microsoft.Web/sites",
				"func-ledger-x1y2z3w4")["functionAppConfig"].(arm)["scaleAndConcurrency"].(arm)["alwaysReady"] = []any{
				arm{"name": "http", "instanceCount": 1.0}}
		}, "always-ready instances"},
		{"a subnet of the company's", func(p func(kind, name string) arm) {
			p("Microsoft.Web/sites", "func-ledger-x1y2z3w4")["virtualNetworkSubnetId"] = subID +
				"/resourceGroups/rg-net/providers/Microsoft.Network/virtualNetworks/hub/subnets/a"
		}, "the subnet that the app goes out through"},
		{"rules for addresses", func(p func(kind, name string) arm) {
			p("Microsoft.Storage/storageAccounts",
				"stledgerx1y2z3w4a")["networkAcls"].(arm)["ipRules"] = []any{arm{"value": "203.0.113.7"}}
		}, "network rules of stledgerx1y2z3w4a"},
		{"a closed account", func(p func(kind, name string) arm) {
			p("Microsoft.Storage/storageAccounts", "stledgerx1y2z3w4h")["publicNetworkAccess"] = "Disabled"
		}, "stledgerx1y2z3w4h is closed to the internet"},
		{"a telephone", func(p func(kind, name string) arm) {
			p("Microsoft.Insights/actionGroups", "ag-ledger-x1y2z3w4")["smsReceivers"] = []any{arm{"name": "ada"}}
		}, "smsReceivers of the action group"},
		{"always-ready triggers", func(p func(kind, name string) arm) {
			p("Microsoft.Web/sites", appName)["functionAppConfig"].(arm)["scaleAndConcurrency"].(arm)["triggers"] = arm{
				"http": arm{"perInstanceConcurrency": 4.0}}
		}, "the concurrency of the app's triggers"},
		{"rules for addresses of the host's account", func(p func(kind, name string) arm) {
			p("Microsoft.Storage/storageAccounts",
				"stledgerx1y2z3w4h")["networkAcls"].(arm)["ipRules"] = []any{arm{"value": "203.0.113.7"}}
		}, "network rules of stledgerx1y2z3w4h"},
		{"nobody passes by", func(p func(kind, name string) arm) {
			p("Microsoft.Storage/storageAccounts", "stledgerx1y2z3w4a")["networkAcls"].(arm)["bypass"] = "None"
		}, "who passes by the network rules of stledgerx1y2z3w4a: None"},
		{"containers for longer", func(p func(kind, name string) arm) {
			p("Microsoft.Storage/storageAccounts",
				"stledgerx1y2z3w4a/blobServices/default")["containerDeleteRetentionPolicy"].(arm)["days"] = 300.0
		}, "days for which a deleted container can be restored: 300"},
		{"an alert is switched off", func(p func(kind, name string) arm) {
			p("Microsoft.Insights/scheduledQueryRules", "alert-archive-stale-ledger-x1y2z3w4")["enabled"] = false
		}, "the alert alert-archive-stale-ledger-x1y2z3w4 is switched off"},
		{"an alert is muted", func(p func(kind, name string) arm) {
			p("Microsoft.Insights/scheduledQueryRules",
				"alert-archive-stale-ledger-x1y2z3w4")["muteActionsDuration"] = "PT4H"
		}, "is muted for PT4H"},
		{"another threshold", func(p func(kind, name string) arm) {
			p("Microsoft.Insights/scheduledQueryRules",
				"alert-archive-stale-ledger-x1y2z3w4")["criteria"] = arm{"allOf": []any{arm{"threshold": 7.0}}}
		}, "the threshold of the alert alert-archive-stale-ledger-x1y2z3w4: 7, and 1 in the template"},
		{"another action group", func(p func(kind, name string) arm) {
			p("Microsoft.Insights/scheduledQueryRules", "alert-archive-stale-ledger-x1y2z3w4")["actions"] = arm{
				"actionGroups": []any{subID + "/another"}}
		}, "further action groups of the alert"},
		{"no cap", func(p func(kind, name string) arm) {
			p("Microsoft.OperationalInsights/workspaces",
				"log-ledger-x1y2z3w4")["workspaceCapping"] = arm{"dailyQuotaGb": -1.0}
		}, "the daily cap of Log Analytics: none"},
		{"authentication in the portal", func(p func(kind, name string) arm) {
			p("Microsoft.Web/sites", "func-ledger-x1y2z3w4/config/authsettingsV2")["platform"] = arm{"enabled": true}
		}, "HTTP_AUTHORIZATION is key, and App Service's authentication is on"},
	}
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			c := afterDeploying(t)
			c.change(func(s *subscription) {
				m.change(func(kind, name string) arm { return s.get(provider(kind, name))["properties"].(arm) })
			})
			before := c.state()
			out, code := c.deploy()
			require.Equal(t, 1, code)
			require.Contains(t, out, m.says)
			require.Contains(t, out, "--overwrite-settings")
			require.Equal(t, before.Resources, c.state().Resources)
		})
	}
}

func TestWhatWasMadeByHandOnTheAppsAuthenticationNetworkAndIdentityStopsTheCall(t *testing.T) {
	app, vnet := provider("Microsoft.Web/sites", appName), provider("Microsoft.Network/virtualNetworks",
		"vnet-ledger-x1y2z3w4")
	cases := []struct {
		name   string
		change func(get func(id string) arm)
		says   string
	}{
		{"paths", func(get func(id string) arm) {
			get(app + "/config/authsettingsV2")["properties"].(arm)["globalValidation"] = arm{
				"excludedPaths": []any{"/api/ui", "/api/ui/*", "/api/x"}}
		}, "paths that the authentication leaves out"},
		{"applications", func(get func(id string) arm) {
			ad := get(app + "/config/authsettingsV2")["properties"].(arm)["identityProviders"].(arm)["azureActiveDirectory"].(arm)
			ad["validation"].(arm)["defaultAuthorizationPolicy"].(arm)["allowedApplications"] = []any{"7"}
		}, "audiences, applications or principals of the authentication"},
		{"another provider", func(get func(id string) arm) {
			get(app + "/config/authsettingsV2")["properties"].(arm)["identityProviders"].(arm)["gitHub"] = arm{
				"registration": arm{"clientId": "x"}}
		}, "the identity provider gitHub"},
		{"an identity of the system", func(get func(id string) arm) {
			get(app)["identity"].(arm)["type"] = "SystemAssigned, UserAssigned"
		}, "further identities of the app"},
		{"another identity", func(get func(id string) arm) {
			get(app)["identity"].(arm)["userAssignedIdentities"].(arm)[subID+"/another"] = arm{}
		}, "further identities of the app"},
		{"DNS servers", func(get func(id string) arm) {
			get(vnet)["properties"].(arm)["dhcpOptions"] = arm{"dnsServers": []any{"10.0.0.4"}}
		}, "DNS servers of the network"},
		{"a subnet", func(get func(id string) arm) {
			p := get(vnet)["properties"].(arm)
			p["subnets"] = append(p["subnets"].([]any), arm{"name": "vms", "properties": arm{}})
		}, "further subnets of the network"},
		{"a NAT gateway", func(get func(id string) arm) {
			get(vnet)["properties"].(arm)["subnets"].([]any)[0].(arm)["properties"].(arm)["natGateway"] = arm{"id": "x"}
		}, "gateways, routes or service endpoints"},
		{"a tag of one resource", func(get func(id string) arm) {
			get(archiveID)["tags"].(arm)["dataClass"] = "secret"
		},
			"the tag dataClass, which is not the same everywhere (stledgerx1y2z3w4a: secret)"},
	}
	for _, m := range cases {
		t.Run(m.name, func(t *testing.T) {
			c := afterDeploying(t, "--set", "network=private", "--set",
				"entraClientId=0a1b2c3d-0000-0000-0000-00000000000e",
				"--set", `tags={"costCenter":"4711"}`)
			c.change(func(s *subscription) {
				for _, r := range s.Resources {
					if tags, has := r["tags"].(arm); has {
						// each its own; not for the user to decide
						tags["hidden-link: /app-insights-resource-id"] = r["id"]
					}
				}
				m.change(s.get)
			})
			before := c.state()
			out, code := c.deploy()
			require.Equal(t, 1, code, out)
			require.Contains(t, out, m.says)
			require.Equal(t, 1, strings.Count(out[strings.Index(out, "was made by hand"):strings.Index(out, "STOP")],
				"\n   "), out)
			require.Equal(t, before.Resources, c.state().Resources)
		})
	}
}

// TestAFailedFirstDeploymentIsGoneOnWith lets the first deployment fail before the app is made: it
// has no outputs, and what it was given counts for what is not there yet.
func TestAFailedFirstDeploymentIsGoneOnWith(t *testing.T) {
	c := newCloud(t, func(s *subscription) {
		s.Faults = []fault{{Call: "the app is made", Says: "Site.SiteConfig is invalid", Times: 2}}
	})
	given := map[string]any{"hold": "*=2026-01-01/2026-03-31", "lockArchive": true, "auditArchiveAccess": true,
		"headsImmutableDays": 2555.0, "network": "private",
		"alertEmails": []any{"ada@contoso.example"}}
	out, code := c.deploy("--parameters", c.parameterFile(given))
	require.Equal(t, 1, code)
	require.Contains(t, out, "the deployment failed. Azure says: BadRequest: Site.SiteConfig is invalid")
	require.NotNil(t, c.state().get(provider("Microsoft.Storage/storageAccounts", "stledgerx1y2z3w4a")))
	require.Empty(t, c.state().Settings)
	// Its policy is locked meanwhile, and found without any output.
	c.change(func(s *subscription) {
		heads := s.get(provider("Microsoft.Storage/storageAccounts", "stledgerx1y2z3w4a") +
			"/blobServices/default/containers/entraledger-heads")
		heads["properties"].(arm)["immutabilityPolicy"].(arm)["properties"].(arm)["state"] = "Locked"
	})
	_, code = c.deploy()
	require.Equal(t, 1, code, "it fails once more")
	c.deployed()
	now := c.parameters()
	for name, value := range given {
		require.Equal(t, value, now[name], name)
	}
	require.Equal(t, true, now["headsLocked"])
	require.Equal(t, "*=2026-01-01/2026-03-31", c.state().Settings["ARCHIVE_HOLD"])
	require.Equal(t, "Locked", policyState(c.state().get(provider("Microsoft.Storage/storageAccounts",
		"stledgerx1y2z3w4a")+"/blobServices/default/containers/entraledger-heads")))
}

func TestWhatNoDeploymentRemovesIsListed(t *testing.T) {
	c := newCloud(t, nil)
	c.deployed("--set", "auditArchiveAccess=true")
	c.change(func(s *subscription) {
		heads := s.get(provider("Microsoft.Storage/storageAccounts", "stledgerx1y2z3w4a") +
			"/blobServices/default/containers/entraledger-heads")
		heads["properties"].(arm)["immutabilityPolicy"].(arm)["properties"].(arm)["state"] = "Locked"
	})
	out := c.deployed("--set", "lockArchive=false", "--set", "auditArchiveAccess=false", "--set",
		"headsImmutableDays=30")
	require.Contains(t, out, "the archive's lock: no deployment takes it away")
	require.Contains(t, out, "the audit of the archive: no deployment takes it away")
	require.Contains(t, out, "the heads' 365 days: the policy is locked")
	require.NotEmpty(t, c.state().below("/locks/keep-the-archive"))
}

func TestAPrivateNetworkStaysAndIsLeftOnPurposeOnly(t *testing.T) {
	c := afterDeploying(t, "--set", "network=private", "--set", "networkAddressPrefix=10.20.0.0/24")
	c.deployed()
	require.Equal(t, "private", c.parameters()["network"])
	require.Equal(t, "10.20.0.0/24", c.parameters()["networkAddressPrefix"])
	out, code := c.deploy("--set", "network=public")
	require.Equal(t, 1, code)
	require.Contains(t, out, "network: private is there, public was given")
	require.Contains(t, out, "stledgerx1y2z3w4a is closed to the internet")
	c.deployed("--set", "network=public", "--overwrite-settings")
	// What Azure leaves of it does not bring it back.
	require.NotEmpty(t, c.state().below("/virtualNetworks/vnet-"))
	c.deployed()
	require.Equal(t, "public", c.parameters()["network"])
}

func TestAConnectionStringOfTheHostStopsTheDeployment(t *testing.T) {
	c := afterDeploying(t)
	c.change(func(s *subscription) {
		s.Settings["AzureWebJobsStorage"] = "DefaultEndpointsProtocol=https;AccountKey=verysecret"
	})
	out, code := c.deploy("--overwrite-settings")
	require.Equal(t, 1, code)
	require.Contains(t, out,
		"appsettings delete --resource-group rg-ledger --name func-ledger-x1y2z3w4 --setting-names AzureWebJobsStorage")
	require.NotContains(t, out, "verysecret")
	c.change(func(s *subscription) { delete(s.Settings, "AzureWebJobsStorage") })
	c.deployed()
	require.NotContains(t, c.state().Settings, "AzureWebJobsStorage")
}

func TestOfTwoArchivesTheAppSaysWhichIsItsOwn(t *testing.T) {
	c := afterDeploying(t)
	moved := provider("Microsoft.Storage/storageAccounts", "stmovedhere")
	c.change(func(s *subscription) {
		s.put(moved, arm{"tags": arm{"entraledger": "ledger", "part": "archive"}, "sku": arm{"name": "Standard_LRS"},
			"properties": arm{}})
	})
	c.deployed()
	require.Equal(t, "stledgerx1y2z3w4a", c.parameters()["archiveAccountName"])
	out, code := c.deploy("--set", "archiveAccountName=stmovedhere")
	require.Equal(t, 1, code)
	require.Contains(t, out, "archiveAccountName: stledgerx1y2z3w4a is there, stmovedhere was given")
	c.change(func(s *subscription) {
		require.NoError(t, s.remove(provider("Microsoft.Web/sites", "func-ledger-x1y2z3w4")))
	})
	out, code = c.deploy()
	require.Equal(t, 1, code)
	require.Contains(t, out, "several storage accounts that are tagged as the archive")
	require.Contains(t, out, "<one of: stledgerx1y2z3w4a stmovedhere>")
	c.deployed("--set", "archiveAccountName=stmovedhere")
	require.Equal(t, "Standard_LRS", c.parameters()["archiveRedundancy"], "what was moved here stays as it is")
}

// TestASecondAppOnTheSameArchiveTakesItAsItIs is the last resort where an app's timers stay silent.
func TestASecondAppOnTheSameArchiveTakesItAsItIs(t *testing.T) {
	c := afterDeploying(t, "--set", "archiveRedundancy=Standard_LRS", "--set", "headsImmutableDays=2555", "--set",
		"softDeleteDays=90")
	c.change(func(s *subscription) {
		heads := s.get(archiveID + "/blobServices/default/containers/entraledger-heads")
		heads["properties"].(arm)["immutabilityPolicy"].(arm)["properties"].(arm)["state"] = "Locked"
	})
	c.deployed("--name", "second", "--set", "archiveAccountName=stledgerx1y2z3w4a")
	now := c.parameters()
	for name, value := range map[string]any{"archiveRedundancy": "Standard_LRS", "headsImmutableDays": 2555.0,
		"softDeleteDays": 90.0, "headsLocked": true} {
		require.Equal(t, value, now[name], name)
	}
	// The first app is removed, and may not remove the archive with it.
	out, code := c.destroy("--delete-archive", "stledgerx1y2z3w4a")
	require.Equal(t, 1, code)
	require.Contains(t, out, "is the archive of another app by now")
	out, code = c.destroy()
	require.Zero(t, code, out)
	require.Contains(t, c.names(), "stledgerx1y2z3w4a")
	require.Contains(t, c.names(), "keep-the-archive")
	require.Contains(t, c.names(), "func-second-x1y2z3w4")
	require.NotContains(t, c.names(), "func-ledger-x1y2z3w4")
}

// TestTheFilesOfParametersAreTaken deploys with each file that is shipped.
func TestTheFilesOfParametersAreTaken(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("parameters", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		t.Run(f, func(t *testing.T) {
			path, err := filepath.Abs(f)
			require.NoError(t, err)
			c := newCloud(t, nil)
			c.deployed("--parameters", path)
			out := c.deployed("--parameters", path)
			require.NotContains(t, out, "would change:")
		})
	}
}
