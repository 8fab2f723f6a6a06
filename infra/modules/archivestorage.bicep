// The archive's storage: tables with records and ledger, and a container with the heads of the logs of seals, which nobody can rewrite.
@description('Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Redundancy.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GRS'
  'Standard_RAGRS'
  'Standard_GZRS'
  'Standard_RAGZRS'
])
param redundancy string

@description('For how many days a head can be neither changed nor deleted.')
@minValue(1)
@maxValue(36500)
param headsImmutableDays int

@description('Whether the immutability policy is locked already. Then it can only be extended, with az storage container immutability-policy extend.')
param headsLocked bool

@description('For how many days a deleted blob or container can be restored.')
@minValue(1)
@maxValue(365)
param softDeleteDays int

@description('Whether a lock keeps the account from being deleted.')
param locked bool

@description('Whether the account answers through private endpoints only.')
param isPrivate bool

@description('Object id of the app\'s identity.')
param principalId string

@description('Log Analytics workspace that is told of each access to the archive. Empty: none.')
param auditWorkspaceId string

// Tables hold the archive; blobs the heads. Contributor cannot set permissions, nor take an immutability policy away.
var roles = {
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: name
  location: location
  tags: tags
  sku: {
    name: redundancy
  }
  kind: 'StorageV2'
  properties: {
    allowSharedKeyAccess: false
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: isPrivate ? 'Disabled' : 'Enabled'
    networkAcls: {
      defaultAction: isPrivate ? 'Deny' : 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    deleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: softDeleteDays
    }
  }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource heads 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: 'entraledger-heads'
  properties: {
    publicAccess: 'None'
  }
}

// Unlocked, it can still be shortened by whoever manages the account; docs/security.md tells how and when to lock it.
resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2023-05-01' = if (!headsLocked) {
  parent: heads
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: headsImmutableDays
    allowProtectedAppendWrites: false
  }
}

resource assignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in items(roles): {
  name: guid(account.id, principalId, role.value)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
    principalId: principalId
    principalType: 'ServicePrincipal'
  }
}]

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  name: 'keep-the-archive'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'The archive of Entra Ledger. Graph has forgotten what it holds.'
  }
}

resource tableAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(auditWorkspaceId)) {
  name: 'access'
  scope: tables
  properties: {
    workspaceId: auditWorkspaceId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

resource blobAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(auditWorkspaceId)) {
  name: 'access'
  scope: blobs
  properties: {
    workspaceId: auditWorkspaceId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

@description('Resource id of the account.')
output id string = account.id

@description('Name of the account.')
output name string = account.name

@description('Table endpoint, for ARCHIVE_STORAGE__tableServiceUri.')
output tableUri string = account.properties.primaryEndpoints.table

@description('Name of the container with the heads.')
output headsContainer string = heads.name
