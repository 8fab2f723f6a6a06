// The function app on Flex Consumption: a custom handler, one program for all functions.
@description('Base of the names.')
param baseName string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Resource id of the identity.')
param identityId string

@description('Client id of the identity.')
param identityClientId string

@description('The Functions host\'s storage account.')
param hostStorageName string

@description('Address of the container that the package is deployed to.')
param deploymentContainerUri string

@description('Table endpoint of the archive.')
param archiveTableUri string

@description('Connection string of the Application Insights component.')
param componentConnectionString string

@description('Log Analytics workspace for the app\'s diagnostic setting.')
param workspaceId string

@description('Memory of an instance, in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int

@description('The most instances there may be.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int

@description('Subnet that the app reaches its storage through. Empty: none.')
param subnetId string

@description('Client id of the app registration for Microsoft Entra authentication. Empty: function keys alone.')
param entraClientId string

type setting = {
  name: string
  value: string
}

@description('Settings of the handler.')
param settings setting[]

var endpoint = environment().suffixes.storage
var entraAuthentication = !empty(entraClientId)

// The platform's settings first, then the identity's, then the handler's own: docs/settings.md.
var platformSettings = [
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
  { name: 'AzureWebJobsStorage__blobServiceUri', value: 'https://${hostStorageName}.blob.${endpoint}' }
  { name: 'AzureWebJobsStorage__queueServiceUri', value: 'https://${hostStorageName}.queue.${endpoint}' }
  { name: 'AzureWebJobsStorage__tableServiceUri', value: 'https://${hostStorageName}.table.${endpoint}' }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: componentConnectionString }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
]
var handlerSettings = concat(settings, [
  { name: 'AZURE_CLIENT_ID', value: identityClientId }
  { name: 'ARCHIVE_STORAGE__tableServiceUri', value: archiveTableUri }
  { name: 'ARCHIVE_STORAGE__clientId', value: identityClientId }
  { name: 'HTTP_AUTHORIZATION', value: entraAuthentication ? 'entra' : 'key' }
])

resource plan 'Microsoft.Web/serverfarms@2023-12-01' = {
  name: 'asp-${baseName}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2023-12-01' = {
  name: 'func-${baseName}'
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    clientAffinityEnabled: false
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: deploymentContainerUri
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
      }
      runtime: {
        name: 'custom'
        version: '1.0'
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
      appSettings: concat(platformSettings, handlerSettings)
    }
  }
}

// Publishing goes by Microsoft Entra identities; user names and passwords are off.
resource publishingByFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2023-12-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource publishingByScm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2023-12-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// Without a valid token nobody gets as far as the functions. Who has one still needs a function key and an app role.
resource authentication 'Microsoft.Web/sites/config@2023-12-01' = if (entraAuthentication) {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: 'Return401'
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: entraClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            entraClientId
            'api://${entraClientId}'
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

resource diagnostics 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'app'
  scope: app
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'FunctionAppLogs', enabled: true }
    ]
    metrics: [
      { category: 'AllMetrics', enabled: true }
    ]
  }
}

@description('Name of the app.')
output name string = app.name

@description('Its host name.')
output hostName string = app.properties.defaultHostName

@description('The handler\'s settings as they were deployed.')
output appSettings setting[] = handlerSettings
