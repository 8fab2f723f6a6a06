@description('Region.')
param location string

var size = 3 // ERROR: nothing uses

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'ledger'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
