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

resource plan 'Microsoft.Web/serverfarms@2023-12-01' = {
  scope: account // ERROR: no extension
  name: 'plan'
  location: location
}
