package importing

import (
	"strings"

	"github.com/entraledger/entraledger/internal/entra"
	"github.com/entraledger/entraledger/internal/logs"
)

// What is done to records that are not in Graph's form already. docs/import.md has the same, for
// who reads the files; a test compares the two.
//
// Sources: learn.microsoft.com/azure/azure-monitor/reference/tables (signinlogs,
// aadnoninteractiveusersigninlogs, aadserviceprincipalsigninlogs, aadmanagedidentitysigninlogs,
// auditlogs, aadcustomsecurityattributeauditlogs, aadprovisioninglogs), and what was measured of
// diagnostic settings' records beside Graph's of the same id.

// way is how a value is written.
type way string

const (
	asIs         way = ""
	asConditions way = "conditions" // the number of satisfied conditions becomes their names
	asLower      way = "lower"      // the first letter becomes a small one
)

// rule is what becomes of a member. Path has points between names, and # for each element of a
// list.
type rule struct {
	Path string
	To   string // the member's name in Graph; empty: as it is
	As   way
}

// noise begins the names of members that the delivery adds for itself.
const noise = "__UDI_RequiredFields_"

// categories are the names of logs in diagnostic settings, and tables those in Log Analytics.
func categories() map[string]entra.Stream {
	return map[string]entra.Stream{
		"AuditLogs":                           logs.DirectoryAudits,
		"SignInLogs":                          logs.SignInsInteractiveUser,
		"NonInteractiveUserSignInLogs":        logs.SignInsNonInteractiveUser,
		"ServicePrincipalSignInLogs":          logs.SignInsServicePrincipal,
		"ManagedIdentitySignInLogs":           logs.SignInsManagedIdentity,
		"ProvisioningLogs":                    logs.Provisioning,
		"CustomSecurityAttributeAuditLogs":    logs.CustomSecurityAttributeAudits,
		"SigninLogs":                          logs.SignInsInteractiveUser,
		"AADNonInteractiveUserSignInLogs":     logs.SignInsNonInteractiveUser,
		"AADServicePrincipalSignInLogs":       logs.SignInsServicePrincipal,
		"AADManagedIdentitySignInLogs":        logs.SignInsManagedIdentity,
		"AADProvisioningLogs":                 logs.Provisioning,
		"AADCustomSecurityAttributeAuditLogs": logs.CustomSecurityAttributeAudits,
	}
}

// rulesOf are the rules for what is inside a delivered record of a log.
func rulesOf(s entra.Stream) []rule {
	if logs.Of(s).IsSignIns() {
		return []rule{
			{Path: "userType", As: asLower},
			{Path: "appliedConditionalAccessPolicies.#.conditionsSatisfied", As: asConditions},
			{Path: "appliedConditionalAccessPolicies.#.conditionsNotSatisfied", As: asConditions},
		}
	}
	if s != logs.Provisioning {
		return nil
	}
	var out []rule
	for _, of := range []string{"servicePrincipal", "servicePrincipal.#", "sourceSystem", "targetSystem",
		"sourceIdentity", "targetIdentity", "initiatedBy"} {
		out = append(out, rule{Path: of + ".Id", To: "id"}, rule{Path: of + ".Name", To: "displayName"})
	}
	return out
}

// conditions are the bits of conditionsSatisfied that were measured; a number with another one
// stays a number.
func conditions() []string {
	return []string{"application", "users", "devicePlatform", "location", "clientType"}
}

// column is what a column of a table becomes: a property of Graph's record, or, without a name,
// nothing.
func columnsOf(s entra.Stream) map[string]string {
	out := map[string]string{
		// Azure Monitor's own, some of which have names like a property's.
		"TimeGenerated": "", "TenantId": "", "AADTenantId": "", "SourceSystem": "", "Type": "", "Resource": "",
		"ResourceGroup": "", "ResourceProvider": "", "ResourceId": "", "SubscriptionId": "", "Level": "", "MG": "",
		"OperationName": "", "OperationVersion": "", "ResultSignature": "", "ResultType": "", "ResultDescription": "",
		"DurationMs": "", "Identity": "", "CallerIpAddress": "", "TableName": "", "PrimaryResult": "",
		"Location": "", "Category": "",
	}
	if logs.Of(s).IsSignIns() {
		out["ConditionalAccessPolicies"] = "appliedConditionalAccessPolicies"
		out["LocationDetails"], out["ResourceIdentity"] = "location", "resourceId"
		return out
	}
	out["AADOperationType"], out["Category"] = "operationType", "category"
	return out
}

// extractorNames are properties whose names in PowerShell's objects differ by more than case.
func extractorNames() map[string]string {
	return map[string]string{"riskeventtypesv2": "riskEventTypes_v2"}
}

// lowerFirst writes a name with a small first letter.
func lowerFirst(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToLower(name[:1]) + name[1:]
}
