@description('Region.')
param location string = 3 // ERROR: expected string, got int

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'ledger'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
