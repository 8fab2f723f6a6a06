package export

import (
	"fmt"

	"github.com/tidwall/gjson"
)

// The columns of the portal's files. Sources: learn.microsoft.com/entra/identity/monitoring-health/howto-download-logs, and the
// files that the portal hands out.

func userSignIns() []Column {
	return []Column{
		{Name: "Date (UTC)", of: utc("createdDateTime")}, {Name: "Request ID", Path: "id"}, {Name: "User agent", Path: "userAgent"}, {Name: "Correlation ID", Path: "correlationId"},
		{Name: "User ID", Path: "userId"}, {Name: "User", Path: "userDisplayName"}, {Name: "Username", Path: "userPrincipalName"}, {Name: "User type", Path: "userType"},
		{Name: "Cross tenant access type", Path: "crossTenantAccessType"}, {Name: "Incoming token type", Path: "incomingTokenType"},
		{Name: "Authentication Protocol", Path: "authenticationProtocol"}, {Name: "Unique token identifier", Path: "uniqueTokenIdentifier"},
		{Name: "Original transfer method", Path: "originalTransferMethod"}, {Name: "Client credential type", Path: "clientCredentialType"},
		{Name: "Token Protection - Sign In Session", Path: "tokenProtectionStatusDetails.signInSessionStatus"},
		{Name: "Token Protection - Sign In Session StatusCode", Path: "tokenProtectionStatusDetails.signInSessionStatusCode"},
		{Name: "Application", Path: "appDisplayName"}, {Name: "Application ID", Path: "appId"}, {Name: "App owner tenant ID", Path: "appOwnerTenantId"},
		{Name: "Resource", Path: "resourceDisplayName"}, {Name: "Resource ID", Path: "resourceId"}, {Name: "Resource tenant ID", Path: "resourceTenantId"},
		{Name: "Resource owner tenant ID", Path: "resourceOwnerTenantId"}, {Name: "Home tenant ID", Path: "homeTenantId"}, {Name: "Home tenant name", Path: "homeTenantName"},
		{Name: "IP address", Path: "ipAddress"}, {Name: "Location", of: location}, {Name: "Status", of: signInStatus}, {Name: "Sign-in error code", Path: "status.errorCode"},
		{Name: "Failure reason", Path: "status.failureReason"}, {Name: "Client app", Path: "clientAppUsed"}, {Name: "Device ID", Path: "deviceDetail.deviceId"},
		{Name: "Browser", Path: "deviceDetail.browser"}, {Name: "Operating System", Path: "deviceDetail.operatingSystem"}, {Name: "Compliant", Path: "deviceDetail.isCompliant"},
		{Name: "Managed", Path: "deviceDetail.isManaged"}, {Name: "Join Type", Path: "deviceDetail.trustType"},
		{Name: "Multifactor authentication result", Path: "status.additionalDetails"}, {Name: "Multifactor authentication auth method", Path: "mfaDetail.authMethod"},
		{Name: "Multifactor authentication auth detail", Path: "mfaDetail.authDetail"}, {Name: "Authentication requirement", Path: "authenticationRequirement"},
		{Name: "Sign-in identifier", Path: "signInIdentifier"}, {Name: "Session ID", Path: "sessionId"},
		{Name: "IP address (seen by resource)", Path: "ipAddressFromResourceProvider"}, {Name: "Through Global Secure Access", Path: "isThroughGlobalSecureAccess"},
		{Name: "Global Secure Access IP address", Path: "globalSecureAccessIpAddress"}, {Name: "Autonomous system number", Path: "autonomousSystemNumber"},
		{Name: "Flagged for review", Path: "flaggedForReview"}, {Name: "Token issuer type", Path: "tokenIssuerType"}, {Name: "Token issuer name", Path: "tokenIssuerName"},
		{Name: "Latency", Path: "processingTimeInMilliseconds"}, {Name: "Conditional Access", Path: "conditionalAccessStatus"},
	}
}

