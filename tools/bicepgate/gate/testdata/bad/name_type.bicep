@description('Region.')
param location text // ERROR: no type "text"

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'ledger'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
