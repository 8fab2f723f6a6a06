package logs

// What the logs of sign-ins have in common. Sources:
// learn.microsoft.com/graph/api/resources/signin, and the records that the service sends.

// signIns is Graph's collection of all sign-ins; without a filter of types it gives the interactive
// ones.
const signIns = "signIns"

// AuditLog is the permission that reads nearly all logs.
const AuditLog = "AuditLog.Read.All"

// signInShape is the shape of v1.0 and beta together.
const signInShape = `
createdDateTime:t id userDisplayName userPrincipalName userId appId appDisplayName ipAddress ipAddressFromResourceProvider clientAppUsed
correlationId conditionalAccessStatus originalRequestId isInteractive:b tokenIssuerName tokenIssuerType processingTimeInMilliseconds:n
riskDetail riskLevelAggregated riskLevelDuringSignIn riskState riskEventTypes[] riskEventTypes_v2[] resourceDisplayName resourceId
resourceTenantId resourceOwnerTenantId appOwnerTenantId homeTenantId homeTenantName resourceServicePrincipalId servicePrincipalId servicePrincipalName
servicePrincipalCredentialKeyId servicePrincipalCredentialThumbprint userAgent userType userSubject authenticationMethodsUsed[]
alternateSignInName signInIdentifier signInIdentifierType signInEventTypes[] federatedCredentialId flaggedForReview:b isTenantRestricted:b
isRisky:b accountName source result operation tenantId appResourceProvider:* longitude:* latitude:* managedIdentityType ssoExtensionVersion
rngcStatus:* authenticationStrengths:* riskLevelDuringsignIn isThroughGlobalSecureAccess:b globalSecureAccessIpAddress autonomousSystemNumber:n crossTenantAccessType uniqueTokenIdentifier sessionId
incomingTokenType authenticationProtocol originalTransferMethod clientCredentialType authenticationRequirement conditionalAccessAudiences[]
azureResourceId appTokenProtectionStatus mfaDetail{authDetail authMethod} privateLinkDetails:*
status{errorCode:n failureReason additionalDetails}
deviceDetail{deviceId displayName operatingSystem browser browserId isCompliant:b isManaged:b trustType}
location{city state countryOrRegion geoCoordinates{altitude:n latitude:n longitude:n}}
appliedConditionalAccessPolicies[{id displayName enforcedGrantControls[] enforcedSessionControls[] result conditionsSatisfied conditionsNotSatisfied
  includeRulesSatisfied[{conditionalAccessCondition ruleSatisfied}] excludeRulesSatisfied[{conditionalAccessCondition ruleSatisfied}]
  authenticationStrength:* sessionControlsNotSatisfied[]}]
appliedEventListeners[{eventType executedListener:*}]
authenticationContextClassReferences[{id detail}]
authenticationDetails[{authenticationStepDateTime:t authenticationMethod authenticationMethodDetail succeeded:b authenticationStepResultDetail authenticationStepRequirement}]
authenticationProcessingDetails[{key value}] authenticationRequirementPolicies[{detail requirementProvider}]
authenticationAppDeviceDetails:* authenticationAppPolicyEvaluationDetails:* networkLocationDetails[{networkType networkNames[]}]
sessionLifetimePolicies[{detail expirationRequirement}] tokenProtectionStatusDetails:* managedServiceIdentity:* agent:* conditionalAccessPolicies:*
`

// signInColumns are few, because each costs as much as a tenth of the compressed record.
func signInColumns() []Column {
	return []Column{
		{Path: "userId", Name: "UserId", Indexed: true},
		{Path: "userPrincipalName", Name: "UserPrincipalName", Indexed: true},
		{Path: "appId", Name: "AppId", Indexed: true},
		{Path: "servicePrincipalId", Name: "ServicePrincipalId", Indexed: true},
		{Path: "ipAddress", Name: "IpAddress"},
		{Path: "status/errorCode", Name: "ErrorCode"},
		{Path: "conditionalAccessStatus", Name: "ConditionalAccessStatus", Since: 2,
			Usual: []string{"success", "notApplied"}},
		{Path: "clientAppUsed", Name: "ClientAppUsed", Since: 2,
			Usual: []string{"Browser", "Mobile Apps and Desktop clients"}},
		{Path: "authenticationProtocol", Name: "AuthenticationProtocol", Since: 2,
			Usual: []string{"none", "oAuth2", "saml20"}},
		{Path: "crossTenantAccessType", Name: "CrossTenantAccessType", Since: 2, Usual: []string{"none"}},
		{Path: "riskState", Name: "RiskState", Since: 2, Usual: []string{"none", "hidden"}},
	}
}

