package infra_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const archiveID = rgID + "/providers/Microsoft.Storage/storageAccounts/stledgerx1y2z3w4a"

// toDestroy is a deployment with everything that there may be.
func toDestroy(t *testing.T, change func(*subscription)) *cloud {
	c := afterDeploying(t, "--set", "network=private", "--set", "auditArchiveAccess=true", "--grants", "print")
	if change != nil {
		c.change(change)
	}
	return c
}

func (c *cloud) destroy(args ...string) (string, int) {
	c.Helper()
	return c.run("destroy.sh", append([]string{"--resource-group", "rg-ledger", "--yes"}, args...)...)
}

// names are what is left: resources, and locks on the archive.
func (c *cloud) names() (out []string) {
	for _, r := range c.state().Resources {
		out = append(out, r["name"].(string))
	}
	slices.Sort(out)
	return out
}

// keptArchive is what is left when all but the archive was deleted: what is of others stays.
var keptArchive = []string{"default", "entraledger-heads", "keep-the-archive", "of-somebody-else", "stledgerx1y2z3w4a"}

func TestDestroyKeepsTheArchiveUnlessItIsSpeltOut(t *testing.T) {
	t.Run("kept, with its lock, and without what was the app's on it", func(t *testing.T) {
		c := toDestroy(t, nil)
		lock := c.state().get(archiveID + "/providers/Microsoft.Authorization/locks/keep-the-archive")
		out, code := c.destroy()
		require.Zero(t, code, out)
		require.Contains(t, out, "kept: the archive, stledgerx1y2z3w4a")
		require.Contains(t, out, "the lock of stledgerx1y2z3w4a is back")
		require.Equal(t, keptArchive, c.names())
		require.Equal(t, lock["properties"], c.state().get(archiveID +
			"/providers/Microsoft.Authorization/locks/keep-the-archive")["properties"])
		out, code = c.destroy()
		require.Zero(t, code)
		require.Contains(t, out, "nothing to delete")
		// And the archive is gone on with.
		c.deployed()
		require.Equal(t, "stledgerx1y2z3w4a", c.parameters()["archiveAccountName"])
		require.Equal(t, "private", c.parameters()["network"], "a closed archive is not opened")
	})
	t.Run("not by a word that is not its name", func(t *testing.T) {
		c := toDestroy(t, nil)
		before := c.names()
		out, code := c.destroy("--delete-archive", "yes")
		require.Equal(t, 1, code)
		require.Contains(t, out, "'stledgerx1y2z3w4a', and not 'yes'")
		require.Equal(t, before, c.names())
	})
	t.Run("deleted", func(t *testing.T) {
		c := toDestroy(t, nil)
		out, code := c.destroy("--delete-archive", "stledgerx1y2z3w4a")
		require.Zero(t, code, out)
		require.Empty(t, c.names())
		require.NotContains(t, out, "is back")
	})
	t.Run("never under a locked policy", func(t *testing.T) {
		c := toDestroy(t, func(s *subscription) {
			s.get(archiveID + "/blobServices/default/containers/entraledger-heads")["properties"].(arm)["immutabilityPolicy"].(arm)["properties"].(arm)["state"] = "Locked"
		})
		before := c.names()
		out, code := c.destroy("--delete-archive", "stledgerx1y2z3w4a")
		require.Equal(t, 1, code)
		require.Contains(t, out, "nothing was deleted")
		require.Equal(t, before, c.names())
	})
}

func TestDestroyLeavesWhatIsOfOthers(t *testing.T) {
	c := toDestroy(t, func(s *subscription) {
		s.put(provider("Microsoft.Insights/components", "appi-of-another"), arm{})
		s.put(provider("Microsoft.AlertsManagement/smartDetectorAlertRules", "Failure Anomalies - appi-of-another"),
			arm{})
		s.put(provider("Microsoft.Web/sites", "func-another"), arm{"tags": arm{"entraledger": "another",
			"part": "app"}})
	})
	out, code := c.destroy()
	require.Zero(t, code, out)
	left := append([]string{"Application Insights Smart Detection", "Failure Anomalies - appi-of-another",
		"appi-of-another", "func-another"}, keptArchive...)
	slices.Sort(left)
	require.Equal(t, left, c.names(), "the group of smart detection is another component's, too")
}

// TestADestroyThatFailsAnywherePutsTheLockBackAndGoesOn lets each call fail for good, once.
func TestADestroyThatFailsAnywherePutsTheLockBackAndGoesOn(t *testing.T) {
	for _, call := range []string{"resource list", "roleAssignments?", "locks?", "alert-archive-stale",
		"diagnosticSettings/app", "sites/func-", "serverfarms", "pep-archive-blob",
		"--method delete --url " + archiveID + "/blobServices", "roleAssignments/of-", "components/appi",
		"stledgerx1y2z3w4h", "userAssignedIdentities"} {
		t.Run(call, func(t *testing.T) {
			c := toDestroy(t, func(s *subscription) {
				s.Faults = []fault{{Call: call, Says: "(Conflict) not now",
					Times: 1}}
			})
			out, code := c.destroy()
			require.Equal(t, 1, code, out)
			require.Contains(t, out, "Azure says: ")
			require.Contains(t, c.names(), "keep-the-archive", out)
			out, code = c.destroy()
			require.Zero(t, code, out)
			require.Equal(t, keptArchive, c.names())
		})
	}
}

func TestASubnetThatAzureHoldsIsTriedAgainAndComesLast(t *testing.T) {
	text := "(InUseSubnetCannotBeDeleted) Subnet app is in use by .../serviceAssociationLinks/legionservicelink"
	c := toDestroy(t, func(s *subscription) {
		s.Faults = []fault{{Call: "virtualNetworks/vnet-", Says: text,
			Times: 3}}
	})
	out, code := c.destroy()
	require.Zero(t, code, out)
	require.Contains(t, out, "is in use still (try 3 of 12)")

	c2 := &cloud{T: t, folder: c.folder, env: c.env}
	c2.deployed("--grants", "print")
	c2.change(func(s *subscription) { s.Faults = []fault{{Call: "virtualNetworks/vnet-", Says: text, Times: -1}} })
	out, code = c2.destroy()
	require.Equal(t, 1, code)
	require.Contains(t, out, "everything else is")
	require.Contains(t, out, "run this again later")
	left := append([]string{"nsg-ledger-x1y2z3w4", "vnet-ledger-x1y2z3w4"}, keptArchive...)
	slices.Sort(left)
	require.Equal(t, left, c2.names())
	c2.change(func(s *subscription) { s.Faults = nil })
	out, code = c2.destroy()
	require.Zero(t, code, out)
	require.Equal(t, keptArchive, c2.names())
}

func TestDestroyRefusesWhatCantBeMeant(t *testing.T) {
	c := newCloud(t, nil)
	for args, says := range map[string]string{"": "--resource-group is needed",
		"--resource-group rg-other":           "there is no resource group rg-other",
		"--resource-group rg-ledger --name x": "has 1 characters",
		"--resource-group rg-ledger --force":  "unknown option --force"} {
		out, code := c.run("destroy.sh", strings.Fields(args)...)
		require.Equal(t, 1, code)
		require.Contains(t, out, says)
	}
}
