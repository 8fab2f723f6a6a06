// Optional: the tenant's Entra diagnostic setting, for the categories that Microsoft Graph does not offer. It sends them to a storage account
// or to a Log Analytics workspace; the archive does not need it. Whoever deploys it needs the role Security Administrator, and rights at the
// tenant's root: az deployment tenant create --location <region> --template-file infra/tenant.bicep
targetScope = 'tenant'

@description('Name of the diagnostic setting.')
@minLength(1)
@maxLength(64)
param name string = 'entraledger'

@description('Resource id of a storage account for the logs. Empty: none.')
param storageAccountId string = ''

@description('Resource id of a Log Analytics workspace for the logs. Empty: none.')
param workspaceId string = ''

type category = 'AuditLogs' | 'SignInLogs' | 'NonInteractiveUserSignInLogs' | 'ServicePrincipalSignInLogs' | 'ManagedIdentitySignInLogs' | 'ProvisioningLogs' | 'ADFSSignInLogs' | 'RiskyUsers' | 'UserRiskEvents' | 'RiskyServicePrincipals' | 'ServicePrincipalRiskEvents' | 'NetworkAccessTrafficLogs' | 'EnrichedOffice365AuditLogs' | 'MicrosoftGraphActivityLogs' | 'RemoteNetworkHealthLogs' | 'MicrosoftServicePrincipalSignInLogs'

@description('Categories that are sent. Sign-ins take Microsoft Entra ID P1 or P2.')
@minLength(1)
param categories category[] = [
  'RiskyUsers'
  'UserRiskEvents'
  'RiskyServicePrincipals'
  'ServicePrincipalRiskEvents'
  'ADFSSignInLogs'
  'MicrosoftGraphActivityLogs'
]

resource setting 'microsoft.aadiam/diagnosticSettings@2017-04-01' = {
  name: name
  properties: {
    storageAccountId: empty(storageAccountId) ? null : storageAccountId
    workspaceId: empty(workspaceId) ? null : workspaceId
    logs: [for category in categories: {
      category: category
      enabled: true
    }]
  }
}

@description('Resource id of the diagnostic setting.')
output id string = setting.id
