// Optional: the tenant's own Entra diagnostic settings, which send its logs somewhere else as well; the archive does not need them. By default they carry the
// categories that Microsoft Graph has no log of; the risk categories are there, too, because Graph shows today's risk and no history of it. Whoever
// deploys this needs the role Security Administrator (for custom security attributes: Attribute Log Administrator), and rights at the tenant's root:
// az deployment tenant create --location <region> --template-file infra/tenant.bicep --parameters workspaceId=<id>
targetScope = 'tenant'

@description('Name of the diagnostic setting.')
@minLength(1)
@maxLength(64)
param name string = 'entraledger'

@description('Resource id of a storage account for the logs. Empty: none.')
param storageAccountId string = ''

@description('Resource id of a Log Analytics workspace for the logs. Empty: none.')
param workspaceId string = ''

@description('Resource id of an authorization rule of an Event Hubs namespace, with the right to manage, send and listen. It is a shared key. Empty: none.')
param eventHubAuthorizationRuleId string = ''

@description('Name of the event hub. Empty: one is made for each category.')
param eventHubName string = ''

@description('Resource id of a partner\'s resource (Datadog, Elastic, ...). Empty: none.')
param marketplacePartnerId string = ''

@description('A category of the tenant\'s logs.')
type category =
  | 'AuditLogs'
  | 'SignInLogs'
  | 'NonInteractiveUserSignInLogs'
  | 'ServicePrincipalSignInLogs'
  | 'ManagedIdentitySignInLogs'
  | 'ProvisioningLogs'
  | 'ADFSSignInLogs'
  | 'RiskyUsers'
  | 'UserRiskEvents'
  | 'RiskyServicePrincipals'
  | 'ServicePrincipalRiskEvents'
  | 'NetworkAccessTrafficLogs'
  | 'NetworkAccessAlerts'
  | 'EnrichedOffice365AuditLogs'
  | 'MicrosoftGraphActivityLogs'
  | 'RemoteNetworkHealthLogs'
  | 'MicrosoftServicePrincipalSignInLogs'

@description('Categories that are sent. Sign-ins take Microsoft Entra ID P1 or P2, risk detections P2.')
@minLength(1)
param categories category[] = [
  'RiskyUsers'
  'UserRiskEvents'
  'RiskyServicePrincipals'
  'ServicePrincipalRiskEvents'
  'ADFSSignInLogs'
  'MicrosoftGraphActivityLogs'
]

@description('Whether the audits of custom security attributes are sent, too. They have a setting of their own, which other administrators manage.')
param customSecurityAttributes bool = false

var destinations = [storageAccountId, workspaceId, eventHubAuthorizationRuleId, marketplacePartnerId]
var destination = !empty(filter(destinations, id => !empty(id)))
  ? {
      storageAccountId: empty(storageAccountId) ? null : storageAccountId
      workspaceId: empty(workspaceId) ? null : workspaceId
      eventHubAuthorizationRuleId: empty(eventHubAuthorizationRuleId) ? null : eventHubAuthorizationRuleId
      eventHubName: empty(eventHubName) ? null : eventHubName
      marketplacePartnerId: empty(marketplacePartnerId) ? null : marketplacePartnerId
    }
  : fail('no destination is named: give storageAccountId, workspaceId, eventHubAuthorizationRuleId or marketplacePartnerId')

// The published types know neither partners nor the categories that came later.
resource setting 'microsoft.aadiam/diagnosticSettings@2017-04-01' = {
  name: name
  properties: any(union(destination, {
    logs: map(categories, category => {
      category: category
      enabled: true
    })
  }))
}

// No types are published for this one.
#disable-next-line BCP081
resource attributeSetting 'microsoft.aadCustomSecurityAttributesDiagnosticSettings/diagnosticSettings@2017-04-01-preview' = if (customSecurityAttributes) {
  name: name
  properties: union(destination, {
    logs: [
      {
        category: 'CustomSecurityAttributeAuditLogs'
        enabled: true
      }
    ]
  })
}

@description('Resource id of the diagnostic setting.')
output id string = setting.id
