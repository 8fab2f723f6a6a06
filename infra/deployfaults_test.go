package infra_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// kinds of answers that are none: what Azure, a proxy or a broken connection say now and then.
var kinds = map[string]fault{
	"it is not found": {Says: `Not Found({"error":{"code":"ResourceNotFound","message":"The Resource was not found."}})`},
	"nothing":         {Answers: silence},
	"null":            {Answers: "null"},
	"a page":          {Answers: "<html>proxy says hello</html>"},
	"half an answer":  {Answers: `{"id": "x", "value": [`},
	"an empty list":   {Answers: "[]"},
	"an empty map":    {Answers: "{}"},
	"signed out": {Says: `Unauthorized({"error":{"code":"ExpiredAuthenticationToken","message":"The access ` +
		`token is expired."}})`},
}

// everything is a deployment of which each default would revert something.
var everything = []string{"--set", "network=private", "--set", "auditArchiveAccess=true", "--set",
	"hold=*=2026-01-01/2026-03-31",
	"--set", "entraClientId=0a1b2c3d-0000-0000-0000-00000000000e", "--set", `alertEmails=["a@b.example"]`, "--set",
	"headsImmutableDays=2555", "--set", "softDeleteDays=90", "--set", "archiveRedundancy=Standard_GZRS", "--set",
	"logRetentionDays=90", "--set", "archiveAccountName=stledgerx1y2z3w4a", "--set", `tags={"costCenter":"4711"}`}

// TestNoFailedQueryMakesADeploymentRevertSomething lets each call up to the deployment fail once,
// in each of these ways. The run comes to the same parameters as without, or stops before it
// changes anything.
func TestNoFailedQueryMakesADeploymentRevertSomething(t *testing.T) {
	plain := afterDeploying(t, everything...)
	first := plain.parameters()
	plain.deployed()
	require.Equal(t, first, plain.parameters())
	calls := plain.state().Log
	calls = calls[:slices.IndexFunc(calls, func(call string) bool { return strings.Contains(call, "what-if") })]
	require.Greater(t, len(calls), 20)
	for n, kind := range perCall(calls) {
		t.Run(fmt.Sprintf("call %d, %s", n, kind), func(t *testing.T) {
			c := afterDeploying(t, everything...)
			before := c.state()
			c.change(func(s *subscription) {
				f := kinds[kind]
				f.Nth, f.Times = n, 1
				// What comes after the deployment is the same for each: the first call of the
				// grants ends the run.
				s.Faults = []fault{f, {Call: "ad sp show", Says: "(AuthorizationFailed) no", Times: -1}}
			})
			out, _ := c.deploy()
			require.Zero(t, c.state().Faults[0].Times)
			require.Equal(t, before.Settings, c.state().Settings, out)
			require.Equal(t, first, c.parameters(), out)
			if !strings.Contains(out, "STOP: reading Microsoft Graph's service principal failed") {
				require.Equal(t, before.Resources, c.state().Resources, out)
				require.Len(t, c.state().Deployments, len(before.Deployments), out)
			}
		})
	}
}

// perCall gives each call its number and a kind of fault, and all that read resources that none is
// found. All of each together would last minutes.
func perCall(calls []string) func(yield func(int, string) bool) {
	names := slices.Sorted(maps.Keys(kinds))
	return func(yield func(int, string) bool) {
		for i, call := range calls {
			given := names[i%len(names)]
			if !yield(i+1, given) || strings.HasPrefix(call, "rest --method get") && given != "it is not found" &&
				!yield(i+1, "it is not found") {
				return
			}
		}
	}
}

func TestWhatIsNotFoundForGoodIsNoReasonToWriteDefaults(t *testing.T) {
	for _, part := range []string{"sites/" + appName + "?", "authsettingsV2", "blobServices/default?",
		archiveName("ledger-x1y2z3w4",
			arm{"archiveAccountName": ""}) + "?", "/locks?", "workspaces/", "actionGroups/", "virtualNetworks/",
		"scheduledQueryRules?"} {
		t.Run(part, func(t *testing.T) {
			c := afterDeploying(t, everything...)
			c.change(func(s *subscription) {
				s.Faults = []fault{{Call: part, Says: kinds["it is not found"].Says, Times: -1}}
			})
			out, code := c.deploy()
			require.Equal(t, 1, code, out)
			require.Contains(t, out, "can't be read, and it is there or was a moment ago")
			require.Equal(t, -3, c.state().Faults[0].Times, "asked twice")
		})
	}
	// That there is no such subscription says nothing of a resource.
	c := afterDeploying(t, everything...)
	c.change(func(s *subscription) {
		s.Faults = []fault{{Call: "entraledger-heads",
			Says: "(SubscriptionNotFound) The subscription could not be found.", Times: -1}}
	})
	out, code := c.deploy()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "SubscriptionNotFound")
}

