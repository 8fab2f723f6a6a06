@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  name: 'ledger'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
output id string account.id // SYNTAX
