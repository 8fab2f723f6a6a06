package infra_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// What infra/main.bicep makes, as far as the scripts look at it. A test compares the names of
// settings with the template.

func tags(p arm, part string) arm {
	out := arm{"entraledger": p["name"], "part": part}
	for name, value := range p["tags"].(arm) {
		out[name] = value
	}
	return out
}

func provider(kind, name string) string { return rgID + "/providers/" + kind + "/" + name }

// write makes a resource, or replaces the one that is there: what only the old one had is lost.
func (s *subscription) write(id string, p arm, part string, more arm) arm {
	r := arm{"type": typeOf(id), "tags": tags(p, part), "location": p["location"]}
	for k, v := range more {
		r[k] = v
	}
	return s.put(id, r)
}

func (s *subscription) makeIdentity(base string, p arm) error {
	s.write(provider("Microsoft.ManagedIdentity/userAssignedIdentities", "id-"+base), p, "identity",
		arm{"properties": arm{"principalId": principal, "clientId": "client-of-id"}})
	return nil
}

func (s *subscription) makeMonitoring(base string, p arm) error {
	s.write(provider("Microsoft.OperationalInsights/workspaces", "log-"+base), p, "monitoring",
		arm{"properties": arm{"retentionInDays": p["logRetentionDays"],
			"workspaceCapping": arm{"dailyQuotaGb": p["logDailyCapGb"]}}})
	s.write(provider("Microsoft.Insights/components", "appi-"+base), p, "monitoring", nil)
	s.put(provider("Microsoft.AlertsManagement/smartDetectorAlertRules", "Failure Anomalies - appi-"+base), arm{})
	s.put(provider("Microsoft.Insights/actionGroups", "Application Insights Smart Detection"), arm{})
	return nil
}

func (s *subscription) makeStorage(base string, p arm) error {
	short := strings.ReplaceAll(base, "-", "")
	network := arm{"publicNetworkAccess": "Enabled",
		"networkAcls": arm{"defaultAction": "Allow", "bypass": "AzureServices", "ipRules": []any{}}}
	if p["network"] == "private" {
		network = arm{"publicNetworkAccess": "Disabled", "networkAcls": arm{"defaultAction": "Deny",
			"ipRules": []any{}}}
	}
	s.write(provider("Microsoft.Storage/storageAccounts", "st"+short+"h"), p, "host",
		arm{"sku": arm{"name": "Standard_LRS"}, "properties": network})
	id := provider("Microsoft.Storage/storageAccounts", archiveName(base, p))
	if strings.Contains(p["archiveRedundancy"].(string), "ZRS") && slices.Contains(s.Zoneless, s.GroupLocation) {
		return arErr("RedundancyConfigurationNotAvailableInRegion", "The redundancy is not available in the region.")
	}
	s.write(id, p, "archive", arm{"sku": arm{"name": p["archiveRedundancy"]}, "properties": network})
	s.put(id+"/blobServices/default", arm{"properties": arm{"deleteRetentionPolicy": arm{"enabled": true,
		"days": p["softDeleteDays"]}, "containerDeleteRetentionPolicy": arm{"enabled": true,
		"days": p["softDeleteDays"]}}})
	heads := id + "/blobServices/default/containers/entraledger-heads"
	if s.get(heads) == nil {
		s.put(heads, arm{})
	}
	if p["headsLocked"] == false {
		if policyState(s.get(heads)) == "Locked" {
			return arErr("OperationNotAllowedOnLockedPolicy",
				"The policy is locked, and an unlocked one was to be put.")
		}
		s.put(heads, arm{"properties": arm{"hasImmutabilityPolicy": true,
			"immutabilityPolicy": arm{"properties": arm{
				"immutabilityPeriodSinceCreationInDays": p["headsImmutableDays"], "state": "Unlocked"}}}})
	}
	if p["lockArchive"] == true {
		if slices.ContainsFunc(s.Roles,
			func(r role) bool { return r.Name == "Role Based Access Control Administrator" }) &&
			!slices.ContainsFunc(s.Roles, func(r role) bool { return r.Name == "Locks Contributor" }) {
			return arErr("AuthorizationFailed",
				"does not have authorization to perform action 'Microsoft.Authorization/locks/write'")
		}
		s.put(id+"/providers/Microsoft.Authorization/locks/keep-the-archive",
			arm{"properties": arm{"level": "CanNotDelete", "notes": "The archive of Entra Ledger."}})
	}
	if p["auditArchiveAccess"] == true {
		for _, service := range []string{"blobServices", "tableServices"} {
			s.put(id+"/"+service+"/default/providers/Microsoft.Insights/diagnosticSettings/access",
				arm{"properties": arm{"workspaceId": provider("Microsoft.OperationalInsights/workspaces",
					"log-"+base)}})
		}
	}
	for _, r := range []string{"table", "blob"} {
		s.put(fmt.Sprintf("%s/providers/Microsoft.Authorization/roleAssignments/of-%s-archive-%s", id, principal, r),
			arm{"properties": arm{"principalId": principal, "scope": id}})
	}
	s.put(id+"/providers/Microsoft.Authorization/roleAssignments/of-somebody-else",
		arm{"properties": arm{"principalId": "somebody-else", "scope": id}})
	return nil
}

