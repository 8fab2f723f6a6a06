// The function app on Flex Consumption: a custom handler, one program for all functions.
import { setting, settingValues, tagValues } from '../types.bicep'

@description('Base of the names.')
param baseName string

@description('Region.')
param location string

@description('Tags.')
param tags tagValues

@description('Which of Microsoft\'s clouds it is.')
param cloud string

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

@description('Settings of the handler.')
param settings setting[]

@description('Settings that were added by hand, and stay. The template\'s own names win.')
param otherSettings settingValues

@description('Address of the package to deploy. Empty: none, somebody publishes it afterwards.')
param packageUri string

var endpoint = environment().suffixes.storage
var entraAuthentication = !empty(entraClientId)

// The name alone works where storage ends as in the public cloud. With the addresses alone the host may start before it knows them.
var accountName = cloud == 'AzureCloud' ? [{ name: 'AzureWebJobsStorage__accountName', value: hostStorageName }] : []

// The Functions host takes 150 to 200 MB of an instance, and a process that is killed for memory takes all requests with it. With its limit Go's runtime
// collects garbage earlier instead.
var memoryLimits = {
  '512': '180MiB'
  '2048': '1536MiB'
  '4096': '3328MiB'
}

// The platform's and the runtime's settings first, then the identity's, then the handler's own: docs/settings.md.
var platformSettings = concat(accountName, [
  { name: 'AzureWebJobsStorage__credential', value: 'managedidentity' }
  { name: 'AzureWebJobsStorage__clientId', value: identityClientId }
  { name: 'AzureWebJobsStorage__blobServiceUri', value: 'https://${hostStorageName}.blob.${endpoint}' }
  { name: 'AzureWebJobsStorage__queueServiceUri', value: 'https://${hostStorageName}.queue.${endpoint}' }
  { name: 'AzureWebJobsStorage__tableServiceUri', value: 'https://${hostStorageName}.table.${endpoint}' }
  { name: 'APPLICATIONINSIGHTS_CONNECTION_STRING', value: componentConnectionString }
  { name: 'APPLICATIONINSIGHTS_AUTHENTICATION_STRING', value: 'ClientId=${identityClientId};Authorization=AAD' }
  { name: 'GOMEMLIMIT', value: memoryLimits[string(instanceMemoryMB)] }
])
var handlerSettings = concat(settings, [
  { name: 'AZURE_CLIENT_ID', value: identityClientId }
  { name: 'ARCHIVE_STORAGE__tableServiceUri', value: archiveTableUri }
  { name: 'ARCHIVE_STORAGE__clientId', value: identityClientId }
  { name: 'HTTP_AUTHORIZATION', value: entraAuthentication ? 'entra' : 'key' }
])
var ownSettings = concat(platformSettings, handlerSettings)
var ownNames = map(ownSettings, own => toLower(own.name))
var keptSettings = filter(
  map(items(otherSettings), other => { name: other.key, value: other.value }),
  kept => !contains(ownNames, toLower(kept.name))
)

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
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

resource app 'Microsoft.Web/sites@2025-03-01' = {
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
    keyVaultReferenceIdentity: identityId
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
      http20Enabled: true
      remoteDebuggingEnabled: false
      appSettings: concat(ownSettings, keptSettings)
    }
  }
}

// Publishing goes by Microsoft Entra identities; user names and passwords are off.
resource publishingByFtp 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource publishingByScm 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

// Without a valid token nobody gets as far as the functions. Who has one still needs a function key and an app role. It is written where it is off,
// too: what an earlier deployment switched on would stay on otherwise, and lock every caller with a key out.
// Callers reach these without a token: functions/ui answers everybody.
var pagePaths = [
  '/api/ui'
  '/api/ui/*'
]

var entraProvider = {
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

resource authentication 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: entraAuthentication
    }
    globalValidation: {
      requireAuthentication: entraAuthentication
      unauthenticatedClientAction: entraAuthentication ? 'Return401' : 'AllowAnonymous'
      // The page's files hold no data, and let a reader sign in. What lies below a path takes a pattern of its own.
      excludedPaths: entraAuthentication ? pagePaths : []
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: entraAuthentication ? entraProvider : {}
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}

// The platform fetches the package, so a network of the app's own does not stand in its way. It comes last: each change of the app's configuration
// restarts it, and may break a publishing that is under way.
resource package 'Microsoft.Web/sites/extensions@2025-03-01' = if (!empty(packageUri)) {
  parent: app
  name: any('onedeploy')
  properties: {
    packageUri: packageUri
    remoteBuild: false
  }
  dependsOn: [
    publishingByFtp
    publishingByScm
    authentication
  ]
}

@description('Name of the app.')
output name string = app.name

@description('Its host name.')
output hostName string = app.properties.defaultHostName

@description('The handler\'s settings as they were deployed.')
output appSettings setting[] = handlerSettings