// appliedPolicies is what sign-ins lack without a permission to read Conditional Access policies;
// any of the three will do.
// Source: learn.microsoft.com/graph/api/signin-list, "Viewing applied conditional access (CA)
// policies in sign-ins".
func appliedPolicies() *Grant {
	return &Grant{Name: "Policy.Read.ConditionalAccess",
		Instead:  []string{"Policy.Read.All", "Policy.ReadWrite.ConditionalAccess"},
		Property: "appliedConditionalAccessPolicies", For: "Conditional Access results within sign-ins",
		Without: "Graph leaves `appliedConditionalAccessPolicies` out of sign-ins, without an error; what was left " +
			"out can't be had later"}
}

// The portal's files, and their columns. Sources:
// learn.microsoft.com/entra/identity/monitoring-health/howto-download-logs, and the files that the
// portal hands out, such as InteractiveSignIns_2026-11-01_2026-11-08.csv and
// InteractiveSignIns_AuthDetails_2026-11-01_2026-11-08.csv.

func userSignInFile() []FileColumn {
	return []FileColumn{
		{Name: "Date (UTC)", Path: "createdDateTime", As: AsTime}, {Name: "Request ID", Path: "id"},
		{Name: "User agent", Path: "userAgent"}, {Name: "Correlation ID", Path: "correlationId"},
		{Name: "User ID", Path: "userId"}, {Name: "User", Path: "userDisplayName"},
		{Name: "Username", Path: "userPrincipalName"}, {Name: "User type", Path: "userType"},
		{Name: "Cross tenant access type", Path: "crossTenantAccessType"},
		{Name: "Incoming token type", Path: "incomingTokenType"},
		{Name: "Authentication Protocol", Path: "authenticationProtocol"},
		{Name: "Unique token identifier", Path: "uniqueTokenIdentifier"},
		{Name: "Original transfer method", Path: "originalTransferMethod"},
		{Name: "Client credential type", Path: "clientCredentialType"},
		{Name: "Token Protection - Sign In Session", Path: "tokenProtectionStatusDetails.signInSessionStatus"},
		{Name: "Token Protection - Sign In Session StatusCode",
			Path: "tokenProtectionStatusDetails.signInSessionStatusCode"},
		{Name: "Application", Path: "appDisplayName"}, {Name: "Application ID", Path: "appId"},
		{Name: "App owner tenant ID", Path: "appOwnerTenantId"},
		{Name: "Resource", Path: "resourceDisplayName"}, {Name: "Resource ID", Path: "resourceId"},
		{Name: "Resource tenant ID", Path: "resourceTenantId"},
		{Name: "Resource owner tenant ID", Path: "resourceOwnerTenantId"},
		{Name: "Home tenant ID", Path: "homeTenantId"}, {Name: "Home tenant name", Path: "homeTenantName"},
		{Name: "IP address", Path: "ipAddress"}, {Name: "Location", As: AsLocation}, {Name: "Status", As: AsStatus},
		{Name: "Sign-in error code", Path: "status.errorCode"},
		{Name: "Failure reason", Path: "status.failureReason"}, {Name: "Client app", Path: "clientAppUsed"},
		{Name: "Device ID", Path: "deviceDetail.deviceId"},
		{Name: "Browser", Path: "deviceDetail.browser"},
		{Name: "Operating System", Path: "deviceDetail.operatingSystem"},
		{Name: "Compliant", Path: "deviceDetail.isCompliant"},
		{Name: "Managed", Path: "deviceDetail.isManaged"}, {Name: "Join Type", Path: "deviceDetail.trustType"},
		{Name: "Multifactor authentication result", Path: "status.additionalDetails"},
		{Name: "Multifactor authentication auth method", Path: "mfaDetail.authMethod"},
		{Name: "Multifactor authentication auth detail", Path: "mfaDetail.authDetail"},
		{Name: "Authentication requirement", Path: "authenticationRequirement"},
		{Name: "Sign-in identifier", Path: "signInIdentifier"}, {Name: "Session ID", Path: "sessionId"},
		{Name: "IP address (seen by resource)", Path: "ipAddressFromResourceProvider"},
		{Name: "Through Global Secure Access", Path: "isThroughGlobalSecureAccess"},
		{Name: "Global Secure Access IP address", Path: "globalSecureAccessIpAddress"},
		{Name: "Autonomous system number", Path: "autonomousSystemNumber"},
		{Name: "Flagged for review", Path: "flaggedForReview"}, {Name: "Token issuer type", Path: "tokenIssuerType"},
		{Name: "Token issuer name", Path: "tokenIssuerName"},
		{Name: "Latency", Path: "processingTimeInMilliseconds"},
		{Name: "Conditional Access", Path: "conditionalAccessStatus"},
	}
}

