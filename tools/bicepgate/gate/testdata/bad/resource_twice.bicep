@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'ledger'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
  kind: 'StorageV2' // ERROR: stands twice
}