func authenticationDetails() []Column {
	return []Column{
		{Name: "Request ID", Path: "id"}, {Name: "Date (UTC)", of: utc(".authenticationStepDateTime|createdDateTime")}, {Name: "Authentication method", Path: ".authenticationMethod"},
		{Name: "Authentication method detail", Path: ".authenticationMethodDetail"}, {Name: "Succeeded", Path: ".succeeded"},
		{Name: "Result detail", Path: ".authenticationStepResultDetail"}, {Name: "Requirement", Path: ".authenticationStepRequirement"},
	}
}

func workloadSignIns() []Column {
	return []Column{
		{Name: "Date (UTC)", of: utc("createdDateTime")}, {Name: "Request ID", Path: "id"}, {Name: "Correlation ID", Path: "correlationId"},
		{Name: "Service principal ID", Path: "servicePrincipalId"}, {Name: "Service principal name", Path: "servicePrincipalName"},
		{Name: "Managed identity type", Path: "managedServiceIdentity.msiType|managedIdentityType"}, {Name: "Associated resource ID", Path: "managedServiceIdentity.associatedResourceId"},
		{Name: "Application ID", Path: "appId"}, {Name: "App owner tenant ID", Path: "appOwnerTenantId"}, {Name: "Resource", Path: "resourceDisplayName"}, {Name: "Resource ID", Path: "resourceId"},
		{Name: "Resource service principal ID", Path: "resourceServicePrincipalId"}, {Name: "Resource tenant ID", Path: "resourceTenantId"},
		{Name: "Home tenant ID", Path: "homeTenantId"}, {Name: "IP address", Path: "ipAddress"}, {Name: "Location", of: location}, {Name: "Status", of: signInStatus},
		{Name: "Sign-in error code", Path: "status.errorCode"}, {Name: "Failure reason", Path: "status.failureReason"}, {Name: "Client credential type", Path: "clientCredentialType"},
		{Name: "Credential key ID", Path: "servicePrincipalCredentialKeyId"}, {Name: "Credential thumbprint", Path: "servicePrincipalCredentialThumbprint"},
		{Name: "Federated credential ID", Path: "federatedCredentialId"}, {Name: "Unique token identifier", Path: "uniqueTokenIdentifier"},
		{Name: "Autonomous system number", Path: "autonomousSystemNumber"}, {Name: "User agent", Path: "userAgent"}, {Name: "Conditional Access", Path: "conditionalAccessStatus"},
	}
}

// The portal's audit file has columns for so many targets, properties of each, and additional details; what a record has
// beyond stands as JSON in the last column.
const (
	auditTargets    = 3
	auditProperties = 5
	auditDetails    = 10
)

func audits() []Column {
	out := []Column{
		{Name: "Date (UTC)", of: utc("activityDateTime")}, {Name: "ID", Path: "id"}, {Name: "CorrelationId", Path: "correlationId"}, {Name: "Service", Path: "loggedByService"}, {Name: "Category", Path: "category"},
		{Name: "Activity", Path: "activityDisplayName"}, {Name: "Operation", Path: "operationType"}, {Name: "Result", Path: "result"}, {Name: "ResultReason", Path: "resultReason"},
		{Name: "ActorType", of: actorType}, {Name: "ActorDisplayName", Path: "initiatedBy.user.displayName|initiatedBy.app.displayName"}, {Name: "ActorObjectId", Path: "initiatedBy.user.id"},
		{Name: "ActorUserPrincipalName", Path: "initiatedBy.user.userPrincipalName"}, {Name: "ActorHomeTenantId", Path: "initiatedBy.user.homeTenantId"},
		{Name: "ActorHomeTenantName", Path: "initiatedBy.user.homeTenantName"}, {Name: "ActorServicePrincipalId", Path: "initiatedBy.app.servicePrincipalId"},
		{Name: "ActorServicePrincipalName", Path: "initiatedBy.app.servicePrincipalName"}, {Name: "IPAddress", Path: "initiatedBy.user.ipAddress"}, {Name: "UserAgent", Path: "userAgent"},
	}
	for t := range auditTargets {
		target, path := fmt.Sprintf("Target%d", t+1), fmt.Sprintf("targetResources.%d.", t)
		out = append(out, Column{Name: target + "Type", Path: path + "type"}, Column{Name: target + "DisplayName", Path: path + "displayName"},
			Column{Name: target + "ObjectId", Path: path + "id"}, Column{Name: target + "UserPrincipalName", Path: path + "userPrincipalName"})
		for p := range auditProperties {
			property, path := fmt.Sprintf("%sModifiedProperty%d", target, p+1), fmt.Sprintf("%smodifiedProperties.%d.", path, p)
			out = append(out, Column{Name: property + "Name", Path: path + "displayName"}, Column{Name: property + "OldValue", Path: path + "oldValue"},
				Column{Name: property + "NewValue", Path: path + "newValue"})
		}
	}
	for d := range auditDetails {
		detail, path := fmt.Sprintf("AdditionalDetail%d", d+1), fmt.Sprintf("additionalDetails.%d.", d)
		out = append(out, Column{Name: detail + "Key", Path: path + "key"}, Column{Name: detail + "Value", Path: path + "value"})
	}
	return append(out, Column{Name: "Beyond", of: beyond})
}