// authenticationDetailsFile has the steps of the sign-ins in a file.
func authenticationDetailsFile(of string) File {
	return File{Name: of + "_AuthDetails", Former: []string{of + "AuthDetails"}, Each: "authenticationDetails",
		Columns: stepColumns()}
}

func stepColumns() []FileColumn {
	return []FileColumn{
		{Name: "Request ID", Path: "id"},
		{Name: "Date (UTC)", Path: ".authenticationStepDateTime|createdDateTime", As: AsTime},
		{Name: "Authentication method", Path: ".authenticationMethod"},
		{Name: "Authentication method detail", Path: ".authenticationMethodDetail"},
		{Name: "Succeeded", Path: ".succeeded"},
		{Name: "Result detail", Path: ".authenticationStepResultDetail"},
		{Name: "Requirement", Path: ".authenticationStepRequirement"},
	}
}

// policiesFile has the Conditional Access policies of the sign-ins in a file: one row for each that
// was evaluated, those that only report included. The portal shows them with a sign-in, and has no
// file of them. Source of the properties:
// learn.microsoft.com/graph/api/resources/appliedconditionalaccesspolicy, in beta.
func policiesFile(of string) File {
	return File{Name: of + "_ConditionalAccess", Each: "appliedConditionalAccessPolicies", Columns: []FileColumn{
		{Name: "Request ID", Path: "id"}, {Name: "Date (UTC)", Path: "createdDateTime", As: AsTime},
		{Name: "Policy ID", Path: ".id"}, {Name: "Policy name", Path: ".displayName"}, {Name: "Result", Path: ".result"},
		{Name: "Grant controls", Path: ".enforcedGrantControls"},
		{Name: "Session controls", Path: ".enforcedSessionControls"},
		{Name: "Session controls not satisfied", Path: ".sessionControlsNotSatisfied"},
		{Name: "Authentication strength", Path: ".authenticationStrength.displayName"},
		{Name: "Authentication strength result", Path: ".authenticationStrength.authenticationStrengthResult"},
		{Name: "Conditions satisfied", Path: ".conditionsSatisfied"},
		{Name: "Conditions not satisfied", Path: ".conditionsNotSatisfied"},
		{Name: "Include rules satisfied", Path: ".includeRulesSatisfied"},
		{Name: "Exclude rules satisfied", Path: ".excludeRulesSatisfied"},
	}}
}

func workloadSignInFile() []FileColumn {
	return []FileColumn{
		{Name: "Date (UTC)", Path: "createdDateTime", As: AsTime}, {Name: "Request ID", Path: "id"},
		{Name: "Correlation ID", Path: "correlationId"},
		{Name: "Service principal ID", Path: "servicePrincipalId"},
		{Name: "Service principal name", Path: "servicePrincipalName"},
		{Name: "Managed identity type", Path: "managedServiceIdentity.msiType|managedIdentityType"},
		{Name: "Associated resource ID", Path: "managedServiceIdentity.associatedResourceId"},
		{Name: "Application ID", Path: "appId"}, {Name: "App owner tenant ID", Path: "appOwnerTenantId"},
		{Name: "Resource", Path: "resourceDisplayName"}, {Name: "Resource ID", Path: "resourceId"},
		{Name: "Resource service principal ID", Path: "resourceServicePrincipalId"},
		{Name: "Resource tenant ID", Path: "resourceTenantId"},
		{Name: "Home tenant ID", Path: "homeTenantId"}, {Name: "IP address", Path: "ipAddress"},
		{Name: "Location", As: AsLocation}, {Name: "Status", As: AsStatus},
		{Name: "Sign-in error code", Path: "status.errorCode"}, {Name: "Failure reason", Path: "status.failureReason"},
		{Name: "Client credential type", Path: "clientCredentialType"},
		{Name: "Credential key ID", Path: "servicePrincipalCredentialKeyId"},
		{Name: "Credential thumbprint", Path: "servicePrincipalCredentialThumbprint"},
		{Name: "Federated credential ID", Path: "federatedCredentialId"},
		{Name: "Unique token identifier", Path: "uniqueTokenIdentifier"},
		{Name: "Autonomous system number", Path: "autonomousSystemNumber"}, {Name: "User agent", Path: "userAgent"},
		{Name: "Conditional Access", Path: "conditionalAccessStatus"},
	}
}
