package infra_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// anArchiveOf is a storage account with these tags, and a record in it for all that is known.
func (s *subscription) anArchiveOf(name string, tags arm) string {
	id := provider("Microsoft.Storage/storageAccounts", name)
	s.put(id, arm{"tags": tags, "sku": arm{"name": "Standard_LRS"}, "properties": arm{}})
	return id
}

func TestAStorageAccountThatMayHoldRecordsIsDeletedOnlyWhereItIsSpeltOut(t *testing.T) {
	t.Run("whatever its part is said to be", func(t *testing.T) {
		var kept []string
		c := toDestroy(t, func(s *subscription) {
			for name, tags := range map[string]arm{"stold1": {"entraledger": "ledger"},
				"stold2": {"entraledger": "ledger", "part": "archive"},
				"stold3": {"entraledger": "ledger", "part": "of the past"}} {
				kept = append(kept, s.anArchiveOf(name, tags))
			}
		})
		out, code := c.destroy("--delete-archive", "stledgerx1y2z3w4a")
		require.Zero(t, code, out)
		for _, id := range kept {
			require.NotNil(t, c.state().get(id), id)
			require.Contains(t, out, "left: "+id[strings.LastIndex(id, "/")+1:])
		}
		require.Nil(t, c.state().get(archiveID))
	})
	t.Run("also where the advice for several archives was followed", func(t *testing.T) {
		var old string
		c := toDestroy(t, func(s *subscription) {
			old = s.anArchiveOf("stold", arm{"entraledger": "ledger", "part": "archive"})
			require.NoError(t, s.remove(provider("Microsoft.Web/sites", appName)))
		})
		out, code := c.destroy()
		require.Equal(t, 1, code)
		require.Contains(t, out, "several storage accounts are tagged as the archive of 'ledger'")
		require.Contains(t, out, "take the tag entraledger off those that are not")
		c.change(func(s *subscription) { delete(s.get(old)["tags"].(arm), "entraledger") })
		out, code = c.destroy()
		require.Zero(t, code, out)
		require.NotNil(t, c.state().get(old))
		require.NotNil(t, c.state().get(archiveID))
	})
	t.Run("and where the tags say that the archive is the host's account", func(t *testing.T) {
		c := toDestroy(t, func(s *subscription) { s.get(archiveID)["tags"].(arm)["part"] = "host" })
		out, code := c.destroy()
		require.Zero(t, code, out)
		require.NotNil(t, c.state().get(archiveID))
		require.Contains(t, c.names(), "keep-the-archive")
	})
}

const firstPrincipal = "22222222-2222-3333-4444-555555555555"

// twoApps is a subscription with an app and a second one that adopted its archive. The first one
// has an identity of its own.
func twoApps(t *testing.T, second ...string) *cloud {
	c := toDestroy(t, func(s *subscription) {
		for key, r := range s.Resources {
			if strings.Contains(key, "/roleassignments/of-"+principal) {
				name := strings.Replace(r["name"].(string), principal, firstPrincipal, 1)
				delete(s.Resources, key)
				s.put(archiveID+"/providers/Microsoft.Authorization/roleAssignments/"+name,
					arm{"properties": arm{"principalId": firstPrincipal, "scope": archiveID}})
			}
		}
		identity := s.get(provider("Microsoft.ManagedIdentity/userAssignedIdentities", "id-ledger-x1y2z3w4"))
		identity["properties"].(arm)["principalId"] = firstPrincipal
	})
	c.deployed(append([]string{"--name", "second", "--set", "archiveAccountName=stledgerx1y2z3w4a", "--grants",
		"print"}, second...)...)
	return c
}

// ofSecond is what the second app has.
func (c *cloud) ofSecond() (out []string) {
	for _, name := range c.names() {
		if strings.Contains(name, "-second-") || strings.Contains(name, "of-"+principal) || name == "access" ||
			name == "keep-the-archive" || name == "stledgerx1y2z3w4a" {
			out = append(out, name)
		}
	}
	return out
}

func TestTheFirstOfTwoAppsOnAnArchiveIsDestroyedWithoutHarmToTheSecond(t *testing.T) {
	both := []string{"--set", "network=private", "--set", "auditArchiveAccess=true"}
	for name, stopsAt := range map[string]string{"at once": "", "after a stop before the endpoints": "serverfarms",
		"after a stop between the roles": "roleAssignments/of-" + firstPrincipal + "-archive-table"} {
		t.Run(name, func(t *testing.T) {
			c := twoApps(t, both...)
			before := c.ofSecond()
			require.Contains(t, before, "pep-archive-blob-second-x1y2z3w4")
			if stopsAt != "" {
				c.change(func(s *subscription) { s.Faults = []fault{{Call: stopsAt, Says: "(Conflict) no", Times: 1}} })
				_, code := c.destroy()
				require.Equal(t, 1, code)
				require.Contains(t, c.names(), "keep-the-archive")
			}
			out, code := c.destroy()
			require.Zero(t, code, out)
			require.Equal(t, before, c.ofSecond())
			require.Contains(t, out, "left: the audit setting of stledgerx1y2z3w4a")
			for _, left := range c.names() {
				require.NotContains(t, left, firstPrincipal, "the old identity has no role any more")
				require.NotContains(t, left, "-ledger-", "the first is gone")
			}
		})
	}
}

func TestAnAuditSettingIsDeletedWithTheWorkspaceThatItWritesTo(t *testing.T) {
	c := twoApps(t, "--set", "network=private", "--set", "auditArchiveAccess=false")
	require.Contains(t, c.names(), "access")
	out, code := c.destroy()
	require.Zero(t, code, out)
	require.NotContains(t, c.names(), "access")
}

func TestAZoneThatOthersAreLinkedToIsLeft(t *testing.T) {
	zone := provider("Microsoft.Network/privateDnsZones", "privatelink.blob.core.windows.net")
	c := toDestroy(t, func(s *subscription) {
		s.put(zone+"/virtualNetworkLinks/link-of-the-hub", arm{"tags": arm{}})
	})
	out, code := c.destroy()
	require.Zero(t, code, out)
	require.Contains(t, out, "left: privatelink.blob.core.windows.net: other networks are linked to it")
	require.NotNil(t, c.state().get(zone))
	require.Contains(t, c.names(), "link-of-the-hub")
	require.NotContains(t, c.names(), "link-blob-ledger-x1y2z3w4")
}

// TestAnAnswerThatIsNoneStopsTheDestroyWithWhatToDo lets az answer each reading call with something
// else, as a proxy or a bug does.
func TestAnAnswerThatIsNoneStopsTheDestroyWithWhatToDo(t *testing.T) {
	for _, call := range []string{"resource list", "appsettings list", "roleAssignments?", "locks?",
		"diagnosticSettings/access?", "userAssignedIdentities/id-ledger-x1y2z3w4?"} {
		for _, answers := range []string{`{"id": "x", "value": [`, "<html>a proxy says hello</html>", "7"} {
			t.Run(call+" "+answers, func(t *testing.T) {
				c := toDestroy(t, func(s *subscription) {
					s.Faults = []fault{{Call: call, Answers: answers, Times: -1}}
				})
				before := c.names()
				out, code := c.destroy()
				require.Equal(t, 1, code, out)
				require.NotContains(t, out, "jq: ")
				require.NotContains(t, out, ".sh: line")
				require.Equal(t, before, c.names(), "nothing was deleted")
			})
		}
	}
}
