package snapshots_test

import (
	"os"
	"path/filepath"
	"strings"
)

// Types of resources that several rules name.
const (
	sites       = "Microsoft.Web/sites"
	accounts    = "Microsoft.Storage/storageAccounts"
	blobService = accounts + "/blobServices"
	tables      = accounts + "/tableServices"
	containers  = blobService + "/containers"
	policies    = containers + "/immutabilityPolicies"
	locks       = "Microsoft.Authorization/locks"
	roles       = "Microsoft.Authorization/roleAssignments"
	identities  = "Microsoft.ManagedIdentity/userAssignedIdentities"
	configs     = sites + "/config"
	publishing  = sites + "/basicPublishingCredentialsPolicies"
	packages    = sites + "/extensions"
	plans       = "Microsoft.Web/serverfarms"
	workspaces  = "Microsoft.OperationalInsights/workspaces"
	components  = "Microsoft.Insights/components"
	alertRules  = "Microsoft.Insights/scheduledQueryRules"
	mailGroups  = "Microsoft.Insights/actionGroups"
	logging     = "Microsoft.Insights/diagnosticSettings"
	networks    = "Microsoft.Network/virtualNetworks"
	firewalls   = "Microsoft.Network/networkSecurityGroups"
	zones       = "Microsoft.Network/privateDnsZones"
	zoneLinks   = zones + "/virtualNetworkLinks"
	endpoints   = "Microsoft.Network/privateEndpoints"
	zoneGroups  = endpoints + "/privateDnsZoneGroups"
	tenantLogs  = "microsoft.aadiam/diagnosticSettings"
	attrLogs    = "microsoft.aadCustomSecurityAttributesDiagnosticSettings/diagnosticSettings"
	grants      = "Microsoft.Graph/appRoleAssignedTo@v1.0"
)

// put sets the value at a path of members. A nil value deletes it.
func put(members map[string]any, path string, v any) {
	first, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		if members[first] = v; v == nil {
			delete(members, first)
		}
		return
	}
	inner, ok := members[first].(map[string]any)
	if !ok {
		inner = map[string]any{}
		members[first] = inner
	}
	put(inner, rest, v)
}

// account is the id of the archive's ("a") or the host's ("h") storage account.
func (s *snapshot) account(which string) string {
	if which == "a" && s.archive != "" {
		return group + accounts + "/" + s.archive
	}
	for _, r := range s.of(accounts) {
		if strings.HasSuffix(r.name(), which) {
			return textOf(r.ID)
		}
	}
	return ""
}

// one is the only resource of a type, an empty one if there is none.
func (s *snapshot) one(kind string) *predicted {
	if found := s.of(kind); len(found) == 1 {
		return found[0]
	}
	return &predicted{}
}

// release is the release that the templates deploy.
func release() string {
	text, err := os.ReadFile(filepath.Join(infra, "release.txt"))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text))
}
