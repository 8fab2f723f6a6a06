@description('Region.')
param location string

resource account 'Microsoft.Storage/storageAcounts@2023-05-01' = { // ERROR: no resource type
  name: 'ledger'
  location: location
  sku: {
    name: 'Standard_LRS'
  }
  kind: 'StorageV2'
}
