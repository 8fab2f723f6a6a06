@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = { // ERROR: account.sku is required
  name: 'ledger'
  location: location
  kind: 'StorageV2'
}
