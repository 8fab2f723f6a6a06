// What the app's identity may do, and where. The identity is part of each assignment's name: a new one gets new assignments. They stand in a
// module of their own, because the principal is known only when the identity has been made; what-if hides what lies beside such a name.
@description('Object id of the app\'s identity.')
@minLength(36)
@maxLength(36)
param principalId string

@description('Name of the Functions host\'s storage account.')
param hostStorageName string

@description('Name of the archive\'s storage account.')
param archiveStorageName string

@description('Name of the Application Insights component.')
param componentName string

// The host needs all three: blobs for leases, keys and the package, queues and tables for its own bookkeeping.
var hostRoles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

// Tables hold the archive; blobs the heads. Contributor can't set permissions, nor take an immutability policy away.
var archiveRoles = {
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
}

var componentRoles = {
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource hostStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: hostStorageName
}

resource archiveStorage 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: archiveStorageName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource onHostStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in items(hostRoles): {
    name: guid(hostStorage.id, principalId, role.value)
    scope: hostStorage
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource onArchiveStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in items(archiveRoles): {
    name: guid(archiveStorage.id, principalId, role.value)
    scope: archiveStorage
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]

resource onComponent 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in items(componentRoles): {
    name: guid(component.id, principalId, role.value)
    scope: component
    properties: {
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
      principalId: principalId
      principalType: 'ServicePrincipal'
    }
  }
]