func policyState(heads arm) any {
	properties, _ := heads["properties"].(arm)
	policy, _ := properties["immutabilityPolicy"].(arm)
	inner, _ := policy["properties"].(arm)
	return inner["state"]
}

func (s *subscription) makeNetwork(base string, p arm) error {
	if p["network"] != "private" {
		return nil
	}
	s.write(provider("Microsoft.Network/networkSecurityGroups", "nsg-"+base), p, "network", nil)
	s.write(provider("Microsoft.Network/virtualNetworks", "vnet-"+base), p, "network",
		arm{"properties": arm{"addressSpace": arm{"addressPrefixes": []any{p["networkAddressPrefix"]}},
			"subnets": []any{arm{"name": "app", "properties": arm{}}, arm{"name": "endpoints", "properties": arm{}}}}})
	zone, ownTags := provider("Microsoft.Network/privateDnsZones", "privatelink.blob.core.windows.net"), maps.Clone(p)
	ownTags["tags"] = arm{} // zones do not accept every tag
	s.write(zone, ownTags, "network", nil)
	s.write(zone+"/virtualNetworkLinks/link-blob-"+base, ownTags, "network", nil)
	s.write(provider("Microsoft.Network/privateEndpoints", "pep-archive-blob-"+base), p, "network",
		arm{"properties": arm{"privateLinkServiceConnections": []any{arm{"properties": arm{
			"privateLinkServiceId": provider("Microsoft.Storage/storageAccounts", archiveName(base, p))}}}}})
	return nil
}

// settingsOf are the settings that the template writes.
func settingsOf(base string, p arm) map[string]string {
	out := map[string]string{"AzureWebJobsStorage__accountName": "host",
		"AzureWebJobsStorage__credential": "managedidentity", "AzureWebJobsStorage__clientId": "client-of-id",
		"AzureWebJobsStorage__blobServiceUri":       "https://host.blob",
		"AzureWebJobsStorage__queueServiceUri":      "https://host.queue",
		"AzureWebJobsStorage__tableServiceUri":      "https://host.table",
		"APPLICATIONINSIGHTS_CONNECTION_STRING":     "InstrumentationKey=1",
		"APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "ClientId=client-of-id;Authorization=AAD",
		"AZURE_CLIENT_ID":                           "client-of-id", "ARCHIVE_STORAGE__clientId": "client-of-id",
		"HTTP_AUTHORIZATION":               "key",
		"ARCHIVE_STORAGE__tableServiceUri": "https://" + archiveName(base, p) + ".table.core.windows.net/"}
	if p["entraClientId"] != "" {
		out["HTTP_AUTHORIZATION"] = "entra"
	}
	for parameter, setting := range parameterSettings {
		switch v := p[parameter].(type) {
		case []any:
			var texts []string
			for _, item := range v {
				texts = append(texts, item.(string))
			}
			out[setting] = strings.Join(texts, ",")
		case string:
			out[setting] = v
		}
	}
	for name, value := range p["otherSettings"].(arm) {
		if _, own := out[name]; !own {
			out[name] = value.(string)
		}
	}
	return out
}