func actorType(record, _ gjson.Result) string {
	switch {
	case record.Get("initiatedBy.user").IsObject():
		return "User"
	case record.Get("initiatedBy.app").IsObject():
		return "Application"
	}
	return ""
}

// beyond is what of an audit record finds no place in the other columns: nothing is left out in silence.
func beyond(record, _ gjson.Result) string {
	targets := record.Get("targetResources").Array()
	more := len(targets) > auditTargets || len(record.Get("additionalDetails").Array()) > auditDetails
	for _, t := range targets[:min(len(targets), auditTargets)] {
		more = more || len(t.Get("modifiedProperties").Array()) > auditProperties
	}
	if !more {
		return ""
	}
	return `{"targetResources":` + orEmpty(record.Get("targetResources")) + `,"additionalDetails":` + orEmpty(record.Get("additionalDetails")) + `}`
}

func orEmpty(v gjson.Result) string {
	if v.Raw == "" {
		return "[]"
	}
	return v.Raw
}

func provisioning() []Column {
	return []Column{
		{Name: "Date (UTC)", of: utc("activityDateTime")}, {Name: "Log ID", Path: "id"}, {Name: "Change ID", Path: "changeId"}, {Name: "Cycle ID", Path: "cycleId"}, {Name: "Job ID", Path: "jobId"},
		{Name: "Tenant ID", Path: "tenantId"}, {Name: "Action", Path: "provisioningAction|action"}, {Name: "Status", Path: "provisioningStatusInfo.status|statusInfo.status"},
		{Name: "Error code", Path: "provisioningStatusInfo.errorInformation.errorCode"}, {Name: "Reason", Path: "provisioningStatusInfo.errorInformation.reason"},
		{Name: "Recommended action", Path: "provisioningStatusInfo.errorInformation.recommendedAction"}, {Name: "Error category", Path: "provisioningStatusInfo.errorInformation.errorCategory"},
		{Name: "Duration (ms)", Path: "durationInMilliseconds"}, {Name: "Initiated by", Path: "initiatedBy.displayName"}, {Name: "Initiator type", Path: "initiatedBy.initiatorType|initiatedBy.initiatingType"},
		{Name: "Service principal ID", Path: "servicePrincipal.id|servicePrincipal.0.id"}, {Name: "Service principal", Path: "servicePrincipal.displayName|servicePrincipal.name|servicePrincipal.0.name"},
		{Name: "Source system", Path: "sourceSystem.displayName"}, {Name: "Target system", Path: "targetSystem.displayName"},
		{Name: "Source ID", Path: "sourceIdentity.id"}, {Name: "Source identity", Path: "sourceIdentity.displayName"}, {Name: "Source identity type", Path: "sourceIdentity.identityType"},
		{Name: "Target ID", Path: "targetIdentity.id"}, {Name: "Target identity", Path: "targetIdentity.displayName"}, {Name: "Target identity type", Path: "targetIdentity.identityType"},
	}
}
