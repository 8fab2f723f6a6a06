@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: uniqueSting(resourceGroup().id) // ERROR: no function
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
