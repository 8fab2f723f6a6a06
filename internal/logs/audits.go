package logs

import "fmt"

// What the logs of audits have in common. Source:
// learn.microsoft.com/graph/api/resources/directoryaudit.

const identity = "{displayName id userPrincipalName ipAddress userType homeTenantId homeTenantName roles:*}"

const auditShape = `
activityDateTime:t id activityDisplayName category correlationId loggedByService operationType result resultReason userAgent
tenantId tenantGeo resultType resultDescription operationName identity targetResource:*
additionalDetails[{key value}]
initiatedBy{user` + identity + ` app{appId displayName servicePrincipalId servicePrincipalName}}
targetResources[{id displayName type Type userPrincipalName groupType administrativeUnits:* modifiedProperties[{displayName oldValue newValue}]}]
`

func auditColumns() []Column {
	return []Column{
		{Path: "activityDisplayName", Name: "ActivityDisplayName"},
		{Path: "category", Name: "Category"},
		{Path: "loggedByService", Name: "LoggedByService", Since: 2, Usual: []string{"Core Directory"}},
		{Path: "result", Name: "Result"},
		{Path: "correlationId", Name: "CorrelationId"},
		{Path: "initiatedBy/user/id", Name: "InitiatedByUserId", Indexed: true},
		{Path: "initiatedBy/user/userPrincipalName", Name: "InitiatedByUserPrincipalName"},
		{Path: "initiatedBy/app/servicePrincipalId", Name: "InitiatedByServicePrincipalId", Indexed: true},
	}
}

// AuditTargets, AuditProperties and AuditDetails are how many targets, properties of each, and
// additional details have columns in the portal's audit file; the rest of a record is JSON in the
// last column.
const (
	AuditTargets    = 3
	AuditProperties = 5
	AuditDetails    = 10
)

func auditFile() []FileColumn {
	out := []FileColumn{
		{Name: "Date (UTC)", Path: "activityDateTime", As: AsTime}, {Name: "ID", Path: "id"},
		{Name: "CorrelationId", Path: "correlationId"}, {Name: "Service", Path: "loggedByService"},
		{Name: "Category", Path: "category"},
		{Name: "Activity", Path: "activityDisplayName"}, {Name: "Operation", Path: "operationType"},
		{Name: "Result", Path: "result"}, {Name: "ResultReason", Path: "resultReason"},
		{Name: "ActorType", As: AsActorType},
		{Name: "ActorDisplayName", Path: "initiatedBy.user.displayName|initiatedBy.app.displayName"},
		{Name: "ActorObjectId", Path: "initiatedBy.user.id"},
		{Name: "ActorUserPrincipalName", Path: "initiatedBy.user.userPrincipalName"},
		{Name: "ActorHomeTenantId", Path: "initiatedBy.user.homeTenantId"},
		{Name: "ActorHomeTenantName", Path: "initiatedBy.user.homeTenantName"},
		{Name: "ActorServicePrincipalId", Path: "initiatedBy.app.servicePrincipalId"},
		{Name: "ActorServicePrincipalName", Path: "initiatedBy.app.servicePrincipalName"},
		{Name: "IPAddress", Path: "initiatedBy.user.ipAddress"}, {Name: "UserAgent", Path: "userAgent"},
	}
	for t := range AuditTargets {
		target, path := fmt.Sprintf("Target%d", t+1), fmt.Sprintf("targetResources.%d.", t)
		out = append(out, FileColumn{Name: target + "Type", Path: path + "type"},
			FileColumn{Name: target + "DisplayName", Path: path + "displayName"},
			FileColumn{Name: target + "ObjectId", Path: path + "id"}, FileColumn{Name: target + "UserPrincipalName",
				Path: path + "userPrincipalName"})
		for p := range AuditProperties {
			property, path := fmt.Sprintf("%sModifiedProperty%d", target, p+1),
				fmt.Sprintf("%smodifiedProperties.%d.", path, p)
			out = append(out, FileColumn{Name: property + "Name", Path: path + "displayName"},
				FileColumn{Name: property + "OldValue", Path: path + "oldValue"},
				FileColumn{Name: property + "NewValue", Path: path + "newValue"})
		}
	}
	for d := range AuditDetails {
		detail, path := fmt.Sprintf("AdditionalDetail%d", d+1), fmt.Sprintf("additionalDetails.%d.", d)
		out = append(out, FileColumn{Name: detail + "Key", Path: path + "key"},
			FileColumn{Name: detail + "Value", Path: path + "value"})
	}
	return append(out, FileColumn{Name: "Beyond", As: AsBeyond})
}