func TestAnAppWithoutItsTagsIsNotTakenForNone(t *testing.T) {
	for _, id := range []string{provider("Microsoft.Web/sites", appName),
		provider("Microsoft.Storage/storageAccounts", "stledgerx1y2z3w4h"),
		provider("Microsoft.OperationalInsights/workspaces", "log-ledger-x1y2z3w4"),
		provider("Microsoft.Insights/actionGroups", "ag-ledger-x1y2z3w4")} {
		t.Run(id[strings.LastIndex(id, "/")+1:], func(t *testing.T) {
			c := afterDeploying(t, "--set", "hold=*=2026-01-01/2026-03-31")
			c.change(func(s *subscription) { s.get(id)["tags"] = arm{"owner": "ada"} })
			before := c.state().Settings
			out, code := c.deploy("--overwrite-settings")
			require.Equal(t, 1, code, out)
			require.Contains(t, out, "az tag update --operation merge --resource-id "+id+
				" --tags entraledger=ledger part=")
			require.Equal(t, before, c.state().Settings)
		})
	}
	c := afterDeploying(t)
	c.change(func(s *subscription) {
		for _, r := range s.Resources {
			delete(r, "tags")
		}
	})
	out, code := c.deploy()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "--resource-id "+archiveID+" --tags entraledger=ledger part=archive")
}

func TestAListThatDoesNotHaveTheAppIsNotBelieved(t *testing.T) {
	c := afterDeploying(t)
	app := provider("Microsoft.Web/sites", appName)
	c.change(func(s *subscription) { s.Faults = []fault{{Call: "resource list", Answers: "[]", Times: -1}} })
	out, code := c.deploy()
	require.Equal(t, 1, code, out)
	require.Contains(t, out,
		"the app "+appName+" is there, and Azure's list of the resources of rg-ledger does not have it")
	// If the app is gone as well, nothing is left, and the script has to say so.
	c.change(func(s *subscription) { delete(s.Resources, strings.ToLower(app)) })
	out, code = c.deploy()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "az deployment group delete --resource-group rg-ledger --name entraledger-ledger")
}

func TestAnAppWhoseArchiveIsElsewhereGetsNoNewOne(t *testing.T) {
	c := afterDeploying(t)
	c.change(func(s *subscription) {
		s.Settings["ARCHIVE_STORAGE__tableServiceUri"] = "https://stmovedaway.table.core.windows.net/"
	})
	out, code := c.deploy("--overwrite-settings")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, appName+" writes the archive stmovedaway, and rg-ledger has no storage "+
		"account of that name")
	require.Equal(t, "https://stmovedaway.table.core.windows.net/",
		c.state().Settings["ARCHIVE_STORAGE__tableServiceUri"])
	c.change(func(s *subscription) { delete(s.Settings, "ARCHIVE_STORAGE__tableServiceUri") })
	out, code = c.deploy("--overwrite-settings")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "don't say which archive it writes")
}

func TestAuthenticationThatAFailedDeploymentDidNotComeToIsGoneOnWith(t *testing.T) {
	const client = "0a1b2c3d-0000-0000-0000-00000000000e"
	c := afterDeploying(t, "--set", "entraClientId="+client)
	off := func(state string) {
		c.change(func(s *subscription) {
			s.Deployments[len(s.Deployments)-1]["properties"].(arm)["provisioningState"] = state
			s.put(provider("Microsoft.Web/sites", appName)+"/config/authsettingsV2", arm{"properties": arm{
				"platform": arm{"enabled": false}, "identityProviders": arm{}}})
			s.App.Authentication = false
		})
	}
	off("Failed")
	c.deployed()
	require.Equal(t, "entra", c.state().Settings["HTTP_AUTHORIZATION"])
	require.Equal(t, client, c.parameters()["entraClientId"])
	// From Entra to a key alone: only if the deployer says so.
	off("Failed")
	c.change(func(s *subscription) {
		delete(s.Deployments[len(s.Deployments)-1]["properties"].(arm)["parameters"].(arm)["entraClientId"].(arm),
			"value")
	})
	out, code := c.deploy()
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "everybody with a key could read the archive")
	require.Equal(t, "entra", c.state().Settings["HTTP_AUTHORIZATION"])
	c.deployed("--overwrite-settings")
	require.Equal(t, "key", c.state().Settings["HTTP_AUTHORIZATION"])
}

func TestAnAppInAnotherRegionThanItsGroupIsDeployedWhereItIs(t *testing.T) {
	c := afterDeploying(t)
	c.change(func(s *subscription) {
		s.GroupLocation, s.Locations = "eastus", append(s.Locations, "eastus")
		s.get(provider("Microsoft.Web/sites", appName))["location"] = "West Europe" // as App Service writes it
	})
	out, code := c.deploy("--location", "eastus")
	require.Equal(t, 1, code, out)
	require.Contains(t, out, appName+" is in westeurope, and not in eastus")
	c.deployed("--location", "westeurope")
	require.Equal(t, "westeurope", c.parameters()["location"])
}

func TestAnArchiveThatWasKeptGetsTheSettingsOfItsLastAppBack(t *testing.T) {
	c := afterDeploying(t, everything...)
	first := c.parameters()
	out, code := c.destroy()
	require.Zero(t, code, out)
	out = c.deployed("--set", "retention=forever")
	require.Contains(t, out, "it gets the settings of the deployment entraledger-ledger")
	require.Equal(t, first, c.parameters())
	require.Equal(t, "*=2026-01-01/2026-03-31", c.state().Settings["ARCHIVE_HOLD"])
}
