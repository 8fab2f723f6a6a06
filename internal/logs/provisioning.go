package logs

import "github.com/entraledger/entraledger/internal/entra"

// Provisioning is the log of the provisioning service.
const Provisioning entra.Stream = "provisioning"

// provisioning is read from v1.0, which has all that beta has. It accepts $orderby but does not
// obey. Source: learn.microsoft.com/graph/api/resources/provisioningobjectsummary.
func provisioning() *Log {
	return &Log{
		Stream: Provisioning, Title: "what the provisioning service did", Source: MicrosoftGraph(),
		Collection: "provisioning", Unfiltered: true, Forms: []string{entra.FormV1}, TimeProperty: "activityDateTime",
		Outcome:  "Status",
		Strict:   true,
		Licensed: true, Permission: AuditLog, Alternative: "ProvisioningLog.Read.All",
		Table: "provisioning", Shape: provisioningShape,
		Columns: []Column{
			{Path: "provisioningAction", Name: "ProvisioningAction"},
			{Path: "provisioningStatusInfo/status", Name: "Status"},
			{Path: "jobId", Name: "JobId"},
			{Path: "changeId", Name: "ChangeId"},
			{Path: "servicePrincipal/id", Name: "ServicePrincipalId", Indexed: true},
			{Path: "sourceIdentity/displayName", Name: "SourceDisplayName"},
			{Path: "targetIdentity/displayName", Name: "TargetDisplayName"},
			{Path: "provisioningStatusInfo/errorInformation/errorCode", Name: "ErrorCode", Since: 2},
		},
		Files: []File{
			{Name: "ProvisioningLogs", Columns: provisioningFile()},
			{Name: "ProvisioningLogs_ProvisioningSteps", Former: []string{"ProvisioningLogs_Steps"},
				Each: "provisioningSteps", Columns: []FileColumn{
					{Name: "Change ID", Path: "changeId"}, {Name: "Log ID", Path: "id"},
					{Name: "Step name", Path: ".name"},
					{Name: "Step type", Path: ".provisioningStepType"},
					{Name: "Step status", Path: ".status"}, {Name: "Description", Path: ".description"},
					{Name: "Details", Path: ".details"},
				}},
			{Name: "ProvisioningLogs_ModifiedProperties", Each: "modifiedProperties", Columns: []FileColumn{
				{Name: "Change ID", Path: "changeId"}, {Name: "Log ID", Path: "id"},
				{Name: "Property name", Path: ".displayName"}, {Name: "Old value", Path: ".oldValue"},
				{Name: "New value", Path: ".newValue"},
			}},
		},
	}
}

const provisioningShape = `
activityDateTime:t id tenantId jobId cycleId changeId action provisioningAction durationInMilliseconds:n operationType statusInfo:*
provisioningStatusInfo{status:f errorInformation{errorCode reason additionalDetails errorCategory recommendedAction}}
initiatedBy{id displayName initiatorType initiatingType} servicePrincipal{id displayName name}
sourceSystem{id displayName details:*} targetSystem{id displayName details:*}
sourceIdentity{id displayName identityType details:*} targetIdentity{id displayName identityType details:*}
modifiedProperties[{displayName oldValue newValue}]
provisioningSteps[{name status description details:* provisioningStepType}]
`

func provisioningFile() []FileColumn {
	return []FileColumn{
		{Name: "Date (UTC)", Path: "activityDateTime", As: AsTime}, {Name: "Log ID", Path: "id"},
		{Name: "Change ID", Path: "changeId"}, {Name: "Cycle ID", Path: "cycleId"}, {Name: "Job ID", Path: "jobId"},
		{Name: "Tenant ID", Path: "tenantId"}, {Name: "Action", Path: "provisioningAction|action"},
		{Name: "Status", Path: "provisioningStatusInfo.status|statusInfo.status"},
		{Name: "Error code", Path: "provisioningStatusInfo.errorInformation.errorCode"},
		{Name: "Reason", Path: "provisioningStatusInfo.errorInformation.reason"},
		{Name: "Recommended action", Path: "provisioningStatusInfo.errorInformation.recommendedAction"},
		{Name: "Error category", Path: "provisioningStatusInfo.errorInformation.errorCategory"},
		{Name: "Duration (ms)", Path: "durationInMilliseconds"},
		{Name: "Initiated by", Path: "initiatedBy.displayName"},
		{Name: "Initiator type", Path: "initiatedBy.initiatorType|initiatedBy.initiatingType"},
		{Name: "Service principal ID", Path: "servicePrincipal.id|servicePrincipal.0.id"},
		{Name: "Service principal", Path: "servicePrincipal.displayName|servicePrincipal.name|servicePrincipal.0.name"},
		{Name: "Source system", Path: "sourceSystem.displayName"},
		{Name: "Target system", Path: "targetSystem.displayName"},
		{Name: "Source ID", Path: "sourceIdentity.id"}, {Name: "Source identity", Path: "sourceIdentity.displayName"},
		{Name: "Source identity type", Path: "sourceIdentity.identityType"},
		{Name: "Target ID", Path: "targetIdentity.id"}, {Name: "Target identity", Path: "targetIdentity.displayName"},
		{Name: "Target identity type", Path: "targetIdentity.identityType"},
	}
}