// parameterSettings are the parameters that become a setting as they are.
var parameterSettings = map[string]string{"cloud": "AZURE_CLOUD", "streams": "ARCHIVE_STREAMS",
	"backfill": "ARCHIVE_BACKFILL", "passes": "ARCHIVE_PASSES",
	"retention": "ARCHIVE_RETENTION", "hold": "ARCHIVE_HOLD", "alertAfter": "ARCHIVE_ALERT_AFTER",
	"graceAfterRestore": "INACTIVE_GRACE_AFTER_RESTORE",
	"runBudget":         "ARCHIVE_RUN_BUDGET",
	"archiveSchedule":   "ARCHIVE_SCHEDULE", "snapshotSchedule": "SNAPSHOT_SCHEDULE",
	"indexSchedule": "INDEX_SCHEDULE", "purgeSchedule": "PURGE_SCHEDULE",
	"snapshotGroups": "SNAPSHOT_GROUPS", "graphRequests": "GRAPH_REQUESTS_PER_10S", "publicBaseUrl": "PUBLIC_BASE_URL",
	"attributeAudits": "HTTP_ATTRIBUTE_AUDITS", "mimPartsKeyReference": "MIM_PARTS_KEY"}

func (s *subscription) makeApp(base string, p arm) error {
	for i := range s.Faults { // a deployment that fails half-way: what comes before the app is there
		if f := &s.Faults[i]; f.Call == "the app is made" && f.Times != 0 {
			f.Times--
			return arErr("BadRequest", f.Says)
		}
	}
	s.write(provider("Microsoft.Web/serverfarms", "asp-"+base), p, "app", nil)
	id := provider("Microsoft.Web/sites", "func-"+base)
	subnet := any(nil)
	if p["network"] == "private" {
		subnet = provider("Microsoft.Network/virtualNetworks", "vnet-"+base) + "/subnets/app"
	}
	s.write(id, p, "app",
		arm{"identity": arm{"type": "UserAssigned",
			"userAssignedIdentities": arm{provider("Microsoft.ManagedIdentity/userAssignedIdentities", "id-"+base): arm{
				"principalId": principal, "clientId": "client-of-id"}}}, "properties": arm{"defaultHostName": s.Host,
			"virtualNetworkSubnetId": subnet,
			"functionAppConfig": arm{"scaleAndConcurrency": arm{"instanceMemoryMB": p["instanceMemoryMB"],
				"maximumInstanceCount": p["maximumInstanceCount"], "alwaysReady": nil, "triggers": nil}}}})
	s.put(id+"/providers/Microsoft.Insights/diagnosticSettings/app", arm{})
	auth := arm{"platform": arm{"enabled": false}, "identityProviders": arm{}}
	s.App.Authentication = p["entraClientId"] != ""
	if s.App.Authentication {
		client := p["entraClientId"].(string)
		auth = arm{"platform": arm{"enabled": true},
			"globalValidation": arm{"excludedPaths": []any{"/api/ui", "/api/ui/*"}},
			"identityProviders": arm{"azureActiveDirectory": arm{
				"registration": arm{"clientId": client}, "validation": arm{"allowedAudiences": []any{client, "api://" +
					client}, "jwtClaimChecks": arm{},
					"defaultAuthorizationPolicy": arm{"allowedPrincipals": arm{}}}}}}
	}
	s.put(id+"/config/authsettingsV2", arm{"properties": auth})
	s.Settings = settingsOf(base, p)
	s.Settings["DEPLOYMENT_STORAGE_CONNECTION_STRING"] = "made by the platform"
	return nil
}

func (s *subscription) makeAlerts(base string, p arm) error {
	receivers := []any{}
	for _, address := range p["alertEmails"].([]any) {
		receivers = append(receivers, arm{"emailAddress": address})
	}
	s.write(provider("Microsoft.Insights/actionGroups", "ag-"+base), p, "alerts",
		arm{"properties": arm{"emailReceivers": receivers, "smsReceivers": []any{}}})
	s.write(provider("Microsoft.Insights/scheduledQueryRules", "alert-archive-stale-"+base), p, "alerts",
		arm{"properties": arm{"enabled": true, "criteria": arm{"allOf": []any{arm{"threshold": 1.0}}},
			"actions": arm{"actionGroups": []any{provider("Microsoft.Insights/actionGroups", "ag-"+base)}}}})
	return nil
}

func (s *subscription) makePackage(_ string, p arm) error {
	// The code is what the address leads to, whatever release is named beside it.
	if uri, _ := p["packageUri"].(string); uri != "" {
		s.publish(path.Base(path.Dir(uri)))
	}
	return nil
}
