// The archive's storage: tables with records and ledger, and a container with the heads of the logs of seals, which nobody can rewrite.
import { redundancy as accountRedundancy, tagValues } from '../types.bicep'

@description('Name of the account.')
@minLength(3)
@maxLength(24)
param name string

@description('Region.')
param location string

@description('Tags.')
param tags tagValues

@description('Redundancy.')
param redundancy accountRedundancy

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

@description('Whether each access to the archive is told to the workspace.')
param auditAccess bool

@description('Log Analytics workspace that is told.')
param workspaceId string

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
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

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
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

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource heads 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: 'entraledger-heads'
  properties: {
    publicAccess: 'None'
  }
}

// Unlocked, it can still be shortened by whoever manages the account; docs/security.md tells how and when to lock it.
resource immutability 'Microsoft.Storage/storageAccounts/blobServices/containers/immutabilityPolicies@2025-06-01' = if (!headsLocked) {
  parent: heads
  name: 'default'
  properties: {
    immutabilityPeriodSinceCreationInDays: headsImmutableDays
    allowProtectedAppendWrites: false
  }
}

resource lock 'Microsoft.Authorization/locks@2020-05-01' = if (locked) {
  name: 'keep-the-archive'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'The archive of Entra Ledger. Graph has forgotten what it holds.'
  }
}

// The one version that is not a preview dates from 2016, and is poorer.
#disable-next-line use-recent-api-versions
resource tableAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (auditAccess) {
  name: 'access'
  scope: tables
  properties: {
    workspaceId: workspaceId
    logs: [
      { category: 'StorageRead', enabled: true }
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

#disable-next-line use-recent-api-versions
resource blobAudit 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (auditAccess) {
  name: 'access'
  scope: blobs
  properties: {
    workspaceId: workspaceId
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
