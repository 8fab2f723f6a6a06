package odata

import (
	"fmt"

	"github.com/entraledger/entraledger/internal/entra"
)

// The shapes of Microsoft Graph's log records, of v1.0 and beta together. Sources: learn.microsoft.com/graph/api/resources/signin,
// .../directoryaudit, .../provisioningobjectsummary, and the records that the service sends.

const identity = "{displayName id userPrincipalName ipAddress userType homeTenantId homeTenantName roles:*}"

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

const auditShape = `
activityDateTime:t id activityDisplayName category correlationId loggedByService operationType result resultReason userAgent
tenantId tenantGeo resultType resultDescription operationName identity targetResource:*
additionalDetails[{key value}]
initiatedBy{user` + identity + ` app{appId displayName servicePrincipalId servicePrincipalName}}
targetResources[{id displayName type Type userPrincipalName groupType administrativeUnits:* modifiedProperties[{displayName oldValue newValue}]}]
`

const provisioningShape = `
activityDateTime:t id tenantId jobId cycleId changeId action provisioningAction durationInMilliseconds:n operationType statusInfo:*
provisioningStatusInfo{status:f errorInformation{errorCode reason additionalDetails errorCategory recommendedAction}}
initiatedBy{id displayName initiatorType initiatingType} servicePrincipal{id displayName name}
sourceSystem{id displayName details:*} targetSystem{id displayName details:*}
sourceIdentity{id displayName identityType details:*} targetIdentity{id displayName identityType details:*}
modifiedProperties[{displayName oldValue newValue}]
provisioningSteps[{name status description details:* provisioningStepType}]
`

// ShapeOf is the shape of a stream's records.
func ShapeOf(s entra.Stream) (*Shape, error) {
	text := auditShape
	switch {
	case s.IsSignIns():
		text = signInShape
	case s == entra.Provisioning:
		text = provisioningShape
	}
	shape, err := ParseShape("", text)
	if err != nil {
		return nil, fmt.Errorf("read the shape of %s: %w", s, err)
	}
	return shape, nil
}
